"""Metrics: they match hand-computed values, and wrong answers score low."""

import numpy as np
import pytest
from scipy import ndimage

from tinytrack.evaluation.metrics import (
    THRESHOLDS,
    Statistics,
    boundary_f,
    color_error,
    mean_j,
    mean_pck,
    pck,
    region_j,
    statistics,
)


def test_region_j_by_hand():
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    a[:2] = 1  # 8 pixels
    b[1:3] = 1  # 8 pixels, 4 shared
    assert region_j(a, b) == pytest.approx(4 / 12)
    assert region_j(a, a) == 1
    assert region_j(a, 1 - a) == 0


def test_empty_masks():
    empty, full = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    assert region_j(empty, empty) == 1
    assert region_j(empty, full) == region_j(full, empty) == 0


def outline(mask: np.ndarray) -> set[tuple[int, int]]:
    """Half-pixel boundary by its definition: pixels that differ from an existing right, lower or lower-right neighbour."""
    height, width = mask.shape
    return {
        (y, x)
        for y in range(height)
        for x in range(width)
        for v, u in ((y, x + 1), (y + 1, x), (y + 1, x + 1))
        if v < height and u < width and mask[v, u] != mask[y, x]
    }


def official_f(predicted: np.ndarray, true: np.ndarray, tolerance: float) -> float:
    """Boundary F by its definition: dilate each outline by a disk, then count the pixels of the other outline inside it."""
    radius = int(tolerance if tolerance >= 1 else np.ceil(tolerance * np.hypot(*true.shape)))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    maps = np.zeros((2, *true.shape), bool)
    for one, mask in zip(maps, (predicted, true), strict=True):
        for pixel in outline(mask):
            one[pixel] = True
    if not maps[0].any() or not maps[1].any():
        return float(maps[0].any() == maps[1].any())
    wide = [ndimage.binary_dilation(one, x**2 + y**2 <= radius**2) for one in maps]
    precision, recall = (maps[0] & wide[1]).sum() / maps[0].sum(), (maps[1] & wide[0]).sum() / maps[1].sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def blob(seed: int, height: int, width: int, smooth: float) -> np.ndarray:
    values = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((height, width)), smooth)
    return values > np.quantile(values, 0.7)


def rectangle(height: int, width: int, top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


def pairs():
    """Yield (name, predicted mask, true mask)."""
    for seed, (height, width) in enumerate([(60, 80), (61, 83), (47, 90), (33, 33)]):
        a, b = blob(seed, height, width, 4), blob(seed + 50, height, width, 4)
        yield f"blobs {height}x{width}", a, b
        yield f"ragged {height}x{width}", a, a ^ blob(seed + 100, height, width, 1)
        yield f"moved {height}x{width}", a, np.roll(a, (2, -3), (0, 1))
    empty, full = np.zeros((50, 70), bool), np.ones((50, 70), bool)
    square = rectangle(50, 70, 10, 20, 30, 50)
    yield "both empty", empty, empty
    yield "prediction empty", empty, square
    yield "truth empty", square, empty
    yield "full and empty", full, empty
    yield "full and square", full, square
    for name, box in {"left": (10, 0, 30, 9), "right": (10, 50, 30, 70), "top": (0, 20, 9, 40), "bottom": (35, 20, 50, 40)}.items():
        yield f"touches {name}", rectangle(50, 70, *box), np.roll(rectangle(50, 70, *box), 2, 0)
    yield "corners", rectangle(50, 70, 0, 0, 20, 20), rectangle(50, 70, 30, 50, 50, 70)
    yield "all but a corner pixel", rectangle(50, 70, 0, 0, 50, 70) ^ rectangle(50, 70, 49, 69, 50, 70), square
    for y, x in [(25, 35), (0, 0), (49, 69), (0, 69), (49, 0)]:
        yield f"pixel {y} {x}", rectangle(50, 70, y, x, y + 1, x + 1), rectangle(50, 70, max(y - 2, 0), x, max(y - 1, 1), x + 1)
    yield "thin lines", rectangle(50, 70, 20, 5, 21, 60), rectangle(50, 70, 10, 30, 45, 31)
    yield "diagonals", np.eye(50, 70, dtype=bool), np.eye(50, 70, 3, dtype=bool)
    noise = np.random.default_rng(9).random((4, 50, 70))
    yield "noise", noise[0] < 0.5, noise[1] < 0.5
    yield "sparse noise", noise[2] < 0.01, noise[3] < 0.01
    yield "noise and square", noise[2] < 0.1, square
    yield "one row", noise[0, :1] < 0.5, noise[1, :1] < 0.2
    yield "one column", noise[0, :, :1] < 0.5, noise[1, :, :1] < 0.2
    yield "one pixel frame", full[:1, :1], empty[:1, :1]


@pytest.mark.parametrize("name, predicted, true", [pytest.param(*pair, id=pair[0]) for pair in pairs()])
def test_boundary_f_equals_the_official_definition(name, predicted, true):
    for tolerance in (0, 0.008, 0.03, 0.1, 1, 3, 8):
        assert boundary_f(predicted, true, tolerance) == pytest.approx(official_f(predicted, true, tolerance), abs=1e-6), tolerance


def test_the_test_pairs_of_boundary_f_cover_low_medium_and_high_scores():
    scores = [official_f(a, b, 0.03) for _, a, b in pairs()]
    assert 0.0 in scores
    assert 1.0 in scores
    assert sum(0.05 < score < 0.95 for score in scores) >= 12


def edge(column: int) -> np.ndarray:
    """A 480p mask that covers all pixels to the left of a column, so its outline is one vertical line."""
    return rectangle(480, 854, 0, 0, 480, column)


def test_boundary_f_tolerates_eight_pixels_at_480p_but_not_nine():
    """The tolerance is 0.008 of the diagonal, which is 7.84 pixels."""
    assert boundary_f(edge(400), edge(408)) == boundary_f(edge(408), edge(400)) == 1
    assert boundary_f(edge(400), edge(409)) == 0
    assert boundary_f(edge(400), edge(405), 5) == 1
    assert boundary_f(edge(400), edge(405), 4) == 0


def test_boundary_f_by_hand():
    """A single pixel has an outline of four pixels: itself and its left, upper and upper-left neighbours.

    They form a 2 x 2 square, and each of them may lie inside or outside the disk.
    """
    pixel = rectangle(40, 40, 20, 20, 21, 21)
    assert boundary_f(np.roll(pixel, (3, 4), (0, 1)), pixel, 5) == 1
    # 4 down and 5 right: the nearest corners of the squares are (3, 4) apart, and the next ones are (3, 5), (4, 4) and (4, 5) apart.
    assert boundary_f(np.roll(pixel, (4, 5), (0, 1)), pixel, 5) == 0.25
    # A 3 x 1 bar has a 4 x 2 outline that contains the outline of the pixel, so precision is 4 / 8 and recall is 1.
    assert boundary_f(rectangle(40, 40, 20, 20, 23, 21), pixel, 0) == pytest.approx(2 / 3)


def test_wrong_masks_have_a_low_f():
    true = rectangle(480, 854, 100, 200, 220, 360)
    other = rectangle(480, 854, 250, 500, 330, 620)
    assert boundary_f(true, true) == 1
    assert boundary_f(np.zeros_like(true), true) == 0
    assert boundary_f(np.ones_like(true), true) == 0
    assert boundary_f(other, true) == boundary_f(true, other) == 0  # swapped objects
    assert boundary_f(np.roll(true, (24, 24), (0, 1)), true) < 0.2
    assert boundary_f(~rectangle(480, 854, 60, 160, 260, 400), true) == 0
    assert boundary_f(np.random.default_rng(0).random(true.shape) < 0.5, true) < 0.1


@pytest.mark.parametrize("score", [region_j, boundary_f])
@pytest.mark.parametrize("shape", [(4, 1), (1, 5), (5, 4), (5,), (3, 4, 5), ()])
def test_masks_of_another_size_are_refused(score, shape):
    with pytest.raises(ValueError, match="masks"):
        score(np.ones(shape, bool), np.ones((4, 5), bool))
    with pytest.raises(ValueError, match="masks"):
        score(np.ones((4, 5), bool), np.ones(shape, bool))


@pytest.mark.parametrize("tolerance", [-1, -0.1, float("nan")])
def test_boundary_f_refuses_a_negative_tolerance(tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        boundary_f(np.ones((4, 5)), np.ones((4, 5)), tolerance)


def test_statistics_by_hand():
    """With 8 frames the cuts are at frames 1, 3, 5, 6 and 8, so the first quarter is frames 1 to 3 and the last is 6 to 8."""
    assert statistics([1, 0.75, 0.5, 0.5, 0.25, 0.25, 0.5, 0]) == Statistics(mean=0.46875, recall=0.25, decay=0.5)
    # With 3 frames the cuts are at 1, 2 (1.5 rounded up), 2, 3 (2.5 rounded up) and 3.
    assert statistics([1, 0.5, 0.25]).decay == 0.5
    assert statistics([0.25, 0.75]) == Statistics(0.5, 0.5, -0.5)
    assert statistics([0.75]) == Statistics(0.75, 1, 0)


def test_statistics_of_a_long_video():
    """With 400 frames the first quarter is frames 1 to 101 and the last is 300 to 400. Frame numbers above 255 do not wrap around."""
    scores = np.repeat([1.0, 0.5, 0.25], [101, 198, 101])
    assert statistics(scores) == Statistics(pytest.approx((101 + 99 + 25.25) / 400), 101 / 400, 0.75)


def test_statistics_of_frames_without_a_score():
    nan = np.nan
    assert statistics([1, nan, 0.5, 0.5, nan, 0.25, 0.25, nan]) == Statistics(mean=0.5, recall=0.125, decay=0.5)
    nothing = statistics([nan, nan])
    assert np.isnan([nothing.mean, nothing.decay]).all()
    assert nothing.recall == 0


@pytest.mark.parametrize("scores", [[], np.ones((2, 3)), 0.5])
def test_statistics_require_a_list_of_scores(scores):
    with pytest.raises(ValueError, match="scores"):
        statistics(scores)


def test_pck_by_hand():
    """The box is 30 x 40, so its diagonal is 50 and 0.6 of it is 30. At threshold 0.1 a joint may be 3 pixels off."""
    true = np.array([[0.0, 0], [30, 0], [30, 40]])
    predicted = true + np.array([[3.0, 0], [0, 3.1], [0, 0]])
    assert pck(predicted, true, 0.1).tolist() == [1, 0, 1]
    assert pck(predicted, true, 0.2).tolist() == [1, 1, 1]


def test_lost_joints_are_wrong_and_hidden_joints_are_not_scored():
    true = np.array([[0.0, 0], [30, 40], [np.nan, np.nan]])
    predicted = np.array([[np.nan, np.nan], [30, 40], [5, 5]])
    assert np.array_equal(pck(predicted, true), [0, 1, np.nan], equal_nan=True)
    assert np.isnan(pck(predicted, np.full((3, 2), np.nan))).all()


def boxes(frames: int) -> np.ndarray:
    """Four joints: three corners of a 30 x 40 box, and one that is never visible.

    An error of 30 pixels is 1 in units of the thresholds.
    """
    corners = np.array([[0.0, 0], [30, 0], [30, 40], [np.nan, np.nan]])
    return np.repeat(corners[None], frames, axis=0)


def test_mean_pck_by_hand():
    true = boxes(4)
    predicted = np.nan_to_num(true)
    predicted[:, 0, 1] = [0, 4, 7, 16]  # 0, 0.13, 0.23, 0.53
    predicted[2:, 1] = np.nan  # lost in two frames of four
    true[0, 2] = true[3, 2] = np.nan  # visible in frames 1 and 2, where the box is unchanged
    true[0, 1] = [30, 40]  # in frames 0 and 3 the other two joints span the box
    true[3, 1] = [30, 40]
    predicted[0, 1] = [30, 40]
    predicted[1, 2] += [13, 0]  # 0.43
    by_joint = [[1 / 4, 2 / 4, 3 / 4, 3 / 4, 3 / 4], [2 / 4] * 5, [1 / 2, 1 / 2, 1 / 2, 1 / 2, 2 / 2]]
    assert THRESHOLDS == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert mean_pck(predicted, true) == pytest.approx(np.mean(by_joint, axis=0))
    assert mean_pck(predicted, true, (0.2,)) == pytest.approx([0.5])


def test_mean_pck_of_perfect_lost_and_swapped_joints():
    true = boxes(3)
    assert mean_pck(true, true).tolist() == [1] * 5
    assert mean_pck(np.full_like(true, np.nan), true).tolist() == [0] * 5
    assert mean_pck(true[:, [1, 2, 0, 3]], true).tolist() == [0] * 5


def test_mean_pck_refuses_input_it_cannot_score():
    with pytest.raises(ValueError, match="visible"):
        mean_pck(boxes(2), np.full((2, 4, 2), np.nan))
    with pytest.raises(ValueError, match="visible"):
        mean_pck(boxes(0), boxes(0))
    for predicted in (boxes(2)[0], boxes(1), boxes(2)[:, :1], boxes(2)[..., :1]):
        with pytest.raises(ValueError, match="joints"):
            mean_pck(predicted, boxes(2))


def test_color_error_is_the_ab_distance_and_ignores_lightness():
    dark, light = np.full((2, 2, 3), 60, np.uint8), np.full((2, 2, 3), 180, np.uint8)
    assert color_error(dark, light) < 0.05
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    assert color_error(red, dark) == pytest.approx(np.hypot(80.09, 67.20), abs=0.1)


def test_mean_j_is_the_mean_over_the_requested_objects():
    true = np.array([[1, 1, 2, 2], [0, 0, 3, 3]])
    predicted = np.array([[1, 0, 2, 2], [0, 0, 3, 0]])
    assert mean_j(predicted, true, np.array([1, 2])) == pytest.approx((0.5 + 1) / 2)
    assert mean_j(predicted, true, np.array([3])) == region_j(predicted == 3, true == 3) == 0.5
