"""Find words for what is wrong with a function: a usual mistake by its name, or else a general diagnosis and one case in full."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .compare import copied, to_double, to_single
from .diagnose_arguments import misused
from .diagnose_cases import apart, not_finite, places, shape_mismatch
from .diagnose_results import loosely_related, related
from .evidence import Evidence
from .present import compared, differing
from .running import parameters, run, said
from .trial import Trial

PATIENCE = 3.0  # seconds for running the learner's function again, to diagnose its results


class Diagnosis:
    """Find words for what is wrong in a trial."""

    def __init__(self, exercise: Any, function: Callable, trial: Trial):
        self.exercise, self.function, self.trial = exercise, function, trial  # an Exercise, which imports this file
        self.agrees = trial.agrees
        self.ordinary = trial.ordinary
        self.deadline = time.monotonic() + PATIENCE

    def result(self) -> tuple[str, str]:
        """Return the message, and the details where the mistake has no name of its own."""
        message = self.exercise.slip(self.trial)
        if message:
            return message, ""
        failed = [n for n, outcome in enumerate(self.trial.outcomes) if outcome.error]
        if not all(self.agrees[: self.ordinary]):
            failed = [n for n in failed if n < self.ordinary]
        if failed:
            chosen = self._smallest(failed)
            return self._error(chosen), self._shown(chosen)
        wrong = [n for n, right in enumerate(self.agrees) if not right]
        if all(self.agrees[: self.ordinary]):
            chosen = wrong[0]
            sentences = [f"Your function is right for ordinary arguments, but not when {self.trial.edges[chosen - self.ordinary]}"]
            pattern = _first(self._evidence([chosen]), not_finite, places)
        else:
            ordinary = [n for n in wrong if n < self.ordinary]
            chosen = self._smallest(ordinary)
            everything = self._evidence(range(self.ordinary))
            infinite = any(np.isinf(array).any() for array in everything.right if array.dtype.kind == "f")
            pattern = "" if infinite else not_finite(everything)
            pattern = pattern or _first(everything, related, misused, loosely_related, not_finite)
            sentences = []
            if not pattern:
                some = self._evidence(ordinary)
                score = apart(everything, self.agrees[: self.ordinary])
                sentences = [score] if score else []
                pattern = _first(some, *((related, misused) if score else ()), shape_mismatch, places)
        sentences += [pattern] if pattern else []
        return ". ".join(sentences) or "Your result differs from the expected one", self._shown(chosen)

    def _error(self, chosen: int) -> str:
        """Describe an exception, and when it is raised."""
        outcome = self.trial.outcomes[chosen]
        if outcome.problem:
            return outcome.problem
        if all(self.agrees[: self.ordinary]):
            special = self.trial.edges[chosen - self.ordinary]
            return f"Your function is right for ordinary arguments, but when {special}, it raises {said(outcome)}"
        return f"Your function raises {said(outcome)}"

    def _smallest(self, among: Sequence[int]) -> int:
        """Choose the case that is shown: the one with the fewest numbers, an ordinary one if possible."""

        def size(n):
            arrays = [self.trial.expected[n], *(a for a in self.trial.cases[n] if hasattr(a, "shape"))]
            return n >= self.ordinary, sum(int(np.prod(array.shape)) for array in arrays)

        return min(among, key=size)

    def _evidence(self, chosen: Iterable[int]) -> Evidence:
        chosen = list(chosen)
        return Evidence(
            parameters(self.function, len(self.trial.cases[0])),
            [to_double(self.trial.cases[n]) for n in chosen],
            [self.trial.outcomes[n].array for n in chosen],
            [self.trial.expected[n] for n in chosen],
            self.exercise.tolerance,
            self._again,
            self._solved,
        )

    def _again(self, arguments: tuple) -> np.ndarray | None:
        if time.monotonic() > self.deadline:
            return None
        arguments = to_single(arguments) if self.trial.single else arguments
        return run(self.function, arguments, self.exercise.seen, seconds=PATIENCE).array

    def _solved(self, arguments: tuple) -> np.ndarray | None:
        result = self.exercise.call(self.exercise.solution, arguments)
        return None if isinstance(result, Exception) else result

    def _shown(self, n: int) -> str:
        ours, theirs = self.trial.outcomes[n].array, self.trial.expected[n]
        wrong = None if ours is None else differing(ours, theirs, self.exercise.tolerance)
        names = parameters(self.function, len(self.trial.cases[n]))
        steps = self.exercise.steps(*copied(to_double(self.trial.cases[n])))
        return compared(names, self.trial.cases[n], steps, ours, theirs, wrong)


def _first(evidence: Evidence, *looks: Callable[[Evidence], str]) -> str:
    """Return the first diagnosis that has something to say; one that fails on unusual results has not."""
    for look in looks:
        try:
            message = look(evidence)
        except Exception:
            message = ""
        if message:
            return message
    return ""
