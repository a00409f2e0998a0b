"""The experiments of notebook 07: two lists that are opposites only because of time, a scene with two symptoms, and three looks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.support.helpers import assert_one_sentence
from tinytrack.lessons.check import EXERCISES


def verdict(lists):
    return EXERCISES["time_trap"](lists)


def wiggle(n, height=2.0):
    return height * np.sin(2.5 * np.arange(n))


def test_a_shared_wiggle_on_opposite_trends_is_right():
    assert repr(verdict(lambda n: (np.arange(n) + wiggle(n), wiggle(n) - np.arange(n)))) == "time_trap: right"
    assert verdict(lambda n: ((np.arange(n) + wiggle(n)).tolist(), (-2 * np.arange(n) + 2 * wiggle(n)).tolist()))


@pytest.mark.parametrize(
    "lists,words",
    [
        (lambda n: (np.arange(n) + wiggle(n), np.arange(n) + wiggle(n)), "rank correlation of your lists is +1.00: expected at most -0.9"),
        (lambda n: (np.arange(n) + wiggle(n), -np.arange(n) - wiggle(n)), "with time removed is -1.00: expected at least 0.5"),
        (lambda n: (np.arange(n), -np.arange(n)), "nothing is left of one of your lists"),
        (lambda n: (np.arange(n) + wiggle(n, 30), wiggle(n, 30) - np.arange(n)), "expected at most -0.9"),
        (lambda n: (np.arange(5), -np.arange(5)), "shapes (5,) and (5,): expected (20,)"),
        (lambda n: (np.full(n, np.nan), np.arange(n)), "infinite or NaN"),
        (lambda n: (np.ones(n), np.arange(n)), "are equal"),
        (lambda n: np.arange(n), "return a tuple instead"),
    ],
)
def test_lists_without_the_property_are_refused_with_their_numbers(lists, words):
    assert_one_sentence(verdict(lists).message, words)


def scene(one=None, two=None, first=None):
    """Make a solution that sets (L, a, b) of object 1, L of object 2, and (L, a, b) of the first pixel of object 2."""

    def solution(lab, masks):
        lab = lab.clone()
        for frame, ids in zip(lab, masks, strict=True):
            row, column = (ids == 2).nonzero()[0]
            frame[:, ids == 1] = frame[:, ids == 1] if one is None else torch.tensor(one)[:, None]
            frame[0, ids == 2] = frame[0, ids == 2] if two is None else two
            frame[:, row, column] = frame[:, row, column] if first is None else torch.tensor(first)
        return lab

    return solution


GROUND, RED = (50.0, -8.0, 12.0), (20.0, 60.0, 20.0)


def test_a_scene_with_one_symptom_for_each_object_is_right():
    solution = scene(GROUND, 20.0, RED)
    assert repr(EXERCISES["symptoms"](solution)) == "symptoms: right"
    assert EXERCISES["symptoms"](lambda lab, masks: solution(lab, masks).numpy())


@pytest.mark.parametrize(
    "solution,words",
    [
        (scene(None, 20.0, RED), "object 1 has a stray share of at most 0 %: expected at least 50 %"),
        (scene((50.0, 15.0, 55.0)), "The mask of object 1 is wrong, but its colours are too, by up to"),
        (scene(GROUND), "The colours of object 2 are wrong by at most 0: expected at least 10"),
        (scene(GROUND, 20.0, (50.0, 15.0, -40.0)), "The colours of object 2 are wrong, but its mask is too, with a stray share of 93 %"),
        (scene(GROUND, 120.0), "a lightness outside 0..100"),
    ],
)
def test_a_scene_without_the_symptoms_is_refused_with_its_numbers(solution, words):
    assert_one_sentence(EXERCISES["symptoms"](solution).message, words)


def test_a_scene_of_another_shape_is_refused():
    assert "shape (3, 4, 4): expected (2, 3, 4, 4)" in EXERCISES["symptoms"](lambda lab, masks: lab[0]).message


def mixtures(*weights):
    """Make looks from the embeddings of the ground and of both objects, one row of weights for each look."""

    def solution(f, classes):
        means = torch.stack([f[classes == n].mean(0) for n in range(3)])
        return F.normalize(torch.tensor(weights).double() @ means, dim=1)

    return solution


THING, OTHER, GRAY = [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]


@pytest.mark.parametrize("middle", [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
def test_looks_that_return_fade_and_jump_are_right(middle):
    assert repr(EXERCISES["looks"](mixtures(THING, middle, OTHER))) == "looks: right"
    assert EXERCISES["looks"](lambda f, classes: mixtures(THING, middle, OTHER)(f, classes).tolist())


@pytest.mark.parametrize(
    "solution,words",
    [
        (mixtures(GRAY, THING, OTHER), "The first look gets 0 % of the label of object 1: expected at least 90 %"),
        (mixtures(THING, THING, OTHER), "The second look gets 100 % of the label of object 1: expected 20 % to 80 %"),
        (mixtures(THING, [1.0, 1.0, 0.0], GRAY), "The third look gets 0 % of the label of object 2: expected at least 90 %"),
        (lambda f, classes: 2 * mixtures(THING, GRAY, OTHER)(f, classes), "lengths [2.0, 2.0, 2.0]: expected 1"),
        (lambda f, classes: f[:2], "shape (2, 3): expected (3, 3)"),
    ],
)
def test_looks_with_another_fate_are_refused_with_their_numbers(solution, words):
    assert_one_sentence(EXERCISES["looks"](solution).message, words)


def test_a_stub_is_not_attempted_yet():
    def stub(n):
        raise NotImplementedError

    assert repr(verdict(stub)) == "time_trap: not attempted yet"
