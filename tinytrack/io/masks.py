"""Read, check and write masks: pictures whose colours are objects."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import MaskError
from .mask_formats import MAX_OBJECTS, read_annotated_mask
from .paths import user_path
from .pictures import BadPicture, PictureFile

VOID = 255  # the id of pixels that belong to no object and are not scored
LAST_LABEL = 20  # gray values up to this one look black: a picture that uses only these and 255 holds object ids, and 255 is void
NEAR = 24  # in a lossy picture, colours that differ by at most this in each channel are the same
FLAT = 8  # in a lossy mask nearly all pixels are this close to their object's colour; in a photo they are not


def davis_palette(n: int = 256) -> np.ndarray:
    """Return the colour of each object id in PASCAL VOC and DAVIS annotations: uint8 (n, 3); id 0, the background, is black."""
    ids = np.arange(n)
    colors = np.zeros((n, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= (((ids >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colors


def read_mask(path: str | os.PathLike, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask as object ids: uint8 (H, W), 0 is the background. See :func:`read_mask_files`."""
    return read_mask_files([path], size)[0]


def read_mask_files(
    paths: Sequence[str | os.PathLike], size: tuple[int, int] | None = None, frames: Sequence[int] | None = None
) -> list[np.ndarray]:
    """Read masks of the same objects, of several frames, as object ids: uint8 (H, W) each, 0 is the background.

    Black and transparent pixels are background. A palette picture whose colour 0 is black keeps its ids, except 255, which marks
    pixels that belong to no object ("void") if there are other ids. In any other picture, each distinct value or colour is an object,
    and objects are numbered from 1 in ascending order over all masks (a 0/255 mask becomes 0/1). In-between shades at soft edges join
    the nearest solid colour.

    Args:
        paths: PNGs or other pictures, or JSON files by labelme or in the format of COCO.
        size: (height, width) that the masks must have.
        frames: the frame that each mask belongs to, for COCO files with several images; default: the first image.

    Raises:
        MaskError: if a file is missing, is not a picture, is empty, has a white background, has another size, or has more than 64
            objects.
    """
    frames = [0] * len(paths) if frames is None else frames
    keys = [_object_keys(user_path(path), size, frame) for path, frame in zip(paths, frames, strict=True)]
    # ids are kept; colours are numbered, the same colour alike in all masks
    colors = np.unique(np.concatenate([np.unique(key[key > 0]) for key, are_ids in keys if not are_ids] or [[]]))
    results = []
    for path, (key, are_ids) in zip(map(user_path, paths), keys, strict=True):
        ids = key if are_ids else np.where(key > 0, np.searchsorted(colors, key) + 1, 0)
        count = len(np.unique(ids[ids > 0]))
        if not count:
            raise MaskError(f"the mask '{path}' is empty: expected at least one object that is not black")
        _check_count(count if are_ids else len(colors), path)
        if not are_ids:
            _check_background(ids, path)
        results.append(ids.astype(np.uint8))
    return results


def _check_count(count: int, path: Path) -> None:
    """Make sure that a mask does not have too many objects."""
    if count > MAX_OBJECTS:
        raise MaskError(
            f"the mask '{path}' has {count} objects: expected at most {MAX_OBJECTS}"
            " (a JPEG or a smoothed drawing has a colour for every shade; save a PNG with hard edges)"
        )


def _check_background(ids: np.ndarray, path: Path) -> None:
    """Make sure that no object looks like the background: one that surrounds everything else, as white paper does."""
    border = np.concatenate([ids[0], ids[-1], ids[:, 0], ids[:, -1]])
    most = np.bincount(border.ravel()).argmax()
    if most and (border == most).mean() > 0.9 and 0.5 < (ids == most).mean() < 1:
        raise MaskError(
            f"in the mask '{path}' one object surrounds everything else, which looks like a white background:"
            " expected black or transparent pixels where there is no object"
        )


def describe_objects(ids: np.ndarray) -> str:
    """Return a line that lists the objects of a mask with their sizes, such as "1 (1,204 pixels), 2 (88 pixels)"."""
    numbers, counts = np.unique(ids[ids > 0], return_counts=True)
    return ", ".join(f"{n} ({count:,} pixels)" for n, count in zip(numbers, counts, strict=True))


def _object_keys(path: Path, size: tuple[int, int] | None, frame: int) -> tuple[np.ndarray, bool]:
    """Read one mask: one number per object, 0 in the background (H, W), and whether these numbers are the objects' ids."""
    if not os.path.isfile(path):  # Path.is_file raises if the name is too long
        raise MaskError(f"no such mask: '{path}'")
    if path.suffix.lower() == ".json":
        ids, _ = read_annotated_mask(path, size, frame)
        return ids, True
    try:
        with PictureFile(path) as source:
            # compare the size before decoding: a small file can declare more pixels than fit into memory
            height, width = source.header().size
            if size is not None and (height, width) != tuple(size):
                raise MaskError(f"the mask '{path}' is {width}x{height}: expected {size[1]}x{size[0]} like the video")
            mode = source.header().mode
            if mode == "P":
                return _palette_keys(source)
            if mode in ("1", "L", "LA", "I", "F") or mode.startswith("I;"):
                return _gray_keys(source), False
            return _color_keys(source), False
    except BadPicture as error:
        raise MaskError(f"'{path}' cannot be read as a picture: expected a PNG with one colour per object") from error


def _palette_keys(source: PictureFile) -> tuple[np.ndarray, bool]:
    """Read a palette picture: its ids if colour 0 is black or transparent, or if the palette says nothing; otherwise its colours."""
    ids = source.pixels(mode="P").astype(np.int64)
    palette = source.palette()
    used = np.unique(ids)
    says_nothing = (palette[used] == palette[used[0]]).all()
    if not (says_nothing or palette[0, 3] == 0 or not palette[0, :3].any()):
        return _color_keys(source), False
    if not says_nothing and not (palette[used, :3] == davis_palette()[used]).all():  # a drawing program has written it
        ids = used[_join_shades(np.searchsorted(used, ids), palette[used, :3], source)]
    if len(np.unique(ids[ids > 0])) > 1:
        ids[ids == VOID] = 0
    if not says_nothing and (palette[ids[0, 0], :3] == 255).all():
        _check_background(ids, source.path)
    return ids, True


def _gray_keys(source: PictureFile) -> np.ndarray:
    """Read a gray picture: each value is an object."""
    gray = source.pixels(mode="L" if source.header().mode in ("1", "LA") else None)  # masks of DAVIS have an alpha channel without meaning
    gray = np.nan_to_num(gray.astype(np.float64)).clip(0)
    values = np.unique(gray)
    labels = values[(values > 0) & (values != VOID)]
    if len(labels) and labels.max() <= LAST_LABEL and (labels % 1 == 0).all():
        gray[gray == VOID] = 0
        return gray
    shown = np.repeat(values[:, None], 3, axis=1) * (255 / max(values.max(), 255))
    return values[_join_shades(np.searchsorted(values, gray), shown, source)] * (0x010101 if values.max() <= 255 else 1)


def _color_keys(source: PictureFile) -> np.ndarray:
    """Read a colour picture: each colour is an object. Transparent pixels are black; if all others are black too, they are the object."""
    rgba = source.pixels(mode="RGBA").astype(np.int64)
    rgb, alpha = rgba[..., :3], rgba[..., 3:]
    if alpha.min() < 255 and not (rgb * alpha).any():
        rgb = np.full_like(rgb, 255)
    rgb = (rgb * alpha + 127) // 255
    values, index = np.unique(rgb @ np.array([0x10000, 0x100, 1]), return_inverse=True)
    colors = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1)
    return values[_join_shades(index.reshape(rgb.shape[:2]), colors, source)]


# ---- soft edges and lossy pictures


def _join_shades(index: np.ndarray, colors: np.ndarray, source: PictureFile) -> np.ndarray:
    """Let the in-between shades at soft edges, and the noise of lossy pictures, join the nearest solid colour.

    A colour is *solid* if it fills a 3x3 square somewhere. A picture is *soft* if most edges between its areas are not edges between
    solid colours. In a picture with hard edges, nothing changes.

    Args:
        index: (H, W), the number of each pixel's colour.
        colors: (V, 3) in 0..255.
        source: the picture, to tell whether its kind of file is lossy, and for messages.

    Returns:
        (H, W) like ``index``, with fewer different values.
    """
    solid = _solid_share(index, len(colors)) > 0
    if not source.is_lossy() and (solid.all() or solid.sum() < 2 or not _is_soft(index, colors, solid)):
        return index
    index = _merge_similar(index, colors, source.path)
    # what is left is solid, or it is a shade: along an edge, few of its pixels are in the middle of an area
    solid = _solid_share(index, len(colors)) > 0.15
    return _nearest_solid(index, colors, solid)


def _solid_share(index: np.ndarray, count: int) -> np.ndarray:
    """Compute the share of each colour's pixels whose eight neighbours have the same colour: (V,)."""
    from scipy.ndimage import maximum_filter, minimum_filter

    inner = minimum_filter(index, 3, mode="nearest") == maximum_filter(index, 3, mode="nearest")
    return np.bincount(index[inner], minlength=count) / np.bincount(index.ravel(), minlength=count).clip(1)


def _is_soft(index: np.ndarray, colors: np.ndarray, solid: np.ndarray) -> bool:
    """Tell whether a picture has soft edges: most edges are not between two solid colours, but lead through mixtures of them."""
    # edges between neighbouring pixels
    edges = hard = 0
    for a, b in ((index[:, 1:], index[:, :-1]), (index[1:], index[:-1])):
        differ = a != b
        edges += differ.sum()
        hard += (differ & solid[a] & solid[b]).sum()
    if hard >= 0.3 * edges:
        return False
    # mixtures lie on the line between two solid colours
    count = np.where(solid, 0, np.bincount(index.ravel(), minlength=len(colors)))
    distance = np.full(len(colors), np.inf)
    main = np.flatnonzero(solid)[:MAX_OBJECTS]
    for one, other in itertools.combinations(colors[main].astype(np.float64), 2):
        line = other - one
        along = ((colors - one) @ line / (line @ line)).clip(0, 1)
        distance = np.minimum(distance, np.abs(colors - one - along[:, None] * line).max(axis=1))
    return count[distance <= NEAR].sum() > 0.8 * count.sum()


def _merge_similar(index: np.ndarray, colors: np.ndarray, path: Path) -> np.ndarray:
    """Make similar colours of a soft or lossy picture one, beginning with the most frequent. Almost black becomes black.

    Raises:
        MaskError: if the picture is a photo, whose colours are not those of a few flat areas.
    """
    count = np.bincount(index.ravel(), minlength=len(colors))
    to, flat = np.full(len(colors), -1), np.zeros(len(colors), bool)
    for _ in range(4 * MAX_OBJECTS):
        left = np.where(to < 0, count, 0)
        if not left.any():
            break
        mode = left.argmax()
        distance = np.abs(colors - colors[mode]).max(axis=1)
        to[(to < 0) & (distance <= NEAR)] = mode
        flat |= (to == mode) & (distance <= FLAT)
    if (to < 0).any() or count[flat].sum() < 0.75 * index.size:
        _check_count(max(len(colors), MAX_OBJECTS + 1), path)
    dark = colors.max(axis=1)
    to[dark[to] <= NEAR] = dark.argmin()
    return to[index]


def _nearest_solid(index: np.ndarray, colors: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Replace colours that are not kept by the most similar one that is kept, if possible one that is within three pixels."""
    from scipy.ndimage import maximum_filter

    lost = ~kept[index]
    if not lost.any() or not kept.any():
        return index
    best, result = np.full(int(lost.sum()), np.inf), index.copy()
    found = result[lost]
    for number in np.flatnonzero(kept & (np.bincount(index.ravel(), minlength=len(colors)) > 0)):
        around = maximum_filter(index == number, 7, mode="nearest")[lost]
        distance = np.square(colors[index[lost]] - colors[number]).sum(axis=1) + np.where(around, 0, 1e9)
        found[distance < best] = number
        best = np.minimum(best, distance)
    result[lost] = found
    return result


def write_mask(path: str | os.PathLike, ids: np.ndarray) -> None:
    """Write object ids (H, W) in 0..255 as a palette PNG with the DAVIS colours."""
    from PIL import Image

    picture = Image.fromarray(np.asarray(ids, dtype=np.uint8))
    picture.putpalette(davis_palette().tobytes())  # changes the mode to P
    picture.save(path, format="PNG", compress_level=3)  # takes a third of the time of the default 6, and masks get no larger
