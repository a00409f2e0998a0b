"""How good is it: region similarity J for masks, PCK for joints, ab distance for colours."""

import numpy as np

from .color import Palette, frames_to_lab


def region_j(predicted: np.ndarray, true: np.ndarray) -> float:
    """Intersection over union of two boolean masks (H, W); 1 when both are empty."""
    predicted, true = np.asarray(predicted, bool), np.asarray(true, bool)
    union = (predicted | true).sum()
    return float((predicted & true).sum() / union) if union else 1.0


def pck(predicted: np.ndarray, true: np.ndarray, threshold: float = 0.2) -> np.ndarray:
    """Which joints are right: closer than ``threshold`` x 0.6 x the diagonal of the true joints' bounding box.

    Args:
        predicted: (J, 2), NaN for lost joints. These count as *wrong* (the published script drops them).
        true: (J, 2), NaN where hidden.

    Returns:
        (J,) of 1.0 right, 0.0 wrong, NaN where the truth is hidden.
    """
    seen = ~np.isnan(true).any(axis=1)
    if not seen.any():
        return np.full(len(true), np.nan)
    scale = 0.6 * np.linalg.norm(np.ptp(true[seen], axis=0))
    distance = np.linalg.norm(predicted - true, axis=1)
    with np.errstate(invalid="ignore"):
        right = (distance <= threshold * scale).astype(np.float64)
    return np.where(seen, right, np.nan)


def color_error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Mean ab distance (Lab units) between two uint8 RGB frames (H, W, 3)."""
    difference = frames_to_lab(predicted)[1:] - frames_to_lab(true)[1:]
    return float(difference.square().sum(0).sqrt().mean())


def color_accuracy(predicted: np.ndarray, true: np.ndarray, palette: Palette) -> float:
    """Share of pixels whose colour falls into the right cluster of the palette."""
    ours, theirs = (palette.hard(frames_to_lab(frame)[1:]) for frame in (predicted, true))
    return float((ours == theirs).float().mean())
