"""Mark the notebooks of a class: run each in a process of its own, with limits on time and memory, and collect the verdicts."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import TinytrackError
from ..io.results import LIST
from .lesson import Lesson, exercise_cells
from .packages import needed

CELL_SECONDS = 30.0
LOG_BYTES = 10_000_000  # what a submission may print
LOG_SHOWN = 2_000  # characters of it in the feedback
POLL = 0.1


@dataclass
class Marks:
    """What one student gets.

    Attributes:
        student: the student's name.
        right: exercise -> whether it is solved, for the exercises of all notebooks that were handed in.
        texts: exercise -> what the check says.
        problems: what went wrong outside the exercises, one sentence each.
        printed: the end of what the notebooks printed.
    """

    student: str
    right: dict[str, bool] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    printed: str = ""


@dataclass(frozen=True)
class Limits:
    """Limits of one notebook: seconds and gigabytes in all."""

    seconds: float = 180.0
    gigabytes: float = 4.0


def find_submissions(folder: Path) -> dict[str, list[Path]]:
    """Find the notebooks of each student.

    Args:
        folder: holds one folder per student, with notebooks in it, or one notebook per student.

    Returns:
        Name of the folder, or of the notebook without its ending -> notebooks.

    Raises:
        TinytrackError: if there is no notebook in it.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(".") or (path / LIST).exists():  # earlier marks are no submission
            continue
        if path.is_dir():
            found[path.name] = [file for file in sorted(path.rglob("*.ipynb")) if ".ipynb_checkpoints" not in file.parts]
        elif path.suffix == ".ipynb":
            found.setdefault(path.stem, []).append(path)
    if not any(found.values()):
        raise TinytrackError(f"there are no submissions in '{folder}': expected one folder per student with notebooks in it, or notebooks")
    return found


def mark(lessons: list[Lesson], folder: Path, limits: Limits, tell: Callable[[str], None]) -> Iterator[Marks]:
    """Mark the submissions in a folder, one student after the other; ``tell`` gets one line for each."""
    for student, paths in find_submissions(folder).items():
        marks = Marks(student)
        if not paths:
            marks.problems.append("no notebook was handed in")
        for path in paths:
            _mark_notebook(path, lessons, limits, marks)
        tell(
            f"{student}: {sum(marks.right.values())} of {len(marks.right)}" + (f" ({'; '.join(marks.problems)})" if marks.problems else "")
        )
        yield marks


def _mark_notebook(path: Path, lessons: list[Lesson], limits: Limits, marks: Marks) -> None:
    """Add the verdicts of one notebook to a student's marks."""
    # which lesson is it?
    try:
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    except (OSError, ValueError, KeyError, TypeError):
        marks.problems.append(f"{path.name} is not a notebook that can be read")
        return
    defined = {task.name for lesson in lessons for task in lesson.tasks if any(f"def {task.function}(" in text for _, text in cells)}
    lesson = max(lessons, key=lambda lesson: len(defined & {task.name for task in lesson.tasks}))
    names = [task.name for task in lesson.tasks]
    if not defined & set(names):
        marks.problems.append(f"{path.name} defines no function of an exercise, such as {lesson.tasks[0].function}")
        return
    if set(names) & marks.right.keys():
        marks.problems.append(f"{path.name} is a second notebook for {lesson.stem}, so it was left out")
        return
    # run it; if it is stopped in an exercise, that one counts as wrong and the others get another run
    code = [text for kind, text in exercise_cells(cells) or cells if kind == "code"]
    marks.right |= dict.fromkeys(names, False)
    todo = names
    while todo:
        todo = todo[_run(lesson, code, todo, limits, marks) :]


def _run(lesson: Lesson, cells: list[str], names: list[str], limits: Limits, marks: Marks) -> int:
    """Check the exercises ``names`` of a notebook in a new process; return how many of them have an answer now."""
    with tempfile.TemporaryDirectory() as folder:
        job, results, log = (Path(folder) / name for name in ("job.json", "results.jsonl", "log.txt"))
        content = {"imports": lesson.imports, "cells": cells, "exercises": names, "seconds": CELL_SECONDS, "results": str(results)}
        job.write_text(json.dumps(content), encoding="utf-8")
        results.touch()
        with open(log, "wb") as output:
            stopped = _limited_process([sys.executable, "-m", f"{__package__}.sandbox", str(job)], folder, output, log, limits)
        lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        printed = log.read_bytes()[-4 * LOG_SHOWN :].decode("utf-8", "replace")[-LOG_SHOWN:]
    begun = ""
    done = 0
    for line in lines:
        begun = line.get("begins", begun)
        if "exercise" in line:
            marks.right[line["exercise"]], marks.texts[line["exercise"]] = line["right"], line["text"]
            done += 1
    if names[0] == lesson.tasks[0].name:  # in a second run, the cells say the same again
        marks.problems += [line["problem"] for line in lines if "problem" in line]
        marks.printed += printed
    if done == len(names):
        return done
    # the process ended too early
    reason = stopped or "the process ended"
    if not begun:
        last = max((line["cell"] for line in lines if "cell" in line), default=0)
        marks.problems.append(f"{lesson.stem}: {reason} in cell {last}, before the exercises")
        return len(names)
    marks.texts[names[done]] = f"{names[done]}: wrong. {reason[0].upper()}{reason[1:]} while it was checked: does a loop never end?"
    return done + 1


def _limited_process(command: list[str], folder: str, output, log: Path, limits: Limits) -> str:
    """Run a command until it ends or exceeds a limit; return why it was stopped, or ""."""
    psutil = needed("psutil")
    process = psutil.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    end, reason = time.monotonic() + limits.seconds, ""
    try:
        while process.poll() is None and not reason:
            time.sleep(POLL)
            if time.monotonic() > end:
                reason = f"the notebook was stopped after {limits.seconds:g} seconds"
            elif _memory(process) > limits.gigabytes * 1e9:
                reason = f"the notebook was stopped at {limits.gigabytes:g} GB of memory"
            elif log.stat().st_size > LOG_BYTES:
                reason = f"the notebook was stopped after it had printed {LOG_BYTES / 1e6:g} MB"
    finally:  # also on Ctrl-C
        for child in [*_children(process), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.wait()
    return reason


def _memory(process) -> int:
    """Return the bytes that a process and its children hold."""
    total = 0
    for one in [process, *_children(process)]:
        with contextlib.suppress(needed("psutil").NoSuchProcess):
            total += one.memory_info().rss
    return total


def _children(process) -> list:
    with contextlib.suppress(needed("psutil").NoSuchProcess):
        return process.children(recursive=True)
    return []
