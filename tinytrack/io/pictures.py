"""Read pictures of any kind the right way up: frames, colour references, masks, and files that hold several pictures."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .paths import av_name

LARGEST = 100_000_000  # pixels of a picture: a header that declares more is damaged, or its picture would fill the memory
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how the file of a TIFF or BigTIFF begins
DEEP = {"I", "F"}  # Pillow's modes for gray with more than 8 bits, besides I;16 and its variants


class BadPicture(Exception):
    """A picture cannot be read; the caller knows what it was to be, and says so."""


@dataclass(frozen=True)
class Header:
    """What a picture says about itself before its pixels are decoded.

    Attributes:
        size: (height, width) of the upright picture.
        mode: Pillow's mode, such as "RGB" or "P".
        deep: whether it has more than 8 bits per channel.
        orientation: EXIF orientation, 1 to 8, of the pixels that Pillow decodes; it turns TIFFs itself, so theirs is 1.
        milliseconds: how long it is shown, for pictures of an animation; 0 if unknown.
        inverted: whether 0 is white, and Pillow leaves it so.
    """

    size: tuple[int, int]
    mode: str
    deep: bool
    orientation: int
    milliseconds: float = 0.0
    inverted: bool = False


class PictureFile:
    """An open picture file with one or several pictures, numbered from 0. Use it as a context manager.

    Raises:
        BadPicture: if it is damaged or no picture; also from all its methods.
    """

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> "PictureFile":
        import imageio.v3 as imageio

        with self._trouble():
            self._file = open(self.path, "rb")  # opened here, because imageio takes names like http:clip.png for addresses
        try:
            with self._trouble():
                self._source = imageio.imopen(self._file, "r", plugin="pillow")
        except BadPicture:
            self._file.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._source.close()
        self._file.close()

    @contextlib.contextmanager
    def _trouble(self) -> Iterator[None]:
        """Turn the many errors that Pillow raises for damaged pictures into one."""
        import warnings

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of odd tags and large pictures
                yield
        except MemoryError:
            raise
        except Exception as error:
            raise BadPicture(str(self.path)) from error

    def __len__(self) -> int:
        with self._trouble():
            return max(1, self._source.properties(index=...).n_images)

    def header(self, index: int = 0) -> Header:
        """Read the header of a picture. A size beyond :data:`LARGEST` pixels counts as damage."""
        with self._trouble():
            facts = self._source.metadata(index=index, exclude_applied=False)
            width, height = facts["shape"]
            if width * height > LARGEST:
                raise ValueError("too many pixels")
            orientation = facts.get("Orientation", 1)
            orientation = orientation if orientation in range(1, 9) else 1  # some programs write 0
            if self._is_tiff():
                if orientation >= 5:  # not turned yet, and only new versions of Pillow give the size that it will have
                    height, width = facts.get("ImageWidth", height), facts.get("ImageLength", width)
                orientation = 1
            size = (width, height) if orientation >= 5 else (height, width)
            mode = facts["mode"]
            deep = mode in DEEP or mode.startswith("I;16") or (index == 0 and self._deep_color(facts))
            inverted = mode.startswith("I;16") and facts.get("PhotometricInterpretation") == 0
            return Header(size, mode, deep, orientation, float(facts.get("duration") or 0), inverted)

    def _is_tiff(self) -> bool:
        self._file.seek(0)
        return self._file.read(4) in TIFF

    def _tiff_orientation(self) -> int:
        """Return the EXIF orientation of a TIFF with one picture, as it is stored."""
        from PIL import Image

        with Image.open(self.path) as picture:  # opened once more, because Pillow forgets the orientation once it has turned the picture
            orientation = picture.getexif().get(0x0112, 1)
        return orientation if orientation in range(1, 9) else 1

    def _deep_color(self, facts: dict) -> bool:
        """Tell whether a colour picture has 16 bits per channel that FFmpeg can decode. Pillow keeps only the upper eight bits.

        FFmpeg decodes only the first picture of a file. The pictures of a file with several therefore all count as 8-bit pictures.
        """
        self._file.seek(0)
        start = self._file.read(26)
        if start.startswith(b"\x89PNG"):
            deep = start[24:25] == b"\x10" and facts["mode"] in ("RGB", "RGBA", "LA")
        else:
            bits = facts.get("BitsPerSample", 8)
            deep = isinstance(bits, tuple) and len(bits) >= 3 and max(bits) == 16
        return deep and len(self) == 1

    def is_lossy(self) -> bool:
        """Tell whether the file is of a kind whose colours are only approximate."""
        self._file.seek(0)
        start = self._file.read(16)
        return start[:2] == b"\xff\xd8" or (start[:4] == b"RIFF" and start[12:16] in (b"VP8 ", b"VP8X"))

    def palette(self) -> np.ndarray:
        """Return the colours of the first picture's palette: uint8 RGBA (256, 4)."""
        from PIL import Image

        with self._trouble(), Image.open(self.path) as picture:
            picture.load()
            colors = np.zeros((256, 4), np.uint8)
            colors[:, 3] = 255
            entries = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)[:256]
            colors[: len(entries), :3] = entries
            # transparency: one opacity per colour, or the number of the one transparent colour
            clear = picture.info.get("transparency")
            if isinstance(clear, bytes):
                colors[: len(clear), 3] = list(clear[:256])
            elif clear is not None:
                colors[clear, 3] = 0
            return colors

    def pixels(self, index: int = 0, mode: str | None = None) -> np.ndarray:
        """Decode a picture, upright.

        Args:
            index: its number.
            mode: the Pillow mode to convert it to, such as "RGB"; None keeps its own numbers, of 16-bit colour too.
        """
        header = self.header(index)
        with self._trouble():
            if mode is None and header.deep and header.mode in ("RGB", "RGBA", "LA"):
                return upright(_deep_pixels(self.path), self._tiff_orientation() if self._is_tiff() else header.orientation)
            pixels = self._source.read(index=index, mode=mode)
            if header.inverted and pixels.dtype.kind == "u" and pixels.itemsize == 2:
                pixels = 65535 - pixels
            return upright(pixels, header.orientation)


def _deep_pixels(path: Path) -> np.ndarray:
    """Decode a colour picture with 16 bits per channel, as stored, uint16 (H, W, 3). Pillow cannot do that, FFmpeg can."""
    import av

    with av.open(av_name(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb48le").copy()


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror a stored picture (H, W, ...) as its EXIF orientation (1 to 8) says."""
    if orientation in (2, 4, 5, 7):  # mirrored
        pixels = pixels[:, ::-1]
    quarters = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation]  # counter-clockwise, after mirroring
    return np.ascontiguousarray(np.rot90(pixels, quarters))


# ---- frames: pictures with any number of bits become 8-bit RGB


def is_stack(path: Path) -> bool:
    """Tell whether a file is of a kind that holds several pictures: a TIFF, a GIF or a WebP.

    FFmpeg reads only the first picture of a TIFF or WebP, and loses those of a GIF that have no delay.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start[:4] in (*TIFF, b"GIF8") or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def read_frame(source: PictureFile, index: int = 0, white: float | None = None) -> np.ndarray:
    """Decode a picture as a frame, uint8 RGB (H, W, 3).

    Args:
        source: an open file.
        index: number of the picture.
        white: for pictures with more than 8 bits: the value that becomes 255, from :func:`white_level`; default: this picture's own.
    """
    if not source.header(index).deep:
        return source.pixels(index, "RGB")
    pixels = source.pixels(index)
    white = white or white_level([pixels])
    gray = np.nan_to_num(pixels.astype(np.float32), posinf=white)
    frame = (gray * (255 / white)).clip(0, 255).round().astype(np.uint8)
    return np.repeat(frame[..., None], 3, axis=2) if frame.ndim == 2 else frame


def white_level(pictures: Iterable[np.ndarray]) -> float:
    """Find the value that stands for white in pictures with more than 8 bits, which must be the same in all pictures of a video.

    Floating-point pictures whose values end near 1 range from 0 to 1. In all others, white is the largest number of 8, 10, 12, 14,
    16, 24 or 32 bits, whichever first holds all values: cameras with 12 bits write files with 16.
    """
    peak, floating = 0.0, False
    for pixels in pictures:
        finite = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
        peak = max(peak, float(finite.max(initial=0)))
        floating |= pixels.dtype.kind == "f"
    if floating and peak <= 2:
        return 1.0
    return float(next((2**bits - 1 for bits in (8, 10, 12, 14, 16, 24, 32) if peak < 2**bits), peak))


def deep_pictures(paths: Iterable[Path]) -> Iterator[np.ndarray]:
    """Yield those pictures of some files that have more than 8 bits, one by one."""
    for path in paths:
        with PictureFile(path) as source:
            for index in range(len(source)):
                if source.header(index).deep:
                    yield source.pixels(index)


def unreadable(path: Path) -> VideoError:
    """Return the error for a picture that was to be a frame."""
    return VideoError(f"'{path}' cannot be read as a picture: expected a frame of a video")


def read_image(path: Path, white: float | None = None) -> np.ndarray:
    """Read one picture file as a frame: uint8 RGB (H, W, 3), upright. See :func:`read_frame`.

    Raises:
        VideoError: if it cannot be read.
    """
    try:
        with PictureFile(path) as source:
            return read_frame(source, 0, white)
    except BadPicture as error:
        raise unreadable(path) from error


def count_pictures(path: Path) -> int:
    """Count the pictures in a file of a kind that can hold several; 1 for other files and damaged ones."""
    if not is_stack(path):
        return 1
    try:
        with PictureFile(path) as source:
            return len(source)
    except BadPicture:
        return 1
