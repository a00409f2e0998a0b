"""The experiment of notebook 01: a small test input that reveals three buggy functions."""

import numpy as np
import pytest
import torch

from tests.support.helpers import assert_one_sentence
from tinytrack.lessons.check import EXERCISES
from tinytrack.lessons.check.color_quantization import BUGGY, nearest_city_block, nearest_product, nearest_reshape

# Pixel (0, 0) is nearest to centre 0, but its city block distance to centre 1 is smaller, and so is its product with centre 0.
CENTERS, AB = [[17.0, 2.0], [21.0, -5.0]], [[[10.0, -20.0]], [[-5.0, 0.0]]]


def verdict(centers, ab):
    return EXERCISES["test_input"](lambda: (torch.tensor(centers), torch.tensor(ab)))


def test_each_buggy_function_is_right_where_its_bug_does_not_show():
    centers, ab = torch.tensor([[9.0, 0.0], [0.0, 9.0]]), torch.tensor([[[9.0]], [[0.0]]])
    assert [bug(centers, ab).tolist() for bug in BUGGY] == [[[0]]] * 3


@pytest.mark.parametrize(
    "bug,centers,ab",
    [
        (nearest_city_block, [[7.0, 7.0], [11.0, 0.0]], [[[0.0]], [[0.0]]]),
        (nearest_product, [[1.0, 0.0], [9.0, 0.0]], [[[1.0]], [[0.0]]]),
        (nearest_reshape, [[1.0, 1.0], [5.0, 5.0]], [[[1.0, 5.0]], [[1.0, 5.0]]]),
    ],
)
def test_each_bug_shows_on_its_own_input(bug, centers, ab):
    centers, ab = torch.tensor(centers), torch.tensor(ab)
    distance = (ab[None] - centers[:, :, None, None]).norm(dim=1)
    assert not torch.equal(bug(centers, ab), distance.argmin(0))


def test_an_input_that_reveals_all_bugs_is_right():
    assert repr(verdict(CENTERS, AB)) == "test_input: right"
    assert EXERCISES["test_input"](lambda: (np.array(CENTERS), np.array(AB)))
    assert EXERCISES["test_input"](lambda: [CENTERS, AB])


@pytest.mark.parametrize(
    "centers,ab,names",
    [
        ([[9.0, 0.0], [0.0, 9.0]], [[[9.0]], [[0.0]]], "nearest_city_block and nearest_product and nearest_reshape"),
        (CENTERS, [[[10.0]], [[-5.0]]], "reveal nearest_reshape:"),
        ([[1.0, 1.0], [5.0, 5.0]], [[[1.0, 5.0]], [[1.0, 5.0]]], "reveal nearest_city_block:"),
        ([[3.0, 4.0]], AB, "nearest_city_block and nearest_product and nearest_reshape"),
    ],
)
def test_the_bugs_that_stay_hidden_are_named(centers, ab, names):
    assert_one_sentence(verdict(centers, ab).message, names, "despite the bug")


@pytest.mark.parametrize(
    "centers,ab,words",
    [
        (CENTERS, [[[10.0]], [[-5.0]], [[0.0]]], "(3, 1, 1): expected (K, 2) and (2, H, W)"),
        ([17.0, 2.0], AB, "shape (2,)"),
        ([*CENTERS, [0.0, 0.0]], AB, "at most two centres and two pixels"),
        (CENTERS, [[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]], "at most two centres and two pixels"),
        (CENTERS, [[[float("nan"), 0.0]], [[0.0, 0.0]]], "infinite or NaN"),
        ([[0.0, 2.0], [0.0, -2.0]], [[[1.0, 1.0]], [[1.0, 0.0]]], "Pixel [0, 1] is equally far from both centres"),
    ],
)
def test_an_input_that_tests_nothing_is_refused(centers, ab, words):
    assert_one_sentence(verdict(centers, ab).message, words)


def test_anything_but_two_tensors_is_refused():
    assert "returns a Tensor: return two tensors" in EXERCISES["test_input"](lambda: torch.tensor(CENTERS)).message
    assert "return two tensors" in EXERCISES["test_input"](lambda: (torch.tensor(CENTERS),)).message


def test_a_stub_is_not_attempted_yet():
    def stub():
        raise NotImplementedError

    assert repr(EXERCISES["test_input"](stub)) == "test_input: not attempted yet"
