"""Training-free baselines: each one does what its name says, so that beating it is meaningful."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from tests.support.helpers import assert_one_sentence
from tinytrack.color import frames_to_lab, network_input
from tinytrack.errors import TinytrackError
from tinytrack.evaluation.baselines import BASELINES, RawPatches, baseline_model, identity, optical_flow, random_seed
from tinytrack.evaluation.metrics import region_j
from tinytrack.io.paths import DATA
from tinytrack.model import random_model
from tinytrack.propagate import MODERN, PAPER
from tinytrack.track import carry, embed_frames

JOINTS = np.array([[40.0, 30.0], [60.5, 50.25], [np.nan, np.nan]])


def sliding(frames=8, dx=3, dy=1, h=96, w=128, seed=0):
    """Frames of a textured picture that moves by (dx, dy) pixels per frame without wrapping around."""
    rng = np.random.default_rng(seed)
    wide = np.stack([ndimage.gaussian_filter(rng.standard_normal((h + 60, w + 60)), 2.0) for _ in range(3)], axis=-1)
    wide = ((wide / wide.std() * 45) + 128).clip(0, 255).astype(np.uint8)
    return np.stack([wide[30 - dy * t : 30 - dy * t + h, 30 - dx * t : 30 - dx * t + w] for t in range(frames)])


def square(h=96, w=128, dx=0, dy=0):
    mask = np.zeros((h, w), np.uint8)
    mask[20 + dy : 50 + dy, 30 + dx : 70 + dx] = 1
    mask[60 + dy : 80 + dy, 30 + dx : 50 + dx] = 7
    return mask


def test_identity_repeats_the_first_frame():
    results = list(identity(sliding(), square(), JOINTS))
    assert len(results) == 8
    for carried in results:
        assert np.array_equal(carried.ids, square())
        assert np.array_equal(carried.xy, JOINTS, equal_nan=True)
        assert carried.confidence.tolist() == [1, 1, 0]
        assert carried.ab is None
    only = next(identity(sliding(), xy=JOINTS))
    assert only.ids is None
    assert next(identity(sliding(), square())).xy is None


def test_optical_flow_follows_masks_and_joints():
    pytest.importorskip("cv2", reason="OpenCV is not here: pip install opencv-python-headless")
    for dx, dy in ((3, 1), (-2, 2)):
        for t, carried in enumerate(optical_flow(sliding(8, dx, dy), square(), JOINTS)):
            true = square(dx=dx * t, dy=dy * t)
            for n in (1, 7):
                assert region_j(carried.ids == n, true == n) > (0.93 if t else 0.999)
            assert carried.ids.dtype == np.uint8
            assert set(np.unique(carried.ids)) == {0, 1, 7}
            assert np.abs(carried.xy[:2] - (JOINTS[:2] + [dx * t, dy * t])).max() < 1.0
            assert np.isnan(carried.xy[2]).all()
            assert carried.confidence.tolist() == [1, 1, 0]
    assert t == 7


def test_optical_flow_is_sampled_at_the_joint():
    """The upper half moves right and the lower half moves left."""
    pytest.importorskip("cv2", reason="OpenCV is not here: pip install opencv-python-headless")
    frames = np.concatenate([sliding(6, 2, 0)[:, :48], sliding(6, -2, 0, seed=1)[:, 48:]], axis=1)
    *_, last = optical_flow(frames, xy=np.array([[90.0, 20.0], [40.0, 78.0]]))
    assert np.abs(last.xy - [[100, 20], [30, 78]]).max() < 1.0


def test_optical_flow_returns_only_what_was_requested():
    pytest.importorskip("cv2", reason="OpenCV is not here: pip install opencv-python-headless")
    masks = [c.ids for c in optical_flow(sliding(3), square())]
    both = list(optical_flow(sliding(3), square(), JOINTS))
    assert all(np.array_equal(a, b.ids) for a, b in zip(masks, both, strict=True))
    only = list(optical_flow(sliding(3), xy=JOINTS))
    assert all(c.ids is None and np.array_equal(c.xy, b.xy, equal_nan=True) for c, b in zip(only, both, strict=True))


def test_joints_may_flow_out_of_the_frame():
    pytest.importorskip("cv2", reason="OpenCV is not here: pip install opencv-python-headless")
    *_, last = optical_flow(sliding(8, 4, 0), xy=np.array([[120.0, 40.0]]))
    assert last.xy[0, 0] > 128
    assert np.isfinite(last.xy).all()


def test_without_opencv_one_sentence_explains_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(TinytrackError) as error:
        next(optical_flow(sliding(2), square()))
    assert_one_sentence(error, "pip install opencv-python-headless")


@pytest.mark.parametrize("channels", [1, 3])
def test_raw_patches_have_unit_length(channels, device):
    net = RawPatches(channels).to(device)
    g = torch.Generator().manual_seed(0)
    for picture in (
        torch.rand(2, channels, 24, 32, generator=g) * 2 - 1,
        torch.full((1, channels, 24, 32), 2.5),
        torch.zeros(1, channels, 8, 8),
    ):
        f = net(picture.to(device))
        assert f.shape == (len(picture), net.dim, picture.shape[2] // 4, picture.shape[3] // 4)
        assert torch.isfinite(f).all()
        assert torch.allclose(f.norm(dim=1), torch.ones_like(f[:, 0]), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_raw_patch_is_the_8x8_pixels_around_its_cell(channels):
    picture = torch.rand(1, channels, 24, 32, generator=torch.Generator().manual_seed(1)) - 0.5
    f = RawPatches(channels)(picture)[0]
    for row, column in ((1, 1), (2, 5), (4, 6)):
        patch = picture[0, :, 4 * row - 2 : 4 * row + 6, 4 * column - 2 : 4 * column + 6].flatten()
        assert torch.allclose(f[:-1, row, column], patch / 16, atol=1e-6)


def test_the_dot_product_of_raw_patches_follows_their_squared_difference():
    """They agree up to second order. The error is of fourth order, so half the contrast leaves a sixteenth of it."""
    picture = torch.rand(1, 1, 24, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    off = []
    for contrast in (0.5, 0.25):
        f = RawPatches()(contrast * picture)[0].flatten(1).double()
        x = f[:-1]
        exact = 1 - torch.cdist(x.T, x.T).square() / 2
        off.append((f.T @ f - exact).abs().max().item())
    assert 0 < off[0] < 2e-4
    assert off[1] == pytest.approx(off[0] / 16, rel=0.1)


def test_raw_patches_find_a_shifted_picture(device):
    """The picture moves two cells to the right and one cell down."""
    wide = torch.rand(1, 1, 48, 64, generator=torch.Generator().manual_seed(3)).to(device) * 2 - 1
    net = RawPatches().to(device)
    before, after = net(wide[..., 4:44, 8:56])[0], net(wide[..., :40, :48])[0]
    best = torch.einsum("dhw,dyx->hwyx", after, before).flatten(2).argmax(-1).cpu()
    for row in range(2, 9):  # patches of cells at the border contain other pixels
        for column in range(3, 11):
            assert divmod(best[row, column].item(), 12) == (row - 1, column - 2)


def test_only_lab_patches_see_colour():
    lab = frames_to_lab(sliding(1)[0])
    turned = lab.clone()
    turned[1:] = -turned[1:] + 20
    gray, color = baseline_model("gray").net, baseline_model("lab").net
    assert (gray.channels, color.channels) == (1, 3)
    seen = {net: [net(network_input(picture[None], net.channels)) for picture in (lab, turned)] for net in (gray, color)}
    assert torch.equal(*seen[gray])
    assert (seen[color][0] - seen[color][1]).abs().max() > 0.01


def test_raw_patches_work_with_the_pointer(device):
    """The protocol sets the grid, the window and the memory. On a sliding picture the patches follow the objects."""
    frames, protocol = sliding(5, 4, 0), replace(MODERN, size=96, radius=4)
    for name in ("gray", "lab"):
        model = baseline_model(name, device)
        *_, last = carry(frames, square(), JOINTS, model=model, protocol=protocol)
        true = square(dx=16)
        assert region_j(last.ids == 1, true == 1) > 0.85
        assert region_j(last.ids == 1, square() == 1) < 0.6
        assert np.abs(last.xy[:2] - JOINTS[:2] - [16, 0]).max() < 2
        assert last.confidence[2] == 0
    f = next(embed_frames(frames, baseline_model("gray", device), PAPER))
    assert f.shape == (1, 65, 32, 32)
    assert torch.allclose(f.norm(dim=1), torch.ones_like(f[:, 0]), atol=1e-2)


def test_random_networks_differ_by_seed_and_are_reproducible():
    prints = [baseline_model(name).fingerprint() for name in ("random", "random-0", "random-1", "random-2")]
    assert prints[0] == prints[1] == random_model().fingerprint()
    assert len(set(prints)) == 3
    assert baseline_model("random-1").fingerprint() == prints[2]
    lab = baseline_model("random-lab")
    assert lab.sees_color
    assert lab.fingerprint() == random_model("LabNet").fingerprint()
    assert not any(baseline_model(name).sees_color for name in ("random", "random-1", "gray"))
    assert [random_seed(name) for name in ("random", "random-0", "random-12", "random-lab", "single")] == [0, 0, 12, None, None]
    before = torch.random.get_rng_state()
    baseline_model("random-3")
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    "name",
    ["", "magic", "random-", "random-lab-1", "random-x", "random--1", "random-1.5", "randomly", "gray-1", "random-99999999999999999999"],
)
def test_an_unknown_baseline_is_named_in_the_error(name):
    with pytest.raises(TinytrackError) as error:
        baseline_model(name)
    assert_one_sentence(error, f"'{name}'", *BASELINES)


@pytest.mark.skipif(not (DATA / "single.pt").is_file(), reason="the weights of the control, data/single.pt, are not here")
def test_the_control_is_a_network_trained_on_single_frames(device):
    model = baseline_model("single", device)
    assert model.name == "TinyNet"
    assert model.card["config"]["task"] == "classify"
    assert len(model.palette) == 16
    assert model.fingerprint() not in {baseline_model("random").fingerprint(), baseline_model("random-1").fingerprint()}
    f = next(embed_frames(sliding(1), model, replace(MODERN, size=96)))
    assert f.shape[1:] == (64, 24, 32)
    assert torch.allclose(f.norm(dim=1), torch.ones_like(f[:, 0]), atol=1e-4)
    assert F.cosine_similarity(f[:, :, 5, 5], f[:, :, 15, 20]).item() < 0.9999  # embeddings of different places differ
