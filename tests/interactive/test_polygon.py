"""The polygon tool without a browser: which pixels it fills, its messages, its button, and how it is undone."""

from fractions import Fraction

import numpy as np
import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.datasets.synth import moving_shapes
from tinytrack.errors import MaskError
from tinytrack.interactive.canvas import Canvas
from tinytrack.interactive.marks import fill
from tinytrack.interactive.studio import studio

H, W = 48, 64
SCENE = moving_shapes(1, frames=3, height=H, width=W).frames
BLANK = np.zeros((H, W), np.uint8)
SQUARE = [(10, 5), (20, 5), (20, 15), (10, 15)]


def slow_fill(corners) -> np.ndarray:
    """Which pixels are inside, in exact arithmetic: a ray to the left crosses the edges an odd number of times."""
    corners = [tuple(map(Fraction, corner)) for corner in corners]
    inside = np.zeros((H, W), bool)
    for y in range(H):
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            if (y0 <= y) != (y1 <= y):
                crossing = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
                inside[y] ^= [crossing <= x for x in range(W)]
    return inside


# ---- the pixels


def test_a_rectangle_between_pixel_centres_is_filled_exactly():
    ids = fill(BLANK, [(9.5, 4.5), (20.5, 4.5), (20.5, 15.5), (9.5, 15.5)], 3)
    expected = BLANK.copy()
    expected[5:16, 10:21] = 3
    np.testing.assert_array_equal(ids, expected)
    assert ids.dtype == np.uint8
    assert not BLANK.any(), "a copy is changed"


@pytest.mark.parametrize("seed", range(12))
def test_any_polygon_is_filled_by_the_even_odd_rule(seed):
    """Also polygons that cross themselves, and those that reach over the rim of the frame."""
    generator = np.random.default_rng(seed)
    corners = generator.uniform((-20, -20), (W + 20, H + 20), (3 + seed % 6, 2))
    corners = corners.round() if seed % 2 else corners  # corners on the centres of pixels are the difficult ones
    expected = slow_fill(corners.tolist())
    assert 50 < expected.sum() < H * W
    np.testing.assert_array_equal(fill(BLANK, corners, 2) == 2, expected)


@pytest.mark.parametrize("turn", range(4))
def test_neither_the_first_corner_nor_the_direction_matters(turn):
    corners = np.roll([(5.3, 4), (50, 9.7), (33, 40)], turn, axis=0)
    np.testing.assert_array_equal(fill(BLANK, corners, 1), fill(BLANK, corners[::-1], 1))
    np.testing.assert_array_equal(fill(BLANK, corners, 1), fill(BLANK, [(5.3, 4), (50, 9.7), (33, 40)], 1))


def test_what_is_outside_keeps_its_object_and_zero_erases():
    ids = np.full((H, W), 2, np.uint8)
    filled = fill(ids, SQUARE, 0)
    assert filled[10, 15] == 0
    assert filled[30, 40] == 2
    assert (filled == 0).sum() == 100


BAD = {
    "two corners": ([(1, 1), (20, 20)], "at least three corners"),
    "nothing": ([], "at least three corners"),
    "not finite": ([(1, 1), (20, np.nan), (3, 9)], "at least three corners"),
    "a line": ([(1, 1), (20, 20), (40, 40)], "at least one pixel"),
    "between the pixels": ([(1.2, 1.2), (1.8, 1.2), (1.5, 1.8)], "at least one pixel"),
    "outside the frame": ([(-9, -9), (-2, -9), (-5, -1)], "at least one pixel"),
}


@pytest.mark.parametrize("corners, words", BAD.values(), ids=BAD)
def test_a_polygon_without_an_area_is_refused(corners, words):
    with pytest.raises(MaskError) as error:
        fill(BLANK, np.array(corners, float).reshape(-1, 2), 1)
    assert_one_sentence(error, words)


# ---- the message


def test_a_polygon_arrives_as_an_array_of_corners():
    stage, sent, heard = Canvas(), [], []
    stage.send = sent.append
    stage.on_polygon(heard.append)
    stage.hear({"kind": "polygon", "points": [[1, 2], [3.5, -0.5], [63, 47]]})
    (corners,) = heard
    assert corners.dtype == np.float64
    assert corners.tolist() == [[1, 2], [3.5, -0.5], [63, 47]]
    assert sent == [{"done": "polygon"}]


def test_by_default_a_canvas_has_neither_polygon_nor_zoom_nor_grows():
    state = Canvas().get_state()
    assert {name: state[name] for name in ("polygon", "zoomable", "grows", "magnification")} == {
        "polygon": False,
        "zoomable": False,
        "grows": False,
        "magnification": 1.0,
    }


# ---- the studio


@pytest.fixture
def demo(make_video, here):
    return studio(str(make_video("given/shapes.mp4", SCENE, fps=12)), device="cpu")


def polygon(demo, corners=SQUARE):
    demo.stage.hear({"kind": "polygon", "points": [list(c) for c in corners]})


def test_the_button_switches_between_brush_and_polygon(demo):
    assert not demo.stage.polygon
    assert demo.stage.zoomable
    demo.polygon.value = True
    assert demo.stage.polygon
    demo.kind.value = "joints"
    assert not demo.stage.polygon, "clicks place joints"
    demo.kind.value = "masks"
    assert demo.stage.polygon
    demo.polygon.value = False
    assert not demo.stage.polygon


def test_a_polygon_fills_the_chosen_object_in_one_step(demo):
    demo.frame.value = 1
    demo.name.value = "dog"
    demo.add.click()
    picture = demo.stage.data
    polygon(demo)
    assert sorted(demo.session.keys) == [1]
    np.testing.assert_array_equal(demo.session.keys[1].ids, fill(BLANK, SQUARE, 2))
    assert demo.stage.data != picture
    demo.eraser.value = True
    polygon(demo, [(0, 0), (15, 0), (15, 40), (0, 40)])
    assert demo.session.keys[1].ids[10, 12] == 0
    assert demo.session.keys[1].ids[10, 17] == 2
    demo.undo.click()
    np.testing.assert_array_equal(demo.session.keys[1].ids, fill(BLANK, SQUARE, 2))
    demo.undo.click()
    assert demo.session.keys == {}
    demo.redo.click()
    np.testing.assert_array_equal(demo.session.keys[1].ids, fill(BLANK, SQUARE, 2))


def test_a_polygon_that_is_too_small_is_reported_and_changes_nothing(demo):
    polygon(demo, [(1.2, 1.2), (1.8, 1.2), (1.5, 1.8)])
    assert "the polygon is too small: expected corners that enclose at least one pixel" in demo.status.value
    assert 'class="tinytrack-wrong"' in demo.status.value
    assert demo.session.keys == {}
    assert not demo.session._history.past


def test_an_object_that_was_deleted_cannot_be_filled(demo):
    with pytest.raises(MaskError) as error:
        demo.session.fill(0, SQUARE, 2)
    assert_one_sentence(error, "there is no object 2")


# ---- joints in a picture that is zoomed


def click(demo, x, y):
    for phase in ("down", "up"):
        demo.stage.hear({"kind": "point", "phase": phase, "place": [x, y]})


def test_the_closer_the_picture_the_closer_two_joints_may_be(demo):
    demo.skeleton.value = "face"
    demo.kind.value = "joints"
    click(demo, 20, 20)
    click(demo, 20.5, 20)
    places = demo.session.marks(0).xy
    assert np.isnan(places[1]).all(), "the second click moved the first joint"
    demo.stage.magnification = 8.0
    demo.joint.value = 1
    click(demo, 21.3, 20)
    places = demo.session.marks(0).xy
    np.testing.assert_allclose(places[:2], [(20.5, 20), (21.3, 20)])


def test_dots_do_not_grow_with_the_zoom(demo):
    """Measured in the picture that is sent, as a share of its width."""

    def share() -> float:
        width, dots = demo.closeness()
        with_dot, without = demo.session.picture(0, 0.5, width, dots), demo.session.picture(0, 0.0, width, dots)
        return (with_dot != without).any(axis=(0, 2)).mean()

    demo.kind.value = "joints"
    click(demo, 30, 20)
    before, data = share(), demo.stage.data
    demo.stage.magnification = 4.0
    assert demo.stage.data != data, "the picture is drawn again"
    assert before / 6 < share() < before / 2.5
    demo.kind.value = "masks"
    assert demo.closeness() == (demo.stage.width, 1.0), "masks need no larger picture"
