"""Overlays, skeletons and figures: which pixels they change, which they leave alone, and their sizes."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from tests.support.helpers import index_frames
from tinytrack.color import Palette, frames_to_lab
from tinytrack.draw.charts import j_against_frame, line_chart, loss_curve, score_bars
from tinytrack.draw.figures import attention_maps, embedding_pca, filmstrip, number_grid, palette_swatches, pointer_picture
from tinytrack.draw.pictures import (
    carried_picture,
    enlarge,
    magnified,
    overlay,
    principal_colors,
    side_by_side,
    skeleton,
    soft_picture,
    swatches,
    to_gray,
)
from tinytrack.draw.style import COLORS, OTHERS, color, label, object_color
from tinytrack.interactive.demo_pictures import aim, attention_picture, emergence_picture, palette_picture, score_picture, with_cursor
from tinytrack.label_maps import paint
from tinytrack.track import Carried

GRAY = np.full((40, 60, 3), 100, np.uint8)
IDS = np.zeros((40, 60), np.uint8)
IDS[5:15, 10:30] = 1
IDS[20:35, 40:55] = 3


def test_object_colours_are_distinct_and_repeat_after_the_last():
    assert len(np.unique(COLORS, axis=0)) == len(COLORS) == 24
    np.testing.assert_array_equal(object_color(1), COLORS[0])
    np.testing.assert_array_equal(object_color(24), COLORS[23])
    np.testing.assert_array_equal(object_color(25), COLORS[0])
    apart = np.linalg.norm(COLORS[:, None].astype(int) - COLORS[None], axis=-1) + 999 * np.eye(24)
    assert apart.min() > 40, "each colour can be told from all others"


def test_overlay_tints_objects_outlines_them_and_touches_nothing_else():
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    before = frame.copy()
    result = overlay(frame, IDS)
    np.testing.assert_array_equal(frame, before)
    assert result.shape == frame.shape
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result[IDS == 0], frame[IDS == 0])
    # Object 1 is (230, 60, 60) and object 3 is (255, 200, 40). Inside the one-pixel outline, the result is half colour and half frame.
    np.testing.assert_allclose(result[6:14, 11:29], (frame[6:14, 11:29] + np.array([230, 60, 60])) / 2, atol=0.5)
    np.testing.assert_allclose(result[21:34, 41:54], (frame[21:34, 41:54] + np.array([255, 200, 40])) / 2, atol=0.5)
    for edge in (result[5, 10:30], result[14, 10:30], result[5:15, 10], result[5:15, 29]):
        assert (edge == (230, 60, 60)).all()


@pytest.mark.parametrize("strength, inner", [(0.0, 100), (1.0, 230)])
def test_overlay_strength_sets_the_tint(strength, inner):
    assert (overlay(GRAY, IDS, strength)[6:14, 11:29, 0] == inner).all()


def test_overlay_without_objects_is_the_frame():
    np.testing.assert_array_equal(overlay(GRAY, np.zeros((40, 60), np.uint8)), GRAY)


def test_no_outline_is_drawn_along_the_border_of_the_picture():
    ids = np.ones((40, 60), np.uint8)
    assert (overlay(GRAY, ids, 0.5) == overlay(GRAY, ids, 0.5)[20, 30]).all()


@pytest.mark.parametrize("size", [(40, 60), (700, 900)])  # outlines one and two pixels wide
@pytest.mark.parametrize("kind", ["blobs", "specks", "everything"])
def test_overlay_equals_a_reference_computed_on_the_whole_picture(size, kind):
    """The reference tints one object after the other on the whole picture, while ``overlay`` works in bounding boxes.

    The objects touch the border, fall into several pieces or are thin, and their ids have two integer types.
    """
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
    assert not (changed & ~allowed).any(), "only the dots and the line change"


@pytest.mark.parametrize("lost", [(np.nan, np.nan), (np.nan, 10.0), (10.0, np.nan)])
def test_skeleton_leaves_out_lost_joints_and_their_lines(lost):
    xy = np.array([[10.0, 10.0], lost, [10.0, 30.0]])
    result = skeleton(GRAY, xy, [(0, 1), (1, 2)])
    # The result is the same as drawing the two other joints alone, in their own colours.
    alone = skeleton(GRAY, np.array([[10.0, 10.0], [np.nan, np.nan], [10.0, 30.0]]))
    np.testing.assert_array_equal(result, alone)
    np.testing.assert_array_equal(result[30, 10], object_color(3))
    assert (result != GRAY).any()


def test_skeleton_without_joints_is_the_frame_and_joints_outside_are_harmless():
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
    assert (sheet[:, :30] == 10).all()
    assert (sheet[:, 36:76] == 20).all()
    assert (sheet[:, 82:] == 30).all()
    assert (sheet[:, 30:36] == 255).all()
    assert (sheet[:, 76:82] == 255).all()


def test_side_by_side_writes_a_title_over_each_panel():
    panels = [np.full((20, 60, 3), level, np.uint8) for level in (10, 20)]
    sheet = side_by_side(panels, ["one", "two"], gap=4, bar=22)
    assert sheet.shape == (42, 124, 3)
    np.testing.assert_array_equal(sheet[22:], side_by_side(panels, gap=4))
    for left in (0, 64):
        assert (sheet[:22, left : left + 60] < 128).any(), "dark letters above the panel"
    with pytest.raises(ValueError):
        side_by_side(panels, ["one"])


def test_filmstrip_has_a_picture_in_every_cell_and_shows_all_its_texts():
    from matplotlib.figure import Figure

    pictures = index_frames(6, 24, 32)
    figure = filmstrip([pictures[:3], pictures[3:]], ["first", "second"], ["0", "10", "20"], heading="heading")
    assert isinstance(figure, Figure)
    images = [axis.get_images() for axis in figure.axes]
    assert [len(found) for found in images] == [1] * 6
    for found, picture in zip(images, pictures, strict=True):
        np.testing.assert_array_equal(found[0].get_array(), picture)
    assert [axis.get_title() for axis in figure.axes] == ["0", "10", "20", "", "", ""]
    assert [axis.get_ylabel() for axis in figure.axes] == ["first", "", "", "second", "", ""]
    assert figure.get_suptitle() == "heading"


def test_filmstrip_refuses_a_row_without_a_title():
    with pytest.raises(ValueError):
        filmstrip([[GRAY], [GRAY]], ["only one"], ["0"])


def test_gray_has_no_chroma_and_keeps_the_lightness():
    frames = np.random.default_rng(0).integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
    gray = to_gray(frames)
    assert gray.shape == frames.shape
    assert gray.dtype == np.uint8
    np.testing.assert_array_equal(gray[..., 0], gray[..., 1])
    np.testing.assert_array_equal(gray[..., 0], gray[..., 2])
    lightness, before = (frames_to_lab(f)[..., 0, :, :].numpy() for f in (gray, frames))
    assert np.abs(lightness - before).max() < 0.5  # one gray level is 0.27 to 0.45 of L
    np.testing.assert_array_equal(to_gray(frames[0]), gray[0])


@pytest.mark.parametrize("rgb, gray", [((255, 0, 0), 127), ((0, 255, 0), 220), ((0, 0, 255), 76), ((80, 80, 80), 80)])
def test_gray_of_known_colours(rgb, gray):
    # L of the sRGB primaries is 53.24, 87.73 and 32.30. The grays with these L are 127, 220 and 76.
    assert to_gray(np.full((2, 2, 3), rgb, np.uint8))[0, 0].tolist() == [gray] * 3


def test_a_filmstrip_accepts_pictures_of_different_sizes():
    rows = [[np.full((20, 30, 3), 10 * c, np.uint8) for c in range(3)], [np.full((9, 30, 3), 5, np.uint8)] * 3]
    figure = filmstrip(rows, ["one", "two"], ["a", "b", "c"], [["x", "", "z"], ["", "", ""]], "Heading")
    axes = figure.axes
    assert [a.get_title() for a in axes] == ["a", "b", "c", "", "", ""]
    assert [a.get_ylabel() for a in axes] == ["one", "", "", "two", "", ""]
    assert [[t.get_text() for t in a.texts] for a in axes] == [["x"], [], ["z"], [], [], []]
    np.testing.assert_array_equal(axes[2].images[0].get_array(), rows[0][2])


def test_attention_maps_mark_the_target_and_print_the_share_of_the_attention():
    heat = np.zeros((2, 3, 4, 5))
    heat[0, 0, 1, 2], heat[0, 2, 3, 3], heat[1, 1, 0, 0] = 0.5, 0.25, 1.0
    gray = [np.full((40, 50, 3), 90, np.uint8)] * 3
    points, boxes = np.array([[12, 30], [45, 5]]), np.full((2, 3, 4), np.nan)
    boxes[1, 1] = [10, 5, 60, 70]
    figure = attention_maps(gray[0], points, ["p", "q"], gray, heat, ["target", "a", "b", "c"], "Where?", boxes)
    axes = np.array(figure.axes).reshape(2, 4)
    assert [a.get_title() for a in axes[0]] == ["target", "a", "b", "c"]
    for row, point in zip(axes, points, strict=True):
        assert all(line.get_xydata().tolist() == [point.tolist()] for line in row[0].lines)
    assert [a.get_xlabel() for a in axes[0, 1:]] == [f"{v} % of the attention" for v in (50, 0, 25)]
    image = axes[0, 1].images[1]
    shown = np.asarray(image.get_array())
    assert np.unravel_index(shown.argmax(), shown.shape) == (1, 2)
    assert shown.max() == 1
    assert np.asarray(axes[0, 3].images[1].get_array()).max() == pytest.approx(np.sqrt(0.5))  # all maps of a row share one scale
    assert image.get_extent() == [-0.5, 49.5, 39.5, -0.5]  # the heat map covers the picture, with row 0 at the top
    assert axes[1, 2].lines[0].get_xydata()[:, 0].max() == 60
    assert axes[1, 2].get_xlim() == (-0.5, 49.5)
    assert np.isnan(axes[1, 1].lines[0].get_xydata()).all()


def alt_and_picture(figure):
    """The media type and the decoded picture that Jupyter receives."""
    data, metadata = figure._repr_mimebundle_()
    (kind,) = [k for k in data if k.startswith("image/")]
    assert metadata == {kind: {"alt": figure.alt}}
    assert data["text/plain"] == figure.alt
    return kind, np.array(Image.open(io.BytesIO(base64.b64decode(data[kind]))).convert("RGB"))


def test_a_chart_renders_on_white_and_has_a_text_description():
    curves = {"tiny-gray": ([0, 10, 100], [0, 20, 60]), "mine": ([0, 100], [5, 5])}
    figure = line_chart(curves, "step", "J (%)", "Rise", True, {"identity": 30})
    kind, picture = alt_and_picture(figure)
    assert kind == "image/png"
    assert 500 < picture.shape[1] < 1000
    assert (picture[0] == 255).all()
    assert (picture[:, 0] == 255).all()
    for part in ("Rise", "tiny-gray (this project) from 0 at 0 to 60 at 100", "mine from 5 at 0 to 5 at 100", "held still at 30"):
        assert part in figure.alt
    axis = figure.axes[0]
    assert [t.get_text() for t in axis.get_legend().get_texts()] == [label("tiny-gray"), "mine", label("identity")]
    assert axis.lines[0].get_color() == color("tiny-gray")
    assert axis.lines[1].get_color() in OTHERS
    assert [t.get_text() for t in axis.get_xticklabels()] == ["0", "1", "10", "100"]


def test_a_chart_can_have_points_without_a_line_and_a_band():
    curves = {"tracked": (range(61), [3000.0] * 61), "known": ([0, 60], [1234, 2000])}
    figure = line_chart(curves, "frame", "area", points=["known"], spans={"hidden": (8, 26)})
    axis = figure.axes[0]
    assert [line.get_linestyle() for line in axis.lines] == ["-", "None"]
    assert [line.get_marker() for line in axis.lines] == ["", "s"]
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["tracked", "known", "hidden"]
    assert "known from 1,234 at 0 to 2,000 at 60; hidden from 8 to 26" in figure.alt


def test_photographs_are_sent_as_jpeg():
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    kind, picture = alt_and_picture(filmstrip([[noise, noise]], ["noise"], ["a", "b"]))
    assert kind == "image/jpeg"
    assert picture.shape[1] > 800


def test_a_soft_map_runs_from_dark_blue_to_yellow():
    picture = soft_picture(torch.tensor([[0.0, 0.5], [1.0, 7.0]]))
    np.testing.assert_array_equal(picture, [[[24, 28, 60], [140, 116, 55]], [[255, 205, 50], [255, 205, 50]]])


def test_the_alt_text_of_a_filmstrip_leaves_out_what_is_empty():
    assert filmstrip([[GRAY, GRAY]], [""], heading="Two pictures").alt == "Two pictures. 2 columns."
    assert filmstrip([[GRAY]], ["one"], notes=[["a note"]]).alt == "Pictures. Rows: one. one: a note."


def test_a_chart_can_have_named_ticks():
    figure = line_chart({"mine": ([9, 36], [60, 80])}, "grid", "J (%)", x_ticks={9: "9x11", 36: "36x44"})
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["9x11", "36x44"]
    assert figure.axes[0].get_xticks().tolist() == [9, 36]


def test_no_number_of_score_bars_lies_on_the_level():
    scores = {"far below": {"J": 0.4}, "below": {"J": 0.68}, "at": {"J": 0.73}, "above": {"J": 0.75}}
    (axis,) = score_bars(scores, level=0.73).axes
    assert [text.get_position()[0] for text in axis.texts] == [41.5, 75, 75, 76.5]


def test_score_bars_can_mark_methods_and_show_a_level_and_decimals():
    figure = score_bars({"mine": {"J": 0.704}, "theirs": {"J": 0.6}}, "Bars", level=0.65, marked=["mine"], digits=1)
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.texts] == ["70.4", "60.0"]
    assert [line.get_xdata()[0] for line in axis.lines] == [65.0]
    orange, usual = (bar.get_facecolor() for bar in axis.patches)
    assert orange != usual
    assert score_bars({"mine": {"J": 0.704}}).axes[0].patches[0].get_facecolor() == usual
    assert "mine J 70.4, theirs J 60.0" not in figure.alt  # one entry per method
    assert "mine J 70.4; theirs J 60.0" in figure.alt


def test_number_grids_show_class_numbers_in_the_colours_of_their_classes():
    classes = np.array([[0.0, 1.0], [1.0, np.nan]])
    colors = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)
    figure = number_grid([classes, classes], ["classes", "numbers"], colors=[colors], marked=[(0, 1, 0)])
    shown = np.asarray(figure.axes[0].collections[0].get_array()).reshape(4, 3)
    assert shown.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1], [1, 1, 1]]  # the last cell has no class
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "1", "1"]
    assert [text.get_text() for text in figure.axes[1].texts] == ["0.00", "1.00", "1.00"]
    (frame,) = figure.axes[0].patches
    assert (round(frame.get_x()), round(frame.get_y())) == (0, 1)


def test_number_grids_print_every_number_in_a_readable_colour():
    matrix = torch.tensor([[0.0, 0.25], [float("nan"), 1.0]])
    figure = number_grid([matrix, matrix + 1], ["one", "two"], "Grids", digits=1)
    left, right = figure.axes
    assert [t.get_text() for t in left.texts] == ["0.0", "0.2", "1.0"]
    assert [t.get_text() for t in right.texts] == ["1.0", "1.2", "2.0"]
    assert left.texts[0].get_color() == "black"
    assert right.texts[-1].get_color() == "white"
    assert left.yaxis_inverted()
    assert left.get_title() == "one"
    assert "0.0 to 2.0" in figure.alt


def test_palette_swatches_are_as_tall_as_their_share():
    ab = torch.zeros(2, 4, 5)
    ab[0, :, 0], ab[1, 0, 1:] = 40.0, -30.0
    palette = Palette.fit(ab, 3)
    figure = palette_swatches(palette, ab, "Three")
    bars = figure.axes[1].patches
    np.testing.assert_allclose(sorted(b.get_height() for b in bars), [100 * n / 20 for n in (4, 4, 12)])
    biggest = max(bars, key=lambda b: b.get_height())
    np.testing.assert_allclose(np.ptp(biggest.get_facecolor()[:3]), 0, atol=0.01)  # gray, the colour of a = b = 0
    assert "60%" in figure.alt


def test_pointer_pictures_draw_lines_to_the_strongest_attention():
    attention = np.zeros((2, 2, 4, 5))
    attention[0, 1, 3, 4], attention[0, 0, 0, 0], attention[1, 0, 2, 1] = 0.9, 0.1, 1.0
    frames = [np.full((40, 50, 3), 90, np.uint8)] * 3
    figure = pointer_picture(frames[0], np.array([[10, 10], [30, 20]]), frames[1:], attention, ["t", "a", "b"], "Where?", strongest=1)
    ends = [(line.axesB, tuple(line.xy2), tuple(line.xy1)) for line in figure.artists]
    target, first, second = figure.axes
    assert ends == [(second, (44.5, 34.5), (10, 10)), (first, (14.5, 24.5), (30, 20))]
    assert [a.get_title() for a in figure.axes] == ["t", "a", "b"]
    assert "point 1: 90 %, point 2: 100 %" in figure.alt


def test_loss_curves_average_stretches_and_scores_are_in_percent():
    figure = loss_curve({"mine": np.arange(100.0)}, levels={"even guess": 2.77})
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xydata()[0], [1, 0.5])
    assert len(figure.axes[0].lines[0].get_xdata()) == 50
    assert figure.axes[0].get_ylabel() == "colour loss (nats per pixel)"
    figure = j_against_frame({"flow": {1: 0.5, 9: 0.25}})
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xydata(), [[1, 50], [9, 25]])
    figure = score_bars({"identity": {"J": 0.3, "F": 0.2}, "mine": {"J": 0.7, "F": 0.6}}, "Scores")
    assert [[round(p.get_width()) for p in a.patches] for a in figure.axes] == [[30, 70], [20, 60]]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [label("identity"), "mine"]
    assert "mine J 70, F 60" in figure.alt


def test_embeddings_appear_below_their_frames():
    f = torch.randn(4, 8, 6, 8, generator=torch.manual_seed(0))
    frames = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3), dtype=np.uint8)
    figure = embedding_pca(frames, {"random": f, "tiny-gray": f * 2}, [0, 3], "What?")
    shown = [np.asarray(a.images[0].get_array()) for a in figure.axes]
    np.testing.assert_array_equal(shown[1], to_gray(frames[3]))
    np.testing.assert_array_equal(shown[2], principal_colors(f, [0, 3])[0])
    assert figure.axes[2].get_ylabel() == "random network"
    assert figure.axes[1].get_title() == "frame 3"


# ---- the pictures of the widgets


def colored(height=12, width=16):
    """A frame of coloured noise."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def hue_of(picture, code):
    """Boolean (H, W): where the picture has approximately the colour #rrggbb."""
    rgb = [int(code[n : n + 2], 16) for n in (1, 3, 5)]
    return (np.abs(picture.astype(int) - rgb) < 24).all(-1)


@pytest.mark.parametrize("width, factor", [(16, 1), (48, 3), (55, 3), (57, 4), (1, 1), (7, 1)])
def test_magnified_enlarges_by_a_whole_factor_close_to_the_width(width, factor):
    frame = colored()
    large, k = magnified(frame, width)
    assert k == factor
    np.testing.assert_array_equal(large, enlarge(frame, factor))


def test_a_frame_wider_than_requested_keeps_its_size():
    frame = colored(20, 500)
    large, k = magnified(frame, 100)
    assert k == 1
    assert np.array_equal(large, frame)


def two_colours():
    """A frame that is one quarter red, and a palette of its two colours plus one colour that does not occur in it."""
    frame = np.full((8, 16, 3), (110, 105, 140), np.uint8)
    frame[:, :4] = (150, 110, 105)
    ab = [frames_to_lab(frame)[1:, 0, x] for x in (0, 15)]
    return frame, Palette(torch.stack([ab[0], torch.tensor([-60.0, 60.0]), ab[1]]))


def test_a_palette_picture_shows_the_frame_its_quantized_copy_and_the_colours_alone():
    frame, palette = two_colours()
    picture = palette_picture(frame, palette, 48)
    wide = 3 * 48 + 2 * 6
    assert picture.shape == (22 + 24 + 6 + 28, wide, 3)
    assert picture.dtype == np.uint8
    panels = [picture[22:46, left : left + 48] for left in (0, 54, 108)]
    np.testing.assert_array_equal(panels[0], enlarge(frame, 3))
    assert np.abs(panels[1].astype(int) - enlarge(frame, 3)).max() <= 2  # the palette holds exactly the frame's colours
    alone = frames_to_lab(panels[2])
    assert (alone[0] - 65).abs().max() < 2, "the lightness is the same everywhere"
    assert np.array_equal(panels[2][:, 0], panels[2][:, 11]), "the lightness is the same everywhere"
    assert (panels[2][0, 0] != panels[2][0, 47]).any()
    assert all((picture[:22, left : left + 48] < 128).any() for left in (0, 54, 108)), "each panel has a title"


def test_a_palette_picture_has_one_swatch_per_colour_as_wide_as_its_share():
    frame, palette = two_colours()
    picture = palette_picture(frame, palette, 48)
    strip, wide = picture[-28:], picture.shape[1]
    assert (picture[-34:-28] == 255).all()
    assert (strip == strip[:1]).all()
    red, _, blue = swatches(palette, 65.0, 1)[0]
    np.testing.assert_array_equal(strip[0, : wide // 4], np.tile(red, (wide // 4, 1)))
    np.testing.assert_array_equal(strip[0, wide // 4 :], np.tile(blue, (wide - wide // 4, 1)))


def test_a_colour_missing_from_the_palette_becomes_the_nearest_one():
    frame, palette = two_colours()
    picture = palette_picture(frame, Palette(palette.centers[2:]), 16)
    lab = frames_to_lab(picture[22:30, 22:38])
    np.testing.assert_allclose(lab[0], frames_to_lab(frame)[0], atol=2)  # the lightness stays the frame's own
    np.testing.assert_array_equal(picture[-1], np.tile(picture[-1, 0], (picture.shape[1], 1)))


@pytest.mark.parametrize("xy", [(5, 3), (11.4, 7.8), (0, 0)])
def test_a_ring_is_drawn_around_the_selected_pixel(xy):
    frame = np.full((12, 16, 3), 90, np.uint8)
    before = frame.copy()
    picture = aim(frame, xy, 160)
    np.testing.assert_array_equal(frame, before)
    assert picture.shape == (120, 160, 3)
    x, y = 10 * (np.array(xy) + 0.5) - 0.5
    rows, columns = np.mgrid[:120, :160]
    distance = np.hypot(columns - x, rows - y)
    changed = (picture != 90).any(-1)
    assert not changed[(distance > 10) | (distance < 2)].any()
    assert hue_of(picture, "#D55E00")[(distance > 5) & (distance < 7)].mean() > 0.7
    assert changed[(distance > 4) & (distance < 7)].all()


def off_ring(shape, cell, size):
    """Boolean: pixels of a picture that are not on the ring around a cell (row, column) of ``size`` (rows, columns) pixels."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    y, x = (np.array(cell) + 0.5) * size - 0.5
    return np.abs(np.hypot(rows - y, columns - x) - max(size) - 4) > 1.5


def test_high_attention_is_bright_and_the_rest_is_dim():
    frame = colored()
    heat = np.zeros((3, 4))  # cells of 4 x 4 pixels
    heat[0, 0], heat[1, 2] = 0.8, 0.2
    before = heat.copy()
    picture = attention_picture(frame, heat, 0.8, width=32)
    gray = enlarge(to_gray(frame), 2).astype(float)
    dim = 0.75 * gray + 0.25 * np.array([24, 28, 60])
    full = 0.05 * gray + 0.95 * np.array([255, 205, 50])
    half = 0.4 * gray + 0.6 * (np.array([24, 28, 60]) + np.array([255, 205, 50])) / 2  # square-root scale: a quarter is half as bright
    expected = dim.copy()
    expected[:8, :8], expected[8:16, 16:24] = full[:8, :8], half[8:16, 16:24]
    seen = off_ring(picture.shape, (0, 0), (8, 8))
    assert picture.shape == (24, 32, 3)
    assert np.abs(picture - expected)[seen].max() <= 0.51
    np.testing.assert_array_equal(heat, before)
    np.testing.assert_array_equal(attention_picture(frame, torch.tensor(heat), 0.8, width=32), picture)


def test_attention_to_several_references_shares_one_scale():
    frame, heat = colored(), np.zeros((3, 4))
    heat[1, 1] = 0.2
    alone, beside = attention_picture(frame, heat, 0.2, width=16), attention_picture(frame, heat, 0.8, width=16)
    assert np.abs(alone[4:8, 4:8].astype(int) - beside[4:8, 4:8]).mean() > 20
    assert np.array_equal(np.delete(alone, range(4, 8), axis=0), np.delete(beside, range(4, 8), axis=0))


@pytest.mark.parametrize("share, ringed", [(1.0, True), (0.26, True), (0.24, False), (0.0, False)])
def test_a_ring_marks_the_strongest_cell_only_if_it_is_strong(share, ringed):
    frame, heat = np.full((40, 60, 3), 90, np.uint8), np.zeros((4, 6))
    heat[1, 2], heat[3, 5] = 0.5 * share, 0.1 * share
    picture = attention_picture(frame, heat, 0.5, width=120)
    white = (picture == 255).all(-1)
    assert not white[off_ring(picture.shape, (1, 2), (20, 20))].any()
    assert white.sum() > 2 * np.pi * 20 if ringed else not white.any()


def test_zero_attention_has_no_ring():
    frame, heat = np.full((12, 16, 3), 90, np.uint8), np.zeros((3, 4))
    pictures = [attention_picture(frame, heat, peak) for peak in (0.0, 1.0)]
    assert not (pictures[0] == 255).all(-1).any()
    assert np.array_equal(*pictures)


def test_the_attention_grid_need_not_divide_the_frame():
    heat = np.zeros((3, 4))
    heat[2, 3] = 1
    picture = attention_picture(np.full((13, 18, 3), 90, np.uint8), heat, 1.0, width=18)
    seen = off_ring(picture.shape, (2, 3), (13 / 3, 18 / 4))
    bright = (picture[..., 0] > 200) & seen
    assert picture.shape == (13, 18, 3)
    assert bright[-1, -1]
    assert (np.argwhere(bright).min(0) >= (13 * 2 // 3, 18 * 3 // 4)).all()
    assert bright.sum() >= 16


def test_the_window_is_drawn_as_a_dashed_box():
    frame, heat = np.full((40, 60, 3), 90, np.uint8), np.zeros((10, 15))
    plain, boxed = attention_picture(frame, heat, 1.0, width=120), attention_picture(frame, heat, 1.0, (10, 5, 40, 30), width=120)
    changed = (plain != boxed).any(-1)
    assert (boxed[changed] == 255).all()
    sides = {"top": changed[9:12, 18:84], "bottom": changed[59:62, 18:84], "left": changed[8:64, 19:22], "right": changed[8:64, 79:82]}
    for name, side in sides.items():
        along = side.any(0 if name in ("top", "bottom") else 1)
        assert 0.3 < along.mean() < 0.9, f"{name}: {along.mean()}"
    inner = np.ones_like(changed)
    inner[8:64, 18:84] = False
    inner[13:58, 23:78] = True
    assert not changed[inner].any()


def test_a_window_that_reaches_beyond_the_frame_is_harmless():
    frame, heat = np.full((12, 16, 3), 90, np.uint8), np.zeros((3, 4))
    assert attention_picture(frame, heat, 1.0, (-20.5, -3, 8, 50), width=32).shape == (24, 32, 3)


IDS_SMALL = np.zeros((12, 16), np.uint8)
IDS_SMALL[2:8, 3:9] = 1
IDS_SMALL[6:11, 10:15] = 2
XY_SMALL = np.array([[4.0, 3.0], [12.0, 8.5], [np.nan, np.nan]])


def test_carried_picture_tints_masks_and_marks_joints_on_the_enlarged_frame():
    frame = colored()
    masks = carried_picture(frame, Carried(ids=IDS_SMALL), strength=0.3, width=80)
    np.testing.assert_array_equal(masks, overlay(enlarge(frame, 5), IDS_SMALL.repeat(5, 0).repeat(5, 1), 0.3))
    plain = np.full((12, 16, 3), 90, np.uint8)
    joints = carried_picture(plain, Carried(xy=XY_SMALL), [(0, 1), (1, 2)], width=320)
    for n, (x, y) in enumerate(XY_SMALL[:2], start=1):
        np.testing.assert_array_equal(joints[round(20 * (y + 0.5) - 0.5), round(20 * (x + 0.5) - 0.5)], object_color(n))
    middle = (20 * (XY_SMALL[:2].mean(0) + 0.5) - 0.5).round().astype(int)
    assert (joints[middle[1] - 2 : middle[1] + 3, middle[0]] == 255).any(), "the line between the joints is white"
    both = carried_picture(plain, Carried(ids=IDS_SMALL, xy=XY_SMALL), width=320)
    tinted, marked = carried_picture(plain, Carried(ids=IDS_SMALL), width=320), carried_picture(plain, Carried(xy=XY_SMALL), width=320)
    dots = (marked != 90).any(-1)
    np.testing.assert_array_equal(both, np.where(dots[..., None], marked, tinted))


def test_carried_picture_enlarges_keypoints_on_request():
    plain = np.zeros((24, 32, 3), np.uint8)
    usual, large = (carried_picture(plain, Carried(xy=XY_SMALL), width=320, marks=marks) for marks in (1.0, 2.0))
    assert 2 * (usual > 0).any(-1).sum() < (large > 0).any(-1).sum()


def test_carried_picture_paints_colours_and_is_gray_at_strength_0():
    frame, ab = colored(), torch.tensor([30.0, -40.0])[:, None, None].expand(2, 3, 4)
    np.testing.assert_array_equal(carried_picture(frame, Carried(ab=ab), width=48), enlarge(paint(frame, ab), 3))
    np.testing.assert_array_equal(carried_picture(frame, Carried(ab=ab), strength=0, width=48), enlarge(to_gray(frame), 3))
    all_of_it = Carried(IDS_SMALL, XY_SMALL, np.ones(3), ab)
    np.testing.assert_array_equal(carried_picture(frame, all_of_it, strength=0, width=48), enlarge(to_gray(frame), 3))


def test_carried_picture_is_the_frame_at_strength_0_or_without_results():
    frame = colored()
    before = frame.copy()
    for carried, strength in ((Carried(), 0.5), (Carried(IDS_SMALL, XY_SMALL), 0.0), (Carried(np.zeros_like(IDS_SMALL)), 0.5)):
        np.testing.assert_array_equal(carried_picture(frame, carried, [(0, 1)], strength, 48), enlarge(frame, 3))
    carried_picture(frame, Carried(IDS_SMALL, XY_SMALL), width=16)
    np.testing.assert_array_equal(frame, before)


@pytest.mark.parametrize("size", [(820, 150), (500, 200)])
def test_scores_are_drawn_above_their_frames(size):
    """``score_picture`` returns the two ends of the axis, which locate the cursor of frame t."""
    frames, t = 41, 36
    picture, (left, right) = score_picture({"flow": {t: 0.5}}, frames, size=size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert (picture[0] == 255).all()
    assert 0 < left < 0.2 * size[0]
    assert 0.9 * size[0] < right <= size[0]
    dots = np.argwhere(hue_of(picture, color("flow")))
    dots = dots[dots[:, 1] > size[0] / 2]  # the legend is on the left
    assert len(dots)
    assert abs(dots[:, 1].mean() - (left + (right - left) * t / (frames - 1))) < 1.5
    high, _ = score_picture({"flow": {t: 0.9}}, frames, size=size)
    higher = np.argwhere(hue_of(high, color("flow")))
    assert higher[higher[:, 1] > size[0] / 2][:, 0].mean() < dots[:, 0].mean() - 0.2 * size[1], "a higher score is drawn higher"


def test_each_method_has_its_own_colour_in_the_score_picture():
    curves = {"flow": {1: 0.2, 9: 0.3}, "mine": {1: 0.8, 9: 0.9}, "yours": dict.fromkeys(range(1, 10), 0.5)}
    picture, _ = score_picture(curves, 10)
    for name in (color("flow"), *OTHERS[:2]):
        assert hue_of(picture, name).sum() > 50
    assert score_picture({"flow": {0: 1.0}}, 1)[0].shape == (150, 820, 3), "a video with one frame also works"


@pytest.mark.parametrize("x, left", [(20, 19), (20.4, 19), (0, 0), (-50, 0), (59, 58), (1e4, 58)])
def test_a_cursor_is_a_vertical_line_that_stays_inside_the_picture(x, left):
    picture = GRAY.copy()
    result = with_cursor(picture, x)
    changed = (result != GRAY).any(-1)
    assert changed.all(0).nonzero()[0].tolist() == [left, left + 1]
    assert changed.sum() == 2 * 40
    np.testing.assert_array_equal(result[0, left], (213, 94, 0))
    np.testing.assert_array_equal(picture, GRAY)


def test_the_loss_curve_of_a_running_training_grows_to_the_right():
    size = (300, 200)
    losses = np.linspace(2.5, 1.5, 200)
    reach = []
    for count in (0, 1, 50, 200):
        picture = emergence_picture(losses[:count], size=size)
        assert picture.shape == (200, 300, 3)
        assert picture.dtype == np.uint8
        assert (picture[0] == 255).all()
        reach.append(hue_of(picture, "#D55E00").sum())
    assert reach[0] == 0
    assert reach[2] > 100
    assert reach[3] > 100
    rows, columns = np.nonzero(hue_of(picture, "#D55E00"))
    assert rows[columns > 250].mean() > rows[columns < 100].mean() + 10, "a falling loss is drawn as a falling curve"


def test_a_training_picture_shows_checkpoints_and_the_loss_of_uniform_attention():
    losses = [2.0] * 30
    plain = emergence_picture(losses, size=(300, 200))
    marked = emergence_picture(losses, marks=[1, 3, 10], size=(300, 200))
    changed = np.argwhere((plain != marked).any(-1))
    assert 3 <= len(np.unique(changed[:, 1])) <= 12, "three ticks at the bottom"
    assert np.ptp(changed[:, 0]) < 15, "three ticks at the bottom"
    level, empty = (emergence_picture(values, size=(300, 200), level=2.77) for values in (losses, []))
    blue = [p[..., 2].astype(int) - p[..., 0] > 60 for p in (plain, level, empty)]  # thin lines are pale
    assert not blue[0].any()
    assert blue[1].any(0).sum() > 150
    assert blue[2].any(0).sum() > 150
    assert np.nonzero(blue[1])[0].max() < np.nonzero(hue_of(level, "#D55E00"))[0].min(), "the line is above the losses, which are smaller"


def blue_rows(picture):
    """Rows of the picture that contain the dashed line of uniform attention."""
    return np.nonzero((picture[..., 2].astype(int) - picture[..., 0] > 60).sum(1) > 60)[0]


@pytest.mark.parametrize("level", [0.5, 2.77, 6.0])
@pytest.mark.parametrize("losses", [[], [2.0], [0.01] * 30, [2.0] * 30], ids=["no step", "one step", "small losses", "losses"])
def test_the_loss_of_uniform_attention_is_always_visible(losses, level):
    rows = blue_rows(emergence_picture(losses, size=(300, 200), level=level))
    assert len(rows)
    assert np.ptp(rows) < 4
    dots = np.nonzero(hue_of(emergence_picture(losses, size=(300, 200), level=level), "#D55E00"))[0]
    if len(losses) > 1:
        assert (dots.mean() > rows.mean()) == (losses[-1] < level), "smaller losses are drawn below the line"


def test_a_huge_first_loss_does_not_flatten_the_curve():
    calm, wild = ([first] * 5 + [2.0] * 250 for first in (2.0, 500.0))
    where = [np.nonzero(hue_of(emergence_picture(losses, size=(300, 200)), "#D55E00")[:, 150:])[0].mean() for losses in (calm, wild)]
    assert where[0] == pytest.approx(where[1], abs=1)


def test_swatches_show_every_center():
    palette = Palette(torch.tensor([[0.0, 0], [60, 40]]))
    picture = swatches(palette, size=4)
    assert picture.shape == (4, 8, 3)
    assert picture.dtype == np.uint8
    assert np.ptp(picture[0, 0]) <= 1  # gray
    assert picture[0, 7, 0] > picture[0, 7, 2] + 50  # red
