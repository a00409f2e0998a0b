"""Find the cuts between the shots of a video."""

from collections.abc import Iterable

import numpy as np


def find_cuts(frames: Iterable[np.ndarray], threshold: float = 0.2) -> list[int]:
    """Find the frames at which a new shot begins.

    A cut replaces both the picture and its colours. A frame starts a shot if its 8x8x8 colour histogram shares less than
    ``1 - threshold`` of its mass with that of the frame before *and* its pixels change more than those of the frames around it.

    Args:
        frames: uint8 RGB (H, W, 3), any size (small is fine and fast).
        threshold: share of pixels, in (0, 1), that must change colour bin.

    Returns:
        Indices in 1..T-1, ascending; empty for a single shot.
    """
    # compare each frame with the one before: how much its histogram changes, and how much its pixels change
    change, jump = [], []
    before = None
    for frame in frames:
        small = frame[:: max(1, frame.shape[0] // 90), :: max(1, frame.shape[1] // 160)].astype(np.int32)
        bins = np.bincount((small // 32 @ np.array([64, 8, 1])).ravel(), minlength=512) / small[..., 0].size
        if before is not None:
            change.append(np.abs(bins - before[0]).sum() / 2)
            jump.append(np.abs(small - before[1]).mean())
        before = bins, small
    change, jump = np.array(change), np.array(jump)
    # keep the frames where both stand out
    cuts = []
    for t in range(len(jump)):
        around = np.delete(jump[max(0, t - 4) : t + 5], min(t, 4))
        if change[t] > threshold and (len(around) == 0 or jump[t] > 2 * np.median(around) + 2):
            cuts.append(t + 1)
    return cuts


def split_shots(frames: np.ndarray) -> list[np.ndarray]:
    """Split frames (T, H, W, 3) at their cuts, because a clip that spans a cut has no matches to learn; single frames are dropped."""
    return [part for part in np.split(frames, find_cuts(frames)) if len(part) > 1]
