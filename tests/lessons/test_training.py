"""The experiments of notebook 04: which labels and embeddings the judges accept, and what they say about others."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.support.helpers import assert_one_sentence
from tinytrack.lessons import check
from tinytrack.lessons.check.training import _color_loss_and_j


def rare(k):
    """One pixel of class 1 among k * k pixels of class 0, and a target that is all of class 1."""
    return [0] * (k * k) + list(range(k)), [1]


def test_the_solutions_and_solutions_by_hand_are_right():
    assert repr(check.labels(check.labels.solution)) == "labels: right"
    assert repr(check.labels(rare)) == "labels: right"
    assert repr(check.embeddings(check.embeddings.solution)) == "embeddings: right"


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor, lambda part: torch.tensor(part).view(1, -1)])
def test_labels_may_have_any_type_that_holds_integers(kind):
    assert check.labels(lambda k: [kind(part) for part in rare(k)])


def test_labels_that_cost_log_k_or_less_are_refused_with_their_loss():
    message = check.labels(lambda k: (list(range(k)), [0])).message
    assert_one_sentence(message, "costs 0.69 nats", "log 2 = 0.69", "above log K")
    message = check.labels(lambda k: ([0, 0, 0, 1], [0])).message
    assert_one_sentence(message, f"costs {-math.log(3 / 4):.2f} nats", "above log K")


@pytest.mark.parametrize(
    "result,words",
    [
        (([0, 0], [1]), "Class 1 of your target is not in your reference"),
        (([0, 1, 5], [0]), "reference labels are not all classes"),
        (([0, 1], [-1]), "target labels are not all classes"),
        (([0.0, 1.0], [0]), "reference labels are not all classes"),
        (([0, 1], []), "Your target has no pixels"),
        (([0, 1],), "expected two lists"),
        (3, "returns a int"),
    ],
)
def test_labels_that_cannot_be_scored_are_refused(result, words):
    assert words in check.labels(lambda k: result).message
    assert_one_sentence(check.labels(lambda k: result).message)


def by_object(masks):
    return F.one_hot(masks, 3).movedim(-1, 1).float()


def swapped(masks):
    """Three angles on a circle; the two objects change places in the target frame, as numpy."""
    angle = np.array([0.0, 2.0, 4.0])[np.stack([masks[0], np.array([0, 2, 1])[masks[1]]])]
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_swapped_embeddings_are_right_in_any_form():
    assert repr(check.embeddings(lambda masks: swapped(masks.numpy()))) == "embeddings: right"
    assert check.embeddings(lambda masks: torch.tensor(swapped(masks.numpy())).float().requires_grad_())


@pytest.mark.parametrize("case", range(2))
def test_color_loss_and_j_of_known_embeddings(case):
    masks = check.embeddings.cases()[case][0]
    loss, j = _color_loss_and_j(by_object(masks).double(), masks)
    assert (round(loss, 6), j) == (0, 1)
    loss, j = _color_loss_and_j(check.embeddings.solution(masks), masks)
    assert (round(loss, 6), j) == (0, 0)


@pytest.mark.parametrize(
    "write,words",
    [
        (by_object, "J is 1.00: expected a J below 0.1"),  # tracks
        (lambda masks: by_object((masks > 0).long()), "J is 0.25: expected a J below 0.1"),  # sees only the colour
        (lambda masks: torch.ones(2, 3, *masks.shape[1:]), "expected a colour loss below 0.1"),  # attends evenly
        (lambda masks: by_object(torch.stack([masks[0], 0 * masks[1]])), "expected a colour loss below 0.1"),  # loses both objects
        (lambda masks: by_object(masks) / 0, "infinity or NaN"),
        (lambda masks: by_object(masks)[0], "expected (2, D, 4, 4)"),
    ],
)
def test_embeddings_without_the_property_are_refused_with_both_numbers(write, words):
    message = check.embeddings(write).message
    assert_one_sentence(message, words)
    if "below" in words:
        assert "colour loss is " in message


@pytest.mark.parametrize("name", ["labels", "embeddings"])
def test_a_stub_is_not_attempted_yet(name):
    def stub(given):
        raise NotImplementedError

    assert repr(getattr(check, name)(stub)) == f"{name}: not attempted yet"
