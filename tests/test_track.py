"""Tracking: masks, joints and colours follow the motion of the video, and memory use stays constant."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.support.helpers import assert_one_sentence
from tinytrack import track
from tinytrack.datasets.synth import moving_shapes
from tinytrack.draw.pictures import to_gray
from tinytrack.embed import PaperNet
from tinytrack.errors import JointsError, MaskError, ModelError, VideoError
from tinytrack.evaluation.baselines import baseline_model
from tinytrack.evaluation.metrics import color_error, region_j
from tinytrack.label_maps import joint_maps, locate_joints, mask_labels, paint, read_masks
from tinytrack.model import Model, load_model, random_model
from tinytrack.pointer import affinity, copy, pixels
from tinytrack.propagate import FINE, MODERN, PAPER, PROTOCOLS, REFINED, WINDOWED, Protocol, propagate
from tinytrack.track import carry, colorize, embed_frames, label_grid, track_joints, track_masks, working_size

SMALL = replace(MODERN, size=64, radius=6)


class PatchNet(torch.nn.Module):
    """A network without weights, for exact tests: the embedding of a cell is its own 4x4 pixels, scaled to unit length."""

    stride, clip_frames, channels, dim = 4, 1, 1, 17

    def __init__(self):
        super().__init__()
        self.dummy = torch.nn.Parameter(torch.zeros(1))

    def forward(self, gray):
        patches = F.pixel_unshuffle(gray, 4)
        return F.normalize(torch.cat([patches, torch.full_like(patches[:, :1], 0.1)], dim=1), dim=1)


def patch_model(temperature=1e-3) -> Model:
    return replace(random_model(), net=PatchNet(), temperature=temperature)


def noise(t=1, h=64, w=80, seed=0) -> np.ndarray:
    """Frames of random pixels, in which every 4x4 square is different."""
    return np.random.default_rng(seed).integers(0, 256, (t, h, w, 3)).astype(np.uint8)


def square(h=64, w=80) -> np.ndarray:
    """A mask of two squares, with ids 1 and 5."""
    mask = np.zeros((h, w), np.uint8)
    mask[8:24, 12:32], mask[40:56, 40:60] = 1, 5
    return mask


def on_grid(mask: np.ndarray) -> np.ndarray:
    """Send a mask through the label grid and back; no tracker on this grid can do better."""
    ids = np.unique(mask[mask > 0])
    return read_masks(mask_labels(mask, ids, (mask.shape[0] // 4, mask.shape[1] // 4)), ids, mask.shape, read="min_max")


def test_propagate_equals_affinity_and_copy_in_every_step():
    g = torch.Generator().manual_seed(0)
    f = torch.randn(5, 6, 3, 4, generator=g, dtype=torch.float64)
    c = torch.rand(2, 3, 4, generator=g, dtype=torch.float64)
    protocol = Protocol("plain", size=None, back=(1, 2), keep_first=True)
    y = list(propagate(f, c, protocol, temperature=0.5))
    references = {1: [0], 2: [0, 1], 3: [0, 1, 2], 4: [0, 2, 3]}
    expected = [c]
    for t in range(1, 5):
        f_i = torch.stack([f[i] for i in references[t]])[None]
        c_i = torch.stack([expected[i] for i in references[t]])[None]
        A = affinity(pixels(f[t][None]), pixels(f_i), 0.5)
        expected.append(copy(A, pixels(c_i)).mT.reshape(2, 3, 4))
    assert len(y) == 5
    assert y[0] is c
    for ours, theirs in zip(y, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_only_a_protocol_that_keeps_the_first_frame_can_point_at_it():
    """Frame 5 matches only frame 0, so only a protocol that keeps frame 0 can point at it."""
    f = torch.zeros(6, 2, 1, 2)
    f[[0, 5], 0], f[1:5, 1] = 9, 9
    label = torch.ones(1, 1, 2)
    kept = list(propagate(f, label, Protocol("kept", None, (1, 2, 3), True)))
    assert kept[5].min() == pytest.approx(1)
    marked = label * torch.tensor([1.0, 0.0])  # the two cells are alike, so one propagation step averages their labels
    assert torch.allclose(list(propagate(f, marked, Protocol("lost", None, (1, 2, 3), False)))[5], torch.full((1, 1, 2), 0.5))


def test_references_are_limited_to_existing_earlier_frames():
    assert MODERN.references(1) == [0]
    assert MODERN.references(7) == list(range(7))
    assert MODERN.references(50) == [0, *range(43, 50)]
    apart = replace(MODERN, back=(1, 2, 5))
    assert apart.references(4) == [0, 2, 3]
    assert apart.references(5) == [0, 3, 4]
    assert apart.references(50) == [0, 45, 48, 49]
    assert PAPER.references(2) == [0, 1]
    assert PAPER.references(50) == [47, 48, 49]


def test_a_reference_several_frames_back_brings_its_own_labels():
    """Cell 0 of frame 3 looks like cell 0 of frame 0, which a protocol only remembers if it goes three frames back."""
    f = torch.zeros(4, 3, 1, 2)
    f[0, 0, 0, 0] = f[0, 1, 0, 1] = f[3, 0, 0, 0] = f[3, 1, 0, 1] = 9
    f[1:3, 2] = 9  # in frames 1 and 2 both cells look alike, so each label spreads over both
    label = torch.tensor([[[1.0, 0.0]]])
    for back, expected in (((1, 3), [1.0, 0.0]), ((1, 2), [0.5, 0.5])):
        protocol = Protocol("far", None, back, False)
        assert torch.allclose(list(propagate(f, label, protocol))[3], torch.tensor([[expected]]), atol=1e-3), back


def test_the_first_labels_are_not_modified():
    label = torch.rand(2, 3, 4)
    before = label.clone()
    list(propagate(torch.randn(6, 5, 3, 4), label, replace(MODERN, radius=1)))
    assert torch.equal(label, before)


def test_labels_stay_distributions():
    f = F.normalize(torch.randn(7, 8, 9, 11, generator=torch.Generator().manual_seed(1)), dim=1)
    label = torch.rand(4, 9, 11).softmax(0)
    for protocol in (replace(MODERN, radius=3), PAPER):
        for y in propagate(f, label, protocol, 0.07):
            assert torch.allclose(y.sum(0), torch.ones(9, 11), atol=1e-5)


def test_clip_networks_replace_the_stored_embeddings():
    """The clip of the last frame brings new embeddings of the references; their labels stay the same."""
    a, b = torch.tensor([9.0, 0])[:, None, None], torch.tensor([0, 9.0])[:, None, None]
    cells = torch.cat([a, b], dim=2)  # (2, 1, 2)
    swapped = cells.flip(2)
    label = torch.tensor([[[1.0, 0.0]]])
    protocol = Protocol("p", None, (1, 2, 3), False)
    plain = list(propagate([cells[None], torch.stack([cells, cells])], label, protocol))
    assert torch.allclose(plain[1], label, atol=1e-6)
    seen_again = list(propagate([cells[None], torch.stack([swapped, cells])], label, protocol))
    assert torch.allclose(seen_again[1], label.flip(2), atol=1e-6)


@pytest.mark.parametrize("protocol", [SMALL, replace(SMALL, radius=None, top_k=None), replace(PAPER, size=(64, 80), grid=None)])
def test_identical_frames_track_themselves_exactly(protocol, device):
    frames = noise().repeat(6, axis=0)
    mask = square()
    model = patch_model()
    model.net.to(device)
    first, *others = track_masks(frames, mask, model, replace(protocol, read="min_max"))
    assert np.array_equal(first, mask)
    assert region_j(on_grid(mask) > 0, mask > 0) > 0.95
    assert all(np.array_equal(ids, on_grid(mask)) for ids in others)
    xy = np.array([[20.0, 15.5], [50.0, 44.0]])
    tracked = list(track_joints(frames, xy, model, protocol))
    assert len(tracked) == len(frames)
    for place, confidence in tracked:
        assert np.abs(place - xy).max() < 0.6
        assert confidence.min() > 0.99
    colored = list(colorize(frames, model, protocol))
    assert np.array_equal(colored[0], frames[0])
    assert np.array_equal(colored[5], colored[1])


def test_a_shifted_clip_shifts_its_masks():
    wide = noise(w=160)[0]
    frames = np.stack([wide[:, 40 - 4 * t : 120 - 4 * t] for t in range(6)])  # moves right by one cell per frame
    mask = square()
    tracked = list(track_masks(frames, mask, patch_model(), replace(SMALL, read="min_max")))
    assert len(tracked) == len(frames)
    for t, ids in enumerate(tracked):
        expected = np.zeros_like(mask)
        expected[:, 4 * t :] = mask[:, : 80 - 4 * t]
        inner = slice(4 * t + 2, 78)  # what entered at the left was never labelled
        assert np.array_equal(ids[:, inner], (on_grid(expected) if t else mask)[:, inner])


def test_joints_move_with_the_picture_and_become_nan_outside_it():
    wide = noise(w=240)[0] // 2 + 128
    wide[:, :80] //= 8  # what enters at the left is dark, so that it cannot look like a joint
    frames = np.stack([wide[:, 80 - 8 * t : 160 - 8 * t] for t in range(9)])  # moves right by two cells per frame
    xy = np.array([[13.5, 29.5], [69.5, 29.5], [np.nan, np.nan]])
    tracked = list(track_joints(frames, xy, patch_model(), SMALL))
    assert len(tracked) == len(frames)
    for t, (place, confidence) in enumerate(tracked):
        assert np.abs(place[0] - (xy[0] + [8 * t, 0])).max() < (1.0 if t < 7 else 2.5)  # half the Gaussian is cut off at the border
        assert confidence[0] > 0.9
        assert np.isnan(place[2]).all()
        assert confidence[2] == 0
    assert np.isnan(tracked[8][0][1]).all()  # at x = 69.5 + 64 the joint is far outside


def test_colorize_keeps_lightness_and_restores_shifted_colors():
    from tinytrack.color import frames_to_lab

    scene = moving_shapes(1, frames=2, height=64, width=80)
    frame = scene.frames[0]
    frames = np.stack([frame] * 4)
    gray = frames.copy()
    gray[1:] = np.asarray(frames_to_lab(frames[1:])[:, :1].mul(2.55).round().byte().permute(0, 2, 3, 1).expand(-1, -1, -1, 3))
    result = np.stack(list(colorize(gray, patch_model(), SMALL)))
    before, after = frames_to_lab(gray)[:, 0], frames_to_lab(result)[:, 0]
    assert (before - after).abs().quantile(0.95) < 1.0  # rounding, and colours clipped to the gamut
    assert color_error(result[3], frame) < 0.25 * color_error(gray[3], frame)


def test_colors_of_later_frames_are_ignored():
    """A video that turns gray after its first frame, lightness unchanged, gets the same colours as the one that stays in colour."""
    frames = moving_shapes(1, frames=4, height=64, width=80).frames
    gray = frames.copy()
    gray[1:] = to_gray(frames[1:])
    ours, theirs = (np.stack(list(colorize(video, patch_model(), SMALL))) for video in (frames, gray))
    assert len(ours) == len(frames)
    assert np.abs(ours.astype(int) - theirs).mean() < 1.5, "only the rounding of the lightness may differ"
    assert np.ptp(theirs[3].astype(int), axis=2).mean() > 20, "and the result is in colour"


def test_colors_can_come_from_a_separate_reference_frame():
    frame = moving_shapes(2, frames=1, height=64, width=80).frames[0]
    gray = np.repeat(frame.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    result = list(colorize(np.stack([gray] * 3), patch_model(), SMALL, reference=frame))
    # The lightness comes from the gray frame, so some colours of the reference fall outside the gamut and are clipped.
    assert color_error(result[0], frame) < 2.0
    assert color_error(result[2], frame) < 0.3 * color_error(gray, frame)
    with pytest.raises(VideoError, match="gray"):
        next(colorize(np.stack([gray] * 3), patch_model(), SMALL))
    with pytest.raises(VideoError, match="expected 80x64"):
        next(colorize(np.stack([gray] * 3), patch_model(), SMALL, reference=frame[:32]))


@pytest.mark.parametrize("name", ["lab", "random-lab"])
def test_networks_that_see_colour_propagate_masks_but_refuse_to_colorize(name):
    model, frames = baseline_model(name), noise(3)
    for colored in (colorize(frames, model, SMALL), carry(frames, square(), colors=frames[0], model=model, protocol=SMALL)):
        with pytest.raises(ModelError) as error:
            next(colored)
        assert_one_sentence(error, "sees colour", "tiny-gray")
    assert len(list(track_masks(frames, square(), model, SMALL))) == 3


def test_class_ids_are_never_averaged():
    """Objects 1 and 3 are neighbours; resizing the ids themselves would invent an object 2 between them."""
    mask = np.zeros((16, 16), np.uint8)
    mask[:, :7], mask[:, 7:] = 1, 3
    labels = mask_labels(mask, np.array([1, 3]), (4, 4))
    assert labels.shape == (3, 4, 4)
    assert torch.allclose(labels.sum(0), torch.ones(4, 4))
    assert torch.allclose(labels[1, 0], torch.tensor([1, 0.75, 0, 0]))
    assert set(np.unique(read_masks(labels, np.array([1, 3]), (16, 16)))) == {1, 3}


def test_the_label_grid_keeps_almost_all_of_a_mask():
    """Masks are averaged down to stride 4 and interpolated back up; the published upper bound for real masks is J 97."""
    scene = moving_shapes(0, frames=1, height=240, width=320)
    ids = np.array([1, 2, 3])
    back = read_masks(mask_labels(scene.masks[0], ids, (60, 80)), ids, (240, 320))
    for n in ids:
        assert region_j(back == n, scene.masks[0] == n) > 0.95


def test_min_max_finds_an_object_that_has_faded():
    soft = torch.full((2, 8, 8), 0.0)
    soft[1, 2:4, 2:4] = 0.4
    soft[0] = 1 - soft[1]
    ids = np.array([7])
    assert (read_masks(soft, ids, (8, 8)) == 0).all()
    found = read_masks(soft, ids, (8, 8), read="min_max")
    assert found[2:4, 2:4].tolist() == [[7, 7], [7, 7]]
    assert (found[5:] == 0).all()


def test_min_max_does_not_invent_an_object_that_is_gone():
    soft = torch.zeros(2, 8, 8)
    soft[0] = 1
    assert (read_masks(soft, np.array([1]), (8, 8), read="min_max") == 0).all()


def test_joints_are_located_where_their_maps_were_drawn():
    xy = np.array([[10.25, 7.0], [0.0, 0.0], [79.0, 63.0], [np.nan, np.nan], [33.3, 41.8]])
    maps = joint_maps(xy, (64, 80), (16, 20))
    place, peak = locate_joints(maps, (64, 80))
    inner = [0, 4]
    assert np.abs(place[inner] - xy[inner]).max() < 0.6
    assert np.abs(place[[1, 2]] - xy[[1, 2]]).max() < 2.5  # half of the Gaussian is cut off at a corner
    assert np.isnan(place[3]).all()
    assert peak[3] == 0


def test_several_objects_keep_their_ids():
    mask = np.zeros((64, 80), np.uint8)
    names = [3, 9, 200]
    for n, left in zip(names, (0, 24, 48), strict=True):
        mask[16:48, left : left + 16] = n
    first, *others = track_masks(noise().repeat(3, axis=0), mask, patch_model(), SMALL)
    assert np.array_equal(first, mask)
    assert all(np.array_equal(ids, on_grid(mask)) for ids in others)
    assert np.unique(others[-1]).tolist() == [0, *names]


@pytest.mark.parametrize("size", [(61, 83), (97, 33)])
@pytest.mark.parametrize("protocol", [SMALL, PAPER, replace(REFINED, size=64, radius=6)])
def test_results_have_the_size_of_the_input_even_if_it_is_odd(size, protocol):
    frames = noise(3, *size)
    mask = np.zeros(size, np.uint8)
    mask[10:30, 5:25] = 1
    model = random_model()
    results = list(track_masks(frames, mask, model, protocol))
    assert len(results) == 3
    assert all(r.shape == size and r.dtype == np.uint8 for r in results)
    assert np.array_equal(results[0], mask)
    assert all(c.shape == (*size, 3) for c in colorize(frames, model, protocol))


def test_the_working_size_is_a_multiple_of_the_stride():
    model = random_model()
    assert working_size(480, 854, model, MODERN) == (240, 428)
    assert label_grid(480, 854, model, MODERN) == (60, 107)
    assert working_size(480, 854, model, PAPER) == (256, 256)
    assert label_grid(480, 854, model, PAPER) == (32, 32)
    assert working_size(480, 854, model, FINE) == (480, 856)  # whole squares of 2x2 cells
    assert label_grid(480, 854, model, FINE) == (120, 214)
    assert FINE == replace(REFINED, name="refined-480", size=480, radius=24, gate=16, coarse=2)
    assert [REFINED.at_rows(rows).coarse for rows in (120, 240, 479, 480, 720)] == [1, 1, 1, 2, 3]
    assert WINDOWED.at_rows(480).coarse == 2
    assert PROTOCOLS == {"paper": PAPER, "modern": MODERN, "windowed": WINDOWED, "refined": REFINED}


def test_the_spot_of_a_keypoint_keeps_its_size_in_the_picture_if_cells_get_finer(monkeypatch):
    """Unless the skeleton is small: then it keeps its number of cells."""
    frames, widths = np.zeros((2, 480, 640, 3), np.uint8), []
    monkeypatch.setattr(track, "joint_maps", lambda *args: widths.append(args[3]) or joint_maps(*args))
    for height in (330, 310, 0):
        xy = np.array([[50.0, 20], [50, 20 + height], [np.nan, np.nan]])
        for rows in (240, 480, 720):
            next(track_joints(frames, xy, random_model(), MODERN.at_rows(rows)))
    assert widths == pytest.approx([0.7, 1.4, 2.1] + [0.7] * 6)


@pytest.mark.parametrize("coarse", [1, 2])
def test_propagation_gives_the_same_labels_in_every_mode_of_autograd(coarse, device):
    """Outside inference mode, gradients flow through all frames, and a generator may be continued in another mode."""
    protocol = replace(MODERN, size=None, back=(1, 2, 3), radius=4, top_k=5, coarse=coarse)
    f = F.normalize(torch.randn(9, 6, 8, 12, generator=torch.Generator().manual_seed(0)), dim=1).to(device).requires_grad_()
    first = torch.rand(2, 8, 12, generator=torch.Generator().manual_seed(1)).to(device)
    recorded = torch.stack(list(propagate(f, first, protocol, 0.2)))
    recorded[-1].sum().backward()
    assert (f.grad.abs().sum((1, 2, 3)) > 0)[[0, -1]].all()
    f, recorded = f.detach(), recorded.detach()
    with torch.inference_mode():
        steps = propagate(f, first, protocol, 0.2)
        found = [next(steps), next(steps)]
    found += steps
    assert torch.allclose(torch.stack(found), recorded, atol=1e-6)
    with torch.inference_mode():
        assert torch.allclose(torch.stack(list(propagate(f, first, protocol, 0.2))), recorded, atol=1e-6)


def test_papernet_follows_the_protocol_of_the_paper():
    """The protocol uses frames of 256x256, a 32x32 grid, clips of four, and half the training temperature."""
    model = replace(random_model("PaperNet"), temperature=1.0)
    assert isinstance(model.net, PaperNet)
    assert PAPER.sharpen * model.temperature == 0.5
    frames = noise(3, 40, 60)
    with torch.no_grad():
        embeddings = list(embed_frames(frames, model, PAPER))
    assert [tuple(e.shape) for e in embeddings] == [(4, 64, 32, 32)] * 3
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 20:40] = 1
    results = list(track_masks(frames, mask, model, PAPER))
    assert [r.shape for r in results] == [(40, 60)] * 3


def test_tinynet_embeddings_on_the_grid_of_the_paper_have_unit_length():
    with torch.no_grad():
        f = next(embed_frames(noise(1), random_model(), PAPER))
    assert f.shape == (1, 64, 32, 32)
    assert torch.allclose(f.norm(dim=1), torch.ones(1, 32, 32), atol=1e-4)


def test_memory_does_not_grow_with_the_video():
    """Frames are requested only when results are taken, and only a few of them are kept in memory."""
    import gc
    import weakref

    alive, asked = [], 0

    def endless():
        nonlocal asked
        rng = np.random.default_rng(0)
        while True:
            frame = rng.integers(0, 256, (32, 40, 3)).astype(np.uint8)
            alive.append(weakref.ref(frame))
            asked += 1
            yield frame

    mask = np.zeros((32, 40), np.uint8)
    mask[8:20, 8:20] = 1
    protocol = replace(MODERN, size=32, radius=2)
    for results in (
        track_masks(endless(), mask, random_model(), protocol),
        track_joints(endless(), np.array([[10.0, 10.0]]), random_model(), protocol),
        colorize(endless(), random_model(), protocol),
    ):
        alive.clear()
        asked = 0
        for taken, _ in enumerate(results, start=1):
            assert asked <= taken + 1
            if taken == 60:
                break
        gc.collect()
        assert sum(r() is not None for r in alive) <= 4  # the first frame and the ones being processed
        results.close()


@pytest.mark.parametrize(
    "mask,match",
    [(np.ones((64, 79), np.uint8), "79x64: expected 80x64"), (np.zeros((64, 80), np.uint8), "empty")],
)
def test_masks_that_do_not_fit_are_refused(mask, match):
    with pytest.raises(MaskError, match=match):
        next(track_masks(noise(2), mask, patch_model(), SMALL))


@pytest.mark.parametrize(
    "xy,match", [([[np.nan, np.nan]], "no joint"), ([[5, 5], [90, 5]], "joint 1.*outside"), ([[np.inf, 5]], "outside")]
)
def test_joints_that_do_not_fit_are_refused(xy, match):
    with pytest.raises(JointsError, match=match):
        next(track_joints(noise(2), np.array(xy, float), patch_model(), SMALL))


def test_videos_without_frames_or_with_changing_size_are_refused():
    with pytest.raises(VideoError, match="no frames"):
        next(track_masks([], square(), patch_model(), SMALL))
    with pytest.raises(VideoError, match="expected 80x64 like the first"):
        list(track_masks([noise()[0], noise(h=60)[0]], square(), patch_model(), SMALL))


def test_gradients_stay_enabled_in_the_caller_between_frames():
    """A generator that yields inside inference mode would leave this mode switched on in the caller."""
    for results in (
        track_masks(noise(3), square(), patch_model(), SMALL),
        track_joints(noise(3), np.array([[10.0, 10.0]]), patch_model(), SMALL),
        colorize(noise(3), patch_model(), SMALL),
    ):
        next(results), next(results)
        assert not torch.is_inference_mode_enabled()
        assert (torch.ones(1, requires_grad=True) * 2).requires_grad


@pytest.mark.parametrize("protocol", [SMALL, replace(PAPER, size=(64, 80), grid=None)], ids=["modern", "paper"])
def test_one_pass_gives_the_same_as_three_separate_passes(protocol, device):
    """The pointer copies any labels, so propagating masks, joints and colours together gives the same as one at a time."""
    frames = moving_shapes(4, frames=5, height=64, width=80).frames
    model = patch_model(temperature=0.02)
    model.net.to(device)
    xy = np.array([[20.0, 15.5], [50.0, 44.0], [np.nan, np.nan]])
    masks = list(track_masks(frames, square(), model, protocol))
    joints = list(track_joints(frames, xy, model, protocol))
    colors = list(colorize(frames, model, protocol))
    together = list(carry(frames, square(), xy, frames[0], model=model, protocol=protocol))
    assert len(together) == 5
    for t, all_in_one in enumerate(together):
        assert (all_in_one.ids == masks[t]).mean() > 0.999  # adding in a different order may decide a tie differently
        assert np.allclose(all_in_one.xy, joints[t][0], atol=1e-2, equal_nan=True)
        assert np.allclose(all_in_one.confidence, joints[t][1], atol=1e-4)
        painted = paint(frames[t], all_in_one.ab).astype(int)
        assert not t or np.abs(painted - colors[t].astype(int)).max() <= 1
    assert not np.array_equal(masks[4], masks[0])
    assert not np.allclose(joints[4][0], xy, atol=1, equal_nan=True)
    pair = list(carry(frames, xy=xy, colors=frames[0], model=model, protocol=protocol))
    assert all(c.ids is None for c in pair)
    assert np.allclose(pair[4].xy, joints[4][0], atol=1e-2, equal_nan=True)
    assert torch.allclose(pair[4].ab, together[4].ab, atol=1e-3)


def test_carry_reads_a_stream_once_and_frame_by_frame():
    frames = noise(3)
    asked = []

    def stream():
        for t, frame in enumerate(frames):
            asked.append(t)
            yield frame

    for t, carried in enumerate(carry(stream(), square(), model=patch_model(), protocol=SMALL)):
        assert asked == list(range(t + 1))
        assert carried.xy is None
        assert carried.confidence is None
        assert carried.ab is None
        np.testing.assert_array_equal(carried.frame, frames[t])
    assert asked == list(range(len(frames)))


def dissolved(h=20, w=30):
    """Soft masks with a small object that has faded to 0.4: the rest of its probability has leaked to the background."""
    soft = torch.zeros(3, h, w)
    soft[1, 4:7, 4:7] = 0.4
    soft[2, 10:20, 10:30] = 1
    soft[0] = 1 - soft[1:].sum(0)
    return soft


def test_balanced_decoding_finds_a_small_object_that_argmax_loses():
    soft, ids = dissolved(), np.array([4, 9])
    plain, balanced = (read_masks(soft, ids, (20, 30), read=read) for read in ("argmax", "balanced"))
    assert not (plain == 4).any()
    assert (balanced[4:7, 4:7] == 4).all()
    assert (balanced == 4).sum() == 9
    assert np.array_equal(plain == 9, balanced == 9)


def test_balanced_decoding_of_an_example_computed_by_hand():
    """The argmax of y_k / p_k^0.2, where p_k is the mean of map k: with a share of 1/64, an object wins a pixel above 0.303."""
    ids = np.array([1])
    share = 1 / 64
    border = 1 / (1 + ((1 - share) / share) ** 0.2)  # y_1 / share^0.2 = (1 - y_1) / (1 - share)^0.2
    assert border == pytest.approx(0.3034, abs=1e-3)
    for y, found in ((border + 0.01, 1), (border - 0.01, 0)):
        soft = torch.zeros(2, 16, 16)
        soft[1, 3, 5], soft[1, 10:12, 10:12] = y, (256 * share - y) / 4
        soft[0] = 1 - soft[1]
        assert soft[1].mean().item() == pytest.approx(share)
        assert read_masks(soft, ids, (16, 16), read="balanced")[3, 5] == found


def test_balanced_decoding_does_not_invent_an_object_whose_map_is_empty():
    soft = torch.zeros(3, 8, 8)
    soft[0] = 1
    assert (read_masks(soft, np.array([1, 2]), (8, 8), read="balanced") == 0).all()
    soft[0, 2:4, 2:4], soft[1, 2:4, 2:4] = 0.02, 0.98
    assert set(np.unique(read_masks(soft, np.array([1, 2]), (30, 40), read="balanced"))) == {0, 1}
    soft[2, 6, 6] = 1e-3  # a tiny amount of probability is not an object either
    assert set(np.unique(read_masks(soft, np.array([1, 2]), (30, 40), read="balanced"))) == {0, 1}


def test_balanced_decoding_is_argmax_if_classes_are_equally_large():
    soft = torch.rand(4, 12, 16, generator=torch.Generator().manual_seed(0))
    soft = soft / soft.mean((1, 2), keepdim=True)
    ids = np.array([2, 5, 7])
    assert np.array_equal(*(read_masks(soft, ids, (48, 64), read=read) for read in ("argmax", "balanced")))


@pytest.mark.parametrize("read", ["argmax", "balanced", "min_max"])
def test_the_order_of_objects_does_not_matter(read):
    soft = torch.rand(4, 12, 16, generator=torch.Generator().manual_seed(0)) * torch.tensor([8.0, 1, 3, 0.5])[:, None, None]
    soft = soft / soft.sum(0)
    ids = np.array([2, 5, 7])
    order = [2, 0, 1]
    turned = torch.cat([soft[:1], soft[1:][order]])
    before = read_masks(soft, ids, (48, 64), read=read)
    assert np.array_equal(read_masks(turned, ids[order], (48, 64), read=read), before)
    assert len(np.unique(before)) > 2


@pytest.mark.parametrize("read", ["argmax", "balanced", "min_max"])
def test_decoding_map_by_map_equals_decoding_all_at_once(read):
    """The expected ids are computed from the whole stack of full-size maps; if two maps are equal, the first one wins."""
    soft = torch.rand(6, 12, 16, generator=torch.Generator().manual_seed(0)) * torch.tensor([4.0, 1, 3, 0.5, 2, 2])[:, None, None]
    soft[5] = soft[4]
    maps = F.interpolate(soft[None], (50, 70), mode="bilinear", align_corners=False)[0]
    if read == "min_max":
        maps = maps - maps.amin((1, 2), keepdim=True)
        maps = maps / maps.amax((1, 2), keepdim=True)
    elif read == "balanced":
        maps = maps / soft.mean((1, 2), keepdim=True) ** 0.2
    ids = np.array([9, 4, 7, 200, 3])
    found = read_masks(soft.requires_grad_(), ids, (50, 70), read)
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.array([0, *ids])[maps.argmax(0).numpy()])
    assert 200 in found
    assert 3 not in found


def test_an_unknown_decoding_is_refused():
    with pytest.raises(ValueError, match="argmax, min_max, balanced or guided, not 'loudest'"):
        read_masks(torch.rand(2, 4, 4), np.array([1]), (8, 8), read="loudest")
    assert {p.read for p in PROTOCOLS.values()} <= {"argmax", "balanced", "guided"}


# ---- the refined protocol


@pytest.mark.parametrize("channels", [1, 3])
def test_guided_outlines_follow_the_edges_of_the_picture(channels, device):
    """A disc whose outline the grid cannot hold: scaling up bilinearly misses pixels that the guided filter finds."""
    y, x = np.mgrid[:64, :80]
    mask = (((y - 30.3) ** 2 + (x - 41.7) ** 2) < 13.2**2).astype(np.uint8)
    mask[28:33] |= (abs(x[28:33] - 41) < 30).astype(np.uint8)  # and two thin arms
    guide = torch.as_tensor(0.2 + 0.6 * mask, dtype=torch.float32, device=device).expand(channels, -1, -1)
    labels = mask_labels(mask, np.array([1]), (16, 20), device)
    scores = {read: region_j(read_masks(labels, np.array([1]), mask.shape, read, guide=guide), mask) for read in ("balanced", "guided")}
    assert scores["guided"] > 0.97, scores
    assert scores["guided"] > scores["balanced"] + 0.05, scores


def test_the_order_of_objects_does_not_matter_to_the_guided_read_out():
    mask = np.zeros((48, 64), np.uint8)
    mask[4:22, 5:29], mask[26:45, 8:31], mask[9:40, 37:60] = 2, 5, 7
    guide = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(1))
    found = []
    for ids in (np.array([2, 5, 7]), np.array([7, 2, 5])):
        found.append(read_masks(mask_labels(mask, ids, (12, 16)), ids, mask.shape, "guided", guide=guide))
        assert set(np.unique(found[-1])) == {0, 2, 5, 7}
    assert (found[0] == found[1]).mean() > 0.999  # the background is what the objects leave, summed in another order


def test_a_twin_far_away_is_not_taken_for_the_object():
    """The object appears a second time, in a place that no window restricts, because the first frame is searched everywhere."""
    frames, mask = noise(1, 96, 160).repeat(12, axis=0), np.zeros((96, 160), np.uint8)
    mask[8:32, 8:32] = 1
    frames[1:, 64:88, 128:152] = frames[0, 8:32, 8:32]
    protocol = replace(MODERN, size=96, radius=6, back=(1,))
    open_, gated = (list(track_masks(frames, mask, patch_model(), replace(protocol, gate=gate))) for gate in (None, 8))
    assert open_[-1][64:88, 128:152].mean() > 0.9
    assert gated[-1][64:88, 128:152].max() == 0
    assert region_j(gated[-1], mask) > 0.85  # the balanced read-out makes a small object larger by half a cell


def test_the_refined_protocol_tracks_one_or_several_objects_with_joints_and_colours(device):
    scene = moving_shapes(4, frames=6, height=64, width=80)
    protocol = replace(REFINED, size=64, radius=6)
    model = load_model("tiny-gray", device)
    ids = np.unique(scene.masks[0])[1:]
    assert len(ids) > 1
    tracked = list(carry(scene.frames, scene.masks[0], np.array([[20.0, 15.5]]), scene.frames[0], model=model, protocol=protocol))
    alone = list(track_masks(scene.frames, scene.masks[0], model, protocol))
    scores = []
    for with_others, ids_alone, truth in zip(tracked, alone, scene.masks, strict=True):
        assert (with_others.ids == ids_alone).mean() > 0.999
        assert set(ids) <= set(np.unique(ids_alone))
        scores.append(np.mean([region_j(ids_alone == n, truth == n) for n in ids]))
    assert np.mean(scores) > 0.6, scores
