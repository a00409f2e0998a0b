"""All demos on one page: each is created once, when its tab is first opened, and problems are reported on the tab."""

import html
import re
from dataclasses import replace

import ipywidgets
import numpy as np
import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.datasets.clips import CLIPS, open_clip
from tinytrack.errors import ClipError
from tinytrack.evaluation.baselines import identity
from tinytrack.evaluation.metrics import region_j
from tinytrack.interactive import gallery as module
from tinytrack.interactive.emergence import Emergence
from tinytrack.interactive.gallery import Gallery, gallery
from tinytrack.interactive.palette_explorer import PaletteExplorer
from tinytrack.interactive.player import Player
from tinytrack.interactive.pointer_explorer import PointerExplorer
from tinytrack.interactive.studio import Studio
from tinytrack.io.masks import read_mask
from tinytrack.recipe import TINY

TABS = ("your video", "palette", "pointer", "training", "player")


def text_of(widget) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", widget.value.replace("<br>", "\n")))


@pytest.fixture(scope="module")
def frames():
    return open_clip("carphone").read()


@pytest.fixture
def page(monkeypatch, frames):
    """A gallery whose clip is already decoded."""
    monkeypatch.setattr(Gallery, "frames", lambda self: frames)
    return gallery(device="cpu")


def opened(page, n):
    """Click on a tab and return its demo."""
    page.tabs.selected_index = n
    assert list(page.boxes[n].children) == [page.demos[n]]
    return page.demos[n]


def test_the_studio_is_created_at_once_and_the_other_demos_on_demand():
    page = gallery(device="cpu")
    assert page.tabs.titles == TABS
    assert page.tabs.selected_index == 0
    assert list(page.tabs.children) == page.boxes
    assert isinstance(page.demos[0], Studio)
    assert page.boxes[0] is page.demos[0]
    assert page.demos[0].session is None
    assert list(page.demos) == [0]
    assert [text_of(box.children[0]) for box in page.boxes[1:]] == ["preparing ..."] * 4


def test_the_studio_opens_the_given_clip(make_video):
    page = gallery(str(make_video("mine.mp4", 3)), "cpu")
    assert len(page.demos[0].session) == 3
    assert page.demos[0].stage.label == "Frame 0 of mine.mp4"


def test_a_problem_with_the_given_clip_is_reported_on_the_page():
    page = gallery("<missing>.mp4", "cpu")
    studio = page.demos[0]
    assert studio.session is None
    assert studio.track.disabled
    assert not studio.open_clip.disabled
    assert_one_sentence(text_of(studio.status), "no such video", "'<missing>.mp4'")
    assert isinstance(opened(page, 1), PaletteExplorer), "the other tabs still work"


def test_the_palette_tab_shows_the_clip_in_16_colours():
    demo = opened(gallery(device="cpu"), 1)
    assert isinstance(demo, PaletteExplorer)
    assert demo.frames.shape == (120, 144, 176, 3)
    assert text_of(demo.text).startswith("16 colours: a pixel of frame 0 ")


def test_the_pointer_tab_uses_the_true_labels(page):
    demo = opened(page, 2)
    assert isinstance(demo, PointerExplorer)
    assert (demo.at.value, demo.references()) == (20, [0, 10])
    assert demo.device == "cpu"
    demo.ask("down", 90, 60)
    assert text_of(demo.text).splitlines()[-1].startswith("copied label: head ")
    assert demo.names == list(CLIPS["carphone"].objects)
    assert sorted(demo.masks) == sorted(CLIPS["carphone"].masks)


def test_the_training_tab_is_ready_to_train_the_tiny_recipe(page, monkeypatch, frames):
    asked = []
    monkeypatch.setattr(module, "load_shots", lambda videos, config: asked.append(([v.title for v in videos], config)) or [frames[:9]])
    demo = opened(page, 3)
    assert isinstance(demo, Emergence)
    assert asked == [(["bikes"], TINY)]
    assert demo.config == replace(TINY, steps=module.STEPS)
    assert demo.steps.value == module.STEPS
    assert text_of(demo.text).startswith("random")
    assert len(demo.frames) == 61
    assert sorted(demo.truth) == [0, 20, 40, 60]
    assert set(np.unique(demo.mask)) == {0, 1, 2, 3, 4}


def test_the_player_tab_compares_tracks_by_their_scores(page, monkeypatch, frames):
    calls = []

    def carry(given, mask, **options):
        calls.append(options)
        return identity(given, np.where(mask == 1, 1, 0).astype(np.uint8))

    monkeypatch.setattr(module, "carry", carry)
    demo = opened(page, 4)
    assert isinstance(demo, Player)
    assert list(demo.tracks) == ["tiny-gray", "identity"]
    assert np.array_equal(calls[0]["colors"], frames[0])
    assert calls[0]["protocol"].size == 144
    assert calls[0]["model"].device.type == "cpu"
    truth = {t: read_mask(path) for t, path in CLIPS["carphone"].masks.items()}
    for name, objects in (("identity", (1, 2, 3, 4)), ("tiny-gray", (1,))):  # tiny-gray loses the other three objects, so their J is 0
        for t in (20, 119):
            j = sum(region_j(truth[0] == n, truth[t] == n) for n in objects) / 4
            assert demo.scores[name][t] == pytest.approx(j)
    assert 0 not in demo.scores["identity"]
    demo.frame.value = 60
    assert text_of(demo.said[1]) == f"frame 60: J {100 * demo.scores['identity'][60]:.0f} %"


def test_each_tab_is_created_once(page, monkeypatch):
    demo = opened(page, 1)
    demo.k.value = 5
    monkeypatch.setattr(Gallery, "frames", lambda self: pytest.fail("it is made again"))
    page.tabs.selected_index = 0
    assert opened(page, 1) is demo
    assert demo.k.value == 5
    page.tabs.selected_index = None
    assert list(page.demos) == [0, 1]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_missing_clip_is_reported_on_its_tab_until_it_is_installed(monkeypatch, frames, n):
    def missing(name):
        raise ClipError(f"the clip '<{name}>' is missing: install it")

    page = gallery(device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(module, "open_clip", missing)
        page.tabs.selected_index = n
    (said,) = page.boxes[n].children
    assert isinstance(said, ipywidgets.HTML)
    assert text_of(said) == "the clip '<carphone>' is missing: install it"
    assert "&lt;" in said.value
    assert n not in page.demos
    if n == 1:  # the clip has been installed meanwhile
        page.tabs.selected_index = 0
        assert isinstance(opened(page, n), PaletteExplorer)
