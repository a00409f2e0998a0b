"""Exercises without a grader: a notebook to hand out, and one with the solutions. ``tinytrack mark`` marks what comes back."""

from .cells import Cell, code, markdown, opening, solved
from .lesson import Lesson


def student(lesson: Lesson) -> list[Cell]:
    """Make the notebook to hand out: each exercise with its stub and its check."""
    cells = opening(lesson)
    for task in lesson.tasks:
        cells += [markdown(task.statement), *map(code, task.given), code(task.stub), code(task.check)]
    return cells


def teacher(lesson: Lesson) -> list[Cell]:
    """Make the same notebook with the solutions."""
    cells = opening(lesson)
    for task in lesson.tasks:
        cells += [markdown(task.statement), *map(code, task.given), code(solved(task)), code(task.check)]
    return cells


def write(lesson: Lesson) -> dict[str, list[Cell]]:
    """Make the files of a lesson: name below the folder -> cells."""
    return {f"student/{lesson.stem}_exercises.ipynb": student(lesson), f"teacher/{lesson.stem}_solutions.ipynb": teacher(lesson)}
