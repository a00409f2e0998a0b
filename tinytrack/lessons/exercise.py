"""Compare a learner's function with the solution, and name the mistake if it is a usual one.

Each case runs through the learner's function, the solution, and functions that each make one usual mistake. If the learner's results
agree with a mistake in every case, the verdict names that mistake. Otherwise general diagnoses that do not know the exercise are tried,
and the smallest case that is wrong is shown in full.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .compare import as_array, copied, to_double, to_single
from .diagnosis import Diagnosis
from .experiment import Experiment
from .limits import MemoryUp, TimeUp
from .present import compared
from .running import parameters, run
from .trial import Trial
from .verdict import Verdict

__all__ = ["Exercise", "Experiment", "Verdict"]


def _nothing() -> Sequence[tuple[str, tuple]]:
    return ()


@dataclass(frozen=True)
class Exercise:
    """An exercise to check a learner's function with: calling it with the function returns a :class:`Verdict`.

    A function that computes in float32 may be right too: it gets float32 arguments if it fails with the float64 ones.

    Attributes:
        name: the name of the function to write.
        solution: a correct function; the library's own where there is one.
        cases: makes the arguments of each call, in float64 and mostly not square.
        slips: the usual mistakes, each a message and one or more functions that make the mistake, each in a different way. The first
            match is reported, so the most informative come first.
        tolerance: differences up to this one are ignored.
        seen: reduces a result to the part that is compared, for exercises with several correct answers.
        edges: makes special cases, each with words that follow "when", such as ("both masks are empty", arguments). A slip may differ
            in these.
        steps: gives numbers on the way to the right result, by name, to be shown with a case that is wrong.
        kind: "bool" or "integer" if the result must have such a type; "" if any type that holds the numbers will do.
    """

    name: str
    solution: Callable
    cases: Callable[[], Sequence[tuple]]
    slips: Sequence[tuple]
    tolerance: float = 1e-5
    seen: Callable[[np.ndarray], np.ndarray] = lambda result: result
    edges: Callable[[], Sequence[tuple[str, tuple]]] = _nothing
    steps: Callable[..., dict[str, Any]] = lambda *arguments: {}
    kind: str = ""

    def __call__(self, function: Callable) -> Verdict:
        trial = self._try(function, single=False)
        if isinstance(trial, Verdict):
            return trial
        if trial.fails:
            again = self._try(function, single=True)
            if isinstance(again, Trial) and not again.fails:
                trial = again
        return self._judge_type(trial) if trial.right else self._wrong(*Diagnosis(self, function, trial).result())

    def _try(self, function: Callable, single: bool) -> Trial | Verdict:
        """Run the function on every case; a verdict if that already tells what is wrong."""
        edges = list(self.edges())
        cases = [*self.cases(), *(arguments for _, arguments in edges)]
        cases = [to_single(arguments) for arguments in cases] if single else cases
        outcomes = []
        for arguments in cases:
            outcome = run(function, arguments, self.seen)
            if not outcome.attempted:
                return Verdict(self.name, "not attempted yet")
            if not callable(function):
                return self._wrong(outcome.problem)
            if isinstance(outcome.error, TimeUp | MemoryUp):
                return self._wrong(outcome.problem, compared(parameters(function, len(arguments)), arguments, {}, None, None, None))
            outcomes.append(outcome)
        right = [self.call(self.solution, to_double(arguments)) for arguments in cases]
        trial = Trial(cases, [words for words, _ in edges], outcomes, right, self.tolerance, single)
        problem = next((o.problem for o in outcomes if o.problem and not o.error), "") or trial.text_or_item(self.seen)
        return self._wrong(problem) if problem else trial

    def call(self, function: Callable, arguments: tuple) -> Any:
        """Call one of the exercise's own functions: the part of its result that is compared, or the exception that it raises."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = function(*copied(arguments))
                value = list(value) if isinstance(value, Iterator) else value
                return self.seen(as_array(value))
        except Exception as error:  # a usual mistake may raise anything
            return error

    def slip(self, trial: Trial) -> str:
        """Return the message of the first usual mistake that gives the learner's results; empty if there is none."""
        ordinary_too = trial.edges and not all(trial.agrees[: trial.ordinary])
        ends = [len(trial.cases)] + ([trial.ordinary] if ordinary_too else [])
        for end in ends:
            cases = [to_double(arguments) for arguments in trial.cases[:end]]
            for message, *ways in self.slips:
                if any(trial.matches(self.call(way, arguments) for arguments in cases) for way in ways):
                    return message
        return ""

    def _judge_type(self, trial: Trial) -> Verdict:
        wanted = {"bool": ("b", "booleans (True and False)"), "integer": ("iub", "integers")}.get(self.kind)
        if wanted:
            for outcome in trial.outcomes:
                array = outcome.array
                if array.dtype.kind not in wanted[0] and array.size:
                    return self._wrong(f"Your numbers are right, but their type is {array.dtype}: return {wanted[1]}")
        return Verdict(self.name, "right")

    def _wrong(self, message: str, details: str = "") -> Verdict:
        return Verdict(self.name, "wrong", message, details)
