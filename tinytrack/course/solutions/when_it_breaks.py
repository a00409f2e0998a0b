"""Solutions of the exercises of notebooks/07_when_it_breaks.ipynb."""

import numpy as np
from scipy.stats import rankdata

from ...color import frames_to_lab


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
