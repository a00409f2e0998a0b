"""The charts show the numbers they are given, have axes with units, and print names that don't overlap."""

import numpy as np
import pytest

from tinytrack import draw
from tinytrack.evaluation.report import plots

METHODS = ["tiny-gray", "identity", "random"]


def labels(figure):
    return [(a.get_xlabel(), a.get_ylabel()) for a in figure.axes]


def test_every_method_has_its_own_colour_and_unknown_methods_work():
    colors = [draw.color(m) for m in draw.STYLES]
    assert len(set(colors)) == len(colors) == 9
    seeing = [m for m in draw.STYLES if "see colour" in draw.label(m) or "sees colour" in draw.label(m)]
    assert seeing == [m for m in draw.STYLES if m.endswith("lab")] == ["tiny-lab", "lab", "random-lab"]
    assert draw.label("step000010") == "step000010"
    assert draw.color("step000010") not in colors


def test_score_bars_are_as_long_as_the_scores():
    modern = np.array([[60.0, 55.0], [np.nan, np.nan], [40.0, 35.0]])
    scores = {"modern": modern, "paper": modern - 20, "": np.array([[np.nan, np.nan], [30.0, 20.0], [np.nan, np.nan]])}
    spread = {"modern": np.array([[np.nan, np.nan], [np.nan, np.nan], [5.0, 2.0]])}
    figure = plots.protocol_bars(METHODS, scores, spread, "How well?", ["J", "F"])
    for axis, metric, c in zip(figure.axes, "JF", (0, 1), strict=True):
        assert axis.get_xlabel() == f"mean {metric} (%)"
        assert axis.get_xlim() == (0, 100)
        assert sorted(p.get_width() for p in axis.patches) == sorted(v for s in scores.values() for v in s[:, c] if np.isfinite(v))
        texts = {t.get_text() for t in axis.texts}
        assert texts == {f"{v:.1f}" for s in scores.values() for v in s[:, c] if np.isfinite(v)}
        (whisker,) = [line for container in axis.containers if hasattr(container, "lines") for line in container.lines[2]]
        np.testing.assert_allclose(whisker.get_segments()[0][:, 0], modern[2, c] + np.array([-1, 1]) * spread["modern"][2, c])
    ticks = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert ticks == [draw.label(m) for m in METHODS]
    low, high = figure.axes[0].get_ylim()
    assert low > high  # the first method is at the top
    rows = {round(p.get_y() + p.get_height() / 2, 1): p.get_width() for p in figure.axes[0].patches}
    assert rows[-0.2] == 60
    assert rows[0.2] == 40
    assert rows[1.0] == 30
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["modern protocol", "paper's protocol"]


def test_over_time_is_drawn_where_at_least_three_videos_run_and_counts_them_below():
    frame = np.arange(1, 7)
    curve = {"frame": frame, "mean": 90.0 - frame, "low": 80.0 - frame, "high": 95.0 - frame, "videos": np.array([5, 5, 4, 3, 2, 1])}
    figure = plots.over_time({"tiny-gray": curve, "random": curve | {"mean": 50.0 - frame}}, ["random"], "How long?", 0.9)
    top, below = figure.axes
    np.testing.assert_allclose(top.lines[0].get_xydata(), np.stack([frame[:4], 90 - frame[:4]], 1))
    np.testing.assert_allclose(top.lines[1].get_ydata(), 50 - frame[:4])
    assert top.lines[1].get_linewidth() < top.lines[0].get_linewidth()
    assert len(top.collections) == 1  # the thin line has no band
    edge = top.collections[0].get_paths()[0].vertices
    assert edge[:, 1].min() == 80 - 4
    assert edge[:, 1].max() == 95 - 1
    np.testing.assert_allclose(below.lines[0].get_ydata(), [5, 5, 4, 3])
    assert top.get_ylim() == (0, 100)
    assert labels(figure) == [("", "mean J over videos (%)"), ("frame number (frame 0 is given)", "videos")]
    assert "90 %" in top.get_legend().get_title().get_text()
    one = {k: v[:2] for k, v in curve.items()} | {"videos": np.array([1, 1])}
    assert len(plots.over_time({"tiny-gray": one}, [], "", 0.9).axes[0].lines[0].get_xdata()) == 2


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_pck_has_one_panel_per_data_set(count):
    thresholds = (0.1, 0.2, 0.3, 0.4, 0.5)
    panels = {f"set {n}": {"tiny-gray": [10.0 * n + v for v in range(5)], "identity": [n] * 5} for n in range(count)}
    figure = plots.pck_curves(panels, thresholds, "How well?")
    shown = [a for a in figure.axes if a.get_visible()]
    assert [a.get_title() for a in shown] == list(panels)
    for n, axis in enumerate(shown):
        np.testing.assert_allclose(axis.lines[0].get_xydata(), np.stack([thresholds, 10 * n + np.arange(5)], 1))
        assert axis.lines[0].get_color() == draw.color("tiny-gray")
        assert axis.get_ylim() == (0, 102)
    lowest = [a for a in shown if a.get_xlabel()]
    assert len(lowest) == min(2, count)
    assert all("threshold" in a.get_xlabel() for a in lowest)
    assert all("(%)" in a.get_ylabel() for a in shown[::2])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [draw.label("tiny-gray"), draw.label("identity")]


def test_emergence_has_a_logarithmic_axis_that_includes_step_zero():
    steps, j = [0, 1, 10, 100, 1000], [40.0, 41, 50, 60, 66]
    loss = (np.array([5.0, 500.0]), np.array([1.1, 0.6]))
    errors = {"everywhere": [9.0, 8, 7, 6, 5]}
    figure = plots.emergence(steps, {"J": j, "J&F": [v - 1 for v in j]}, {"identity": 31.0, "gray": 33.0}, errors, loss, "Does it?")
    left, right, lower = figure.axes
    np.testing.assert_allclose(left.lines[0].get_xydata(), np.stack([steps, j], 1))
    np.testing.assert_allclose(left.lines[1].get_ydata(), np.array(j) - 1)
    assert [line.get_ydata()[0] for line in left.lines[2:]] == [31, 33]
    np.testing.assert_allclose(right.lines[0].get_xydata(), np.stack([steps, errors["everywhere"]], 1))
    np.testing.assert_allclose(lower.lines[0].get_xydata(), np.stack(loss, 1))
    place = left.transData.transform([(s, 0) for s in steps])[:, 0]
    assert (np.diff(place) > 20).all()
    assert np.ptp(np.diff(place)[1:]) < 1  # a gap between 0 and 1, then equally wide decades
    assert [t.get_text() for t in left.get_xticklabels()] == ["0", "1", "10", "100", "1,000"]
    assert left.get_xlabel() == lower.get_xlabel() == "training step (log scale)"
    assert "(%)" in left.get_ylabel()
    assert "Lab units" in right.get_ylabel()
    assert "nats" in lower.get_ylabel()
    names = [t.get_text() for t in left.get_legend().get_texts()]
    assert names[:2] == ["J", "J&F"]
    assert "identity" in names[2]
    assert len(plots.emergence(steps, {"J": j}, {}, errors, None, "").axes) == 2


def test_failures_shows_all_dots_and_names_that_hardly_overlap():
    rng = np.random.default_rng(0)
    names = [f"video-{n:02d}" for n in range(20)]
    video = (rng.normal(20, 0.5, 20), rng.normal(60, 3, 20))  # many dots close together
    video[0][0], video[1][0] = 40, 5
    frame = (rng.uniform(0, 30, 300), rng.uniform(0, 100, 300))
    figure = plots.failures(names, video, frame, ("over videos -0.50", "over frames -0.20"), "Does it?")
    left, right = figure.axes
    np.testing.assert_allclose(left.collections[0].get_offsets(), np.stack(video, 1))
    np.testing.assert_allclose(right.collections[0].get_offsets(), np.stack(frame, 1))
    assert left.get_title() == "over videos -0.50"
    assert right.get_title() == "over frames -0.20"
    assert all("Lab units" in a.get_xlabel() for a in (left, right))
    assert left.get_ylabel() == "J (%)"
    assert [t.get_text() for t in left.texts] == names
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in left.texts]
    meet = sum(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
    assert meet <= 8  # of 190 pairs
    spread = plots.failures(names[:3], ([1.0, 5, 9], [10.0, 50, 90]), frame, ("", ""), "")
    spread.draw_without_rendering()
    boxes = [t.get_window_extent() for t in spread.axes[0].texts]
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
    whole = spread.axes[0].get_window_extent()
    assert all(whole.x0 <= b.x0 and b.x1 <= whole.x1 for b in boxes)
