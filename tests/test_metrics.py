"""Scores: hand-worked values, and that wrong answers score low."""

import numpy as np
import pytest
import torch

from tinytrack.color import Palette
from tinytrack.metrics import color_accuracy, color_error, pck, region_j


def test_region_j_by_hand():
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    a[:2] = 1  # 8 pixels
    b[1:3] = 1  # 8 pixels, 4 shared
    assert region_j(a, b) == pytest.approx(4 / 12)
    assert region_j(a, a) == 1
    assert region_j(a, 1 - a) == 0


def test_empty_masks():
    empty, full = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    assert region_j(empty, empty) == 1
    assert region_j(empty, full) == region_j(full, empty) == 0


def test_pck_by_hand():
    """Box 30 x 40: diagonal 50, times 0.6 is 30; at 0.1 a joint may be 3 pixels off."""
    true = np.array([[0.0, 0], [30, 0], [30, 40]])
    predicted = true + np.array([[3.0, 0], [0, 3.1], [0, 0]])
    assert pck(predicted, true, 0.1).tolist() == [1, 0, 1]
    assert pck(predicted, true, 0.2).tolist() == [1, 1, 1]


def test_lost_joints_are_wrong_and_hidden_ones_are_not_asked():
    true = np.array([[0.0, 0], [30, 40], [np.nan, np.nan]])
    predicted = np.array([[np.nan, np.nan], [30, 40], [5, 5]])
    assert np.array_equal(pck(predicted, true), [0, 1, np.nan], equal_nan=True)
    assert np.isnan(pck(predicted, np.full((3, 2), np.nan))).all()


def test_color_error_is_the_ab_distance_and_ignores_lightness():
    dark, light = np.full((2, 2, 3), 60, np.uint8), np.full((2, 2, 3), 180, np.uint8)
    assert color_error(dark, light) < 0.05
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    assert color_error(red, dark) == pytest.approx(np.hypot(80.09, 67.20), abs=0.1)


def test_color_accuracy_counts_pixels_of_the_right_cluster():
    palette = Palette(torch.tensor([[0.0, 0.0], [80.0, 67.0]]))
    truth = np.full((2, 2, 3), 128, np.uint8)
    guess = truth.copy()
    guess[0, 0] = [255, 0, 0]
    assert color_accuracy(guess, truth, palette) == 0.75
