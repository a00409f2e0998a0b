"""The project keeps its promises: layers, set-up, README, what may not be committed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinytrack.embed import count_parameters
from tinytrack.evaluation.report.charts import draw_report
from tinytrack.evaluation.report.results import read_report
from tinytrack.io.paths import SHIPPED
from tinytrack.model import load_model

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tinytrack"

# The front: the files that are the paper. A file may import only those before it.
FRONT = [
    "errors", "color", "embed", "pointer", "recipe", "fast", "coarse", "loss", "model", "guided", "label_maps", "gate", "propagate",
    "track", "batches", "train",
]  # fmt: skip
FRONT_READS = {"errors", "io.atomic", "io.frames", "io.paths"}  # all that the front may import from a wing

# The wings, and what each may import besides itself and what these import.
WINGS = {
    "errors": set(),
    "io": {"errors"},
    "front": {"io"},
    "datasets": {"io"},
    "draw": {"front", "io"},
    "training": {"front", "datasets"},
    "evaluation": {"draw", "training"},
    "lessons": {"evaluation"},
    "interactive": {"evaluation"},
    "course": {"lessons", "interactive"},
    "web": {"evaluation"},
    "cli": {"course", "web"},
    "__main__": {"cli"},
}
# What costs time to import or is optional stays where it is needed.
ONLY_IN = {
    "matplotlib": {"draw", "evaluation", "interactive"},
    "ipywidgets": {"interactive"},
    "anywidget": {"interactive"},
    "av": {"io"},
    "cv2": {"evaluation"},
}


def modules() -> dict[str, Path]:
    """Dotted name below tinytrack -> file; packages by their own name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts:
            found[".".join(parts)] = path
    return found


MODULES = modules()


def imports_of(name: str, path: Path) -> tuple[set[str], set[str]]:
    """(modules of this package, other top-level packages) that a module imports, inside functions too."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    ours, others = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                deeper = ".".join([*base, alias.name])
                ours.add(deeper if deeper in MODULES else ".".join(base))
        elif isinstance(node, ast.ImportFrom):
            others.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            others |= {alias.name.split(".")[0] for alias in node.names}
    return ours - {""}, others


IMPORTS = {name: imports_of(name, path) for name, path in MODULES.items()}


def wing_of(name: str) -> str:
    """The wing of a module: its folder, "front" for the files of the front, "errors" and "__main__" for themselves."""
    top = name.split(".")[0]
    return top if top in WINGS else "front"


def allowed(wing: str) -> set[str]:
    """All wings that a wing may import: those named, and what these may import."""
    return {wing}.union(*(allowed(other) for other in WINGS[wing]))


def test_every_module_has_its_place():
    assert {name.split(".")[0] for name in MODULES} == set(FRONT) | set(WINGS) - {"front"}


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(FRONT)))
def test_a_wing_imports_only_what_is_below_it(name):
    assert {wing_of(other) for other in IMPORTS[name][0]} <= allowed(wing_of(name))


@pytest.mark.parametrize("name", FRONT)
def test_the_front_imports_downwards(name):
    assert IMPORTS[name][0] <= set(FRONT[: FRONT.index(name)]) | FRONT_READS


def test_no_module_imports_itself_through_others():
    todo = {name: set(ours) & set(MODULES) - {name} for name, (ours, _) in IMPORTS.items()}
    while todo:
        free = [name for name, ours in todo.items() if not ours & set(todo)]
        assert free, f"a circle within {sorted(todo)}"
        for name in free:
            del todo[name]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_heavy_packages_stay_where_they_are_needed(name):
    for package, wings in ONLY_IN.items():
        assert package not in IMPORTS[name][1] or wing_of(name) in wings


def test_the_front_needs_little():
    others = set().union(*(IMPORTS[name][1] for name in FRONT)) - sys.stdlib_module_names
    assert others == {"torch", "numpy", "sklearn"}


def test_the_front_is_an_afternoon_and_no_file_is_longer_than_a_sitting():
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert sum(lines[name] for name in FRONT) <= 2200
    assert max(lines[name] for name in FRONT) <= 290
    assert {name: count for name, count in lines.items() if count > 500} == {}


def test_importing_the_package_is_cheap():
    code = "import sys, tinytrack; assert not {'torch', 'numpy', 'av', 'matplotlib'} & set(sys.modules); print(tinytrack.__version__)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_requirements_pin_torch_and_end_with_the_package():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[-1] == "-e ."
    assert any(line.split()[0] == "torch==2.13.0" for line in lines)
    for line in lines[:-1]:
        assert re.match(r"[\w.-]+(==|>=)\S+\s+# .+", line), f"who needs it? {line}"


def test_ci_runs_the_test_command_of_the_readme():
    readme = re.findall(r"-m (pytest [^\n`]+)", (ROOT / "README.md").read_text())
    ci = re.findall(r"-m (pytest [^\n]+)", (ROOT / ".ci" / "run").read_text())
    assert readme
    assert ci == [readme[0]]


def test_every_score_in_the_results_is_in_the_committed_report():
    results = (ROOT / "data" / "README.md").read_text().split("## Results")[1].split("\n## ")[0]
    rows = [line for line in results.splitlines() if line.startswith("|") and re.search(r"\d\.\d", line)]
    printed = "".join(p.read_text() for p in sorted((ROOT / "data" / "report").glob("*.md")))
    assert len(rows) > 10
    assert [row for row in rows if row not in printed] == []


def test_the_committed_report_is_made_of_its_results_alone(tmp_path):
    report = ROOT / "data" / "report"
    draw_report(read_report(report / "results.json"), tmp_path)
    assert (tmp_path / "report.md").read_text() == (report / "report.md").read_text()


def test_readme_links_exist():
    for folder in ("", "data", "notebooks", "tests", "tinytrack"):
        page = ROOT / folder / "README.md"
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{folder}/README.md: {link}"


def tracked() -> list[Path]:
    result = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in result.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_repository_is_small_and_holds_no_video():
    files = tracked()
    assert sum(p.stat().st_size for p in files) < 40e6
    assert not [p for p in files if p.suffix in {".mp4", ".avi", ".mov", ".webm", ".jpg", ".whl"}]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_weights_are_small(name):
    assert (ROOT / "data" / f"{name}.pt").stat().st_size <= 1.5e6
    assert count_parameters(load_model(name).net) <= 350_000


def test_no_machine_path_and_no_package_index_is_committed():
    # Put together here, so that this file does not find itself.
    forbidden = re.compile("|".join(["/" + "home/", "/" + "root/", "/" + "work/", "index" + "-url", "find" + "-links"]))
    for path in tracked():
        if path.suffix in {".py", ".md", ".txt", ".toml", ".ipynb", ".json", ".yml", ""}:
            assert not forbidden.search(path.read_text()), path
