"""The guided filter (He, Sun and Tang, 2010): soft outlines of masks snap to the edges of the picture that they belong to.

Label maps have cells of several pixels, so every outline that is merely scaled up is off by a pixel or two. Within a small square,
however, a mask is almost a linear function of the colours: where the colours change, the mask may change too. The filter fits that
function in every square, mask = a . colour + b, by least squares, and evaluates it at full resolution.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 2  # pixels: the function is fitted in squares of 5x5 pixels, which are about two cells of the label grid wide
EPSILON = 1e-3  # on colours in [0, 1]: edges with less contrast than its square root, 0.03, are smoothed over


def box_mean(x: Tensor, radius: int) -> Tensor:
    """Average maps (C, H, W) over squares of +-radius pixels, which are cut off at the border."""
    for dim in (1, 2):
        # the sum from `low` to `high` is the difference of two cumulative sums, whatever the radius
        position = torch.arange(x.shape[dim], device=x.device)
        low, high = (position - radius).clamp(min=0), (position + radius + 1).clamp(max=x.shape[dim])
        total = F.pad(x.cumsum(dim), (1, 0) if dim == 2 else (0, 0, 1, 0))
        count = (high - low).reshape((-1, 1) if dim == 1 else (-1,))
        x = (total.index_select(dim, high) - total.index_select(dim, low)) / count
    return x


class GuidedFilter:
    """Fit maps to one picture. What depends on the picture alone is computed once.

    Args:
        guide: (C, H, W) in [0, 1], one channel (gray) or three (RGB).
        radius, epsilon: see :data:`RADIUS`, :data:`EPSILON`.
    """

    def __init__(self, guide: Tensor, radius: int = RADIUS, epsilon: float = EPSILON):
        self.guide, self.radius = guide, radius
        self.mean = box_mean(guide, radius)
        products = (guide[:, None] * guide).flatten(0, 1)  # (C * C, H, W)
        covariance = box_mean(products, radius).unflatten(0, (len(guide), -1)) - self.mean[:, None] * self.mean
        self.inverse = _inverse(covariance + epsilon * torch.eye(len(guide), device=guide.device)[:, :, None, None])

    def fit(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Fit a map y (H, W): the coefficients a (C, H, W) and b (H, W) of y = a . guide + b around every pixel."""
        mean = box_mean(y[None], self.radius)
        covariance = box_mean(self.guide * y, self.radius) - self.mean * mean
        a = (self.inverse * covariance).sum(1)
        b = mean - (a * self.mean).sum(0, keepdim=True)
        ab = box_mean(torch.cat([a, b]), self.radius)  # a pixel lies in many squares: average their functions
        return ab[:-1], ab[-1]

    def __call__(self, y: Tensor, full: Tensor) -> Tensor:
        """Scale a map y (h, w) up to the size of the picture ``full`` (C, H, W), of which ``guide`` is a smaller version."""
        a, b = self.fit(_scale(y[None], self.guide.shape[1:])[0])
        a, b = _scale(torch.cat([a, b[None]]), full.shape[1:]).split([len(a), 1])
        return (a * full).sum(0) + b[0]


def _scale(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps[None], tuple(size), mode="bilinear", align_corners=False)[0]


def _inverse(m: Tensor) -> Tensor:
    """Invert symmetric 1x1 or 3x3 matrices (C, C, H, W); in closed form, because a general inverse of so many takes 20 times as long."""
    if len(m) == 1:
        return 1 / m
    rows = [torch.linalg.cross(m[i], m[j], dim=0) for i, j in ((1, 2), (2, 0), (0, 1))]  # the adjugate
    return torch.stack(rows) / (m[0] * rows[0]).sum(0)
