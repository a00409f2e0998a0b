"""The exercises of notebooks/09_your_video.ipynb."""

import itertools

import numpy as np

from ..compare import as_array
from ..exercise import Exercise, Experiment


def _pixel(x: float, y: float, shown: tuple[int, int], size: tuple[int, int]) -> tuple[float, float]:
    """Turn a click on a picture of size ``shown`` into a pixel of a frame of size ``size``."""
    return (x * size[1] / shown[1] - 0.5, y * size[0] / shown[0] - 0.5)


click_to_pixel = Exercise(
    "click_to_pixel",
    _pixel,
    lambda: [(100.0, 30.0, (240, 427), (480, 854)), (7.5, 90.0, (300, 200), (144, 176)), (6.0, 3.0, (8, 20), (4, 5))],
    [
        ("The scale is upside down: multiply by size / shown, not by shown / size", lambda x, y, s, z: _pixel(x, y, z, s)),
        (
            "The height and the width are swapped: sizes are (height, width), so x goes with the width",
            lambda x, y, s, z: _pixel(x, y, s[::-1], z[::-1]),
        ),
        (
            "Your result is half a pixel off:"
            " clicks count from the picture's edge and frame pixels from the first centre, so subtract 0.5 at the end",
            lambda x, y, s, z: tuple(v + 0.5 for v in _pixel(x, y, s, z)),
            lambda x, y, s, z: _pixel(x + 0.5, y + 0.5, s, z),
        ),
        ("Your function returns (y, x): return x first", lambda x, y, s, z: _pixel(x, y, s, z)[::-1]),
        (
            "Your result is rounded to whole pixels: return the place between pixels too",
            lambda x, y, s, z: tuple(round(v) for v in _pixel(x, y, s, z)),
            lambda x, y, s, z: tuple(int(v) for v in _pixel(x, y, s, z)),
            lambda x, y, s, z: tuple(int(v + 0.5) for v in _pixel(x, y, s, z)),
            lambda x, y, s, z: tuple(v // 1 for v in _pixel(x, y, s, z)),
        ),
        (
            "Half a pixel of the picture is subtracted before you scale: scale first, then subtract half a pixel of the frame",
            lambda x, y, s, z: tuple(v + 0.5 for v in _pixel(x - 0.5, y - 0.5, s, z)),
        ),
        (
            "Half a pixel is added: subtract it, because the left edge of the frame lies half a pixel before the first centre",
            lambda x, y, s, z: tuple(v + 1 for v in _pixel(x, y, s, z)),
        ),
        ("A whole pixel is subtracted: subtract half a pixel", lambda x, y, s, z: tuple(v - 0.5 for v in _pixel(x, y, s, z))),
        ("The click is not scaled: multiply it by size / shown", lambda x, y, s, z: (x - 0.5, y - 0.5), lambda x, y, s, z: (x, y)),
        (
            "Both coordinates are scaled by the width: scale y by the height",
            lambda x, y, s, z: (_pixel(x, y, s, z)[0], y * z[1] / s[1] - 0.5),
        ),
        (
            "Both coordinates are scaled by the height: scale x by the width",
            lambda x, y, s, z: (x * z[0] / s[0] - 0.5, _pixel(x, y, s, z)[1]),
        ),
        (
            "Your function returns shares of the picture, from 0 to 1: multiply them by the size of the frame",
            lambda x, y, s, z: (x / s[1], y / s[0]),
        ),
        (
            "The scale is (size - 1) / (shown - 1), from centre to centre: scale from edge to edge, by size / shown",
            lambda x, y, s, z: (x * (z[1] - 1) / (s[1] - 1), y * (z[0] - 1) / (s[0] - 1)),
            lambda x, y, s, z: (x * (z[1] - 1) / (s[1] - 1) - 0.5, y * (z[0] - 1) / (s[0] - 1) - 0.5),
        ),
    ],
    edges=lambda: [
        ("the click is in the upper left corner, half a pixel before the first centre", (0.0, 0.0, (240, 320), (480, 640))),
        ("the click is in the lower right corner", (320.0, 240.0, (240, 320), (120, 160))),
        ("the frame is shown in its own size", (10.0, 20.0, (90, 160), (90, 160))),
    ],
    steps=lambda x, y, s, z: {"the scale of x": z[1] / s[1], "the scale of y": z[0] / s[0]},
)


NEAR = 2  # an alarm this many frames from an incident has found it
SPARE = 3  # false alarms that are accepted in one video


def _areas() -> list[tuple[list[int], dict[int, str]]]:
    """Areas of a mask in pixels, frame by frame, and the incidents in them: frame -> what happens there."""
    rng = np.random.default_rng(0)
    rough = 1 + rng.uniform(-0.05, 0.05, (4, 60))  # outlines are never the same twice
    steady = 1000 * rough[0]
    nearer = 300 * 1.03 ** np.arange(60) * rough[1]
    hidden = 2000 * rough[2]
    hidden[20], hidden[21:35] = 0.6 * hidden[20], 0.25 * hidden[21:35]
    spilled = 200 * rough[3]
    spilled[25:] *= 1.7
    gone = 1500 * rough[0, ::-1]
    gone[40:] = 0
    curves = (steady, nearer, hidden, spilled, gone)
    incidents = (
        {},
        {},
        {20: "loses three quarters of its area", 35: "gets its area back"},
        {25: "spills over something else"},
        {40: "vanishes"},
    )
    return [(curve.round().astype(int).tolist(), what) for curve, what in zip(curves, incidents, strict=True)]


def _sudden_changes(areas: list[int]) -> list[int]:
    """List the frames at which the area changes by more than a quarter of the larger of the two."""
    return [t for t in range(1, len(areas)) if abs(areas[t] - areas[t - 1]) > 0.25 * max(areas[t], areas[t - 1])]


def _frames(result, count: int) -> tuple[list[int], str]:
    """Read a list of frame numbers below ``count``; the second item says what is wrong with it, if anything is."""
    frames = as_array(result)
    if frames.ndim != 1 or (frames.size and (frames.dtype.kind not in "iuf" or not (frames == frames.round()).all())):
        return [], "Your function does not return a list of frame numbers: expected whole numbers such as [12, 30]"
    frames = [int(t) for t in frames]
    outside = [t for t in frames if not 0 <= t < count]
    return frames, f"Your function returns frame {outside[0]}, but the video has the frames 0 to {count - 1}" if outside else ""


def _judge_alarm(result, areas: list[int]) -> str:
    frames, problem = _frames(result, len(areas))
    if problem:
        return problem
    incidents = next(what for curve, what in _areas() if curve == areas)
    about = f"In a video of {len(areas)} frames whose mask has {areas[0]} pixels at first and {areas[-1]} at the end,"
    for t, what in incidents.items():
        if not any(abs(t - frame) <= NEAR for frame in frames):
            return f"{about} the mask {what} at frame {t} (from {areas[t - 1]} pixels to {areas[t + 1]}), and there is no alarm near it"
    false = [t for t in frames if all(abs(t - other) > NEAR for other in incidents)]
    if len(false) > SPARE:
        return (
            f"{about} you raise {len(false)} alarms where nothing happens, the first at frame {false[0]} (from {areas[false[0] - 1]} pixels"
            f" to {areas[false[0]]}): expected at most {SPARE}"
        )
    return ""


alarm = Experiment("alarm", _sudden_changes, lambda: [(areas,) for areas, _ in _areas()], _judge_alarm)


BUDGET = 2  # corrections that a person has time for


def _videos() -> dict[str, np.ndarray]:
    """Tables (T, T): J in frame t of the track that starts from correct labels in frame s, NaN for t < s."""
    T = 24
    s, t = np.mgrid[:T, :T]
    fade = np.exp(-(t - s) / 15)
    jump = np.where((s < 5) & (t >= 5), 0.2, 0.95 - 0.01 * (t - s))
    # Hidden from 8 to 12. Whoever corrects a frame there has nothing to mark; whoever starts before gets two thirds of the object back.
    hidden = np.where(t < 13, np.where(t < 8, 0.9, 0.0), np.where(s < 8, 0.6, np.where(s < 13, 0.0, 0.9))) - 0.01 * (t - s)
    hidden[(t >= 8) & (t < 13)] = 0.0
    tables = {"slowly fades": fade, "jumps at frame 5": jump, "is hidden from frame 8 to 12": hidden.clip(0, 1)}
    return {what: np.where(t < s, np.nan, j) for what, j in tables.items()}


def _mean_j(j: np.ndarray, frames: tuple[int, ...]) -> float:
    """Average J over a video whose frame 0 is labelled and some of whose frames are corrected: the last of these decides."""
    starts = np.array(sorted({0, *frames}))
    last = starts[np.searchsorted(starts, np.arange(len(j)), side="right") - 1]
    return float(j[last, np.arange(len(j))].mean())


def _best_corrections(j: np.ndarray) -> tuple[int, ...]:
    """Try all pairs of frames."""
    return max(itertools.combinations(range(1, len(j)), BUDGET), key=lambda frames: _mean_j(j, frames))


def _judge_corrections(result, j: np.ndarray) -> str:
    frames, problem = _frames(result, len(j))
    if problem:
        return problem
    if len(set(frames)) != BUDGET:
        return f"Your function returns {len(set(frames))} different frame(s): expected {BUDGET}"
    found, best = _mean_j(j, tuple(frames)), _mean_j(j, _best_corrections(j))
    if found >= best - 0.002:
        return ""
    what = next(what for what, table in _videos().items() if np.array_equal(table, j, equal_nan=True))
    none = _mean_j(j, ())
    return (
        f"For an object that {what}, correcting the frames {frames[0]} and {frames[1]} gives a mean J of {found:.3f} (no correction:"
        f" {none:.3f}), but the best two frames give {best:.3f}"
    )


corrections = Experiment("corrections", _best_corrections, lambda: [(j,) for j in _videos().values()], _judge_corrections)
