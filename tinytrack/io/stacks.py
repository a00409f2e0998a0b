"""Frames from pictures: the files of a folder, or the pictures of one TIFF or WebP file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .frames import Size, fit_size, resize
from .pictures import BadPicture, PictureFile, deep_pictures, read_frame, white_level

FOLDER_FPS = 24.0  # frame rate of videos that have no clock, such as a folder of frames (DAVIS was published at 24)


def picture_frames(paths: list[Path], size: Size) -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
    """Yield the time and one function per frame; calling it reads the picture, so skipped frames cost nothing.

    Pictures with more than 8 bits are all scaled alike, so the first of them makes all files be read once more.

    Args:
        paths: pictures in order, or a single file with several pictures.
        size: see :meth:`~tinytrack.io.video.Video.frames`.

    Raises:
        VideoError: if a picture cannot be read, or is not of the size of the first.
    """
    shape, white, seconds = None, None, 0.0

    def read(path: Path, index: int) -> np.ndarray:
        nonlocal shape, white
        try:
            with PictureFile(path) as source:
                header = source.header(index)
                shape = shape or header.size
                if header.size != shape:
                    (h, w), (height, width) = header.size, shape
                    raise VideoError(f"'{path}' is {w}x{h}: expected {width}x{height} like the first frame")
                if header.deep and white is None:
                    white = white_level(deep_pictures(paths))
                return resize(read_frame(source, index, white), *fit_size(*shape, size))
        except BadPicture as error:
            raise VideoError(f"'{error}' cannot be read as a picture: expected a frame of a video") from error

    for path in paths:
        count, pauses = _animation(path) if len(paths) == 1 else (1, [])
        for index in range(count):
            yield seconds, lambda path=path, index=index: read(path, index)
            seconds += pauses[index] if pauses else 1 / FOLDER_FPS


def _animation(path: Path) -> tuple[int, list[float]]:
    """Count the pictures of one file, and read for how many seconds each is shown, if the file says so."""
    try:
        with PictureFile(path) as source:
            count = len(source)
            pauses = []
            if count > 1 and path.suffix.lower() == ".webp":
                for index in range(count):
                    source.pixels(index)  # how long a picture is shown is known only once it has been decoded
                    pauses.append(source.header(index).milliseconds / 1000)
            return count, pauses if pauses and min(pauses) > 0 else []
    except BadPicture as error:
        raise VideoError(f"'{path}' cannot be read as a picture: expected a frame of a video") from error
