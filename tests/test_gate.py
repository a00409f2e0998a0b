"""The gate: objects stay near where they were, lost ones may come back anywhere, other labels pass."""

import torch

from tinytrack.gate import Gate


def maps(*boxes, h=20, w=30, extra=0):
    """Class maps of objects that fill boxes (top, left, height, width), and ``extra`` labels that are one everywhere."""
    objects = torch.zeros(len(boxes), h, w)
    for y, (top, left, height, width) in zip(objects, boxes, strict=True):
        y[top : top + height, left : left + width] = 1
    return torch.cat([1 - objects.sum(0, keepdim=True), objects, torch.ones(extra, h, w)])


def test_what_appears_far_away_becomes_background(device):
    gate = Gate(maps((5, 5, 4, 4)).to(device), 2, radius=3)
    labels = maps((5, 6, 4, 4)).to(device)
    blob = labels.clone()
    blob[1, 15:18, 20:25], blob[0, 15:18, 20:25] = 1, 0
    assert torch.equal(gate.restrict(blob), labels)


def test_cells_are_those_within_the_radius_of_any_object():
    gate = Gate(maps((5, 5, 1, 1), (12, 20, 1, 1)), 3, radius=2)
    expected = torch.zeros(20, 30, dtype=torch.bool)
    expected[3:8, 3:8] = expected[10:15, 18:23] = True
    assert torch.equal(gate.cells, expected)


def test_each_object_has_a_gate_of_its_own():
    gate = Gate(maps((5, 5, 2, 2), (12, 20, 2, 2)), 3, radius=2)
    swapped = maps((12, 20, 2, 2), (5, 5, 2, 2))
    assert torch.equal(gate.restrict(swapped), maps((0, 0, 0, 0), (0, 0, 0, 0)))


def test_the_gate_follows_the_object():
    gate = Gate(maps((5, 2, 4, 4)), 2, radius=3)
    for left in range(4, 26, 2):
        labels = maps((5, left, 4, 4))
        assert torch.equal(gate.restrict(labels), labels)


def test_an_object_that_disappears_may_come_back_anywhere():
    gate = Gate(maps((5, 2, 4, 4)), 2, radius=3)
    gate.restrict(maps((5, 2, 4, 1)))  # most of it is gone
    assert gate.cells.all()
    back = maps((12, 24, 4, 4))
    assert torch.equal(gate.restrict(back), back)
    assert not gate.cells.all()


def test_an_object_that_stays_small_is_held_again():
    gate = Gate(maps((5, 2, 8, 8)), 2, radius=3)
    for _ in range(30):
        gate.restrict(maps((5, 2, 4, 4)))
    assert not gate.cells.all()


def test_keypoints_and_colours_pass_everywhere():
    first = maps((5, 5, 4, 4), extra=2)
    gate = Gate(first, 2, radius=1)
    assert gate.cells.all()
    assert torch.equal(gate.restrict(first)[2:], first[2:])
