"""The experiments of notebook 03: which temperatures the judges accept, and what they say about others."""

import math

import numpy as np
import pytest
import torch

from tests.support.helpers import assert_one_sentence
from tinytrack.lessons import check


def share_by_hand(f_j, f_i, on_object, temperature):
    """Eq. 2 for one target pixel with plain loops, summed over the object; the largest logit is subtracted, so nothing overflows."""
    logits = [sum(a * b for a, b in zip(f_j.tolist(), f.tolist(), strict=True)) / temperature for f in f_i]
    weights = [math.exp(v - max(logits)) for v in logits]
    return sum(w for w, on in zip(weights, on_object.tolist(), strict=True) if on) / sum(weights)


def temperature_on_a_grid(f_j, f_i, on_object):
    return min(np.geomspace(0.05, 2, 400), key=lambda t: abs(share_by_hand(f_j, f_i, on_object, t) - 0.9))


def test_the_solutions_and_solutions_by_hand_are_right():
    assert repr(check.temperature(check.temperature.solution)) == "temperature: right"
    assert repr(check.temperature(temperature_on_a_grid)) == "temperature: right"
    assert repr(check.overflow_temperature(check.overflow_temperature.solution)) == "overflow_temperature: right"


def test_the_cases_need_different_temperatures():
    found = [check.temperature.solution(*case) for case in check.temperature.cases()]
    assert max(found) > 10 * min(found)
    found = [check.overflow_temperature.solution(*case) for case in check.overflow_temperature.cases()]
    assert max(found) > 10 * min(found)


def test_float32_tensors_and_numpy_numbers_are_accepted():
    for kind in (np.float32, torch.tensor):
        assert check.temperature(lambda *case, kind=kind: kind(temperature_on_a_grid(*case)))


@pytest.mark.parametrize("temperature,words", [(0.02, "higher temperature spreads"), (1.0, "lower temperature points")])
def test_a_temperature_with_another_share_is_refused_with_the_share(temperature, words):
    share = share_by_hand(*check.temperature.cases()[0], temperature)
    message = check.temperature(lambda *case: temperature).message
    assert_one_sentence(message, f"τ = {temperature:g}", f"{100 * share:.1f} %", "expected 90 %", words)


@pytest.mark.parametrize("value", [0, -0.1, math.inf, math.nan])
@pytest.mark.parametrize("name", ["temperature", "overflow_temperature"])
def test_a_temperature_must_be_finite_and_positive(name, value):
    assert_one_sentence(getattr(check, name)(lambda *case: value).message, f"temperature is {value:g}", "above 0")


@pytest.mark.parametrize("name", ["temperature", "overflow_temperature"])
def test_several_numbers_are_refused(name):
    assert_one_sentence(getattr(check, name)(lambda *case: [0.1, 0.2]).message, "2 numbers", "expected one")


def broken(products, temperature):
    """Eq. 2 as it is written, in float32: is any weight infinite or NaN?"""
    weights = np.exp(products.numpy() / np.float32(temperature))
    return not np.isfinite(weights / weights.sum()).all() or not np.isfinite(weights.sum())


@pytest.mark.parametrize("case", range(4))
def test_the_naive_softmax_overflows_just_below_the_solution_and_not_above_it(case):
    products = check.overflow_temperature.cases()[case][0]
    temperature = check.overflow_temperature.solution(products)
    with np.errstate(over="ignore", invalid="ignore"):
        assert broken(products, 0.995 * temperature)
        assert not broken(products, 1.005 * temperature)
    assert torch.isfinite((products / (0.5 * temperature)).softmax(-1)).all()  # the library's softmax does not overflow


def test_a_temperature_at_which_nothing_overflows_is_refused_with_the_largest_exponential():
    message = check.overflow_temperature(lambda products: 0.02).message
    assert_one_sentence(message, "τ = 0.02", "5.2e+21", "expected a lower temperature")


def test_a_temperature_that_is_not_the_largest_is_refused():
    assert_one_sentence(check.overflow_temperature(lambda products: 1e-4).message, "τ = 0.0001", "expected a higher temperature")


def test_the_sum_overflows_before_its_largest_term():
    """The exponential of the largest product alone gives the right answer for short rows, but not for thousands of products."""
    message = check.overflow_temperature(lambda products: float(products.max()) / math.log(torch.finfo(torch.float32).max)).message
    assert_one_sentence(message, "5000 products", "sum", "expected a higher temperature")
