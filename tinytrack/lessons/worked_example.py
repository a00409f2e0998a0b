"""The worked example of all notebooks: three frames of 4x4 pixels, small enough to follow every number."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..color import frames_to_lab, lab_to_frames

# (L, a, b) of the background and of the two cells of each object. The objects differ in lightness, because a gray picture could not
# tell them apart otherwise. The cells of one object differ a little, so that a pointer can find the right object but the wrong cell.
BACKGROUND = (50, -8, 12)
BRIGHT = ((85, 15, 55), (75, 20, 55))
DARK = ((15, 15, -40), (25, 15, -40))
# (row, column) of those cells in frames 0, 1 and 2.
BRIGHT_AT = (((0, 0), (0, 1)), ((0, 1), (0, 2)), ((1, 1), (1, 2)))
DARK_AT = (((2, 3), (3, 3)), ((1, 3), (2, 3)), ((2, 2), (3, 2)))


@dataclass(frozen=True)
class WorkedExample:
    """Three frames of 4x4 pixels: object 1 is bright and yellow, object 2 is dark and blue, and both move.

    Attributes:
        frames: uint8 RGB (3, 4, 4, 3).
        masks: object ids uint8 (3, 4, 4).
        joints: float64 (3, 2, 2), (x, y) of the first cell of each object.
        embeddings: float32 (3, 2, 4, 4), each pixel is a cell of the grid. They are made by hand, not learned: (cos, sin) of an angle
            that grows with lightness, 180 degrees for white, so that cells of similar gray have similar embeddings.
    """

    frames: np.ndarray
    masks: np.ndarray
    joints: np.ndarray
    embeddings: Tensor


def worked_example() -> WorkedExample:
    """Make the example that all notebooks use, from notebooks/00_tour.ipynb on."""
    # draw the objects in Lab
    lab = torch.empty(3, 4, 4, 3)
    lab[:] = torch.tensor(BACKGROUND, dtype=torch.float32)
    masks = np.zeros((3, 4, 4), np.uint8)
    joints = np.empty((3, 2, 2))
    for n, (colors, places) in enumerate(((BRIGHT, BRIGHT_AT), (DARK, DARK_AT)), start=1):
        for t, cells in enumerate(places):
            for color, (row, column) in zip(colors, cells, strict=True):
                lab[t, row, column] = torch.tensor(color, dtype=torch.float32)
                masks[t, row, column] = n
            joints[t, n - 1] = cells[0][::-1]
    # embed every pixel by its lightness
    frames = lab_to_frames(lab.movedim(-1, 1))
    angle = frames_to_lab(frames, channels=1)[:, 0] * (math.pi / 100)
    return WorkedExample(frames, masks, joints, torch.stack([angle.cos(), angle.sin()], dim=1))
