"""A learner's function in all cases of an exercise: what it gave, and whether that is right."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .compare import as_array, equal, numeric
from .running import Outcome


@dataclass(frozen=True)
class Trial:
    """A function's outcomes in all cases, and the expected results.

    Attributes:
        cases: the arguments of each call; the special cases come last.
        edges: words for each special case.
        outcomes: what the function gave in each case.
        expected: the right results.
        tolerance: differences up to this one are ignored.
        single: whether the arguments are float32.
    """

    cases: Sequence[tuple]
    edges: Sequence[str]
    outcomes: Sequence[Outcome]
    expected: Sequence[np.ndarray]
    tolerance: float
    single: bool

    @property
    def ordinary(self) -> int:
        """Number of cases that are not special."""
        return len(self.cases) - len(self.edges)

    @cached_property
    def agrees(self) -> list[bool]:
        return [self._same(ours, theirs) for ours, theirs in zip(self.outcomes, self.expected, strict=True)]

    @property
    def right(self) -> bool:
        return all(self.agrees)

    @property
    def fails(self) -> bool:
        return any(outcome.error for outcome in self.outcomes)

    def matches(self, others: Iterable) -> bool:
        """Tell whether the outcomes agree with others, which may be fewer and are computed one by one."""
        return all(self._same(ours, theirs) for ours, theirs in zip(self.outcomes, others, strict=False))

    def _same(self, ours: Outcome, theirs: Any) -> bool:
        """Compare an outcome with a result; two exceptions agree if they have the same class."""
        if ours.error is not None or isinstance(theirs, Exception):
            return type(ours.error) is type(theirs)
        return ours.array is not None and self._equal(ours.array, theirs)

    def _equal(self, ours: np.ndarray, theirs: np.ndarray) -> bool:
        if self.single or ours.dtype == np.float32:
            return equal(ours, theirs, max(self.tolerance, 3e-5), 1e-4)
        return equal(ours, theirs, self.tolerance)

    def text_or_item(self, seen: Callable) -> str:
        """Recognise text where numbers are expected, and a tuple with one item that alone is right."""
        for ours, theirs in zip(self.outcomes, self.expected, strict=True):
            if ours.array is not None and numeric(theirs) and not numeric(ours.array):
                return f"Your function returns text, {str(ours.value)[:40]!r}: return numbers instead, without formatting them"
        values = [outcome.value for outcome in self.outcomes]
        if not self.right and all(isinstance(value, tuple) and len(value) == len(values[0]) < 6 for value in values):
            for n in range(len(values[0])):
                try:
                    items = [seen(as_array(value[n])) for value in values]
                except Exception:  # this item is not an array
                    continue
                if all(self._equal(ours, theirs) for ours, theirs in zip(items, self.expected, strict=True)):
                    return f"Your function returns a tuple of {len(values[0])} results: return only the one at index {n}"
        return ""
