"""Small videos, masks and keypoints for tests of the command line."""

import numpy as np
from PIL import Image

H, W, FRAMES = 48, 64, 6
JOINTS = {"joints": {"nose": [20, 15], "tail": [40.5, 30]}, "edges": [["nose", "tail"]]}


def scene(frames=FRAMES, height=H, width=W, step=4, cell=8):
    """Squares of random colours that move ``step`` pixels to the right in each frame and wrap around at the border."""
    squares = np.random.default_rng(5).integers(40, 216, (height // cell + 1, width // cell + 1, 3), dtype=np.uint8)
    first = squares.repeat(cell, 0).repeat(cell, 1)[:height, :width]
    return np.stack([np.roll(first, step * t, axis=1) for t in range(frames)])


def random_frames(count):
    """Frames of noise, which no codec can compress well."""
    return np.random.default_rng(0).integers(0, 256, (count, H, W, 3), dtype=np.uint8)


def without_color(frames):
    """The same frames in gray, still stored as RGB."""
    return np.repeat(frames.mean(-1, keepdims=True).round().astype(np.uint8), 3, -1)


def write_frames(folder, frames):
    folder.mkdir()
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index:05d}.png")
    return folder


def square_mask(height=H, width=W):
    mask = np.zeros((height, width), np.uint8)
    mask[8:24, 16:32] = 255
    return mask
