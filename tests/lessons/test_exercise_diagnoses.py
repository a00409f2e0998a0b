"""General diagnoses: each kind of mistake is described without knowing the exercise, and with the arguments and results at hand."""

import numpy as np
import pytest
import torch

from tests.support.helpers import assert_one_sentence
from tinytrack.lessons.exercise import Exercise

G = torch.Generator().manual_seed(0)
A, B = torch.rand(2, 3, 4, generator=G).double() + 0.1, torch.rand(3, 2, 5, generator=G).double() + 0.1
V, W = torch.tensor([1.5, 4.25, 2.75, 7.0]).double(), torch.tensor([3.0, 0.5, 9.25]).double()

SCALED = Exercise("scaled", lambda x, factor: x * factor, lambda: [(A, 2.5), (B, 1.75)], [])
SHARES = Exercise("shares", lambda x: x / x.sum(-1, keepdims=True), lambda: [(A,), (B,)], [])
RUNNING = Exercise("running", lambda x: x.cumsum(0), lambda: [(V,), (W,)], [])
BELOW = Exercise("below", lambda x, limit: x < limit, lambda: [(A, 0.5), (B, 0.6)], [])
MEAN = Exercise("mean", lambda x: x.mean(), lambda: [(V,), (W,)], [])
POINTS = Exercise("points", lambda xy: xy * 2, lambda: [(V.view(2, 2),), (torch.rand(5, 2, generator=G).double(),)], [])
POWER = Exercise("power", lambda base, exponent: base**exponent, lambda: [(2, 5), (3, 2), (7, 3)], [])
CUT = Exercise("cut", lambda x, n, end: x[-n:] if end else x[:n], lambda: [(V, 3, True), (W, 2, False), (V, 2, True), (W, 1, False)], [])

MISTAKES = [
    (SCALED, lambda x, factor: (x * factor).transpose(-1, -2), "axes 1 and 2 of the result are swapped"),
    (SCALED, lambda x, factor: (x * factor).permute(2, 0, 1), "in another order: rearrange them with permute(1, 2, 0)"),
    (SCALED, lambda x, factor: (x * factor).flip(1), "in reverse order along axis 1"),
    (SCALED, lambda x, factor: -x * factor, "wrong sign"),
    (SCALED, lambda x, factor: 1 - x * factor, "one minus the expected one"),
    (SCALED, lambda x, factor: 1 / (x * factor), "reciprocal"),
    (SCALED, lambda x, factor: (x * factor) ** 2, "square of the expected one"),
    (SCALED, lambda x, factor: (x * factor).log(), "logarithm of the expected one"),
    (SCALED, lambda x, factor: x * factor * 3, "times 3"),
    (SCALED, lambda x, factor: x * factor**2, "times `factor`"),
    (SCALED, lambda x, factor: x * factor * x.shape[0], "times `x.shape[0]`"),
    (SCALED, lambda x, factor: x * factor + 0.5, "plus 0.5"),
    (SCALED, lambda x, factor: x * factor + factor, "plus `factor`"),
    (SCALED, lambda x, factor: (x * factor).floor(), "whole numbers"),
    (SCALED, lambda x, factor: (x * factor).round(), "rounded to whole numbers"),
    (SCALED, lambda x, factor: (x * factor)[:1].expand_as(x), "All items along axis 0 of your result are equal to the first one"),
    (SCALED, lambda x, factor: torch.cat([x[:1] * factor, x[1:]]), "right only for the first item along axis 0"),
    (SCALED, lambda x, factor: x, "times 1 / `factor`"),
    (SCALED, lambda x, factor: x**2 + 1, "`factor` has no influence"),
    (SCALED, lambda x, factor: torch.full_like(x, factor), "everywhere"),
    (SCALED, lambda x, factor: x / factor, "times 1 / (`factor` squared)"),
    (SCALED, lambda x, factor: x * (factor + 1), "`factor + 1` instead of `factor`"),
    (SCALED, lambda x, factor: (x * factor).flatten(), "right and in the right order, but the shape"),
    (SCALED, lambda x, factor: (x * factor)[None], "one axis of length 1 too many"),
    (SCALED, lambda x, factor: (x * factor)[0], "returns only the first of the items along axis 0"),
    (SCALED, lambda x, factor: (x * factor).sum(1), "one step too far: it returns the sum of the expected result along axis 1"),
    (SCALED, lambda x, factor: x * factor / (x > 0.5), "infinite where a finite number is expected"),
    (SCALED, lambda x, factor: x * factor + (x - x) / (x > 0.5), "contains NaN"),
    (SHARES, lambda x: x, "division by the sum over axis 2 (the last)"),
    (SHARES, lambda x: x / x.sum(0, keepdims=True), "differs"),
    (SHARES, lambda x: x / x.max(-1, keepdims=True).values, "division by the largest number"),
    (SCALED, lambda x, factor: x * factor * x[..., :1], "in the right proportion, but each line has its own scale"),
    (RUNNING, lambda x: x, "a cumulative sum"),
    (RUNNING, lambda x: x.cumsum(0)[1:], "The first item is missing"),
    (RUNNING, lambda x: x.cumsum(0)[:-1], "The last item is missing"),
    (RUNNING, lambda x: torch.cat([torch.zeros(1), x.cumsum(0)]), "one item too many: leave out the first one"),
    (RUNNING, lambda x: torch.cat([torch.zeros(1), x.cumsum(0)[:-1]]), "shifted by one: along axis 0, each number comes one place later"),
    (RUNNING, lambda x: x.cumsum(0)[torch.randperm(len(x), generator=torch.manual_seed(4))], "a sort over axis 0"),
    (POINTS, lambda xy: (xy * 2).flatten().roll(1).view_as(xy), "right numbers, but in another order"),
    (BELOW, lambda x, limit: x >= limit, "True and False are swapped"),
    (BELOW, lambda x, limit: x < 2 * limit, "`2 * limit` instead of `limit`"),
    (BELOW, lambda x, limit: (x < limit) | (x > 1), "True in too many places, but it misses none"),
    (MEAN, lambda x: x, "take the mean of your result over all its numbers"),
    (MEAN, lambda x: x.mean(0, keepdim=True), "one axis of length 1 too many"),
    (MEAN, lambda x: x.sum(), "times `x.shape[0]`"),
    (MEAN, lambda x: x.median(), "wrong"),
    (POINTS, lambda xy: 2 * xy.flip(1), "such as (y, x) instead of (x, y)"),
    (POWER, lambda base, exponent: exponent**base, "`base` and `exponent` swapped"),
    (POWER, lambda base, exponent: base ** (exponent - 1), "times 1 / `base`"),
    (POWER, lambda base, exponent: base ** (exponent + 1) + 0, "times `base`"),
    (POWER, lambda base, exponent: 2**exponent, "`base` has no influence"),
    (CUT, lambda x, n, end: x[:n], "`end` = False in every case"),
    (
        CUT,
        lambda x, n, end: x[-n:] ** 2 if end else x[:n],
        "right in 2 of 4 cases, but wrong when `end` is True. Your result is the square",
    ),
    (CUT, lambda x, n, end: x[-n:] if end else x[: n - 1], "wrong when `end` is False. The last item is missing"),
    (CUT, lambda x, n, end: x[:n] if end else x[-n:], "the opposite of `end`"),
]


@pytest.mark.parametrize("exercise, function, words", [pytest.param(*row, id=f"{row[0].name}: {row[2]}") for row in MISTAKES])
def test_a_kind_of_mistake_is_described(exercise, function, words):
    verdict = exercise(function)
    assert verdict.status == "wrong"
    assert_one_sentence(verdict.message, words)


def test_small_arguments_and_both_results_are_shown_in_full():
    verdict = RUNNING(lambda x: x.cumsum(0) ** 3 - 1)
    assert verdict.details.splitlines() == [
        "  x = [3, 0.5, 9.25]",
        "  your result = [26, 41.88, 2072]",
        "  expected    = [3, 3.5, 12.75]",
        "  3 of 3 places differ; at [0] you have 26, but 3 is expected",
    ]
    assert repr(verdict) == f"running: wrong. {verdict.message}\n{verdict.details}"


def test_large_arguments_are_shown_by_their_shape():
    large = Exercise("large", lambda x: x + 1, lambda: [(np.arange(100.0).reshape(10, 10),)], [])
    assert large(lambda x: x**0.9).details.splitlines() == [
        "  x = an array of shape (10, 10)",
        "  your result = an array of shape (10, 10)",
        "  expected    = an array of shape (10, 10)",
        "  100 of 100 places differ; at [0, 0] you have 0, but 1 is expected",
    ]


def test_the_smallest_case_that_is_wrong_is_shown():
    assert "  x = [3, 0.5, 9.25]" in MEAN(lambda x: x.median()).details
    assert "  x = [1.5, 4.25, 2.75, 7]" in MEAN(lambda x: x.mean() if len(x) == 3 else x.median()).details


def test_booleans_and_text_are_shown():
    small = Exercise("small", lambda x: x < 3, lambda: [(V,)], [])
    assert "expected    = [True, False, True, False]" in small(lambda x: x < 1).details
    words = Exercise("words", lambda text: text.split(), lambda: [("a b c",)], [])
    assert "expected    = ['a', 'b', 'c']" in words(lambda text: ["a", "b", "x"]).details


def test_a_diagnosis_that_fails_does_not_hide_the_verdict():
    odd = Exercise("odd", lambda rows: [len(row) for row in rows], lambda: [([[1, 2], [3]],)], [])
    assert odd(lambda rows: [0, 0]).status == "wrong"


def test_a_slow_function_is_not_run_again_and_again(monkeypatch):
    import time

    calls = []

    def slow(x, factor):
        calls.append(x)
        time.sleep(0.05)
        return x**factor

    monkeypatch.setattr("tinytrack.lessons.diagnosis.PATIENCE", 0.1)
    assert not SCALED(slow)
    assert len(calls) < 8
