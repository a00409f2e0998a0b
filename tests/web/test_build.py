"""Building the page: what is written, how exactly it is stored, and what is never replaced."""

import base64
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.helpers import assert_one_sentence
from tinytrack.datasets.clips import open_clip
from tinytrack.errors import ClipError, ModelError, OutputError
from tinytrack.propagate import MODERN
from tinytrack.track import embed_video
from tinytrack.web import build, emergence_data, engine_data
from tinytrack.web.build import STATIC, build_page, static_names
from tinytrack.web.emergence_data import sheet
from tinytrack.web.engine_data import SCRIPTS, TRACKER
from tinytrack.web.pack import quantize
from tinytrack.web.pointer_data import EXCERPTS, models, pointer_names
from tinytrack.web.sample_data import sample_names


@pytest.fixture
def quick(monkeypatch):
    """Build with data that takes no time to make."""
    monkeypatch.setattr(build, "pointer_scripts", lambda: iter([("carphone", "tinytrack.data.carphone = {};\n")]))
    monkeypatch.setattr(build, "emergence_script", lambda: ("emergence", "tinytrack.data.emergence = {};\n"))
    monkeypatch.setattr(build, "engine_script", lambda: ("engine", "tinytrack.data.engine = {};\n"))
    monkeypatch.setattr(build, "sample_scripts", lambda: iter([]))


def test_the_folder_is_complete_and_small(site):
    written = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()} - {".tinytrack.json"}
    assert written == {*static_names(), *(f"data/{name}.js" for name in [*pointer_names(), "emergence", "engine", *sample_names()])}
    assert sum((site / name).stat().st_size for name in written) < 17e6
    page = (site / "index.html").read_text()
    linked = re.findall(r'(?:src|href)="([^"#:]+)"', page)
    assert sorted(linked) == sorted(set(static_names()) - {"index.html"})


def test_the_page_names_no_other_server_and_its_files_are_short():
    for name in [*static_names(), *(f"tracker/{name}.js" for name in SCRIPTS)]:
        text = (STATIC / name).read_text()
        assert "://" not in text.replace("http://www.w3.org/2000/svg", ""), name  # the name of a namespace, which is never requested
        assert len(text.splitlines()) <= 500, name
        assert max(map(len, text.splitlines())) <= 140, name


def test_the_worker_gets_all_of_its_files(monkeypatch, tmp_path):
    assert sorted(SCRIPTS) == sorted(path.stem for path in TRACKER.glob("*.js"))
    monkeypatch.setattr(engine_data, "VENDOR", tmp_path)
    with pytest.raises(ModelError) as error:
        engine_data.engine_script()
    assert_one_sentence(error, "ort.wasm.min.js", "install tinytrack again")


def test_embeddings_are_stored_to_half_a_step(stored):
    excerpt = EXCERPTS[0]
    frames = open_clip(excerpt.clip).read(max_frames=excerpt.frames[-1] + 1)[list(excerpt.frames)]
    for name, model in models().items():
        content = stored(f"{excerpt.clip}-{name}")
        f = embed_video(frames, model, MODERN.at_rows(excerpt.rows)).movedim(1, -1).double().numpy()
        values = np.frombuffer(base64.b64decode(content["values"]), np.uint8).reshape(f.shape)
        off = np.abs(np.array(content["low"]) + np.array(content["step"]) * values - f)
        assert (off <= 0.51 * np.array(content["step"])).all()
        assert content["temperature"] == 0.07


def test_a_channel_that_never_changes_is_stored_too():
    content = quantize(torch.full((1, 2, 3, 4), 0.25))
    assert content["low"] == [0.25, 0.25]
    assert set(base64.b64decode(content["values"])) == {0}


def test_a_sheet_holds_every_frame_in_its_place():
    frames = np.arange(7, dtype=np.uint8)[:, None, None].repeat(2, axis=1).repeat(3, axis=2)
    whole = sheet(frames)
    assert whole.shape == (4, 15)
    assert whole[::2, ::3].tolist() == [[0, 1, 2, 3, 4], [5, 6, 0, 0, 0]]


def test_masks_of_the_first_frame_are_the_same_for_all_checkpoints(stored):
    content = stored("emergence")
    steps = [checkpoint["step"] for checkpoint in content["checkpoints"]]
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert len(content["losses"]) == steps[-1]
    assert {"j", "j_modern", "color_error"} <= content["checkpoints"][-1].keys()
    with np.load(emergence_data.STORED) as data:
        assert (data["ids"][:, 0] == data["ids"][0, 0]).all()


def test_the_command_says_what_it_wrote(cli, quick):
    result = cli("web", "--out", "page")
    assert result.status == 0, result.err
    assert result.out.splitlines()[-1].startswith("wrote the page, 0.1 MB: open page" + os.sep + "index.html in a browser")
    assert Path("page/data/emergence.js").is_file()


def test_a_page_is_made_again_but_nothing_of_the_user_is_replaced(here, quick):
    build_page("page")
    build_page("page")
    Path("page/style.css").write_text("body { color: red }")
    with pytest.raises(OutputError) as error:
        build_page("page")
    assert_one_sentence(error, "style.css", "has changed since 'web' made it")
    assert Path("page/style.css").read_text() == "body { color: red }"
    Path("mine/data").mkdir(parents=True)
    with pytest.raises(OutputError) as error:
        build_page("mine")
    assert_one_sentence(error, "data", "was not made by tinytrack")
    assert os.listdir("mine") == ["data"]


def test_without_the_stored_results_nothing_is_written(here, monkeypatch):
    monkeypatch.setattr(build, "pointer_scripts", lambda: iter([]))
    monkeypatch.setattr(emergence_data, "STORED", Path("emergence.npz"))
    with pytest.raises(ClipError) as error:
        build_page("page")
    assert_one_sentence(error, "emergence.npz", "install tinytrack again")
    assert os.listdir() == []
