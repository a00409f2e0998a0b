"""The command demo replaces its own results only."""

import os
from types import SimpleNamespace

import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.cli import demo
from tinytrack.errors import OutputError
from tinytrack.model import random_model


@pytest.fixture
def run(here, monkeypatch):
    """Run the demo without a clip, a network and pictures."""
    monkeypatch.setattr(demo, "open_clip", lambda name: SimpleNamespace(path=here / "carphone.mp4", read=lambda: None))
    monkeypatch.setattr(demo, "_carry", lambda *_: (None, None, None))
    monkeypatch.setattr(demo, "_draw", lambda folder, *_: [(folder / name).write_text("new") for name in demo.RESULTS])
    monkeypatch.setattr(demo, "_scores", lambda *_: [])
    return lambda: demo.run_demo("out", random_model())


def test_a_second_demo_replaces_the_first(run, here):
    for _ in range(2):
        run()
        assert sorted(os.listdir("out")) == [".tinytrack.json", *demo.RESULTS]


@pytest.mark.parametrize("name", demo.RESULTS)
def test_the_demo_does_not_replace_what_a_user_made(run, here, name):
    (here / "out").mkdir()
    (here / "out" / name).write_text("mine")
    with pytest.raises(OutputError) as error:
        run()
    assert_one_sentence(error, name, "was not made by tinytrack", "--out")
    assert os.listdir("out") == [name]
    assert (here / "out" / name).read_text() == "mine"
