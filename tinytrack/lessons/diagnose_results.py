"""Recognise how wrong results relate to the expected ones, without knowing the exercise: transposed, scaled, shifted, rounded and so on."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import log_softmax, softmax

from .compare import has, is_number
from .evidence import Evidence
from .present import number


def related(evidence: Evidence) -> str:
    """Describe how the learner's results arise from the expected ones; empty if no simple relation holds in every case."""
    return next((message for look in _LOOKS for message in look(evidence)), "")


def loosely_related(evidence: Evidence) -> str:
    """Describe weaker relations, which come after what the arguments explain; empty if there is none."""
    return next(_in_proportion(evidence), "")


def _axis(axis: int, ndim: int) -> str:
    """Name an axis by its number, and the last one by its position too."""
    return "axis 0" if ndim == 1 else f"axis {axis}" + (" (the last)" if axis == ndim - 1 else "")


def _dimensions(evidence: Evidence) -> int:
    """Return the number of axes that all expected results have, or the smallest of these numbers."""
    return min(array.ndim for array in evidence.right)


def _axes(evidence: Evidence) -> Iterator[tuple[int, str]]:
    """Yield the axes of the expected results, counted from the end where the cases differ in their number of axes."""
    fewest = _dimensions(evidence)
    if len({array.ndim for array in evidence.right}) == 1:
        yield from ((axis, _axis(axis, fewest)) for axis in range(fewest))
    else:
        yield from ((axis, f"axis {axis}") for axis in range(-1, -fewest - 1, -1))


def _axes_mixed(evidence: Evidence) -> Iterator[str]:
    """The axes are permuted, or an axis is flipped."""
    fewest = _dimensions(evidence)
    if fewest == max(array.ndim for array in evidence.right) and 2 <= fewest <= 5:
        orders = list(itertools.permutations(range(fewest)))[1:]
        for order in sorted(orders, key=lambda order: sum(n != place for n, place in enumerate(order))):
            if evidence.explains(lambda r, order=order: r.transpose(order)):
                moved = [n for n, place in enumerate(order) if n != place]
                if len(moved) == 2:
                    yield f"Your numbers are right, but axes {moved[0]} and {moved[1]} of the result are swapped: transpose them"
                back = tuple(int(n) for n in np.argsort(order))
                yield f"Your numbers are right, but the axes of the result are in another order: rearrange them with permute{back}"
    elif fewest >= 2 and evidence.explains(lambda r: np.swapaxes(r, -1, -2)):
        yield "Your numbers are right, but the last two axes of the result are swapped: transpose them"
    for axis, name in _axes(evidence):
        if evidence.explains(lambda r, axis=axis: np.flip(r, axis)):
            if {array.shape[axis] for array in evidence.right} == {2}:
                yield f"The two numbers along {name} of your result are swapped, such as (y, x) instead of (x, y)"
            yield f"Your result has the right numbers, but in reverse order along {name}"


def _shapes(evidence: Evidence) -> Iterator[str]:
    """The numbers are right, but the shape is not."""
    if all(ours.shape == theirs.shape for ours, theirs in zip(evidence.found, evidence.right, strict=True)):
        return
    shape = f"the shape of your result is {evidence.found[0].shape} instead of {evidence.right[0].shape}"
    if evidence.explains(np.squeeze) or all(
        evidence.same(o.squeeze(), t.squeeze()) for o, t in zip(evidence.found, evidence.right, strict=True)
    ):
        more = evidence.found[0].ndim > evidence.right[0].ndim
        yield f"Your numbers are right, but there is one axis of length 1 too {'many' if more else 'few'}: {shape}"
    if all(o.size == t.size and evidence.same(o.ravel(), t.ravel()) for o, t in zip(evidence.found, evidence.right, strict=True)):
        yield f"Your numbers are right and in the right order, but {shape}: reshape it"
    for ours, theirs in ((evidence.found, evidence.right), (evidence.right, evidence.found)):
        for axis in range(min(array.ndim for array in theirs)):
            for verb, reduce in (("the first", 0), ("the last", -1)):
                if all(o.ndim < t.ndim and evidence.same(o, np.take(t, reduce, axis)) for o, t in zip(ours, theirs, strict=True)):
                    few = f"Your function returns only {verb} of the items along axis {axis}"
                    yield few if ours is evidence.found else f"Only {verb} of the items along axis {axis} of your result is expected"
    for n, (ours, theirs) in enumerate(((evidence.found, evidence.right), (evidence.right, evidence.found))):
        for axis in range(min(array.ndim for array in theirs)):
            for start, stop, what in ((1, None, "first"), (0, -1, "last")):
                part = slice(start, stop)
                if all(
                    o.ndim == t.ndim and evidence.same(o, t[(slice(None),) * axis + (part,)]) for o, t in zip(ours, theirs, strict=True)
                ):
                    along = f" along axis {axis}" if theirs[0].ndim > 1 else ""
                    extra = f"Your result has one item too many{along}: leave out the {what} one"
                    yield extra if n else f"The {what} item{along} is missing in your result, but the others are right"


def _reduced(evidence: Evidence) -> Iterator[str]:
    """A sum, mean or maximum over an axis is missing, or one too many is taken."""
    ways = (("sum", np.sum), ("mean", np.mean), ("largest", np.max), ("smallest", np.min), ("argmax", np.argmax), ("argmin", np.argmin))
    for name, way in ways:
        for axis in (None, *range(max(array.ndim for array in (*evidence.found, *evidence.right)))):
            along = "over all its numbers" if axis is None else f"along axis {axis}"
            for keep in (False, True):

                def reduce(r, axis=axis, keep=keep, way=way):
                    return way(r, axis=axis, keepdims=keep) if keep or r.ndim else None

                if evidence.explains(reduce, of_found=True):
                    yield f"One step is missing: take the {name} of your result {along}"
                if evidence.explains(reduce):
                    yield f"Your function goes one step too far: it returns the {name} of the expected result {along}"


_CHANGES: tuple[tuple[str, Callable], ...] = (
    ("Your result has the wrong sign: it is the negative of the expected one", lambda r: -r),
    ("Your result is one minus the expected one", lambda r: 1 - r.astype(float)),
    ("Your result is 255 minus the expected one", lambda r: 255 - r),
    ("Your result is the reciprocal of the expected one: numerator and denominator are swapped", lambda r: 1 / r),
    ("Your result is the square of the expected one: take the square root", np.square),
    ("Your result is the square root of the expected one: leave the root out", np.sqrt),
    ("Your result is the logarithm of the expected one", np.log),
    ("Your result is the base-2 logarithm of the expected one", np.log2),
    ("Your result is the exponential of the expected one", np.exp),
    ("Your result is the negative logarithm of the expected one", lambda r: -np.log(r)),
    ("Your result is the exponential of the negative of the expected one", lambda r: np.exp(-r)),
    ("Your result has the absolute values of the expected one: the signs are lost", np.abs),
    ("Your result is cut to whole numbers: keep the decimals, so use / instead of // and no integer type", np.trunc),
    ("Your result is rounded down: keep the decimals", np.floor),
    ("Your result is rounded to whole numbers: keep the decimals", np.round),
    ("Your result is rounded up: keep the decimals", np.ceil),
    ("Your result is rounded to one decimal: keep all of them", lambda r: np.round(r, 1)),
    ("Your result is rounded to two decimals: keep all of them", lambda r: np.round(r, 2)),
    ("Your result is rounded to three decimals: keep all of them", lambda r: np.round(r, 3)),
    ("Negative numbers are cut to 0 in your result: keep them", lambda r: np.clip(r, 0, None)),
    ("Your numbers are cut to the range from 0 to 1: leave that out", lambda r: np.clip(r, 0, 1)),
    ("Your result only tells where the expected one is not 0: return the values themselves", lambda r: np.where(np.isnan(r), r, r != 0)),
    ("Your result has numbers where NaN is expected", np.nan_to_num),
    ("Your result has 0 where -inf is expected", lambda r: np.where(np.isneginf(r), 0, r)),
    ("Your result has a large negative number where -inf is expected: use float('-inf')", lambda r: np.where(np.isneginf(r), -1e9, r)),
)


def _changed(evidence: Evidence) -> Iterator[str]:
    """A function was applied to every number."""
    if {array.dtype.kind for array in evidence.right} == {"b"} and evidence.explains(np.logical_not):
        yield "True and False are swapped in your result"
    for message, change in _CHANGES:
        if evidence.explains(change):
            yield message


def _normalised(evidence: Evidence) -> Iterator[str]:
    """A normalisation along an axis is missing, or one too many is done."""
    steps = (
        ("a softmax", softmax),
        ("log_softmax", log_softmax),
        ("a division by the sum", lambda r, axis: r / r.sum(axis, keepdims=True)),
        ("a division by the length (the root of the sum of squares)", lambda r, axis: r / np.sqrt((r**2).sum(axis, keepdims=True))),
        ("a division by the largest number", lambda r, axis: r / r.max(axis, keepdims=True)),
        ("a subtraction of the mean", lambda r, axis: r - r.mean(axis, keepdims=True)),
        ("a sort", np.sort),
        ("a cumulative sum", np.cumsum),
        ("a one-hot step at the largest number", lambda r, axis: (r == r.max(axis, keepdims=True)).astype(float)),
    )
    for of_found in (False, True):
        for name, step in steps:
            for axis, along in ((None, "all numbers"), *_axes(evidence)):
                if axis is None and name in ("a sort", "a cumulative sum"):
                    continue
                if evidence.explains(lambda r, axis=axis, step=step: step(r, axis=axis), of_found):
                    if of_found:
                        yield f"One step is missing or wrong: {name} over {along} would turn your result into the expected one"
                    yield f"Your result is the expected one after {name} over {along}: leave this step out"


def _quantities(evidence: Evidence) -> Iterator[tuple[str, list[float]]]:
    """Yield numbers that each case has, for example the size of an argument's axis, with their names."""
    for n, name in enumerate(evidence.names):
        values = [case[n] for case in evidence.cases]
        if all(is_number(value) for value in values):
            yield f"`{name}`", [float(value) for value in values]
        elif all(isinstance(value, tuple) for value in values):
            for k in range(min(map(len, values))):
                if all(isinstance(value[k], int | float) for value in values):
                    yield f"`{name}[{k}]`", [float(value[k]) for value in values]
        elif all(hasattr(value, "shape") for value in values):
            for axis in range(min(len(value.shape) for value in values)):
                yield f"`{name}.shape[{axis}]`", [float(value.shape[axis]) for value in values]
            yield f"the number of values in `{name}`", [float(np.prod(value.shape)) for value in values]
    for axis in range(_dimensions(evidence)):
        yield f"the length of the result's axis {axis}", [float(array.shape[axis]) for array in evidence.right]


_KNOWN = {np.log(2): "log 2", 1 / np.log(2): "1 / log 2", np.sqrt(2): "the root of 2", np.pi: "pi", 180 / np.pi: "180 / pi"}
_POWERS = (("{}", lambda q: q), ("1 / {}", lambda q: 1 / q), ("{} squared", lambda q: q**2), ("1 / ({} squared)", lambda q: q**-2.0))
_SHIFTS = (("{}", lambda q: q), ("minus {}", lambda q: -q), ("half of {}", lambda q: q / 2), ("minus half of {}", lambda q: -q / 2))


def _named(values: list[float], evidence: Evidence, forms) -> str:
    """Name a constant that was found in each case; empty if it is not the same and no quantity explains it."""
    if np.allclose(values, values[0], rtol=1e-4):
        known = next((name for value, name in _KNOWN.items() if abs(values[0] - value) < 1e-4), "")
        return number(float(values[0])) + (f" ({known})" if known else "")
    for name, quantities in _quantities(evidence):
        for form, way in forms:
            if 0 not in quantities and np.allclose(values, [way(q) for q in quantities], rtol=1e-4):
                return form.format(name)
    return ""


def _numbers(evidence: Evidence) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """Pair the results as floats; None unless every shape is right and every number is finite."""
    pairs = list(zip(evidence.found, evidence.right, strict=True))
    if any(o.shape != t.shape or o.dtype.kind not in "iufb" or t.dtype.kind not in "iuf" for o, t in pairs):
        return None
    pairs = [(o.astype(float), t.astype(float)) for o, t in pairs]
    return pairs if all(np.isfinite(o).all() and np.isfinite(t).all() and t.size for o, t in pairs) else None


def _factors(evidence: Evidence, pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Find the factor of each case that turns the expected result into the learner's; empty unless there is one in every case."""
    factors = [float((o * t).sum() / max((t * t).sum(), 1e-30)) for o, t in pairs]
    return factors if all(f and evidence.same(o, f * t) for f, (o, t) in zip(factors, pairs, strict=True)) else []


def _offsets(evidence: Evidence, pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Find the number of each case that has to be added to the expected result; empty unless there is one in every case."""
    offsets = [float(np.median(o - t)) for o, t in pairs]
    return offsets if all(evidence.same(o, t + d) for d, (o, t) in zip(offsets, pairs, strict=True)) else []


def _scaled(evidence: Evidence) -> Iterator[str]:
    """The results differ by a constant factor or a constant offset, which has a name."""
    pairs = _numbers(evidence)
    if pairs is None or sum(len(np.unique(t)) for _, t in pairs) < 2 or not evidence.tells([o for o, _ in pairs]):
        return
    factors, offsets = _factors(evidence, pairs), _offsets(evidence, pairs)
    if factors:
        name = _named(factors, evidence, _POWERS)
        if name:
            yield f"Your result is the expected one times {name}: one factor is missing or too many"
    if offsets:
        name = _named(offsets, evidence, _SHIFTS)
        if name:
            name = name if name.startswith("minus") else f"minus {name[1:]}" if name.startswith("-") else f"plus {name}"
            yield f"Your result is the expected one {name}: an offset is missing or too many"


def _in_proportion(evidence: Evidence) -> Iterator[str]:
    """The results differ by a factor or an offset that is constant within a case, or within each row."""
    pairs = _numbers(evidence)
    if pairs is None or not evidence.tells([o for o, _ in pairs]):
        return
    if all(len(np.unique(t)) > 1 for _, t in pairs):
        factors, offsets = _factors(evidence, pairs), _offsets(evidence, pairs)
        if factors:
            yield f"Your numbers are in the right proportion, but scaled, in the first case by {number(factors[0])}"
        if offsets:
            yield f"Your numbers all differ by the same amount from the expected ones, in the first case by {number(offsets[0])}"
    for axis, along in _axes(evidence):
        varied = all(t.shape[axis] > 1 and (np.ptp(t, axis) > 10 * evidence.tolerance).mean() > 0.5 for _, t in pairs)
        if varied and any(t.size > t.shape[axis] for _, t in pairs):
            with np.errstate(all="ignore"):
                ratios = [(o * t).sum(axis, keepdims=True) / (t * t).sum(axis, keepdims=True) for o, t in pairs]
            if all((abs(r - 1) > 1e-4).mean() > 0.5 for r in ratios) and all(
                evidence.same(o, r * t) for r, (o, t) in zip(ratios, pairs, strict=True)
            ):
                yield f"Along {along}, your numbers are in the right proportion, but each line has its own scale: check what you divide by"
            gaps = [(o - t).mean(axis, keepdims=True) for o, t in pairs]
            if all((abs(gap) > 1e-4).mean() > 0.5 for gap in gaps) and all(
                evidence.same(o, t + gap) for gap, (o, t) in zip(gaps, pairs, strict=True)
            ):
                yield f"Along {along}, your numbers are right up to an offset that differs from line to line"


def _moved(evidence: Evidence) -> Iterator[str]:
    """The numbers are right but in other places: shifted by one, repeated, or in another order."""
    for axis, along in _axes(evidence):
        for step, where in ((1, "later"), (-1, "earlier")):
            inner = slice(1, None) if step > 0 else slice(None, -1)
            outer = slice(None, -1) if step > 0 else slice(1, None)
            if all(
                o.shape == t.shape and o.shape[axis] > 2 and evidence.same(np.moveaxis(o, axis, 0)[inner], np.moveaxis(t, axis, 0)[outer])
                for o, t in zip(evidence.found, evidence.right, strict=True)
            ):
                yield f"Your result is shifted by one: along {along}, each number comes one place {where} than expected"
    if all(o.size > 1 and len(np.unique(o)) == 1 and not has(o, np.isnan) for o in evidence.found):
        if all(len(np.unique(t)) > 1 for t in evidence.right):
            yield f"Your result is {number(evidence.found[0].flat[0])} everywhere: the values of the arguments seem to have no effect"
    pairs = list(zip(evidence.found, evidence.right, strict=True))
    if all(o.ndim and o.size and o.shape == t.shape for o, t in pairs):
        if all(evidence.same(o, np.broadcast_to(t[:1], t.shape)) for o, t in pairs):
            yield "All items along axis 0 of your result are equal to the first one: use each item's own values"
        if all(evidence.same(np.sort(o, None), np.sort(t, None)) for o, t in pairs):
            yield "Your result has the right numbers, but in another order: check how rows, columns and items are counted"


_LOOKS = (_shapes, _axes_mixed, _changed, _scaled, _reduced, _normalised, _moved)
