"""The experiment of notebook 02: layers with a given stride and receptive field and few taps."""

import pytest
import torch
from torch import nn

from tests.support.helpers import assert_one_sentence
from tinytrack.lessons.check import EXERCISES
from tinytrack.lessons.check.embedding_net import FIELD, TAPS

TINY = [(6, 2, 1), (4, 2, 1), *((3, 1, d) for d in (1, 1, 2, 2, 4, 4, 1, 1)), (1, 1, 1)]  # TinyNet: stem, blocks, head
THREES = [(2, 2, 1), (2, 2, 1), (3, 1, 1), (3, 1, 3), (3, 1, 9), (3, 1, 4)]


def verdict(layers):
    return EXERCISES["layers"](lambda: layers)


def rows_that_count(layers):
    """Build the layers in one dimension, and count the inputs with a gradient."""
    net = nn.Sequential(*(nn.Conv1d(1, 1, kernel, stride, dilation=dilation) for kernel, stride, dilation in layers))
    for parameter in net.parameters():
        nn.init.constant_(parameter, 1.0)
    signal = torch.ones(1, 1, 1000, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(net.double()(signal)[0, 0, 5], signal)[0][0, 0].nonzero().flatten()
    return len(slope), int(slope.max() - slope.min()) + 1


@pytest.mark.parametrize("layers", [EXERCISES["layers"].solution(), THREES], ids=["doubled dilations", "tripled dilations"])
def test_a_design_that_keeps_the_budget_is_right(layers):
    assert repr(verdict(layers)) == "layers: right"
    assert rows_that_count(layers) == (FIELD, FIELD)
    assert sum(kernel**2 for kernel, _, _ in layers) <= TAPS


def test_tinynet_has_the_field_and_the_stride_but_twice_the_taps():
    assert rows_that_count(TINY) == (FIELD, FIELD)
    assert_one_sentence(verdict(TINY).message, "Stride 4 and field 140 are right", "125 taps: expected at most 60")
    assert 2 * TAPS < 125 <= 2 * TAPS + 5


@pytest.mark.parametrize(
    "layers,words",
    [
        ([(3, 2, 1), (3, 2, 1)], "stride 4 and a field of 7 pixels: expected stride 4 and 140 pixels"),
        ([*THREES, (1, 2, 1)], "stride 8 and a field of 140 pixels"),
        ([(140, 4, 1)], "19600 taps"),
        ([], "stride 1 and a field of 1 pixels"),
        ([(2, 2), (2, 2, 1)], "Layer 0 is (2, 2): expected (kernel, stride, dilation)"),
        ([(2, 2, 1), (2, 2, 0)], "Layer 1 is (2, 2, 0)"),
        ([(2, 2, 1), (2.5, 2, 1)], "Layer 1 is (2.5, 2, 1)"),
    ],
)
def test_the_judge_says_what_the_design_has(layers, words):
    assert_one_sentence(verdict(layers).message, words)


def test_rows_that_the_dilations_skip_are_counted():
    layers = [(2, 2, 1), (2, 2, 1), (3, 1, 17)]
    seen, span = rows_that_count(layers)
    assert (seen, span) == (12, FIELD)
    assert_one_sentence(verdict(layers).message, "140 pixels high, but 128 of its rows are never seen")


def test_anything_but_layers_is_refused():
    assert "cannot use" in verdict(140).message
    assert "cannot use" in verdict([1, 2]).message


def test_a_stub_is_not_attempted_yet():
    def stub():
        raise NotImplementedError

    assert repr(EXERCISES["layers"](stub)) == "layers: not attempted yet"
