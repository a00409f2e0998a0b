"""The studio's session without its widgets: marks, undo, what is tracked again after a correction, and exports."""

import asyncio
import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.helpers import assert_one_sentence, index_frames, indices_of
from tests.support.unusual_videos import tracks, write_clip
from tinytrack import propagate
from tinytrack.datasets.clips import open_clip
from tinytrack.datasets.synth import moving_shapes
from tinytrack.draw.pictures import magnified, overlay, skeleton
from tinytrack.draw.style import object_color
from tinytrack.errors import JointsError, MaskError, ModelError, OutputError, VideoError
from tinytrack.interactive import session as annotate
from tinytrack.interactive.background import Cancelled, Work
from tinytrack.interactive.export import export
from tinytrack.interactive.marks import UNDO, brush
from tinytrack.interactive.session import SHOWN_HEIGHT, Session
from tinytrack.interactive.skeletons import SKELETONS
from tinytrack.io.decode import FrameLog
from tinytrack.io.joints import Joints, read_joints, read_joints_csv
from tinytrack.io.masks import MAX_OBJECTS, davis_palette, read_mask
from tinytrack.io.results import LIST
from tinytrack.io.video import open_video
from tinytrack.label_maps import paint
from tinytrack.model import random_model
from tinytrack.propagate import MODERN
from tinytrack.track import carry

H, W, FRAMES = 48, 64, 8
SMALL = replace(MODERN, size=H, radius=4)
MODEL = replace(random_model(), temperature=0.01)  # labels stay sharp
SCENE = moving_shapes(1, frames=FRAMES, height=H, width=W).frames
SETTING = (MODEL.fingerprint(), SMALL)
LAST = list(range(1, FRAMES))

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def path(make_video):
    """A video of textured shapes that move."""
    return make_video("given/shapes.mp4", SCENE, fps=12)


@pytest.fixture
def session(path):
    return opened(path)


def opened(path) -> Session:
    session = Session(open_clip(path))
    assert list(session.read()) == list(range(1, len(session) + 1))
    return session


def dot(session, frame, x=20, y=20, value=1, radius=9):
    session.paint(frame, [[x, y]], radius, value)


def run(session, model=MODEL, protocol=SMALL, **options):
    """Track to the end and return the reported progress."""
    return list(session.track(model, protocol, **options))


def same(a, b) -> bool:
    """Whether two :class:`Carried` are equal."""
    parts = zip((a.ids, a.xy, a.confidence, a.ab), (b.ids, b.xy, b.confidence, b.ab), strict=True)
    return all((x is None) == (y is None) and (x is None or np.array_equal(x, y, equal_nan=True)) for x, y in parts)


# ---- the brush


def naive_brush(ids, points, radius, value):
    """Test for every pixel whether any segment is within reach."""
    result = ids.copy()
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            for (ax, ay), (bx, by) in zip(points, points[1:] or points, strict=False):
                length = (bx - ax) ** 2 + (by - ay) ** 2
                s = 0.0 if length == 0 else min(1.0, max(0.0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length))
                if math.dist((x, y), (ax + s * (bx - ax), ay + s * (by - ay))) <= radius:
                    result[y, x] = value
    return result


STROKES = {
    "a disc": ([(10, 8)], 5),
    "a disc between pixels": ([(10.37, 8.61)], 3.3),
    "one pixel": ([(7, 3)], 0),
    "a tiny brush on a corner of pixels": ([(7.5, 3.5)], 0.6),
    "across": ([(3, 8), (24, 8)], 2),
    "upright, drawn upwards": ([(12, 18), (12, 2)], 3.5),
    "slanted": ([(4.2, 3.1), (22.7, 15.9)], 2.7),
    "a corner": ([(4.2, 3.1), (22.7, 8.8), (6.1, 16.3)], 1.4),
    "over itself": ([(5, 5), (20, 15), (20, 5), (5, 15)], 1.8),
    "a hand that rests": ([(9, 9), (9, 9), (9, 9)], 4),
    "over the left and the upper border": ([(-3.2, 6.1), (5.5, -4.4)], 2.5),
    "over the right and the lower border": ([(25.1, 22.3), (40.2, 10.7)], 4.2),
    "through the whole frame, from outside to outside": ([(-30.5, -10.2), (70.3, 40.9)], 2.2),
    "wider than the frame": ([(13, 9)], 60),
    "all outside": ([(-20, -20), (-20, 50)], 6),
    "outside but within reach": ([(-4.5, 10.2)], 6),
}


@pytest.mark.parametrize("points, radius", STROKES.values(), ids=STROKES)
def test_the_brush_paints_the_same_pixels_as_a_plain_loop(points, radius):
    ids = np.random.default_rng(0).integers(0, 3, (20, 27)).astype(np.uint8)
    before = ids.copy()
    result = brush(ids, np.array(points), radius, 7)
    np.testing.assert_array_equal(result, naive_brush(ids, points, radius, 7))
    np.testing.assert_array_equal(ids, before)
    assert result.dtype == np.uint8
    assert result is not ids


def test_a_disc_covers_the_pixels_within_its_radius():
    row = brush(np.zeros((9, 9), np.uint8), [[4, 4]], 2, 1)
    assert row[4].tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]
    assert row[2].tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert row.sum() == 13


def test_a_stroke_far_outside_changes_nothing():
    ids = np.ones((20, 27), np.uint8)
    for far in ([[1e6, 5]], [[-1e6, -1e6], [-1e6, 1e6]], [[5, 1e7], [9, 2e7]]):
        np.testing.assert_array_equal(brush(ids, far, 8, 0), ids)


def test_painting_zero_erases_every_object():
    ids = np.array([[1, 2, 3, 4, 5]], np.uint8)
    assert brush(ids, [[1, 0], [3, 0]], 0.5, 0).tolist() == [[1, 0, 0, 0, 5]]


BAD_STROKES = {
    "no point": [],
    "no points": np.empty((0, 2)),
    "NaN": [[np.nan, 3]],
    "NaN later": [[3, 3], [4, np.nan]],
    "infinite": [[np.inf, 3]],
    "a plain point": [3, 3],
    "three numbers": [[1, 2, 3]],
}


@pytest.mark.parametrize("points", BAD_STROKES.values(), ids=BAD_STROKES)
def test_invalid_strokes_are_refused_and_mark_nothing(session, points):
    with pytest.raises(MaskError) as error:
        session.paint(2, points, 4, 1)
    assert_one_sentence(error, "stroke")
    assert session.keys == {}
    assert session.undo() is None


# ---- skeletons


@pytest.mark.parametrize("name", SKELETONS)
def test_skeletons_are_well_formed(name):
    joints = SKELETONS[name]
    count = len(joints.names)
    assert 1 < count <= MAX_OBJECTS
    assert len(set(joints.names)) == count
    assert all(joints.names)
    assert joints.xy.shape == (count, 2)
    assert np.isnan(joints.xy).all()
    assert all(0 <= n < count for edge in joints.edges for n in edge)
    assert all(a != b for a, b in joints.edges)
    assert len({frozenset(edge) for edge in joints.edges}) == len(joints.edges)


@pytest.mark.parametrize("name", SKELETONS)
def test_skeletons_are_symmetric(name):
    names = SKELETONS[name].names
    for this, other in (("left", "right"), ("right", "left")):
        assert {n.replace(this, other) for n in names if this in n} <= set(names)
    lines = {frozenset(names[n] for n in edge) for edge in SKELETONS[name].edges}
    swap = {"left": "right", "right": "left"}
    for line in lines:
        mirrored = frozenset("_".join(swap.get(part, part) for part in n.split("_")) for n in line)
        assert mirrored in lines, f"{set(line)} has no mirror image"


# ---- reading


def test_frames_are_read_for_display(path, session):
    frames = open_video(path).read()
    assert len(session) == FRAMES
    assert session.size == (H, W)
    for t, frame in enumerate(frames):
        shown = session.frame(t)
        assert shown.shape == (H, W, 3)
        assert shown.dtype == np.uint8
        assert np.abs(shown.astype(int) - frame).mean() < 3
    assert list(session.read()) == list(range(1, FRAMES + 1))
    assert len(session) == FRAMES


def test_large_frames_are_shown_small_and_marked_at_full_size(make_video):
    session = opened(make_video("large.mp4", 3, height=480, width=640))
    assert session.frame(1).shape == (SHOWN_HEIGHT, 480, 3)
    assert session.size == (480, 640)
    assert indices_of([session.frame(t) for t in range(3)]) == [0, 1, 2]
    session.paint(1, [[300, 240]], 40, 1)
    session.place(1, 0, (600.0, 460.0))
    assert session.keys[1].ids.shape == (480, 640)
    assert session.keys[1].ids[240, 300] == 1
    plain, marked = session.picture(1, strength=0, width=480), session.picture(1, strength=1, width=480)
    assert marked.shape == (360, 480, 3)
    np.testing.assert_array_equal(plain, session.frame(1))
    changed = np.argwhere((plain != marked).any(-1))[:, ::-1]  # (x, y)
    disc = changed[changed[:, 0] < 300]
    np.testing.assert_allclose(disc.mean(0), [225, 180], atol=0.6)  # three quarters of 300.5 and 240.5, minus one half
    np.testing.assert_allclose(np.ptp(disc, axis=0), [60, 60], atol=1.5)
    np.testing.assert_allclose(changed[changed[:, 0] > 300].mean(0), [450, 345], atol=0.6)


def test_joints_are_shown_in_the_right_place_however_small_the_displayed_frames(make_video, monkeypatch):
    monkeypatch.setattr(annotate, "SHOWN_HEIGHT", 60)
    session = opened(make_video("large.mp4", np.full((2, 480, 640, 3), 90, np.uint8)))
    session.place(0, 0, (600.0, 440.0))
    picture = session.picture(0, width=640)  # the displayed frame is one eighth of the size, enlarged eight times
    changed = np.argwhere((picture != session.picture(0, strength=0, width=640)).any(-1))[:, ::-1]
    assert picture.shape == (480, 640, 3)
    np.testing.assert_allclose(changed.mean(0), [600, 440], atol=1)


def test_a_video_with_one_frame_is_refused(make_video):
    path = make_video("one.mp4", 1)
    session = Session(open_clip(path))
    with pytest.raises(VideoError) as error:
        list(session.read())
    assert_one_sentence(error, "one.mp4", "1 frame", "at least two")
    assert len(session) == 0


def test_a_damaged_video_is_named_in_the_error(make_video):
    path = make_video("cut.mp4", 60, movflags="faststart")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(VideoError) as error:
        list(Session(open_clip(path)).read())
    assert_one_sentence(error, "cut.mp4", "damaged or cut short")


def test_a_missing_video_is_named_in_the_error(path, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(path.read_bytes())
    session = opened(copy)
    dot(session, 0)
    copy.unlink()
    with pytest.raises(VideoError) as error:
        run(session)
    assert_one_sentence(error, "copy.mp4")
    assert session.tracked == set()


@pytest.fixture
def shrinking(make_folder):
    """A session of 8 frames, and ``shrink(n)``, which shortens the video to n frames."""
    folder = make_folder("shrinking", SCENE)

    def shrink(count):
        for t in range(count, FRAMES):
            (folder / f"{t:05d}.png").unlink()

    return opened(folder), shrink


@pytest.mark.parametrize("keys, first, done", [([0], 5, {1, 2, 3, 4}), ([3], 5, {4}), ([4], 5, set()), ([0, 2], 3, {1, 2})])
@pytest.mark.parametrize("colors", [False, True], ids=["marks", "colours too"])
def test_a_video_shortened_before_tracking_is_named_with_its_end(shrinking, keys, first, done, colors):
    session, shrink = shrinking
    session.colors = colors
    for key in keys:
        dot(session, key)
    shrink(first)
    with pytest.raises(VideoError) as error:
        run(session)
    assert_one_sentence(error, "'shrinking'", f"before frame {first},", f"expected {FRAMES} frames")
    assert session.tracked == done, "the remaining frames are tracked"


def test_a_key_frame_that_no_longer_exists_is_named(shrinking):
    session, shrink = shrinking
    dot(session, 6)
    shrink(5)
    with pytest.raises(VideoError) as error:
        run(session)
    assert_one_sentence(error, "'shrinking'", "before frame 5,", f"expected {FRAMES} frames")
    assert session.tracked == set()


@pytest.mark.parametrize("mark", [lambda s: dot(s, 0), lambda s: setattr(s, "colors", True)], ids=["masks", "colours"])
def test_a_video_shortened_before_the_export_is_named_with_its_end(shrinking, tmp_path, mark):
    session, shrink = shrinking
    mark(session)
    run(session)
    shrink(5)
    with pytest.raises(VideoError) as error:
        export(session, tmp_path / "out")
    assert_one_sentence(error, "'shrinking'", "before frame 5,", f"expected {FRAMES} frames")
    assert not (tmp_path / "out").exists()


# ---- marks


def test_a_stroke_makes_a_key_frame_and_changes_no_other_frame(session):
    session.add_object("second")
    session.paint(2, [[10, 10], [30, 10]], 3, 1)
    session.paint(2, [[30, 30]], 4, 2)
    session.paint(5, [[20, 20]], 4, 2)
    assert sorted(session.keys) == [2, 5]
    expected = brush(brush(np.zeros((H, W), np.uint8), [[10, 10], [30, 10]], 3, 1), [[30, 30]], 4, 2)
    np.testing.assert_array_equal(session.keys[2].ids, expected)
    assert np.unique(session.keys[5].ids).tolist() == [0, 2]
    assert np.isnan(session.keys[2].xy).all()
    assert not session.marks(3).ids.any(), "reading marks does not create a key frame"
    assert 3 not in session.keys, "reading marks does not create a key frame"


def test_a_frame_that_was_only_erased_is_a_key_frame_too(session):
    dot(session, 0)
    run(session)
    session.paint(4, [[W / 2, H / 2]], 200, 0)
    assert not session.keys[4].ids.any()
    assert session.keys[4].empty
    assert session.plan(SETTING) == [(4, [5, 6, 7])]
    run(session)
    assert [session.carried(t).ids.any() for t in range(FRAMES)] == [True] * 4 + [False] * 4


@pytest.mark.parametrize("value", [-1, 2, 255])
def test_only_existing_objects_can_be_painted(session, value):
    with pytest.raises(MaskError) as error:
        dot(session, 0, value=value)
    assert_one_sentence(error, value)
    assert session.keys == {}


@pytest.mark.parametrize("frame", [-1, FRAMES])
def test_a_frame_that_does_not_exist_cannot_be_marked(session, frame):
    for mark in (lambda: dot(session, frame), lambda: session.place(frame, 0, (3, 3)), lambda: session.clear(frame)):
        with pytest.raises(VideoError) as error:
            mark()
        assert_one_sentence(error, "shapes.mp4", f"no frame {frame}", FRAMES)
    assert session.keys == {}
    assert session.undo() is None


def test_joints_are_placed_moved_and_made_absent(session):
    session.place(1, 0, (10.25, 7))
    session.place(1, 3, (-0.5, H - 0.5))
    session.place(1, 0, (12, 8))
    xy = session.keys[1].xy
    assert xy[0].tolist() == [12, 8]
    assert xy[3].tolist() == [-0.5, H - 0.5]
    assert np.isnan(np.delete(xy, [0, 3], axis=0)).all()
    carried = session.carried(1)
    assert carried.confidence.tolist() == [float(n in (0, 3)) for n in range(len(xy))]
    session.place(1, 3, None)
    assert np.isnan(session.keys[1].xy[3]).all()
    assert session.keys[1].xy[0].tolist() == [12, 8]
    assert xy[3].tolist() == [-0.5, H - 0.5], "the marks stored for undo are not changed"


@pytest.mark.parametrize("xy", [(-0.6, 3), (3, -0.6), (W - 0.4, 3), (3, H - 0.4), (np.nan, 3), (3, np.nan), (np.inf, 3)])
def test_joints_outside_the_frame_are_refused(session, xy):
    with pytest.raises(JointsError) as error:
        session.place(2, 1, xy)
    assert_one_sentence(error, "'neck'", "outside", f"{W}x{H}")
    assert session.keys == {}


def test_marks_of_masks_and_joints_are_independent(session):
    dot(session, 0)
    ids = session.keys[0].ids
    session.place(0, 0, (5, 5))
    np.testing.assert_array_equal(session.keys[0].ids, ids)
    dot(session, 0, x=50)
    assert session.keys[0].xy[0].tolist() == [5, 5]


def test_an_eraser_that_meets_nothing_marks_nothing(session):
    dot(session, 0)
    dot(session, 4, value=0)
    assert list(session.keys) == [0]
    assert session.undo() == 0
    assert session.undo() is None


def test_undo_restores_the_earlier_marks_step_by_step(session):
    steps = [
        lambda: dot(session, 0),
        lambda: session.place(0, 2, (9, 9)),
        lambda: dot(session, 4),
        lambda: session.clear(0),
        lambda: session.place(7, 0, None),
        lambda: dot(session, 4, value=0),
    ]
    frames = [0, 0, 4, 0, 7, 4]
    states = []
    for step in steps:
        states.append(dict(session.keys))
        step()
    for state, frame in zip(reversed(states), reversed(frames), strict=True):
        assert session.undo() == frame
        assert session.keys == state  # the same objects, because marks are compared by identity
    assert session.undo() is None
    assert session.keys == {}


def test_undo_is_limited_to_the_last_strokes(session):
    for n in range(UNDO + 5):
        dot(session, 3, x=n, radius=1)
    assert [session.undo() for _ in range(UNDO + 1)] == [3] * UNDO + [None]
    np.testing.assert_array_equal(session.keys[3].ids, brush(np.zeros((H, W), np.uint8), [[0, 20], [4, 20]], 1, 1))


def test_editing_starts_from_the_tracked_result(session):
    dot(session, 0)
    session.place(0, 1, (30, 20))
    run(session)
    before = session.carried(5)
    marks = session.marks(5)
    np.testing.assert_array_equal(marks.ids, before.ids)
    np.testing.assert_array_equal(marks.xy, before.xy)
    session.place(5, 0, (3, 4))
    np.testing.assert_array_equal(session.keys[5].ids, before.ids)
    assert session.keys[5].xy[0].tolist() == [3, 4]
    assert np.array_equal(session.keys[5].xy[1:], before.xy[1:], equal_nan=True)


def test_a_cleared_frame_has_no_marks(session):
    dot(session, 0)
    session.place(0, 1, (30, 20))
    session.clear(0)
    assert session.keys[0].empty
    assert not session.keys[0].ids.any()
    assert np.isnan(session.keys[0].xy).all()


def test_the_picture_shows_marks_with_the_requested_strength(session):
    dot(session, 2, x=30, y=20)
    session.place(2, 0, (50, 40))
    large, k = magnified(session.frame(2), 192)
    np.testing.assert_array_equal(session.picture(2, 0.0, 192), large)
    full = session.picture(2, 1.0, 192)
    assert k == 3
    assert full.shape == large.shape
    np.testing.assert_array_equal(full[61, 91], object_color(1))
    np.testing.assert_array_equal(full[121, 151], object_color(1))  # the dot of joint 1
    np.testing.assert_array_equal(session.picture(3, 1.0, 192), magnified(session.frame(3), 192)[0])


# ---- objects


def test_object_names_are_unique(session):
    assert session.objects == ["object 1"]
    assert session.add_object("  dog ") == 2
    assert session.add_object("größe") == 3
    session.rename_object(1, "cat")
    assert session.objects == ["cat", "dog", "größe"]
    taken = "there is an object 'dog' already: expected another name"
    for name, words in {"": "type a name for the object", "  ": "type a name for the object", "dog": taken, " dog": taken}.items():
        for act in (session.add_object, lambda name: session.rename_object(1, name)):
            with pytest.raises(MaskError) as error:
                act(name)
            assert str(error.value) == words
    assert session.objects == ["cat", "dog", "größe"]
    session.rename_object(2, " dog ")
    assert session.objects == ["cat", "dog", "größe"], "an object may keep its own name"


def test_the_number_of_objects_is_limited_by_the_mask_format(session):
    for n in range(2, MAX_OBJECTS + 1):
        assert session.add_object(f"number {n}") == n
    with pytest.raises(MaskError) as error:
        session.add_object("one more")
    assert_one_sentence(error, MAX_OBJECTS)
    assert len(session.objects) == MAX_OBJECTS
    dot(session, 0, value=MAX_OBJECTS)
    assert session.keys[0].ids.max() == MAX_OBJECTS


def test_another_skeleton_keeps_masks_and_their_tracks(session):
    dot(session, 0)
    session.place(0, 1, (30, 20))
    session.place(5, 2, (10, 10))
    run(session)
    before = {t: session.carried(t) for t in (0, 3, 7)}
    assert before[3].xy is not None
    assert before[3].confidence is not None
    session.choose(SKELETONS["face"])
    assert session.joints is SKELETONS["face"]
    assert sorted(session.keys) == [0]
    assert session.keys[0].xy.shape == (6, 2)
    assert np.isnan(session.keys[0].xy).all()
    for t, carried in before.items():
        np.testing.assert_array_equal(session.carried(t).ids, carried.ids)
    assert session.tracked == {1, 2, 3, 4, 5}, "from frame 5 on there were only joints"
    assert all(session.carried(t).xy is session.carried(t).confidence is None for t in session.tracked)
    assert session.undo() is None, "the undo steps belonged to the other skeleton"
    session.place(3, 5, (10, 10))
    run(session)
    assert session.carried(7).xy.shape == (6, 2)


def test_joints_return_with_their_skeleton(session):
    dot(session, 0)
    session.place(0, 1, (30, 20)), session.place(5, 2, (10, 10))
    session.choose(SKELETONS["face"])
    dot(session, 3)
    session.place(0, 5, (7, 8)), session.place(6, 0, (9, 9))
    session.choose(SKELETONS["human"])
    assert sorted(session.keys) == [0, 3, 5], "frame 6 had only joints of the face skeleton"
    assert session.keys[0].xy[1].tolist() == [30, 20]
    assert session.keys[5].xy[2].tolist() == [10, 10]
    assert [int(np.isfinite(marks.xy).all(1).sum()) for _, marks in sorted(session.keys.items())] == [1, 0, 1]
    assert [bool(marks.ids.any()) for _, marks in sorted(session.keys.items())] == [True, True, False]
    session.choose(SKELETONS["human"])
    assert session.keys[5].xy[2].tolist() == [10, 10], "choosing the same skeleton again changes nothing"
    session.choose(SKELETONS["face"])
    assert sorted(session.keys) == [0, 3, 6]
    assert session.keys[0].xy[5].tolist() == [7, 8]
    assert session.keys[6].xy[0].tolist() == [9, 9]


# ---- which frames are tracked


PLANS = [
    ([0], [(0, [1, 2, 3, 4, 5, 6, 7])]),
    ([7], [(7, [6, 5, 4, 3, 2, 1, 0])]),
    ([3], [(3, [4, 5, 6, 7]), (3, [2, 1, 0])]),
    ([0, 4], [(0, [1, 2, 3, 4]), (4, [5, 6, 7])]),
    ([2, 3, 7], [(2, [3]), (3, [4, 5, 6, 7]), (2, [1, 0])]),
    ([], []),
]


@pytest.mark.parametrize("keys, parts", PLANS)
def test_each_key_frame_is_tracked_to_the_next_and_the_first_back_to_the_start(session, keys, parts):
    for key in reversed(keys):
        dot(session, key)
    assert session.plan(SETTING) == parts
    if keys:
        total = sum(len(frames) for _, frames in parts)
        assert run(session) == [(n, total) for n in range(1, total + 1)]
        assert session.tracked == {t for _, frames in parts for t in frames}
    assert session.plan(SETTING) == []
    assert not keys or run(session) == []


def test_a_correction_is_tracked_up_to_the_next_key_frame(session):
    dot(session, 0), dot(session, 6)
    run(session)
    before = {t: session.carried(t) for t in range(FRAMES)}
    dot(session, 3, x=40)
    assert session.plan(SETTING) == [(3, [4, 5, 6])]
    assert run(session) == [(1, 3), (2, 3), (3, 3)]
    assert [t for t in range(FRAMES) if not same(before[t], session.carried(t))] == [3, 4, 5]  # frame 6 is marked


def test_a_correction_before_the_first_key_frame_is_tracked_in_both_directions(session):
    dot(session, 5)
    run(session)
    dot(session, 2)
    assert session.plan(SETTING) == [(2, [3, 4, 5]), (2, [1, 0])]


def test_an_undone_correction_is_tracked_as_before(session):
    dot(session, 0)
    run(session)
    before = {t: session.carried(t) for t in range(FRAMES)}
    dot(session, 4, x=40)
    run(session)
    assert not same(before[6], session.carried(6))
    session.undo()
    assert session.plan(SETTING) == [(0, LAST)]
    run(session)
    assert all(same(before[t], session.carried(t)) for t in range(FRAMES))


def test_a_mark_that_is_undone_immediately_leaves_the_tracks_valid(session):
    dot(session, 0), dot(session, 5)
    run(session)
    for mark in (lambda: dot(session, 0, x=50), lambda: dot(session, 3), lambda: session.place(5, 0, (3, 3)), lambda: session.clear(5)):
        mark()
        assert session.plan(SETTING) != []
        session.undo()
        assert session.plan(SETTING) == []


def test_equal_but_new_marks_are_tracked_again(session):
    dot(session, 0)
    run(session)
    dot(session, 0)
    assert session.plan(SETTING) == [(0, LAST)]


CHANGES = {
    "model": ((replace(MODEL, net=random_model(seed=1).net).fingerprint(), SMALL), False),
    "protocol": ((MODEL.fingerprint(), replace(SMALL, top_k=3)), False),
    "detail": ((MODEL.fingerprint(), replace(SMALL, size=32)), False),
    "colours": (SETTING, True),
}


@pytest.mark.parametrize("setting, colors", CHANGES.values(), ids=CHANGES)
def test_with_another_setting_all_frames_are_tracked_again(session, setting, colors):
    dot(session, 2), dot(session, 5)
    run(session)
    session.colors = colors
    assert session.plan(setting) == [(2, [3, 4, 5]), (5, [6, 7]), (2, [1, 0])]
    session.colors = False
    assert session.plan(SETTING) == []


def test_an_equal_model_and_protocol_are_the_same_setting(session):
    dot(session, 0)
    run(session)
    assert run(session, replace(random_model(seed=0), temperature=0.01), replace(MODERN, size=H, radius=4)) == []
    assert len(run(session, random_model(seed=1))) == FRAMES - 1


def test_colours_pass_through_key_frames_so_later_frames_become_stale(session):
    session.colors = True
    dot(session, 0), dot(session, 5)
    run(session)
    dot(session, 2)
    assert session.plan(SETTING) == [(2, [3, 4, 5]), (5, [6, 7])]
    run(session)
    assert session.plan(SETTING) == []
    session.colors = False
    run(session)
    dot(session, 3)
    assert session.plan(SETTING) == [(3, [4, 5])], "without colours each key frame starts afresh"


def test_colours_that_passed_an_undone_key_frame_are_tracked_again(session):
    session.colors = True
    dot(session, 0), dot(session, 5)
    run(session)
    before = {t: session.carried(t) for t in range(FRAMES)}
    dot(session, 2, x=45)
    run(session)
    session.undo()
    assert session.plan(SETTING) == [(0, [1, 2, 3, 4, 5]), (5, [6, 7])]
    work = session.track(MODEL, SMALL)
    [next(work) for _ in range(5)]
    work.close()
    assert session.plan(SETTING) == [(5, [6, 7])]
    run(session)
    assert all(same(before[t], session.carried(t)) for t in range(FRAMES))


@pytest.mark.parametrize("done, parts", [(2, [(0, [3, 4, 5]), (5, [6, 7])]), (5, [(5, [6, 7])]), (6, [(5, [7])])])
def test_colours_after_the_next_key_frame_are_tracked_again_after_a_stop(path, session, done, parts):
    for s in (session, whole := opened(path)):
        s.colors = True
        dot(s, 0), dot(s, 5)
    run(session)
    for s in (session, whole):
        dot(s, 0, x=45)
    work = session.track(MODEL, SMALL)
    [next(work) for _ in range(done)]
    work.close()
    assert session.plan(SETTING) == parts
    run(session), run(whole)
    assert all(same(session.carried(t), whole.carried(t)) for t in range(FRAMES))


def test_an_unchanged_first_key_frame_does_not_track_colours_backwards_again(session):
    session.colors = True
    dot(session, 3), dot(session, 5)
    run(session)
    before = {t: session.carried(t) for t in range(FRAMES)}
    dot(session, 5, x=45)
    assert session.plan(SETTING) == [(5, [6, 7])]
    assert run(session) == [(1, 2), (2, 2)]
    assert [t for t in range(FRAMES) if not same(before[t], session.carried(t))] == [5, 6, 7]


def test_a_new_first_key_frame_discards_its_tracked_colours(session, tmp_path):
    session.colors = True
    dot(session, 4)
    run(session)
    dot(session, 1)
    assert session.carried(1).ab is not None
    run(session)
    assert session.carried(1).ab is None, "this frame is now the source of all colours"
    assert 1 not in session.tracked, "this frame is now the source of all colours"
    assert "colorized.mp4" in export(session, tmp_path / "out")
    session.colors = False
    run(session)
    assert all(session.carried(t).ab is None for t in range(FRAMES))
    assert export(session, tmp_path / "plain") == ["masks", "objects.json", "overlay.mp4"]


@pytest.mark.parametrize("done", [1, 3, 5])
def test_stopped_tracking_keeps_finished_frames_and_resumes_correctly(path, session, done):
    for s in (session, whole := opened(path)):
        dot(s, 3)
    run(whole)
    work = session.track(MODEL, SMALL)
    assert [next(work) for _ in range(done)] == [(n, 7) for n in range(1, done + 1)]
    work.close()
    order = [4, 5, 6, 7, 2, 1, 0]
    assert session.tracked == set(order[:done])
    left = [(3, [t for t in part if t not in order[:done]]) for part in (order[:4], order[4:])]
    assert session.plan(SETTING) == [part for part in left if part[1]]
    assert run(session) == [(n, 7 - done) for n in range(1, 8 - done)], "frames that are done are not tracked again"
    assert all(same(session.carried(t), whole.carried(t)) for t in range(FRAMES))


def test_stopped_retracking_does_not_mistake_old_tracks_for_new_ones(path, session):
    dot(session, 0)
    run(session)
    dot(session, 0, x=45)
    work = session.track(MODEL, SMALL)
    [next(work) for _ in range(3)]
    work.close()
    assert session.tracked == set(LAST)
    assert session.stale == {4, 5, 6, 7}
    assert session.plan(SETTING) == [(0, [4, 5, 6, 7])]
    run(session)
    again = opened(path)
    dot(again, 0), dot(again, 0, x=45)
    run(again)
    assert all(same(session.carried(t), again.carried(t)) for t in range(FRAMES))


STOPPED = {
    "a correction ahead": (lambda s: dot(s, 6), [(0, [4, 5, 6]), (6, [7])]),
    "a correction behind": (lambda s: s.clear(2), [(2, LAST[2:])]),
    "other marks at the start": (lambda s: dot(s, 0, x=50), [(0, LAST)]),
    "a change that was undone": (lambda s: (dot(s, 2), s.undo()), [(0, LAST[3:])]),
    "colours too": (lambda s: setattr(s, "colors", True), [(0, LAST)]),
}


@pytest.mark.parametrize("change, parts", STOPPED.values(), ids=STOPPED)
def test_tracking_resumes_only_where_the_marks_are_the_same(path, session, change, parts):
    for s in (session, whole := opened(path)):
        dot(s, 0)
    work = session.track(MODEL, SMALL)
    [next(work) for _ in range(3)]
    work.close()
    change(session), change(whole)
    assert session.plan(SETTING) == parts
    run(session), run(whole)
    assert all(same(session.carried(t), whole.carried(t)) for t in range(FRAMES))
    assert session.stale == set()


def test_a_part_that_becomes_longer_after_a_stop_is_tracked_from_its_start(path, session):
    for s in (session, whole := opened(path)):
        dot(s, 0)
    dot(session, 4)
    work = session.track(MODEL, SMALL)
    [next(work) for _ in range(2)]
    work.close()
    session.undo()
    assert session.plan(SETTING) == [(0, LAST)]
    run(session), run(whole)
    assert all(same(session.carried(t), whole.carried(t)) for t in range(FRAMES))


def test_after_an_error_in_the_middle_the_part_starts_again(path, session, monkeypatch):
    for s in (session, whole := opened(path)):
        dot(s, 0)
    real = annotate.carry

    def failing(*args, **options):
        for n, carried in enumerate(real(*args, **options)):
            if n == 3:
                raise MemoryError
            yield carried

    with monkeypatch.context() as patch:
        patch.setattr(annotate, "carry", failing)
        with pytest.raises(MemoryError):
            run(session)
    assert session.plan(SETTING) == [(0, LAST)]
    run(session), run(whole)
    assert all(same(session.carried(t), whole.carried(t)) for t in range(FRAMES))


# ---- stale tracks


def refused(session, tmp_path, *parts):
    """Check that an export is refused in one sentence, and that nothing is written."""
    with pytest.raises(MaskError) as error:
        export(session, tmp_path / "out")
    assert_one_sentence(error, *parts)
    assert not (tmp_path / "out").exists()


def test_marks_that_replace_undone_ones_make_the_old_tracks_stale(session, tmp_path):
    """Mark, track, undo, paint elsewhere: the old tracks do not belong to the new frame 0."""
    dot(session, 0)
    run(session)
    assert session.stale == set()
    session.undo()
    dot(session, 0, x=50)
    assert session.stale == set(LAST)
    refused(session, tmp_path, "7 of 8 frames were tracked from marks that have changed since", "frame 1", "press Track")
    run(session)
    assert session.stale == set()
    assert export(session, tmp_path / "out")


CORRECTED = {
    "another frame 0": (lambda s: dot(s, 0, x=50), {1, 2, 3}),
    "a new key frame": (lambda s: dot(s, 2), {3}),
    "a key frame less": (lambda s: (s.undo(), s.undo()), {5, 6, 7}),
    "a cleared key frame": (lambda s: s.clear(4), {5, 6, 7}),
    "a new first name": (lambda s: s.rename_object(1, "dog"), set()),
    "a key frame that was undone": (lambda s: (dot(s, 2), s.undo()), set()),
}


@pytest.mark.parametrize("change, stale", CORRECTED.values(), ids=CORRECTED)
def test_only_what_was_tracked_from_changed_marks_is_stale(session, tmp_path, change, stale):
    dot(session, 0), dot(session, 4), dot(session, 4, x=40)
    run(session)
    change(session)
    assert session.stale - session.keys.keys() == stale - session.keys.keys()
    if stale:
        with pytest.raises(MaskError):
            export(session, tmp_path / "out")
    run(session)
    assert session.stale == set()


def test_another_network_does_not_make_tracks_stale(session):
    dot(session, 0)
    run(session)
    work = session.track(random_model(seed=1), SMALL)
    next(work)
    work.close()
    assert session.stale == set()


def test_colours_that_were_tracked_through_changed_marks_are_stale(session, tmp_path):
    session.colors = True
    run(session, reference=3)
    assert session.stale == set()
    dot(session, 0)
    assert session.stale == set(range(1, FRAMES)) - {3}
    refused(session, tmp_path, "7 of 8" if 3 in session.stale else "6 of 8", "frame 1")
    run(session)
    dot(session, 5)
    run(session)
    dot(session, 2)
    assert session.stale == {3, 4, 5, 6, 7}, "the colours of frame 5 came from frame 0 alone"
    run(session)
    assert session.stale == set()


def test_another_skeleton_leaves_masks_and_colours_valid(session, tmp_path):
    dot(session, 0), session.place(0, 1, (30, 20))
    run(session)
    session.choose(SKELETONS["face"])
    assert session.stale == set()
    assert export(session, tmp_path / "out") == ["masks", "objects.json", "overlay.mp4"]
    session.choose(SKELETONS["human"])
    assert session.stale == set(LAST), "the joints that came back are not tracked"
    run(session)
    assert session.stale == set()


# ---- deleting


def test_a_deleted_object_disappears_everywhere_and_the_others_keep_their_numbers(session, tmp_path):
    session.add_object("dog"), session.add_object("cat")
    dot(session, 0, x=10, radius=4), dot(session, 0, x=30, value=2, radius=4), dot(session, 0, x=50, value=3, radius=4)
    dot(session, 5, x=30, value=2)
    run(session)
    keys, tracks = dict(session.keys), {t: session.carried(t) for t in range(FRAMES)}
    session.delete_object(2)
    assert session.objects == ["object 1", None, "cat"]
    assert session.numbers == [1, 3]
    assert np.unique(session.keys[0].ids).tolist() == [0, 1, 3]
    assert all(2 not in session.carried(t).ids for t in range(FRAMES))
    assert session.stale
    with pytest.raises(MaskError) as error:
        dot(session, 0, value=2)
    assert_one_sentence(error, "no object 2", "1, 3")
    assert session.undo() == 0
    assert session.objects == ["object 1", "dog", "cat"]
    assert session.keys == keys
    assert session.stale == set()
    assert all(same(session.carried(t), tracks[t]) for t in range(FRAMES)), "nothing has to be tracked again"
    assert session.redo() == 0
    run(session)
    export(session, tmp_path / "out")
    assert json.loads((tmp_path / "out/objects.json").read_text())["objects"] == {"1": "object 1", "3": "cat"}
    assert session.add_object("dog") == 4


def test_the_only_object_stays_without_marks(session):
    session.rename_object(1, "dog")
    dot(session, 0), dot(session, 4)
    run(session)
    session.delete_object(1)
    assert session.objects == ["object 1"]
    assert session.keys == {}
    assert all(session.carried(t).ids is None for t in range(FRAMES)), "what was tracked from it is not shown any more"
    assert not session.marks(3).ids.any()
    session.undo()
    assert session.objects == ["dog"]
    assert sorted(session.keys) == [0, 4]
    assert session.stale == set()


def test_deleted_joints_disappear_everywhere_and_masks_stay(session):
    dot(session, 0), session.place(0, 1, (30, 20)), session.place(6, 2, (20, 10))
    run(session)
    session.place(5, 2, (10, 10))
    run(session)
    session.delete_joints()
    assert sorted(session.keys) == [0, 5], "frame 5 has the mask that was tracked there, and frame 6 had only joints"
    assert session.keys[0].ids.any()
    assert all(session.carried(t).xy is None or np.isnan(session.carried(t).xy).all() for t in range(FRAMES))
    with pytest.raises(JointsError) as error:
        session.delete_joints()
    assert_one_sentence(error, "no joint to delete")
    session.undo()
    assert session.keys[5].xy[2].tolist() == [10, 10]
    assert session.stale == set()


def test_an_undone_step_can_be_made_again_until_something_else_is_marked(session):
    dot(session, 0), dot(session, 3), session.place(3, 1, (9, 9))
    states = [dict(session.keys)]
    for _ in range(3):
        session.undo()
        states.append(dict(session.keys))
    for state, frame in zip(reversed(states[:-1]), (0, 3, 3), strict=True):
        assert session.redo() == frame
        assert session.keys == state
    assert session.redo() is None
    session.undo()
    session.add_object("dog")
    session.rename_object(1, "cat")
    assert session.redo() == 3, "a new name is not a mark"
    assert session.objects == ["cat", "dog"]
    session.undo()
    dot(session, 6)
    assert session.redo() is None
    assert sorted(session.keys) == [0, 3, 6]


def test_cancelled_work_on_another_thread_keeps_finished_frames(session):
    dot(session, 0)
    work = Work()

    def job(tell):
        for done, total in session.track(MODEL, SMALL):
            if done == 3:
                work.cancel()
            tell(done, total)

    with pytest.raises(Cancelled):
        asyncio.run(work.run(job))
    assert session.tracked == {1, 2, 3}
    assert (work.done, work.total) == (3, 7)


# ---- the results of tracking


def close(a, b) -> bool:
    """Whether two :class:`Carried` are equal up to rounding, since sums may be computed in another order."""
    return (
        all((x is None) == (y is None) for x, y in zip((a.ids, a.xy, a.ab), (b.ids, b.xy, b.ab), strict=True))
        and (a.ids is None or (a.ids != b.ids).mean() < 0.002)
        and (a.xy is None or np.allclose(a.xy, b.xy, atol=1e-2, equal_nan=True))
        and (a.xy is None or np.allclose(a.confidence, b.confidence, atol=1e-3))
        and (a.ab is None or torch.allclose(a.ab.cpu(), b.ab.cpu(), atol=0.05))  # colours are stored in half precision
    )


KINDS = {"masks": "m", "joints": "j", "colours": "c", "masks and joints": "mj", "all": "mjc"}


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_tracking_equals_carry_forwards_and_backwards(path, session, kinds, device):
    model = replace(random_model(seed=3, device=device), temperature=0.01)
    session.add_object("second")
    if "m" in kinds:
        dot(session, 3, x=15), dot(session, 3, x=45, y=30, value=2)
    if "j" in kinds:
        session.place(3, 0, (20, 20)), session.place(3, 4, (50.5, 30.25))
    session.colors = "c" in kinds
    run(session, model, reference=3)
    frames = open_video(path).read()
    marks = session.marks(3)
    given = {
        "mask": marks.ids if "m" in kinds else None,
        "xy": marks.xy if "j" in kinds else None,
        "colors": frames[3] if "c" in kinds else None,
    }
    forth = list(carry(frames[3:], **given, model=model, protocol=SMALL))
    back = list(carry(frames[3::-1], **given, model=model, protocol=SMALL))
    for t, expected in [*zip(range(4, FRAMES), forth[1:], strict=True), *zip((2, 1, 0), back[1:], strict=True)]:
        assert close(session.carried(t), expected), t
    own = session.carried(3)
    assert own.ids is marks.ids or "m" not in kinds
    assert own.ab is None
    if "j" in kinds:
        joints = session.carried(7)
        assert np.isnan(joints.xy[[1, 2, 3]]).all(), "absent joints stay absent"
        assert (joints.confidence[[1, 2, 3]] == 0).all(), "absent joints stay absent"
        assert np.isfinite(joints.xy[[0, 4]]).all()
        assert (joints.confidence[[0, 4]] > 0).all()


def test_each_object_keeps_its_number(make_folder):
    session = opened(make_folder("still", SCENE[:1].repeat(5, axis=0)))
    for n in range(2, 5):
        session.add_object(f"object {n}")
    for n, (x, y) in enumerate([(12, 12), (50, 12), (12, 36), (50, 36)], start=1):
        dot(session, 0, x, y, n)
    run(session, replace(MODEL, temperature=1e-3))  # each pixel points at itself
    marks = session.keys[0].ids
    for t in range(1, 5):
        ids = session.carried(t).ids
        assert ids.dtype == np.uint8
        assert ids.shape == (H, W)
        for n in range(5):
            assert (ids[marks == n] == n).mean() > 0.8, (t, n)


def test_a_later_key_frame_replaces_labels_while_colours_continue(path, session):
    dot(session, 0)
    session.colors = True
    run(session)
    dot(session, 4, x=45, y=30)
    session.place(4, 2, (45, 30))
    run(session)
    frames = open_video(path).read()
    first = list(carry(frames[:5], session.keys[0].ids, colors=frames[0], model=MODEL, protocol=SMALL))
    colors = paint(frames[4], first[4].ab.half().float())
    marks = session.keys[4]
    second = list(carry(frames[4:], marks.ids, marks.xy, colors, model=MODEL, protocol=SMALL))
    assert all(close(session.carried(t), first[t]) for t in (1, 2, 3))
    assert all(close(session.carried(t), second[t - 4]) for t in (5, 6, 7))
    corrected = session.carried(4)
    assert corrected.ids is marks.ids
    assert corrected.xy is marks.xy
    assert torch.allclose(corrected.ab, first[4].ab, atol=0.05)


def test_colours_alone_come_from_the_requested_frame(session):
    session.colors = True
    assert run(session, reference=5) == [(n, 7) for n in range(1, 8)]
    assert session.keys == {}, "the frame that gives the colours is not a marked frame"
    assert session.tracked == set(range(FRAMES)) - {5}, "the frame that gives the colours is not a marked frame"
    assert all(session.carried(t).ab is not None and session.carried(t).ids is None for t in session.tracked)
    assert session.carried(5).ab is None
    assert run(session, reference=5) == []


def test_colours_alone_from_another_frame_are_tracked_again(path, session):
    for s in (session, other := opened(path)):
        s.colors = True
    assert session.reference is None
    run(session, reference=5)
    assert session.reference == 5
    assert session.plan(SETTING, 2) == [(2, [3, 4, 5, 6, 7]), (2, [1, 0])]
    run(session, reference=2), run(other, reference=2)
    assert session.reference == 2
    assert all(same(session.carried(t), other.carried(t)) for t in range(FRAMES))
    dot(session, 3)
    run(session, reference=2)
    assert session.reference is None, "the colours now come from the marked frame"


def test_marks_made_after_tracking_colours_alone_replace_the_colour_frame(path, session, tmp_path):
    session.colors = True
    run(session, reference=5)
    dot(session, 2)
    assert session.plan(SETTING, 5) == [(2, [3, 4, 5, 6, 7]), (2, [1, 0])]
    run(session, reference=5)
    frames = open_video(path).read()
    forth = list(carry(frames[2:], session.keys[2].ids, colors=frames[2], model=MODEL, protocol=SMALL))
    assert sorted(session.keys) == [2]
    assert session.tracked == set(range(FRAMES)) - {2}
    assert all(close(session.carried(t), forth[t - 2]) for t in range(3, FRAMES))
    export(session, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "objects.json").read_text())["marked_frames"] == [2]


def test_without_marks_there_is_nothing_to_track(session):
    with pytest.raises(MaskError) as error:
        run(session)
    assert_one_sentence(error, "nothing is marked")
    dot(session, 0)
    session.clear(0)
    with pytest.raises(MaskError) as error:
        run(session)
    assert_one_sentence(error, "nothing is marked")
    assert session.tracked == set()


def test_a_cleared_first_key_frame_is_no_longer_a_key_frame(session):
    dot(session, 1), dot(session, 5)
    run(session)
    session.clear(1)
    assert session.plan(SETTING) == [(5, [4, 3, 2, 1, 0])]
    run(session)
    assert session.plan(SETTING) == []
    assert session.tracked == set(range(FRAMES)) - {5}
    session.undo()
    assert sorted(session.keys) == [1, 5]
    assert session.keys[1].ids.any()
    assert session.plan(SETTING) == [(1, [2, 3, 4, 5]), (1, [0])]


def test_a_cleared_first_key_frame_shows_the_tracked_result(session):
    dot(session, 2), dot(session, 5)
    session.clear(2)
    run(session)
    assert all(session.carried(t).ids.any() for t in range(5))


@pytest.mark.parametrize("colors", [False, True], ids=["marks", "colours too"])
def test_several_cleared_first_key_frames_are_no_longer_key_frames(path, session, colors):
    session.colors = colors
    dot(session, 1), dot(session, 2), dot(session, 5), dot(session, 6)
    for frame in (1, 2, 6):
        session.clear(frame)
    assert session.plan(SETTING) == [(5, [6]), (6, [7]), (5, [4, 3, 2, 1, 0])], "a later cleared frame means that the objects are gone"
    run(session)
    assert session.plan(SETTING) == []
    assert session.tracked == set(range(FRAMES)) - {5}
    frames = open_video(path).read()
    back = list(carry(frames[5::-1], session.keys[5].ids, colors=frames[5] if colors else None, model=MODEL, protocol=SMALL))
    assert all(close(session.carried(t), back[5 - t]) for t in (0, 3, 4))


def test_networks_that_see_colour_cannot_colour_and_gray_videos_have_no_colours(session, make_video):
    session.colors = True
    dot(session, 0)
    with pytest.raises(ModelError) as error:
        run(session, random_model("LabNet"))
    assert_one_sentence(error, "sees colour")
    gray = opened(make_video("gray.mp4", np.repeat(index_frames(4).mean(-1, keepdims=True).astype(np.uint8), 3, axis=-1)))
    gray.colors = True
    with pytest.raises(VideoError) as error:
        run(gray)
    assert_one_sentence(error, "gray")
    assert gray.tracked == set()
    gray.colors = False
    dot(gray, 0)
    assert len(run(gray)) == 3


def test_a_shot_of_a_longer_video_has_its_own_frame_numbers(path):
    session = Session(open_video(path).part(2, 7, "a shot"))
    list(session.read())
    assert len(session) == 5
    dot(session, 2)
    assert run(session) == [(n, 4) for n in range(1, 5)]
    frames = open_video(path).read()[2:7]
    forth, back = (list(carry(part, session.keys[2].ids, model=MODEL, protocol=SMALL)) for part in (frames[2:], frames[2::-1]))
    assert all(close(session.carried(t), expected) for t, expected in [(3, forth[1]), (4, forth[2]), (1, back[1]), (0, back[2])])


def test_a_folder_of_frames_of_odd_size_can_be_tracked_and_exported(make_folder, tmp_path):
    folder = make_folder("frames", moving_shapes(2, frames=4, height=33, width=45).frames)
    session = opened(folder)
    session.paint(1, [[20, 15]], 5, 1)
    run(session, protocol=replace(MODERN, size=32, radius=3))
    assert "masks" in export(session, tmp_path / "out")
    assert [np.array(Image.open(p)).shape for p in sorted((tmp_path / "out" / "masks").iterdir())] == [(33, 45)] * 4
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "masks" / "00001.png", (33, 45)), session.keys[1].ids)


def test_an_export_keeps_the_times_the_sound_and_the_names_of_the_frames(make_folder, tmp_path):
    times = [0, 100, 200, 1200, 2200, 2300]
    session = opened(write_clip(tmp_path / "clip.mp4", SCENE[:6], times, sound="aac"))
    dot(session, 0), session.place(0, 0, (20, 20))
    run(session)
    export(session, tmp_path / "out")
    log = FrameLog()
    list(open_video(tmp_path / "out/overlay.mp4").frames(log=log))
    np.testing.assert_allclose(log.times, np.array(times) / 1000, atol=0.002)
    assert abs(tracks(tmp_path / "out/overlay.mp4")["sound_seconds"] - 2.4) < 0.1
    with open(tmp_path / "out/joints.csv", newline="") as file:
        seconds = {int(row["frame"]): float(row["seconds"]) for row in csv.DictReader(file)}
    np.testing.assert_allclose([seconds[t] for t in range(6)], np.array(times) / 1000, atol=0.002)
    # a folder
    session = opened(make_folder("frames", SCENE[:4], form="img_{}0.png"))
    dot(session, 0)
    run(session)
    export(session, tmp_path / "named")
    assert sorted(p.name for p in (tmp_path / "named/masks").iterdir()) == ["img_00.png", "img_10.png", "img_20.png", "img_30.png"]


# ---- export


def marked(session, colors=False):
    """Mark two objects and three joints, track them from frame 0, and correct frame 5."""
    session.add_object("second, with a comma")
    session.colors = colors
    dot(session, 0, x=15), dot(session, 0, x=45, y=30, value=2)
    session.place(0, 0, (20, 20.5)), session.place(0, 4, (50.25, 30)), session.place(0, 1, (10, 40))
    run(session)
    dot(session, 5, x=30, y=10, value=2)
    session.place(5, 1, None)
    run(session)
    return session


def test_an_export_can_be_read_back(path, session, tmp_path):
    marked(session, colors=True)
    told = []
    out = tmp_path / "deep" / "out"
    names = export(session, out, lambda *numbers: told.append(numbers))
    assert names == ["colorized.mp4", "joints.csv", "joints.json", "masks", "objects.json", "overlay.mp4"]
    assert sorted(p.name for p in out.iterdir()) == [LIST, *names]
    assert told == [(n, 2 * FRAMES) for n in range(1, 2 * FRAMES + 1)]

    masks = sorted((out / "masks").iterdir())
    assert [p.name for p in masks] == [f"{t:05d}.png" for t in range(FRAMES)]
    for t, mask in enumerate(masks):
        np.testing.assert_array_equal(read_mask(mask, (H, W)), session.carried(t).ids)
        with Image.open(mask) as picture:
            assert picture.mode == "P"
            assert picture.getpalette()[:768] == davis_palette().flatten().tolist()
    assert json.loads((out / "objects.json").read_text()) == {
        "objects": {"1": "object 1", "2": "second, with a comma"},
        "marked_frames": [0, 5],
    }

    joints, xy, confidence = read_joints_csv(out / "joints.csv")
    assert joints == session.joints.names
    assert xy.shape == (FRAMES, len(joints), 2)
    for t in range(FRAMES):
        np.testing.assert_allclose(xy[t], session.carried(t).xy, atol=0.00501)
        np.testing.assert_allclose(confidence[t], session.carried(t).confidence, atol=0.000501)
    assert np.isnan(xy[5:, 1]).all(), "absent from the correction onwards"
    assert np.isfinite(xy[:5, 1]).all(), "absent from the correction onwards"
    first = read_joints(out / "joints.json", (H, W))
    assert first.names == ("head", "neck", "left_elbow")
    assert first.xy.tolist() == [[20, 20.5], [10, 40], [50.25, 30]]
    assert first.edges == ((0, 1),), "an edge needs both of its joints"

    frames = open_video(path).read()
    for name in ("overlay", "colorized"):
        video = open_video(out / f"{name}.mp4")
        assert video.fps == pytest.approx(12)
        assert video.read().shape == frames.shape
    drawn, colored = (open_video(out / f"{name}.mp4").read().astype(int) for name in ("overlay", "colorized"))
    for t, frame in enumerate(frames):
        carried = session.carried(t)
        expected = skeleton(overlay(frame, carried.ids), carried.xy, session.joints.edges)
        assert np.abs(drawn[t] - expected).mean() < min(8, np.abs(drawn[t] - frame).mean())
        painted = paint(frame, session.carried(t or 1).ab)
        near, far = (painted, frame) if t else (frame, painted)  # the frame that gives the colours keeps its own
        assert np.abs(colored[t] - near).mean() < min(8, np.abs(colored[t] - far).mean())


EXPORTS = {
    "masks": (lambda s: dot(s, 0), ["masks", "objects.json", "overlay.mp4"]),
    "joints": (lambda s: s.place(0, 1, (9, 9)), ["joints.csv", "joints.json", "overlay.mp4"]),
    "colours": (lambda s: setattr(s, "colors", True), ["colorized.mp4"]),
    "masks and colours": (lambda s: (dot(s, 0), setattr(s, "colors", True)), ["colorized.mp4", "masks", "objects.json", "overlay.mp4"]),
}


@pytest.mark.parametrize("mark, names", EXPORTS.values(), ids=EXPORTS)
def test_an_export_contains_only_what_was_marked(session, tmp_path, mark, names):
    mark(session)
    run(session)
    assert export(session, tmp_path / "out") == names
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [LIST, *names]


def test_joints_missing_in_frame_0_are_exported_only_to_the_table(session, tmp_path):
    dot(session, 0)
    session.place(3, 1, (30, 20))
    run(session)
    assert export(session, tmp_path / "out") == ["joints.csv", "masks", "objects.json", "overlay.mp4"]
    _, xy, confidence = read_joints_csv(tmp_path / "out" / "joints.csv")
    assert np.isnan(xy[0]).all()
    assert (confidence[0] == 0).all()
    assert np.isfinite(xy[3, 1]).all()


def test_objects_added_by_a_correction_are_in_every_later_mask(session, tmp_path):
    session.place(0, 1, (30, 20))
    run(session)
    dot(session, 4)
    run(session)
    export(session, tmp_path / "out")
    with_object = [np.array(Image.open(tmp_path / "out" / "masks" / f"{t:05d}.png")).any() for t in range(FRAMES)]
    assert with_object == [False] * 4 + [True] * 4


@pytest.fixture
def command(cli, monkeypatch, tmp_path):
    """The command line with small frames and this module's model."""
    monkeypatch.setitem(propagate.PROTOCOLS, "refined", SMALL)  # the default
    MODEL.save(tmp_path / "model.pt")
    return lambda *args: cli(*args, "--model", tmp_path / "model.pt", "--device", "cpu")


def test_the_track_command_reads_an_exported_mask_and_gives_the_same_result(path, session, tmp_path, command):
    dot(session, 0, x=15)
    run(session)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    export(session, ours)
    result = command("track", path, "--mask", ours / "masks" / "00000.png", "--out", theirs)
    assert result.status == 0, result.err
    for t in range(FRAMES):
        a, b = (read_mask(folder / "masks" / f"{t:05d}.png") for folder in (ours, theirs))
        assert (a != b).mean() < 0.002, t


@pytest.mark.parametrize("file", ["joints.json", "joints.csv"])
def test_the_pose_command_reads_exported_joints_and_gives_the_same_result(path, session, tmp_path, command, file):
    session.place(0, 0, (20, 20.5)), session.place(0, 4, (50.25, 30))
    run(session)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    export(session, ours)
    result = command("pose", path, "--joints", ours / file, "--out", theirs)
    assert result.status == 0, result.err
    (names, xy, _), (known, found, _) = (read_joints_csv(folder / "joints.csv") for folder in (ours, theirs))
    assert known == ("head", "left_elbow")
    np.testing.assert_allclose(found, xy[:, [names.index(name) for name in known]], atol=0.05)


@pytest.mark.parametrize("video", ["overlay.mp4", "colorized.mp4"])
def test_the_track_command_reads_an_exported_video(session, tmp_path, command, video):
    marked(session, colors=True)
    out = tmp_path / "out"
    export(session, out)
    result = command("track", out / video, "--mask", out / "masks" / "00000.png", "--out", tmp_path / "again")
    assert result.status == 0, result.err
    assert len(list((tmp_path / "again" / "masks").iterdir())) == FRAMES


class Stop(Exception):
    """Raised by the progress callback."""


@pytest.mark.parametrize("at", [1, 5, FRAMES + 1, 2 * FRAMES])
def test_a_stopped_export_leaves_nothing_behind(session, tmp_path, at):
    marked(session, colors=True)

    def tell(done, total):
        if done == at:
            raise Stop

    with pytest.raises(Stop):
        export(session, tmp_path / "new" / "out", tell)
    assert [p.name for p in tmp_path.iterdir()] == ["given"]


def test_a_stopped_export_keeps_the_previous_one_unchanged(session, tmp_path):
    dot(session, 0)
    run(session)
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    export(session, out)
    before = {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    dot(session, 0, x=50)
    run(session)

    def tell(done, total):
        if done == total:
            raise Cancelled

    with pytest.raises(Cancelled):
        export(session, out, tell)
    assert {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    export(session, out)
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "masks" / "00000.png").read_bytes() != before[(out / "masks" / "00000.png").relative_to(out)]


def test_exporting_untracked_frames_names_the_first_one(session, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(MaskError) as error:
        export(session, out)
    assert_one_sentence(error, "8 of 8", "frame 0")
    dot(session, 2)
    with pytest.raises(MaskError) as error:
        export(session, out)
    assert_one_sentence(error, "7 of 8", "frame 0")
    work = session.track(MODEL, SMALL)
    [next(work) for _ in range(3)]
    work.close()
    dot(session, 0), dot(session, 1)
    with pytest.raises(MaskError) as error:
        export(session, out)
    assert_one_sentence(error, "2 of 8", "frame 6")
    assert not out.exists()


@pytest.mark.parametrize("away", [lambda s: s.undo(), lambda s: s.clear(0)], ids=["undone", "cleared"])
def test_without_any_marks_there_is_nothing_to_export(session, tmp_path, away):
    dot(session, 0)
    run(session)
    away(session)
    with pytest.raises(MaskError) as error:
        export(session, tmp_path / "out")
    assert_one_sentence(error, "frame 0")
    assert not (tmp_path / "out").exists()


def test_an_undone_first_key_frame_is_not_exported_blank(session, tmp_path):
    dot(session, 5), dot(session, 2)
    run(session)
    session.undo()
    with pytest.raises(MaskError) as error:
        export(session, tmp_path / "out")
    assert_one_sentence(error, "1 of 8", "frame 2")
    assert not (tmp_path / "out").exists()


def test_an_export_into_a_file_is_refused(session, tmp_path):
    dot(session, 0)
    run(session)
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError) as error:
            export(session, out)
        assert_one_sentence(error, out)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_exported_table_keeps_special_characters_in_names(session, tmp_path):
    session.choose(Joints(('nose, "left"', "größe"), np.full((2, 2), np.nan), ((0, 1),)))
    session.place(0, 0, (9, 9)), session.place(0, 1, (30, 20))
    run(session)
    export(session, tmp_path)
    with open(tmp_path / "joints.csv", newline="", encoding="utf-8") as file:
        assert [row[1] for row in csv.reader(file)][1:3] == ['nose, "left"', "größe"]
    assert read_joints(tmp_path / "joints.json").names == ('nose, "left"', "größe")
