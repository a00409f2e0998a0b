"""Play, pause and scrub: every frame is shown in order and on time, and never far ahead of the browser."""

import asyncio
import time

import pytest

from tinytrack.interactive import playback
from tinytrack.interactive.canvas import Canvas
from tinytrack.interactive.playback import AHEAD, Playback

FAST = 1000.0


class Watched(Playback):
    """A playback that records events, with a browser that answers immediately unless ``answers`` is False."""

    def __init__(self, last=12, fps=FAST, answers=True):
        stage = Canvas()
        stage.send = self.answer
        self.answers, self.unanswered, self.shown, self.icons, self.behind = answers, [], [], set(), []
        super().__init__(stage, last, fps)
        self.frame.observe(self.note, "value")

    def answer(self, message):
        self.behind.append(self.stage.behind)
        if self.answers:
            self.stage.hear({"kind": "painted", "mark": message["mark"]})
        else:
            self.unanswered.append(message["mark"])

    def note(self, change):
        self.shown.append(change["new"])
        self.icons.add(self.button.icon)


def test_it_plays_every_frame_and_stops_at_the_end():
    p = Watched(12)
    assert p.button.icon == "play"
    assert p.frame.max == 12
    p.button.value = True  # without an event loop it plays to the end at once
    assert p.shown == list(range(1, 13))
    assert p.icons == {"pause"}
    assert p.button.value is False
    assert p.button.icon == "play"
    assert p.frame.value == 12
    assert p.stage.behind == 0
    assert max(p.behind) == 1


def test_it_plays_from_the_current_frame():
    p = Watched(12)
    p.frame.value = 9
    p.button.value = True
    assert p.shown == [9, 10, 11, 12]


def test_at_the_end_it_starts_from_the_beginning():
    p = Watched(4)
    p.button.value = True
    p.button.value = True
    assert p.shown == [1, 2, 3, 4, 0, 1, 2, 3, 4]
    assert not p.button.value


@pytest.mark.parametrize("last", [0, 1])
def test_very_short_videos_play_without_errors(last):
    p = Watched(last)
    p.button.value = True
    assert p.shown == list(range(1, last + 1))
    assert not p.button.value
    assert p.button.icon == "play"


def test_it_pauses_and_resumes():
    p = Watched(12)
    p.frame.observe(lambda change: change["new"] == 5 and setattr(p.button, "value", False), "value")
    p.button.value = True
    assert p.frame.value == 5
    assert p.shown == [1, 2, 3, 4, 5]
    assert p.button.icon == "play"
    p.button.value = True
    assert p.frame.value == 12
    assert p.shown == list(range(1, 13))


def test_playback_continues_from_a_moved_slider():
    p = Watched(12)
    p.frame.observe(lambda change: change["new"] == 3 and setattr(p.frame, "value", 10), "value")
    p.button.value = True
    assert p.shown == [1, 2, 3, 10, 11, 12]


def test_the_kernel_responds_during_playback():
    async def page():
        p = Watched(1000, fps=100)
        p.button.value = True
        assert p.shown == [], "it starts when the kernel has time"
        while len(p.shown) < 3:
            await asyncio.sleep(0.002)
        p.button.value = False
        count = len(p.shown)
        await asyncio.sleep(0.05)
        assert len(p.shown) == count < 500

    asyncio.run(page())


def test_pausing_and_playing_immediately_does_not_play_twice():
    async def page():
        p, began = Watched(1000, fps=50), time.monotonic()
        p.button.value = True
        await asyncio.sleep(0.01)
        p.button.value = False
        p.button.value = True
        await asyncio.sleep(0.4)
        assert p.button.value
        assert len(p.shown) <= 50 * (time.monotonic() - began) + 4
        p.button.value = False
        await asyncio.sleep(0.05)

    asyncio.run(page())


def test_frames_are_not_faster_than_the_frame_rate():
    p = Watched(10, fps=50)
    began = time.monotonic()
    p.button.value = True
    assert 0.18 < time.monotonic() - began < 2


def test_a_delay_is_not_followed_by_a_rush_of_frames():
    p = Watched(30, fps=50)
    times = []
    p.frame.observe(lambda change: times.append(time.monotonic()), "value")
    p.frame.observe(lambda change: change["new"] == 10 and time.sleep(0.6), "value")
    p.button.value = True
    assert times[-1] - times[10] > 0.09, "20 frames, of which at most half may be faster"


def test_without_answers_it_stops_after_a_few_frames(monkeypatch):
    monkeypatch.setattr(playback, "PATIENCE", 0.05)
    p = Watched(40, answers=False)
    began = time.monotonic()
    p.button.value = True
    assert 0.05 <= time.monotonic() - began < 1.5
    assert p.shown == list(range(1, AHEAD + 2))
    assert p.stage.behind == AHEAD + 1
    assert p.button.value is False
    assert p.button.icon == "play"
    p.answers = True  # the page was reloaded
    p.button.value = True
    assert p.frame.value == 40
    assert p.stage.behind == 0


async def played_by_a_slow_browser(frames, pause):
    """Play to the end in a browser that answers for one frame at a time, every ``pause`` seconds."""
    p = Watched(frames, answers=False)
    p.button.value = True
    while p.frame.value < frames or p.button.value:
        await asyncio.sleep(pause)
        if p.unanswered:
            p.stage.hear({"kind": "painted", "mark": p.unanswered.pop(0)})
    return p


def test_it_waits_for_a_slow_browser(monkeypatch):
    monkeypatch.setattr(playback, "PATIENCE", 5.0)

    p = asyncio.run(played_by_a_slow_browser(20, pause=0.01))
    assert p.shown == list(range(1, 21)), "all frames are shown, but never far ahead of the browser"
    assert max(p.behind) == AHEAD + 1, "all frames are shown, but never far ahead of the browser"


def test_a_browser_that_answers_slowly_does_not_time_out(monkeypatch):
    """The time limit counts from the last answer, not from the start."""
    monkeypatch.setattr(playback, "PATIENCE", 0.15)

    assert asyncio.run(played_by_a_slow_browser(12, pause=0.05)).shown == list(range(1, 13))


def test_reset_prepares_for_another_video():
    p = Watched(12)
    p.frame.value = 7
    p.reset(5, 30.0)
    assert (p.frame.value, p.frame.max, p.fps, p.button.value) == (0, 5, 30.0, False)
    p.reset(9, FAST)
    p.button.value = True
    assert p.frame.value == 9


def test_reset_stops_playback():
    async def page():
        p = Watched(1000, fps=200)
        p.button.value = True
        while p.frame.value < 3:
            await asyncio.sleep(0.002)
        p.reset(50, 200)
        await asyncio.sleep(0.05)
        return p

    p = asyncio.run(page())
    assert p.frame.value == 0
    assert p.shown[-1] == 0
    assert p.button.icon == "play"
