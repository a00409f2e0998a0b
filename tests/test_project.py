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

# A module may import only what stands before it.
LAYERS = [
    "errors", "source", "exercise", "files", "ahead", "video", "labels", "color", "example", "pointer", "loss", "tiles", "embed",
    "model", "synth", "clips", "fetch", "datasets", "metrics", "recipe", "processes", "norms", "batches", "index", "stream", "states",
    "train", "fit", "trainjob", "track", "baselines", "evaluate", "analysis", "draw", "check",
    "plots", "pages", "pictures", "jobs", "demo", "report", "annotate", "background", "stage", "playback", "upload", "studio", "widgets",
    "gallery", "page", "__main__",
]  # fmt: skip


def imports_of(path: Path) -> tuple[set[str], set[str]]:
    """(modules of this package, other top-level packages) that a file imports, inside functions too."""
    ours, others = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            ours |= {node.module} if node.module else {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            others.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            others |= {name.name.split(".")[0] for name in node.names}
    return ours, others


def test_every_module_has_its_layer():
    assert {p.stem for p in PACKAGE.glob("*.py")} - {"__init__"} == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_imports_upwards(name):
    ours, others = imports_of(PACKAGE / f"{name}.py")
    assert ours <= set(LAYERS[: LAYERS.index(name)])
    if name not in ("draw", "plots", "stage", "playback", "upload", "studio", "widgets", "gallery"):
        assert not others & {"matplotlib", "ipywidgets", "anywidget"}
    if name in ("color", "pointer", "tiles", "loss", "metrics"):
        assert others - sys.stdlib_module_names <= {"torch", "numpy", "sklearn", "scipy"}


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


def test_every_score_in_the_readme_stands_in_the_committed_report():
    results = (ROOT / "README.md").read_text().split("## Results")[1].split("\n## ")[0]
    rows = [line for line in results.splitlines() if line.startswith("|") and re.search(r"\d\.\d", line)]
    printed = "".join(p.read_text() for p in sorted((ROOT / "data" / "report").glob("*.md")))
    assert len(rows) > 10
    assert [row for row in rows if row not in printed] == []


def test_the_committed_report_is_made_of_its_results_alone(tmp_path):
    report = ROOT / "data" / "report"
    draw_report(read_report(report / "results.json"), tmp_path)
    assert (tmp_path / "report.md").read_text() == (report / "report.md").read_text()


def test_readme_links_exist():
    for page in (ROOT / "README.md", ROOT / "data" / "README.md", ROOT / "notebooks" / "README.md"):
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


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
    assert (ROOT / "data" / f"{name}.pt").stat().st_size <= 2e6
    assert count_parameters(load_model(name).net) <= 1_000_000


def test_no_machine_path_and_no_package_index_is_committed():
    # Put together here, so that this file does not find itself.
    forbidden = re.compile("|".join(["/" + "home/", "/" + "root/", "/" + "work/", "index" + "-url", "find" + "-links"]))
    for path in tracked():
        if path.suffix in {".py", ".md", ".txt", ".toml", ".ipynb", ".json", ".yml", ""}:
            assert not forbidden.search(path.read_text()), path
