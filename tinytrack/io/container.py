"""Open video files with PyAV, and decode them frame by frame."""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .frames import Size, fit_size

FOLDER_FPS = 24.0  # frame rate of videos that have no clock, such as a folder of frames (DAVIS was published at 24)


def open_container(path: Path):
    """Open a container that has a video stream; returns PyAV's ``InputContainer``.

    Raises:
        VideoError: if it is missing, damaged, or no video.
    """
    import av

    try:
        container = av.open(os.fspath(path), metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:  # PyAV's "invalid data" is a ValueError, not an OSError
        if not path.exists():
            raise VideoError(f"no such video: '{path}'") from error
        raise VideoError(f"'{path}' cannot be opened as a video: it is damaged, cut short or of another kind") from error
    if not container.streams.video:
        content = "only sound" if container.streams.audio else "no video stream"
        container.close()
        raise VideoError(f"'{path}' has {content}: expected a video")
    if container.format.name in {"tty", "ass", "srt", "lrc"}:  # FFmpeg renders text files as video
        container.close()
        raise VideoError(f"'{path}' is a text file: expected a video")
    return container


def frame_rate(stream) -> float:
    """Return the average frame rate of a stream."""
    return float(stream.average_rate or stream.guessed_rate or FOLDER_FPS)


def decode(container, path: Path) -> Iterator:
    """Decode the frames of a container as PyAV has them.

    Raises:
        VideoError: where the stream is damaged.
    """
    import av

    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    count = 0
    try:
        for frame in container.decode(stream):
            count += 1
            yield frame
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"'{path}' breaks off after {count} frames: it is damaged or cut short") from error


def file_frames(path: Path, start: int, stop: int | None, size: Size) -> Iterator[Callable[[], np.ndarray]]:
    """Yield one function per frame from ``start`` to before ``stop``; calling it converts that frame, so skipped frames cost little.

    Raises:
        VideoError: if the file is damaged, or ends before its header says so.
    """
    with open_container(path) as container:
        promised = _promised_frames(container)
        count = 0
        stopped = False
        for frame in decode(container, path):
            if stop is not None and count >= stop:
                stopped = True
                break
            count += 1
            if count > start:
                yield lambda frame=frame: upright(frame, size)
        # Demuxers end silently where a file is cut off. A few frames may be missing by design (edit lists, rounding).
        if not stopped and stop is None and count < 0.95 * promised - 2:
            raise VideoError(f"'{path}' breaks off after {count} of {promised} frames: it is damaged or cut short")


def _promised_frames(container) -> int:
    """Return how many frames the header promises; 0 if it says nothing."""
    stream = container.streams.video[0]
    promised = stream.frames
    if not promised and stream.duration and stream.average_rate:
        promised = int(stream.duration * stream.time_base * stream.average_rate)
    elif not promised and container.duration and stream.average_rate and not container.streams.audio:
        promised = int(Fraction(container.duration, 1_000_000) * stream.average_rate)
    if "mp4" in container.format.name and promised and stream.duration and stream.average_rate:
        # A trimmed phone clip still contains the frames before its start. Its edit list skips them, and so does the duration.
        promised = min(promised, round(stream.duration * stream.time_base * stream.average_rate))
    return promised


def upright(frame, size: Size) -> np.ndarray:
    """Convert a decoded frame to uint8 RGB (H, W, 3): scaled by FFmpeg, then turned as the file's rotation flag says."""
    turns = round(frame.rotation / 90) % 4  # quarter turns counter-clockwise
    h, w = (frame.width, frame.height) if turns % 2 else (frame.height, frame.width)
    h, w = fit_size(h, w, size)
    if turns % 2:
        picture = frame.to_ndarray(format="rgb24", width=h, height=w)
    else:
        picture = frame.to_ndarray(format="rgb24", width=w, height=h)
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
