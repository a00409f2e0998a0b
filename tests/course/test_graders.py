"""nbgrader and Otter-Grader themselves hand out, mark and explain the exercises. Both come with the extra ``course``."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.submissions import ALL, LESSON, POINTS, submit
from tinytrack.__main__ import main

STEM = LESSON.stem
NOTEBOOK = f"{STEM}_exercises.ipynb"
BIN = Path(sys.executable).parent  # nbgrader looks for alembic in PATH


def call(folder, *command):
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "JUPYTER_CONFIG_DIR": str(folder)}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_nbgrader_marks_seven_kinds_of_submission(tmp_path):
    pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install -e .[course]")
    assert main(["exercises", "--format", "nbgrader", "--out", str(tmp_path), "--notebooks", "03"]) == 0
    call(tmp_path, "nbgrader", "generate_assignment", STEM)
    released = tmp_path / "release" / STEM / NOTEBOOK
    assert not [task.name for task in LESSON.tasks if task.solution in released.read_text()]
    assert "HIDDEN" not in released.read_text()
    for kind in POINTS:
        submit(kind, released, tmp_path / "submitted" / kind / STEM / NOTEBOOK)
    call(tmp_path, "nbgrader", "autograde", STEM)
    # the marks
    call(tmp_path, "nbgrader", "export", "--to=marks.csv")
    with open(tmp_path / "marks.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["student_id"]: float(row["score"]) for row in rows} == POINTS
    assert {float(row["max_score"]) for row in rows} == {len(ALL)}
    # the feedback
    call(tmp_path, "nbgrader", "generate_feedback", STEM)
    page = (tmp_path / "feedback" / "wrong_axis" / STEM / f"{STEM}_exercises.html").read_text()
    assert "you take the softmax over the wrong axis" in page


def test_otter_marks_seven_kinds_of_submission(tmp_path):
    pytest.importorskip("otter", reason="otter-grader is not installed: pip install -e .[course]")
    assert main(["exercises", "--format", "otter", "--out", str(tmp_path), "--notebooks", "03"]) == 0
    call(tmp_path, "otter", "assign", f"master/{NOTEBOOK}", STEM)
    released = tmp_path / STEM / "student" / NOTEBOOK
    assert not [task.name for task in LESSON.tasks if task.solution in "".join(_code(released))]
    (autograder,) = (tmp_path / STEM / "autograder").glob("*.zip")
    found, said = {}, {}
    for kind in POINTS:
        submit(kind, released, tmp_path / kind / NOTEBOOK)
        call(tmp_path, "otter", "run", f"{kind}/{NOTEBOOK}", "-a", str(autograder), "-o", kind)
        tests = json.loads((tmp_path / kind / "results.json").read_text())["tests"]
        found[kind] = sum(test.get("score") or 0 for test in tests)
        said[kind] = " ".join(test.get("output", "") for test in tests)
    assert found == POINTS
    assert "you take the softmax over the wrong axis" in said["wrong_axis"]


def _code(path):
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
