"""The experiment of notebook 07: two lists that are opposites only because of time."""

import numpy as np
import pytest

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


def test_a_stub_is_not_attempted_yet():
    def stub(n):
        raise NotImplementedError

    assert repr(verdict(stub)) == "time_trap: not attempted yet"
