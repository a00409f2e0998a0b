"""Statistics over videos: J over time, bootstrap intervals, and whether tracking fails where colouring fails."""

import warnings
from collections.abc import Callable, Mapping

import numpy as np

LEVEL = 0.9  # Of every bootstrap interval.


def frame_scores(record: Mapping, metric: str = "J") -> np.ndarray:
    """One video's score in each scored frame, the mean over its objects: (T,) in [0, 1].

    Args:
        record: one of ``results["sequences"]`` with "objects".
        metric: "J" or "F".
    """
    return np.mean([scores[metric] for scores in record["objects"].values()], axis=0)


def bootstrap(count: int, statistic: Callable[[np.ndarray], np.ndarray | float], samples: int = 1000, seed: int = 0) -> np.ndarray:
    """The interval of a statistic under drawing ``count`` videos again, with replacement (percentile bootstrap).

    Args:
        count: how many videos there are.
        statistic: indices (count,) of the videos drawn -> a number or an array; NaN where it says nothing.
        samples: draws.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        (2, ...): the lower and the upper end of the central :data:`LEVEL`; NaN where every draw was.
    """
    rng = np.random.default_rng(seed)
    values = np.array([statistic(rng.integers(0, count, count)) for _ in range(samples)], np.float64)
    tail = 50 * (1 - LEVEL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all draws NaN: then so are the ends
        return np.nanpercentile(values, [tail, 100 - tail], axis=0)


def over_time(sequences: Mapping[str, Mapping]) -> dict[str, np.ndarray]:
    """Mean J over videos against frame number, as in the paper's figure 5.

    Args:
        sequences: video -> its record with "scored" and "objects".

    Returns:
        Arrays (T,): "frame" (numbers of the frames that any video scores), "mean", "low" and "high" (bootstrap interval over
        videos) in [0, 1], and "videos": how many are scored at that frame. Videos end at different frames.
    """
    frames = np.unique(np.concatenate([record["scored"] for record in sequences.values()])).astype(int)
    table = np.full((len(sequences), len(frames)), np.nan)
    for row, record in zip(table, sequences.values(), strict=True):
        row[np.searchsorted(frames, record["scored"])] = frame_scores(record)
    low, high = bootstrap(len(table), lambda drawn: _column_means(table[drawn]))
    return {"frame": frames, "mean": _column_means(table), "low": low, "high": high, "videos": (~np.isnan(table)).sum(axis=0)}


def _column_means(table: np.ndarray) -> np.ndarray:
    """``np.nanmean`` over rows, NaN without a warning where a column is empty; much faster than it."""
    there = ~np.isnan(table)
    count = there.sum(axis=0)
    return np.where(count > 0, np.where(there, table, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's, NaN for fewer than three pairs or where one side does not vary."""
    if len(x) < 3:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 1e-12 else float("nan")


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation of two lists (N,), in [-1, 1]: equal to ``scipy.stats.spearmanr``, but cheap to bootstrap.

    Pairs with a NaN are left out. NaN for fewer than three pairs, or where one side does not vary.
    """
    from scipy.stats import rankdata

    there = ~(np.isnan(x) | np.isnan(y))
    return _correlation(rankdata(x[there]), rankdata(y[there]))


def time_removed(x: np.ndarray) -> np.ndarray:
    """What the order in time does not explain of a series: ranks (scaled to a spread of 1), less their straight line over time.

    Args:
        x: (T,) in order of time, without NaN.

    Returns:
        (T,) residuals of the least-squares line of rank(x) on rank(t) = 0 ... T - 1. Any course that only rises or only falls
        leaves zeros.
    """
    ranks = centred_ranks(x)
    t = np.arange(len(x)) - (len(x) - 1) / 2
    return ranks - t * (t @ ranks / max(t @ t, 1))


def centred_ranks(x: np.ndarray) -> np.ndarray:
    """Ranks of (T,) within their own video, scaled to a spread of 1 and centred on 0."""
    from scipy.stats import rankdata

    return (rankdata(x) - 0.5) / len(x) - 0.5


def failures(sequences: Mapping[str, Mapping], key: str) -> dict:
    """Is tracking bad where colouring is bad? Rank correlations of a colour error with J; a real connection is *negative*.

    Four questions, each with a bootstrap interval that draws whole videos, since the frames of one video are not independent:

    - "per_video": Spearman over videos, of the mean colour error and the mean J of each.
    - "per_frame": Spearman over all frames of all videos. Mixes differences between videos with those within them.
    - "within_videos": colour error and J are replaced by their ranks *within their video*; Pearson over all these pairs. What
      one video has more of than another no longer counts.
    - "time_removed": the same ranks, less their least-squares line on the rank of the frame number, within each video
      (:func:`time_removed`); Pearson over all pairs of residuals (a partial rank correlation). Both errors grow with the time
      since the first frame, so they agree even if they have nothing else in common; this is what they have in common beyond.

    Args:
        sequences: video -> its record with "objects" and ``key``.
        key: "color_error" or "object_color_error", a value for each scored frame, NaN where there is none.

    Returns:
        {"videos": count, "frames": count, and for each question {"rho": number or None, "interval": [low, high] or None}}.
    """
    pairs = []
    for record in sequences.values():
        error, j = np.array(record[key], np.float64), frame_scores(record)
        there = ~np.isnan(error)
        if there.any():
            pairs.append((error[there], j[there]))
    means = np.array([[error.mean(), j.mean()] for error, j in pairs]).reshape(-1, 2)
    questions = {
        "per_video": lambda drawn: rank_correlation(*means[drawn].T),
        "per_frame": _pooled(pairs, rank_correlation),
        "within_videos": _pooled([(centred_ranks(e), centred_ranks(j)) for e, j in pairs], _correlation),
        "time_removed": _pooled([(time_removed(e), time_removed(j)) for e, j in pairs], _correlation),
    }
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
    """A statistic of the videos drawn: correlate all their frames."""

    def statistic(drawn: np.ndarray) -> float:
        return correlate(*(np.concatenate([pairs[n][side] for n in drawn]) for side in (0, 1)))

    return statistic
