"""Overlays, skeletons and figures: what they change, what they must not touch, and their sizes."""

import numpy as np
import pytest
from conftest import index_frames
from scipy import ndimage

from tinytrack.color import frames_to_lab
from tinytrack.draw import COLORS, enlarge, filmstrip, object_color, overlay, side_by_side, skeleton, to_gray

GRAY = np.full((40, 60, 3), 100, np.uint8)
IDS = np.zeros((40, 60), np.uint8)
IDS[5:15, 10:30] = 1
IDS[20:35, 40:55] = 3


def test_object_colours_are_distinct_and_repeat_after_the_last():
    assert len(np.unique(COLORS, axis=0)) == len(COLORS) == 8
    np.testing.assert_array_equal(object_color(1), COLORS[0])
    np.testing.assert_array_equal(object_color(8), COLORS[7])
    np.testing.assert_array_equal(object_color(9), COLORS[0])


def test_overlay_tints_objects_outlines_them_and_touches_nothing_else():
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    before = frame.copy()
    result = overlay(frame, IDS)
    np.testing.assert_array_equal(frame, before)
    assert result.shape == frame.shape and result.dtype == np.uint8
    np.testing.assert_array_equal(result[IDS == 0], frame[IDS == 0])
    # Object 1 is (230, 60, 60), object 3 (255, 200, 40); half of it and half of what was there, inside a one pixel outline.
    np.testing.assert_allclose(result[6:14, 11:29], (frame[6:14, 11:29] + np.array([230, 60, 60])) / 2, atol=0.5)
    np.testing.assert_allclose(result[21:34, 41:54], (frame[21:34, 41:54] + np.array([255, 200, 40])) / 2, atol=0.5)
    for edge in (result[5, 10:30], result[14, 10:30], result[5:15, 10], result[5:15, 29]):
        assert (edge == (230, 60, 60)).all()


@pytest.mark.parametrize("strength, inner", [(0.0, 100), (1.0, 230)])
def test_overlay_by_strength(strength, inner):
    assert (overlay(GRAY, IDS, strength)[6:14, 11:29, 0] == inner).all()


def test_overlay_of_no_object_is_the_frame():
    np.testing.assert_array_equal(overlay(GRAY, np.zeros((40, 60), np.uint8)), GRAY)


def test_the_border_of_the_picture_is_no_outline():
    ids = np.ones((40, 60), np.uint8)
    assert (overlay(GRAY, ids, 0.5) == overlay(GRAY, ids, 0.5)[20, 30]).all()


@pytest.mark.parametrize("size", [(40, 60), (700, 900)])  # outlines of one pixel and of two
@pytest.mark.parametrize("kind", ["blobs", "specks", "everything"])
def test_overlay_is_the_same_as_over_the_whole_picture(size, kind):
    """Worked out object by object on the whole picture, not in boxes: objects at the border, in pieces, thin, of any integer type."""
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    noise = rng.standard_normal(size)
    smooth = {"blobs": 6, "specks": 0.5, "everything": 30}[kind]
    ids = np.digitize(ndimage.gaussian_filter(noise, smooth, mode="wrap") * smooth, [-0.1, 0.1, 0.3]) * (3 if kind == "specks" else 1)
    expected = frame.astype(np.float32)
    for n in np.unique(ids[ids > 0]):
        on, color = ids == n, object_color(int(n)).astype(np.float32)
        expected[on] = 0.7 * expected[on] + 0.3 * color
        expected[on & ~ndimage.binary_erosion(on, iterations=max(1, round(min(size) / 300)), border_value=1)] = color
    before = frame.copy()
    for kind_of_number in (np.uint8, np.int64):
        np.testing.assert_array_equal(overlay(frame, ids.astype(kind_of_number), 0.3), expected.round().astype(np.uint8))
    np.testing.assert_array_equal(frame, before)


def test_skeleton_draws_joints_in_their_colours_and_white_lines():
    xy = np.array([[10.0, 10.0], [40.0, 10.0], [10.0, 30.0]])
    result = skeleton(GRAY, xy, [(0, 1)])
    for n, (x, y) in enumerate(xy.astype(int), start=1):
        np.testing.assert_array_equal(result[y, x], object_color(n))
    np.testing.assert_array_equal(result[10, 25], (255, 255, 255))
    np.testing.assert_array_equal(result[20, 10], (100, 100, 100))  # no edge between joints 1 and 3
    changed = (result != GRAY).any(-1)
    allowed = np.zeros_like(changed)
    for x, y in xy.astype(int):
        allowed[y - 4 : y + 5, x - 4 : x + 5] = True
    allowed[9:12, 10:41] = True
    assert not (changed & ~allowed).any(), "only dots and the line"


@pytest.mark.parametrize("lost", [(np.nan, np.nan), (np.nan, 10.0), (10.0, np.nan)])
def test_skeleton_leaves_out_lost_joints_and_their_lines(lost):
    xy = np.array([[10.0, 10.0], lost, [10.0, 30.0]])
    result = skeleton(GRAY, xy, [(0, 1), (1, 2)])
    # What remains is what the two other joints alone would be, in their own colours.
    alone = skeleton(GRAY, np.array([[10.0, 10.0], [np.nan, np.nan], [10.0, 30.0]]))
    np.testing.assert_array_equal(result, alone)
    np.testing.assert_array_equal(result[30, 10], object_color(3))
    assert (result != GRAY).any()


def test_skeleton_of_nothing_is_the_frame_and_outside_joints_do_no_harm():
    np.testing.assert_array_equal(skeleton(GRAY, np.full((2, 2), np.nan), [(0, 1)]), GRAY)
    np.testing.assert_array_equal(skeleton(GRAY, np.array([[-50.0, -50.0], [500.0, 500.0]])), GRAY)
    before = GRAY.copy()
    skeleton(GRAY, np.array([[5.0, 5.0]]))
    np.testing.assert_array_equal(GRAY, before)


def test_enlarge_repeats_pixels():
    result = enlarge(np.arange(12, dtype=np.uint8).reshape(2, 2, 3), 3)
    assert result.shape == (6, 6, 3)
    np.testing.assert_array_equal(result[2, 2], [0, 1, 2])
    np.testing.assert_array_equal(result[3, 2], [6, 7, 8])
    np.testing.assert_array_equal(result[2, 3], [3, 4, 5])


def test_side_by_side_puts_panels_in_a_row_on_white():
    panels = [np.full((20, w, 3), level, np.uint8) for w, level in ((30, 10), (40, 20), (10, 30))]
    sheet = side_by_side(panels, gap=6)
    assert sheet.shape == (20, 30 + 6 + 40 + 6 + 10, 3)
    assert (sheet[:, :30] == 10).all() and (sheet[:, 36:76] == 20).all() and (sheet[:, 82:] == 30).all()
    assert (sheet[:, 30:36] == 255).all() and (sheet[:, 76:82] == 255).all()


def test_side_by_side_writes_a_title_over_each_panel():
    panels = [np.full((20, 60, 3), level, np.uint8) for level in (10, 20)]
    sheet = side_by_side(panels, ["one", "two"], gap=4, bar=22)
    assert sheet.shape == (42, 124, 3)
    np.testing.assert_array_equal(sheet[22:], side_by_side(panels, gap=4))
    for left in (0, 64):
        assert (sheet[:22, left : left + 60] < 128).any(), "dark letters above the panel"
    with pytest.raises(ValueError):
        side_by_side(panels, ["one"])


def test_filmstrip_has_a_picture_in_every_cell_and_all_its_texts():
    from matplotlib.figure import Figure

    pictures = index_frames(6, 24, 32)
    figure = filmstrip([pictures[:3], pictures[3:]], ["first", "second"], ["0", "10", "20"], "heading")
    assert isinstance(figure, Figure)
    images = [axis.get_images() for axis in figure.axes]
    assert [len(found) for found in images] == [1] * 6
    for found, picture in zip(images, pictures, strict=True):
        np.testing.assert_array_equal(found[0].get_array(), picture)
    assert [axis.get_title() for axis in figure.axes] == ["0", "10", "20", "", "", ""]
    assert [axis.get_ylabel() for axis in figure.axes] == ["first", "", "", "second", "", ""]
    assert figure.get_suptitle() == "heading"


def test_filmstrip_refuses_a_row_without_title():
    with pytest.raises(ValueError):
        filmstrip([[GRAY], [GRAY]], ["only one"], ["0"])


def test_gray_has_no_chroma_and_keeps_the_lightness():
    frames = np.random.default_rng(0).integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
    gray = to_gray(frames)
    assert gray.shape == frames.shape and gray.dtype == np.uint8
    np.testing.assert_array_equal(gray[..., 0], gray[..., 1])
    np.testing.assert_array_equal(gray[..., 0], gray[..., 2])
    lightness, before = (frames_to_lab(f)[..., 0, :, :].numpy() for f in (gray, frames))
    assert np.abs(lightness - before).max() < 0.5  # a level of gray is 0.27 to 0.45 of L
    np.testing.assert_array_equal(to_gray(frames[0]), gray[0])


@pytest.mark.parametrize("rgb, gray", [((255, 0, 0), 127), ((0, 255, 0), 220), ((0, 0, 255), 76), ((80, 80, 80), 80)])
def test_gray_of_known_colours(rgb, gray):
    # L of the sRGB primaries is 53.24, 87.73 and 32.30; the grays of that L are 127, 220 and 76.
    assert to_gray(np.full((2, 2, 3), rgb, np.uint8))[0, 0].tolist() == [gray] * 3
