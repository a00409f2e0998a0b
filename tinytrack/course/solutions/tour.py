"""Solutions of the exercises of notebooks/00_tour.ipynb."""

import torch

from ...color import frames_to_lab


def my_to_gray(frame):
    from tinytrack.color import lab_to_frames

    lab = frames_to_lab(frame)  # (3, H, W): L, a, b
    lab[1:] = 0  # a and b hold the colour, and (L, 0, 0) is a gray of the same lightness
    return lab_to_frames(lab)


def my_origin_labels(h, w):
    # Neighbours differ by one in one coordinate, so a mixture of 90 % and 10 % lies close to the label that weighs most.
    # A single running number jumps by w from one row to the next, and such a mixture may name a pixel in between.
    row, column = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return torch.stack([row, column], dim=-1).flatten(0, 1)  # (h, w, 2) -> (h * w, 2)


def my_twins():
    # The embeddings know only lightness. With the same L, the pointer gives half of its attention to each object.
    # With the same a and b, it doesn't matter for the colours which of the two is copied, but the masks are mixed.
    twin = (80.0, 10.0, 50.0)
    return twin, twin
