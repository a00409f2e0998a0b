"""Exercises for nbgrader: source notebooks with solutions and hidden tests, from which it makes the notebooks to hand out."""

from .cells import Cell, code, markdown, opening, solved
from .lesson import NOT_WRITTEN, Lesson

CONFIG = f"""# Written by 'tinytrack exercises --format nbgrader'.
c = get_config()
c.CourseDirectory.course_id = "tinytrack"
c.ClearSolutions.code_stub = {{"python": "{NOT_WRITTEN}"}}
c.ExecutePreprocessor.timeout = 120  # seconds per cell; a check stops an endless function after 10
c.ExecutePreprocessor.interrupt_on_timeout = True  # so that one endless cell does not cost all marks
"""

# A student's code runs before the test, and might have replaced the check by one that accepts everything.
RELOAD = """### BEGIN HIDDEN TESTS
import sys
for name in [name for name in sys.modules if name.partition(".")[0] == "tinytrack"]:
    del sys.modules[name]  # the next line imports a fresh copy
from tinytrack.lessons import check
### END HIDDEN TESTS
"""


def source(lesson: Lesson) -> list[Cell]:
    """Make the source notebook. The line ``assert`` makes a wrong answer fail, and shows the diagnosis to the student."""
    cells = [_marked(cell, f"opening-{number}") for number, cell in enumerate(opening(lesson))]
    for task in lesson.tasks:
        cells.append(_marked(markdown(task.statement), f"{task.name}-statement"))
        cells += [_marked(code(text), f"{task.name}-given-{number}") for number, text in enumerate(task.given)]
        stub = solved(task, "### BEGIN SOLUTION", "### END SOLUTION")
        cells.append(_marked(code(stub), task.name, solution=True, locked=False))
        test = f"{RELOAD}verdict = {task.check}\nassert verdict, verdict"
        cells.append(_marked(code(test), f"{task.name}-check", grade=True, points=1))
    return cells


def _marked(cell: Cell, name: str, **more) -> Cell:
    """Tell nbgrader what a cell is; unless told otherwise, students cannot change it."""
    cell["metadata"]["nbgrader"] = {
        "schema_version": 3,
        "grade_id": name,
        "grade": False,
        "solution": False,
        "locked": True,
        "task": False,
    } | more
    return cell


def write(lesson: Lesson) -> dict[str, list[Cell]]:
    """Make the files of a lesson: name below the folder -> cells."""
    return {f"source/{lesson.stem}/{lesson.stem}_exercises.ipynb": source(lesson)}
