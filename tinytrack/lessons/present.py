"""Write arguments and results compactly, so that a learner sees the whole of a small case."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .compare import as_array, close

SMALL = 48  # numbers in an array that is shown in full
_WIDTH = 100


def number(value: Any) -> str:
    """Write one number, or anything else, in a few characters."""
    value = value.item() if isinstance(value, np.generic) else value
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def kind(array: np.ndarray) -> str:
    """Describe an array by its shape, or a single number by its value."""
    return f"shape {array.shape}" if array.ndim else number(array[()])


def argument(value: Any, indent: int = 0) -> str:
    """Write an argument: in full if it is small, otherwise its shape."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return _whole(as_array(value), indent)
    if isinstance(value, list | tuple):
        text = ", ".join(argument(item) if not isinstance(item, list | tuple) else repr(item) for item in value)
        text = f"({text}{',' * (len(value) == 1)})" if isinstance(value, tuple) else f"[{text}]"
        return text if len(text) < 4 * _WIDTH else f"a {type(value).__name__} of {len(value)} items"
    return number(value)


def _whole(array: np.ndarray, indent: int) -> str:
    return in_full(array, indent) if array.size <= SMALL else f"an array of shape {array.shape}"


def in_full(array: np.ndarray, indent: int) -> str:
    """Write an array as nested lists, with one row per line if they do not fit in one line."""
    digits = array.astype(int) if array.dtype.kind == "b" and array.size > 6 else array
    text = np.array2string(
        digits,
        separator=", ",
        max_line_width=_WIDTH if digits.ndim > 1 else 10**6,
        threshold=10**6,
        prefix=" " * indent,
        formatter={"all": number},
    )
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _WIDTH - indent else "\n".join(line for line in text.splitlines() if line.strip())


def compared(
    names: Sequence[str],
    arguments: tuple,
    steps: dict[str, Any],
    ours: np.ndarray | None,
    theirs: np.ndarray | None,
    wrong: np.ndarray | None,
) -> str:
    """Show one case: its arguments, both results and the places where they differ.

    Args:
        names: of the arguments.
        arguments: of the call.
        steps: numbers on the way to the expected result.
        ours: the learner's result; None if there is none.
        theirs: the expected result; None if there is none.
        wrong: marks the places that differ; None if the shapes differ.
    """
    lines = [f"  {name} = {argument(value, len(name) + 5)}" for name, value in zip(names, arguments, strict=True)]
    lines += [f"  on the way: {name} = {argument(value, len(name) + 17)}" for name, value in steps.items()]
    for label, array in (("your result", ours), ("expected", theirs)):
        if array is not None:
            lines.append(f"  {label:<11} = {_whole(array, 16)}")
    if ours is not None and theirs is not None and wrong is not None and theirs.size > 1:
        lines.append(f"  {_places(ours, theirs, wrong)}")
    return "\n".join(lines)


def _places(ours: np.ndarray, theirs: np.ndarray, wrong: np.ndarray) -> str:
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f"[{', '.join(map(str, first))}]"
    count = f"{int(wrong.sum())} of {wrong.size} places differ"
    return f"{count}; at {place} you have {number(ours[first])}, but {number(theirs[first])} is expected"


def differing(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> np.ndarray | None:
    """Mark the places where two arrays differ; None if their shapes differ."""
    return ~close(ours, theirs, tolerance) if ours.shape == theirs.shape else None
