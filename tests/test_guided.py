"""The guided filter: outlines snap to the edges of the picture, flat maps stay flat, maps stay a partition."""

import pytest
import torch
import torch.nn.functional as F

from tinytrack.guided import GuidedFilter, box_mean


def step_picture(h=48, w=64):
    """A dark and a bright half (1, H, W); the edge has teeth of one to five pixels, which are lost in cells of 4 pixels."""
    edge = 27 + torch.arange(h) % 6
    return torch.where(torch.arange(w) < edge[:, None], 0.2, 0.8)[None]


def coarse(mask, cell=4):
    return F.avg_pool2d(mask[None], cell)[0, 0]


@pytest.mark.parametrize("radius", [1, 4, 100])
def test_box_mean_is_the_mean_of_what_lies_inside_the_picture(radius):
    x = torch.rand(2, 13, 21, dtype=torch.float64)
    found = box_mean(x, radius)
    for row, column in ((0, 0), (6, 11), (12, 20)):
        inside = x[:, max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1]
        assert torch.allclose(found[:, row, column], inside.mean((1, 2)))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_coarse_outline_snaps_to_the_edge_of_the_picture(device, channels):
    picture = step_picture().expand(channels, -1, -1).to(device)
    mask = (picture[:1] > 0.5).float()
    found = GuidedFilter(F.avg_pool2d(picture, 2))(coarse(mask), picture) > 0.5
    bilinear = F.interpolate(coarse(mask)[None, None], mask.shape[1:], mode="bilinear", align_corners=False)[0] > 0.5
    assert (found != (mask[0] > 0.5)).sum() == 0, (found != (mask[0] > 0.5)).sum()
    assert (bilinear != (mask > 0.5)).sum() > 0  # the test would see a filter that only scales up


def test_without_an_edge_in_the_picture_the_map_is_only_smoothed():
    flat = torch.full((3, 32, 32), 0.4)
    y = torch.rand(16, 16)
    assert torch.allclose(GuidedFilter(flat[:, ::2, ::2]).fit(y)[1], box_mean(box_mean(y[None], 2), 2)[0], atol=1e-4)


def test_maps_that_sum_to_one_still_do():
    guide = torch.rand(3, 24, 32)
    maps = torch.rand(3, 12, 16).softmax(0)
    scale_up = GuidedFilter(F.avg_pool2d(guide, 2))
    assert torch.allclose(sum(scale_up(y, guide) for y in maps), torch.ones(24, 32), atol=1e-4)


def test_the_fit_is_the_least_squares_solution_of_each_square():
    torch.manual_seed(0)
    guide, y = torch.rand(3, 9, 9, dtype=torch.float64), torch.rand(9, 9, dtype=torch.float64)
    a, b = GuidedFilter(guide, radius=10, epsilon=1e-9).fit(y)  # every square is the whole picture
    columns = torch.cat([guide.flatten(1).T, torch.ones(81, 1, dtype=torch.float64)], dim=1)
    solution = torch.linalg.lstsq(columns, y.flatten()[:, None]).solution[:, 0]
    assert torch.allclose(a[:, 4, 4], solution[:3], atol=1e-5)
    assert torch.allclose(b[4, 4], solution[3], atol=1e-5)
