"""Inputs for the command line, and small settings that make it fast."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from tests.support.small import JOINTS, H, random_frames, scene, square_mask, without_color
from tinytrack import model, propagate, recipe
from tinytrack.io.video_writer import write_video


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Valid inputs for every command, and an untrained model."""
    folder = tmp_path_factory.mktemp("given")
    write_video(folder / "clip.mp4", scene())
    write_video(folder / "gray.mp4", without_color(scene()))
    write_video(folder / "long.mp4", scene(80, step=1))
    write_video(folder / "large.mp4", random_frames(12))
    Image.fromarray(scene()[0]).save(folder / "color.png")
    Image.fromarray(square_mask()).save(folder / "mask.png")
    (folder / "joints.json").write_text(json.dumps(JOINTS))
    model.random_model().save(folder / "model.pt")
    return SimpleNamespace(**{p.stem: str(p) for p in folder.iterdir()})


@pytest.fixture
def small(here, monkeypatch):
    """Run everything in this process on small frames and one thread, because these tests are about the command line."""
    for name in ("modern", "refined"):
        monkeypatch.setitem(propagate.PROTOCOLS, name, dataclasses.replace(propagate.PROTOCOLS[name], size=H))
    monkeypatch.setitem(recipe.PRESETS, "tiny", dataclasses.replace(recipe.TINY, height=32, crop=32, batch=1, steps=2))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
