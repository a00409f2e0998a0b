"""Read videos, a file or a folder of frames, one frame at a time.

Frames are uint8 RGB (H, W, 3), upright. Nothing is decoded before it is needed, so a long video never has to fit in memory.
"""

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .container import FOLDER_FPS, decode, file_frames, frame_rate, open_container, upright
from .frames import Size, fit_size, resize
from .paths import user_path
from .seek import NEAR_THE_END, frames_near

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Video:
    """A video file or a folder of frames, opened lazily: nothing is decoded until :meth:`frames` is iterated.

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

    @cached_property
    def _header(self) -> tuple[int, int, float]:
        if self.path.is_dir():
            first = read_image(list_images(self.path)[0])
            return first.shape[0], first.shape[1], FOLDER_FPS
        with open_container(self.path) as container:
            stream = container.streams.video[0]
            frame = next(decode(container, self.path), None)
            if frame is None:
                raise VideoError(f"'{self.path}' holds no frame that can be decoded: expected a video")
            h, w = frame.height, frame.width
            if frame.rotation % 180:
                h, w = w, h
            return h, w, frame_rate(stream)

    @property
    def height(self) -> int:
        """Rows of an upright frame."""
        return self._header[0]

    @property
    def width(self) -> int:
        """Columns of an upright frame."""
        return self._header[1]

    @property
    def fps(self) -> float:
        """Frames per second as stored."""
        return self._header[2]

    @cached_property
    def seconds(self) -> float | None:
        """Length in seconds according to the header; None if it does not say."""
        if self.path.is_dir():
            return len(list_images(self.path)) / FOLDER_FPS
        with open_container(self.path) as container:
            stream = container.streams.video[0]
            if stream.duration:
                return float(stream.duration * stream.time_base)
            return container.duration / 1e6 if container.duration else None

    def frames(self, size: Size = None, fps: float | None = None, max_frames: int | None = None) -> Iterator[np.ndarray]:
        """Decode, turn upright and scale the frames one by one: yields uint8 RGB (H, W, 3).

        Args:
            size: None (as stored), an int (the shorter side in pixels, keeping the shape) or (height, width).
            fps: keep at most this many frames per second, by leaving frames out; frames are never repeated.
            max_frames: stop after this many frames.

        Raises:
            VideoError: if the file is missing, is not a video, has no video stream or ends too early.
        """
        if fps is not None and fps <= 0:
            raise VideoError(f"fps must be positive, got {fps}")
        # one function per frame, which is called only for the frames that are kept
        source = _folder_frames(self, size) if self.path.is_dir() else file_frames(self.path, self.start, self.stop, size)
        step = max(1.0, self.fps / fps) if fps else 1.0
        taken = 0
        for index, frame in enumerate(source):
            if max_frames is not None and taken >= max_frames:
                return
            if index >= taken * step - 1e-6:
                taken += 1
                yield frame()

    def moving_frames(self, size: Size = None) -> Iterator[np.ndarray]:
        """Yield :meth:`frames`, after making sure that there are at least two.

        Raises:
            VideoError: if there is only one, in which nothing can be tracked.
        """
        frames = self.frames(size)
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
        # a folder: the time gives the number of the picture
        if self.path.is_dir():
            pictures = list(_folder_frames(self, size))
            last = (len(pictures) - 1) / FOLDER_FPS
            if times[-1] > last + NEAR_THE_END:
                raise VideoError(f"'{self.path}' ends after {last:.1f} s: there is no frame at {times[-1]:.1f} s")
            return [pictures[min(round(t * FOLDER_FPS), len(pictures) - 1)]() for t in times]
        # a part of a file: shift the times to those of the whole file
        if self.start or self.stop is not None:
            first, last = self.start / self.fps, np.inf if self.stop is None else (self.stop - 1) / self.fps
            if first + times[-1] > last + NEAR_THE_END:
                raise VideoError(f"'{self.title}' ends after {last - first:.1f} s: there is no frame at {times[-1]:.1f} s")
            times = [min(first + t, last) for t in times]
        return [upright(frame, size) for frame in frames_near(self.path, times)]

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
    if not path.is_dir() and path.stat().st_size == 0:
        raise VideoError(f"'{path}' is empty: expected a video")
    if path.is_dir():
        list_images(path)
    else:
        with open_container(path):
            pass
    return video


def read_video(path: str | os.PathLike, size: Size = None, fps: float | None = None, max_frames: int | None = None) -> np.ndarray:
    """Read a video file or a folder of frames: uint8 RGB (T, H, W, 3), upright. Arguments as in :meth:`Video.frames`."""
    return open_video(path).read(size, fps, max_frames)


def _natural(path: Path) -> list:
    """Return a sort key that puts frame 10 after frame 9."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", path.name)]


def list_images(folder: Path) -> list[Path]:
    """List the pictures of a folder of frames, with frame 10 after frame 9.

    Raises:
        VideoError: if there are none.
    """
    found = sorted((p for p in folder.iterdir() if p.suffix.lower() in IMAGES and not p.name.startswith(".")), key=_natural)
    if not found:
        raise VideoError(f"the folder '{folder}' holds no pictures: expected frames such as 00000.jpg or 00000.png")
    return found


def read_image(path: Path) -> np.ndarray:
    """Read a picture of any kind as uint8 RGB (H, W, 3)."""
    import imageio.v3 as imageio

    try:
        # Pillow turns gray, palette, 16-bit and alpha pictures into RGB.
        frame = imageio.imread(path, plugin="pillow", mode="RGB", index=0)
    except Exception as error:  # Pillow raises many different classes for damaged pictures
        raise VideoError(f"'{path}' cannot be read as a picture: expected a frame of a video") from error
    return np.ascontiguousarray(frame)


def _folder_frames(video: Video, size: Size):
    """Yield one function per frame of a folder; calling it reads the picture, so skipped frames cost nothing."""
    h, w = video.height, video.width
    for path in list_images(video.path)[video.start : video.stop]:

        def frame(path=path):
            picture = read_image(path)
            if picture.shape[:2] != (h, w):
                raise VideoError(f"'{path}' is {picture.shape[1]}x{picture.shape[0]}: expected {w}x{h} like the first frame")
            return resize(picture, *fit_size(h, w, size))

        yield frame
