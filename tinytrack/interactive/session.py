"""A video with a person's marks and what is tracked from them: the studio without its widgets.

A frame that a person has marked is a *key frame*, and its labels are taken as true. Every other frame is tracked from the last key
frame before it. Frames before the first key frame are tracked backwards from it. Correcting a frame makes it a key frame. A tracked
frame is *stale* when the marks that it was tracked from have changed since.
"""

import contextlib
import io
import itertools
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import numpy as np
import torch

from ..draw.pictures import carried_picture, nearest
from ..errors import JointsError, MaskError, VideoError
from ..io.decode import FrameLog
from ..io.frames import fit_size, rescale
from ..io.joints import Joints
from ..io.masks import MAX_OBJECTS
from ..io.prefetch import prefetch
from ..io.video import Video
from ..label_maps import certain, paint
from ..model import Model
from ..propagate import MODERN, Protocol
from ..track import Carried, carry
from .marks import History, Marks, Step, brush, fill
from .skeletons import SKELETONS
from .tracked import Origin, Paused, Stored, pack, unpack

SHOWN_HEIGHT = 360  # shorter side of the copies kept for display; tracking and export read the video again, at its own size


class Session:
    """One video with its marks and tracks. Long work is a generator, so that the caller can show progress and stop.

    Args:
        video: from :func:`tinytrack.datasets.clips.open_clip`.

    Attributes:
        objects: names of the objects 1, 2, ...; None for one that was deleted.
        joints: names and lines of the skeleton; the positions are in the marks.
        keys: {frame: Marks}, what a person has marked.
        aside: the positions of the keypoints of the other skeletons, {names of the skeleton: {frame: positions}}.
        cut: the first and last frame that are tracked and exported; None for all. Everything else stays as it is.
        memory: bytes that the copies of the frames take so far.
        colors: whether the colours of the first key frame are propagated too.
        reference: the frame whose colours were propagated when no frame was marked; else None.
        newest: the frame that was tracked last; None before the first.
    """

    def __init__(self, video: Video):
        self.video = video
        self.size = (video.height, video.width)
        self.objects: list[str | None] = ["object 1"]
        self.joints = SKELETONS["human"]
        self.keys: dict[int, Marks] = {}
        self.colors = False
        self.cut: tuple[int, int] | None = None
        self.log = FrameLog()  # the times of the frames, and which of them are damaged
        self._shown: list[bytes] = []
        self.memory = 0
        self._tracked: dict[int, Stored] = {}
        self._blank = self._empty()
        self.reference: int | None = None
        self.newest: int | None = None
        self.aside: dict[tuple[str, ...], dict[int, np.ndarray]] = {}
        self._history = History(self.keys, self.objects)
        self._paused: Paused | None = None

    def __len__(self) -> int:
        """Number of frames read so far."""
        return len(self._shown)

    # ---- frames

    def read(self) -> Iterator[int]:
        """Read the video for display; yields the number of frames so far. One small JPEG per frame is kept in memory.

        Raises:
            VideoError: if it is damaged, or has fewer than two frames.
        """
        from PIL import Image

        size = fit_size(*self.size, min(SHOWN_HEIGHT, min(self.size)))
        self._shown, self.memory, self.log = [], 0, FrameLog()
        for frame in self.video.moving_frames(None if size == self.size else size, self.log):
            buffer = io.BytesIO()
            Image.fromarray(frame).save(buffer, format="JPEG", quality=95, subsampling=0)
            self._shown.append(buffer.getvalue())
            self.memory += len(self._shown[-1])
            yield len(self._shown)

    def without_marks(self) -> "Session":
        """Return a new session with the same frames, which are not read again."""
        session = Session(self.video)
        session.log, session.memory, session._shown = self.log, self.memory, self._shown
        return session

    def frame(self, index: int) -> np.ndarray:
        """Return the copy of a frame for display: uint8 RGB, at most :data:`SHOWN_HEIGHT` pixels on its shorter side."""
        from PIL import Image

        return np.array(Image.open(io.BytesIO(self._shown[index])))

    def picture(self, index: int, strength: float = 0.5, width: int = 600, dots: float = 1.0, hidden: Collection[int] = ()) -> np.ndarray:
        """Draw a frame's marks, or what was tracked, over the frame: uint8 RGB, about ``width`` pixels wide.

        The dots of keypoints are ``dots`` times as large as usual. The objects whose numbers are in ``hidden`` are left out.
        """
        frame = self.frame(index)
        carried = self.carried(index)
        ids, xy = carried.ids, carried.xy
        if ids is not None:
            ids = nearest(ids, *frame.shape[:2])
            ids = np.where(np.isin(ids, list(hidden)), 0, ids) if hidden else ids
        if xy is not None:
            xy = rescale(xy, self.size, frame.shape[:2])
        return carried_picture(frame, Carried(ids, xy, carried.confidence, carried.ab), self.joints.edges, strength, width, dots)

    def carried(self, index: int) -> Carried:
        """Return what is known about a frame: the marks of a key frame, else what was tracked, else nothing.

        Objects and keypoints that are no longer marked on any frame are left out.
        """
        stored = self._tracked.get(index)
        tracked = Carried() if stored is None else self._still_marked(unpack(stored))
        if index not in self.key_frames:
            return tracked
        marks = self.keys[index]
        return Carried(marks.ids, marks.xy, certain(marks.xy), tracked.ab)

    def stored(self) -> dict[int, Stored]:
        """Return what was tracked, by frame and without decoding it: a copy, because tracking may add frames meanwhile."""
        return dict(self._tracked)

    def _still_marked(self, tracked: Carried) -> Carried:
        """Leave out what is no longer marked on any frame, for example a deleted object."""
        numbers = set().union(*(marks.numbers for marks in self.keys.values()))
        if tracked.ids is not None and numbers:
            kept = np.zeros(MAX_OBJECTS + 1, np.uint8)
            kept[list(numbers)] = list(numbers)
            tracked = replace(tracked, ids=kept[tracked.ids])
        elif tracked.ids is not None:
            tracked = replace(tracked, ids=None)
        if not any(marks.has_joints for marks in self.keys.values()):
            tracked = replace(tracked, xy=None, confidence=None)
        return tracked

    @property
    def tracked(self) -> set[int]:
        """The frames that have been tracked, including the stale ones."""
        return set(self._tracked)

    @property
    def tracked_kinds(self) -> set[str]:
        """What has been tracked: "masks", "joints", "colours"."""
        kinds = {"masks": "ids", "joints": "xy", "colours": "ab"}
        return {kind for kind, name in kinds.items() if any(getattr(s, name) is not None for s in self._tracked.values())}

    @property
    def stale(self) -> set[int]:
        """The frames whose track comes from marks that have changed since; a key frame is among them only for its colours.

        Frames outside of :attr:`part` are not among them.
        """
        marked = self.part_keys
        keys = marked or ({self.reference: self._blank} if self.reference in self.part else {})
        current = {t: key for key, frames in self._parts(keys) for t in frames}
        origins: dict = {}  # one for each key frame and setting, because many frames share them

        def valid(t: int, origin: Origin) -> bool:
            if t not in current:
                return False
            group = current[t], origin.setting, origin.colors
            if group not in origins:
                origins[group] = self._origin(keys, *group)
            return origins[group] == origin

        part = {t: stored for t, stored in self.stored().items() if t in self.part}
        tracked = {t: stored for t, stored in part.items() if t not in marked or (stored.ab is not None and t != min(marked))}
        return {t for t, stored in tracked.items() if not valid(t, stored.origin)}

    @property
    def part(self) -> range:
        """The frames that are tracked and exported."""
        first, last = self.cut or (0, len(self) - 1)
        return range(first, last + 1)

    @property
    def part_keys(self) -> dict[int, Marks]:
        """The key frames of this part, from which it is tracked."""
        return {t: marks for t, marks in self.key_frames.items() if t in self.part}

    @property
    def key_frames(self) -> dict[int, Marks]:
        """The key frames in order. Empty ones before the first that holds marks do not count."""
        return dict(itertools.dropwhile(lambda item: item[1].empty, sorted(self.keys.items())))

    # ---- marks

    def marks(self, index: int) -> Marks:
        """Return the labels from which editing starts: the frame's own, else what was tracked there, else none."""
        if index in self.keys:
            return self.keys[index]
        carried, empty = self.carried(index), self._empty()
        return Marks(empty.ids if carried.ids is None else carried.ids, empty.xy if carried.xy is None else carried.xy)

    def _mark(self, index: int, marks: Marks) -> None:
        """Make ``index`` a key frame with these marks; :meth:`undo` can take them back."""
        if not 0 <= index < len(self):
            raise VideoError(f"'{self.video.title}' has no frame {index}: it has {len(self)}")
        self.change(Step(index, {index: marks}))

    def change(self, step: Step) -> None:
        """Change marks and names in one step that :meth:`undo` can take back."""
        self._history.do(step)

    def paint(self, index: int, points: np.ndarray, radius: float, value: int) -> None:
        """Paint a stroke of the brush on frame ``index``; value 0 erases. See :func:`brush`."""
        self._paint(index, value, lambda ids: brush(ids, points, radius, value))

    def fill(self, index: int, corners: np.ndarray, value: int) -> None:
        """Fill a polygon on frame ``index``; value 0 erases. See :func:`fill`."""
        self._paint(index, value, lambda ids: fill(ids, corners, value))

    def _paint(self, index: int, value: int, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Change the masks of frame ``index``, if the object that they get exists."""
        if value and value not in self.numbers:
            raise MaskError(f"there is no object {value}: expected one of {', '.join(map(str, self.numbers))}")
        marks = self.marks(index)
        ids = change(marks.ids)
        if value or (ids != marks.ids).any():  # an eraser that meets nothing says nothing about the frame
            self._mark(index, replace(marks, ids=ids))

    def place(self, index: int, joint: int, xy: tuple[float, float] | None) -> None:
        """Put a keypoint at (x, y) on frame ``index``; None marks it as absent there."""
        h, w = self.size
        if xy is not None and not (-0.5 <= xy[0] <= w - 0.5 and -0.5 <= xy[1] <= h - 0.5):
            raise JointsError(f"joint '{self.joints.names[joint]}' at ({xy[0]:g}, {xy[1]:g}) is outside the {w}x{h} video")
        marks = self.marks(index)
        places = marks.xy.copy()
        places[joint] = np.nan if xy is None else xy
        self._mark(index, replace(marks, xy=places))

    def undo(self) -> int | None:
        """Take back the last mark or deletion and return its frame; None if there is nothing left to undo."""
        return self._history.undo()

    def redo(self) -> int | None:
        """Make again what was undone last and return its frame; None if there is nothing to redo."""
        return self._history.redo()

    def clear(self, index: int) -> None:
        """Remove all marks from a frame."""
        self._mark(index, self._empty())

    def _empty(self) -> Marks:
        """Return marks without objects and keypoints."""
        return Marks(np.zeros(self.size, np.uint8), np.full((len(self.joints.names), 2), np.nan))

    # ---- objects and skeletons

    @property
    def numbers(self) -> list[int]:
        """The numbers of the objects that exist, counted from 1."""
        return [n for n, name in enumerate(self.objects, start=1) if name is not None]

    def _name(self, name: str) -> str:
        """Strip a new object's name, and make sure that it is neither empty nor taken."""
        name = name.strip()
        if not name:
            raise MaskError("type a name for the object")
        if name in self.objects:
            raise MaskError(f"there is an object '{name}' already: expected another name")
        return name

    def rename_object(self, number: int, name: str) -> None:
        """Rename object ``number``, counted from 1."""
        if name.strip() != self.objects[number - 1]:
            self.objects[number - 1] = self._name(name)

    def add_object(self, name: str) -> int:
        """Add an object and return its number."""
        name = self._name(name)
        if len(self.objects) >= MAX_OBJECTS:
            raise MaskError(f"there are already {MAX_OBJECTS} objects, which is the maximum")
        self.objects.append(name)
        return len(self.objects)

    def delete_object(self, number: int) -> None:
        """Delete an object together with its marks on all frames; :meth:`undo` brings them back.

        The other objects keep their numbers and colours. The only object of a video stays, without marks and with its first name.
        """
        name = f"object {number}" if self.numbers == [number] else None
        keys = {t: replace(m, ids=m.ids * (m.ids != number)) for t, m in self.keys.items() if number in m.numbers}
        self._delete(keys, {number: name})

    def delete_joints(self) -> None:
        """Remove the keypoints of the current skeleton from all frames; :meth:`undo` brings them back.

        Raises:
            JointsError: if no keypoint is placed.
        """
        keys = {t: replace(m, xy=np.full_like(m.xy, np.nan)) for t, m in self.keys.items() if m.has_joints}
        if not keys:
            raise JointsError("there is no joint to delete: none is placed on any frame")
        self._delete(keys)

    def _delete(self, keys: dict[int, Marks], names: dict[int, str | None] | None = None) -> None:
        """Change the marks of several frames in one step; a frame that loses all its marks is no longer a key frame."""
        self.change(Step(min(keys, default=0), {t: None if m.empty else m for t, m in keys.items()}, names or {}))

    def choose(self, joints: Joints) -> None:
        """Switch to another skeleton.

        Keypoints that were placed are set aside until their skeleton is chosen again; what was tracked from them is discarded.
        """
        # set the placed keypoints aside, and bring back those of the new skeleton
        placed = {k: m.xy for k, m in self.keys.items() if m.has_joints}
        self.aside[self.joints.names] = placed
        self.joints = joints
        back, empty = self.aside.pop(joints.names, {}), self._empty()
        # Keep the objects, also on frames from which all were erased; frames that had only keypoints are no longer key frames.
        kept = {k: m.ids for k, m in self.keys.items() if m.ids.any() or (k not in placed and any(n.ids.any() for n in self.keys.values()))}
        before, blank = self.keys, self._blank
        self.keys = {k: Marks(kept.get(k, empty.ids), back.get(k, empty.xy)) for k in sorted(kept.keys() | back.keys())}
        self._blank = self._empty()
        # Masks and colours that were tracked remain valid, unless keypoints came back that must be tracked now: only the old keypoints
        # are discarded, with the undo history.
        same = {id(blank): self._blank} | {id(before[k]): self.keys[k] for k in kept if k not in back}

        def renewed(stored: Stored) -> Stored:
            keys = tuple((k, same.get(id(marks), marks)) for k, marks in stored.origin.keys)
            return replace(stored, xy=None, confidence=None, origin=replace(stored.origin, keys=keys))

        tracked = {t: renewed(stored) for t, stored in self._tracked.items() if stored.ids is not None or stored.ab is not None}
        self._tracked, self._paused, self._history = tracked, None, History(self.keys, self.objects)

    # ---- tracking

    def _starts(self, reference: int) -> dict[int, Marks]:
        """Return the key frames. Colours alone need no marks: without any, they start from the reference frame."""
        return self.part_keys or ({reference: self._blank} if self.colors else {})

    def _parts(self, keys: dict[int, Marks]) -> list[tuple[int, list[int]]]:
        """Divide the frames to track into parts: (key frame, the frames to track from it in this order), forwards or backwards.

        Each part ends *on* the next key frame, whose marks are given, but whose colours are not.
        """
        start, stop = self.part.start, self.part.stop
        parts = [(key, list(range(key + 1, min(after + 1, stop)))) for key, after in itertools.pairwise([*keys, stop])]
        return parts + [(key, list(range(key - 1, start - 1, -1))) for key in list(keys)[:1]]

    def plan(self, setting: tuple = (), reference: int = 0) -> list[tuple[int, list[int]]]:
        """List what must be tracked: (key frame, the frames to track from it in this order), forwards or backwards.

        A part is left out if all its frames were already tracked from exactly these marks with this setting. A part that was stopped in
        the middle goes on where it stopped.
        """
        keys, parts = self._starts(reference), []
        for key, frames in self._parts(keys):
            origin = self._origin(keys, key, setting, self.colors)
            left = [n for n, t in enumerate(frames) if t not in self._tracked or self._tracked[t].origin != origin]
            if left:
                rest = frames[left[0] :]
                parts.append((key, rest if self._continues(key, origin, rest) else frames))
        return parts

    def _continues(self, key: int, origin: Origin, frames: list[int]) -> bool:
        """Tell whether the part that was stopped goes on with exactly these frames."""
        paused = self._paused
        return paused is not None and (paused.key, paused.origin) == (key, origin) and paused.frames[: len(frames)] == frames

    def _origin(self, keys: dict[int, Marks], key: int, setting: tuple, colors: bool) -> Origin:
        """Return everything that a track from ``key`` depends on. Colours, unlike marks, pass through key frames."""
        return Origin(setting, colors, tuple((k, marks) for k, marks in keys.items() if k == key or (colors and k < key)))

    def track(self, model: Model, protocol: Protocol = MODERN, reference: int = 0) -> Iterator[tuple[int, int]]:
        """Track from every key frame that has changed; yields (frames done, frames to do).

        Stopping early keeps the frames that are done, and the next call goes on with the frame after them.

        Args:
            model, protocol: see :func:`tinytrack.track.carry`.
            reference: the frame whose colours are propagated if no frame is marked.

        Raises:
            MaskError: if nothing is marked in the part to track and colours are not requested.
            VideoError, ModelError: see :func:`tinytrack.track.carry`.
        """
        # where tracking starts
        keys = self._starts(reference)
        chosen = f"of the frames {self.part.start} to {self.part[-1]}, which are chosen for tracking"
        if self.key_frames and not keys:
            raise MaskError(f"nothing is marked on any {chosen}: mark one of them, or choose more frames")
        if not set(keys) <= set(self.part):
            raise MaskError(f"frame {reference} is none {chosen}: go to one of them to track its colours")
        if not keys:
            raise MaskError("nothing is marked: brush an object or place a joint on a frame, or ask for colours")
        first = min(keys)
        self.reference = None if first in self.key_frames else first
        self._tracked.pop(first, None)  # it may have been tracked before, but now everything starts from it
        # track part by part
        setting = (model.fingerprint(), protocol)
        parts = self.plan(setting, reference)
        done, total = 0, sum(len(frames) for _, frames in parts)
        for key, frames in parts:
            origin = self._origin(keys, key, setting, self.colors)
            if self._continues(key, origin, frames):
                tracked, ahead = self._paused.results, self._paused.frames
            else:
                tracked, ahead = self._carry(key, keys[key], frames, model, protocol), frames
            for n, index in enumerate(frames, start=1):
                self._paused = None  # after an error in the middle, the part starts again
                carried = next(tracked, None)
                if carried is None:
                    raise self.shorter(index)
                self._tracked[index], self.newest = pack(carried, origin), index
                self._paused = Paused(key, origin, ahead[n:], tracked)
                done += 1
                yield done, total
            tracked.close()  # its thread and its file
            self._paused = None

    def _carry(self, key: int, marks: Marks, frames: list[int], model: Model, protocol: Protocol) -> Iterator[Carried]:
        """Propagate a key frame's labels to ``frames``, which lead away from it one by one."""
        # the frames, read in the direction of tracking
        start = self._full(key)
        if frames[0] > key:
            rest = self.video.part(key + 1, key + 1 + len(frames)).frames()
        else:
            rest = self.video.frames_before(key)
        # the labels; colours may themselves have been propagated to the key frame
        colors = None
        if self.colors:
            known = self._tracked[key].ab if key in self._tracked else None
            colors = start if known is None else paint(start, torch.tensor(known.astype(np.float32)))
        mask = marks.ids if marks.ids.any() else None
        xy = marks.xy if marks.has_joints else None
        # an erased key frame has nothing to propagate
        if mask is None and xy is None and colors is None:
            nothing = Carried(np.zeros(self.size, np.uint8), np.full_like(marks.xy, np.nan), np.zeros(len(marks.xy)))
            yield from (nothing for _ in frames)
            return
        # propagate; the first result is the key frame itself
        with contextlib.closing(prefetch(itertools.chain([start], rest))) as stream:
            tracked = carry(stream, mask, xy, colors, model=model, protocol=protocol)
            next(tracked)
            yield from tracked

    def _full(self, index: int) -> np.ndarray:
        """Return a frame at the video's own size, by decoding from the start of the video."""
        count = 0
        for count, frame in enumerate(itertools.islice(self.video.frames(), index + 1), start=1):
            if count > index:
                return frame
        raise self.shorter(count)

    def shorter(self, count: int) -> VideoError:
        """Return the error for a video that has become shorter since it was read."""
        return VideoError(f"'{self.video.title}' has changed: it ends before frame {count}, expected {len(self)} frames")
