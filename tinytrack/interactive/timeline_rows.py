"""What the timeline shows: what is known about every object and the joints on each frame, found without decoding a mask."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..draw import object_color
from .layout import css_color
from .session import Session

NOTHING, STALE, TRACKED, MARKED = range(4)  # the states of a frame; timeline.js draws them
FULL = 15  # the highest level
GRAY = "rgb(125,135,150)"  # of the rows that belong to no object; visible on light and on dark
MANY = 3  # stretches of frames that the description lists one by one


@dataclass(frozen=True)
class Row:
    """One row of the timeline.

    Attributes:
        name: of the object; "joints" and "colours" for the others.
        color: in CSS notation.
        states: uint8 (T,), each :data:`NOTHING`, :data:`STALE`, :data:`TRACKED` or :data:`MARKED`.
        levels: uint8 (T,), the confidence from 1 to :data:`FULL`; 0 where the object is absent or all joints are lost.
    """

    name: str
    color: str
    states: np.ndarray
    levels: np.ndarray

    @property
    def cells(self) -> bytes:
        """One byte per frame: the state in the upper four bits, the level in the lower four."""
        return (16 * self.states + np.where(self.states == NOTHING, 0, self.levels)).astype(np.uint8).tobytes()

    def describe(self) -> str:
        """Say in words what the row shows."""
        known, absent = self.states != NOTHING, self.levels == 0
        parts = {
            "marked on": (self.states == MARKED) & ~absent,
            "tracked on": (self.states == TRACKED) & ~absent,
            "out of date on": (self.states == STALE) & ~absent,
            "absent on": known & absent,
        }
        texts = [f"{words} {_stretches(where)}" for words, where in parts.items() if where.any()]
        return f"{self.name}: {', '.join(texts) or 'nothing yet'}"


def describe(rows: Sequence[Row], count: int) -> str:
    """Describe the whole timeline of ``count`` frames for people who cannot see it."""
    return ". ".join([f"Timeline of {count} frames", *(row.describe() for row in rows)])


def _stretches(where: np.ndarray) -> str:
    """Name the frames at which a mask (T,) is true: "0, 5 to 9"."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]])))
    pairs = [(first, after - 1) for first, after in edges.reshape(-1, 2).tolist()]
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in pairs]
    more = f" and {len(texts) - MANY} more stretches" if len(texts) > MANY + 1 else ""
    return ", ".join(texts[:MANY] if more else texts) + more


def timeline_rows(session: Session, kind: str) -> list[Row]:
    """Return the rows of a session: those of the kind that is being marked ("masks" or "joints"), and those that are not empty."""
    frames = _Frames(session)
    objects, joints = frames.objects(), frames.joints()
    shown = objects if kind == "masks" or any(row.states.any() for row in objects) else []
    shown = shown + [joints] if kind == "joints" or joints.states.any() else shown
    colors = frames.colors()
    return shown + [colors] if session.colors or colors.states.any() else shown


class _Frames:
    """The states and levels of all frames of a session."""

    def __init__(self, session: Session):
        self.session, self.count = session, len(session)
        self.stored, self.keys, self.stale = session.stored(), session.key_frames, list(session.stale)

    def _states(self, tracked: list[int], marked: list[int]) -> np.ndarray:
        """Combine the frames with a result and the marked frames to states (T,)."""
        states = np.zeros(self.count, np.uint8)
        states[tracked] = TRACKED
        states[self.stale] = np.where(states[self.stale] == TRACKED, STALE, NOTHING)
        states[marked] = MARKED
        return states

    def objects(self) -> list[Row]:
        """Return one row per object. An object that is marked on no frame has nothing yet, not even if it was tracked earlier."""
        tracked = {t: stored.areas for t, stored in self.stored.items() if stored.areas is not None}
        present = np.zeros((256, self.count), bool)
        for t, areas in tracked.items():
            present[: len(areas), t] = areas > 0
        for t, marks in self.keys.items():
            present[:, t] = False
            present[list(marks.numbers), t] = True
        states, marked = self._states(list(tracked), list(self.keys)), set().union(*(marks.numbers for marks in self.keys.values()))
        none = np.zeros_like(states)
        return [
            Row(
                self.session.objects[n - 1], css_color(object_color(n)), states if n in marked else none, FULL * present[n].astype(np.uint8)
            )
            for n in self.session.numbers
        ]

    def joints(self) -> Row:
        """Return the row of the joints; its level is their mean confidence, to which a lost joint contributes 0."""
        levels = np.zeros(self.count, np.uint8)
        places = {t: np.isfinite(marks.xy[:, 0]) for t, marks in self.keys.items()}
        placed = np.any(list(places.values()), axis=0) if places else np.zeros(0, bool)
        if not placed.any():
            return Row("joints", GRAY, levels, levels)
        tracked = {t: stored for t, stored in self.stored.items() if stored.xy is not None}
        if tracked:
            kept = np.isfinite([stored.xy[:, 0] for stored in tracked.values()])
            confidence = np.where(kept, [stored.confidence for stored in tracked.values()], 0)[:, placed].mean(axis=1)
            levels[list(tracked)] = np.ceil(FULL * confidence)
        levels[list(places)] = [FULL * there.any() for there in places.values()]
        return Row("joints", GRAY, self._states(list(tracked), list(places)), levels)

    def colors(self) -> Row:
        """Return the row of the colours, which start from the first marked frame, or from the reference frame if none is marked."""
        tracked = [t for t, stored in self.stored.items() if stored.ab is not None]
        start = [*self.keys, self.session.reference][:1] if tracked or self.session.colors else []
        states = self._states(tracked, [t for t in start if t is not None])
        return Row("colours", GRAY, states, np.full(self.count, FULL, np.uint8))
