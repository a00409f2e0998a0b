"""The package as strangers install it: built as a wheel and as an sdist, used from another folder."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tinytrack import __version__
from tinytrack.datasets.clips import CLIPS
from tinytrack.io.paths import SHIPPED
from tinytrack.model import random_model
from tinytrack.web.engine_data import GLUE, NETWORK, PRODUCT, RUNTIME, WASM

ROOT = Path(__file__).resolve().parents[1]
NEEDED = [*(f"{name}.pt" for name in SHIPPED), "LICENSE", "report/results.json", "emergence.npz"] + [
    f"{clip}/{name}" for clip in ("carphone", "walk", "beam") for name in ("joints.json", "joints_truth.json", "masks/00000.png")
]


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist, built from a copy of what git would check out; skipped where pip cannot fetch setuptools."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    if names.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, names.stdout.split("\0")):
        if name.startswith(("tinytrack/", "data/")) or "/" not in name:
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_file():
                target.write_bytes((ROOT / name).read_bytes())
    made = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", out, source)
    if made.returncode and ("No matching distribution" in made.stderr or "Failed to establish a new connection" in made.stderr):
        pytest.skip("pip cannot fetch setuptools, which builds the wheel")
    assert made.returncode == 0, made.stderr
    backend = "import setuptools.build_meta as b, sys; print(b.build_sdist(sys.argv[1]))"
    environment = tmp_path_factory.mktemp("build") / "env"
    assert run(sys.executable, "-m", "venv", environment).returncode == 0
    python = environment / "bin" / "python"
    assert run(python, "-m", "pip", "install", "-q", "setuptools>=77").returncode == 0
    packed = run(python, "-c", backend, out, cwd=source)
    assert packed.returncode == 0, packed.stderr
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def stranger(built, tmp_path_factory):
    """A fresh environment with the wheel in it; what the wheel depends on is taken from this environment, to save the download."""
    folder = tmp_path_factory.mktemp("stranger")
    assert run(sys.executable, "-m", "venv", folder / "env").returncode == 0
    python = folder / "env" / "bin" / "python"
    assert run(python, "-m", "pip", "install", "-q", "--no-deps", built[0]).returncode == 0
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
    # The path file of this environment's editable tinytrack is not read from there, so only the wheel's tinytrack can be found.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / "work").mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TINYTRACK_DATA")}

    def command(*words):
        return run(folder / "env" / "bin" / "tinytrack", *words, cwd=folder / "work", env=environment | {"OMP_NUM_THREADS": "1"})

    command.folder, command.python, command.site = folder / "work", python, site
    return command


@pytest.mark.parametrize("kind", [0, 1], ids=["wheel", "sdist"])
def test_what_is_needed_travels_along(built, kind):
    if kind == 0:
        names = zipfile.ZipFile(built[0]).namelist()
        assert [name for name in NEEDED if f"tinytrack/data/{name}" not in names] == []
        assert {f"tinytrack/interactive/{name}.js" for name in ("canvas", "view", "polygon")} <= set(names)
        assert "tinytrack/interactive/upload.js" in names
        page = ("index.html", "style.css", "core.js", "licences.txt", "tracker/worker.js")
        assert {f"tinytrack/web/static/{name}" for name in page} <= set(names)
        assert {f"tinytrack/web/vendor/{name}" for name in (RUNTIME, GLUE, WASM, NETWORK, PRODUCT)} <= set(names)
        assert not [name for name in names if name.startswith("tests/")]
    else:
        names = [name.split("/", 1)[-1] for name in tarfile.open(built[1]).getnames()]
        assert [name for name in NEEDED if f"data/{name}" not in names] == []
        assert "LICENSE" in names
        assert {f"tinytrack/interactive/{name}.js" for name in ("canvas", "view", "polygon")} <= set(names)
        assert "README.md" in names


def test_the_wheel_is_small(built):
    assert built[0].stat().st_size < 11e6  # half of it runs networks in the web page


def test_every_module_is_in_the_wheel(built):
    names = set(zipfile.ZipFile(built[0]).namelist())
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "tinytrack").rglob("*.py")} <= names


def test_metadata_name_licence_readme_and_dependencies(built):
    wheel = zipfile.ZipFile(built[0])
    metadata = wheel.read(next(n for n in wheel.namelist() if n.endswith("METADATA"))).decode()
    head = metadata.split("\n\n")[0]
    assert f"Version: {__version__}" in head
    assert "License-Expression: MIT AND CC-BY-NC-4.0" in head
    assert "License-File: LICENSE" in head
    assert "Requires-Dist: torch>=2.6" in head
    assert "Description-Content-Type: text/markdown" in head
    assert "://" not in head
    for extra in ("interactive", "flow", "test"):
        assert f"Provides-Extra: {extra}" in head


def test_the_wheel_is_what_runs(stranger):
    found = run(stranger.python, "-c", "import tinytrack; print(tinytrack.__file__)", cwd=stranger.folder)
    assert Path(found.stdout.strip()).is_relative_to(stranger.site)
    assert stranger("--version").stdout.strip() == f"tinytrack {__version__}"


def test_data_list_and_verify_from_another_folder(stranger):
    listed = stranger("data", "list")
    assert listed.returncode == 0, listed.stderr
    for name in (*CLIPS, *SHIPPED):
        assert name in listed.stdout
    verified = stranger("data", "verify")
    assert verified.returncode == 0, verified.stderr
    assert "carphone   ok" in verified.stdout


def test_the_demo_from_another_folder(stranger):
    if not CLIPS["carphone"].file.is_file():
        pytest.skip("the clip carphone is not installed")
    done = stranger("demo")
    assert done.returncode == 0, done.stderr
    assert "mask: head" in done.stdout
    made = sorted(p.name for p in (stranger.folder / "tinytrack-demo").glob("[!.]*"))
    assert made == ["colorize.mp4", "masks.mp4", "pose.mp4", "tour.png"]


def test_track_and_pose_from_another_folder(stranger):
    from tinytrack.datasets.synth import moving_shapes
    from tinytrack.io.masks import write_mask
    from tinytrack.io.video_writer import write_video

    scene = moving_shapes(0, frames=5, height=64, width=80)
    write_video(stranger.folder / "clip.mp4", scene.frames, 24)
    write_mask(stranger.folder / "mask.png", scene.masks[0])
    (stranger.folder / "joints.json").write_text(json.dumps({"joints": {"a": [20, 20], "b": [40, 30]}}))
    tracked = stranger("track", "clip.mp4", "--mask", "mask.png", "--out", "tracked")
    assert tracked.returncode == 0, tracked.stderr
    assert len(list((stranger.folder / "tracked" / "masks").iterdir())) == 5
    posed = stranger("pose", "clip.mp4", "--joints", "joints.json", "--out", "posed")
    assert posed.returncode == 0, posed.stderr
    assert (stranger.folder / "posed" / "joints.csv").is_file()


def test_a_model_that_is_not_there_is_one_sentence(stranger):
    refused = stranger("demo", "--model", "mine.pt")
    assert refused.returncode == 2
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "mine.pt" in refused.stderr


def test_the_demo_takes_a_model_of_ones_own(stranger):
    if not CLIPS["carphone"].file.is_file():
        pytest.skip("the clip carphone is not installed")
    random_model().save(stranger.folder / "mine.pt")
    done = stranger("demo", "--model", "mine.pt", "--out", "mine")
    assert done.returncode == 0, done.stderr
    assert (stranger.folder / "mine" / "tour.png").is_file()
