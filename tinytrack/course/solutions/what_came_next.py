"""Solutions of the exercises of notebooks/08_what_came_next.ipynb."""

from dataclasses import replace

import numpy as np

from ...evaluation.metrics import region_j
from ...label_maps import mask_labels, read_masks


def my_hide_channel(picture, channel):
    hidden = picture.clone()  # an assignment to `picture` itself would change the caller's tensor
    hidden[..., channel, :, :] = 0
    return hidden


def my_ceiling(mask, grid):
    ids = np.array([1])
    maps = mask_labels(mask, ids, grid)  # (2, h, w): the shares of background and object in each cell
    found = read_masks(maps, ids, mask.shape) == 1  # with two classes, argmax chooses the object where its share is above 0.5
    return region_j(found, mask)


def my_protocol(paper):
    # Frame 0 is the only true reference, so its labels don't fade.
    # With only the five best cells, no attention is left for the many cells that are a little similar to the tie.
    # The tie covers about 16 cells of this grid. Ten best cells, as in MODERN, just miss the goal (J 0.615).
    return replace(paper, keep_first=True, top_k=5)
