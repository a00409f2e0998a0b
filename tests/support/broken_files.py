"""Make broken and unusual video files (rotated, truncated, damaged, sound only), and check whether a process is still running."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.support.helpers import H, W

TURNS = {
    "clockwise": ((0, 1, -1, 0, H, 0), lambda frames: np.rot90(frames, -1, axes=(1, 2))),
    "half": ((-1, 0, 0, -1, W, H), lambda frames: np.rot90(frames, 2, axes=(1, 2))),
    "counterclockwise": ((0, -1, 1, 0, 0, W), lambda frames: np.rot90(frames, 1, axes=(1, 2))),
}


def patch_matrix(path, a, b, c, d, x, y):
    """Write the display matrix into the track header of an mp4, in 16.16 fixed point (2.30 for the last column)."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4
    assert content[place] == 0, "expected a version 0 track header"
    place += 4 + 5 * 4 + 8 + 4 * 2  # flags; times, id, reserved, duration; reserved; layer, group, volume, reserved
    one, unit = 1 << 16, 1 << 30
    assert struct.unpack_from(">9i", content, place) == (one, 0, 0, 0, one, 0, 0, 0, unit), "expected the identity matrix"
    struct.pack_into(">9i", content, place, a * one, b * one, 0, c * one, d * one, 0, x * one, y * one, unit)
    path.write_bytes(content)


def cut(path, share):
    """Truncate a file to this share of its bytes."""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def noise(count=40):
    """Incompressible frames, so that a given share of the file's bytes holds about the same share of the frames."""
    return np.random.default_rng(0).integers(0, 256, (count, H, W, 3), dtype=np.uint8)


RANDOM = np.random.default_rng(1).bytes(20_000)


TEXT = b"This is a shopping list.\n" * 100


def damaged_between(path, first, last, by="noise"):
    """Overwrite frames ``first`` to ``last`` - 1 of a video file and leave the rest unchanged."""
    import av

    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    size = places[last] - places[first]
    content[places[first] : places[last]] = bytes(size) if by == "zeros" else np.random.default_rng(0).bytes(size)
    path.write_bytes(content)
    return path


def sound(path):
    """Write a video file that has only a sound track."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=22050, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 22050), np.int16), format="s16", layout="mono")
        frame.sample_rate = 22050
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def alive(pid):
    """Whether a process is still running (a zombie is not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are listed in /proc on Linux only")
