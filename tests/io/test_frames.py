"""Coordinates: integer positions are pixel centres, at every size of a frame."""

import numpy as np
import pytest

from tinytrack.io.frames import rescale


def test_the_corners_of_a_frame_stay_its_corners():
    corners = np.array([[-0.5, -0.5], [175.5, 143.5]])  # the outer edges of the first and the last pixel of 144x176
    np.testing.assert_allclose(rescale(corners, (144, 176), (36, 44)), [[-0.5, -0.5], [43.5, 35.5]])


def test_a_cell_of_four_pixels_is_centred_between_them():
    assert rescale([[1.5, 1.5]], (8, 8), (2, 2)).tolist() == [[0.0, 0.0]]
    assert rescale([[0.0, 1.0]], (2, 2), (8, 8)).tolist() == [[1.5, 5.5]]


def test_x_is_scaled_with_the_width_and_y_with_the_height():
    assert rescale((10, 10), (100, 200), (200, 200)).tolist() == [10.0, 20.5]


@pytest.mark.parametrize("shape", [(2,), (5, 2), (3, 5, 2)])
def test_there_and_back_is_the_identity(shape):
    points = np.random.default_rng(0).uniform(-5, 300, shape)
    np.testing.assert_allclose(rescale(rescale(points, (480, 854), (60, 107)), (60, 107), (480, 854)), points)


def test_absent_points_stay_absent():
    assert np.isnan(rescale([[np.nan, np.nan], [1, 1]], (4, 4), (8, 8))).tolist() == [[True, True], [False, False]]
