"""Colour as the training target: RGB <-> Lab, and a palette of a few ab colours.

Lab splits a colour into lightness L, which the network sees, and (a, b), which it must predict. The palette turns (a, b) into one
of K classes, so predicting a colour becomes a classification, and a prediction can give several colours a probability each.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# sRGB primaries and the D65 white point of the 2-degree observer, the same constants as in scikit-image.
XYZ_FROM_RGB = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]], dtype=torch.float64
)
WHITE = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)
GRAY = 2.0  # chroma (Lab units) below which a picture counts as gray: rounding to 8 bits alone makes about 1
_DELTA3 = 0.008856  # below this value of XYZ the CIE cube root is replaced by a straight line
_SLOPE, _OFFSET = 7.787, 16.0 / 116.0
_LAB_FROM_F = torch.tensor([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]], dtype=torch.float64)


def _mix(matrix: Tensor, channels: Tensor) -> Tensor:
    """Apply a matrix (C, B) to the channel axis: (..., B, H, W) -> (..., C, H, W)."""
    return torch.einsum("ij,...jhw->...ihw", matrix.to(channels), channels)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE Lab (D65), as ``skimage.color.rgb2lab`` does.

    Args:
        rgb: (..., 3, H, W) floating point, in [0, 1].

    Returns:
        (..., 3, H, W): L in [0, 100], a and b about [-128, 128]. Differentiable everywhere, also at black.

    Raises:
        TypeError: for integer input, whose range would be ambiguous.

    Explained in notebooks/01_color_quantization.ipynb.
    """
    if not rgb.is_floating_point():
        raise TypeError(f"rgb_to_lab expects floating point in [0, 1], got {rgb.dtype}; use frames_to_lab for uint8 frames")
    return _lab_of_linear(_linear(rgb))


def _linear(rgb: Tensor) -> Tensor:
    """Undo the gamma of sRGB, in [0, 1]."""
    # Each branch of `where` is clamped to its own domain: otherwise the branch that is not taken sends NaN back in backward.
    return torch.where(rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def _lab_of_linear(linear: Tensor, channels: int = 3) -> Tensor:
    """Linear RGB (..., 3, H, W) -> Lab (..., 3, H, W); with ``channels`` 1 only L, which needs only Y of XYZ."""
    wanted = slice(1, 2) if channels == 1 else slice(0, 3)
    xyz = _mix((XYZ_FROM_RGB / WHITE[:, None])[wanted], linear)
    # The cube root is computed through the logarithm, which takes a third of the time of a power.
    f = torch.where(xyz > _DELTA3, (xyz.clamp(min=_DELTA3).log() / 3).exp(), _SLOPE * xyz + _OFFSET)
    lab = _mix(_LAB_FROM_F[:channels, wanted], f)
    lab[..., 0, :, :] -= 16
    return lab


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Convert CIE Lab (D65) to sRGB; colours outside the sRGB gamut are clipped.

    Args:
        lab: (..., 3, H, W) floating point, L in [0, 100].

    Returns:
        (..., 3, H, W) in [0, 1], the inverse of :func:`rgb_to_lab` inside the gamut.
    """
    lightness, a, b = lab.unbind(-3)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, (y - b / 200).clamp(min=0)], dim=-3)
    cut = 0.2068966
    xyz = torch.where(f > cut, f.clamp(min=cut) ** 3, (f - _OFFSET) / _SLOPE)
    linear = _mix(torch.linalg.inv(XYZ_FROM_RGB) * WHITE[None, :], xyz)
    rgb = torch.where(linear > 0.0031308, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055, 12.92 * linear)
    return rgb.clamp(0, 1)


_LINEAR_LEVELS = _linear(torch.arange(256) / 255)  # a lookup table for 8-bit frames: a power per pixel would take most of the time


def frames_to_lab(frames: np.ndarray | Tensor, device: torch.device | str = "cpu", channels: int = 3) -> Tensor:
    """Convert uint8 RGB frames (T, H, W, 3), or one frame (H, W, 3), to float32 Lab (T, 3, H, W), or (3, H, W).

    With ``channels`` 1 only L is computed: a gray network needs no more, and it takes half the time.
    """
    rgb = torch.as_tensor(frames, device=device)
    if rgb.dtype != torch.uint8 or rgb.shape[-1] != 3:
        raise TypeError(f"expected uint8 RGB frames (..., H, W, 3), got {rgb.dtype} of shape {tuple(rgb.shape)}")
    levels = rgb.movedim(-1, -3).int()
    linear = _LINEAR_LEVELS.to(levels.device).index_select(0, levels.flatten()).view(levels.shape)
    return _lab_of_linear(linear, channels)


def lab_to_frames(lab: Tensor) -> np.ndarray:
    """Convert float Lab (T, 3, H, W) or (3, H, W) to uint8 RGB frames (T, H, W, 3) or (H, W, 3)."""
    return (lab_to_rgb(lab).movedim(-3, -1) * 255).round().to(torch.uint8).cpu().numpy()


def network_input(lab: Tensor, channels: int = 1) -> Tensor:
    """Scale L of Lab (..., 3, H, W) from [0, 100] to [-1, 1], which is what a network sees: (..., 1, H, W).

    With ``channels`` 3, a and b follow, divided by 50 too (so they may exceed 1), for networks and baselines that may see colour.
    """
    seen = lab[..., :channels, :, :] / 50
    seen[..., :1, :, :] -= 1
    return seen


@dataclass(frozen=True)
class Palette:
    """K representative (a, b) colours: the classes of the colour target.

    Attributes:
        centers: (K, 2) float32 in Lab units, sorted by hue so that class numbers are reproducible. A network that sees colour is
            trained with palettes of its hidden channel, which have (K, 1).

    Explained in notebooks/01_color_quantization.ipynb; the paper uses K = 16.
    """

    centers: Tensor

    @classmethod
    def fit(cls, ab: Tensor, k: int = 16, seed: int = 0, sample: int = 50_000) -> "Palette":
        """Fit k-means (scikit-learn) to colours.

        Args:
            ab: (..., 2, H, W) in Lab units, any number of frames; or other channels, (..., C, H, W).
            k: number of clusters. A video with fewer distinct colours gets one cluster per colour.
            seed: seeds both the sampling of pixels and k-means.
            sample: the largest number of pixels to use.

        Raises:
            ValueError: if there is no finite pixel, or k < 1.
        """
        from sklearn.cluster import KMeans

        if k < 1:
            raise ValueError(f"a palette needs at least one colour, got k={k}")
        # one row per pixel, finite ones only, at most `sample` of them
        pixels = ab.movedim(-3, -1).flatten(0, -2).double().cpu().numpy()
        pixels = pixels[np.isfinite(pixels).all(axis=1)]
        if len(pixels) == 0:
            raise ValueError("a palette cannot be fitted to no pixels")
        if len(pixels) > sample:
            pixels = pixels[np.random.default_rng(seed).choice(len(pixels), sample, replace=False)]
        # cluster, unless there are too few colours; 8-bit video resolves about half a Lab unit, so 0.1 is below the noise
        distinct = np.unique(pixels.round(1), axis=0)
        if len(distinct) <= k:
            centers = distinct
        else:
            centers = KMeans(k, n_init=4, random_state=seed).fit(pixels).cluster_centers_
        # sort by hue, then by colourfulness
        key = np.arctan2(centers[:, 1], centers[:, 0]) if centers.shape[1] == 2 else centers[:, 0]
        order = np.lexsort((np.linalg.norm(centers, axis=1), key))
        return cls(torch.tensor(centers[order], dtype=torch.float32))

    def __len__(self) -> int:
        return len(self.centers)

    def _squared_distance(self, ab: Tensor) -> Tensor:
        """(..., 2, H, W) -> (..., K, H, W) squared ab distance to each centre."""
        centers = self.centers.to(ab)
        return (ab.unsqueeze(-4) - centers[:, :, None, None]).square().sum(-3)

    def hard(self, ab: Tensor) -> Tensor:
        """Classify each pixel by its nearest centre: (..., 2, H, W) -> int64 class ids (..., H, W) in [0, K)."""
        return self._squared_distance(ab).min(-3).indices

    def one_hot(self, ab: Tensor) -> Tensor:
        """Classify each pixel as a one-hot distribution: (..., 2, H, W) -> (..., K, H, W), dtype of ``ab``."""
        labels = torch.nn.functional.one_hot(self.hard(ab), len(self))
        return labels.movedim(-1, -3).to(ab.dtype)

    def decode(self, labels: Tensor) -> Tensor:
        """Turn class ids (..., H, W) or distributions (..., K, H, W) back into colours ab (..., 2, H, W).

        A distribution gives its expected colour, which is exact for one-hot labels.
        """
        if not labels.is_floating_point():
            return self.centers.to(labels.device)[labels].movedim(-1, -3)
        return torch.einsum("...khw,kc->...chw", labels, self.centers.to(labels))


def has_color(frame: np.ndarray) -> bool:
    """Tell whether a frame uint8 RGB (H, W, 3) has any colour to copy."""
    return bool(chroma(frames_to_lab(frame)[1:]).max() >= GRAY)


def chroma(ab: Tensor) -> Tensor:
    """Compute colourfulness sqrt(a^2 + b^2) of ab (..., 2, H, W) -> (..., H, W); 0 is gray."""
    return torch.hypot(ab[..., 0, :, :], ab[..., 1, :, :])
