"""Helpers shared by several test files: frames that encode their own index, and checks of a run's output."""

import copy
import re
from types import SimpleNamespace

import numpy as np

H, W = 48, 64
CODECS = {
    ".mp4": ("libx264", "yuv420p"),
    ".mov": ("libx264", "yuv420p"),
    ".webm": ("libvpx-vp9", "yuv420p"),
    ".avi": ("mpeg4", "yuv420p"),
}


def index_color(index):
    """The colour of the plain part of frame ``index``, far enough from its neighbours' colours to survive a codec."""
    return np.array([20 + 12 * (index % 16), 60 + 40 * (index // 16), 220 - 12 * (index % 16)])


def index_frames(count, height=H, width=W):
    """Frames in the colour of their index; a yellow top left and a blue bottom left corner tell up from down."""
    frames = np.empty((count, height, width, 3), np.uint8)
    for index, frame in enumerate(frames):
        frame[:] = index_color(index)
        frame[: height // 4, : width // 4] = (250, 250, 0)
        frame[-height // 4 :, : width // 4] = (0, 0, 250)
    return frames


def indices_of(frames):
    """The indices that the right halves of upright ``index_frames`` show; fails if a colour is off by 7 levels or more."""
    found = []
    for frame in frames:
        seen = frame[:, frame.shape[1] // 2 + 2 :].reshape(-1, 3).mean(0)
        off = [np.abs(seen - index_color(i)).max() for i in range(64)]
        assert min(off) < 7, f"{seen} is not the colour of any index"
        found.append(int(np.argmin(off)))
    return found


def changed(content, *place, to):
    """A copy of plain JSON values with another value at a place such as "images", 0, "width"."""
    content = copy.deepcopy(content)
    at = content
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = to
    return content


def assert_one_sentence(error, *parts):
    """Check that an error message is one line, has no remains of a traceback and mentions all ``parts``."""
    text = str(error.value if hasattr(error, "value") else error)
    assert text, text
    assert "\n" not in text, text
    assert not re.search(r"Traceback|Errno|\bat 0x", text), text
    for part in parts:
        assert str(part) in text, f"{part!r} is not in {text!r}"


BAR = re.compile(r"^(?!tinytrack:)[\w ,-]+?(:|\d+%).*(frames|videos|/s|<\?|\d\d:\d\d)")


def result_of(status, out, err):
    """The output of a command-line run; ``said`` has the lines of the error stream that are not a progress bar."""
    said = [line for line in re.split(r"[\r\n]+", err) if line.strip() and not BAR.match(line)]
    return SimpleNamespace(status=status, out=out, err=err, said=said)
