"""Read masks drawn with other tools: the shapes of labelme and the segmentations of COCO files, both JSON."""

import base64
import io
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import MaskError
from .keypoint_formats import (
    Malformed,
    annotations_of_image,
    category_of,
    declared_size,
    finite_numbers,
    is_number,
    is_whole,
    labelme_shape,
    list_of_objects,
    load_json,
    naming,
    shown,
)
from .paths import user_path

MAX_OBJECTS = 64
MAX_CROSSINGS = 4_000_000  # of the edges of a polygon with the rows of the picture: a bound on the memory that drawing needs
EXPECTED = "expected a file by labelme with 'shapes', or a COCO file with 'images' and 'annotations'"
POLYGONS = ("polygon", "oriented_rectangle")  # the shapes of labelme whose points are all of their corners
NOT_DRAWN = ("point", "points", "line", "linestrip")  # those that have no area


def read_annotated_mask(
    path: str | os.PathLike, size: tuple[int, int] | None = None, frame: int | None = None
) -> tuple[np.ndarray, dict[int, str]]:
    """Read the objects of one picture from a JSON file by labelme or in the format of COCO.

    Objects are numbered in the order of the file, and a later object covers an earlier one. In a labelme file, shapes with the same
    label and the same group id are one object, and every other shape with an area is one object; in a COCO file, every annotation
    with a segmentation is one object.

    Args:
        size: (height, width) that the picture must have; needed only if the file does not say how large its picture is.
        frame: the number of the frame, in a COCO file of several images; None is its first image. If each file name has a number of
            its own, such as ``frame_000010.png``, this is the number of its frame; otherwise we count the images from 0.

    Returns:
        Object ids uint8 (H, W), 0 is the background, and the name of each object that has pixels.

    Raises:
        MaskError: if the file is missing or malformed, if its picture has another size or is larger than 100 million pixels, or if it
            has no such frame, no object or more than 64.
    """
    path = user_path(path)
    if not os.path.isfile(path):
        raise MaskError(f"no such mask: '{path}'")
    content = load_json(path, MaskError, EXPECTED)
    # find the objects, and draw them
    if isinstance(content, dict) and "shapes" in content:
        with naming(path, "a labelme file", MaskError):
            ids, names = _read_labelme(path, content, size)
    elif isinstance(content, dict) and "annotations" in content:
        with naming(path, "a COCO file", MaskError):
            ids, names = _read_coco(path, content, size, frame)
    else:
        raise MaskError(f"'{path}' has no masks: {EXPECTED}")
    # keep the objects that have pixels
    names = {number: name for number, name in names.items() if (ids == number).any()}
    if not names:
        raise MaskError(f"the mask '{path}' is empty: expected at least one object that has pixels")
    return ids, names


def _agreed_size(path: Path, declared: tuple[int, int] | None, size: tuple[int, int] | None) -> tuple[int, int]:
    """Return the (height, width) of the mask, which the file declares or the caller knows."""
    if declared is None and size is None:
        raise Malformed("expected it to say how high and how wide its picture is")
    if declared is not None and size is not None and declared != tuple(size):
        raise MaskError(f"the mask '{path}' is {declared[1]}x{declared[0]}: expected {size[1]}x{size[0]} like the video")
    return declared or tuple(size)


def _check_count(path: Path, count: int) -> None:
    if count > MAX_OBJECTS:
        raise MaskError(f"the mask '{path}' has {count} objects: expected at most {MAX_OBJECTS}")


def _check_near(points: list[tuple[float, float]], size: tuple[int, int], where: str) -> None:
    """Refuse points that are further from the picture than it is large; they belong to another picture, and drawing them is slow."""
    height, width = size
    for x, y in points:
        if not (-width <= x <= 2 * width and -height <= y <= 2 * height):
            raise Malformed(f"expected {where} to be inside its {width}x{height} picture, not at ({x:g}, {y:g})")


# ---- labelme


def _read_labelme(path: Path, content: dict, size: tuple[int, int] | None) -> tuple[np.ndarray, dict[int, str]]:
    """Draw the shapes of a labelme file."""
    from PIL import Image

    # which shapes have an area, and which object each of them belongs to
    shapes, objects = [], {}
    for number, shape in enumerate(list_of_objects(content, "shapes")):
        kind, group = shape.get("shape_type"), shape.get("group_id")
        kind = "polygon" if kind is None else kind  # the first versions of labelme have only polygons
        if not isinstance(kind, str) or kind not in (*POLYGONS, "rectangle", "circle", "mask", *NOT_DRAWN):
            raise Malformed(f"expected shape {number} to be a polygon, a rectangle, a circle, a mask, a point or a line")
        if group is not None and (isinstance(group, bool) or not isinstance(group, int | str)):
            raise Malformed(f"expected the 'group_id' of shape {number} to be a whole number, a text or null")
        if kind not in NOT_DRAWN:
            label, points = labelme_shape(shape, number)
            owner = objects.setdefault((label, number if group is None else None, group), len(objects) + 1)
            shapes.append((owner, kind, points, shape, f"shape {number}, '{shown(label)}',"))
    # check before memory is allocated
    size = _agreed_size(path, declared_size(content, "imageHeight", "imageWidth"), size)
    _check_count(path, len(objects))
    for _, _, points, _, where in shapes:
        _check_near(points, size, where)
    # draw
    picture = Image.new("L", (size[1], size[0]))
    for owner, kind, points, shape, where in shapes:
        if kind == "mask":
            part, corner = _labelme_mask(points, shape.get("mask"), size, where)
            picture.paste(owner, (*corner, corner[0] + part.width, corner[1] + part.height), part)
        else:
            _draw_shape(picture, kind, points, owner, where)
    return np.array(picture), {number: label for (label, _, _), number in objects.items()}


def _draw_shape(picture, kind: str, points: list[tuple[float, float]], owner: int, where: str) -> None:
    """Draw a polygon, a rectangle or a circle into a Pillow picture, as labelme does."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if kind in POLYGONS:
        if len(points) < 3:
            raise Malformed(f"expected {where} to have at least three points, because it is a polygon")
        draw.polygon(points, fill=owner, outline=owner)
    elif kind == "rectangle":
        if len(points) not in (2, 4):
            raise Malformed(f"expected {where} to have two opposite corners, because it is a rectangle")
        draw.rectangle([min(xs), min(ys), max(xs), max(ys)], fill=owner, outline=owner)
    else:
        if len(points) != 2:
            raise Malformed(f"expected {where} to have its centre and a point on its edge, because it is a circle")
        radius = math.dist(*points)
        draw.ellipse([xs[0] - radius, ys[0] - radius, xs[0] + radius, ys[0] + radius], fill=owner, outline=owner)


def _labelme_mask(points: list[tuple[float, float]], text: object, size: tuple[int, int], where: str):
    """Decode a shape of type "mask", a PNG in base64 between two corners: a Pillow picture of 0 and 255, and its top left corner."""
    from PIL import Image

    # the box, both corners included
    if len(points) != 2 or not isinstance(text, str):
        raise Malformed(f"expected {where} to have two corners and a PNG in base64, because it is a mask")
    (left, top), (right, bottom) = [(round(x), round(y)) for x, y in points]
    if not (0 <= left <= right < size[1] and 0 <= top <= bottom < size[0]):
        raise Malformed(f"expected the box of {where} to be inside its {size[1]}x{size[0]} picture")
    # the picture; its size is compared before it is decoded
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as png:
            fits = png.size == (right - left + 1, bottom - top + 1)
            part = png.convert("L").point(lambda value: 255 * (value > 0)) if fits else None
    except Exception as error:  # Pillow raises many different classes for damaged pictures
        raise Malformed(f"expected {where} to have a PNG in base64, because it is a mask") from error
    if part is None:
        raise Malformed(f"expected the PNG of {where} to be as large as its box")
    return part, (left, top)


# ---- COCO


def _read_coco(path: Path, content: dict, size: tuple[int, int] | None, frame: int | None) -> tuple[np.ndarray, dict[int, str]]:
    """Draw the segmentations of one image of a COCO file."""
    # find the image and the annotations that have a segmentation; those that are only a box have none
    annotations, categories = list_of_objects(content, "annotations"), list_of_objects(content, "categories")
    image, chosen = annotations_of_image(list_of_objects(content, "images"), annotations, frame)
    objects, names = [], {}
    for number, annotation in chosen:
        segmentation = annotation.get("segmentation")
        if segmentation is None or segmentation in ([], [[]]):
            continue
        name = category_of(annotation, number, categories).get("name")
        if not isinstance(name, str):
            raise Malformed(f"expected the category of annotation {number} to have a text as its 'name'")
        names[len(names) + 1] = name
        objects.append((segmentation, f"annotation {number}"))
    # check before memory is allocated
    size = _agreed_size(path, declared_size(image, "height", "width"), size)
    _check_count(path, len(objects))
    # draw
    ids = np.zeros(size, np.uint8)
    for owner, (segmentation, where) in enumerate(objects, start=1):
        if isinstance(segmentation, dict):
            ids[_decode_runs(segmentation, size, where)] = owner
        else:
            for points in _coco_polygons(segmentation, size, where):
                fill_polygon(ids, points, owner)
    return ids, names


def _coco_polygons(segmentation: object, size: tuple[int, int], where: str) -> Iterator[np.ndarray]:
    """Check the polygons of an annotation, lists of x, y, x, y, ..., and yield the points (N, 2) of each.

    Some programs write a single polygon without the list around it.
    """
    if isinstance(segmentation, list) and all(is_number(value) for value in segmentation):
        segmentation = [segmentation]
    if not isinstance(segmentation, list) or not all(isinstance(polygon, list) for polygon in segmentation):
        raise Malformed(f"expected the 'segmentation' of {where} to be a list of polygons, or run lengths with 'counts' and 'size'")
    for polygon in segmentation:
        numbers = finite_numbers(polygon)
        if numbers is None or len(numbers) % 2 or len(numbers) in (2, 4):
            raise Malformed(f"expected every polygon of {where} to be three or more pairs of finite numbers")
        if numbers:
            points = np.array(numbers).reshape(-1, 2)
            _check_near([tuple(points.min(0)), tuple(points.max(0))], size, where)
            yield points


def fill_polygon(ids: np.ndarray, points: np.ndarray, value: int) -> None:
    """Set the pixels of ``ids`` (H, W) whose centres are inside a polygon (N, 2), where pixel 0 reaches from 0 to 1 as in COCO.

    Pillow would also fill every pixel that an edge touches, which adds half a pixel on each side.
    """
    height, width = ids.shape
    # the rows that each edge crosses: those whose centres are between its two ends
    start, end = points, np.roll(points, -1, axis=0)
    downwards = (start[:, 1] <= end[:, 1])[:, None]
    upper, lower = np.where(downwards, start, end), np.where(downwards, end, start)
    first = np.ceil(upper[:, 1] - 0.5).clip(0, height).astype(np.int64)
    count = np.ceil(lower[:, 1] - 0.5).clip(0, height).astype(np.int64) - first
    if count.sum() > MAX_CROSSINGS:
        raise Malformed("expected polygons with fewer points or a smaller picture")
    edge = np.repeat(np.arange(len(points)), count)
    if len(edge) == 0:
        return
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    # the columns where they cross: from there to the right, inside becomes outside and the other way round
    step = lower[edge] - upper[edge]
    x = upper[edge, 0] + (row + 0.5 - upper[edge, 1]) / step[:, 1] * step[:, 0]
    column = np.ceil(x - 0.5).clip(0, width).astype(np.int64)
    top, left, right = row.min(), column.min(), column.max()
    flips = np.zeros((row.max() - top + 1, right - left + 1), np.uint8)
    np.bitwise_xor.at(flips, (row - top, column - left), 1)
    inside = np.bitwise_xor.accumulate(flips, axis=1)[:, :-1].astype(bool)
    ids[top : top + len(flips), left:right][inside] = value


def _decode_runs(segmentation: dict, size: tuple[int, int], where: str) -> np.ndarray:
    """Decode run lengths to a mask (H, W) of booleans: columns from left to right, starting with a run of zeros."""
    if segmentation.get("size") != list(size):
        raise Malformed(f"expected the run lengths of {where} to have the size of the picture, [{size[0]}, {size[1]}]")
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        counts = _decompress_runs(counts)
    ok = isinstance(counts, list) and all(is_whole(count) and count >= 0 for count in counts)
    counts = [int(count) for count in counts] if ok else []
    if not ok or sum(counts) != size[0] * size[1]:
        raise Malformed(f"expected the run lengths of {where} to be whole numbers that cover its {size[1]}x{size[0]} picture exactly")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(size[1], size[0]).T


def _decompress_runs(text: str) -> list[int] | None:
    """Decode the compressed run lengths of COCO; None if the text is malformed.

    A number is written in groups of 5 bits, lowest first. Each character is its group plus 48, plus 32 if more groups follow; the
    highest bit of the last group is the sign. From the fourth number on, the difference to the number two places before is written.
    We decode it ourselves, because pycocotools fills the end of a mask with random pixels if the text is too short.
    """
    counts, value, shift = [], 0, 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 40:
            return None
        value |= (group & 31) << shift
        shift += 5
        if group < 32:  # the last group of a number
            value -= (group & 16) << (shift - 4)  # 2^shift if the sign bit is set
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts if shift == 0 else None
