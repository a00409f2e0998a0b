"""Read, check and write masks as palette PNGs."""

import os

import numpy as np

from ..errors import MaskError
from .paths import user_path

MAX_OBJECTS = 64


def davis_palette(n: int = 256) -> np.ndarray:
    """Return the colour of each object id in PASCAL VOC and DAVIS annotations: uint8 (n, 3); id 0, the background, is black."""
    ids = np.arange(n)
    colors = np.zeros((n, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= (((ids >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colors


def read_mask(path: str | os.PathLike, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask picture as object ids: uint8 (H, W), 0 is the background.

    A palette picture keeps its ids. In any other picture, each distinct value or colour is an object, and objects are numbered
    from 1 in ascending order (a 0/255 mask becomes 0/1). Black and fully transparent pixels are background.

    Args:
        path: a PNG, or any other lossless picture.
        size: (height, width) that the mask must have.

    Raises:
        MaskError: if the file is missing, is not a picture, is empty, has another size, or has more than 64 objects.
    """
    from PIL import Image

    path = user_path(path)
    if not os.path.isfile(path):  # Path.is_file raises if the name is too long
        raise MaskError(f"no such mask: '{path}'")
    # picture -> object ids
    try:
        with Image.open(path) as picture:
            picture.load()
            if picture.mode == "P":
                ids = np.array(picture)
            else:
                ids = _number_colors(picture)
    except Exception as error:  # Pillow raises many different classes for damaged pictures
        raise MaskError(f"'{path}' cannot be read as a picture: expected a PNG with one colour per object") from error
    # check the size and the number of objects
    if size is not None and ids.shape != tuple(size):
        raise MaskError(f"the mask '{path}' is {ids.shape[1]}x{ids.shape[0]}: expected {size[1]}x{size[0]} like the video")
    objects = np.unique(ids[ids > 0])
    if len(objects) == 0:
        raise MaskError(f"the mask '{path}' is empty: expected at least one object that is not black")
    if len(objects) > MAX_OBJECTS:
        raise MaskError(
            f"the mask '{path}' has {len(objects)} objects: expected at most {MAX_OBJECTS}"
            " (a JPEG or a smoothed drawing has a colour for every shade; save a PNG with hard edges)"
        )
    return ids.astype(np.uint8)


def _number_colors(picture) -> np.ndarray:
    """Number the distinct colours of a gray, colour or alpha picture 1, 2, ...; black and transparent pixels become 0."""
    if picture.mode in ("1", "L", "I", "F") or picture.mode.startswith("I;"):
        flat = np.nan_to_num(np.asarray(picture).astype(np.float64))
    elif picture.mode == "LA":
        flat = np.asarray(picture)[..., 0].astype(np.float64)  # some DAVIS masks; their gray channel is the mask
    else:
        rgba = np.asarray(picture.convert("RGBA")).astype(np.int64)
        flat = (rgba[..., :3] @ np.array([65536, 256, 1])) * (rgba[..., 3] > 0)
    values = np.unique(flat)
    ids = np.searchsorted(values[values != 0], flat) + 1
    return np.where(flat != 0, np.minimum(ids, 65535), 0)


def write_mask(path: str | os.PathLike, ids: np.ndarray) -> None:
    """Write object ids (H, W) in 0..255 as a palette PNG with the DAVIS colours."""
    from PIL import Image

    picture = Image.fromarray(np.asarray(ids, dtype=np.uint8))
    picture.putpalette(davis_palette().tobytes())  # changes the mode to P
    picture.save(path, format="PNG", compress_level=3)  # takes a third of the time of the default 6, and masks get no larger
