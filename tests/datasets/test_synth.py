"""Test the synthetic scenes: the same seed gives the same scene, and masks, joints and occlusion are consistent with each other."""

import functools

import numpy as np
import pytest

from tinytrack.datasets.synth import moving_shapes

T, H, W, N = 40, 96, 128, 3
SEEDS = [0, 1, 2, 3]


@functools.cache
def scene(seed):
    return moving_shapes(seed, frames=T, height=H, width=W, objects=N)


def same(a, b):
    arrays = all(np.array_equal(getattr(a, key), getattr(b, key)) for key in ("frames", "masks", "joints", "visible", "occluded"))
    return arrays and (a.names, a.edges) == (b.names, b.edges)


def inside(points):
    """Which points (x, y) lie inside the frame, where pixel 0 starts at -0.5."""
    return ((points >= -0.5) & (points <= np.array([W, H]) - 0.5)).all(-1)


def clear(masks, t, number):
    """Whether the object is visible and does not touch the border of the frame, where it might be cut off."""
    on = masks[t] == number
    return on.any() and not (on[0].any() or on[-1].any() or on[:, 0].any() or on[:, -1].any())


def test_a_scene_has_the_documented_shapes_and_names():
    s = moving_shapes(5, frames=4, height=40, width=56, objects=2)
    assert s.frames.shape == (4, 40, 56, 3)
    assert s.frames.dtype == np.uint8
    assert s.masks.shape == (4, 40, 56)
    assert s.masks.dtype == np.uint8
    assert s.joints.shape == (4, 6, 2)
    assert s.visible.shape == (4, 6)
    assert s.visible.dtype == bool
    assert s.occluded.shape == (4, 2)
    assert s.occluded.dtype == bool
    assert s.names == ("object1_center", "object1_a", "object1_b", "object2_center", "object2_a", "object2_b")
    assert s.edges == ((0, 1), (0, 2), (3, 4), (3, 5))


def test_the_same_seed_gives_the_same_scene_and_other_seeds_differ():
    args = {"frames": 3, "height": 32, "width": 40}
    first = moving_shapes(7, **args)
    np.random.seed(1)  # the scene must depend only on its arguments
    assert same(first, moving_shapes(7, **args))
    other = moving_shapes(8, **args)
    assert (first.frames != other.frames).mean() > 0.5
    assert np.abs(first.joints - other.joints).max() > 3


def test_a_longer_scene_starts_with_the_frames_of_a_shorter_one():
    args = {"height": 32, "width": 40}
    short, long = moving_shapes(7, frames=3, **args), moving_shapes(7, frames=6, **args)
    np.testing.assert_array_equal(long.frames[:3], short.frames)
    np.testing.assert_array_equal(long.joints[:3], short.joints)


@pytest.mark.parametrize("seed", SEEDS)
def test_visible_joints_lie_on_their_object_and_hidden_ones_do_not(seed):
    s = scene(seed)
    checked = 0
    for t, j in np.ndindex(s.visible.shape):
        x, y = np.rint(s.joints[t, j]).astype(int)
        if not inside(s.joints[t, j]):
            assert not s.visible[t, j]
            continue
        around = s.masks[t, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        # Rounding to a pixel may cross an edge, so only check joints whose 3x3 neighbourhood has one label.
        if (around == around.flat[0]).all():
            assert (s.masks[t, y, x] == j // 3 + 1) == s.visible[t, j], f"frame {t}, {s.names[j]}"
            checked += 1
    assert checked > 0.9 * inside(s.joints).sum()


def test_the_scenes_have_visible_and_hidden_joints():
    hidden = [(~scene(seed).visible & inside(scene(seed).joints)).sum() for seed in SEEDS]
    assert sum(hidden) > 20
    assert all(scene(seed).visible.mean() > 0.5 for seed in SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_outlines_match_the_joints(seed):
    # Joints a and b lie on rays from the centre, at 0.6 of the distance to the outline. A point on the ray slightly below 1
    # must be on the object, and a point slightly above 1 must be off it.
    s = scene(seed)
    checked = 0
    for t in range(T):
        for n in range(N):
            if s.occluded[t, n] or not clear(s.masks, t, n + 1):
                continue
            center = s.joints[t, 3 * n]
            for tip in s.joints[t, 3 * n + 1 : 3 * n + 3]:
                arm = (tip - center) / 0.6
                pixel = 1.5 / np.hypot(*arm)  # test points one and a half pixels inside and outside the outline
                (x, y), (x2, y2) = (np.rint(center + arm * reach).astype(int) for reach in (1 - pixel, 1 + pixel))
                assert s.masks[t, y, x] == n + 1
                assert not (0 <= y2 < H and 0 <= x2 < W) or s.masks[t, y2, x2] != n + 1
                checked += 1
    assert checked > 40


@pytest.mark.parametrize("seed", SEEDS)
def test_masks_move_turn_and_grow_with_the_joints(seed):
    """The centre of mass of a fully visible object is at its centre joint, and its area grows with the square of the arm length."""
    s = scene(seed)
    for n in range(N):
        center, arm = s.joints[:, 3 * n], np.hypot(*(s.joints[:, 3 * n + 1] - s.joints[:, 3 * n]).T)
        whole = [t for t in range(T) if not s.occluded[t, n] and clear(s.masks, t, n + 1)]
        ratio = []
        for t in whole:
            y, x = np.nonzero(s.masks[t] == n + 1)
            assert np.hypot(x.mean() - center[t, 0], y.mean() - center[t, 1]) < 0.25
            ratio.append(len(x) / arm[t] ** 2)
        assert len(whole) == 0 or np.ptp(ratio) < 0.03 * np.mean(ratio)


@pytest.mark.parametrize("seed", SEEDS)
def test_occlusion_agrees_with_the_masks(seed):
    s = scene(seed)
    assert not s.occluded[:, 0].any(), "object 1 is the nearest and must never be occluded"
    for n in range(1, N):
        arm = np.hypot(*(s.joints[:, 3 * n + 1] - s.joints[:, 3 * n]).T)
        area = (s.masks == n + 1).sum((1, 2)) / arm**2
        whole = [t for t in range(T) if not s.occluded[t, n] and clear(s.masks, t, n + 1)]
        for t in np.flatnonzero(s.occluded[:, n]):
            on = np.pad(s.masks[t] == n + 1, 1)
            grown = on[1:-1, 1:-1] | on[:-2, 1:-1] | on[2:, 1:-1] | on[1:-1, :-2] | on[1:-1, 2:]
            nearer = (s.masks[t] > 0) & (s.masks[t] <= n)
            assert (grown & nearer).any() or not on.any(), f"frame {t}: object {n + 1} must touch an object that hides it"
            if whole:
                assert area[t] < 1.03 * np.mean(area[whole]), f"frame {t}: object {n + 1} must not exceed its fully visible area"
        for t in np.flatnonzero(~s.occluded[:, n]):
            joints = slice(3 * n, 3 * n + 3)
            np.testing.assert_array_equal(s.visible[t, joints], inside(s.joints[t, joints]))


def test_the_scenes_have_occluded_and_unoccluded_objects():
    shares = np.stack([scene(seed).occluded[:, 1:] for seed in SEEDS]).mean()
    assert 0.05 < shares < 0.95


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_centres_move_at_the_requested_speed_and_stay_in_the_frame(speed):
    s = moving_shapes(4, frames=20, height=48, width=64, speed=speed)
    centers = s.joints[:, ::3]
    assert inside_of(centers, 48, 64)
    step = np.median(np.hypot(*np.moveaxis(np.diff(centers, axis=0), -1, 0)), axis=0)
    assert ((step >= 0.6 * speed - 1e-9) & (step <= 1.4 * speed + 1e-9)).all()


def inside_of(points, height, width):
    return ((points >= 0) & (points <= (width - 1, height - 1))).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_shapes_rotate_and_the_background_drifts(seed):
    s = scene(seed)
    turns = []
    for n in range(N):
        arm = s.joints[:, 3 * n + 1] - s.joints[:, 3 * n]
        angle = np.unwrap(np.arctan2(arm[:, 1], arm[:, 0]))
        np.testing.assert_allclose(np.diff(angle), angle[1] - angle[0], atol=1e-9)  # the rotation is uniform
        turns.append(abs(angle[1] - angle[0]))
    assert 0.01 < max(turns) <= 0.06
    both = (s.masks[0] == 0) & (s.masks[T // 2] == 0)
    assert np.abs(s.frames[0][both].astype(int) - s.frames[T // 2][both]).mean() > 3


def test_texture_moves_with_its_object():
    """The colour at a joint varies far less over time than the colours vary across the object."""
    kept, chance = [], []
    for seed in SEEDS:
        s = scene(seed)
        for j in range(3 * N):
            seen = [t for t in np.flatnonzero(s.visible[:, j]) if clear(s.masks, t, j // 3 + 1)]
            if len(seen) < 5:
                continue
            x, y = np.rint(s.joints[seen, j]).astype(int).T
            kept.append(s.frames[seen, y, x].std(0).mean())
            chance.append(s.frames[seen[0]][s.masks[seen[0]] == j // 3 + 1].std(0).mean())
    assert len(kept) > 10
    assert np.mean(kept) < 0.5 * np.mean(chance)


def test_objects_of_a_scene_differ_in_colour():
    s = scene(0)
    means = np.array([s.frames[s.masks == n].mean(0) for n in range(1, N + 1)])
    distance = np.linalg.norm(means[:, None] - means[None], axis=-1)[~np.eye(N, dtype=bool)]
    assert distance.min() > 60


@pytest.mark.parametrize("objects", [1, 20])
def test_a_scene_has_the_requested_number_of_objects(objects):
    s = moving_shapes(1, frames=2, height=32, width=48, objects=objects)
    assert len(s.names) == 3 * objects
    assert s.occluded.shape == (2, objects)
    assert set(np.unique(s.masks)) <= set(range(objects + 1))
    assert 1 in s.masks


@pytest.mark.parametrize("bad", [{"frames": 0}, {"objects": 0}, {"objects": 21}, {"height": 15}, {"width": 15}, {"frames": -3}])
def test_invalid_arguments_are_refused(bad):
    with pytest.raises(ValueError, match="no scene") as error:
        moving_shapes(0, **bad)
    assert str(next(iter(bad.values()))) in str(error.value)
