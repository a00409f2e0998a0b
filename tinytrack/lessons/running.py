"""Call a learner's function and note what happens: its result, or the error and the line that raised it."""

import copy
import dis
import functools
import inspect
import linecache
import sysconfig
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .compare import Unusable, as_array, equal
from .limits import GIGABYTES, SECONDS, EndlessIterator, MemoryUp, TimeUp, limited, read

_LIBRARY = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_PACKAGE = str(Path(__file__).resolve().parents[1])


@dataclass(frozen=True)
class Outcome:
    """What one call gave.

    Attributes:
        value: the result; None if there is none.
        array: the part of the result that is compared; None if there is none.
        error: the exception that the function raised, if any.
        problem: one sentence for the learner if the result cannot be compared, for example because it is None.
        where: the learner's line that raised the error, such as "in line 3, `y = A[j]`"; empty if it is not known.
        in_place: whether the function changed one of its arguments.
        attempted: false if the function's own ``raise NotImplementedError`` was reached.
    """

    value: Any = None
    array: np.ndarray | None = None
    error: BaseException | None = None
    problem: str = ""
    where: str = ""
    in_place: bool = False
    attempted: bool = True


def run(function: Callable, arguments: tuple, seen: Callable = lambda array: array, seconds: float | None = None) -> Outcome:
    """Call a function with copies of the arguments, within the limits on time and memory; ``seen`` reduces its result."""
    given = copy.deepcopy(arguments)
    try:
        with limited(seconds or SECONDS, GIGABYTES), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mistakes may divide by zero, and so may the learner: only the result is judged
            value = read(function(*given))
    except (Exception, SystemExit, TimeUp, MemoryUp) as error:  # a learner's function may raise anything; it is reported, not raised
        return _failed(function, arguments, error)
    for number, (before, after) in enumerate(zip(arguments, given, strict=True)):
        if not _unchanged(before, after):
            name = parameters(function, len(arguments))[number]
            return Outcome(
                value,
                problem=f"Your function changes its argument `{name}` in place, but the caller still needs it: work on a copy, such as "
                f"`{name}.{'clone' if hasattr(after, 'clone') else 'copy'}()`",
                in_place=True,
            )
    if value is None:
        return Outcome(problem="Your function returns None: its last line should return the result")
    try:
        array = as_array(value)
    except Unusable as problem:
        return Outcome(value, problem=str(problem))
    except Exception:  # an exotic object
        return Outcome(
            value, problem=f"Your function returns an object of type {type(value).__name__}: return an array or a number instead"
        )
    try:
        return Outcome(value, seen(array))
    except Exception:  # of another shape than ``seen`` expects
        return Outcome(value, array)


def _unchanged(before: Any, after: Any) -> bool:
    try:
        return equal(as_array(before), as_array(after), 0, 0)
    except Unusable:  # arguments such as lists of different lengths
        return repr(before) == repr(after)


def _failed(function: Callable, arguments: tuple, error: BaseException) -> Outcome:
    frames = [(frame.f_code, line) for frame, line in _walk(error)]
    ours = [(code, line) for code, line in frames if _written_by_learner(code.co_filename)]
    where = _line(*ours[-1]) if ours else ""
    problem, attempted = "", True
    if isinstance(error, NotImplementedError) and _raised_by_hand(error):
        attempted = frames[-1][0] not in _codes(function)
        problem = f"Your function calls `{frames[-1][0].co_name}`, which still raises NotImplementedError: write that function first"
    elif isinstance(error, TimeUp):
        problem = f"Your function is still running after {SECONDS:.0f} seconds{_at(where)}: does a loop never end?"
    elif isinstance(error, MemoryUp):
        problem = f"Your function has taken more than {GIGABYTES:.0f} GB of memory{_at(where)}: does a list grow in a loop that never ends?"
    elif isinstance(error, EndlessIterator):
        problem = f"Your generator yields {error}: it should stop after the last result"
    elif isinstance(error, RecursionError):
        problem = f"Your function calls itself without end{_at(where)}"
    elif isinstance(error, TypeError) and not ours:
        problem = _wrong_call(function, arguments)
    return Outcome(error=error.with_traceback(None), problem=problem, where=where, attempted=attempted)


def _at(where: str) -> str:
    return f", {where}" if where else ""


def said(outcome: Outcome) -> str:
    """Describe an exception: its class, the line that raised it, and the first line of its text."""
    text = str(outcome.error).strip()
    return f"{type(outcome.error).__name__}{' ' + outcome.where if outcome.where else ''}" + (f": {text.splitlines()[0]}" if text else "")


def _walk(error: BaseException) -> list[tuple[types.FrameType, int]]:
    """List the frames of a traceback below this file, the innermost last, each with its current line."""
    frames, step = [], error.__traceback__
    while step is not None:
        frames.append((step.tb_frame, step.tb_lineno))
        step = step.tb_next
    return frames[1:]


def _raised_by_hand(error: BaseException) -> bool:
    """Tell a ``raise`` statement from an error inside compiled code, which torch raises for a dtype that it does not support."""
    step = error.__traceback__
    while step.tb_next is not None:
        step = step.tb_next
    code = step.tb_frame.f_code
    return _written_by_learner(code.co_filename) and code.co_code[step.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def _written_by_learner(filename: str) -> bool:
    return not filename.startswith((*_LIBRARY, _PACKAGE, "<frozen", "<__array_function__"))


def _codes(function: Callable) -> set[types.CodeType]:
    """Collect the code of a function and of the functions defined in it."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    function = function if hasattr(function, "__code__") else getattr(function, "__func__", type(function).__call__)
    todo, found = [getattr(function, "__code__", None)], set()
    while todo:
        code = todo.pop()
        if isinstance(code, types.CodeType):
            found.add(code)
            todo += code.co_consts
    return found


def _line(code: types.CodeType, number: int) -> str:
    """Describe a line of the learner's: its number, and its text if that is known."""
    text = linecache.getline(code.co_filename, number).strip()
    text = text if len(text) <= 80 else text[:77] + "..."
    return f"in line {number}" + (f", `{text}`" if text else "")


def _wrong_call(function: Callable, arguments: tuple) -> str:
    """Explain a call that failed before the function's first line; empty if the number of arguments is right."""
    if not callable(function):
        return "Pass the function itself to the check, without calling it"
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        count = len(arguments)
        takes = len(inspect.signature(function).parameters)
        return f"Your function takes {takes} argument{'s' * (takes != 1)}, but it is called with {count}: keep the first line as it was"
    except ValueError:  # a function without a signature
        pass
    return ""


def parameters(function: Callable, count: int) -> list[str]:
    """List the names of the first ``count`` parameters of a function; made-up names where it does not tell."""
    try:
        names = [p.name for p in inspect.signature(function).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        names = []
    return names[:count] if len(names) >= count else [f"argument {n + 1}" for n in range(count)]
