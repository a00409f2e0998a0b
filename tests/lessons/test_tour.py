"""The experiments of notebook 00: which labels and which objects the judges accept, and what they say about others."""

import numpy as np
import pytest
import torch

from tests.support.helpers import assert_one_sentence
from tinytrack.lessons import check


def places(h, w):
    """(x, y) of each pixel, by loops."""
    return [[column, row] for row in range(h) for column in range(w)]


def test_the_solutions_are_right():
    assert repr(check.origin_labels(check.origin_labels.solution)) == "origin_labels: right"
    assert repr(check.twins(check.twins.solution)) == "twins: right"


@pytest.mark.parametrize(
    "labels",
    [
        places,
        lambda h, w: np.array(places(h, w), np.float32) / 10,
        lambda h, w: torch.tensor(places(h, w)) / torch.tensor([w, h]),
        lambda h, w: torch.eye(h * w),
    ],
    ids="lists float32 shares one-hot".split(),
)
def test_other_labels_that_tell_where_a_pixel_came_from_are_right(labels):
    assert repr(check.origin_labels(labels)) == "origin_labels: right"


@pytest.mark.parametrize(
    "labels,words",
    [
        (lambda h, w: torch.arange(h * w)[:, None], "gives 90 % of its attention to (row 0, column 0) and 10 % to (row 1, column 0)"),
        (lambda h, w: torch.tensor(places(h, w))[:, :1], "have the same label"),
        (lambda h, w: torch.ones(h * w, 3), "have the same label"),
        (lambda h, w: torch.tensor(places(w, h)).flip(1), "differ little between neighbours"),
        (lambda h, w: torch.tensor(places(h, w)).reshape(h, w, 2), "shape (4, 4, 2): expected (16, K)"),
        (lambda h, w: torch.arange(h * w), "shape (16,): expected (16, K)"),
        (lambda h, w: torch.full((h * w, 2), float("nan")), "NaN"),
    ],
    ids="numbers columns constant transposed grid flat nan".split(),
)
def test_labels_that_do_not_tell_are_refused(labels, words):
    assert_one_sentence(check.origin_labels(labels).message, words)


@pytest.mark.parametrize("lightness", [10.0, 25.0, 75.0, 90.0])
def test_any_two_objects_of_one_gray_and_one_colour_are_twins(lightness):
    assert repr(check.twins(lambda: np.array([[lightness, 3, -9], [lightness, 4, -9]], np.float32))) == "twins: right"


@pytest.mark.parametrize(
    "objects,words",
    [
        ([(85, 15, 55), (15, 15, -40)], "give 100 % of their attention"),
        ([(85, 15, 55), (15, 15, 55)], "expected at most 60 %"),
        ([(85, 15, 55), (85, 15, -40)], "by up to 48 Lab units"),
        ([(50, 15, 55), (50, 15, 55)], "Object 1 has lightness 50"),
        ([(85, 15, 55), (35, 15, 55)], "Object 2 has lightness 35"),
        ([(120, 15, 55), (120, 15, 55)], "from 0 to 100"),
        ([85, 15, 55], "shape (3,)"),
    ],
)
def test_other_objects_are_refused_with_what_they_do(objects, words):
    assert_one_sentence(check.twins(lambda: objects).message, words)
