"""A video with a person's marks, what is tracked from them, and the export: the studio without its widgets.

A frame that a person has marked is a *key frame*, and its labels are taken as true. Every other frame is tracked from the last key
frame before it. Frames before the first key frame are tracked backwards from it. Correcting a frame makes it a key frame.
"""

import contextlib
import io
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..draw.pictures import carried_picture, nearest, overlay, skeleton
from ..errors import JointsError, MaskError, VideoError
from ..io.atomic import write_json
from ..io.decode import FrameLog
from ..io.frames import fit_size, rescale
from ..io.joints import Joints, write_joints_csv
from ..io.masks import MAX_OBJECTS, write_mask
from ..io.prefetch import prefetch
from ..io.results import results_folder
from ..io.video import Video
from ..io.video_writer import write_video
from ..label_maps import certain, paint
from ..model import Model
from ..propagate import MODERN, Protocol
from ..track import Carried, carry
from .skeletons import SKELETONS

SHOWN_HEIGHT = 360  # shorter side of the copies kept for display; tracking and export read the video again, at its own size
EXPORTS = ("overlay.mp4", "masks", "objects.json", "joints.csv", "joints.json", "colorized.mp4")  # what an export may write
UNDO = 30  # marks that can be taken back


@dataclass(frozen=True, eq=False)  # compared by identity: two drawings differ even if they look alike
class Marks:
    """The labels of one frame: object ids uint8 (H, W), and keypoints (J, 2) in pixels, NaN for absent ones."""

    ids: np.ndarray
    xy: np.ndarray

    @property
    def empty(self) -> bool:
        return not self.ids.any() and not np.isfinite(self.xy).any()


@dataclass(frozen=True)
class _Stored:
    """A tracked frame in little memory: masks as PNG, colours in half precision. ``origin`` is what it was tracked from, and how."""

    ids: bytes | None
    xy: np.ndarray | None
    confidence: np.ndarray | None
    ab: np.ndarray | None
    origin: tuple


def _packed(carried: Carried, origin: tuple) -> _Stored:
    """Pack a tracking result to keep it in little memory."""
    buffer = io.BytesIO()
    if carried.ids is not None:
        write_mask(buffer, carried.ids)
    ab = None if carried.ab is None else carried.ab.half().cpu().numpy()
    return _Stored(buffer.getvalue() or None, carried.xy, carried.confidence, ab, origin)


def _unpacked(stored: _Stored) -> Carried:
    """Restore a tracking result from :func:`_packed`."""
    from PIL import Image

    ids = None if stored.ids is None else np.array(Image.open(io.BytesIO(stored.ids)))
    ab = None if stored.ab is None else torch.tensor(stored.ab.astype(np.float32))
    return Carried(ids, stored.xy, stored.confidence, ab)


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


class Session:
    """One video with its marks and tracks. Long work is a generator, so that the caller can show progress and stop.

    Args:
        video: from :func:`tinytrack.datasets.clips.open_clip`.

    Attributes:
        objects: names of the objects 1, 2, ...
        joints: names and lines of the skeleton; the positions are in the marks.
        keys: {frame: Marks}, what a person has marked.
        colors: whether the colours of the first key frame are propagated too.
        reference: the frame whose colours were propagated when no frame was marked; else None.
    """

    def __init__(self, video: Video):
        self.video = video
        self.size = (video.height, video.width)
        self.objects: list[str] = ["object 1"]
        self.joints = SKELETONS["human"]
        self.keys: dict[int, Marks] = {}
        self.colors = False
        self.log = FrameLog()  # the times of the frames, and which of them are damaged
        self._shown: list[bytes] = []
        self._tracked: dict[int, _Stored] = {}
        self._blank = self._empty()
        self.reference: int | None = None
        self._aside: dict[tuple[str, ...], dict[int, np.ndarray]] = {}  # positions set aside, by the names of their skeleton
        self._past: list[tuple[int, Marks | None]] = []  # what each marked frame was before, to undo

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
        self._shown, self.log = [], FrameLog()
        for frame in self.video.moving_frames(None if size == self.size else size, self.log):
            buffer = io.BytesIO()
            Image.fromarray(frame).save(buffer, format="JPEG", quality=95, subsampling=0)
            self._shown.append(buffer.getvalue())
            yield len(self._shown)

    def frame(self, index: int) -> np.ndarray:
        """Return the copy of a frame for display: uint8 RGB, at most :data:`SHOWN_HEIGHT` pixels on its shorter side."""
        from PIL import Image

        return np.array(Image.open(io.BytesIO(self._shown[index])))

    def picture(self, index: int, strength: float = 0.5, width: int = 600) -> np.ndarray:
        """Draw a frame's marks, or what was tracked, over the frame: uint8 RGB, about ``width`` pixels wide."""
        frame = self.frame(index)
        carried = self.carried(index)
        ids, xy = carried.ids, carried.xy
        if ids is not None:
            ids = nearest(ids, *frame.shape[:2])
        if xy is not None:
            xy = rescale(xy, self.size, frame.shape[:2])
        return carried_picture(frame, Carried(ids, xy, carried.confidence, carried.ab), self.joints.edges, strength, width)

    def carried(self, index: int) -> Carried:
        """Return what is known about a frame: the marks of a key frame, else what was tracked, else nothing."""
        tracked = _unpacked(self._tracked[index]) if index in self._tracked else Carried()
        if index not in self.key_frames:
            return tracked
        marks = self.keys[index]
        return Carried(marks.ids, marks.xy, certain(marks.xy), tracked.ab)

    @property
    def tracked(self) -> set[int]:
        """The frames that have been tracked, possibly from marks that have changed since."""
        return set(self._tracked)

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
        self._past = [*self._past[-UNDO + 1 :], (index, self.keys.get(index))]
        self.keys[index] = marks

    def paint(self, index: int, points: np.ndarray, radius: float, value: int) -> None:
        """Paint a stroke of the brush on frame ``index``; value 0 erases. See :func:`brush`."""
        if not 0 <= value <= len(self.objects):
            raise MaskError(f"there is no object {value}: there are {len(self.objects)}")
        marks = self.marks(index)
        self._mark(index, replace(marks, ids=brush(marks.ids, points, radius, value)))

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
        """Take back the last mark and return the frame it was on; None if there is no mark to take back."""
        if not self._past:
            return None
        index, before = self._past.pop()
        if before is None:
            self.keys.pop(index, None)
        else:
            self.keys[index] = before
        return index

    def clear(self, index: int) -> None:
        """Remove all marks from a frame."""
        self._mark(index, self._empty())

    def _empty(self) -> Marks:
        """Return marks without objects and keypoints."""
        return Marks(np.zeros(self.size, np.uint8), np.full((len(self.joints.names), 2), np.nan))

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

    def choose(self, joints: Joints) -> None:
        """Switch to another skeleton.

        Keypoints that were placed are set aside until their skeleton is chosen again; what was tracked from them is discarded.
        """
        # set the placed keypoints aside, and bring back those of the new skeleton
        placed = {k: m.xy for k, m in self.keys.items() if np.isfinite(m.xy).any()}
        self._aside[self.joints.names] = placed
        self.joints = joints
        back, empty = self._aside.pop(joints.names, {}), self._empty()
        # Keep the objects, also on frames from which all were erased; frames that had only keypoints are no longer key frames.
        kept = {k: m.ids for k, m in self.keys.items() if m.ids.any() or (k not in placed and any(n.ids.any() for n in self.keys.values()))}
        self.keys = {k: Marks(kept.get(k, empty.ids), back.get(k, empty.xy)) for k in sorted(kept.keys() | back.keys())}
        # discard the old keypoints in the tracks, and the undo history
        tracked = {t: replace(stored, xy=None, confidence=None) for t, stored in self._tracked.items()}
        self._tracked = {t: stored for t, stored in tracked.items() if stored.ids is not None or stored.ab is not None}
        self._past, self._blank = [], self._empty()

    # ---- tracking

    def _starts(self, reference: int) -> dict[int, Marks]:
        """Return the key frames. Colours alone need no marks: without any, they start from the reference frame."""
        return self.key_frames or ({reference: self._blank} if self.colors else {})

    def plan(self, setting: tuple = (), reference: int = 0) -> list[tuple[int, list[int]]]:
        """List what must be tracked: (key frame, the frames to track from it in this order), forwards or backwards.

        A part is left out if all its frames were already tracked from exactly these marks with this setting. Each part ends *on* the
        next key frame, whose marks are given, but whose colours are not.
        """
        keys = self._starts(reference)
        parts = [(key, list(range(key + 1, min(after + 1, len(self))))) for key, after in itertools.pairwise([*keys, len(self)])]
        parts += [(key, list(range(key - 1, -1, -1))) for key in list(keys)[:1]]
        fresh = [all(t in self._tracked and self._tracked[t].origin == self._origin(keys, key, setting) for t in ts) for key, ts in parts]
        return [part for part, done in zip(parts, fresh, strict=True) if not done]

    def _origin(self, keys: dict[int, Marks], key: int, setting: tuple) -> tuple:
        """Return everything that a track from ``key`` depends on. Colours, unlike marks, pass through key frames."""
        return (*setting, self.colors, *((k, marks) for k, marks in keys.items() if k == key or (self.colors and k < key)))

    def track(self, model: Model, protocol: Protocol = MODERN, reference: int = 0) -> Iterator[tuple[int, int]]:
        """Track from every key frame that has changed; yields (frames done, frames to do). Stopping early keeps the frames that are done.

        Args:
            model, protocol: see :func:`tinytrack.track.carry`.
            reference: the frame whose colours are propagated if no frame is marked.

        Raises:
            MaskError: if nothing is marked and colours are not requested.
            VideoError, ModelError: see :func:`tinytrack.track.carry`.
        """
        # where tracking starts
        keys = self._starts(reference)
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
            origin = self._origin(keys, key, setting)
            tracked = self._carry(key, keys[key], frames, model, protocol)
            for index in frames:
                carried = next(tracked, None)
                if carried is None:
                    raise self._shorter(index)
                self._tracked[index] = _packed(carried, origin)
                done += 1
                yield done, total

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
        xy = marks.xy if np.isfinite(marks.xy).any() else None
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
        raise self._shorter(count)

    def _shorter(self, count: int) -> VideoError:
        """Return the error for a video that has become shorter since it was read."""
        return VideoError(f"'{self.video.title}' has changed: it ends before frame {count}, expected {len(self)} frames")

    # ---- export

    def export(self, out: str | os.PathLike, tell: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
        """Write everything that was marked and tracked into ``out``, all or nothing.

        Objects and keypoints give ``overlay.mp4``. Objects also give ``masks/00000.png`` ... (palette PNGs) and ``objects.json`` (their
        names). Keypoints also give ``joints.csv``, and ``joints.json`` with those of frame 0. Colours give ``colorized.mp4``. The command
        line reads these files: ``track VIDEO --mask masks/00000.png``, ``pose VIDEO --joints joints.json`` or ``joints.csv``, and
        either video.

        Args:
            out: the folder; an earlier export is replaced, unless it has changed since, and everything else is kept.
            tell: called with (frames done, frames to do) after each frame; an exception that it raises ends the export.

        Returns:
            The names of the files and folders that were written.

        Raises:
            MaskError: if a frame has neither marks nor a track, or nothing is marked any more.
            JointsError: if keypoints are marked, but not tracked yet.
            VideoError, OutputError: if the video cannot be read, or the folder cannot be written, or if it holds something of these
                names that is not an earlier export; nothing is written in that case.
        """
        # check that every frame is tracked
        missing = [t for t in range(len(self)) if t not in self.key_frames and t not in self._tracked and t != self.reference]
        if missing:
            raise MaskError(
                f"{len(missing)} of {len(self)} frames are not tracked yet, the first is frame {missing[0]}:"
                " expected a tracked video to export"
            )
        # what there is to export
        masks = any(m.ids.any() for m in self.key_frames.values())
        pose = any(np.isfinite(m.xy).any() for m in self.key_frames.values())
        colors = any(stored.ab is not None for stored in self._tracked.values())
        kinds = []
        if masks or pose:
            kinds.append("overlay")
        if colors:
            kinds.append("colorized")
        if not kinds:
            raise MaskError("nothing is marked any more: expected a tracked video to export")
        if pose and len(self.key_frames) < len(self) and all(stored.xy is None for stored in self._tracked.values()):
            raise JointsError("the joints are not tracked yet: expected a tracked video to export")
        # the frames of each video; masks and keypoints are collected on the way
        ticks = itertools.count(1)
        rows: list[tuple[np.ndarray, np.ndarray]] = []

        def pictures(kind: str, scratch: Path, log: FrameLog) -> Iterator[np.ndarray]:
            """Draw the frames of ``overlay.mp4`` or ``colorized.mp4``."""
            index = -1
            for index, frame in enumerate(prefetch(itertools.islice(self.video.frames(log=log), len(self)))):
                carried = self.carried(index)
                if kind == "overlay":
                    yield self._overlay(scratch, index, frame, carried, masks, rows if pose else None)
                else:
                    yield frame if carried.ab is None else paint(frame, carried.ab)  # the frame that gave the colours keeps its own
                tell(next(ticks), len(kinds) * len(self))
            if index + 1 < len(self):
                raise self._shorter(index + 1)

        # the files
        names = [f"{kind}.mp4" for kind in kinds] + ["masks", "objects.json"] * masks + ["joints.csv", "joints.json"] * pose
        with results_folder(out, "studio", names, [self.video.path]) as scratch:
            for kind in kinds:
                log = FrameLog()
                write_video(scratch / f"{kind}.mp4", pictures(kind, scratch, log), self.video.fps, like=self.video, log=log)
            if masks:
                content = {
                    "objects": {str(n): name for n, name in enumerate(self.objects, start=1)},
                    "marked_frames": list(self.key_frames),
                }
                write_json(scratch / "objects.json", content)
            if pose:
                write_joints_csv(scratch / "joints.csv", self.joints.names, rows, seconds=self.log.times, pictures=self.video.names)
                self._write_first_joints(scratch / "joints.json", rows[0][0])
            return sorted(item.name for item in scratch.iterdir())

    def _overlay(self, scratch: Path, index: int, frame: np.ndarray, carried: Carried, masks: bool, rows: list | None) -> np.ndarray:
        """Draw one frame of ``overlay.mp4``; its masks are also written to ``masks/``, and its keypoints appended to ``rows``."""
        if masks:
            ids = np.zeros(self.size, np.uint8) if carried.ids is None else carried.ids
            (scratch / "masks").mkdir(exist_ok=True)
            name = f"{index:05d}" if self.video.names is None else self.video.names[index]
            write_mask(scratch / "masks" / f"{name}.png", ids)
            frame = overlay(frame, ids)
        if rows is None:
            return frame
        lost = np.full((len(self.joints.names), 2), np.nan)
        xy = lost if carried.xy is None else carried.xy
        rows.append((xy, np.zeros(len(xy)) if carried.confidence is None else carried.confidence))
        return skeleton(frame, xy, self.joints.edges)

    def _write_first_joints(self, path: Path, xy: np.ndarray) -> None:
        """Write the keypoints of frame 0 in the format of the command ``pose``; no file if there are none."""
        names = self.joints.names
        known = {name: [round(float(v), 2) for v in place] for name, place in zip(names, xy, strict=True) if np.isfinite(place).all()}
        lines = [[names[a], names[b]] for a, b in self.joints.edges if names[a] in known and names[b] in known]
        if known:
            write_json(path, {"joints": known, "edges": lines})
