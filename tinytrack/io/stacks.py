"""Frames from pictures: the files of a folder, or the pictures of one TIFF, GIF or WebP file."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .frames import Size, fit_size, resize
from .pictures import BadPicture, PictureFile, deep_pictures, read_frame, unreadable, white_level

FOLDER_FPS = 24.0  # frame rate of videos that have no clock, such as a folder of frames (DAVIS was published at 24)
SHORTEST_PAUSE = 0.01  # seconds; pictures of a GIF that are shown for no longer are shown for ...
USUAL_PAUSE = 0.1  # ... this long, as in browsers


def picture_frames(paths: list[Path], size: Size) -> Iterator[tuple[float, float, Callable[[], np.ndarray]]]:
    """Yield frames: the time, how long it is shown, and a function that reads the picture, so skipped frames cost nothing.

    The function works until the next frame is asked for. Pictures with more than 8 bits are all scaled alike, so the first of them
    makes all files be read once more.

    Args:
        paths: pictures in order, or a single file with several pictures.
        size: see :meth:`~tinytrack.io.video.Video.frames`.

    Raises:
        VideoError: if a picture cannot be read, or is not of the size of the first.
    """
    shape, white, seconds = None, None, 0.0

    def read(source: PictureFile, index: int) -> np.ndarray:
        nonlocal shape, white
        header = source.header(index)
        shape = shape or header.size
        if header.size != shape:
            (h, w), (height, width) = header.size, shape
            raise VideoError(f"'{source.path}' is {w}x{h}: expected {width}x{height} like the first frame")
        if header.deep and white is None:
            white = white_level(deep_pictures(paths))
        return resize(read_frame(source, index, white), *fit_size(*shape, size))

    def read_file(path: Path) -> np.ndarray:
        try:
            with PictureFile(path) as source:
                return read(source, 0)
        except BadPicture as error:
            raise unreadable(path) from error

    # the files of a folder
    if len(paths) > 1:
        for number, path in enumerate(paths):
            yield number / FOLDER_FPS, 1 / FOLDER_FPS, lambda path=path: read_file(path)
        return
    # the pictures of one file, which stays open, because an animation can only be read from its start
    pauses = picture_pauses(paths[0])
    try:
        with PictureFile(paths[0]) as source:
            for index, shown in enumerate(pauses):

                def picture(index=index) -> np.ndarray:
                    try:
                        return read(source, index)
                    except BadPicture as error:
                        raise unreadable(paths[0]) from error

                yield seconds, shown, picture
                seconds += shown
    except BadPicture as error:
        raise unreadable(paths[0]) from error


def picture_pauses(path: Path) -> list[float]:
    """Read for how many seconds each picture of a file is shown.

    Raises:
        VideoError: if the file cannot be read, or is a GIF without its end.
    """
    try:
        with PictureFile(path) as source:
            count, kind = len(source), _kind(path)
            if kind == "tiff" or count == 1:
                return [1 / FOLDER_FPS] * count
            pauses = []
            for index in range(count):
                if kind == "webp":
                    source.pixels(index)  # how long a picture is shown is known only once it has been decoded
                pauses.append(source.header(index).milliseconds / 1000)
    except BadPicture as error:
        raise unreadable(path) from error
    if kind == "gif" and not _ends_as_gif(path):
        raise VideoError(f"'{path}' breaks off after {count} frames: it is damaged or cut short")
    return [pause if pause > SHORTEST_PAUSE else USUAL_PAUSE for pause in pauses]


def _kind(path: Path) -> str:
    """Tell a GIF, a WebP and a TIFF apart by their first bytes."""
    with open(path, "rb") as file:
        return {b"GIF8": "gif", b"RIFF": "webp"}.get(file.read(4), "tiff")


def _ends_as_gif(path: Path) -> bool:
    """Tell whether a GIF has the byte that ends it; some programs write a few bytes more."""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 8))
        return b";" in file.read()
