"""How fast long work goes, and how long it will still take, in words."""

import time
from collections import deque
from collections.abc import Callable

WINDOW = 10.0  # seconds over which the speed is averaged: it changes when the computer does something else
SETTLE = 1.0  # seconds after which the speed is known well enough to be told


class Pace:
    """Speed of one piece of work.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()  # (time, frames done); the first frame is not timed, since loading comes before it

    def text(self, done: int, total: int) -> str:
        """Return ", 8.3 frames per second, about 20 seconds left"; empty as long as the speed is not known."""
        now = self._clock()
        if done:
            self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            self._seen.popleft()
        if not self._seen or now - self._seen[0][0] < SETTLE or done == self._seen[0][1]:
            return ""
        start, before = self._seen[0]
        speed = (done - before) / (now - start)
        return f", {speed:.{0 if speed >= 10 else 1}f} frames per second, {time_left((total - done) / speed)}"


def time_left(seconds: float) -> str:
    """Say a time in words, no more exactly than it can be known."""
    if seconds < 8:
        return "a few seconds left"
    if seconds < 53:
        return f"about {5 * round(seconds / 5)} seconds left"
    if seconds < 90:
        return "about a minute left"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes left"
    return f"about {seconds / 3600:.1f} hours left"
