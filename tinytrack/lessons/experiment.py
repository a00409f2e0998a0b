"""Exercises with many right answers, whose results are judged instead of compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .compare import copied
from .present import SMALL
from .running import Outcome, run, said
from .verdict import Verdict


@dataclass(frozen=True)
class Experiment:
    """An exercise with many right answers: a judge looks at each result, so the learner may choose any that has the property asked for.

    Attributes:
        name: the name of the function to write.
        solution: one function that the judge accepts.
        cases: makes the arguments of each call; ``[()]`` for a function without arguments.
        judge: ``judge(result, *arguments)`` returns "" if the result is good, otherwise one sentence that says what is wrong, with numbers.
    """

    name: str
    solution: Callable
    cases: Callable[[], Sequence[tuple]]
    judge: Callable[..., str]

    def __call__(self, function: Callable) -> Verdict:
        for arguments in self.cases():
            outcome = run(function, arguments)
            if not outcome.attempted:
                return Verdict(self.name, "not attempted yet")
            message = self._message(outcome, arguments)
            if message:
                return Verdict(self.name, "wrong", message)
        return Verdict(self.name, "right")

    def _message(self, outcome: Outcome, arguments: tuple) -> str:
        """Return what is wrong with an outcome in one sentence; empty if the judge accepts it."""
        if outcome.error is not None:
            return outcome.problem or f"Your function raises {said(outcome)}"
        if outcome.value is None or outcome.in_place:
            return outcome.problem
        try:
            return self.judge(outcome.value, *copied(arguments))
        except Exception:  # the judge relies on the type and shape that the solution has
            wanted = type(self.solution(*copied(arguments))).__name__
            return f"Your function returns {_kind(outcome.value)}, which the check cannot use: return a {wanted} instead"


def _kind(value: Any) -> str:
    """Describe a value by its type, and by its shape or the value itself."""
    name = type(value).__name__
    article = "an" if name[0].lower() in "aeiou" else "a"
    if hasattr(value, "shape"):
        return f"{article} {name} of shape {tuple(value.shape)}"
    text = repr(value)
    return f"{article} {name}, {text if len(text) <= SMALL else text[:SMALL] + '...'}"
