"""The experiments of notebook 09: which alarms and which corrections the judges accept, and what they say about others."""

import numpy as np
import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.lessons import check


def far_from_the_median(areas):
    """Another alarm: the area differs from the median of the five frames before it."""
    before = [np.median(areas[max(0, t - 5) : t]) for t in range(1, len(areas))]
    return [t for t, m in enumerate(before, start=1) if abs(areas[t] - m) > 0.3 * max(areas[t], m)]


def mean_j(j, frames):
    """The mean J by a loop over the frames."""
    scores = []
    for t in range(len(j)):
        start = max(s for s in (0, *frames) if s <= t)
        scores.append(j[start, t])
    return sum(scores) / len(scores)


def pair_by_loops(j):
    best = (-1.0, 0, 0)
    for a in range(1, len(j)):
        for b in range(a + 1, len(j)):
            best = max(best, (mean_j(j, (a, b)), a, b))
    return best[1:]


def lowest_first(j):
    """Correct the frame with the lowest J, then the frame with the lowest J again."""
    frames = []
    for _ in range(2):
        now = [j[max(s for s in (0, *frames) if s <= t), t] for t in range(len(j))]
        frames.append(int(np.argmin(now)))
    return frames


def test_the_solutions_and_solutions_by_hand_are_right():
    for experiment in (check.alarm, check.corrections):
        assert repr(experiment(experiment.solution)) == f"{experiment.name}: right"
    assert repr(check.alarm(far_from_the_median)) == "alarm: right"
    assert repr(check.alarm(lambda areas: np.array(check.alarm.solution(areas)))) == "alarm: right"
    assert repr(check.corrections(pair_by_loops)) == "corrections: right"
    assert repr(check.corrections(lambda j: np.array(pair_by_loops(j)[::-1]))) == "corrections: right"


def test_the_best_corrections_differ_between_a_fade_a_jump_and_an_occlusion():
    fade, jump, hidden = (sorted(check.corrections.solution(*case)) for case in check.corrections.cases())
    assert fade == [8, 16], "an object that fades is corrected at even distances"
    assert 5 in jump, "an object that jumps is corrected right after the jump"
    assert 13 in hidden, "a hidden object is corrected when it is back"


@pytest.mark.parametrize(
    "alarm,words",
    [
        (lambda areas: [], "loses three quarters of its area at frame 20"),
        (lambda areas: list(range(len(areas))), "alarms where nothing happens"),
        (lambda areas: [t for t in range(len(areas)) if areas[t] < 0.5 * areas[0]], "alarms where nothing happens"),
        (lambda areas: [t for t in range(len(areas)) if areas[t] > 1.2 * areas[0]], "alarms where nothing happens"),
        (lambda areas: [t for t in range(1, len(areas)) if areas[t] < 0.75 * areas[t - 1]], "gets its area back at frame 35"),
        (lambda areas: [t for t in range(1, len(areas)) if abs(areas[t] - areas[t - 1]) > 400], "no alarm near it"),
        (lambda areas: [60], "returns frame 60"),
        (lambda areas: [0.5], "whole numbers"),
        (lambda areas: "frame 20", "whole numbers"),
    ],
)
def test_other_alarms_are_refused(alarm, words):
    assert_one_sentence(check.alarm(alarm).message, words)


@pytest.mark.parametrize(
    "corrections,words",
    [
        (lambda j: (12, 13), "slowly fades, correcting the frames 12 and 13 gives a mean J of"),
        (lambda j: (8, 16), "jumps at frame 5"),
        (lambda j: check.corrections.solution(check.corrections.cases()[1][0]), "slowly fades"),
        (lowest_first, "the best two frames give"),
        (lambda j: (8,), "returns 1 different frame(s)"),
        (lambda j: (8, 8), "returns 1 different frame(s)"),
        (lambda j: (1, 2, 3), "returns 3 different frame(s)"),
        (lambda j: (8, 24), "returns frame 24"),
    ],
)
def test_other_corrections_are_refused_with_their_mean_j(corrections, words):
    assert_one_sentence(check.corrections(corrections).message, words)


def test_the_mean_j_in_a_message_is_right():
    (fade,) = check.corrections.cases()[0]
    message = check.corrections(lambda j: (3, 5)).message
    assert f"a mean J of {mean_j(fade, (3, 5)):.3f} (no correction: {mean_j(fade, ()):.3f})" in message
