"""The jobs of the command line: a video in, finished files out, whatever the length of the video.

Each is a line of three who work at once: one decodes, one tracks, one (the caller's thread) draws and encodes. No more than a
few frames wait between them.
"""

import itertools
import os
import re
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from .ahead import read_ahead
from .color import chroma, frames_to_lab
from .draw import overlay, skeleton
from .errors import VideoError
from .files import staged_folder, user_path
from .labels import read_joints, read_mask, write_joints_csv, write_mask
from .metrics import color_error
from .model import Model
from .track import (
    GRAY,
    MODERN,
    Protocol,
    check_sees_gray,
    color_labels,
    embed_frames,
    label_grid,
    paint,
    propagate,
    track_joints,
    track_masks,
)
from .video import Video, open_video, resize, write_video


def _bar(items: Iterable, text: str) -> Iterator:
    from tqdm import tqdm

    return iter(tqdm(items, desc=text, unit=" frames"))


def track_video(video: Video, mask_path: str | os.PathLike, model: Model, out: str | os.PathLike, protocol: Protocol = MODERN) -> dict:
    """Track the objects of a first-frame mask; write ``masks/00000.png`` ... and ``overlay.mp4`` into ``out``.

    Returns:
        {"frames": T, "objects": [ids]}.

    Raises:
        VideoError, MaskError, OutputError: nothing is written then.
    """
    mask = read_mask(mask_path, (video.height, video.width))
    with staged_folder(out) as scratch:
        (scratch / "masks").mkdir()
        frames, seen = itertools.tee(_bar(read_ahead(video.moving_frames()), "tracking"))

        def overlays():
            tracked = track_masks(seen, mask, model, protocol)
            for index, (frame, ids) in enumerate(read_ahead(zip(frames, tracked, strict=True))):
                write_mask(scratch / "masks" / f"{index:05d}.png", ids)
                yield overlay(frame, ids)

        count = write_video(scratch / "overlay.mp4", overlays(), video.fps)
    return {"frames": count, "objects": [int(i) for i in np.unique(mask[mask > 0])]}


def pose_video(video: Video, joints_path: str | os.PathLike, model: Model, out: str | os.PathLike, protocol: Protocol = MODERN) -> dict:
    """Track named joints from the first frame; write ``joints.csv`` and ``overlay.mp4`` into ``out``.

    Returns:
        {"frames": T, "lost": {name: frames in which it was lost}}.

    Raises:
        VideoError, JointsError, OutputError: nothing is written then.
    """
    joints = read_joints(joints_path, (video.height, video.width))
    lost = dict.fromkeys(joints.names, 0)
    with staged_folder(out) as scratch:
        frames, seen = itertools.tee(_bar(read_ahead(video.moving_frames()), "tracking"))
        rows = []  # J numbers a frame: the one thing that grows, by bytes

        def overlays():
            tracked = track_joints(seen, joints.xy, model, protocol)
            for frame, (xy, confidence) in read_ahead(zip(frames, tracked, strict=True)):
                rows.append((xy, confidence))
                for name, point in zip(joints.names, xy, strict=True):
                    lost[name] += int(np.isnan(point[0]))
                yield skeleton(frame, xy, joints.edges)

        write_video(scratch / "overlay.mp4", overlays(), video.fps)
        count = write_joints_csv(scratch / "joints.csv", joints.names, rows)
    return {"frames": count, "lost": {name: n for name, n in lost.items() if n}}


def _reference_frame(video: Video, reference: str | int) -> tuple[int, np.ndarray]:
    """``--reference``: a frame number, or a picture that shows the first frame in colour."""
    text = str(reference)
    if not re.fullmatch(r"-?\d{1,18}", text):  # so few digits that neither int() nor islice() can fail
        if not os.path.isfile(user_path(text)):
            raise VideoError(f"no such reference: '{text}': expected the number of a frame or a picture of the first frame in colour")
        picture = next(open_video(text).frames())
        if picture.shape[:2] != (video.height, video.width):
            raise VideoError(
                f"the reference '{text}' is {picture.shape[1]}x{picture.shape[0]}: expected {video.width}x{video.height} like the video"
            )
        return 0, picture
    number = int(text)
    frame = next(itertools.islice(video.frames(), number, None), None) if number >= 0 else None
    if frame is None:
        raise VideoError(f"'{video.title}' has no frame {number} to take the colours from")
    return number, frame


def colorize_video(video: Video, model: Model, out: str | os.PathLike, reference: str | int = 0, protocol: Protocol = MODERN) -> dict:
    """Colour a whole video from one frame, forwards and backwards from it; write ``colorized.mp4`` into ``out``.

    Args:
        reference: the number of the colour frame, or the path of a picture that shows the first frame in colour.

    Returns:
        {"frames": T}, and where the input is in colour also the mean ab distance to it over all frames but the reference:
        "error", beside "identity" (the reference's colours held still) and "gray" (no colours at all).

    Raises:
        VideoError, OutputError: nothing is written then.
        ModelError: if the model sees colour.
    """
    check_sees_gray(model)
    number, truth = _reference_frame(video, reference)
    grid = label_grid(video.height, video.width, model, protocol)
    labels = color_labels(truth, grid, model.device)
    full = frames_to_lab(truth, model.device)[1:]

    @torch.inference_mode()  # the mode belongs to a thread, and reading ahead runs this in another
    def carried(frames: Iterable[np.ndarray]) -> Iterator[torch.Tensor]:
        yield from propagate(embed_frames(frames, model, protocol), labels, protocol, model.temperature)

    errors = []
    with staged_folder(out) as scratch, tempfile.TemporaryFile(dir=scratch) as before, torch.inference_mode():
        # Colours of the frames before the reference come last one first, and are wanted in order: they wait on disk, small.
        # No memory map: on a full disk that kills the process instead of raising an error.
        if number:
            backwards = itertools.chain([truth], read_ahead(video.frames_before(number)))
            for ab in itertools.islice(carried(_bar(backwards, "colouring backwards")), 1, None):
                before.write(ab.half().cpu().numpy().tobytes())

        frames = _bar(read_ahead(video.moving_frames()), "colouring")

        def result(frame: np.ndarray, ab: torch.Tensor) -> np.ndarray:
            colored = paint(frame, ab)
            errors.append(_color_errors(colored, frame, truth))
            return colored

        def results():
            item = 2 * grid[0] * grid[1] * np.dtype(np.float16).itemsize
            for index, frame in enumerate(itertools.islice(frames, number)):
                before.seek((number - 1 - index) * item)
                ab = np.frombuffer(before.read(item), np.float16).astype(np.float32).reshape(2, *grid)
                yield result(frame, torch.as_tensor(ab, device=model.device))
            rest, seen = itertools.tee(frames)
            for index, (frame, ab) in enumerate(read_ahead(zip(rest, carried(seen), strict=True))):
                yield paint(frame, full) if index == 0 else result(frame, ab)

        count = write_video(scratch / "colorized.mp4", results(), video.fps)
    summary = {"frames": count}
    if max(e[3] for e in errors) >= GRAY:
        summary |= dict(zip(("error", "identity", "gray"), np.mean(errors, axis=0)[:3].tolist(), strict=True))
    return summary


def _color_errors(result: np.ndarray, frame: np.ndarray, reference: np.ndarray) -> tuple[float, ...]:
    """Mean ab distance to the truth of: our colours, the reference's held still, none; and the truth's largest chroma."""
    h, w = frame.shape[:2]
    scale = min(1.0, 240 / min(h, w))
    small = [resize(p, round(h * scale), round(w * scale)) for p in (result, reference, frame)]
    gray = np.repeat(small[2].mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    return (*(color_error(p, small[2]) for p in (small[0], small[1], gray)), float(chroma(frames_to_lab(small[2])[1:]).max()))
