"""The experiment of notebooks/06_track_pose.ipynb: heat maps that keep two close keypoints apart and can be read between cells."""

import numpy as np
import pytest
import torch

from tinytrack.lessons.check import sigma


@pytest.mark.parametrize("width", [0.4, 0.45, np.float32(0.43), torch.tensor(0.44), np.array(0.42)])
def test_widths_in_between_are_right(width):
    assert repr(sigma(lambda: width)) == "sigma: right"


def test_the_solution_is_right():
    assert sigma(sigma.solution)


@pytest.mark.parametrize(
    "width, words",
    [
        (0.7, "the map of one keypoint holds 0.36 at the other, and the mean error is 0.00 cells: the maps overlap too much"),
        (2, "holds 0.88 at the other"),
        (0.2, "the mean error is 0.29 cells: the peaks are too narrow"),
        (0.01, "the peaks are too narrow"),
        (0, "Your sigma is 0: expected a positive number"),
        (-0.45, "Your sigma is -0.45"),
        (float("nan"), "Your sigma is nan"),
        (float("inf"), "Your sigma is inf"),
        (None, "returns None"),
        ("wide", "returns a str"),
        ((0.4, 0.5), "returns a tuple"),
    ],
)
def test_what_is_wrong_is_said_with_numbers(width, words):
    verdict = sigma(lambda: width)
    assert verdict.status == "wrong"
    assert words in verdict.message


def test_a_stub_is_not_attempted_yet():
    def stub():
        raise NotImplementedError

    assert repr(sigma(stub)) == "sigma: not attempted yet"
