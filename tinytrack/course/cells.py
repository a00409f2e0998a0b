"""Make notebooks of cells, and the cells that all formats share."""

from pathlib import Path
from typing import Any

from .lesson import NOT_WRITTEN, Lesson, Task
from .packages import needed

Cell = Any  # a notebook's cell, as nbformat makes it
FILL_IN = f"    {NOT_WRITTEN}"


def markdown(text: str) -> Cell:
    """Make a cell of Markdown."""
    return needed("nbformat").v4.new_markdown_cell(text)


def code(text: str) -> Cell:
    """Make a cell of code, not yet run."""
    return needed("nbformat").v4.new_code_cell(text)


def raw(text: str) -> Cell:
    """Make a raw cell, which graders read as an instruction."""
    return needed("nbformat").v4.new_raw_cell(text)


def write_notebook(cells: list[Cell], path: Path) -> None:
    """Write cells as a notebook for Python 3. The same cells always give the same file."""
    nbformat = needed("nbformat")
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.validate(notebook)
    path.write_text(nbformat.writes(notebook), encoding="utf-8")


def opening(lesson: Lesson) -> list[Cell]:
    """Make the first cells of a notebook with exercises: what to do, the installation where it is needed, and the imports."""
    text = f"""# {lesson.title}: exercises

Read the lesson `{lesson.stem}.ipynb` first. If an exercise mentions a section or a variable, it means those of the lesson.

Replace `{NOT_WRITTEN}` in each function, but keep the function's name. Then run the cell below it: the check tells you what is wrong.

Before you hand in, restart the kernel and run all cells, so that nothing depends on a cell that you have deleted."""
    return [markdown(text), code(lesson.install), code(lesson.imports)]


def solved(task: Task, begin: str = "", end: str = "") -> str:
    """Put the solution into the stub of an exercise, between two lines that mark it for a grader."""
    lines = [begin and f"    {begin}", task.solution, end and f"    {end}"]
    return task.stub.replace(FILL_IN, "\n".join(line for line in lines if line))
