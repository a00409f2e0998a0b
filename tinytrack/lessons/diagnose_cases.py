"""Tell in which cases, and in which places of the result, a function is wrong, and what these have in common."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .compare import Unusable, as_array, has, numeric
from .evidence import Evidence
from .present import kind


def apart(evidence: Evidence, right: list[bool]) -> str:
    """Say when the function is wrong, if it is right in some cases; empty otherwise."""
    if all(right) or not any(right):
        return ""
    wrong = [not answer for answer in right]
    features = [dict(_features(evidence, n)) for n in range(len(right))]
    words = [word for word in dict.fromkeys(w for f in features for w in f) if [bool(f.get(word)) for f in features] == wrong]
    score = f"Your function is right in {sum(right)} of {len(right)} cases, but wrong"
    return f"{score} when {words[0]}" if words else f"{score} in the others, such as the one below"


def _features(evidence: Evidence, n: int) -> Iterator[tuple[str, bool]]:
    """Yield properties that a case may have, the most telling first."""
    arguments = evidence.cases[n]
    for name, value in zip(evidence.names, arguments, strict=True):
        yield from _of_argument(name, value)
    for (a, x), (b, y) in itertools.permutations(list(zip(evidence.names, arguments, strict=True)), 2):
        for kind_a, sizes in _sizes(a, x) if not isinstance(x, int) else ():
            for kind_b, divisors in _sizes(b, y):
                if isinstance(y, int | tuple) and not isinstance(y, bool) and len(divisors) in (1, len(sizes)):
                    pairs = zip(sizes, divisors * (len(sizes) // len(divisors)), strict=True)
                    yield f"{kind_b} does not divide {kind_a}", any(d and s % d for s, d in pairs)
        if hasattr(x, "shape") and hasattr(y, "shape") and len(x.shape) == len(y.shape):
            yield f"`{a}` and `{b}` have different shapes", tuple(x.shape) != tuple(y.shape)
    expected = evidence.right[n]
    yield "the expected result contains NaN", has(expected, np.isnan)
    yield "the expected result contains 0", expected.dtype.kind in "iuf" and bool((expected == 0).any())
    yield "the expected result contains negative numbers", expected.dtype.kind in "if" and bool((expected < 0).any())
    for name, value in zip(evidence.names, arguments, strict=True):
        if isinstance(value, int) and not isinstance(value, bool):
            yield f"`{name}` is odd", value % 2 == 1
            yield f"`{name}` is even", value % 2 == 0
        if hasattr(value, "shape") and len(value.shape) > 1:
            yield f"`{name}` is not square", value.shape[-1] != value.shape[-2]


def _of_argument(name: str, value: Any) -> Iterator[tuple[str, bool]]:
    if isinstance(value, bool):
        yield f"`{name}` is True", value
        yield f"`{name}` is False", not value
        return
    if isinstance(value, int | float):
        for number in (0, 1):
            yield f"`{name}` is {number}", value == number
            yield f"`{name}` is not {number}", value != number
        yield f"`{name}` is larger than 1", value > 1
        return
    try:
        array = as_array(value)
    except Unusable:
        return
    if isinstance(value, list | tuple):
        yield f"`{name}` has one item", len(value) == 1
        yield f"`{name}` has more than one item", len(value) > 1
        yield f"`{name}` has more than two items", len(value) > 2
    if array.dtype.kind == "b":
        yield f"`{name}` is empty (all False)", not array.any()
        yield f"`{name}` is full (all True)", bool(array.all())
    elif array.dtype.kind in "iuf":
        yield f"`{name}` contains NaN", has(array, np.isnan)
        yield f"`{name}` contains -inf", has(array, np.isneginf)
        yield f"`{name}` contains 0", bool((array == 0).any())
        yield f"`{name}` contains negative numbers", bool((array < 0).any())
        yield f"`{name}` contains equal numbers", array.ndim > 0 and len(np.unique(array)) < array.size
    if array.ndim > 1:
        yield f"`{name}` has more than one item along its first axis", array.shape[0] > 1
        yield f"`{name}` has {array.ndim} axes", True


def _sizes(name: str, value: Any) -> Iterator[tuple[str, list[int]]]:
    """Yield the size that an argument stands for: a number, a pair of numbers or the last two axes of an array."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield f"`{name}`", [value]
    elif isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, int) for v in value):
        yield f"`{name}`", list(value)
    elif hasattr(value, "shape") and len(value.shape) >= 2:
        yield f"the size of `{name}`", [int(v) for v in value.shape[-2:]]


def places(evidence: Evidence) -> str:
    """Say where the results are wrong if there is a pattern, such as only in the last row; empty otherwise."""
    wrong = evidence.wrong_places()
    if wrong is None:
        return ""
    pairs = [(w, o, t) for w, o, t in zip(wrong, evidence.found, evidence.right, strict=True) if w.any()]
    return next((f"Your result is {words}" for words, test in _patterns(pairs) if all(test(*pair) for pair in pairs)), "")


def not_finite(evidence: Evidence) -> str:
    """Say that the results contain NaN or inf where they should not; empty if they do not."""
    wrong = evidence.wrong_places()
    if wrong is None:
        return ""
    results = zip(wrong, evidence.found, evidence.right, strict=True)
    pairs = [(o[w].astype(float), t[w].astype(float)) for w, o, t in results if numeric(o, t) and not np.iscomplexobj(o)]
    if not pairs:
        return ""
    ours, theirs = (np.concatenate(part) for part in zip(*pairs, strict=True))
    if np.isnan(ours).any():
        return "Your result contains NaN where a number is expected: look for 0 / 0, 0 * inf, inf - inf or the log of a negative number"
    if (np.isinf(ours) & np.isinf(theirs)).any():
        return "Your result is infinite with the wrong sign"
    if (np.isinf(ours) & np.isfinite(theirs)).any():
        return "Your result is infinite where a finite number is expected"
    return ""


def _patterns(pairs) -> Iterator[tuple[str, Any]]:
    """Yield descriptions of places, each with a test of (wrong places, result, expected)."""
    yield "finite where -inf is expected", lambda w, o, t: t.dtype.kind == "f" and np.isneginf(t)[w].all()
    yield "wrong only where NaN is expected", lambda w, o, t: t.dtype.kind == "f" and np.isnan(t)[w].all()
    yield "wrong only where 0 is expected", lambda w, o, t: t.dtype.kind in "iuf" and (t[w] == 0).all() and (t != 0).any()
    yield "wrong only where you have 0", lambda w, o, t: t.dtype.kind in "iuf" and (o[w] == 0).all() and (t != 0).any()
    if all(t.dtype.kind == "b" for _, _, t in pairs):
        yield "True in too many places, but it misses none", lambda w, o, t: not t[w].any()
        yield "False in some places where True is expected, but never the other way round", lambda w, o, t: t[w].all()
    axes = min(w.ndim for w, _, _ in pairs)
    if not axes:
        yield "too large in every case that is wrong", lambda w, o, t: t.dtype.kind in "iuf" and (o > t).all()
        yield "too small in every case that is wrong", lambda w, o, t: t.dtype.kind in "iuf" and (o < t).all()
        return
    for axis in range(axes):
        name = f"along axis {axis}"
        yield f"right only for the first item {name}", _lines(axis, lambda bad: not bad[0] and len(bad) > 1 and bad[1:].all())
        yield f"right only for the last item {name}", _lines(axis, lambda bad: not bad[-1] and len(bad) > 1 and bad[:-1].all())
    for axis in range(axes):
        name = f"along axis {axis}"
        yield f"wrong only for the first item {name}", _lines(axis, lambda bad: len(bad) > 1 and bad[0] and not bad[1:].any())
        yield f"wrong only for the last item {name}", _lines(axis, lambda bad: len(bad) > 1 and bad[-1] and not bad[:-1].any())
    if axes >= 2:
        yield "wrong only at the border", lambda w, o, t: min(w.shape[-2:]) > 2 and not w[..., 1:-1, 1:-1].any()
        yield "wrong only on the diagonal", lambda w, o, t: not w[..., ~np.eye(*w.shape[-2:], dtype=bool)].any()
    if all(t.dtype.kind in "iuf" and o.dtype.kind in "iuf" for _, o, t in pairs):
        yield "too large in every place that differs", lambda w, o, t: (o[w].astype(float) > t[w]).all()
        yield "too small in every place that differs", lambda w, o, t: (o[w].astype(float) < t[w]).all()


def _lines(axis: int, test) -> Any:
    """Test which items along an axis have a wrong place."""
    return lambda w, o, t: bool(test(w.any(tuple(n for n in range(w.ndim) if n != axis))))


def shape_mismatch(evidence: Evidence) -> str:
    """Say which shape the result has, and which one it should have."""
    for ours, theirs in zip(evidence.found, evidence.right, strict=True):
        if ours.shape != theirs.shape:
            if not ours.ndim:
                return f"Your function returns one number, {kind(ours)}: expected an array of shape {theirs.shape}"
            if not theirs.ndim:
                return f"Your function returns an array of shape {ours.shape}: expected one number"
            if ours.ndim == theirs.ndim == 1:
                return f"Your result has {len(ours)} items: expected {len(theirs)}"
            return f"Your result has shape {ours.shape}: expected {theirs.shape}"
    return ""
