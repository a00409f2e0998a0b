"""Show the frame that is being tracked, at a rate that hardly slows tracking down."""

import time
from collections.abc import Callable

import ipywidgets

EVERY = 0.4  # seconds between two pictures, at least
SHARE = 0.05  # of the time that drawing them may take, at most


class Follow:
    """Moves the frame slider along with tracking and finally back, unless the person moves it meanwhile.

    Args:
        slider: its value is the frame that is shown.
        look: called to show the current frame again; a change of the slider must do the same.
        clock: returns the time in seconds.
    """

    def __init__(self, slider: ipywidgets.IntSlider, look: Callable[[], None], clock: Callable[[], float] = time.monotonic):
        self.slider, self.look, self.clock = slider, look, clock
        self._home = self._last = slider.value
        self._due = clock() + EVERY

    @property
    def _alone(self) -> bool:
        """Whether the person has left the slider where it was put last."""
        return self.slider.value == self._last

    def show(self, frame: int) -> None:
        """Show a frame that was just tracked, unless the last picture is too recent."""
        start = self.clock()
        if start < self._due:
            return
        if self._alone:
            self.slider.value = self._last = frame
        else:
            self.look()  # the person looks at another frame, but the timeline goes on
        now = self.clock()
        self._due = now + max(EVERY, (now - start) / SHARE)

    def back(self) -> None:
        """Return to the frame from which following began."""
        if self._alone:
            self.slider.value = self._last = self._home
