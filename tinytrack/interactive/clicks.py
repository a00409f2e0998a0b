"""Make masks from clicks in the studio. The clicks on each object are kept, so that the next click refines its selection."""

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

    The clicks belong to the marks that they made. After an undo, earlier marks are there again, and so are their clicks. A mask that was
    painted or tracked has no clicks. It is kept, and each click adds what looks like the clicked place to it, or removes it.
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
            on_it: whether the click adds to the mask, or removes from it.
            model: whose embeddings tell what is similar.

        Returns:
            How many clicks the selection consists of; 0 if it began with a mask that was painted or tracked.

        Raises:
            MaskError: if there is nothing to remove.
        """
        marks = session.marks(index)
        before = next((c for c in reversed(self._past) if c.marks is marks and c.number == number), None)
        mask = marks.ids == number
        if not on_it and not mask.any():
            raise MaskError("there is nothing to remove: click on the object first")
        if mask.any() and before is None:
            alike = self._find(session, index, (xy,), (), model)
            self._change(session, index, number, mask | alike if on_it else mask & ~alike)
            return 0
        inside, outside = (before.inside, before.outside) if before else ((), ())
        inside, outside = ((*inside, xy), outside) if on_it else (inside, (*outside, xy))
        marks = self._change(session, index, number, self._find(session, index, inside, outside, model))
        self._past = [*self._past[-UNDO:], _Clicked(marks, number, inside, outside)]
        return len(inside) + len(outside)

    @staticmethod
    def _find(session: Session, index: int, inside: tuple, outside: tuple, model: Model) -> np.ndarray:
        """Select by clicks in the copy of the frame for display, which is large enough for the network: bool (H, W)."""
        frame = session.frame(index)
        places = [rescale(np.reshape(points, (-1, 2)), session.size, frame.shape[:2]) for points in (inside, outside)]
        return nearest(select(frame, *places, model).astype(np.uint8), *session.size) > 0

    @staticmethod
    def _change(session: Session, index: int, number: int, mask: np.ndarray) -> Marks:
        """Give an object another mask (H, W), and return the new marks of the frame."""
        marks = session.marks(index)
        rest = marks.ids * (marks.ids != number)
        marks = replace(marks, ids=np.where(mask & (rest == 0), np.uint8(number), rest))
        session.change(Step(index, {index: marks}))
        return marks
