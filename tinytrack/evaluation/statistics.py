"""Statistics over videos: J over time, bootstrap intervals, and whether tracking fails where colouring fails."""

import warnings
from collections.abc import Callable, Mapping

import numpy as np

LEVEL = 0.9  # the share of the draws that every bootstrap interval covers


def frame_scores(record: Mapping, metric: str = "J") -> np.ndarray:
    """Average one video's scores over its objects: (T,) in [0, 1], one per scored frame.

    Args:
        record: an item of ``results["sequences"]`` with "objects".
        metric: "J" or "F".
    """
    return np.mean([scores[metric] for scores in record["objects"].values()], axis=0)


def bootstrap(count: int, statistic: Callable[[np.ndarray], np.ndarray | float], samples: int = 1000, seed: int = 0) -> np.ndarray:
    """Compute the interval of a statistic when ``count`` videos are drawn again with replacement (percentile bootstrap).

    Args:
        count: number of videos.
        statistic: indices (count,) of the drawn videos -> a number or an array; NaN where it is undefined.
        samples: number of draws.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        (2, ...): the lower and the upper end of the central :data:`LEVEL`; NaN where every draw gave NaN.
    """
    rng = np.random.default_rng(seed)
    values = np.array([statistic(rng.integers(0, count, count)) for _ in range(samples)], np.float64)
    tail = 50 * (1 - LEVEL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where all draws are NaN, so are the ends
        return np.nanpercentile(values, [tail, 100 - tail], axis=0)


def over_time(sequences: Mapping[str, Mapping]) -> dict[str, np.ndarray]:
    """Compute the mean J over videos as a function of the frame number, as in the paper's figure 5.

    Args:
        sequences: video -> its record with "scored" and "objects".

    Returns:
        Arrays (T,): "frame" (numbers of the frames that are scored in any video), "mean", "low" and "high" (bootstrap interval over
        videos) in [0, 1], and "videos" (number of videos scored at that frame, since videos end at different frames).
    """
    frames = np.unique(np.concatenate([record["scored"] for record in sequences.values()])).astype(int)
    table = np.full((len(sequences), len(frames)), np.nan)
    for row, record in zip(table, sequences.values(), strict=True):
        row[np.searchsorted(frames, record["scored"])] = frame_scores(record)
    low, high = bootstrap(len(table), lambda drawn: _column_means(table[drawn]))
    return {"frame": frames, "mean": _column_means(table), "low": low, "high": high, "videos": (~np.isnan(table)).sum(axis=0)}


def _column_means(table: np.ndarray) -> np.ndarray:
    """Like ``np.nanmean`` over rows, but much faster; NaN without a warning where a column is empty."""
    valid = ~np.isnan(table)
    count = valid.sum(axis=0)
    return np.where(count > 0, np.where(valid, table, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Compute Pearson's correlation; NaN for fewer than three pairs, or if one side does not vary."""
    if len(x) < 3:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 1e-12 else float("nan")


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Compute Spearman's rank correlation of two lists (N,), in [-1, 1]: equal to ``scipy.stats.spearmanr``, but cheap to bootstrap.

    Pairs with a NaN are left out. The result is NaN for fewer than three pairs, or if one side does not vary.
    """
    from scipy.stats import rankdata

    valid = ~(np.isnan(x) | np.isnan(y))
    return _correlation(rankdata(x[valid]), rankdata(y[valid]))


def time_removed(x: np.ndarray) -> np.ndarray:
    """Rank a series (scaled to a spread of 1) and subtract the ranks' straight line over time, to control for time.

    Args:
        x: (T,) in order of time, without NaN.

    Returns:
        (T,) residuals of the least-squares line of rank(x) on rank(t) = 0 ... T - 1; all zero for a series that only rises or only
        falls.
    """
    ranks = centred_ranks(x)
    t = np.arange(len(x)) - (len(x) - 1) / 2
    return ranks - t * (t @ ranks / max(t @ t, 1))


def centred_ranks(x: np.ndarray) -> np.ndarray:
    """Rank the values (T,) of one video; the ranks are scaled to a spread of 1 and centred on 0."""
    from scipy.stats import rankdata

    return (rankdata(x) - 0.5) / len(x) - 0.5


def failures(sequences: Mapping[str, Mapping], key: str) -> dict:
    """Test whether tracking is bad where colouring is bad: rank correlations of a colour error with J; a real connection is *negative*.

    Four questions, each with a bootstrap interval that draws whole videos, since the frames of one video are not independent:

    - "per_video": Spearman over videos, of the mean colour error and the mean J of each.
    - "per_frame": Spearman over all frames of all videos. This mixes differences between videos with those within them.
    - "within_videos": colour error and J are replaced by their ranks *within their video*; Pearson over all these pairs.
      Differences between videos no longer count.
    - "time_removed": the same ranks minus their least-squares line on the rank of the frame number, within each video
      (:func:`time_removed`); Pearson over all pairs of residuals (a partial rank correlation, controlling for time). Colours and
      masks both get worse with the time since the first frame, so they correlate even if nothing else connects them; this measures
      what is left.

    Args:
        sequences: video -> its record with "objects" and ``key``.
        key: "color_error" or "object_color_error", one value per scored frame, NaN where there is none.

    Returns:
        {"videos": count, "frames": count, and for each question {"rho": number or None, "interval": [low, high] or None}}.
    """
    # colour error and J of the frames of each video
    pairs = []
    for record in sequences.values():
        error, j = np.array(record[key], np.float64), frame_scores(record)
        valid = ~np.isnan(error)
        if valid.any():
            pairs.append((error[valid], j[valid]))
    # one statistic per question: indices of the drawn videos -> correlation
    means = np.array([[error.mean(), j.mean()] for error, j in pairs]).reshape(-1, 2)
    questions = {
        "per_video": lambda drawn: rank_correlation(*means[drawn].T),
        "per_frame": _pooled(pairs, rank_correlation),
        "within_videos": _pooled([(centred_ranks(e), centred_ranks(j)) for e, j in pairs], _correlation),
        "time_removed": _pooled([(time_removed(e), time_removed(j)) for e, j in pairs], _correlation),
    }
    # its value, and its interval over draws of videos
    result = {"videos": len(pairs), "frames": sum(len(error) for error, _ in pairs)}
    for name, statistic in questions.items():
        rho = statistic(np.arange(len(pairs))) if pairs else float("nan")
        ends = bootstrap(len(pairs), statistic) if np.isfinite(rho) and len(pairs) > 2 else None
        result[name] = {
            "rho": round(rho, 4) if np.isfinite(rho) else None,
            "interval": None if ends is None else [round(float(v), 4) for v in ends],
        }
    return result


def _pooled(pairs: list[tuple[np.ndarray, np.ndarray]], correlate: Callable) -> Callable[[np.ndarray], float]:
    """Return a statistic of the drawn videos: the correlation over all their frames."""

    def statistic(drawn: np.ndarray) -> float:
        return correlate(*(np.concatenate([pairs[n][side] for n in drawn]) for side in (0, 1)))

    return statistic
