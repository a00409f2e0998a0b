"""What a person marks: the labels of one frame, the brush, the polygon, and the steps that can be undone and redone."""

import itertools
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import MaskError
from ..io.masks import mask_png

UNDO = 30  # steps that can be undone


@dataclass(frozen=True, eq=False)  # compared by identity: two drawings differ even if they look alike
class Marks:
    """The labels of one frame: object ids uint8 (H, W), and keypoints (J, 2) in pixels, NaN for absent ones."""

    ids: np.ndarray
    xy: np.ndarray

    @property
    def empty(self) -> bool:
        return not self.ids.any() and not self.has_joints

    @cached_property
    def has_joints(self) -> bool:
        return bool(np.isfinite(self.xy).any())

    @cached_property
    def numbers(self) -> frozenset[int]:
        """The numbers of the objects on this frame."""
        return frozenset(np.bincount(self.ids.ravel(), minlength=1).nonzero()[0].tolist()) - {0}

    @cached_property
    def png(self) -> bytes:
        """The object ids as a PNG; kept, because the marks of all frames are saved again after each mark."""
        return mask_png(self.ids)


def brush(ids: np.ndarray, points: np.ndarray, radius: float, value: int) -> np.ndarray:
    """Draw a round brush along points: pixels whose centre is within ``radius`` of the line become ``value``.

    Args:
        ids: uint8 (H, W); a changed copy is returned.
        points: (N, 2) pixels (x, y), N >= 1; they may lie outside the frame.
        radius: in pixels.
        value: the object's number; 0 erases.

    Raises:
        MaskError: if there is no point, or one is not finite.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
        raise MaskError("a stroke needs at least one point with finite coordinates")
    result = ids.copy()
    height, width = ids.shape
    for a, b in itertools.pairwise(points) if len(points) > 1 else [(points[0], points[0])]:
        # the pixels around this piece of the line
        low = np.floor(np.minimum(a, b) - radius).clip(0, [width, height]).astype(int)
        high = np.ceil(np.maximum(a, b) + radius + 1).clip(0, [width, height]).astype(int)
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]]
        # those near enough to it
        step = b - a
        along = ((x - a[0]) * step[0] + (y - a[1]) * step[1]) / max(step @ step, 1e-12)
        along = along.clip(0, 1)
        near = np.hypot(x - a[0] - along * step[0], y - a[1] - along * step[1]) <= radius
        result[low[1] : high[1], low[0] : high[0]][near] = value
    return result


def fill(ids: np.ndarray, corners: np.ndarray, value: int) -> np.ndarray:
    """Fill a polygon: pixels whose centre is inside it, by the even-odd rule, become ``value``.

    Args:
        ids: uint8 (H, W); a changed copy is returned.
        corners: (N, 2) pixels (x, y), N >= 3; they may lie outside the frame.
        value: the object's number; 0 erases.

    Raises:
        MaskError: if there are fewer than three corners, one is not finite, or no pixel of the frame is inside.
    """
    corners = np.asarray(corners, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise MaskError("a polygon needs at least three corners with finite coordinates")
    height, width = ids.shape
    inside, x = np.zeros((height, width), bool), np.arange(width)
    # Walking to the right, each edge that a row crosses leads into the polygon or out of it.
    for a, b in itertools.pairwise([*corners, corners[0]]):
        (x0, y0), (x1, y1) = sorted((a, b), key=lambda corner: corner[1])
        low, high = np.ceil(np.clip([y0, y1], 0, height)).astype(int)  # rows y with y0 <= y < y1
        y = np.arange(low, high)
        crossing = x0 + (y - y0) * (x1 - x0) / max(y1 - y0, 1e-12)
        inside[low:high] ^= x >= crossing[:, None]
    if not inside.any():
        raise MaskError("the polygon is too small: expected corners that enclose at least one pixel")
    return np.where(inside, np.uint8(value), ids)


@dataclass(frozen=True)
class Step:
    """One change of the marks: what some frames and some object names become.

    Attributes:
        frame: the frame to show when the step is undone or redone.
        keys: {frame: its marks, or None if it has none}.
        names: {number of an object: its name, or None if it does not exist}.
    """

    frame: int
    keys: dict[int, Marks | None] = field(default_factory=dict)
    names: dict[int, str | None] = field(default_factory=dict)


class History:
    """The steps that lead back to earlier marks, and those that lead forward again.

    A step only says how the frames and names that it changed were before. Whatever it did not change, such as an object that was added
    later, stays when the step is undone.

    Args:
        keys: {frame: Marks}, changed in place.
        objects: the names of the objects 1, 2, ..., changed in place.
    """

    def __init__(self, keys: dict[int, Marks], objects: list[str | None]):
        self.keys, self.objects = keys, objects
        self.past: list[Step] = []
        self.future: list[Step] = []

    def do(self, step: Step) -> None:
        """Make a change; what was undone before can no longer be redone."""
        self.past = [*self.past[-UNDO + 1 :], self._apply(step)]
        self.future = []

    def undo(self) -> int | None:
        """Take back the last change and return its frame; None if there is nothing left to undo."""
        return self._move(self.past, self.future)

    def redo(self) -> int | None:
        """Make the change again that was taken back last and return its frame; None if there is nothing to redo."""
        return self._move(self.future, self.past)

    def _move(self, source: list[Step], target: list[Step]) -> int | None:
        if not source:
            return None
        step = source.pop()
        target.append(self._apply(step))
        return step.frame

    def _apply(self, step: Step) -> Step:
        """Make a change and return the step that takes it back."""
        back = Step(step.frame, {t: self.keys.get(t) for t in step.keys}, {n: self.objects[n - 1] for n in step.names})
        for t, marks in step.keys.items():
            if marks is None:
                self.keys.pop(t, None)
            else:
                self.keys[t] = marks
        for number, name in step.names.items():
            self.objects[number - 1] = name
        return back
