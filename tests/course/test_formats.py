"""``tinytrack exercises`` writes notebooks for three ways of marking."""

import json

import nbformat
import pytest

from tinytrack.__main__ import main
from tinytrack.course.lesson import NOT_WRITTEN, read_lessons

FILES = {
    "plain": ["student/03_pointer_copy_exercises.ipynb", "teacher/03_pointer_copy_solutions.ipynb"],
    "nbgrader": ["nbgrader_config.py", "source/03_pointer_copy/03_pointer_copy_exercises.ipynb"],
    "otter": ["master/03_pointer_copy_exercises.ipynb"],
}
(LESSON,) = read_lessons("03")


def make(out, form, *more):
    return main(["exercises", "--format", form, "--out", str(out), "--notebooks", "03", *more])


def cells(path, kind="code"):
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("form", FILES)
def test_the_files_are_valid_notebooks_and_a_second_run_replaces_them(form, tmp_path):
    assert make(tmp_path, form) == 0
    first = {name: (tmp_path / name).read_bytes() for name in FILES[form]}
    assert make(tmp_path, form) == 0
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file() and path.name != ".tinytrack.json")
    assert found == FILES[form]
    assert first == {name: (tmp_path / name).read_bytes() for name in FILES[form]}
    for name in FILES[form]:
        if name.endswith(".ipynb"):
            nbformat.validate(nbformat.read(tmp_path / name, as_version=4))


def test_what_a_teacher_edited_is_not_replaced(tmp_path, capsys):
    assert make(tmp_path, "plain") == 0
    edited = tmp_path / "student" / "03_pointer_copy_exercises.ipynb"
    edited.write_text(edited.read_text().replace("Eq. 2", "Equation 2"))
    assert make(tmp_path, "plain") == 2
    assert "has changed since" in capsys.readouterr().err
    assert "Equation 2" in edited.read_text()


def test_the_folder_of_another_format_is_kept(tmp_path):
    assert make(tmp_path, "plain") == 0
    assert make(tmp_path, "otter") == 0
    assert len(list(tmp_path.rglob("*.ipynb"))) == 3


def test_a_students_notebook_has_stubs_and_checks_but_no_solution(tmp_path):
    make(tmp_path, "plain")
    code = cells(tmp_path / "student" / "03_pointer_copy_exercises.ipynb")
    assert code[:2] == [LESSON.install, LESSON.imports]
    assert code[2:] == [text for task in LESSON.tasks for text in (task.stub, task.check)]
    assert not [task.name for task in LESSON.tasks if any(task.solution in text for text in code)]


def test_a_teachers_notebook_has_the_solutions(tmp_path):
    make(tmp_path, "plain")
    code = cells(tmp_path / "teacher" / "03_pointer_copy_solutions.ipynb")
    for task, text in zip(LESSON.tasks, code[2::2], strict=True):
        assert task.solution in text
        assert '"""' in text
        assert NOT_WRITTEN not in text


def test_nbgrader_is_told_what_each_cell_is(tmp_path):
    make(tmp_path, "nbgrader")
    notebook = json.loads((tmp_path / FILES["nbgrader"][1]).read_text())
    known = {cell["metadata"]["nbgrader"]["grade_id"]: cell for cell in notebook["cells"]}
    assert len(known) == len(notebook["cells"])
    stub = {"schema_version": 3, "grade_id": "affinity", "grade": False, "solution": True, "locked": False, "task": False}
    assert known["affinity"]["metadata"]["nbgrader"] == stub
    test = known["affinity-check"]
    told = test["metadata"]["nbgrader"]
    assert (told["grade"], told["points"], told["locked"]) == (True, 1, True)
    assert "".join(test["source"]).endswith("verdict = check.affinity(my_affinity)\nassert verdict, verdict")


def test_a_master_notebook_for_otter_puts_every_exercise_between_its_marks(tmp_path):
    make(tmp_path, "otter")
    raw = cells(tmp_path / FILES["otter"][0], "raw")
    assert raw[0].startswith("# ASSIGNMENT CONFIG\n")
    assert raw[1::6] == [f"# BEGIN QUESTION\nname: {task.name}\npoints: 1" for task in LESSON.tasks]
    assert raw[6::6] == ["# END QUESTION"] * len(LESSON.tasks)
