"""The commands ``track``, ``pose`` and ``colorize``: a video in, finished files out, whatever the length of the video.

Labels start at one frame or at several, and are carried in both directions: backwards from the first of these frames, forwards from
each of them to the next. Three threads work at the same time: one decodes, one tracks, and the caller's draws and encodes. Only a few
frames wait between them.
"""

import contextlib
import itertools
import os
import pickle
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from ..color import GRAY, chroma, frames_to_lab
from ..draw import overlay, skeleton
from ..errors import JointsError, MaskError, VideoError
from ..evaluation.metrics import color_error
from ..io.decode import FrameLog
from ..io.frames import resize
from ..io.joints import Joints, read_joints, write_joints_csv
from ..io.masks import describe_objects, read_mask_files, write_mask
from ..io.paths import user_path
from ..io.pictures import read_image
from ..io.prefetch import prefetch
from ..io.results import results_folder
from ..io.video import Video
from ..io.video_writer import write_video
from ..label_maps import paint
from ..model import Model
from ..propagate import MODERN, Protocol
from ..track import Carried, carry, check_sees_gray

Labels = Mapping[int | None, str | os.PathLike]  # frame -> file with its labels; the frame None is the first one that is tracked
Moment = int | float | None  # a frame by its number, or as a float by its time in seconds


# ---- which frames


class Span:
    """The part of a video that is tracked; frames keep their numbers in the whole video.

    Args:
        video: the whole video.
        start, end: its first and last frame; None: the video's own.

    Raises:
        VideoError: if there is no such part.
    """

    def __init__(self, video: Video, start: Moment = None, end: Moment = None):
        self.start = video.frame_from(start) if isinstance(start, float) else start or 0
        self.end = video.frame_until(end) if isinstance(end, float) else end
        if self.end is not None and self.end <= self.start:
            raise VideoError(f"'{video.title}' cannot be tracked from frame {self.start} to frame {self.end}: expected a later end")
        self.whole = video
        self.video = video.part(self.start, None if self.end is None else self.end + 1)

    def index(self, frame: int | None, error: type[Exception], what: str) -> int:
        """Return the position of a labelled frame in the part, which must contain it."""
        frame = self.start if frame is None else frame
        if frame < self.start or (self.end is not None and frame > self.end):
            last = "the end" if self.end is None else f"frame {self.end}"
            raise error(f"the {what} belongs to frame {frame}: expected one from frame {self.start} to {last}")
        return frame - self.start

    def name(self, index: int) -> str:
        """Return the name for the results of a frame of the part: its picture's name in a folder, otherwise its number."""
        names = self.video.names
        return f"{self.start + index:05d}" if names is None else names[index]


def _progress_bar(items: Iterable, text: str) -> Iterator:
    from tqdm import tqdm

    return iter(tqdm(items, desc=text, unit=" frames"))


# ---- tracking in both directions


class _Earlier:
    """Results of the frames before the first labels, which come last frame first and are needed in order: they wait on disk.

    No memory map: on a full disk that kills the process instead of raising an error.
    """

    def __init__(self, file):
        self.file = file
        self.places: list[tuple[int, int]] = []

    def push(self, carried: Carried) -> None:
        """Store a result, without its frame; colours in half precision."""
        ab = None if carried.ab is None else carried.ab.half().cpu().numpy()
        content = zlib.compress(pickle.dumps((carried.ids, carried.xy, carried.confidence, ab)), 1)
        self.places.append((self.file.tell(), len(content)))
        self.file.write(content)

    def pop(self, frame: np.ndarray, device: torch.device) -> Carried:
        """Return the result that was stored last; it belongs to this frame."""
        place, length = self.places.pop()
        self.file.seek(place)
        ids, xy, confidence, ab = pickle.loads(zlib.decompress(self.file.read(length)))
        ab = None if ab is None else torch.as_tensor(ab.astype(np.float32), device=device)
        return Carried(ids, xy, confidence, ab, frame)


def _carried(
    video: Video, keys: Mapping[int, dict], model: Model, protocol: Protocol, scratch: Path, log: FrameLog, text: str
) -> Iterator[Carried]:
    """Carry labels from their frames through a video, in both directions: yields the results of all frames in order.

    Args:
        video: the video, or a part of one.
        keys: frame -> its labels, as arguments of :func:`tinytrack.track.carry`. At each of these frames tracking starts anew.
        model, protocol: as in ``carry``.
        scratch: a folder for temporary files.
        log: of the forward pass.
        text: what the progress bar says.
    """
    first = min(keys)
    with tempfile.TemporaryFile(dir=scratch) as file:
        # backwards from the first key frame
        earlier = _Earlier(file)
        if first:
            start = _frame(video, first)
            with contextlib.closing(prefetch(video.frames_before(first))) as before:
                frames = _progress_bar(itertools.chain([start], before), f"{text} backwards")
                for carried in itertools.islice(carry(frames, **keys[first], model=model, protocol=protocol), 1, None):
                    earlier.push(carried)
        with contextlib.closing(prefetch(video.moving_frames(log=log))) as decoded:  # an error kept somewhere must not keep a thread alive
            frames = _progress_bar(decoded, text)
            for frame in itertools.islice(frames, first):
                yield earlier.pop(frame, model.device)
            # forwards from each key frame to the next
            for key, after in itertools.pairwise([*sorted(keys), None]):
                start = next(frames, None)
                if start is None:
                    raise VideoError(f"'{video.title}' ends after {len(log.times)} frames, before one that has labels")
                part = itertools.chain([start], itertools.islice(frames, None if after is None else after - key - 1))
                yield from prefetch(carry(part, **keys[key], model=model, protocol=protocol))


def _frame(video: Video, index: int) -> np.ndarray:
    """Decode one frame by its number."""
    frame = next(itertools.islice(video.frames(), index, None), None) if index >= 0 else None
    if frame is None:
        raise VideoError(f"'{video.title}' has no frame {video.start + index}")
    return frame


# ---- the commands


def track_video(
    video: Video,
    masks: Labels | str | os.PathLike,
    model: Model,
    out: str | os.PathLike,
    protocol: Protocol = MODERN,
    start: Moment = None,
    end: Moment = None,
    tell: Callable[[str], None] = lambda text: None,
) -> dict:
    """Track the objects of masks; write ``masks/00000.png`` ... and ``overlay.mp4`` into ``out``.

    Args:
        video: from :func:`tinytrack.datasets.clips.open_clip`.
        masks: the mask of the first frame, or {frame: mask}. Several masks show the same objects; at each, tracking starts anew.
        model, protocol: as in :func:`tinytrack.track.carry`.
        out: the folder for the results.
        start, end: the first and the last frame to track, by number or by time.
        tell: called with sentences for the user, such as which objects were found.

    Returns:
        {"frames": T, "objects": [ids], "problems": [sentences on damaged frames]}.

    Raises:
        VideoError, MaskError, OutputError: nothing is written in that case.
    """
    masks = masks if isinstance(masks, Mapping) else {None: masks}
    span = Span(video, start, end)
    numbers = [span.index(frame, MaskError, "mask") for frame in masks]
    pictures = read_mask_files(list(masks.values()), (video.height, video.width), list(masks))
    ids = dict(zip(numbers, pictures, strict=True))
    keys = {frame: {"mask": mask} for frame, mask in ids.items()}
    log = FrameLog()
    with results_folder(out, "track", ("masks", "overlay.mp4"), [video.path, *masks.values()]) as scratch:
        for frame, mask in ids.items():
            tell(f"objects in frame {span.start + frame}: {describe_objects(mask)}")
        (scratch / "masks").mkdir()

        def overlays() -> Iterator[np.ndarray]:
            for index, carried in enumerate(_carried(span.video, keys, model, protocol, scratch, log, "tracking")):
                write_mask(scratch / "masks" / f"{span.name(index)}.png", carried.ids)
                yield overlay(carried.frame, carried.ids)

        count = write_video(scratch / "overlay.mp4", overlays(), video.fps, like=video, log=log)
    found = np.unique(np.concatenate([np.unique(mask[mask > 0]) for mask in ids.values()]))
    return {"frames": count, "objects": found.tolist(), "problems": log.problems()}


def pose_video(
    video: Video,
    joints: Labels | str | os.PathLike,
    model: Model,
    out: str | os.PathLike,
    protocol: Protocol = MODERN,
    start: Moment = None,
    end: Moment = None,
) -> dict:
    """Track named keypoints; write ``joints.csv`` and ``overlay.mp4`` into ``out``.

    Args:
        joints: the keypoints of the first frame, or {frame: keypoints}, all with the same names. At each, tracking starts anew.
        video, model, out, protocol, start, end: as in :func:`track_video`.

    Returns:
        {"frames": T, "lost": {name: number of frames in which it was lost}, "problems": [sentences on damaged frames]}.

    Raises:
        VideoError, JointsError, OutputError: nothing is written in that case.
    """
    joints = joints if isinstance(joints, Mapping) else {None: joints}
    span = Span(video, start, end)
    known: dict[int, Joints] = {}
    for frame, path in joints.items():
        index = span.index(frame, JointsError, "joints file")
        # a table has rows for many frames: without a number, the row of the first frame that is read
        row = span.start or None if frame is None and os.fspath(path).lower().endswith(".csv") else frame
        known[index] = read_joints(path, (video.height, video.width), row)
        first = next(iter(known.values()))
        if known[index].names != first.names:
            raise JointsError(f"'{path}' has other joints than the file before it: expected the same names in the same order")
    keys = {index: {"xy": one.xy} for index, one in known.items()}
    rows = []  # a few numbers per frame: apart from the times, the only thing here that grows with the video
    log = FrameLog()
    with results_folder(out, "pose", ("joints.csv", "overlay.mp4"), [video.path, *joints.values()]) as scratch:

        def overlays() -> Iterator[np.ndarray]:
            for carried in _carried(span.video, keys, model, protocol, scratch, log, "tracking"):
                rows.append((carried.xy, carried.confidence))
                yield skeleton(carried.frame, carried.xy, first.edges)

        write_video(scratch / "overlay.mp4", overlays(), video.fps, like=video, log=log)
        count = write_joints_csv(scratch / "joints.csv", first.names, rows, seconds=log.times, pictures=span.video.names, first=span.start)
    lost = np.isnan([xy for xy, _ in rows])[..., 0].sum(axis=0)
    given = np.isfinite([one.xy for one in known.values()]).any(axis=(0, 2))  # a joint that never was there is not lost
    lost = {name: int(n) for name, n, there in zip(first.names, lost, given, strict=True) if n and there}
    return {"frames": count, "lost": lost, "problems": log.problems()}


def _reference_frame(span: Span, reference: str | int | None) -> tuple[int, np.ndarray]:
    """Resolve ``--reference``, a frame number or a picture of the first frame in colour, to a position and a picture."""
    text, video = str(reference), span.whole
    if reference is None:
        return 0, _frame(span.video, 0)
    if not re.fullmatch(r"-?\d{1,18}", text):  # few enough digits that neither int() nor islice() can fail
        if not os.path.isfile(user_path(text)):
            raise VideoError(f"no such reference: '{text}': expected the number of a frame or a picture of the first frame in colour")
        picture = read_image(user_path(text))
        if picture.shape[:2] != (video.height, video.width):
            raise VideoError(
                f"the reference '{text}' is {picture.shape[1]}x{picture.shape[0]}: expected {video.width}x{video.height} like the video"
            )
        return 0, picture
    index = span.index(int(text), VideoError, "colour reference")
    return index, _frame(span.video, index)


def colorize_video(
    video: Video,
    model: Model,
    out: str | os.PathLike,
    reference: str | int | None = None,
    protocol: Protocol = MODERN,
    start: Moment = None,
    end: Moment = None,
) -> dict:
    """Colour a gray video from one frame's colours, in both directions; write ``colorized.mp4`` into ``out``.

    Args:
        reference: the number of the colour frame, or a picture of the first frame in colour; None: the first frame.
        video, model, out, protocol, start, end: as in :func:`track_video`.

    Returns:
        {"frames": T, "problems": [sentences on damaged frames]}, and if the video has colours of its own, their mean ab distance to
        ours, to the reference's held still, and to no colours at all ("error", "identity", "gray").

    Raises:
        VideoError, OutputError: nothing is written in that case.
        ModelError: if the model sees colour.
    """
    check_sees_gray(model)
    span = Span(video, start, end)
    number, truth = _reference_frame(span, reference)
    full = frames_to_lab(truth, model.device)[1:]
    errors, log = [], FrameLog()
    picture = reference if isinstance(reference, str | os.PathLike) and os.path.isfile(user_path(reference)) else None
    with results_folder(out, "colorize", ["colorized.mp4"], [video.path, picture]) as scratch:

        def results() -> Iterator[np.ndarray]:
            keys = {number: {"colors": truth}}
            for index, carried in enumerate(_carried(span.video, keys, model, protocol, scratch, log, "colouring")):
                colored = paint(carried.frame, full if index == number else carried.ab)
                if index != number:
                    errors.append(_color_errors(colored, carried.frame, truth))
                yield colored

        count = write_video(scratch / "colorized.mp4", results(), video.fps, like=video, log=log)
    summary = {"frames": count, "problems": log.problems()}
    if max(e["chroma"] for e in errors) >= GRAY:
        summary |= {key: float(np.mean([e[key] for e in errors])) for key in ("error", "identity", "gray")}
    return summary


def _color_errors(result: np.ndarray, frame: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Compute the mean ab distance of a frame to our colours, to the reference's held still, and to gray; and its largest chroma."""
    h, w = frame.shape[:2]
    scale = min(1.0, 240 / min(h, w))
    result, reference, frame = (resize(p, round(h * scale), round(w * scale)) for p in (result, reference, frame))
    gray = np.repeat(frame.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    compared = {"error": result, "identity": reference, "gray": gray}
    return {key: color_error(p, frame) for key, p in compared.items()} | {"chroma": float(chroma(frames_to_lab(frame)[1:]).max())}
