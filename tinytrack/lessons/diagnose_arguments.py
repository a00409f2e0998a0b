"""Recognise a function that is right for other arguments: two of them swapped, one negated, doubled, not used, and so on."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from .compare import is_number
from .evidence import Evidence


def misused(evidence: Evidence) -> str:
    """Name the argument that the learner's function ignores, or takes for something else; empty if there is none."""
    return next(itertools.chain(_as_if(evidence), _ignored(evidence)), "")


def _explained(evidence: Evidence, change: Callable[[tuple], tuple]) -> bool:
    """Tell whether the solution gives the learner's results when its arguments are changed."""
    numbers = 0
    for arguments, ours in zip(evidence.cases, evidence.found, strict=True):
        try:
            changed = change(arguments)
        except Exception:  # the change does not fit this argument
            return False
        if not evidence.same(ours, evidence.solution(changed)):
            return False
        numbers += len(np.unique(ours)) if ours.dtype.kind in "iufb" else ours.size
    return numbers > 1


def _replaced(position: int, change: Callable[[Any], Any]) -> Callable[[tuple], tuple]:
    return lambda arguments: (*arguments[:position], change(arguments[position]), *arguments[position + 1 :])


_SCALARS: tuple[tuple[str, Callable], ...] = (
    ("1 instead of `{0}`, so check whether your function uses it", lambda v: type(v)(1)),
    ("0 instead of `{0}`, so check whether your function uses it", lambda v: type(v)(0)),
    ("`{0} - 1` instead of `{0}`", lambda v: v - 1),
    ("`{0} + 1` instead of `{0}`", lambda v: v + 1),
    ("`2 * {0}` instead of `{0}`", lambda v: 2 * v),
    ("half of `{0}` instead of `{0}`", lambda v: v // 2 if isinstance(v, int) else v / 2),
    ("`{0}` squared instead of `{0}`", lambda v: v**2),
    ("the square root of `{0}` instead of `{0}`", lambda v: math.sqrt(v)),
    ("`1 / {0}` instead of `{0}`", lambda v: 1 / v),
    ("the negative of `{0}`", lambda v: -v),
)
_ARRAYS: tuple[tuple[str, Callable], ...] = (
    ("the negative of `{0}`", lambda v: -v),
    ("`{0}` with its last two axes swapped", lambda v: v.swapaxes(-1, -2)),
    ("`{0}` reversed along its last axis", lambda v: _flip(v, -1)),
    ("`{0}` reversed along its first axis", lambda v: _flip(v, 0)),
    ("`{0}` reversed along its second axis from the end", lambda v: _flip(v, -2)),
    ("the absolute values of `{0}`", abs),
    ("`{0}` inverted", lambda v: ~v),
    ("the squares of `{0}`", lambda v: v**2),
    ("`1 - {0}` instead of `{0}`", lambda v: 1 - v),
    ("`{0} + 1` instead of `{0}`", lambda v: v + 1),
    ("`{0} - 1` instead of `{0}`", lambda v: v - 1),
    ("`{0}` after a softmax over its last axis", lambda v: v.softmax(-1)),
    ("`{0}` scaled to length 1 along its last axis", lambda v: v / v.norm(dim=-1, keepdim=True)),
    ("`{0}` rounded to whole numbers", lambda v: v.round()),
    ("only the first item of `{0}` for all items", lambda v: _first(v)),
    ("only the last item of `{0}` for all items", lambda v: _first(_flip(v, 0))),
    ("the mean of `{0}` along its first axis", lambda v: v.mean(0, keepdims=True) + 0 * v),
    ("the mean of `{0}` along its last axis", lambda v: v.mean(-1, keepdims=True) + 0 * v),
    ("the values of `{0}` in ascending order", lambda v: np.sort(v, -1) if isinstance(v, np.ndarray) else v.sort(-1).values),
)


def _flip(value: Any, axis: int) -> Any:
    return np.flip(value, axis).copy() if isinstance(value, np.ndarray) else value.flip(axis)


def _first(value: Any) -> Any:
    return value[:1] + 0 * value


def _changes(name: str, values: list) -> Iterator[tuple[str, Callable]]:
    """Yield changes that fit the values that an argument has in the cases, each with words for it."""
    if all(is_number(value) for value in values):
        yield from ((words.format(name), change) for words, change in _SCALARS)
    elif all(isinstance(value, bool) for value in values):
        yield f"the opposite of `{name}`", lambda v: not v
        yield f"`{name}` = True in every case", lambda v: True
        yield f"`{name}` = False in every case", lambda v: False
    elif all(isinstance(value, tuple | list) for value in values):
        yield f"`{name}` in reverse order", lambda v: v[::-1]
        yield f"`{name}` without its last item", lambda v: v[:-1]
        yield f"`{name}` without its first item", lambda v: v[1:]
        yield f"only the first item of `{name}`", lambda v: v[:1]
        yield f"only the last item of `{name}`", lambda v: v[-1:]
        yield f"`{name}` with each number one smaller", lambda v: type(v)(n - 1 for n in v)
        yield f"`{name}` with each number one larger", lambda v: type(v)(n + 1 for n in v)
    elif all(isinstance(value, np.ndarray | torch.Tensor) for value in values):
        yield from ((words.format(name), change) for words, change in _ARRAYS)


def _as_if(evidence: Evidence) -> Iterator[str]:
    names, count = evidence.names, len(evidence.names)
    for a, b in itertools.combinations(range(count), 2):

        def swapped(arguments, a=a, b=b):
            arguments = list(arguments)
            arguments[a], arguments[b] = arguments[b], arguments[a]
            return tuple(arguments)

        if all(type(case[a]) is type(case[b]) for case in evidence.cases):
            if _explained(evidence, swapped):
                yield f"Your result would be right for `{names[a]}` and `{names[b]}` swapped: check the order in which you use them"
            for x, y in ((a, b), (b, a)):
                if _explained(evidence, lambda arguments, x=x, y=y: (*arguments[:x], arguments[y], *arguments[x + 1 :])):
                    yield f"Your result would be right if `{names[x]}` were the same as `{names[y]}`: check that your function uses both"
    for n, name in enumerate(names):
        for words, change in _changes(name, [case[n] for case in evidence.cases]):
            if _explained(evidence, _replaced(n, change)):
                yield f"Your result would be right for {words}"


def _others(value: Any) -> Iterator[Any]:
    """Change an argument into others of the same kind, a little and a lot."""
    if isinstance(value, bool):
        yield not value
    elif is_number(value):
        yield from (value + 1, 2 * value + 3) if isinstance(value, int) else (value * 1.7 + 0.01, value * 0.6 + 0.1)
    elif isinstance(value, tuple) and all(is_number(v) for v in value):
        yield from zip(*(tuple(_others(v)) for v in value), strict=True)
    elif isinstance(value, torch.Tensor):
        yield from (torch.as_tensor(other) for other in _others(value.numpy()))
    elif isinstance(value, np.ndarray):
        for seed in (0, 1):
            mixed = np.random.default_rng(seed).permutation(value.ravel()).reshape(value.shape)
            yield mixed * 0.9 if value.dtype.kind == "f" else mixed


def _ignored(evidence: Evidence) -> Iterator[str]:
    for n, name in enumerate(evidence.names):
        if _no_influence(evidence, n):
            yield f"`{name}` has no influence on your result, although it should: check that your function uses it"


def _no_influence(evidence: Evidence, position: int) -> bool:
    """Tell whether the learner's result stays the same whenever an argument is changed and the right result changes."""
    tried = False
    for arguments, ours, theirs in zip(evidence.cases, evidence.found, evidence.right, strict=True):
        if ours.dtype.kind == "f" and np.isnan(ours).all():
            return False
        for other in _others(arguments[position]):
            changed = _replaced(position, lambda value, other=other: other)(arguments)
            expected = evidence.solution(changed)
            if expected is None or evidence.same(expected, theirs):
                continue  # the argument does not matter here, or the changed one is not allowed
            if not evidence.same(evidence.learner(changed), ours):
                return False
            tried = True
    return tried
