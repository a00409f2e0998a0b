"""Selecting an object by clicks: pointing inside one frame, copying from cell to cell, and what a click selects in the end."""

import numpy as np
import pytest
import torch

from tinytrack.datasets.synth import moving_shapes
from tinytrack.interactive.select import grow, point_around, seeds, select
from tinytrack.model import load_model
from tinytrack.pointer import affinity


def two_things(h=12, w=16, noise=0.05):
    """Unit-length embeddings (8, h, w) of a square in the middle of something else, and the square, bool (h, w)."""
    square = torch.zeros(h, w, dtype=torch.bool)
    square[3:9, 4:12] = True
    kinds = torch.eye(8)[:2]
    f = kinds[square.long()].movedim(-1, 0) + noise * torch.randn(8, h, w, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(f, dim=0), square


@pytest.mark.parametrize("radius", [1, 3])
def test_cells_point_at_the_most_similar_ones_around_them(device, radius):
    f, _ = two_things()
    cells, attention = (x.cpu() for x in point_around(f.to(device), 0.2, radius, 3))
    flat = f.flatten(1).T
    for j in (0, 15, 40, 101, 191):
        # the same by hand: all cells within the square but the cell itself, and the three best of them
        y, x = divmod(j, 16)
        near = [i for i in range(192) if i != j and abs(i // 16 - y) <= radius and abs(i % 16 - x) <= radius]
        best = sorted(near, key=lambda i, j=j: -float(flat[i] @ flat[j]))[:3]
        expected = affinity(flat[None, j : j + 1], flat[None, best], 0.2)[0, 0]
        assert cells[j].tolist() == best
        torch.testing.assert_close(attention[j], expected, atol=1e-5, rtol=1e-4)


def test_a_corner_with_fewer_cells_around_it_points_at_those(device):
    f, _ = two_things()
    cells, attention = point_around(f.to(device), 0.2, 1, 8)
    assert set(cells[0][attention[0] > 0].tolist()) == {1, 16, 17}
    torch.testing.assert_close(attention.sum(1).cpu(), torch.ones(192))


def test_one_click_fills_a_thing_and_stops_at_its_edge(device):
    f, square = two_things()
    inside = torch.zeros_like(square)
    inside[5, 6] = True
    y = grow(f.to(device), inside.to(device), torch.zeros_like(inside).to(device), 0.07, radius=3).cpu()
    assert y.min() >= 0 and y.max() <= 1
    assert (y[square] > 0.9).all()
    assert (y[~square] < 0.1).all()


def test_a_click_next_to_it_takes_away_what_was_too_much():
    f, square = two_things(noise=0.3)
    f = torch.nn.functional.normalize(f + 5 * torch.eye(8)[0][:, None, None], dim=0)  # now everything looks alike
    inside, outside = torch.zeros_like(square), torch.zeros_like(square)
    inside[5, 6] = True
    before = grow(f, inside, outside, 0.07, radius=3)
    outside[5, 9] = True
    after = grow(f, inside, outside, 0.07, radius=3)
    assert (after <= before + 1e-6).all()
    assert after[5, 9] == 0
    assert after[5, 10] < before[5, 10] - 0.05


def test_the_border_counts_as_something_else_unless_it_is_marked():
    f, square = two_things()
    inside = torch.zeros_like(square)
    inside[0, :5] = True
    y = grow(f, inside, torch.zeros_like(inside), 0.07, radius=3)
    assert (y[0, :5] == 1).all()
    assert (y[0, 5:] == 0).all()
    assert (y[-1] == 0).all()


def test_clicks_mark_cells_also_at_the_edge():
    marked = seeds(np.array([[0, 0], [79.4, 39]]), (40, 80), (10, 20))
    assert marked.nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [8, 18], [8, 19], [9, 18], [9, 19]]
    assert not seeds(np.zeros((0, 2)), (40, 80), (10, 20)).any()


def test_a_click_selects_an_object_in_a_picture(device):
    scene = moving_shapes(0, frames=2, height=160, width=216)
    truth = scene.masks[0] == 1
    y, x = (int(v.mean()) for v in np.nonzero(truth))
    found = select(scene.frames[0], np.array([[x, y]]), np.zeros((0, 2)), load_model("tiny-lab", device))
    assert found.dtype == bool
    assert found.shape == truth.shape
    assert (found & truth).sum() / (found | truth).sum() > 0.6
