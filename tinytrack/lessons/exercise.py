"""Compare a learner's function with the solution, and name the mistake if it is a usual one.

Each case runs through the learner's function, the solution, and functions that each make one usual mistake. If the learner's results
agree with a mistake in every case, the verdict names that mistake. Otherwise general diagnoses that do not know the exercise are tried,
and the smallest case that is wrong is shown in full.
"""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .compare import as_array, close, equal, numeric, to_double, to_single
from .diagnose_arguments import misused
from .diagnose_cases import apart, not_finite, places, shape_mismatch
from .diagnose_results import related
from .evidence import Evidence
from .limits import MemoryUp, TimeUp
from .present import SMALL, compared
from .running import Outcome, parameters, run, said

_PATIENCE = 3.0  # seconds for running the learner's function again, to diagnose its results


@dataclass(frozen=True, repr=False)
class Verdict:
    """Result of a check; true if the function is right.

    Attributes:
        exercise: the exercise's name, such as "affinity".
        status: "right", "wrong" or "not attempted yet".
        message: what is wrong and what to do instead, in one or two sentences; empty unless the status is "wrong".
        details: the arguments and results of one case, on several lines, if the mistake has no name.
    """

    exercise: str
    status: str
    message: str = ""
    details: str = ""

    def __bool__(self) -> bool:
        return self.status == "right"

    def __repr__(self) -> str:
        text = f"{self.exercise}: {self.status}" + (f". {self.message}" if self.message else "")
        return f"{text}\n{self.details}" if self.details else text


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
            if isinstance(again, _Trial) and not again.fails:
                trial = again
        return self._judge_type(trial) if trial.right else self._wrong(*_Diagnosis(self, function, trial).result())

    def _try(self, function: Callable, single: bool) -> "_Trial | Verdict":
        """Run the function on every case; a verdict if that already tells what is wrong."""
        edges = list(self.edges())
        cases = [*self.cases(), *(arguments for _, arguments in edges)]
        cases = [to_single(arguments) for arguments in cases] if single else cases
        outcomes = []
        for arguments in cases:
            outcome = run(function, arguments, self.seen)
            if not outcome.attempted:
                return Verdict(self.name, "not attempted yet")
            if isinstance(outcome.error, TimeUp | MemoryUp) or not callable(function):
                return self._wrong(outcome.problem)
            outcomes.append(outcome)
        right = [self.call(self.solution, to_double(arguments)) for arguments in cases]
        trial = _Trial(cases, [words for words, _ in edges], outcomes, right, self.tolerance, single)
        problem = next((o.problem for o in outcomes if o.problem and not o.error), "")
        return self._wrong(problem or trial.text_or_item(self.seen)) if problem or trial.text_or_item(self.seen) else trial

    def call(self, function: Callable, arguments: tuple) -> Any:
        """Call one of the exercise's own functions: the part of its result that is compared, or the exception that it raises."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = function(*_copied(arguments))
                value = list(value) if isinstance(value, Iterator) else value
                return self.seen(as_array(value))
        except Exception as error:  # a usual mistake may raise anything
            return error

    def slip(self, trial: "_Trial") -> str:
        """Return the message of the first usual mistake that gives the learner's results; empty if there is none."""
        ordinary = len(trial.cases) - len(trial.edges)
        ends = [len(trial.cases)] + ([ordinary] if trial.edges and not all(trial.agrees[:ordinary]) else [])
        for end in ends:
            cases = [to_double(arguments) for arguments in trial.cases[:end]]
            for message, *ways in self.slips:
                if any(trial.matches(self.call(way, arguments) for arguments in cases) for way in ways):
                    return message
        return ""

    def _judge_type(self, trial: "_Trial") -> Verdict:
        wanted = {"bool": ("b", "booleans (True and False)"), "integer": ("iub", "integers")}.get(self.kind)
        if wanted:
            for outcome in trial.outcomes:
                array = outcome.array
                if array.dtype.kind not in wanted[0] and array.size:
                    return self._wrong(f"Your numbers are right, but their type is {array.dtype}: return {wanted[1]}")
        return Verdict(self.name, "right")

    def _wrong(self, message: str, details: str = "") -> Verdict:
        return Verdict(self.name, "wrong", message, details)


def _copied(arguments: tuple) -> tuple:
    return tuple(a.clone() if hasattr(a, "clone") else a.copy() if hasattr(a, "copy") else a for a in arguments)


@dataclass(frozen=True)
class _Trial:
    """A function's outcomes in all cases, the special ones last, and the expected results."""

    cases: Sequence[tuple]
    edges: Sequence[str]
    outcomes: Sequence[Outcome]
    expected: Sequence[np.ndarray]
    tolerance: float
    single: bool

    @property
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


class _Diagnosis:
    """Find words for what is wrong in a trial."""

    def __init__(self, exercise: Exercise, function: Callable, trial: _Trial):
        self.exercise, self.function, self.trial = exercise, function, trial
        self.agrees = trial.agrees
        self.ordinary = len(trial.cases) - len(trial.edges)
        self.deadline = time.monotonic() + _PATIENCE

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
            return self._error(chosen, failed), self._shown(chosen)
        wrong = [n for n, right in enumerate(self.agrees) if not right]
        if all(self.agrees[: self.ordinary]):
            chosen = wrong[0]
            sentences = [f"Your function is right for ordinary arguments, but not when {self.trial.edges[chosen - self.ordinary]}"]
            pattern = not_finite(self._evidence([chosen])) or places(self._evidence([chosen]))
        else:
            ordinary = [n for n in wrong if n < self.ordinary]
            chosen = self._smallest(ordinary)
            everything = self._evidence(range(self.ordinary))
            infinite = any(np.isinf(array).any() for array in everything.right if array.dtype.kind == "f")
            pattern = "" if infinite else not_finite(everything)
            pattern = pattern or related(everything) or misused(everything) or not_finite(everything)
            sentences = []
            if not pattern:
                some = self._evidence(ordinary)
                score = apart(everything, self.agrees[: self.ordinary])
                sentences = [score] if score else []
                pattern = (score and (related(some) or misused(some))) or shape_mismatch(some) or places(some)
        sentences += [pattern] if pattern else []
        return ". ".join(sentences) or "Your result differs from the expected one", self._shown(chosen)

    def _error(self, chosen: int, failed: Sequence[int]) -> str:
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
        return run(self.function, to_single(arguments) if self.trial.single else arguments, self.exercise.seen).array

    def _solved(self, arguments: tuple) -> np.ndarray | None:
        result = self.exercise.call(self.exercise.solution, arguments)
        return None if isinstance(result, Exception) else result

    def _shown(self, n: int) -> str:
        ours, theirs = self.trial.outcomes[n].array, self.trial.expected[n]
        wrong = None
        if ours is not None and ours.shape == theirs.shape:
            wrong = ~close(ours, theirs, self.exercise.tolerance)
        names = parameters(self.function, len(self.trial.cases[n]))
        steps = self.exercise.steps(*_copied(to_double(self.trial.cases[n])))
        return compared(names, self.trial.cases[n], steps, ours, theirs, wrong)


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
        if outcome.value is None or "in place" in outcome.problem:
            return outcome.problem
        try:
            return self.judge(outcome.value, *_copied(arguments))
        except Exception:  # the judge relies on the type and shape that the solution has
            wanted = type(self.solution(*_copied(arguments))).__name__
            return f"Your function returns {_kind(outcome.value)}, which the check cannot use: return a {wanted} instead"


def _kind(value: Any) -> str:
    """Describe a value by its type, and by its shape or the value itself."""
    name = type(value).__name__
    article = "an" if name[0].lower() in "aeiou" else "a"
    if hasattr(value, "shape"):
        return f"{article} {name} of shape {tuple(value.shape)}"
    text = repr(value)
    return f"{article} {name}, {text if len(text) <= SMALL else text[:SMALL] + '...'}"
