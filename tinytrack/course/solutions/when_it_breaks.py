"""Solutions of the exercises of notebooks/07_when_it_breaks.ipynb."""

import numpy as np
import torch
from scipy.stats import rankdata

from ...color import frames_to_lab


def my_symptoms(lab, masks):
    scene = lab.clone()
    for frame, ids in zip(scene, masks, strict=True):
        # Object 1 looks like the ground. The pointer gives most of its attention to the ground, where it finds the right colour.
        ground = frame[:, ids == 0][:, :1]  # (3, 1)
        frame[:, ids == 1] = ground
        # Both pixels of object 2 have one gray, so the pointer stays on the object but mixes its two colours.
        frame[0, ids == 2] = 20.0
        row, column = (ids == 2).nonzero()[0]
        frame[1:, row, column] = torch.tensor([60.0, 20.0], dtype=frame.dtype)
    return scene


def my_rank_correlation(x, y):
    # Spearman's correlation is the usual one, of ranks. rankdata gives equal values the mean of their ranks.
    return np.corrcoef(rankdata(x), rankdata(y))[0, 1]  # the matrix is 2x2, with ones on its diagonal


def my_color_error(predicted, true):
    difference = frames_to_lab(predicted) - frames_to_lab(true)  # (3, H, W)
    # L was given to the tracker, so only a and b count. The root is taken in each pixel, and the mean comes last.
    return difference[1:].square().sum(0).sqrt().mean()


def my_time_trap(n):
    time = np.arange(n)
    # The trends go in opposite directions, and the wiggle is shared. Once time is removed, the wiggle is all that is left.
    # From one item to the next, the trend changes by 1 and the wiggle by 2, so the wiggle changes ranks.
    # A wiggle of less than ±0.5 would change none, and one much larger than the steps of the trend would hide the trend.
    wiggle = (-1.0) ** time
    return time + wiggle, -time + wiggle


def my_looks(f, classes):
    own = f[classes == 1][0]
    other = f[classes == 2][0]
    # The sum is equally similar to both objects, so each gets about half of the attention, and the label fades.
    mixture = own + other
    return torch.stack([own, mixture / mixture.norm(), other])
