"""Colour: Lab conversion agrees with scikit-image, and the palette is k-means on the ab channels."""

import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab

from tinytrack.color import Palette, chroma, frames_to_lab, lab_to_frames, lab_to_rgb, network_input, rgb_to_lab

CORNERS = np.array([[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)], np.float64)
SAMPLES = {
    "random": np.random.default_rng(0).random((500, 3)),
    "gray": np.repeat(np.linspace(0, 1, 256)[:, None], 3, axis=1),
    "black": np.zeros((1, 3)),
    "nearly black": np.random.default_rng(1).random((200, 3)) * 0.05,
    "saturated": CORNERS,
}


def as_maps(colors: np.ndarray, dtype=torch.float32) -> torch.Tensor:
    """(N, 3) -> (3, N, 1)"""
    return torch.tensor(colors.T[:, :, None], dtype=dtype)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lab_agrees_with_scikit_image(name, dtype, device):
    expected = rgb2lab(SAMPLES[name][:, None])[:, 0]
    lab = rgb_to_lab(as_maps(SAMPLES[name], dtype).to(device)).cpu().numpy()[:, :, 0].T
    assert np.abs(lab - expected).max() < 1e-3
    back = lab_to_rgb(as_maps(expected, dtype).to(device)).cpu().numpy()[:, :, 0].T
    assert np.abs(back - lab2rgb(expected[:, None])[:, 0]).max() < 1e-4


def test_out_of_gamut_lab_is_clipped_as_in_scikit_image():
    lab = np.array([[50.0, 120, -120], [90, -128, 127], [5, 60, 60]])
    with pytest.warns(UserWarning, match="negative Z"):
        expected = lab2rgb(lab[:, None])[:, 0]
    ours = lab_to_rgb(as_maps(lab, torch.float64)).numpy()[:, :, 0].T
    assert np.abs(ours - expected).max() < 1e-3
    assert ours.min() >= 0
    assert ours.max() <= 1


def test_uint8_frames_survive_the_round_trip_through_lab():
    frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert np.array_equal(lab_to_frames(frames_to_lab(frame)), frame)
    clip = np.stack([frame, frame[::-1]])
    assert frames_to_lab(clip).shape == (2, 3, 64, 64)
    assert np.array_equal(lab_to_frames(frames_to_lab(clip)), clip)


def test_gradients_are_right_and_finite_at_black():
    rgb = torch.rand(3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    assert torch.autograd.gradcheck(rgb_to_lab, rgb.clone().requires_grad_())
    assert torch.autograd.gradcheck(lab_to_rgb, rgb_to_lab(rgb).requires_grad_())
    black = torch.zeros(3, 1, 1, requires_grad=True)
    rgb_to_lab(black).sum().backward()
    assert torch.isfinite(black.grad).all()
    assert black.grad.abs().sum() > 0
    dark = torch.zeros(3, 1, 1, requires_grad=True)
    lab_to_rgb(dark).sum().backward()
    assert torch.isfinite(dark.grad).all()


def test_integer_input_is_refused():
    with pytest.raises(TypeError, match="floating point"):
        rgb_to_lab(torch.zeros(3, 2, 2, dtype=torch.uint8))
    with pytest.raises(TypeError, match="uint8"):
        frames_to_lab(np.zeros((2, 2, 3), np.float32))


def test_frames_and_floats_have_the_same_lab():
    """The lookup table of 8-bit levels matches the exact gamma curve, for all grays and for a grid of colours."""
    level = np.arange(256, dtype=np.uint8)
    few = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(few, few, few, indexing="ij"), axis=-1).reshape(1, -1, 3)
    for frame in (level[None, :, None].repeat(3, axis=2), cube):
        exact = rgb_to_lab(torch.tensor(frame).movedim(-1, 0).double() / 255)
        assert (frames_to_lab(frame) - exact).abs().max() < 1e-4
        assert (frames_to_lab(frame)[0] - exact[0]).abs().max() < 3e-5


@pytest.mark.parametrize("shape", [(8, 9, 3), (2, 8, 9, 3), (2, 4, 8, 9, 3)])
def test_one_channel_gives_lightness_only(shape):
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    lab, lightness = frames_to_lab(frames), frames_to_lab(frames, channels=1)
    assert lightness.shape == (*shape[:-3], 1, 8, 9)
    torch.testing.assert_close(lightness, lab[..., :1, :, :], rtol=0, atol=3e-5)
    torch.testing.assert_close(network_input(lightness), network_input(lab), rtol=0, atol=1e-6)


def test_mirrored_and_sliced_frames_are_converted_correctly():
    frame = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    mirrored = torch.as_tensor(frame).flip(1)
    lab = frames_to_lab(frame)
    torch.testing.assert_close(frames_to_lab(mirrored), lab.flip(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(frames_to_lab(torch.as_tensor(frame)[::2, 1:]), lab[:, ::2, 1:], rtol=0, atol=1e-4)


def test_the_network_sees_lightness_only():
    lab = torch.tensor([0.0, 50.0, 100.0])[None, :, None].expand(3, 3, 1).clone()
    lab[1:] = 77
    assert torch.equal(network_input(lab), torch.tensor([-1.0, 0.0, 1.0])[None, :, None])


def four_colors() -> tuple[torch.Tensor, torch.Tensor]:
    centers = torch.tensor([[60.0, 0], [0, 60], [-60, 0], [0, -60]])
    which = torch.arange(4).repeat(100).reshape(20, 20)
    noise = torch.randn(2, 20, 20, generator=torch.Generator().manual_seed(0))
    return centers[which].movedim(-1, 0) + noise, which


def test_kmeans_finds_the_four_colors():
    ab, which = four_colors()
    palette = Palette.fit(ab, k=4)
    assert len(palette) == 4
    labels = palette.hard(ab)
    for n in range(4):
        assert len(labels[which == n].unique()) == 1
    assert (palette.decode(labels) - ab).norm(dim=0).max() < 5
    hue = torch.atan2(palette.centers[:, 1], palette.centers[:, 0])
    assert torch.equal(hue, hue.sort().values)


def test_channels_are_not_swapped_before_kmeans():
    """In Lab, red has a positive b and blue a negative b, so reading RGB as BGR would swap the two centres."""
    frame = np.zeros((2, 2, 3), np.uint8)
    frame[0], frame[1] = [255, 0, 0], [0, 0, 255]
    palette = Palette.fit(frames_to_lab(frame)[1:], k=2)
    blue, red = palette.centers
    assert red[0] == pytest.approx(80.1, abs=0.1)
    assert red[1] == pytest.approx(67.2, abs=0.1)
    assert blue[0] == pytest.approx(79.2, abs=0.1)
    assert blue[1] == pytest.approx(-107.9, abs=0.1)


def test_equal_seeds_give_equal_palettes():
    ab = torch.randn(3, 2, 40, 40, generator=torch.Generator().manual_seed(0)) * 30
    a, b = Palette.fit(ab, 8, seed=3, sample=500), Palette.fit(ab, 8, seed=3, sample=500)
    assert torch.equal(a.centers, b.centers)
    assert not torch.equal(a.centers, Palette.fit(ab, 8, seed=4, sample=500).centers)


@pytest.mark.parametrize("value", [0.0, 17.25])
def test_a_video_of_one_color_gives_a_palette_of_one_color(value):
    ab = torch.full((5, 2, 8, 8), value)
    palette = Palette.fit(ab, k=16)
    assert len(palette) == 1
    assert (palette.hard(ab) == 0).all()
    assert (palette.decode(palette.one_hot(ab)) - ab).abs().max() < 0.1


def test_fewer_colors_than_clusters_gives_one_cluster_each():
    ab = torch.tensor([[0.0, 10, 20], [0, 5, 5]])[:, None]
    assert len(Palette.fit(ab, k=16)) == 3


def test_no_pixels_is_an_error():
    with pytest.raises(ValueError, match="no pixels"):
        Palette.fit(torch.full((2, 3, 3), float("nan")))
    with pytest.raises(ValueError, match="at least one"):
        Palette.fit(torch.zeros(2, 3, 3), k=0)


def test_decode_of_a_distribution_is_its_expected_color():
    palette = Palette(torch.tensor([[0.0, 0], [10, 20]]))
    labels = torch.tensor([0.25, 0.75])[:, None, None]
    assert torch.allclose(palette.decode(labels).flatten(), torch.tensor([7.5, 15.0]))
    assert torch.equal(palette.decode(torch.tensor([[1]])).flatten(), torch.tensor([10.0, 20.0]))


def test_chroma_is_the_distance_from_gray():
    assert chroma(torch.tensor([3.0, 4.0])[:, None, None]).item() == 5
