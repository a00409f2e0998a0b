"""The interactive picture: the messages it receives and answers, what it shows, and what replaces it without a kernel."""

import base64
import io

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from tinytrack.draw.figures import filmstrip
from tinytrack.interactive.canvas import Canvas, picture_bytes
from tinytrack.interactive.layout import Demo

SMOOTH = np.stack(np.broadcast_arrays(np.arange(0, 240, 5)[:, None], np.arange(0, 192, 3), 120), axis=-1).astype(np.uint8)
VIEW = "application/vnd.jupyter.widget-view+json"


class Page:
    """A canvas, together with the messages that it sent to its browser."""

    def __init__(self, **traits):
        self.stage, self.sent = Canvas(**traits), []
        self.stage.send = self.sent.append

    def tell(self, **message):
        self.stage.hear(message)


@pytest.fixture
def page():
    return Page(size=(64, 48))


# ---- messages from the browser

POINTS = [
    ("down", [3, 4], (3.0, 4.0)),
    ("drag", [-0.5, 47.5], (-0.5, 47.5)),
    ("up", [63.5, 0], (63.5, 0.0)),
    ("hover", [10.25, 7.125], (10.25, 7.125)),
]


@pytest.mark.parametrize("phase, place, xy", POINTS, ids=[phase for phase, *_ in POINTS])
def test_a_point_arrives_with_its_phase_and_its_place(page, phase, place, xy):
    heard = []
    page.stage.on_point(lambda *event: heard.append(event))
    page.tell(kind="point", phase=phase, place=place)
    assert heard == [(phase, *xy)]
    assert all(type(v) is float for v in heard[0][1:])
    assert page.sent == [{"done": phase}]


@pytest.mark.parametrize("points", [[[1, 2]], [[1, 2], [3.5, -0.5], [63, 47]], []], ids=["a dab", "a line", "nothing"])
def test_a_stroke_arrives_as_an_array_of_points(page, points):
    heard = []
    page.stage.on_stroke(heard.append)
    page.tell(kind="stroke", points=points)
    (stroke,) = heard
    assert stroke.shape == (len(points), 2)
    assert stroke.dtype == np.float64
    assert stroke.tolist() == points
    assert page.sent == [{"done": "stroke"}]


@pytest.mark.parametrize("key", ["z", "Z", ",", ".", "[", "]", "x", "Delete", "Backspace", "1", "9"])
def test_a_key_arrives_by_its_name(page, key):
    heard = []
    page.stage.on_key(heard.append)
    page.tell(kind="key", key=key)
    assert heard == [key]
    assert page.sent == [{"done": "key"}]


def test_the_browser_forwards_exactly_the_keys_that_python_knows():
    line = next(line for line in str(Canvas._esm).splitlines() if line.startswith("const KEYS"))
    assert line.split("[", 1)[1].rsplit("]", 1)[0].replace('"', "").split(", ") == [
        "z",
        "Z",
        ",",
        ".",
        "[",
        "]",
        "x",
        "Delete",
        "Backspace",
        "...123456789",
    ]


def test_each_message_reaches_only_its_own_handler(page):
    heard = []
    page.stage.on_point(lambda *event: heard.append("point"))
    page.stage.on_stroke(lambda points: heard.append("stroke"))
    page.stage.on_key(lambda key: heard.append("key"))
    page.tell(kind="key", key="z")
    page.tell(kind="stroke", points=[[1, 1]])
    page.tell(kind="point", phase="down", place=[1, 1])
    assert heard == ["key", "stroke", "point"]


def test_a_new_handler_replaces_the_old_one(page):
    heard = []
    page.stage.on_key(lambda key: heard.append("first"))
    page.stage.on_key(lambda key: heard.append("second"))
    page.tell(kind="key", key="z")
    assert heard == ["second"]


@pytest.mark.parametrize("message", [{"kind": "scroll", "by": 3}, {"kind": None}, {}, {"phase": "down"}])
def test_unknown_kinds_of_messages_are_ignored(page, message):
    heard = []
    page.stage.on_point(lambda *event: heard.append(event))
    page.stage.hear(message)
    assert heard == []
    page.tell(kind="point", phase="down", place=[1, 1])
    assert heard == [("down", 1.0, 1.0)]


MESSAGES = [
    {"kind": "point", "phase": "hover", "place": [1, 2]},
    {"kind": "stroke", "points": [[1, 2]]},
    {"kind": "key", "key": "z"},
]


@pytest.mark.parametrize("message", MESSAGES, ids=[m["kind"] for m in MESSAGES])
def test_the_browser_gets_an_answer_even_without_a_handler(page, message):
    page.stage.hear(message)
    assert page.sent == [{"done": message.get("phase", message["kind"])}]


@pytest.mark.parametrize("message", MESSAGES, ids=[m["kind"] for m in MESSAGES])
def test_the_browser_gets_an_answer_even_if_a_handler_fails(page, message):
    """Otherwise the browser would wait forever and hovering would stop working."""

    def fail(*args):
        assert page.sent == [], "the answer comes after the handler has run"
        raise ZeroDivisionError

    page.stage.on_point(fail), page.stage.on_stroke(fail), page.stage.on_key(fail)
    with pytest.raises(ZeroDivisionError):
        page.stage.hear(message)
    assert page.sent == [{"done": message.get("phase", message["kind"])}]


def test_messages_from_the_page_arrive(page):
    """The message takes the same path as from a real page, through the widget's own dispatch."""
    heard = []
    page.stage.on_point(lambda *event: heard.append(event))
    page.stage._handle_custom_msg({"kind": "point", "phase": "down", "place": [1, 2]}, [])
    assert heard == [("down", 1.0, 2.0)]


# ---- does the browser keep up?


def test_marks_are_numbered_and_behind_counts_the_unanswered_ones(page):
    assert page.stage.behind == 0
    page.stage.mark(), page.stage.mark(), page.stage.mark()
    assert page.sent == [{"mark": 1}, {"mark": 2}, {"mark": 3}]
    assert page.stage.behind == 3
    page.tell(kind="painted", mark=1)
    assert page.stage.behind == 2
    page.tell(kind="painted", mark=3)
    assert page.stage.behind == 0, "a painted message is an answer and gets no reply"
    assert len(page.sent) == 3, "a painted message is an answer and gets no reply"


def test_two_views_of_one_canvas_both_answer(page):
    page.stage.mark(), page.stage.mark()
    behind = []
    for mark in (1, 2, 1, 2):  # the slower view answers late
        page.tell(kind="painted", mark=mark)
        behind.append(page.stage.behind)
    assert behind == [1, 0, 0, 0]


def test_a_browser_that_comes_back_is_no_longer_behind(page):
    for _ in range(9):
        page.stage.mark()
    page.tell(kind="painted", mark=9)
    assert page.stage.behind == 0


# ---- what the canvas shows


def decoded(data):
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_picture_is_sent_as_a_faithful_jpeg():
    data = picture_bytes(SMOOTH)
    assert Image.open(io.BytesIO(data)).format == "JPEG"
    assert decoded(data).shape == SMOOTH.shape
    assert np.abs(decoded(data).astype(int) - SMOOTH).mean() < 2


def test_colours_are_sent_at_full_resolution():
    stripes = np.zeros((48, 64, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = (230, 60, 60), (60, 60, 230)
    shown = decoded(picture_bytes(stripes)).astype(int)
    assert (shown[:, ::2, 0] > shown[:, ::2, 2] + 100).all()
    assert (shown[:, 1::2, 2] > shown[:, 1::2, 0] + 100).all()


def test_show_replaces_the_picture_and_its_label(page):
    page.stage.show(SMOOTH, "frame 3")
    assert page.stage.data == picture_bytes(SMOOTH)
    assert page.stage.label == "frame 3"
    page.stage.show(SMOOTH[::-1].copy())
    assert page.stage.data == picture_bytes(SMOOTH[::-1].copy()), "without a new label the old one stays"
    assert page.stage.label == "frame 3", "without a new label the old one stays"
    assert page.stage.size == (64, 48), "the size of the frame does not depend on the size of the picture"


def test_picture_and_label_are_sent_as_one_message(page, monkeypatch):
    sent = []
    monkeypatch.setattr(page.stage, "_send", lambda message, buffers=None: sent.append((message, buffers)))
    page.stage.show(SMOOTH, "frame 3")
    ((message, buffers),) = sent
    assert message["method"] == "update"
    assert message["state"]["label"] == "frame 3"
    assert message["buffer_paths"] == [["data"]]
    assert bytes(buffers[0]) == picture_bytes(SMOOTH)


def test_the_browser_receives_all_settings():
    stage = Canvas(size=(20, 10), width=300, label="words", active=True, brush=2.5, ink="red", hover=True)
    state = stage.get_state()
    expected = {"size": (20, 10), "width": 300, "label": "words", "active": True, "brush": 2.5, "ink": "red", "hover": True}
    assert {name: state[name] for name in expected} == expected
    assert not Canvas().active, "by default the canvas only shows a picture"
    assert not Canvas().hover, "by default the canvas only shows a picture"
    assert Canvas().brush == 0, "by default the canvas only shows a picture"


# ---- without a kernel


def test_a_demo_with_a_still_provides_picture_and_alt_text_next_to_the_widget():
    demo = Demo([ipywidgets.HTML("live")])
    demo.still = filmstrip([[SMOOTH]], [""], heading="What it looks like")
    data, metadata = demo._repr_mimebundle_()
    (kind,) = [k for k in data if k.startswith("image/")]
    assert data[VIEW]["model_id"] == demo.model_id
    assert metadata[kind]["alt"] == demo.still.alt
    assert demo.still.alt.startswith("What it looks like")
    assert data["text/plain"] == demo.still.alt
    assert decoded(base64.b64decode(data[kind])).shape[2] == 3


def test_a_demo_without_a_still_provides_the_widget_alone():
    demo = Demo([ipywidgets.HTML("live")])
    data, metadata = demo._repr_mimebundle_()
    assert data[VIEW]["model_id"] == demo.model_id
    assert metadata == {}
    assert not [k for k in data if k.startswith("image/")]
