"""Mark the notebooks of a class: run each in a process of its own, and collect the verdicts."""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import TinytrackError
from ..io.results import LIST
from .lesson import Lesson, exercise_cells
from .limited_process import Limits, limited_process

LOG_SHOWN = 2_000  # characters of what a notebook printed in the feedback


@dataclass
class Marks:
    """What one student gets.

    Attributes:
        student: the student's name.
        right: exercise -> whether it is solved; None if its notebook could not be marked.
        texts: exercise -> what the check says.
        code: exercise -> the cell that defines the student's function.
        remarks: what a teacher should know besides, one sentence each.
        printed: the end of what the notebooks printed.
    """

    student: str
    right: dict[str, bool | None] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    printed: str = ""

    @property
    def points(self) -> int:
        return sum(map(bool, self.right.values()))


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


def mark(
    lessons: list[Lesson], submissions: dict[str, list[Path]], limits: Limits, tell: Callable[[str], None], all_due: bool = False
) -> list[Marks]:
    """Mark the submissions of a class, one student after the other.

    Args:
        lessons: the lessons that may be handed in.
        submissions: from :func:`find_submissions`.
        limits: of each notebook.
        tell: gets one line when a student's notebooks have been run.
        all_due: whether every student has to hand in all lessons; otherwise those that at least one student has handed in.
    """
    found = []
    for student, paths in submissions.items():
        marks = Marks(student)
        for path in paths:
            _mark_notebook(path, lessons, limits, marks)
        found.append(marks)
        tell(f"{student}: {marks.points} points" + (f" ({'; '.join(marks.remarks)})" if marks.remarks else ""))
    # what is missing counts as not solved
    for lesson in lessons:
        names = [task.name for task in lesson.tasks]
        if all_due or any(names[0] in marks.right for marks in found):
            for marks in found:
                if names[0] not in marks.right:
                    marks.remarks.append(f"{lesson.stem}: not handed in")
                    marks.right |= dict.fromkeys(names, False)
                    marks.texts |= dict.fromkeys(names, "not handed in")
    return found


def _mark_notebook(path: Path, lessons: list[Lesson], limits: Limits, marks: Marks) -> None:
    """Add the verdicts of one notebook to a student's marks."""
    # which lesson is it?
    try:
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    except (OSError, ValueError, KeyError, TypeError):
        marks.remarks.append(f"{path.name} is not a notebook that can be read")
        return
    code = [text for kind, text in exercise_cells(cells) or cells if kind == "code"]
    defined = {task.name: text for lesson in lessons for task in lesson.tasks for text in code if f"def {task.function}(" in text}
    lesson = max(lessons, key=lambda lesson: len(defined.keys() & {task.name for task in lesson.tasks}))
    names = [task.name for task in lesson.tasks]
    if not defined.keys() & set(names):
        marks.remarks.append(f"{path.name} defines no function of an exercise, such as {lesson.tasks[0].function}")
        return
    if names[0] in marks.right:
        marks.remarks.append(f"{path.name} is a second notebook for {lesson.stem}, so it was left out")
        return
    marks.code |= {name: defined[name] for name in names if name in defined}
    # run it; if it is stopped in an exercise, that one counts as wrong and the others get another run
    marks.right |= dict.fromkeys(names, False)
    todo = names
    while todo:
        todo = todo[_run(lesson, code, todo, limits, marks) :]


def _run(lesson: Lesson, cells: list[str], names: list[str], limits: Limits, marks: Marks) -> int:
    """Check the exercises ``names`` of a notebook in a new process; return how many of them have an answer now."""
    lines, printed, stopped = _sandbox(lesson, cells, names, limits)
    done = 0
    for line in lines:
        if "exercise" in line:
            marks.right[line["exercise"]], marks.texts[line["exercise"]] = line["right"], line["text"]
            done += 1
    if names[0] == lesson.tasks[0].name:  # in a second run, the cells say the same again
        marks.remarks += [f"{lesson.stem}: {line['problem']}" for line in lines if "problem" in line]
        marks.printed += printed
    if done == len(names):
        return done
    # the process ended too early: before the exercises, or in one of them
    reason = stopped or "its process ended"
    if not any("begins" in line for line in lines):
        marks.remarks.append(f"{lesson.stem}: could not be marked, because {reason} before the exercises")
        marks.right |= dict.fromkeys(names)
        marks.texts |= dict.fromkeys(names, f"could not be marked, because {reason} before the exercises")
        return len(names)
    marks.texts[names[done]] = f"{names[done]}: wrong. While it was checked, {reason}: does a loop never end?"
    return done + 1


def _sandbox(lesson: Lesson, cells: list[str], names: list[str], limits: Limits) -> tuple[list[dict], str, str]:
    """Run the sandbox; return the lines of its results, the end of what was printed, and why it was stopped, if it was."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job, results, log = (folder / name for name in ("job.json", "results.jsonl", "log.txt"))
        content = {"imports": lesson.imports, "cells": cells, "exercises": names, "seconds": limits.seconds / 3, "results": str(results)}
        job.write_text(json.dumps(content), encoding="utf-8")
        results.touch()
        stopped = limited_process([sys.executable, "-m", f"{__package__}.sandbox", str(job)], folder, log, limits)
        lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        return lines, log.read_bytes()[-4 * LOG_SHOWN :].decode("utf-8", "replace")[-LOG_SHOWN:], stopped
