"""The pointer from coarse to fine: it agrees with a plain loop, searches all cells if it may, and stays close to the exact pointer."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from tinytrack import coarse
from tinytrack.coarse import point_and_copy_finely, shrink, squares
from tinytrack.datasets.synth import moving_shapes
from tinytrack.evaluation.metrics import region_j
from tinytrack.fast import best_cells, point_and_copy
from tinytrack.model import load_model
from tinytrack.propagate import REFINED
from tinytrack.track import carry


def maps(h, w, r=3, d=6, k=2, seed=0, device="cpu"):
    """Random embeddings of a target (h, w, D) and of references (R, h, w, D), all of unit length, and labels (R, K, h, w)."""
    g = torch.Generator().manual_seed(seed)
    target, reference = (F.normalize(torch.randn(*n, h, w, d, generator=g, dtype=torch.float64), dim=-1).to(device) for n in ((), (r,)))
    return target, reference, torch.rand(r, k, h, w, generator=g, dtype=torch.float64).to(device)


def finely(target, reference, labels, factor=2, temperature=0.3, radius=None, top_k=3, anywhere=0, cells=None):
    small = torch.stack([shrink(f, factor) for f in reference])
    return point_and_copy_finely(target, reference, labels, small, factor, temperature, radius, top_k, anywhere, cells)


def plainly(target, reference, labels, factor=2, temperature=0.3, radius=None, top_k=3, anywhere=0):
    """The same, cell by cell."""
    h, w, _ = target.shape
    places = [(n, y, x) for n in range(len(reference)) for y in range(0, h, factor) for x in range(0, w, factor)]

    def mean(f, y, x):
        return F.normalize(f[y : y + factor, x : x + factor].mean((0, 1)), dim=0)

    out = torch.zeros(labels.shape[1], h, w, dtype=target.dtype)
    for y in range(0, h, factor):
        for x in range(0, w, factor):
            far = h + w if radius is None else factor * (radius // factor)
            near = [p for p in places if p[0] < anywhere or max(abs(p[1] - y), abs(p[2] - x)) <= far]
            near.sort(key=lambda p: -(mean(reference[p[0]], *p[1:]) @ mean(target, y, x)))
            within = [(n, v + a, u + b) for n, v, u in near[: 2 * top_k] for a in range(factor) for b in range(factor)]
            for row in range(y, y + factor):
                for column in range(x, x + factor):
                    logits = torch.stack([reference[p] @ target[row, column] / temperature for p in within])
                    value, at = logits.topk(top_k)
                    found = torch.stack([labels[within[i][0], :, within[i][1], within[i][2]] for i in at])
                    out[:, row, column] = value.softmax(0) @ found
    return out


@pytest.mark.parametrize("factor,h,w", [(2, 8, 12), (3, 9, 15), (2, 6, 2)])
@pytest.mark.parametrize("radius,anywhere", [(None, 0), (3, 0), (4, 1)])
def test_it_equals_the_plain_loop(factor, h, w, radius, anywhere, device):
    given = maps(h, w, device=device)
    options = {"factor": factor, "radius": radius, "anywhere": anywhere}
    expected = plainly(*(m.cpu() for m in given), **options)
    assert torch.allclose(finely(*given, **options).cpu(), expected, atol=1e-9)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("anywhere", [0, 2])
def test_it_equals_the_exact_pointer_if_it_may_search_every_square(factor, anywhere, device, monkeypatch):
    monkeypatch.setattr(coarse, "SQUARES", 1000)
    target, reference, labels = maps(12, 16, device=device)
    exact = point_and_copy(target[None].movedim(-1, 1), reference[None].movedim(-1, 2), labels[None], 0.3, None, 5, anywhere)[0]
    assert torch.allclose(finely(target, reference, labels, factor, top_k=5, anywhere=anywhere), exact, atol=1e-9)


def test_squares_hold_the_cells_of_a_map_row_by_row():
    cut = squares(torch.arange(24).view(4, 6, 1), 2)
    assert cut.shape == (2, 3, 4, 1)
    assert cut[0, 1, :, 0].tolist() == [2, 3, 8, 9]
    assert cut[1, 0, :, 0].tolist() == [12, 13, 18, 19]


def test_averages_of_squares_have_unit_length():
    f = shrink(maps(6, 9)[0], 3)
    assert f.shape == (2, 3, 6)
    assert torch.allclose(f.norm(dim=-1), torch.ones(2, 3, dtype=f.dtype))


def test_only_squares_with_chosen_cells_are_computed(device):
    given = maps(8, 12, device=device)
    cells = torch.zeros(8, 12, dtype=torch.bool, device=device)
    cells[2, 5] = cells[7, 11] = True
    some, everything = finely(*given, radius=4, cells=cells), finely(*given, radius=4)
    computed = torch.zeros_like(cells)
    computed[2:4, 4:6] = computed[6:8, 10:12] = True
    assert torch.equal(some, everything * computed)
    assert not finely(*given, radius=4, cells=torch.zeros_like(cells)).any()


def test_many_squares_are_computed_in_parts(monkeypatch):
    given = maps(8, 12)
    at_once = finely(*given)
    monkeypatch.setattr(coarse, "AT_ONCE", 5)
    assert torch.allclose(finely(*given), at_once, atol=1e-12)


def test_fewer_squares_than_asked_for_are_enough():
    """In the corner, one reference has four squares within the window, and top-k asks for more cells than these have."""
    target, reference, labels = maps(8, 8, r=1)
    assert (best_cells(shrink(target, 2), shrink(reference[0], 2)[None], 1, 40)[0, 0] >= 0).sum() == 4
    for top_k in (20, 3):
        constant = finely(target, reference, torch.ones_like(labels), radius=2, top_k=top_k)
        assert torch.allclose(constant, torch.ones_like(constant))


def test_best_cells_are_in_order_and_inside_the_window(device):
    target, reference, _ = maps(7, 9, device=device)
    best = best_cells(target, reference, 2, 4, anywhere=1)
    value = (reference.flatten(0, 2)[best] * target[..., None, :]).sum(-1)
    assert (value.diff(dim=-1) <= 0).all()
    row, column = torch.meshgrid(torch.arange(7, device=device), torch.arange(9, device=device), indexing="ij")
    inside = ((best // 9 % 7 - row[..., None]).abs() <= 2) & ((best % 9 - column[..., None]).abs() <= 2)
    assert (inside | (best < 63)).all()  # the first reference has no window
    assert not inside.all()


def test_masks_are_nearly_those_of_the_exact_pointer(device):
    scene, model = moving_shapes(0, frames=8, height=48, width=64), load_model(device=device)
    fine = replace(REFINED, size=96).at_rows(192)
    assert fine.coarse == 2
    exact, close = (list(carry(scene.frames, scene.masks[0], model=model, protocol=p)) for p in (replace(fine, coarse=1), fine))
    agreement = [region_j(a.ids, b.ids) for a, b in zip(exact, close, strict=True)]
    assert min(agreement) > 0.9
    assert min(agreement[1:]) < 1  # it is another computation, not the same
