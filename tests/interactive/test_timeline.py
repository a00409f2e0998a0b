"""The timeline, the list of objects, and what the studio shows while it tracks, each without the studio around it."""

import re
import sys
import threading
import time
from dataclasses import replace

import ipywidgets
import numpy as np
import pytest

from tinytrack.datasets.clips import open_clip
from tinytrack.datasets.synth import moving_shapes
from tinytrack.draw import object_color
from tinytrack.interactive import session as sessions
from tinytrack.interactive.follow import EVERY, SHARE, Follow
from tinytrack.interactive.layout import css_color
from tinytrack.interactive.object_list import ObjectList
from tinytrack.interactive.pace import SETTLE, WINDOW, Pace, time_left
from tinytrack.interactive.session import Session
from tinytrack.interactive.skeletons import SKELETONS
from tinytrack.interactive.timeline import Timeline
from tinytrack.interactive.timeline_rows import FULL, MANY, MARKED, NOTHING, STALE, TRACKED, Row, describe, timeline_rows
from tinytrack.model import random_model
from tinytrack.propagate import MODERN

H, W, FRAMES = 48, 64, 8
SMALL = replace(MODERN, size=H, radius=4)
MODEL = replace(random_model(), temperature=0.01)  # labels stay sharp

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def session(make_video):
    """A video of textured shapes that move."""
    opened = Session(open_clip(make_video("shapes.mp4", moving_shapes(1, frames=FRAMES, height=H, width=W).frames, fps=12)))
    assert list(opened.read())[-1] == FRAMES
    return opened


class Clock:
    """A clock that only a test moves."""

    now = 100.0

    def __call__(self):
        return self.now


def track(session, frames=None):
    for done, _ in session.track(MODEL, SMALL):
        if done == frames:
            break


def objects(session, kind="masks"):
    """{name: (states, levels)} of the rows."""
    return {row.name: (row.states.tolist(), row.levels.tolist()) for row in timeline_rows(session, kind)}


# ---- rows


def test_a_row_follows_an_object_from_nothing_to_tracked_and_out_of_date(session):
    assert objects(session) == {"object 1": ([NOTHING] * FRAMES, [0] * FRAMES)}
    session.paint(2, [[20, 20]], 12, 1)
    states = [NOTHING] * FRAMES
    states[2] = MARKED
    assert objects(session)["object 1"][0] == states
    track(session, 3)
    states[3:6] = [TRACKED] * 3
    states, levels = objects(session)["object 1"]
    assert states == [NOTHING, NOTHING, MARKED, TRACKED, TRACKED, TRACKED, NOTHING, NOTHING]
    assert levels[2:6] == [FULL] * 4
    session.paint(2, [[30, 20]], 12, 1)
    assert objects(session)["object 1"][0] == [NOTHING, NOTHING, MARKED, STALE, STALE, STALE, NOTHING, NOTHING]
    track(session)
    assert objects(session)["object 1"][0] == [TRACKED, TRACKED, MARKED] + [TRACKED] * 5


def test_an_object_is_absent_where_its_mask_is_empty(session):
    session.add_object("second")
    session.paint(0, [[20, 20]], 12, 1)
    session.paint(0, [[50, 30]], 8, 2)
    session.clear(4)
    session.paint(4, [[20, 20]], 12, 1)
    track(session)
    rows = objects(session)
    present = {n: [n in session.carried(t).ids for t in range(FRAMES)] for n in (1, 2)}
    assert present[1] == [True] * FRAMES
    assert present[2][4:] == [False] * 4, "from frame 4 on, the second object is absent"
    for n, name in enumerate(("object 1", "second"), start=1):
        states, levels = rows[name]
        assert states == [MARKED, TRACKED, TRACKED, TRACKED, MARKED, TRACKED, TRACKED, TRACKED]
        assert levels == [FULL * there for there in present[n]]


def test_an_object_that_is_not_marked_has_nothing_even_if_it_was_tracked(session):
    session.add_object("second")
    session.paint(0, [[20, 20]], 12, 1)
    session.paint(0, [[50, 30]], 8, 2)
    track(session)
    assert set(objects(session)["second"][0]) == {MARKED, TRACKED}
    session.undo()
    assert objects(session)["second"][0] == [NOTHING] * FRAMES
    assert set(objects(session)["object 1"][0]) == {MARKED, STALE}


def test_rows_have_the_names_and_colours_of_their_objects(session):
    session.add_object("dog")
    session.add_object("cat")
    session.delete_object(2)
    session.rename_object(1, "bird")
    rows = timeline_rows(session, "masks")
    assert [(row.name, row.color) for row in rows] == [("bird", css_color(object_color(1))), ("cat", css_color(object_color(3)))]


def test_the_level_of_the_joints_is_their_mean_confidence(session):
    session.choose(SKELETONS["face"])
    session.place(1, 0, (20, 20))
    session.place(1, 2, (40, 30))
    track(session)
    stored = session._tracked[5]
    session._tracked[5] = replace(stored, xy=np.array([[1.0, 2], *[[np.nan] * 2] * 5]), confidence=np.array([0.6, 0.9, 0.9, 0.9, 0.9, 0.9]))
    session._tracked[6] = replace(stored, xy=np.full((6, 2), np.nan))
    states, levels = objects(session, "joints")["joints"]
    assert states == [TRACKED, MARKED] + [TRACKED] * 6
    assert levels[1] == FULL
    assert levels[5] == np.ceil(FULL * 0.3), "the lost joint counts as 0, and those that were never placed do not count"
    assert levels[6] == 0
    kept = session.carried(3)
    confidence = np.where(np.isfinite(kept.xy[:, 0]), kept.confidence, 0)[[0, 2]].mean()
    assert levels[3] == np.ceil(FULL * confidence)
    session.place(1, 0, (25, 20))
    assert objects(session, "joints")["joints"][0] == [STALE, MARKED] + [STALE] * 6


def test_rows_that_are_not_used_are_left_out(session):
    names = lambda kind: list(objects(session, kind))  # noqa: E731
    assert names("masks") == ["object 1"]
    assert names("joints") == ["joints"]
    session.place(0, 0, (20, 20))
    assert names("masks") == ["object 1", "joints"]
    session.paint(0, [[20, 20]], 5, 1)
    assert names("joints") == ["object 1", "joints"]
    session.colors = True
    assert names("masks") == ["object 1", "joints", "colours"]


def test_colours_have_a_row_that_starts_at_their_frame(session):
    session.colors = True
    for _ in session.track(MODEL, SMALL, reference=3):
        pass
    assert objects(session)["colours"][0] == [TRACKED] * 3 + [MARKED] + [TRACKED] * 4
    assert objects(session)["object 1"][0] == [NOTHING] * FRAMES
    session.paint(1, [[20, 20]], 5, 1)
    assert objects(session)["colours"][0] == [STALE, MARKED] + [STALE] + [NOTHING] + [STALE] * 4


def test_no_mask_is_decoded_for_the_timeline(session, monkeypatch):
    session.paint(0, [[20, 20]], 12, 1)
    track(session)
    areas = {t: np.bincount(session.carried(t).ids.ravel()) for t in range(1, FRAMES)}
    for t, stored in session.stored().items():
        np.testing.assert_array_equal(stored.areas, areas[t])
    monkeypatch.setattr(sessions, "unpack", lambda stored: pytest.fail("a mask is decoded"))
    assert objects(session)["object 1"][0] == [MARKED] + [TRACKED] * 7


def test_a_long_video_with_eight_objects_is_fast(session):
    """250 frames and 8 objects take about a millisecond; the limit leaves room for a slow computer, and none for decoding."""
    session.paint(0, [[20, 20]], 12, 1)
    for n in range(2, 9):
        session.add_object(str(n))
        session.paint(0, [[7 * n, 40]], 3, n)
    track(session)
    session._shown = session._shown * (250 // FRAMES + 1)
    last = session._tracked[FRAMES - 1]
    session._tracked = {t: last for t in range(1, 250)}
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        rows = timeline_rows(session, "masks")
        seconds.append(time.perf_counter() - start)
    assert len(rows) == 8
    assert np.count_nonzero(rows[0].states) == 250
    assert min(seconds) < 0.02


def test_a_row_is_one_byte_per_frame():
    row = Row("a", "red", np.array([NOTHING, STALE, TRACKED, MARKED], np.uint8), np.array([7, 0, 9, FULL], np.uint8))
    assert row.cells == bytes([0, 16, 41, 63]), "a frame about which nothing is known has no level"


def test_the_description_says_in_words_what_the_rows_show():
    states = np.array([MARKED, TRACKED, TRACKED, STALE, TRACKED, NOTHING], np.uint8)
    dog = Row("dog", "red", states, np.array([FULL, FULL, FULL, FULL, 0, 0], np.uint8))
    empty = Row("cat", "red", np.zeros(6, np.uint8), np.zeros(6, np.uint8))
    text = "Timeline of 6 frames. dog: marked on 0, tracked on 1 to 2, out of date on 3, absent on 4. cat: nothing yet"
    assert describe([dog, empty], 6) == text
    often = np.tile([TRACKED, NOTHING], 40).astype(np.uint8)
    text = Row("dog", "red", often, np.full(80, FULL, np.uint8)).describe()
    assert text == f"dog: tracked on 0, 2, 4 and {40 - MANY} more stretches", "a description must stay short enough to listen to"


# ---- the widget


@pytest.fixture
def timeline():
    widget = Timeline()
    widget.sent = []
    widget.send = widget.sent.append
    return widget


def test_the_timeline_shows_its_rows(timeline):
    states = np.array([MARKED, TRACKED], np.uint8)
    rows = [Row("a", "red", states, np.full(2, FULL, np.uint8)), Row("b", "blue", states * 0, states * 0)]
    timeline.show(rows, 2, 1)
    assert timeline.rows == [["a", "red"], ["b", "blue"]]
    assert timeline.cells == bytes([63, 47, 0, 0])
    assert (timeline.count, timeline.frame) == (2, 1)
    assert timeline.label == describe(rows, 2)


def test_only_what_changes_is_sent(timeline):
    row = Row("a", "red", np.full(3, TRACKED, np.uint8), np.full(3, FULL, np.uint8))
    timeline.show([row], 3, 0)
    changed = []
    timeline.observe(lambda change: changed.append(change["name"]), list(timeline.keys))
    timeline.show([row], 3, 2)
    assert changed == ["frame"]


@pytest.mark.parametrize("asked, frame", [(3, 3), (-2, 0), (99, 7), (4.0, 4)])
def test_a_click_goes_to_a_frame_of_the_video(timeline, asked, frame):
    heard = []
    timeline.on_frame(heard.append)
    timeline.hear({"kind": "frame", "frame": asked})
    assert heard == [], "there is no video yet"
    timeline.count = 8
    timeline.hear({"kind": "frame", "frame": asked})
    assert heard == [frame]
    assert timeline.sent == [{"done": True}] * 2


def test_the_browser_gets_its_answer_even_if_the_frame_fails(timeline):
    timeline.count = 8
    timeline.on_frame(lambda frame: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        timeline.hear({"kind": "frame", "frame": 1})
    assert timeline.sent == [{"done": True}]


def test_the_browser_knows_the_same_states():
    script = str(Timeline._esm)
    assert [name.strip() for name in re.search(r"const \[([A-Z, ]+)\] = \[0, 1, 2, 3\]", script)[1].split(",")] == [
        name for name, _ in sorted({"NOTHING": NOTHING, "STALE": STALE, "TRACKED": TRACKED, "MARKED": MARKED}.items(), key=lambda x: x[1])
    ]
    assert int(re.search(r"const FULL = (\d+)", script)[1]) == FULL


# ---- the list of objects


@pytest.fixture
def listed():
    widget = ObjectList()
    widget.options = [("head", 1), ("tie", 2), ("blind", 4)]
    return widget


def looks(widget):
    """(names of the buttons, pressed ones, hidden ones) of the list."""
    items = widget.children
    pressed = [item.number for item in items if item.name.value]
    assert pressed == [item.number for item in items if item.name.button_style == "info"]
    hidden = [item.number for item in items if item.eye.icon == "eye-slash"]
    assert hidden == [item.number for item in items if item.eye.value]
    return [item.name.description for item in items], pressed, hidden


def test_pressing_a_name_chooses_the_object(listed):
    assert listed.options == (("head", 1), ("tie", 2), ("blind", 4))
    assert listed.value == 1
    assert looks(listed) == (["head", "tie", "blind"], [1], [])
    heard = []
    listed.observe(lambda change: heard.append(change["new"]), "value")
    listed.children[2].name.value = True
    assert heard == [4]
    assert looks(listed)[1] == [4]
    listed.children[2].name.value = False
    assert heard == [4], "one object is always chosen"
    assert looks(listed)[1] == [4], "one object is always chosen"
    listed.value = 2
    assert looks(listed)[1] == [2]


def test_an_eye_hides_an_object(listed):
    listed.children[1].eye.value = True
    assert listed.hidden == {2}
    assert looks(listed)[2] == [2]
    listed.hidden = frozenset({1, 4})
    assert looks(listed)[2] == [1, 4]
    listed.children[0].eye.value = False
    assert listed.hidden == {4}
    assert listed.value == 1, "hiding does not choose"


def test_other_objects_keep_the_choice_and_what_is_hidden(listed):
    listed.value, listed.hidden = 2, frozenset({1, 2})
    old = listed.children
    listed.options = [("bow tie", 2), ("blind", 4)]
    assert listed.value == 2
    assert looks(listed) == (["bow tie", "blind"], [2], [2])
    assert listed.hidden == {2}
    assert all(item.comm is None and item.name.comm is None for item in old), "the old buttons are closed"
    listed.options = [("blind", 4)]
    assert listed.value == 4
    listed.options = ()
    assert listed.value is None


def test_every_button_of_the_list_says_what_it_does(listed):
    listed.options = [("head", 1), ("<b>", 12)]
    head, other = listed.children
    assert head.name.tooltip == "Paint head (key 1 on the picture)"
    assert head.eye.tooltip == "Hide head in the picture"
    assert other.name.tooltip == "Paint <b>", "there is no key 12"
    assert "<b>" not in other.children[0].value, "a name is text and not HTML"
    assert css_color(object_color(12)) in other.children[0].value


# ---- speed and time left


def test_the_speed_is_told_once_it_is_known():
    clock = Clock()
    pace = Pace(clock)
    assert pace.text(0, 120) == ""
    clock.now += 30  # the network is being loaded, which says nothing about the speed
    assert pace.text(1, 120) == ""
    clock.now += SETTLE / 2
    assert pace.text(5, 120) == ""
    clock.now += SETTLE / 2
    assert pace.text(9, 120) == ", 8.0 frames per second, about 15 seconds left"
    clock.now += 1
    assert pace.text(17, 120) == ", 8.0 frames per second, about 15 seconds left"


def test_the_speed_is_that_of_the_last_seconds():
    clock = Clock()
    pace = Pace(clock)
    done = 0
    for speed, seconds in ((20, 20), (2, int(2 * WINDOW))):
        for _ in range(seconds):
            clock.now += 1
            done += speed
            text = pace.text(done, 1000)
        assert text.startswith(f", {speed if speed >= 10 else float(speed)} frames per second, ")


def test_a_stop_of_the_work_has_no_speed():
    clock = Clock()
    pace = Pace(clock)
    pace.text(3, 9)
    clock.now += 60
    assert pace.text(3, 9) == ""


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "a few seconds left"),
        (7.9, "a few seconds left"),
        (8, "about 10 seconds left"),
        (21, "about 20 seconds left"),
        (52.4, "about 50 seconds left"),
        (55, "about a minute left"),
        (100, "about 2 minutes left"),
        (3500, "about 58 minutes left"),
        (9000, "about 2.5 hours left"),
    ],
)
def test_the_time_left_is_said_in_words(seconds, text):
    assert time_left(seconds) == text


# ---- following


class Watched:
    """A slider that takes some time to show a frame."""

    def __init__(self, takes=0.01):
        self.clock, self.seen = Clock(), []
        self.slider = ipywidgets.IntSlider(value=5, max=100)
        self.takes = takes
        self.slider.observe(lambda _: self.look(), "value")
        self.follow = Follow(self.slider, self.look, self.clock)

    def look(self):
        self.seen.append(self.slider.value)
        self.clock.now += self.takes


def test_the_picture_follows_but_not_every_frame():
    watched = Watched()
    for frame in range(10, 30):
        watched.clock.now += EVERY / 4
        watched.follow.show(frame)
    assert 4 <= len(watched.seen) <= 5
    assert watched.seen == sorted(watched.seen)
    watched.follow.back()
    assert watched.slider.value == 5


def test_slow_pictures_come_rarely():
    watched = Watched(takes=1.0)
    start = watched.clock.now
    for frame in range(1000):
        watched.clock.now += 0.2
        watched.follow.show(frame % 90 + 10)
    assert 5 <= len(watched.seen)
    assert len(watched.seen) * watched.takes <= 1.1 * SHARE * (watched.clock.now - start)


def test_a_frame_that_the_person_chose_stays():
    watched = Watched()
    watched.clock.now += 1
    watched.follow.show(10)
    watched.slider.value = 70
    watched.clock.now += 1
    watched.follow.show(20)
    assert watched.seen == [10, 70, 70], "the same frame is shown again, with the new timeline"
    watched.follow.back()
    assert watched.slider.value == 70


def test_the_session_knows_the_newest_frame(session):
    assert session.newest is None
    session.paint(3, [[20, 20]], 12, 1)
    newest = [session.newest for _ in session.track(MODEL, SMALL)]
    assert newest == [4, 5, 6, 7, 2, 1, 0]


def test_hidden_objects_are_left_out_of_the_picture_only(session):
    session.add_object("second")
    session.paint(0, [[20, 20]], 8, 1)
    first = session.picture(0)
    session.paint(0, [[50, 30]], 8, 2)
    both = session.picture(0)
    assert (both != first).any()
    np.testing.assert_array_equal(session.picture(0, hidden={2}), first)
    np.testing.assert_array_equal(session.picture(0, hidden=frozenset()), both)
    assert set(np.unique(session.marks(0).ids)) == {0, 1, 2}


def test_frames_that_are_added_meanwhile_do_not_disturb(session):
    """Tracking adds frames on another thread, while the page asks what is out of date."""
    session.paint(0, [[20, 20]], 12, 1)
    track(session)
    some, done, interval = session._tracked[1], threading.Event(), sys.getswitchinterval()

    def add():
        while not done.is_set():
            session._tracked = {1: some} if len(session._tracked) > 5000 else session._tracked
            session._tracked[len(session._tracked) + 1] = some

    thread = threading.Thread(target=add)
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(100):
            assert not session.stale & set(range(FRAMES))
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
