"""What is known about a wrong function: its results, the expected ones, and ways to call it and the solution again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .compare import close, equal


@dataclass(frozen=True)
class Evidence:
    """The cases of an exercise with both results of each.

    Attributes:
        names: of the arguments.
        cases: the arguments of each call.
        found: the learner's results.
        right: the expected results.
        tolerance: differences up to this one are ignored.
        learner: calls the learner's function with other arguments: an array, or None if there is no result.
        solution: calls the solution in the same way.
    """

    names: Sequence[str]
    cases: Sequence[tuple]
    found: Sequence[np.ndarray]
    right: Sequence[np.ndarray]
    tolerance: float
    learner: Callable[[tuple], np.ndarray | None]
    solution: Callable[[tuple], np.ndarray | None]

    def same(self, a: np.ndarray | None, b: np.ndarray | None) -> bool:
        return a is not None and b is not None and equal(np.asarray(a), np.asarray(b), max(self.tolerance, 1e-5), 1e-4)

    def agrees(self) -> list[bool]:
        """Tell for each case whether the learner's result is right."""
        return [self.same(ours, theirs) for ours, theirs in zip(self.found, self.right, strict=True)]

    def only(self, chosen: Sequence[bool]) -> "Evidence":
        """Keep some of the cases."""

        def keep(items):
            return [item for item, wanted in zip(items, chosen, strict=True) if wanted]

        return replace(self, cases=keep(self.cases), found=keep(self.found), right=keep(self.right))

    def explains(self, change: Callable[[np.ndarray], np.ndarray], of_found: bool = False) -> bool:
        """Tell whether a change of the expected results gives the learner's, in every case; or the other way round."""
        targets = []
        for ours, theirs in zip(self.found, self.right, strict=True):
            source, target = (ours, theirs) if of_found else (theirs, ours)
            source = source.astype(np.int64) if source.dtype.kind == "u" else source  # so that -1 is not 255
            try:
                with np.errstate(all="ignore"):
                    changed = np.asarray(change(source))
            except Exception:  # the change does not fit, as for an axis that is not there
                return False
            if changed.shape != target.shape or not self.same(changed, target):
                return False
            targets.append(target)
        return self.tells(targets)

    def tells(self, results: Sequence[np.ndarray]) -> bool:
        """Tell whether results differ enough among themselves for an agreement with them to mean something."""
        flat = np.concatenate([array.ravel() for array in results])
        if flat.dtype.kind not in "iuf":
            return len(np.unique(flat)) > 1
        flat = flat[np.isfinite(flat)].astype(float)
        return len(flat) > 1 and bool(np.ptp(flat) > 10 * self.tolerance)

    def wrong_places(self) -> list[np.ndarray] | None:
        """Mark the places that differ in each case; None if a shape is wrong."""
        if any(ours.shape != theirs.shape for ours, theirs in zip(self.found, self.right, strict=True)):
            return None
        return [~close(o, t, max(self.tolerance, 1e-5), 1e-4) for o, t in zip(self.found, self.right, strict=True)]
