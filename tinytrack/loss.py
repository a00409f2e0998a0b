"""The training loss (Eq. 3): how far the copied colours are from the true ones."""

import torch.nn.functional as F
from torch import Tensor

from .fast import attend
from .pointer import affinity, pixels


def color_loss(copied: Tensor, labels: Tensor, floor: float = 1e-4) -> Tensor:
    """Compute Eq. 3: the cross-entropy between copied and true colour classes, averaged over pixels.

    The copied colours *are* a distribution already, so the loss is -log of the probability given to the true class. There is no
    second softmax, and a perfect copier scores exactly 0.

    Args:
        copied: y (B, M, K), rows sum to one.
        labels: true classes (B, M), integers in [0, K).
        floor: probabilities are raised to at least this. A colour that is missing from the references cannot be copied; without
            the floor such pixels would cost infinity.

    Returns:
        Scalar in nats. Explained in notebooks/04_training.ipynb.
    """
    p = copied.gather(-1, labels[..., None]).squeeze(-1)
    return -p.clamp(min=floor, max=1).log().mean()


def clip_loss(embeddings: Tensor, labels: Tensor, classes: int, temperature: float) -> Tensor:
    """Point, copy and score within clips: the last frame is coloured from the frames before it.

    Args:
        embeddings: (B, T, D, h, w).
        labels: colour classes (B, T, h, w).
        classes: K, the size of the palette.
        temperature: of Eq. 2.
    """
    f, c_i = pixels(embeddings), F.one_hot(labels[:, :-1].flatten(1), classes)  # (B, N + M, D), (B, N, K)
    f_i, f_j = f.split([c_i.shape[1], f.shape[1] - c_i.shape[1]], dim=1)  # references (B, N, D), target (B, M, D)
    y = attend(f_j, f_i, c_i.to(f), temperature)  # Eq. 2 and Eq. 1: copy(affinity(f_j, f_i, temperature), c_i)
    return color_loss(y, labels[:, -1].flatten(1))


def single_image_loss(embeddings: Tensor, labels: Tensor, prototypes: Tensor, temperature: float) -> Tensor:
    """Compute the loss of the paper's control, which has no reference frame: Eq. 2 points at K learned prototypes, one per class.

    Args:
        embeddings: (B, T, D, h, w); frames do not interact, so T counts as batch.
        labels: colour classes (B, T, h, w).
        prototypes: (K, D).
        temperature: of Eq. 2.
    """
    f = pixels(embeddings)  # (B, T * h * w, D)
    A = affinity(f, prototypes.expand(len(f), -1, -1), temperature)  # (B, T * h * w, K): already a distribution over classes
    return color_loss(A, labels.flatten(1))
