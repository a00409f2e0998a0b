"""Compare a learner's function with the solution, and name the mistake if it is a usual one.

Each case runs through the learner's function, the solution, and functions that each make one usual mistake. If the learner's results
agree with a mistake in every case, the verdict names that mistake, so the learner does not have to work it out from a stack trace.
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
    """Result of a check; true if the function is right.

    Attributes:
        exercise: the exercise's name, such as "affinity".
        status: "right", "wrong" or "not attempted yet".
        message: what is wrong and what to do instead, in one sentence; empty unless the status is "wrong".
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
    """An exercise to check a learner's function with: calling it with the function returns a :class:`Verdict`.

    Attributes:
        name: the name of the function to write.
        solution: a correct function; the library's own where there is one.
        cases: makes the arguments of each call, in float64 and mostly not square.
        slips: the usual mistakes, each a message and one or more functions that make the mistake, each in a different way. The first
            match is reported, so the most informative come first.
        tolerance: differences up to this one are ignored.
        seen: reduces a result to the part that is compared, for exercises with several correct answers.
    """

    name: str
    solution: Callable
    cases: Callable[[], Sequence[tuple]]
    slips: Sequence[tuple]
    tolerance: float = 1e-5
    seen: Callable[[np.ndarray], np.ndarray] = lambda result: result

    def __call__(self, function: Callable) -> Verdict:
        # run the function on every case
        cases = self.cases()
        found = []
        for arguments in cases:
            given = copy.deepcopy(arguments)
            outcome = self._run(function, given)
            if isinstance(outcome, NotImplementedError):
                return Verdict(self.name, "not attempted yet")
            if outcome is None:
                return self._wrong("Your function returns None: its last line should return the result")
            for before, after in zip(arguments, given, strict=True):
                if not _equal(_array(before), _array(after), 0):
                    return self._wrong("Your function changes one of its arguments in place, but the caller still needs it: work on a copy")
            found.append(outcome)
        # compare with the solution
        right = list(self._outcomes(self.solution, cases))
        if self._agree(found, right):
            return Verdict(self.name, "right")
        # name the mistake, or else describe the first difference
        for message, *ways in self.slips:
            if any(self._agree(found, self._outcomes(way, cases)) for way in ways):
                return self._wrong(message)
        return self._wrong(next(_differences(cases, found, right, self.tolerance)))

    def _outcomes(self, function: Callable, cases: Sequence[tuple]) -> Iterator:
        """Run a function on the cases one by one, lazily, because a comparison ends at the first difference."""
        return (self._run(function, copy.deepcopy(arguments)) for arguments in cases)

    def _agree(self, found: Sequence, others: Iterable) -> bool:
        return all(_same(ours, theirs, self.tolerance) for ours, theirs in zip(found, others, strict=True))

    def _run(self, function: Callable, arguments: tuple) -> Any:
        """Call a function: the part of its result that is compared, as an array, or the exception it raises; None if it returns None."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # mistakes may divide by zero, and so may the learner: only the result is judged
                result = function(*arguments)
            return None if result is None else self.seen(_array(result))
        except Exception as error:  # a learner's function may raise anything; the error is reported to the learner, not raised
            return error

    def _wrong(self, message: str) -> Verdict:
        return Verdict(self.name, "wrong", message)


def _array(value: Any) -> np.ndarray:
    """Turn a tensor, number or array, or a list, set or generator of these, into one array."""
    if isinstance(value, Iterator | set):
        value = sorted(value) if isinstance(value, set) else list(value)
    if isinstance(value, list | tuple) and any(isinstance(v, torch.Tensor) for v in value):
        value = torch.stack([torch.as_tensor(v) for v in value])
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _numeric(*arrays: np.ndarray) -> bool:
    return all(array.dtype.kind in "biufc" for array in arrays)


def _close(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    """Mark where two arrays of the same shape agree: numbers up to the tolerance, anything else if it is equal."""
    if not _numeric(a, b):
        return np.asarray(a == b)
    return np.isclose(a.astype(np.float64), b.astype(np.float64), 1e-5, tolerance, equal_nan=True)


def _equal(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return a.shape == b.shape and bool(_close(a, b, tolerance).all())


def _same(a: Any, b: Any, tolerance: float) -> bool:
    """Tell whether two outcomes agree; two exceptions agree if they have the same class."""
    if isinstance(a, Exception) or isinstance(b, Exception):
        return type(a) is type(b)
    return _equal(a, b, tolerance)


def _differences(cases: Sequence[tuple], found: Sequence, right: Sequence, tolerance: float) -> Iterator[str]:
    """Describe what differs, for a mistake without a name: yields one message per case that differs."""
    for arguments, ours, theirs in zip(cases, found, right, strict=True):
        if _same(ours, theirs, tolerance):
            continue
        shapes = ", ".join(repr(a) if isinstance(a, tuple) or not _array(a).ndim else str(_array(a).shape) for a in arguments)
        if isinstance(ours, Exception):
            details = f": {str(ours).splitlines()[0]}" if str(ours) else ""
            yield f"Your function raises {type(ours).__name__} for arguments {shapes}{details}"
        elif ours.shape != theirs.shape:
            yield f"For arguments {shapes}, the result has shape {ours.shape}: expected {theirs.shape}"
        elif ours.dtype.kind in "fc" and np.isnan(ours).any() and not np.isnan(theirs).any():
            yield f"For arguments {shapes}, the result contains NaN"
        elif not _numeric(ours, theirs):
            yield f"For arguments {shapes}: got {ours.tolist()}, expected {theirs.tolist()}"
        else:
            where = tuple(int(i) for i in np.argwhere(~_close(ours, theirs, tolerance))[0])
            place = f", at {list(where)}" if where else ""
            yield f"For arguments {shapes}{place}: got {ours[where]:.4g}, expected {theirs[where]:.4g}"
