"""Run one submission and check its exercises: ``python -m tinytrack.course.sandbox JOB.json``, a process of its own.

It runs the cells as a notebook does, then imports a fresh copy of tinytrack, whose checks the submission cannot have replaced.
Each line of the results file says which exercise begins, or how it ended, so that they survive when the process is stopped.
"""

import ast
import importlib
import json
import os
import sys
from pathlib import Path
from typing import TextIO


class _DropChecks(ast.NodeTransformer):
    """Leave out the lines ``check.affinity(my_affinity)``, because the exercises are checked afterwards."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        call = node.value
        is_check = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "check"
        return None if is_check else node


def main(job_file: str) -> None:
    """Do the job that a JSON file describes.

    It has the keys ``imports`` (code to run first), ``cells`` (the submission's code), ``exercises`` (their names), ``seconds`` (for each
    cell) and ``results`` (the file to write).
    """
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    with open(job["results"], "a", encoding="utf-8") as results:
        functions = _run_cells(job, results)
        check = _fresh_check()
        for name in job["exercises"]:
            _write(results, begins=name)
            function = functions.get(f"my_{name}")
            if function is None:
                _write(results, exercise=name, right=False, text=f"{name}: the notebook does not define `my_{name}`")
            else:
                verdict = getattr(check, name)(function)
                _write(results, exercise=name, right=bool(verdict), text=repr(verdict))


def _run_cells(job: dict, results: TextIO) -> dict:
    """Run the cells one after the other; return what they define. A cell that fails does not keep the next ones from running."""
    from IPython.core.interactiveshell import InteractiveShell

    from ..lessons.limits import TimeUp, limited

    os.environ["MPLBACKEND"] = "agg"
    shell = InteractiveShell.instance(colors="nocolor")
    shell.enable_gui = lambda *_: None  # so that '%matplotlib inline' is no error without a kernel
    shell.ast_transformers.append(_DropChecks())
    shell.run_cell(job["imports"])  # without a limit, because an import that is interrupted cannot be repeated
    for number, source in enumerate(job["cells"], start=1):
        try:
            with limited(job["seconds"]):
                outcome = shell.run_cell(source)
        except TimeUp:
            outcome = None
        error = outcome and (outcome.error_before_exec or outcome.error_in_exec)
        if outcome is None or isinstance(error, TimeUp):
            _write(results, problem=f"code cell {number} was stopped after {job['seconds']:g} seconds")
        elif error:
            _write(results, problem=f"code cell {number} raised {type(error).__name__}: {error}")
    return dict(shell.user_ns)


def _fresh_check():
    """Import the checks again, after everything of tinytrack that the submission has seen is forgotten."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "tinytrack"]:
        del sys.modules[name]
    return importlib.import_module("tinytrack.lessons.check")


def _write(results: TextIO, **line) -> None:
    print(json.dumps(line), file=results, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
