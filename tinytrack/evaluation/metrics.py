"""Metrics: region similarity J and boundary accuracy F for masks, PCK for keypoints, ab distance for colours."""

from dataclasses import dataclass

import numpy as np

from ..color import frames_to_lab

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)  # at which tables report PCK


def _masks(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert both to boolean masks (H, W); ValueError unless they are two masks of the same size."""
    predicted, true = np.asarray(predicted, bool), np.asarray(true, bool)
    if predicted.ndim != 2 or predicted.shape != true.shape:
        raise ValueError(f"expected two masks (H, W) of one size, got {predicted.shape} predicted and {true.shape} true")
    return predicted, true


def region_j(predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute the intersection over union of two boolean masks (H, W); 1 if both are empty. ValueError if their sizes differ."""
    predicted, true = _masks(predicted, true)
    union = (predicted | true).sum()
    return float((predicted & true).sum() / union) if union else 1.0


def mean_j(predicted: np.ndarray, true: np.ndarray, objects: np.ndarray) -> float:
    """Compute :func:`region_j` of object ids (H, W), averaged over the objects with these numbers."""
    return float(np.mean([region_j(predicted == n, true == n) for n in objects]))


def _boundary(mask: np.ndarray) -> np.ndarray:
    """Mark the pixels of a boolean mask (H, W) that differ from their right, lower or lower right neighbour inside the frame."""
    boundary = np.zeros_like(mask)
    boundary[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    boundary[:-1] |= mask[:-1] != mask[1:]
    boundary[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return boundary


def _within(pixels: np.ndarray, radius: float) -> np.ndarray:
    """Mark the pixels of a map (H, W) that have a True pixel at most ``radius`` pixels away.

    A disk is a stack of horizontal runs, from narrow at the top to wide in the middle. The map is therefore widened along its rows
    step by step, and each width is shifted to the rows of the disk that have it. The time does not depend on the content of the map.
    A k-d tree takes 100 times as long for noise, a distance transform 10 times for large objects.
    """
    near = np.zeros_like(pixels)
    wide = pixels.copy()
    width = 0  # by which ``wide`` has grown on either side
    for dy in range(int(radius), -1, -1):
        for _ in range(width, int(np.sqrt(radius**2 - dy**2))):
            wide[:, 1:] |= wide[:, :-1]
            wide[:, :-1] |= wide[:, 1:]
            width += 1
        near[dy:] |= wide[: -dy or None]
        near[: -dy or None] |= wide[dy:]
    return near


def boundary_f(predicted: np.ndarray, true: np.ndarray, tolerance: float = 0.008) -> float:
    """Compute the boundary F-measure of DAVIS: do the outlines of two masks agree up to a small distance?

    Precision is the share of the predicted boundary within the tolerance of the true one, recall the reverse, and F their
    harmonic mean.

    Args:
        predicted: (H, W), boolean or 0 / 1.
        true: (H, W), boolean or 0 / 1.
        tolerance: in pixels if it is 1 or more; otherwise a share of the diagonal, rounded up to whole pixels (8 at 480x854).

    Returns:
        F in [0, 1]; 1 if neither mask has a boundary, 0 if only one has. The frame's edge is not a boundary, so a mask that fills
        the frame has none, just like an empty one.

    Raises:
        ValueError: if the masks are not two (H, W) of the same size, or the tolerance is negative.

    Gives the same values as the code of Perazzi et al., CVPR 2016, as published for DAVIS 2017.
    """
    predicted, true = _masks(predicted, true)
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 or more, got {tolerance}")
    radius = tolerance if tolerance >= 1 else float(np.ceil(tolerance * np.linalg.norm(true.shape)))
    ours, theirs = _boundary(predicted), _boundary(true)
    if not (ours.any() and theirs.any()):
        return float(ours.any() == theirs.any())
    precision, recall = _within(theirs, radius)[ours].mean(), _within(ours, radius)[theirs].mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


@dataclass(frozen=True)
class Statistics:
    """What DAVIS reports about one object's scores: their mean, the share above 0.5, and how much is lost from start to end."""

    mean: float
    recall: float
    decay: float


def _nanmean(scores: np.ndarray) -> float:
    """Like ``np.nanmean``, but without its warning if all scores are NaN."""
    scores = scores[~np.isnan(scores)]
    return float(scores.mean()) if len(scores) else float("nan")


def statistics(scores: np.ndarray) -> Statistics:
    """Compute the mean, recall and decay of one object's J or F over the frames of a video, as DAVIS defines them.

    Args:
        scores: (T,) in [0, 1], in order of time, without the first and the last frame of the video. NaN: no score.

    Returns:
        mean: over the frames that are not NaN.
        recall: share of all T frames with a score above 0.5; a NaN frame counts as not above.
        decay: mean of the first quarter of the frames minus the mean of the last quarter, both without NaN frames.

    Raises:
        ValueError: if there are no scores, or they are not one list.
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"expected the scores (T,) of one object with T > 0, got {scores.shape}")
    # Quarters as in the official code: halves are rounded up (hence 1e-10), and neighbouring quarters share a frame.
    cuts = (np.round(np.linspace(1, len(scores), 5) + 1e-10) - 1).astype(int)
    first, last = scores[: cuts[1] + 1], scores[cuts[3] :]
    return Statistics(_nanmean(scores), float((scores > 0.5).mean()), _nanmean(first) - _nanmean(last))


def pck(predicted: np.ndarray, true: np.ndarray, threshold: float = 0.2) -> np.ndarray:
    """Tell which keypoints are right: within ``threshold`` x 0.6 x the diagonal of the true keypoints' bounding box.

    Args:
        predicted: (J, 2), NaN for lost keypoints, which count as *wrong* (the published script drops them).
        true: (J, 2), NaN where hidden.

    Returns:
        (J,): 1.0 for right, 0.0 for wrong, NaN where the truth is hidden.
    """
    seen = ~np.isnan(true).any(axis=1)
    if not seen.any():
        return np.full(len(true), np.nan)
    scale = 0.6 * np.linalg.norm(np.ptp(true[seen], axis=0))
    distance = np.linalg.norm(predicted - true, axis=1)
    with np.errstate(invalid="ignore"):
        right = (distance <= threshold * scale).astype(np.float64)
    return np.where(seen, right, np.nan)


def mean_pck(
    predicted: np.ndarray, true: np.ndarray, thresholds: tuple[float, ...] = THRESHOLDS, asked: np.ndarray | None = None
) -> np.ndarray:
    """Compute the PCK of keypoint tracks: for each keypoint the share of frames in which it is right, then the mean over keypoints.

    Args:
        predicted: (T, J, 2), NaN for lost keypoints, which count as wrong.
        true: (T, J, 2), NaN where hidden. A frame counts only for the keypoints that are visible in it, and a keypoint that is never
            visible is left out. Do not pass the first frame, which is given. Frames of several videos may be joined along T.
        thresholds: K thresholds, each as in :func:`pck`.
        asked: (J,) bool, True for the keypoints to score, by default all. The others, which the tracker was not given, only help
            to span the box.

    Returns:
        (K,) in [0, 1].

    Raises:
        ValueError: if the shapes differ or are not (T, J, 2), or if no keypoint to score is ever visible.
    """
    predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    if true.ndim != 3 or true.shape[2] != 2 or predicted.shape != true.shape:
        raise ValueError(f"expected joints (T, J, 2) twice, got {predicted.shape} predicted and {true.shape} true")
    frames = (~np.isnan(true).any(axis=2)).sum(axis=0)  # the number of frames in which each keypoint is visible
    if asked is not None:
        frames = frames * np.asarray(asked, bool)
    if not frames.any():
        raise ValueError("none of the joints to score is ever visible: expected at least one")
    ever = frames > 0
    right = [np.nansum([pck(p, t, threshold) for p, t in zip(predicted, true, strict=True)], axis=0) for threshold in thresholds]
    return np.array([(count[ever] / frames[ever]).mean() for count in right])


def color_error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute the mean ab distance (Lab units) between two uint8 RGB frames (H, W, 3)."""
    difference = frames_to_lab(predicted)[1:] - frames_to_lab(true)[1:]
    return float(difference.square().sum(0).sqrt().mean())
