"""Masks by clicks: the first click selects, further ones refine, and undo takes back the click as well as the mask."""

import numpy as np
import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.datasets.clips import open_clip
from tinytrack.errors import MaskError
from tinytrack.interactive.clicks import Clicks
from tinytrack.interactive.session import Session
from tinytrack.model import load_model

FACE, HAIR, PILLAR = (96.0, 79.0), (88.0, 26.0), (120.0, 29.0)


@pytest.fixture(scope="module")
def model():
    return load_model("tiny-gray")


@pytest.fixture
def session():
    found = Session(open_clip("carphone").part(0, 3))
    for _ in found.read():
        pass
    return found


def area(session, number=1, t=0):
    return int((session.marks(t).ids == number).sum())


def test_clicks_add_and_take_away(session, model):
    clicks = Clicks()
    assert clicks.click(session, 0, 1, FACE, True, model) == 1
    face = area(session)
    assert 500 < face < 5000
    assert session.marks(0).ids[79, 96] == 1
    assert clicks.click(session, 0, 1, HAIR, True, model) == 2
    head = area(session)
    assert head > 1.5 * face
    assert session.marks(0).ids[26, 88] == 1
    assert clicks.click(session, 0, 1, PILLAR, False, model) == 3
    assert area(session) < head
    assert session.marks(0).ids[29, 120] == 0


def test_undo_takes_back_the_click_too(session, model):
    clicks = Clicks()
    clicks.click(session, 0, 1, FACE, True, model)
    face = session.marks(0).ids
    clicks.click(session, 0, 1, HAIR, True, model)
    session.undo()
    assert (session.marks(0).ids == face).all()
    assert clicks.click(session, 0, 1, PILLAR, False, model) == 2  # the face and the pillar, without the hair
    assert session.marks(0).ids[26, 88] == 0


def test_a_painted_mask_is_kept_and_clicks_change_a_part_of_it(session, model):
    clicks = Clicks()
    session.paint(0, np.array([[10.0, 10.0]]), 3, 1)
    dab = session.marks(0).ids == 1
    assert clicks.click(session, 0, 1, FACE, True, model) == 0
    assert session.marks(0).ids[79, 96] == 1
    assert (session.marks(0).ids[dab] == 1).all()
    assert clicks.click(session, 0, 1, FACE, False, model) == 0
    assert session.marks(0).ids[79, 96] == 0
    assert (session.marks(0).ids[dab] == 1).all()


def test_other_objects_keep_their_pixels(session, model):
    clicks = Clicks()
    clicks.click(session, 0, 1, FACE, True, model)
    face = session.marks(0).ids == 1
    number = session.add_object("hair")
    clicks.click(session, 0, number, HAIR, True, model)
    assert (session.marks(0).ids[face] == 1).all()
    assert area(session, number) > 200


def test_the_first_click_must_be_on_the_object(session, model):
    with pytest.raises(MaskError) as error:
        Clicks().click(session, 0, 1, PILLAR, False, model)
    assert_one_sentence(error, "there is nothing to remove", "click on the object first")
    assert session.keys == {}
