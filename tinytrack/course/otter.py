"""Exercises for Otter-Grader: master notebooks, from which ``otter assign`` makes the notebooks to hand out and the autograder."""

from .cells import FILL_IN, Cell, code, markdown, opening, raw, solved
from .lesson import Lesson, Task

CONFIG = """# ASSIGNMENT CONFIG
name: "{stem}"
generate: true
export_cell:
  pdf: false
tests:
  ok_format: false
"""

# The stub is in a string at the end of the solution. Otter removes the solution, and the marks around this string.
END = f'''# END SOLUTION
    """ # BEGIN PROMPT
{FILL_IN}
    """ # END PROMPT'''

# A student's code runs before the test, and might have replaced the check by one that accepts everything.
TEST = """def test_{name}({function}):
    import sys
    for name in [name for name in sys.modules if name.partition(".")[0] == "tinytrack"]:
        del sys.modules[name]  # the next line imports a fresh copy
    from tinytrack.lessons import check
    verdict = {check}
    assert verdict, verdict"""


def master(lesson: Lesson) -> list[Cell]:
    """Make the master notebook. The line ``assert`` makes a wrong answer fail, and shows the diagnosis to the student."""
    cells = [raw(CONFIG.format(stem=lesson.stem)), *opening(lesson)]
    for task in lesson.tasks:
        cells += _question(task)
    return cells


def _question(task: Task) -> list[Cell]:
    """Make the cells of one exercise."""
    return [
        *map(code, task.given),
        raw(f"# BEGIN QUESTION\nname: {task.name}\npoints: 1"),
        markdown(task.statement),
        raw("# BEGIN SOLUTION"),
        code(solved(task, "# BEGIN SOLUTION NO PROMPT", END)),
        raw("# END SOLUTION"),
        raw("# BEGIN TESTS"),
        code(TEST.format(name=task.name, function=task.function, check=task.check)),
        raw("# END TESTS"),
        raw("# END QUESTION"),
    ]


def write(lesson: Lesson) -> dict[str, list[Cell]]:
    """Make the files of a lesson: name below the folder -> cells."""
    return {f"master/{lesson.stem}_exercises.ipynb": master(lesson)}
