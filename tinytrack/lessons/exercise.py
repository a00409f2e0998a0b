"""An exercise compares a learner's function with the solution, and names the usual mistakes.

Each case runs through the learner's function, the solution, and functions that each make one usual mistake. If the learner's results
agree with a mistake on every case, the verdict names that mistake, so nobody has to decipher a stack trace to learn.
"""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check says.

    Attributes:
        exercise: its name, "affinity" ...
        status: "right", "wrong" or "not attempted yet".
        message: what is wrong, in one sentence; empty otherwise.
    """

    exercise: str
    status: str
    message: str = ""

    def __bool__(self) -> bool:
        return self.status == "right"

    def __repr__(self) -> str:
        return f"{self.exercise}: {self.status}" + (f". {self.message}" if self.message else "")


@dataclass(frozen=True)
class Exercise:
    """Call it with your function; a :class:`Verdict` comes back, which is true if the function is right.

    Attributes:
        name: of the function asked for.
        solution: the right one; the library's where it has one.
        cases: makes the arguments of each call, of odd sizes and in float64.
        slips: (what is wrong, in words; functions that do it, each in its own way), the most telling first.
        tolerance: largest difference that is none.
        seen: what of a result counts, where several are right.
    """

    name: str
    solution: Callable
    cases: Callable[[], Sequence[tuple]]
    slips: Sequence[tuple]
    tolerance: float = 1e-5
    seen: Callable[[np.ndarray], np.ndarray] = lambda result: result

    def __call__(self, function: Callable) -> Verdict:
        cases = self.cases()
        found = []
        for arguments in cases:
            given = copy.deepcopy(arguments)
            outcome = self._run(function, given)
            if isinstance(outcome, NotImplementedError):
                return Verdict(self.name, "not attempted yet")
            if outcome is None:
                return self._wrong("the function returns None: its last line should be a return")
            for before, after in zip(arguments, given, strict=True):
                if not _equal(_array(before), _array(after), 0):
                    return self._wrong("the function changes one of its arguments in place: whoever gave it still needs it; work on a copy")
            found.append(outcome)
        right = list(self._outcomes(self.solution, cases))
        if self._agree(found, right):
            return Verdict(self.name, "right")
        for words, *ways in self.slips:
            if any(self._agree(found, self._outcomes(way, cases)) for way in ways):
                return self._wrong(words)
        return self._wrong(next(_differences(cases, found, right, self.tolerance)))

    def _outcomes(self, function: Callable, cases: Sequence[tuple]) -> Iterator:
        """What a function makes of each case, one after the other: the first that differs ends a comparison."""
        return (self._run(function, copy.deepcopy(arguments)) for arguments in cases)

    def _agree(self, found: Sequence, others: Iterable) -> bool:
        return all(_same(ours, theirs, self.tolerance) for ours, theirs in zip(found, others, strict=True))

    def _run(self, function: Callable, arguments: tuple) -> Any:
        """What counts of its result, as an array, or the exception it raises; None for None."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a slip may divide by zero, and so may a learner: what comes of it is judged
                result = function(*arguments)
            return None if result is None else self.seen(_array(result))
        except Exception as error:  # whatever a learner's function may raise: it is reported, not passed on
            return error

    def _wrong(self, message: str) -> Verdict:
        return Verdict(self.name, "wrong", message)


def _array(value: Any) -> np.ndarray:
    """A tensor, number, array, or a list, set or generator of these, as one array."""
    if isinstance(value, Iterator | set):
        value = sorted(value) if isinstance(value, set) else list(value)
    if isinstance(value, list | tuple) and any(isinstance(v, torch.Tensor) for v in value):
        value = torch.stack([torch.as_tensor(v) for v in value])
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _numeric(*arrays: np.ndarray) -> bool:
    return all(array.dtype.kind in "biufc" for array in arrays)


def _close(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    """Where two arrays of one shape agree: numbers up to the tolerance, all else if equal."""
    if not _numeric(a, b):
        return np.asarray(a == b)
    return np.isclose(a.astype(np.float64), b.astype(np.float64), 1e-5, tolerance, equal_nan=True)


def _equal(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return a.shape == b.shape and bool(_close(a, b, tolerance).all())


def _same(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two outcomes agree; two exceptions do if they are of one class."""
    if isinstance(a, Exception) or isinstance(b, Exception):
        return type(a) is type(b)
    return _equal(a, b, tolerance)


def _differences(cases: Sequence[tuple], found: Sequence, right: Sequence, tolerance: float) -> Iterator[str]:
    """For a mistake without a name: what is different, in the first case where anything is."""
    for arguments, ours, theirs in zip(cases, found, right, strict=True):
        if _same(ours, theirs, tolerance):
            continue
        shapes = ", ".join(repr(a) if isinstance(a, tuple) or not _array(a).ndim else str(_array(a).shape) for a in arguments)
        if isinstance(ours, Exception):
            said = f": {str(ours).splitlines()[0]}" if str(ours) else ""
            yield f"the function raises {type(ours).__name__} for arguments {shapes}{said}"
        elif ours.shape != theirs.shape:
            yield f"for arguments {shapes} the result has shape {ours.shape}: expected {theirs.shape}"
        elif ours.dtype.kind in "fc" and np.isnan(ours).any() and not np.isnan(theirs).any():
            yield f"for arguments {shapes} the result holds NaN"
        elif not _numeric(ours, theirs):
            yield f"for arguments {shapes}: got {ours.tolist()}, expected {theirs.tolist()}"
        else:
            where = tuple(int(i) for i in np.argwhere(~_close(ours, theirs, tolerance))[0])
            place = f"at {list(where)}" if where else "the result"
            yield f"for arguments {shapes}, {place}: got {ours[where]:.4g}, expected {theirs[where]:.4g}"
