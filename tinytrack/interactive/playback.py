"""Play, pause and scrub. The kernel sets the pace and waits for a browser that cannot keep up.

The usual play widget asks the kernel for each frame and waits for the answer, so a slow connection slows it down. Here the kernel
sends one frame after the other, and waits only while the browser has not yet confirmed the last few.
"""

import asyncio
import time

import ipywidgets

from .background import start
from .canvas import Canvas

AHEAD = 4  # frames that may be on their way to the browser
PATIENCE = 2.0  # seconds to wait for a browser that confirms nothing; it may have been closed


class Playback:
    """A play button and a slider for frames.

    Args:
        stage: one of the canvases that show the frame; it tells whether the browser keeps up.
        last: number of the last frame.
        fps: the highest frame rate, in frames per second.
        width: of the slider, as CSS.

    Attributes:
        button: the play button, pressed while playing.
        frame: the slider, whose value is the number of the current frame.
    """

    def __init__(self, stage: Canvas, last: int = 0, fps: float = 25.0, width: str = "330px"):
        self.stage, self.fps = stage, fps
        self._turn = 0  # number of the current playback: a quick pause and play must not leave two of them running
        self.button = ipywidgets.ToggleButton(icon="play", tooltip="Play or pause", layout={"width": "48px"})
        self.frame = ipywidgets.IntSlider(description="frame", max=last, layout={"width": width}, style={"description_width": "initial"})
        self.button.observe(lambda change: self._pressed(change["new"]), "value")

    def reset(self, last: int, fps: float) -> None:
        """Switch to another video of ``last`` + 1 frames: stop, and go to frame 0."""
        self.button.value = False
        self.frame.value, self.frame.max, self.fps = 0, last, fps

    def _pressed(self, down: bool) -> None:
        self.button.icon = "pause" if down else "play"
        if down:
            start(self.run())

    async def run(self) -> None:
        """Play from the current frame, or from the start if it is the last one, until the end or a pause."""
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
            due = max(due + 1 / self.fps, time.monotonic() - 0.2)  # after a long wait, play on at normal speed instead of catching up
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if turn == self._turn:
            self.button.value = False

    async def _followed(self) -> bool:
        """Wait until no more than a few frames are on their way; return False if the browser confirms nothing for too long."""
        deadline = time.monotonic() + PATIENCE
        while self.stage.behind > AHEAD and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        return self.stage.behind <= AHEAD
