"""The experiment of notebook 08: a protocol that lifts the bow tie of carphone with two changes."""

from dataclasses import replace

import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.lessons.check import EXERCISES
from tinytrack.lessons.check.what_came_next import ENOUGH, bow_tie_j
from tinytrack.propagate import MODERN, PAPER


def verdict(**changes):
    return EXERCISES["protocol"](lambda paper: replace(paper, **changes))


def test_the_papers_protocol_and_its_single_changes_are_not_enough():
    assert 0.4 < bow_tie_j(PAPER) < 0.55
    for change in ({"keep_first": True}, {"top_k": 10}, {"top_k": 3}, {"sharpen": 0.1}):
        assert bow_tie_j(replace(PAPER, **change)) < ENOUGH, change


def test_two_changes_are_enough():
    assert repr(verdict(keep_first=True, top_k=5)) == "protocol: right"
    assert verdict(back=MODERN.back, top_k=10, name="mine")


@pytest.mark.parametrize(
    "changes,words",
    [
        ({}, "changes nothing and gives the bow tie J 0.4"),
        ({"keep_first": True}, "changes keep_first and gives the bow tie J 0.5"),
        ({"grid": None, "size": 240}, "changes size and grid: they must stay"),
        ({"keep_first": True, "top_k": 10, "radius": 12}, "changes 3 fields (keep_first, radius, top_k): expected at most 2"),
        ({"read": "best"}, "read = 'best'"),
        ({"top_k": 0}, "raises"),
    ],
)
def test_a_protocol_outside_the_limits_is_refused(changes, words):
    assert_one_sentence(verdict(**changes).message, words)


def test_anything_but_a_protocol_is_refused():
    assert "returns a dict: expected a Protocol" in EXERCISES["protocol"](lambda paper: {"keep_first": True}).message


def test_a_stub_is_not_attempted_yet():
    def stub(paper):
        raise NotImplementedError

    assert repr(EXERCISES["protocol"](stub)) == "protocol: not attempted yet"
