"""``tinytrack mark`` gives each kind of submission the marks that it deserves, whatever it does."""

import csv
import io
import json
import sys

import pytest

from tests.support.submissions import ALL, LESSON, POINTS, submit
from tinytrack.__main__ import main
from tinytrack.course import limited_process
from tinytrack.course.feedback import write_feedback, write_marks
from tinytrack.course.lesson import NOTEBOOKS, read_lesson
from tinytrack.course.limited_process import Limits
from tinytrack.course.marking import Marks, find_submissions, mark
from tinytrack.errors import TinytrackError

STEM = LESSON.stem


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    out = tmp_path_factory.mktemp("exercises")
    assert main(["exercises", "--out", str(out), "--notebooks", "03"]) == 0
    return out / "student" / f"{STEM}_exercises.ipynb"


def test_seven_kinds_of_submission_get_their_marks(handed_out, tmp_path):
    for kind in POINTS:
        submit(kind, handed_out, tmp_path / "class" / kind / f"{STEM}.ipynb")
    assert main(["mark", str(tmp_path / "class"), "--out", str(tmp_path / "marks")]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "marks" / "marks.csv").read_text())))
    assert {row["student"]: int(row["points"]) for row in rows} == POINTS
    assert list(rows[0]) == ["student", "points", "of", *ALL, "remarks"]
    pages = {kind: (tmp_path / "marks" / "feedback" / f"{kind}.html").read_text() for kind in POINTS}
    assert "you take the softmax over the wrong axis" in pages["wrong_axis"]
    assert "not attempted yet" in pages["untouched"]
    assert "still running after 10 seconds" in pages["endless"]
    assert "a message on the error stream" in pages["noisy"]


def write_notebook(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": text} for text in cells]}))
    return path


def marks_of(folder, lessons=(LESSON,), all_due=False, **limits):
    return {one.student: one for one in mark(lessons, find_submissions(folder), Limits(**limits), lambda line: None, all_due)}


def test_a_function_that_ends_the_process_costs_only_its_own_mark(tmp_path):
    right = next(task for task in LESSON.tasks if task.name == "window")
    deadly = "def my_affinity(f_j, f_i, temperature):\n    import os\n    os._exit(1)"
    write_notebook(tmp_path / "a" / "x.ipynb", deadly, f"def my_window(h, w, radius):\n{right.solution}")
    marks = marks_of(tmp_path)["a"]
    assert marks.right == dict.fromkeys(ALL, False) | {"window": True}
    assert "While it was checked, its process ended" in marks.texts["affinity"]
    assert "does not define `my_temperature`" in marks.texts["temperature"]


def test_a_cell_that_fails_or_has_magic_does_not_stop_the_others(tmp_path):
    right = next(task for task in LESSON.tasks if task.name == "window")
    write_notebook(
        tmp_path / "a.ipynb", "%matplotlib inline", "1 / 0", "this is no Python", f"def my_window(h, w, radius):\n{right.solution}"
    )
    marks = marks_of(tmp_path)["a"]
    assert marks.right["window"]
    assert [text.split(":")[:2] for text in marks.remarks] == [
        [STEM, " code cell 2 raised ZeroDivisionError"],
        [STEM, " code cell 3 raised SyntaxError"],
    ]


def test_a_submission_that_takes_too_much_memory_is_stopped(tmp_path):
    greedy = "import numpy as np\nkept = np.ones(2 * 10**8)  # 1.6 GB\nwhile True: pass"
    write_notebook(tmp_path / "a.ipynb", greedy, "def my_window(h, w, radius):\n    pass")
    marks = marks_of(tmp_path, gigabytes=1.5)["a"]
    assert marks.remarks == [f"{STEM}: could not be marked, because it was stopped at 1.5 GB of memory before the exercises"]
    assert marks.right == dict.fromkeys(ALL)  # neither right nor wrong
    write_marks([marks], [LESSON], tmp_path / "marks.csv")
    assert (tmp_path / "marks.csv").read_text().splitlines()[1].startswith("a,0,5,,,,,,")


@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        ("while True: pass", Limits(seconds=0.5), "it was stopped after 0.5 seconds"),
        ("while True: print('x' * 10000)", Limits(), "it was stopped after it had printed 1 MB"),
        ("print('done')", Limits(), ""),
    ],
)
def test_a_process_is_stopped_at_its_limits(code, limits, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(limited_process, "LOG_BYTES", 1_000_000)
    assert limited_process.limited_process([sys.executable, "-c", code], tmp_path, tmp_path / "log", limits) == reason


def test_the_lesson_itself_can_be_handed_in(tmp_path):
    content = (NOTEBOOKS / f"{STEM}.ipynb").read_text()
    (tmp_path / "a.ipynb").write_text(content.replace('"def my_window', '"raise ValueError\\n",\n    "def my_window'))
    marks = marks_of(tmp_path)["a"]
    assert marks.right == dict.fromkeys(ALL, False)
    assert marks.texts["affinity"] == "affinity: not attempted yet"
    assert [text.split(":")[1] for text in marks.remarks] == [" code cell 3 raised ValueError"]  # only the exercises were run


def test_notebooks_that_cannot_be_marked_are_named(tmp_path):
    write_notebook(tmp_path / "other.ipynb", "x = 1")
    (tmp_path / "damaged.ipynb").write_text("{")
    (tmp_path / "empty").mkdir()
    marks = marks_of(tmp_path)
    assert marks["other"].remarks == ["other.ipynb defines no function of an exercise, such as my_affinity"]
    assert marks["damaged"].remarks == ["damaged.ipynb is not a notebook that can be read"]
    assert [one.right for one in marks.values()] == [{}] * 3


def test_what_is_missing_counts_if_it_is_due(tmp_path):
    """Due is what the teacher names, or else what at least one student has handed in."""
    colours = read_lesson(NOTEBOOKS / "01_color_quantization.ipynb")
    (tmp_path / "empty").mkdir()
    write_notebook(tmp_path / "a.ipynb", "def my_window(h, w, radius):\n    pass")
    due = marks_of(tmp_path, [LESSON, colours])
    assert [len(one.right) for one in due.values()] == [5, 5]
    assert due["empty"].remarks == [f"{STEM}: not handed in"]
    assert due["a"].remarks == []
    due = marks_of(tmp_path, [LESSON, colours], all_due=True)
    assert [len(one.right) for one in due.values()] == [8, 8]
    assert due["a"].remarks == ["01_color_quantization: not handed in"]


def test_students_are_folders_or_notebooks(tmp_path):
    others = ("notes.txt", ".hidden/3.ipynb", "a/.ipynb_checkpoints/1-checkpoint.ipynb", "marks/.tinytrack.json", "marks/feedback/a.html")
    for name in ("a/1.ipynb", "a/deeper/2.ipynb", "a.ipynb", "b.ipynb", *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {student: [path.name for path in paths] for student, paths in find_submissions(tmp_path).items()}
    assert found == {"a": ["1.ipynb", "2.ipynb", "a.ipynb"], "b": ["b.ipynb"]}


def test_a_folder_without_submissions_is_refused(tmp_path, capsys):
    with pytest.raises(TinytrackError, match="there are no submissions in"):
        find_submissions(tmp_path / "missing")
    assert main(["mark", str(tmp_path), "--out", str(tmp_path / "marks")]) == 2
    assert "expected one folder per student" in capsys.readouterr().err
    assert not (tmp_path / "marks").exists()


def test_names_and_texts_cannot_break_the_table_or_the_page(tmp_path):
    evil = Marks("=cmd()", {"affinity": True}, {"affinity": "<script>"}, {"affinity": "<u>"}, ["<b>"], "<i>")
    write_marks([evil], [LESSON], tmp_path / "marks.csv")
    write_feedback(evil, [LESSON], tmp_path / "page.html")
    assert "'=cmd()" in (tmp_path / "marks.csv").read_text()
    page = (tmp_path / "page.html").read_text()
    assert not [tag for tag in ("<script>", "<u>", "<b>", "<i>") if tag in page]
    assert "&lt;script&gt;" in page
