"""What training minimises (Eq. 3): how far the copied colours are from the true ones."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .pointer import affinity, copy, pixels


def color_loss(copied: Tensor, labels: Tensor, floor: float = 1e-4) -> Tensor:
    """Eq. 3: the cross-entropy between copied and true colour classes, mean over pixels.

    The copied colours *are* a distribution, so this is -log of the probability given to the true class: there is no second
    softmax, and a perfect copier scores exactly 0.

    Args:
        copied: y (B, M, K), rows sum to one.
        labels: true classes (B, M), integers in [0, K).
        floor: probabilities are raised to at least this. A colour that stands nowhere in the references cannot be copied;
            without the floor such pixels would cost infinity.

    Returns:
        Scalar in nats. Derived in notebooks/04_training.ipynb.
    """
    p = copied.gather(-1, labels[..., None]).squeeze(-1)
    return -p.clamp(min=floor, max=1).log().mean()


def clip_loss(embeddings: Tensor, labels: Tensor, classes: int, temperature: float) -> Tensor:
    """Point, copy and score within clips: the last frame is coloured from those before it.

    Args:
        embeddings: (B, T, D, h, w).
        labels: colour classes (B, T, h, w).
        classes: K, the size of the palette.
    """
    one_hot = F.one_hot(labels[:, :-1].flatten(1), classes).to(embeddings.dtype)  # (B, N, K)
    f, truth = pixels(embeddings), labels[:, -1].flatten(1)
    if embeddings.is_cuda:
        return color_loss(attend(f, one_hot, temperature), truth)
    return _Pieces.apply(f, one_hot, truth, temperature)


def attend(f: Tensor, colors: Tensor, temperature: float) -> Tensor:
    """Eq. 2 and Eq. 1 in one by torch's fused attention, which on a GPU never builds A.

    f (B, N + M, D), the reference pixels first; colors (B, N, K) -> copied colours (B, M, K).
    """
    n = colors.shape[1]
    query, key = f[:, None, n:], f[:, None, :n]  # the fused kernels want a dimension of heads
    return F.scaled_dot_product_attention(query, key, colors[:, None], scale=1 / temperature)[:, 0]


class _Pieces(torch.autograd.Function):
    """Eq. 2, Eq. 1 and Eq. 3 for some target pixels at a time, there and at once back, while their rows of A are in the cache.

    Equal to all at once (up to rounding) and on a processor twice as fast: A has 50 MB in the tiny recipe.
    """

    @staticmethod
    def forward(ctx, f: Tensor, colors: Tensor, labels: Tensor, temperature: float) -> Tensor:
        """f (B, N + M, D), the reference pixels first; colors one-hot (B, N, K); labels (B, M) -> scalar."""
        n = colors.shape[1]
        pieces = -(-labels.shape[1] * n // 2**19) if f.device.type == "cpu" else 1  # of 2 MB each, a core's cache
        d_f = torch.zeros_like(f)
        losses = []
        for clip, d_clip, c_i, truth in zip(f, d_f, colors, labels, strict=True):
            f_i, d_i = clip[:n], d_clip[:n]
            for f_j, d_j, c_j in zip(*(part.chunk(pieces) for part in (clip[n:], d_clip[n:], truth)), strict=True):
                A = affinity(f_j, f_i, temperature)
                y = copy(A, c_i).requires_grad_()
                with torch.enable_grad():
                    losses.append(color_loss(y, c_j) * (len(y) / labels.numel()))
                d_y = torch.autograd.grad(losses[-1], y)[0]
                # Back through Eq. 1: d_A = d_y . c_i. Through the softmax of Eq. 2: d_logits = A (d_A - sum_k A_jk d_A_jk), where
                # the sum is d_y . y, and can be taken off d_y, for a pixel's colours sum to one. A gives its place to d_logits.
                A *= (d_y - (d_y * y).sum(-1, keepdim=True)).detach() @ c_i.mT
                torch.mm(A, f_i, out=d_j)
                d_i.addmm_(A.mT, f_j)
        ctx.save_for_backward(d_f.div_(temperature))
        return torch.stack(losses).sum()

    @staticmethod
    def backward(ctx, slope: Tensor):
        return slope * ctx.saved_tensors[0], None, None, None


def single_image_loss(embeddings: Tensor, labels: Tensor, prototypes: Tensor, temperature: float) -> Tensor:
    """The control without a reference frame: Eq. 2 over K learned prototypes, one a colour class, in place of reference pixels.

    Args:
        embeddings: (B, T, D, h, w); frames do not meet, so T counts as batch.
        labels: colour classes (B, T, h, w).
        prototypes: (K, D).
    """
    f = pixels(embeddings)  # (B, T * h * w, D)
    A = affinity(f, prototypes.expand(len(f), -1, -1), temperature)  # (B, T * h * w, K): a distribution over classes already
    return color_loss(A, labels.flatten(1))
