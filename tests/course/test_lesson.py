"""The exercises of the committed notebooks can be read."""

import json

import pytest

from tinytrack.course.lesson import NOT_WRITTEN, exercise_cells, find_notebooks, read_lesson, read_lessons
from tinytrack.errors import TinytrackError
from tinytrack.lessons.check import EXERCISES

LESSONS = read_lessons()
TASKS = [task for lesson in LESSONS for task in lesson.tasks]


def test_every_exercise_with_a_check_is_found_once():
    assert len(LESSONS) == 10
    assert sorted(task.name for task in TASKS) == sorted(EXERCISES)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_an_exercise_is_whole(task):
    assert "★" in task.statement.splitlines()[0]
    assert task.statement.count("<summary>A nudge</summary>") == 1
    assert task.statement.count("<summary>A plan</summary>") == 1
    assert task.statement.count("★") + task.statement.count("☆") == 3  # no second statement in it
    assert "\n## " not in task.statement
    assert task.stub.startswith(f"def {task.function}(")
    assert task.stub.endswith(f"    {NOT_WRITTEN}")
    assert "check." not in task.stub
    compile(task.stub.replace(f"    {NOT_WRITTEN}", task.solution), task.name, "exec")


def test_statements_have_no_links_that_a_copy_would_break():
    assert [task.name for task in TASKS if "](" in task.statement.replace("](http", "")] == []


def test_only_what_the_exercises_mention_is_imported_and_never_the_solution():
    lesson = read_lesson_named("03")
    assert lesson.imports.splitlines() == ["import numpy as np", "import torch", "from tinytrack.lessons import check"]
    assert "from tinytrack.lessons.check.color_quantization import BUGGY" in read_lesson_named("01").imports
    assert "from tinytrack.pointer import affinity, copy, pixels" in read_lesson_named("05").imports


def read_lesson_named(number):
    return next(lesson for lesson in LESSONS if lesson.number == number)


def test_what_comes_before_the_stub_comes_along():
    given = next(task for task in TASKS if task.name == "test_input").given
    assert len(given) == 1
    assert "show(bug)" in given[0]


def test_lessons_are_chosen_by_number():
    assert [lesson.number for lesson in read_lessons("4, 03,04")] == ["03", "04"]


@pytest.mark.parametrize("text", ["12", "x", "", "03,"])
def test_a_wrong_number_is_named(text):
    with pytest.raises(TinytrackError, match="expected numbers such as 03,04, from 00 to 09"):
        read_lessons(text)


def test_an_installed_package_has_no_notebooks(tmp_path):
    with pytest.raises(TinytrackError, match="expected a clone of the project"):
        find_notebooks(folder=tmp_path)


def test_the_section_ends_at_the_next_heading():
    cells = [
        ("markdown", "text\n\n## Exercises\n\nintroduction"),
        ("code", "1"),
        ("markdown", "### not a new section\n\n## Takeaways\n\nmore"),
        ("code", "2"),
    ]
    assert exercise_cells(cells) == [("markdown", "\n\nintroduction"), ("code", "1"), ("markdown", "### not a new section\n\n")]
    assert exercise_cells(cells[1:]) == []


def test_hints_may_come_before_or_after_the_stub(tmp_path):
    def stub(name):
        return {"cell_type": "code", "source": f'def my_{name}(x):\n    """Text."""\n    {NOT_WRITTEN}\n\n\ncheck.{name}(my_{name})'}

    def text(source):
        return {"cell_type": "markdown", "source": source}

    setup = {"cell_type": "code", "source": "import torch, math\nfrom tinytrack.lessons import check\nx = 1"}
    cells = [
        text("# 03 · A title"),
        {"cell_type": "code", "source": "install()"},
        setup,
        text("## Exercises\n\nAbout them.\n\n**1. One** ★☆☆ Do it.\n\nhint before"),
        stub("affinity"),
        text("hint after\n\n**2. Two** ★☆☆"),
        text("in a second cell"),
        stub("window"),
        text("last hint\n\n## Takeaways"),
    ]
    path = tmp_path / "03_pointer_copy.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    lesson = read_lesson(path)
    assert lesson.title == "03 · A title"
    assert lesson.install == "install()"
    assert lesson.imports == "import torch\nfrom tinytrack.lessons import check"
    assert [task.statement for task in lesson.tasks] == [
        "**1. One** ★☆☆ Do it.\n\nhint before\n\nhint after",
        "**2. Two** ★☆☆\n\nin a second cell\n\nlast hint",
    ]
