"""The solutions for teachers: pasted into their notebooks, they are what the checks call right."""

import ast
import importlib
import inspect
import json
from functools import cache
from pathlib import Path

import pytest

from tinytrack.lessons import check

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("[!.]*.ipynb"))


@cache
def cells(notebook: Path) -> list[str]:
    """The sources of the code cells of a notebook."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]


def stubs(notebook: Path) -> dict[str, tuple[ast.FunctionDef, str]]:
    """The exercises of a notebook: name -> (stub, what its cell checks)."""
    found = {}
    for source in cells(notebook):
        tree = ast.parse(source)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("my_"):
                found[node.name] = node, ast.unparse(tree.body[-1])
    return found


def solutions(notebook: Path) -> dict[str, object]:
    """The functions in the file of solutions that is named like the notebook."""
    module = importlib.import_module(f"tinytrack.course.solutions.{notebook.stem[3:]}")
    return {name: value for name, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__}


def imported(notebook: Path) -> dict[str, object]:
    """What a notebook can use after its imports, which are in the cell after the one that installs tinytrack."""
    tree = ast.parse(cells(notebook)[1])
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    namespace = {}
    exec(compile(tree, notebook.name, "exec"), namespace)
    return namespace


CASES = [pytest.param(notebook, name, id=f"{notebook.stem[:2]}-{name}") for notebook in NOTEBOOKS for name in stubs(notebook)]


def test_every_exercise_has_one_solution_in_the_file_of_its_notebook():
    assert len(NOTEBOOKS) == 10
    for notebook in NOTEBOOKS:
        assert list(solutions(notebook)) == list(stubs(notebook)), notebook.stem
    assert sorted(name.removeprefix("my_") for notebook in NOTEBOOKS for name in solutions(notebook)) == sorted(check.EXERCISES)


def test_the_files_are_those_of_the_notebooks():
    package = importlib.import_module("tinytrack.course.solutions")
    files = {path.stem for path in Path(package.__file__).parent.glob("[!_]*.py")}
    assert files == {notebook.stem[3:] for notebook in NOTEBOOKS}


@pytest.mark.parametrize("notebook,name", CASES)
def test_a_solution_has_the_parameters_of_its_stub(notebook, name):
    stub, called = stubs(notebook)[name]
    solution = solutions(notebook)[name]
    parsed = ast.parse(inspect.getsource(solution)).body[0]
    assert ast.unparse(parsed.args) == ast.unparse(stub.args)
    assert solution.__doc__ is None
    assert called == f"check.{name.removeprefix('my_')}({name})"


@pytest.mark.parametrize("notebook,name", CASES)
def test_a_solution_is_right_in_its_notebook(notebook, name):
    namespace = imported(notebook)
    exec(inspect.getsource(solutions(notebook)[name]), namespace)
    verdict = check.EXERCISES[name.removeprefix("my_")](namespace[name])
    assert verdict, repr(verdict)
