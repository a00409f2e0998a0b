"""Masks by clicks in the studio: what was clicked on which object, so that the next click refines the selection."""

from dataclasses import dataclass, replace

import numpy as np

from ..draw.pictures import nearest
from ..errors import MaskError
from ..io.frames import rescale
from ..model import Model
from .marks import UNDO, Marks, Step
from .select import select
from .session import Session


@dataclass(frozen=True)
class _Clicked:
    """The marks of a frame that came out of some clicks on one object: (N, 2) places on the object and next to it."""

    marks: Marks
    number: int
    inside: tuple[tuple[float, float], ...]
    outside: tuple[tuple[float, float], ...]


class Clicks:
    """Select objects of a video by clicks.

    The clicks belong to the marks that they made. After an undo, earlier marks are there again, and so are their clicks. After a stroke
    of the brush, the marks are others, and the next click starts anew.
    """

    def __init__(self):
        self._past: list[_Clicked] = []

    def click(self, session: Session, index: int, number: int, xy: tuple[float, float], on_it: bool, model: Model) -> int:
        """Select object ``number`` on frame ``index``, and make the selection its mask. Other objects keep their pixels.

        Args:
            session: the video; :meth:`Session.undo` takes the mask back.
            index: of the frame.
            number: of the object.
            xy: the place of the click, in pixels.
            on_it: whether the click is on the object, or on something else that should not be selected.
            model: whose embeddings tell what is similar.

        Returns:
            How many clicks the selection consists of.

        Raises:
            MaskError: if the first click is not on the object.
        """
        marks = session.marks(index)
        before = next((c for c in reversed(self._past) if c.marks is marks and c.number == number), None)
        inside, outside = (before.inside, before.outside) if before else ((), ())
        inside, outside = ((*inside, xy), outside) if on_it else (inside, (*outside, xy))
        if not inside:
            raise MaskError("nothing is selected yet: click on the object first, and then next to it")
        # the network sees the copy for display, which is large enough for its cells
        frame = session.frame(index)
        places = [rescale(np.reshape(points, (-1, 2)), session.size, frame.shape[:2]) for points in (inside, outside)]
        region = nearest(select(frame, *places, model).astype(np.uint8), *session.size) > 0
        rest = marks.ids * (marks.ids != number)
        marks = replace(marks, ids=np.where(region & (rest == 0), np.uint8(number), rest))
        session.change(Step(index, {index: marks}))
        self._past = [*self._past[-UNDO:], _Clicked(marks, number, inside, outside)]
        return len(inside) + len(outside)
