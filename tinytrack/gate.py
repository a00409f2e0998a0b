"""The gate: an object may appear only near the place where it was one frame before.

Without it, patches far away that resemble the object are taken for it. They also cost time: cells that no object may reach need no pointer.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .label_maps import remove_prior

HELD = 0.5  # an object counts as held while its area is at least this share of its running mean; otherwise its gate opens
MEMORY = 0.9  # weight of the past in that running mean


class Gate:
    """Remember where objects are, and remove them wherever else they appear in the next frame.

    An object that shrinks suddenly has probably gone behind something. It may come back anywhere, so its gate opens until it is held again.

    Args:
        first_labels: (K, h, w) labels of the first frame; the first ``classes`` of them are a mask, background first.
        classes: of the mask. Other labels, such as keypoints and colours, pass the gate everywhere.
        radius: in cells.
    """

    def __init__(self, first_labels: Tensor, classes: int, radius: int):
        self.classes, self.radius = classes, radius
        self.others = len(first_labels) > classes
        self.mean_area = None
        self._look(first_labels)

    @property
    def cells(self) -> Tensor:
        """The cells (h, w) that any label may reach, bool."""
        return torch.ones_like(self.near[0]) if self.others else self.near.any(0)

    def restrict(self, labels: Tensor) -> Tensor:
        """Turn what is outside the gates into background: labels (K, h, w) of the next frame, as they are copied."""
        objects = labels[1 : self.classes] * self.near
        background = 1 - objects.sum(0, keepdim=True)
        labels = torch.cat([background, objects, labels[self.classes :]])
        self._look(labels)
        return labels

    def _look(self, labels: Tensor) -> None:
        """Remember where the objects are, and whether they are held."""
        ids = torch.arange(1, self.classes, device=labels.device)[:, None, None]
        present = remove_prior(labels[: self.classes]).argmax(0) == ids  # (objects, h, w)
        area = present.flatten(1).sum(1).float()
        self.mean_area = area if self.mean_area is None else MEMORY * self.mean_area + (1 - MEMORY) * area
        lost = area < HELD * self.mean_area
        rows = F.max_pool2d(present.float(), (2 * self.radius + 1, 1), 1, (self.radius, 0))  # one axis after the other, which is faster
        near = F.max_pool2d(rows, (1, 2 * self.radius + 1), 1, (0, self.radius)) > 0
        self.near = near | (lost | (area == 0))[:, None, None]  # (objects, h, w), where each may appear in the next frame
