"""The commands ``track``, ``pose`` and ``colorize``: a video in, finished files out, whatever the length of the video.

Three threads work at the same time: one decodes, one tracks, and the caller's draws and encodes. Only a few frames wait between them.
"""

import contextlib
import itertools
import os
import re
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from ..color import chroma, frames_to_lab
from ..draw import overlay, skeleton
from ..errors import VideoError
from ..evaluation.metrics import color_error
from ..io.atomic import staged_folder
from ..io.frames import resize
from ..io.joints import read_joints, write_joints_csv
from ..io.masks import read_mask, write_mask
from ..io.paths import user_path
from ..io.prefetch import prefetch
from ..io.video import Video, open_video
from ..io.video_writer import write_video
from ..label_maps import GRAY, paint
from ..model import Model
from ..propagate import MODERN, Protocol
from ..track import Carried, carry, check_sees_gray, label_grid


def _progress_bar(items: Iterable, text: str) -> Iterator:
    from tqdm import tqdm

    return iter(tqdm(items, desc=text, unit=" frames"))


def _carried(video: Video, model: Model, protocol: Protocol, **labels) -> Iterator[Carried]:
    """Carry labels through a video, in a thread of its own, with a progress bar."""
    with contextlib.closing(prefetch(video.moving_frames())) as frames:  # an error kept somewhere must not keep a thread alive
        yield from prefetch(carry(_progress_bar(frames, "tracking"), model=model, protocol=protocol, **labels))


def track_video(video: Video, mask_path: str | os.PathLike, model: Model, out: str | os.PathLike, protocol: Protocol = MODERN) -> dict:
    """Track the objects of a first-frame mask; write ``masks/00000.png`` ... and ``overlay.mp4`` into ``out``.

    Returns:
        {"frames": T, "objects": [ids]}.

    Raises:
        VideoError, MaskError, OutputError: nothing is written in that case.
    """
    mask = read_mask(mask_path, (video.height, video.width))
    with staged_folder(out) as scratch:
        (scratch / "masks").mkdir()

        def overlays() -> Iterator[np.ndarray]:
            for index, carried in enumerate(_carried(video, model, protocol, mask=mask)):
                write_mask(scratch / "masks" / f"{index:05d}.png", carried.ids)
                yield overlay(carried.frame, carried.ids)

        count = write_video(scratch / "overlay.mp4", overlays(), video.fps)
    return {"frames": count, "objects": [int(i) for i in np.unique(mask[mask > 0])]}


def pose_video(video: Video, joints_path: str | os.PathLike, model: Model, out: str | os.PathLike, protocol: Protocol = MODERN) -> dict:
    """Track named keypoints from the first frame; write ``joints.csv`` and ``overlay.mp4`` into ``out``.

    Returns:
        {"frames": T, "lost": {name: number of frames in which it was lost}}.

    Raises:
        VideoError, JointsError, OutputError: nothing is written in that case.
    """
    joints = read_joints(joints_path, (video.height, video.width))
    rows = []  # a few numbers per frame: the only thing here that grows with the video
    with staged_folder(out) as scratch:

        def overlays() -> Iterator[np.ndarray]:
            for carried in _carried(video, model, protocol, xy=joints.xy):
                rows.append((carried.xy, carried.confidence))
                yield skeleton(carried.frame, carried.xy, joints.edges)

        write_video(scratch / "overlay.mp4", overlays(), video.fps)
        count = write_joints_csv(scratch / "joints.csv", joints.names, rows)
    lost = np.isnan([xy for xy, _ in rows])[..., 0].sum(axis=0)
    return {"frames": count, "lost": {name: int(n) for name, n in zip(joints.names, lost, strict=True) if n}}


def _reference_frame(video: Video, reference: str | int) -> tuple[int, np.ndarray]:
    """Resolve ``--reference``, a frame number or a picture of the first frame in colour, to a frame number and its picture."""
    text = str(reference)
    if not re.fullmatch(r"-?\d{1,18}", text):  # few enough digits that neither int() nor islice() can fail
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
        {"frames": T}. If the input is in colour, also the mean ab distance to it over all frames but the reference: "error", and for
        comparison "identity" (the reference's colours held still) and "gray" (no colours at all).

    Raises:
        VideoError, OutputError: nothing is written in that case.
        ModelError: if the model sees colour.
    """
    check_sees_gray(model)
    number, truth = _reference_frame(video, reference)
    full = frames_to_lab(truth, model.device)[1:]
    grid = label_grid(video.height, video.width, model, protocol)
    bytes_per_frame = 2 * grid[0] * grid[1] * np.dtype(np.float16).itemsize
    errors = []

    def painted(frame: np.ndarray, ab: torch.Tensor) -> np.ndarray:
        colored = paint(frame, ab)
        errors.append(_color_errors(colored, frame, truth))
        return colored

    with staged_folder(out) as scratch, tempfile.TemporaryFile(dir=scratch) as before:
        # Backwards from the reference. These colours come last frame first and are needed in order, so they wait on disk, where they
        # are small. No memory map: on a full disk that kills the process instead of raising an error.
        if number:
            with contextlib.closing(prefetch(video.frames_before(number))) as earlier:
                frames = _progress_bar(itertools.chain([truth], earlier), "colouring backwards")
                for carried in itertools.islice(carry(frames, colors=truth, model=model, protocol=protocol), 1, None):
                    before.write(carried.ab.half().cpu().numpy().tobytes())

        def results() -> Iterator[np.ndarray]:
            with contextlib.closing(prefetch(video.moving_frames())) as decoded:
                frames = _progress_bar(decoded, "colouring")
                # the frames before the reference, with the colours from disk
                for index, frame in enumerate(itertools.islice(frames, number)):
                    before.seek((number - 1 - index) * bytes_per_frame)
                    ab = np.frombuffer(before.read(bytes_per_frame), np.float16).astype(np.float32).reshape(2, *grid)
                    yield painted(frame, torch.as_tensor(ab, device=model.device))
                # the reference, and forwards from it
                for index, carried in enumerate(prefetch(carry(frames, colors=truth, model=model, protocol=protocol))):
                    yield paint(carried.frame, full) if index == 0 else painted(carried.frame, carried.ab)

        count = write_video(scratch / "colorized.mp4", results(), video.fps)
    summary = {"frames": count}
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
