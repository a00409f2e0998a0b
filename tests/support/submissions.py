"""Seven kinds of submission of notebook 03, as a class hands them in, and the marks that each deserves."""

import json
from pathlib import Path

from tinytrack.course.cells import code, solved
from tinytrack.course.lesson import NOT_WRITTEN, NOTEBOOKS, read_lesson

LESSON = read_lesson(NOTEBOOKS / "03_pointer_copy.ipynb")
ALL = [task.name for task in LESSON.tasks]
HALF = ALL[:2]
WRONG_AXIS = """def my_affinity(f_j, f_i, temperature):
    return (f_j @ f_i.mT / temperature).softmax(dim=1)"""
ENDLESS = """def my_affinity(f_j, f_i, temperature):
    while True:
        pass"""
PATCHED = """import tinytrack.lessons.check
import tinytrack.lessons.exercise
import tinytrack.lessons.verdict

tinytrack.lessons.exercise.Exercise.__call__ = lambda self, function: True
tinytrack.lessons.experiment.Experiment.__call__ = lambda self, function: True
tinytrack.lessons.verdict.Verdict.__bool__ = lambda self: True
tinytrack.lessons.check.affinity = lambda function: True
check.affinity = lambda function: True"""
NOISY = """import sys
import warnings

for _ in range(50):
    print("a message on the error stream", file=sys.stderr)
warnings.warn("and a warning")"""

POINTS = {"untouched": 0, "right": 5, "half": 2, "wrong_axis": 4, "patched": 0, "endless": 4, "noisy": 5}


def submit(kind: str, notebook: Path, out: Path) -> None:
    """Fill in a student's notebook, whatever the format, and write it to ``out``."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    solve = {"untouched": [], "half": HALF, "patched": []}.get(kind, ALL)
    for cell in content["cells"]:
        text = "".join(cell["source"])
        for task in LESSON.tasks:
            if cell["cell_type"] == "code" and f"def {task.function}(" in text and NOT_WRITTEN in text and task.name in solve:
                cell["source"] = solved(task)
                if task.name == "affinity" and kind in ("wrong_axis", "endless"):
                    cell["source"] = {"wrong_axis": WRONG_AXIS, "endless": ENDLESS}[kind]
    extra = {"patched": PATCHED, "noisy": NOISY}.get(kind)
    if extra:
        at = next(n for n, cell in enumerate(content["cells"]) if cell["cell_type"] == "code" and "import torch" in "".join(cell["source"]))
        content["cells"].insert(at + 1, dict(code(extra), id="extra"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content), encoding="utf-8")
