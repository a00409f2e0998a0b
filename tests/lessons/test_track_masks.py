"""The experiment of notebooks/05_track_masks.ipynb: two masks that agree on nearly all pixels and have J = 0."""

import numpy as np
import pytest
import torch

from tinytrack.lessons.check import masks


def neighbours(height, width):
    predicted, true = np.zeros((2, height, width), bool)
    predicted[0, 0] = len(predicted) > 10
    true[-1, -1] = True
    return predicted, true


def test_the_solution_and_other_pairs_without_a_common_pixel_are_right():
    assert repr(masks(masks.solution)) == "masks: right"
    assert masks(neighbours)
    assert masks(lambda h, w: [torch.as_tensor(mask) for mask in neighbours(h, w)])
    assert masks(lambda h, w: np.stack(neighbours(h, w)).astype(np.uint8))
    assert masks(lambda h, w: neighbours(h, w)[::-1])


def test_float32_masks_of_zeros_and_ones_are_right():
    assert masks(lambda h, w: [mask.astype(np.float32) for mask in neighbours(h, w)])


def halves(h, w):
    left = np.zeros((h, w), bool)
    left[:, : w // 2] = True
    return left, ~left


def one_common(h, w):
    predicted, true = (mask.copy() for mask in neighbours(h, w))
    predicted[5, 5] = true[5, 5] = True
    return predicted, true


@pytest.mark.parametrize(
    "function, words",
    [
        (halves, "J is 0, but the masks agree on only 0.0 % of the pixels: expected at least 99 %"),
        (lambda h, w: (np.eye(h, w) > 0, np.zeros((h, w), bool)), "agree on only 90.0 %"),
        (lambda h, w: np.zeros((2, h, w), bool), "J is 1.00, because both masks are empty"),
        (lambda h, w: np.ones((2, h, w), bool), "agree on 100.0 % of the pixels, but J is 1.00"),
        (one_common, "but J is 0.50: expected 0"),
        (lambda h, w: np.zeros((2, w, h + 1), bool), "has shape (10, 11): expected (10, 10)"),
        (lambda h, w: (np.zeros((h, w)), np.full((h, w), 2)), "contains the value 2"),
        (lambda h, w: np.zeros((h, w), bool), "cannot use: return a tuple instead"),
        (lambda h, w: 0.99, "returns a float"),
        (lambda h, w: None, "returns None"),
        (lambda h, w: np.zeros((h, w))[h], "raises IndexError"),
    ],
)
def test_what_is_wrong_is_said_with_numbers(function, words):
    verdict = masks(function)
    assert verdict.status == "wrong"
    assert words in verdict.message


def test_a_stub_is_not_attempted_yet():
    def stub(height, width):
        raise NotImplementedError

    assert repr(masks(stub)) == "masks: not attempted yet"
