"""Networks: output shapes, parameter counts, alignment with the label grid, and gradients for every parameter."""

import pytest
import torch

from tinytrack.embed import LabNet, PaperNet, TinyNet, count_parameters


def gray(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_tinynet_gives_unit_vectors_on_a_quarter_grid(device):
    net = TinyNet().to(device).eval()
    f = net(gray(3, 1, 40, 56).to(device))
    assert f.shape == (3, 64, 10, 14)
    assert torch.allclose(f.norm(dim=1).cpu(), torch.ones(3, 10, 14), atol=1e-5)
    assert torch.allclose(net(gray(2, 3, 1, 40, 56).to(device))[1, 2], net(gray(2, 3, 1, 40, 56)[1, 2:].to(device))[0], atol=1e-5)


def test_tinynet_size_is_the_sum_of_its_layers():
    stem = 32 * 1 * 6 * 6 + 2 * 32 + 64 * 32 * 4 * 4 + 2 * 64
    blocks = 4 * 2 * (64 * 64 * 3 * 3 + 2 * 64)
    head = 64 * 64 + 64
    assert count_parameters(TinyNet()) == stem + blocks + head
    assert count_parameters(TinyNet(dilations=(1, 2))) == stem + blocks // 2 + head


def test_labnet_joins_three_unit_vectors_each_blind_to_one_channel(device):
    net = LabNet(width=16, dim=8).to(device).eval()
    picture = gray(2, 3, 32, 40).to(device)
    with torch.no_grad():
        f = net(picture)
        assert f.shape == (2, 24, 8, 10)
        assert torch.allclose(f.norm(dim=1), torch.ones(2, 8, 10, device=device), atol=1e-5)
        for hidden, view in enumerate(f.split(8, dim=1)):
            assert torch.allclose(view.norm(dim=1), torch.full((2, 8, 10), 3**-0.5, device=device), atol=1e-5)
            other = picture.clone()
            other[:, hidden] += 1
            for channel, again in enumerate(net(other).split(8, dim=1)):
                assert torch.equal(again, f.split(8, dim=1)[channel]) == (channel == hidden)


def test_labnet_size_is_three_networks_that_see_two_channels():
    assert count_parameters(LabNet()) == 3 * count_parameters(TinyNet(2, 48, 32, (1, 2)))


def test_papernet_shape_at_the_paper_s_size(device):
    net = PaperNet().to(device).eval()
    with torch.no_grad():
        f = net(gray(1, 4, 1, 256, 256).to(device))
    assert f.shape == (1, 4, 64, 32, 32)
    with torch.no_grad():
        alone = net(gray(1, 4, 1, 256, 256)[0].to(device))
    assert torch.allclose(alone, f[0], atol=1e-4)


def test_papernet_size_is_the_sum_of_its_layers():
    def block(i, o, shortcut):
        return i * o * 9 + o * o * 9 + 4 * o + (i * o + 2 * o if shortcut else 0)

    trunk = 64 * 49 + 128  # 7x7 stem
    trunk += 2 * block(64, 64, False)
    trunk += block(64, 128, True) + block(128, 128, False)
    trunk += block(128, 256, True) + block(256, 256, False)
    trunk += 2 * block(256, 256, False)

    def space_time(i):
        return i * 256 * 9 + 256 * 256 * 3 + 4 * 256

    head = 256 * 64 + 64
    assert count_parameters(PaperNet()) == trunk + space_time(258) + 4 * space_time(256) + head


def test_only_papernet_embeddings_depend_on_the_other_frames_of_the_clip():
    clip = gray(4, 1, 64, 64)
    other = clip.clone()
    other[0] = gray(1, 64, 64, seed=1)
    with torch.no_grad():
        paper, tiny = PaperNet().eval(), TinyNet().eval()
        assert not torch.allclose(paper(clip)[3], paper(other)[3], atol=1e-6)
        assert torch.equal(tiny(clip)[3], tiny(other)[3])


def test_location_is_x_then_y_from_minus_one_to_one():
    location = PaperNet.location(torch.zeros(2, 5, 3, 4))
    assert location.shape == (2, 2, 3, 4)
    assert torch.allclose(location[1, 0, 2], torch.linspace(-1, 1, 4))
    assert torch.allclose(location[0, 1, :, 3], torch.linspace(-1, 1, 3))


@pytest.mark.parametrize("net,size", [(TinyNet(), 64), (PaperNet(), 64)], ids=["TinyNet", "PaperNet"])
def test_gradients_reach_every_parameter(net, size, device):
    net = net.to(device).train()
    weight = torch.randn(4, 64, size // net.stride, size // net.stride, generator=torch.Generator().manual_seed(0))
    (net(gray(4, 1, size, size).to(device)) * weight.to(device)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_cell_is_centred_on_its_own_square_of_pixels():
    """Mirroring the picture mirrors the stem's response, so embeddings and area-averaged labels have no half-pixel shift."""
    net = TinyNet().eval()
    conv1, conv2 = net.stem[0], net.stem[3]
    for conv in (conv1, conv2):  # mirror-symmetric kernels, so that only the alignment is tested
        conv.weight.data = conv.weight.data + conv.weight.data.flip(-1)
    picture = gray(1, 1, 32, 48)
    with torch.no_grad():
        plain, mirrored = net.stem(picture), net.stem(picture.flip(-1))
    assert torch.allclose(plain.flip(-1), mirrored, atol=1e-5)


@pytest.mark.parametrize("net", [TinyNet(), PaperNet()], ids=["TinyNet", "PaperNet"])
@pytest.mark.parametrize("shape", [(1, 30, 32), (2, 3, 32, 32), (3, 1, 32, 33)])
def test_wrong_input_shapes_are_refused(net, shape):
    with pytest.raises(ValueError, match="multiples|gray"):
        net(torch.zeros(shape))
