"""Experiments: exercises with many right answers, whose results are judged instead of compared."""

import numpy as np
import pytest

from tinytrack.lessons.check import EXERCISES
from tinytrack.lessons.exercise import Experiment


def judge(result, target):
    return "" if abs(sum(result) - target) < 1e-6 else f"Your numbers add up to {sum(result):g}: expected {target}"


SPLIT = Experiment("split", lambda target: [target / 2, target / 2], lambda: [(4,), (10,)], judge)


def test_the_solution_and_any_other_answer_with_the_property_are_right():
    assert repr(SPLIT(SPLIT.solution)) == "split: right"
    assert repr(SPLIT(lambda target: [1, target - 1])) == "split: right"
    assert SPLIT(lambda target: np.array([target, 0.0]))
    assert SPLIT(lambda target: (n for n in (1, target - 1)))


def test_the_judge_says_what_is_wrong():
    assert repr(SPLIT(lambda target: [2, 2])) == "split: wrong. Your numbers add up to 4: expected 10"


def test_a_stub_is_not_attempted_yet():
    def stub(target):
        raise NotImplementedError

    assert repr(SPLIT(stub)) == "split: not attempted yet"


def test_none_an_error_and_a_result_of_a_wrong_type_are_reported():
    assert "returns None" in SPLIT(lambda target: None).message
    assert "raises ZeroDivisionError" in SPLIT(lambda target: target / 0).message
    assert "returns a str" in SPLIT(lambda target: "two").message


def test_an_experiment_without_arguments():
    even = Experiment("even", lambda: 2, lambda: [()], lambda result: "" if result % 2 == 0 else f"{result} is odd")
    assert even(lambda: 4)
    assert even(lambda: 3).message == "3 is odd"


@pytest.mark.parametrize("name", [name for name, exercise in EXERCISES.items() if isinstance(exercise, Experiment)])
def test_an_experiment_accepts_its_own_solution(name):
    assert repr(EXERCISES[name](EXERCISES[name].solution)) == f"{name}: right"
