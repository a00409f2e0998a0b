"""Read videos, files or folders of frames, one frame at a time.

Frames are uint8 RGB (H, W, 3), upright. Nothing is decoded before it is needed, so a long video never has to fit in memory.
"""

import bisect
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .container import main_stream, open_container
from .decode import FrameLog, file_frames, orientation, packet_times, upright
from .frames import Size, fit_size
from .header import Header, read_header
from .paths import user_path
from .pictures import BadPicture, PictureFile, is_stack, unreadable
from .seek import NEAR_THE_END, frames_near
from .series import list_images
from .stacks import picture_frames, picture_pauses

MILLISECONDS = Fraction(1, 24000)  # a clock that holds both whole milliseconds and 24 frames a second
ROUNDING = 0.001  # seconds by which the times of frames may be rounded in a file


@dataclass(frozen=True)
class Video:
    """A video, opened lazily: nothing is decoded until :meth:`frames` is iterated.

    It is a video file, a folder of frames, or one file with several pictures (a TIFF stack or a WebP animation).

    Attributes:
        path: the file or folder.
        start, stop: the range of the file's frames that belong to this video (stop None: to the end).
        name: for messages and titles.
    """

    path: Path
    start: int = 0
    stop: int | None = None
    name: str = ""

    @property
    def title(self) -> str:
        return self.name or self.path.name

    def part(self, start: int, stop: int | None, name: str = "") -> "Video":
        """Return frames start..stop-1 of this video as a video of their own."""
        first = self.start + start
        last = self.stop if stop is None else self.start + stop
        return replace(self, start=first, stop=last, name=name or self.name)

    @property
    def _pictures(self) -> list[Path] | None:
        """The picture files that the frames are in, as the folder is now; None for a video file."""
        if self.path.is_dir():
            return list_images(self.path)
        return [self.path] if is_stack(self.path) else None

    @property
    def of_pictures(self) -> bool:
        """Whether the frames are in picture files."""
        return self._pictures is not None

    @cached_property
    def header(self) -> Header:
        """Size, rate and colours, from the file's header and its first frame."""
        if self._pictures is None:
            return read_header(self.path)
        try:
            with PictureFile(self._pictures[0]) as source:
                height, width = source.header().size
        except BadPicture as error:
            raise unreadable(self._pictures[0]) from error
        if self.path.is_dir():
            return Header(height, width)
        pauses = picture_pauses(self.path)
        return Header(height, width, round(len(pauses) / sum(pauses), 6), MILLISECONDS)

    @property
    def height(self) -> int:
        """Rows of an upright frame."""
        return self.header.height

    @property
    def width(self) -> int:
        """Columns of an upright frame."""
        return self.header.width

    @property
    def fps(self) -> float:
        """Frames per second as stored."""
        return self.header.fps

    @cached_property
    def seconds(self) -> float | None:
        """Length in seconds according to the header; None if it does not say."""
        if self._pictures is not None:
            return sum(shown for _, shown, _ in picture_frames(self._pictures, None))
        with open_container(self.path) as container:
            stream = main_stream(container)
            if stream.duration:
                return float(stream.duration * stream.time_base)
            return container.duration / 1e6 if container.duration else None

    @cached_property
    def names(self) -> list[str] | None:
        """The names of a folder's pictures, without their endings; None for files."""
        return [p.stem for p in self._pictures[self.start : self.stop]] if self.path.is_dir() else None

    def frames(
        self, size: Size = None, fps: float | None = None, max_frames: int | None = None, log: FrameLog | None = None
    ) -> Iterator[np.ndarray]:
        """Decode, turn upright and scale the frames one by one: yields uint8 RGB (H, W, 3).

        Args:
            size: None (as stored), an int (the shorter side in pixels, keeping the shape) or (height, width).
            fps: keep at most this many frames per second, by leaving frames out; frames are never repeated.
            max_frames: stop after this many frames.
            log: collects the times of the frames that are yielded, and what is damaged.

        Raises:
            VideoError: if the file is missing, is not a video, has no video stream or ends too early.
        """
        if fps is not None and fps <= 0:
            raise VideoError(f"fps must be positive, got {fps}")
        log = FrameLog() if log is None else log
        # the time of each frame, how long it is shown, and a function that is called only for the frames that are kept
        pictures = self._pictures
        if pictures is None:
            source = file_frames(self.path, self.start, self.stop, size, log)
        else:
            source = itertools.islice(picture_frames(pictures, size), self.start, self.stop)
        first = due = None
        taken = 0
        for seconds, shown, frame in source:
            if max_frames is not None and taken >= max_frames:
                return
            first = seconds if first is None else first
            due = first if due is None else due
            if fps is None or seconds >= due - ROUNDING:
                taken += 1
                # the next one is due in 1 / fps, counted from the first frame, or after a long pause from this one
                due = max(first + taken / fps, seconds) if fps else seconds
                log.times.append(seconds)
                log.durations.append(shown)
                yield frame()

    @cached_property
    def times(self) -> list[float]:
        """The times of all frames in seconds from the first, found without decoding them."""
        if self._pictures is None:
            times = packet_times(self.path)
        else:
            times = [seconds for seconds, *_ in picture_frames(self._pictures, None)]
        times = times[self.start : self.stop]
        return [time - times[0] for time in times]

    def frame_from(self, seconds: float) -> int:
        """Return the number of the first frame at this time or later.

        Raises:
            VideoError: if the video ends before.
        """
        index = bisect.bisect_left(self.times, seconds - ROUNDING)
        if index == len(self.times):
            end = self.times[-1] if self.times else 0
            raise VideoError(f"'{self.title}' has no frame at {seconds:g} s or later: its last frame is at {end:g} s")
        return index

    def frame_until(self, seconds: float) -> int:
        """Return the number of the last frame at this time or earlier."""
        return bisect.bisect_right(self.times, seconds + ROUNDING) - 1

    def moving_frames(self, size: Size = None, log: FrameLog | None = None) -> Iterator[np.ndarray]:
        """Yield :meth:`frames`, after making sure that there are at least two.

        Raises:
            VideoError: if there is only one, in which nothing can be tracked.
        """
        frames = self.frames(size, log=log)
        start = list(itertools.islice(frames, 2))
        if len(start) < 2:
            raise VideoError(f"'{self.title}' has {len(start)} frame(s): expected a video of at least two")
        yield from itertools.chain(start, frames)

    def frames_before(self, stop: int, size: Size = None, megabytes: float = 200.0) -> Iterator[np.ndarray]:
        """Yield frames stop - 1, stop - 2, ..., 0, with at most about ``megabytes`` of them in memory at a time.

        Videos cannot be decoded backwards, so every chunk is decoded from the start of the video.
        """
        h, w = fit_size(self.height, self.width, size)
        chunk = max(8, int(megabytes * 1e6 / (3 * h * w)))
        for end in range(stop, 0, -chunk):
            yield from reversed(list(itertools.islice(self.frames(size, max_frames=end), max(0, end - chunk), end)))

    def frames_at(self, times: Sequence[float], size: Size = None) -> list[np.ndarray]:
        """Return the frames nearest to ``times`` (seconds from the start, ascending): uint8 RGB (H, W, 3) each.

        They are found by seeking: decoding begins at the key frame before the first of them, and ends with the last.

        Raises:
            VideoError: as :meth:`frames`, and if the video ends before the last of them or one of them is damaged.
        """
        # pictures: find the numbers of the nearest, then read them in order
        pictures = self._pictures
        if pictures is not None:
            known = np.array(self.times)
            if times[-1] > known[-1] + NEAR_THE_END:
                raise VideoError(f"'{self.path}' ends after {known[-1]:.1f} s: there is no frame at {times[-1]:.1f} s")
            numbers = [int(np.abs(known - time).argmin()) for time in times]
            source = itertools.islice(picture_frames(pictures, size), self.start, self.stop)
            found = {number: frame() for number, (*_, frame) in enumerate(source) if number in numbers}
            return [found[number] for number in numbers]
        # a part of a file: shift the times to those of the whole file
        if self.start or self.stop is not None:
            first, last = self.start / self.fps, np.inf if self.stop is None else (self.stop - 1) / self.fps
            if first + times[-1] > last + NEAR_THE_END:
                raise VideoError(f"'{self.title}' ends after {last - first:.1f} s: there is no frame at {times[-1]:.1f} s")
            times = [min(first + t, last) for t in times]
        frames = frames_near(self.path, times)
        way = orientation(frames[0])
        return [upright(frame, size, way) for frame in frames]

    def read(self, size: Size = None, fps: float | None = None, max_frames: int | None = None) -> np.ndarray:
        """Read all frames at once: uint8 RGB (T, H, W, 3). Arguments as in :meth:`frames`."""
        frames = list(self.frames(size, fps, max_frames))
        if not frames:
            raise VideoError(f"'{self.title}' has no frames in the requested range")
        return np.stack(frames)


def open_video(path: str | os.PathLike) -> Video:
    """Open a video file (mp4, webm, gif, avi, mov ...) or a folder of frames.

    Raises:
        VideoError: if it does not exist, is empty, or has no video stream.
    """
    path = user_path(path)
    video = Video(path)
    if not os.path.exists(path):  # Path.exists raises if the name is too long
        raise VideoError(f"no such video: '{path}'")
    if not path.is_dir() and not path.is_file():  # a pipe, which would never end
        raise VideoError(f"'{path}' is neither a file nor a folder: expected a video")
    if not path.is_dir() and path.stat().st_size == 0:
        raise VideoError(f"'{path}' is empty: expected a video")
    if video._pictures is None:
        with open_container(path):
            pass
    return video


def read_video(path: str | os.PathLike, size: Size = None, fps: float | None = None, max_frames: int | None = None) -> np.ndarray:
    """Read a video file or a folder of frames: uint8 RGB (T, H, W, 3), upright. Arguments as in :meth:`Video.frames`."""
    return open_video(path).read(size, fps, max_frames)
