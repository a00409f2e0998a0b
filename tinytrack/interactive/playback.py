"""Play, pause and scrub. The kernel sets the pace and waits for a browser that cannot keep up.

The usual play widget asks the kernel for each frame and waits for the answer, so a slow connection slows it down. Here frames are
sent one after the other, and the browser confirms only every few frames that it is still there.
"""

import asyncio
import time

import ipywidgets

from .background import start
from .canvas import Canvas

AHEAD = 4  # Frames that may be on their way to the browser.
PATIENCE = 2.0  # Seconds to wait for a browser that says nothing; it may be gone, and then nobody watches.


class Playback:
    """A play button and a slider for frames.

    Args:
        stage: one of the pictures that show the frame; its browser is asked whether it keeps up.

    Attributes:
        button: pressed while it plays.
        frame: the slider; its value is the frame.
        fps: frames a second, at most.
    """

    def __init__(self, stage: Canvas, last: int = 0, fps: float = 25.0, width: str = "330px"):
        self.stage, self.fps = stage, fps
        self._turn = 0  # of the play that is going on: who pauses and plays at once must not have two
        self.button = ipywidgets.ToggleButton(icon="play", tooltip="Play or pause", layout={"width": "48px"})
        self.frame = ipywidgets.IntSlider(description="frame", max=last, layout={"width": width}, style={"description_width": "initial"})
        self.button.observe(lambda change: self._pressed(change["new"]), "value")

    def reset(self, last: int, fps: float) -> None:
        """Another video: stop, at frame 0 of ``last`` + 1."""
        self.button.value = False
        self.frame.value, self.frame.max, self.fps = 0, last, fps

    def _pressed(self, down: bool) -> None:
        self.button.icon = "pause" if down else "play"
        if down:
            start(self.run())

    async def run(self) -> None:
        """Play from where it stands, or from the start if that is the end, until the end or a pause."""
        self._turn += 1
        turn = self._turn
        if self.frame.value >= self.frame.max:
            self.frame.value = 0
        due = time.monotonic()
        while self.button.value and turn == self._turn and self.frame.value < self.frame.max:
            self.frame.value += 1
            self.stage.mark()
            if not await self._followed():
                break
            due = max(due + 1 / self.fps, time.monotonic() - 0.2)  # what was lost in waiting is not caught up in a rush
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if turn == self._turn:
            self.button.value = False

    async def _followed(self) -> bool:
        """Wait until no more than a few frames are on their way; False if the browser says nothing at all."""
        deadline = time.monotonic() + PATIENCE
        while self.stage.behind > AHEAD and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        return self.stage.behind <= AHEAD
