"""Read keypoints written by other tools: COCO, OpenPose and labelme (JSON) and DeepLabCut (CSV).

The helpers at the top are shared with :mod:`~tinytrack.io.mask_formats`, because COCO and labelme files can hold keypoints and masks.
"""

import contextlib
import csv
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import JointsError, TinytrackError, describe_os_error

MAX_PIXELS = 10**8  # a file that says its picture is larger is damaged, or is not about a video
MIN_LIKELIHOOD = 0.05  # DeepLabCut writes a position even where it has no idea; below this likelihood, the keypoint is absent
ABSENT = (math.nan, math.nan)

COCO_PERSON = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
COCO_PERSON_EDGES = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10), (1, 2), (0, 1), (0, 2),
    (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
# the two bodies of OpenPose by their numbers of keypoints: BODY_25 and COCO_18, with the edges that OpenPose draws
_ARMS = ("Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist")
_LEGS = ("RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle")
_HEAD = ("REye", "LEye", "REar", "LEar")
_FEET = ("LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel")
OPENPOSE = {25: (*_ARMS, "MidHip", *_LEGS, *_HEAD, *_FEET), 18: (*_ARMS, *_LEGS, *_HEAD)}
OPENPOSE_EDGES = {
    25: (
        (1, 8), (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (10, 11), (8, 12), (12, 13), (13, 14), (1, 0), (0, 15),
        (15, 17), (0, 16), (16, 18), (14, 19), (19, 20), (14, 21), (11, 22), (22, 23), (11, 24),
    ),
    18: (
        (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16),
        (0, 15), (15, 17),
    ),
}  # fmt: skip


# ---- helpers for files of other tools


class Malformed(ValueError):
    """A file is not as its format says. The message is a clause; :func:`naming` puts the file's name before it."""


@contextlib.contextmanager
def naming(path: Path, kind: str, error_class: type[TinytrackError]) -> Iterator[None]:
    """Turn a :class:`Malformed` of the block into an error that names the file and its kind, such as "a labelme file"."""
    try:
        yield
    except Malformed as error:
        raise error_class(f"'{path}' cannot be read as {kind}: {error}") from error


def load_json(path: Path, error_class: type[TinytrackError], expected: str):
    """Load a JSON file; an ``error_class`` that ends with ``expected`` is raised if it is something else."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, or a number with thousands of digits
        raise error_class(f"'{path}' is not JSON: {expected}") from error
    except OSError as error:
        raise error_class(f"'{path}' cannot be read: {describe_os_error(error)}") from error


def shown(name: object) -> str:
    """Return a name or an id from a file as short printable text on one line, for an error message."""
    text = "".join(c if c.isprintable() else " " for c in str(name))
    return text if len(text) <= 40 else text[:37] + "..."


def is_number(value: object) -> bool:
    """Tell whether a JSON value is a number; ``true`` and ``false`` are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Tell whether a JSON value is a whole number; some programs write 128 as 128.0."""
    return type(value) is int or (type(value) is float and value.is_integer())


def finite_numbers(values: object) -> list[float] | None:
    """Return a JSON list of finite numbers as floats, or None if it is anything else."""
    if not isinstance(values, list) or not all(is_number(v) for v in values):
        return None
    try:
        numbers = [float(v) for v in values]
    except OverflowError:  # a whole number with hundreds of digits
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def list_of_objects(content: dict, key: str) -> list[dict]:
    """Return the list of JSON objects under ``key``; a missing list or null is empty."""
    entries = content.get(key)
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Malformed(f"expected '{key}' to be a list of JSON objects")
    return entries


def identifier(entry: dict, key: str) -> int | str | None:
    """Return the id under ``key``: a whole number, a text, or None where there is none."""
    value = entry.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | str)):
        raise Malformed(f"expected every '{key}' to be a whole number or a text")
    return value


def declared_size(entry: dict, height: str, width: str) -> tuple[int, int] | None:
    """Return the (height, width) of the picture as the file says, or None if it does not say it."""
    size = (entry.get(height), entry.get(width))
    if size == (None, None):
        return None
    if not all(is_whole(side) and side > 0 for side in size) or size[0] * size[1] > MAX_PIXELS:
        raise Malformed(f"expected '{height}' and '{width}' to be whole numbers of pixels, for a picture of at most {MAX_PIXELS:,} pixels")
    return int(size[0]), int(size[1])


def picture_number(name: object) -> int | None:
    """Return the last number in the name of a picture, without its folder and extension: 10 for "v2/frame_000010.png", else None."""
    if not isinstance(name, str):
        return None
    stem = re.sub(r"\.\w*[a-z]\w*$", "", re.split(r"[/\\]", name)[-1], flags=re.IGNORECASE)
    stem = re.sub(r"\.rf\.[0-9a-f]*$", "", stem)  # Roboflow appends a hash to each name
    digits = re.findall(r"[0-9]+", stem)
    return int(digits[-1]) if digits and len(digits[-1]) <= 18 else None


def choose_picture(names: list, order: list[int], frame: int | None, kind: str) -> int:
    """Choose one of several pictures, and return its place in ``names``.

    If each name has a number of its own, this is the number of its frame: we choose the picture whose number is ``frame``. If not,
    we count the pictures from 0.

    Args:
        names: the names of the pictures; anything that is not a text has no number.
        order: the places of the pictures in the order in which we count them.
        frame: the number of the frame; None chooses the first picture.
        kind: what the file calls a picture in an error message, such as "image".
    """
    numbers = [picture_number(name) for name in names]
    if None not in numbers and len(set(numbers)) == len(numbers):
        wanted = min(numbers) if frame is None else frame
        if wanted not in numbers:
            raise Malformed(_no_frame(wanted, numbers))
        return numbers.index(wanted)
    wanted = 0 if frame is None else frame
    if not 0 <= wanted < len(order):
        raise Malformed(f"there is no {kind} {wanted}, because it has {len(order)} {kind}s and the first is number 0")
    return order[wanted]


def _no_frame(frame: int, numbers: list[int]) -> str:
    """Say that a file does not have a frame, and list a few of those that it has."""
    known = [str(number) for number in sorted(set(numbers))]
    listed = ", ".join(known) if len(known) <= 6 else f"{', '.join(known[:4])} ... {known[-1]}"
    return f"there is no frame {frame} in it, expected one of the frames {listed}"


def annotations_of_image(images: list[dict], annotations: list[dict], frame: int | None) -> tuple[dict, list[tuple[int, dict]]]:
    """Choose the image of a frame in a COCO file, and return it with its annotations and their numbers in the file.

    If each file name has a number of its own, the image with the number ``frame`` is chosen. Otherwise we count the images from 0, in
    the order of their file names, with frame 10 after frame 9, or in the order of their ids if not all of them have a name. None
    chooses the first image. The only image of a file is chosen for every ``frame``. If no images are listed, they are those that the
    annotations mention.
    """
    owners = [identifier(annotation, "image_id") for annotation in annotations]
    images = images or [{"id": owner} for owner in dict.fromkeys(owners)] or [{}]
    ids = [identifier(image, "id") for image in images]
    # the only image: its annotations need not say that they belong to it
    if len(images) == 1:
        mine = [ids[0] is None or owner in (None, ids[0]) for owner in owners]
        return images[0], [pair for pair, ours in zip(enumerate(annotations), mine, strict=True) if ours]
    # several images: put them in order
    if None in ids or None in owners:
        raise Malformed("it has several images, but expected each with an 'id', and each annotation with an 'image_id'")
    if all(isinstance(image.get("file_name"), str) for image in images):
        keys = [(_natural(image["file_name"]), 0) for image in images]
    else:
        keys = [(_natural(i), 1) if isinstance(i, str) else ("", i) for i in ids]
    # take the one of the frame
    order = sorted(range(len(images)), key=keys.__getitem__)
    chosen = choose_picture([image.get("file_name") for image in images], order, frame, "image")
    return images[chosen], [(n, a) for n, (a, owner) in enumerate(zip(annotations, owners, strict=True)) if owner == ids[chosen]]


def _natural(name: str) -> str:
    """Return a sort key that puts frame 10 after frame 9."""
    return re.sub(r"\d+", lambda digits: digits[0].rjust(20, "0"), name.lower())


def category_of(annotation: dict, number: int, categories: list[dict]) -> dict:
    """Return the category of a COCO annotation; if the file has only one, the annotation need not name it."""
    wanted = identifier(annotation, "category_id")
    for category in categories:
        known = identifier(category, "id")
        if (wanted is not None and known == wanted) or (len(categories) == 1 and (wanted is None or known is None)):
            return category
    raise Malformed(f"expected 'categories' to list the category of annotation {number}")


# ---- keypoints


@dataclass(frozen=True)
class Keypoints:
    """Keypoints as a file has them, each checked to be numbers but not to be inside a frame.

    Attributes:
        names: J names, all different.
        xy: J pairs, NaN where absent.
        edges: pairs of indices into ``names``.
        size: (height, width) of the picture, or None if the file does not say it.
    """

    names: tuple[str, ...]
    xy: list[tuple[float, float]]
    edges: tuple[tuple[int, int], ...] = ()
    size: tuple[int, int] | None = None


def read_keypoints(path: Path, content: object, frame: int | None = None) -> Keypoints | None:
    """Find the keypoints in the content of a JSON file by COCO, OpenPose or labelme; None if it is of none of these kinds.

    Args:
        path: named in errors.
        frame: the number of the frame, in a COCO file of several images; None is its first image. See :func:`annotations_of_image`.

    Raises:
        JointsError: if the content is malformed or has no keypoints.
    """
    found = _recognize(content)
    if found is None:
        return None
    kind, read = found
    with naming(path, kind, JointsError):
        return read(content, frame)


def _recognize(content: object) -> tuple[str, Callable] | None:
    """Return the kind of a JSON file, which its keys tell, and the function that reads it; None if it is of no known kind."""
    if isinstance(content, dict):
        if "annotations" in content:
            return "a COCO file", _read_coco
        if "people" in content:
            return "an OpenPose file", _read_openpose
        if "shapes" in content:
            return "a labelme file", _read_labelme
    elif isinstance(content, list) and any(isinstance(entry, dict) and "keypoints" in entry for entry in content):
        return "a COCO results file", _read_coco_results
    return None


def _person(names: tuple[str, ...], edges, values: object, where: str, zero_is_absent: bool = False) -> Keypoints:
    """Return the keypoints of one person from a flat list of x, y and a visibility or confidence, which is 0 for absent keypoints."""
    numbers = finite_numbers(values)
    if numbers is None or len(numbers) != 3 * len(names):
        raise Malformed(f"expected {where} to have {3 * len(names)} finite numbers, three for each of {len(names)} keypoints")
    triples = zip(*[iter(numbers)] * 3, strict=True)
    xy = [(x, y) if sure > 0 and (x or y or not zero_is_absent) else ABSENT for x, y, sure in triples]
    return Keypoints(names, xy, tuple(edges))


def _together(people: list[Keypoints], size: tuple[int, int] | None = None, where: str = "the file") -> Keypoints:
    """Join the keypoints of several people; people without any present keypoint are left out, and the second nose is "nose 2"."""
    names, xy, edges = [], [], []
    for person in people:
        if any(map(_is_present, person.xy)):
            edges += [(a + len(names), b + len(names)) for a, b in person.edges]
            names += person.names
            xy += person.xy
    if not names:
        raise Malformed(f"expected at least one keypoint that is present in {where}")
    return Keypoints(_distinct(names), xy, tuple(edges), size)


def _is_present(point: tuple[float, float]) -> bool:
    return not math.isnan(point[0])


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Number the repetitions of a name: "nose", "nose 2", "nose 3"; a number that is another name already is skipped."""
    taken, count, result = set(names), {}, []
    for name in names:
        count[name] = count.get(name, 0) + 1
        new = name
        if count[name] > 1:
            while (new := f"{name} {count[name]}") in taken:
                count[name] += 1
            taken.add(new)
        result.append(new)
    return tuple(result)


def _read_coco(content: dict, frame: int | None) -> Keypoints:
    """Read ``{"images": [...], "annotations": [{"keypoints": [x, y, v, ...]}], "categories": [{"keypoints": [names]}]}``."""
    annotations, categories = list_of_objects(content, "annotations"), list_of_objects(content, "categories")
    image, chosen = annotations_of_image(list_of_objects(content, "images"), annotations, frame)
    people = []
    for number, annotation in chosen:
        if annotation.get("keypoints") not in (None, []):  # without them it is a box or a mask
            names, edges = _coco_skeleton(category_of(annotation, number, categories))
            people.append(_person(names, edges, annotation["keypoints"], f"the keypoints of annotation {number}"))
    name = image.get("file_name")
    where = f"the image '{shown(name)}'" if isinstance(name, str) else "the image"
    return _together(people, declared_size(image, "height", "width"), where)


def _coco_skeleton(category: dict) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    """Return the names of a category's keypoints, and its edges as pairs of indices.

    Edges in the file count the keypoints from 1. Some programs count from 0, which shows if any edge has a 0.
    """
    names, edges = category.get("keypoints"), category.get("skeleton")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise Malformed("expected the category of every annotation that has keypoints to list their names in 'keypoints'")
    edges = [] if edges is None else edges
    ok = isinstance(edges, list) and all(isinstance(e, list) and len(e) == 2 and all(type(end) is int for end in e) for e in edges)
    first = 0 if ok and any(0 in edge for edge in edges) else 1
    last = first + len(names) - 1
    if not ok or not all(first <= end <= last for edge in edges for end in edge):
        raise Malformed(f"expected 'skeleton' to be pairs of whole numbers from {first} to {last}")
    return tuple(names), [(a - first, b - first) for a, b in edges]


def _read_coco_results(content: list, frame: int | None) -> Keypoints:
    """Read ``[{"image_id": 1, "keypoints": [x, y, score, ...], "score": 0.9}, ...]``, the output of pose detectors."""
    if not all(isinstance(entry, dict) for entry in content):
        raise Malformed("expected a list of JSON objects with 'image_id' and 'keypoints'")
    _, chosen = annotations_of_image([], content, frame)
    return _together(
        [
            _person(COCO_PERSON, COCO_PERSON_EDGES, person.get("keypoints"), f"the keypoints of entry {number}", zero_is_absent=True)
            for number, person in chosen
        ]
    )


def _read_openpose(content: dict, frame: int | None) -> Keypoints:
    """Read ``{"people": [{"pose_keypoints_2d": [x, y, confidence, ...]}]}``; OpenPose writes one file per frame.

    Version 1.0 of the format has the key ``pose_keypoints`` instead.
    """
    people, listed = [], list_of_objects(content, "people")
    for number, person in enumerate(listed):
        key = next((key for key in ("pose_keypoints_2d", "pose_keypoints") if person.get(key) not in (None, [])), None)
        if key is None:  # only a face or a hand was found
            continue
        values = person[key]
        count = len(values) // 3 if isinstance(values, list) else 25
        if count not in OPENPOSE:
            raise Malformed(f"expected person {number} to have 75 or 54 numbers in '{key}', for 25 or 18 keypoints")
        people.append(_person(OPENPOSE[count], OPENPOSE_EDGES[count], values, f"'{key}' of person {number}"))
    if listed and not people:
        raise Malformed("it holds no body keypoints, expected 'pose_keypoints_2d' of at least one person to have numbers")
    return _together(people)


def _read_labelme(content: dict, frame: int | None) -> Keypoints:
    """Read the shapes of type "point" of ``{"shapes": [{"label": "nose", "shape_type": "point", "points": [[x, y]]}]}``."""
    size = declared_size(content, "imageHeight", "imageWidth")
    points = []
    for number, shape in enumerate(list_of_objects(content, "shapes")):
        if shape.get("shape_type") == "point":
            label, at = labelme_shape(shape, number)
            if len(at) != 1:
                raise Malformed(f"expected the point '{shown(label)}' to have one pair of numbers in 'points'")
            points.append(Keypoints((label,), at))
    if not points:
        raise Malformed("expected at least one shape whose 'shape_type' is 'point'")
    return _together(points, size)


def labelme_shape(shape: dict, number: int) -> tuple[str, list[tuple[float, float]]]:
    """Return the label and the points of a labelme shape, after checking that they are a text and pairs of numbers."""
    label, points = shape.get("label"), shape.get("points")
    if not isinstance(label, str):
        raise Malformed(f"expected shape {number} to have a text as its 'label'")
    pairs = [finite_numbers(point) for point in points] if isinstance(points, list) else [None]
    if any(pair is None or len(pair) != 2 for pair in pairs):
        raise Malformed(f"expected the 'points' of shape {number}, '{shown(label)}', to be pairs of finite numbers")
    return label, [(x, y) for x, y in pairs]


# ---- DeepLabCut


def read_deeplabcut(path: Path, frame: int | None = None) -> Keypoints | None:
    """Read one row of a table by DeepLabCut; None if the file is another table.

    A keypoint whose likelihood is below 0.05 is absent.

    Args:
        frame: the row of this frame; None is the first. The index of a row is the number of its frame or the name of its picture. If
            each name has a number of its own, this is the number of the frame; otherwise we count the rows from 0. The only picture
            of a table is used for every frame.

    Raises:
        JointsError: if the table is malformed, has no such row, or no keypoint is present in it.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(16)
        if not re.match(rb'(\xef\xbb\xbf)?"?scorer"?[,;\t\r\n]', start):
            return None
        with naming(path, "a table by DeepLabCut", JointsError), open(path, newline="", encoding="utf-8-sig") as file:
            return _read_deeplabcut_rows(csv.reader(file), frame)
    except (UnicodeDecodeError, csv.Error) as error:
        raise JointsError(f"'{path}' cannot be read as a table by DeepLabCut: expected comma-separated text in UTF-8") from error
    except OSError as error:
        raise JointsError(f"'{path}' cannot be read: {describe_os_error(error)}") from error


def _read_deeplabcut_rows(rows: Iterator[list[str]], frame: int | None) -> Keypoints:
    # the heading: rows named scorer, individuals (if there are several), bodyparts, coords
    heading = {}
    while "coords" not in heading:
        row = next(rows, None)
        known = ("scorer", "individuals", "bodyparts", "coords")
        if row is None or (row and row[0] not in known):
            raise Malformed("expected its first rows to be named scorer, individuals (optional), bodyparts and coords")
        if row:
            heading[row[0]] = row
    columns = _deeplabcut_columns(heading)
    # the row of the frame
    row, where = _deeplabcut_row(rows, heading["coords"].index("x"), frame)
    # its keypoints
    xy = []
    for axes in columns.values():
        x, y, sure = (_deeplabcut_number(row, axes[name], where) if name in axes else math.nan for name in ("x", "y", "likelihood"))
        xy.append((x, y) if math.isfinite(x + y) and not sure < MIN_LIKELIHOOD else ABSENT)
    if not any(map(_is_present, xy)):
        likely = f", with a likelihood of at least {MIN_LIKELIHOOD}" if any("likelihood" in axes for axes in columns.values()) else ""
        raise Malformed(f"expected at least one keypoint that is present in {where}{likely}")
    return Keypoints(_distinct([part for _, part in columns]), xy)


def _deeplabcut_columns(heading: dict[str, list[str]]) -> dict[tuple[str, str], dict[str, int]]:
    """Return (individual, body part) -> {"x": its column, "y": its column, "likelihood": its column, which need not be there}."""
    parts, coords = heading.get("bodyparts", []), heading["coords"]
    individuals = heading.get("individuals", [""] * len(parts))
    if not len(individuals) == len(parts) == len(coords):
        raise Malformed("expected the rows individuals, bodyparts and coords to have the same number of cells")
    # the columns before the first x are the index: one column, or three for the parts of the picture's path
    first = coords.index("x") if "x" in coords else len(coords)
    found = {}
    for column in range(first, len(coords)):
        axes = found.setdefault((individuals[column], parts[column]), {})
        if coords[column] not in ("x", "y", "likelihood") or coords[column] in axes:
            raise Malformed("expected every body part to have one column x, one column y, and at most one column likelihood")
        axes[coords[column]] = column
    if not found or not all({"x", "y"} <= set(axes) for axes in found.values()):
        raise Malformed("expected every body part to have a column x and a column y")
    return found


def _deeplabcut_row(rows: Iterator[list[str]], first: int, frame: int | None) -> tuple[list[str], str]:
    """Return the row of a frame, and how an error message calls it; ``first`` is the first column that is not of the index."""
    rows = (row for row in rows if row)
    start = next(rows, None)
    if start is None:
        raise Malformed("expected at least one row of numbers below its heading")
    rows = itertools.chain([start], rows)
    # the index is the number of the frame: such a table can have a row for each frame of a long video, so we keep only the numbers
    if re.fullmatch(r"[0-9]{1,18}", start[0]):
        seen = []
        for row in rows:
            if not re.fullmatch(r"[0-9]{1,18}", row[0]):
                raise Malformed("expected the first cell of every row to be a whole number, as in the first row")
            seen.append(int(row[0]))
            if frame is None or seen[-1] == frame:
                return row, f"row {seen[-1]}"
        raise Malformed(_no_frame(frame, seen))
    # the index is the name of a picture, in the last column of the index
    rows = list(rows)
    names = [row[min(first, len(row)) - 1] for row in rows]
    chosen = choose_picture(names, list(range(len(rows))), frame, "row") if len(rows) > 1 else 0
    return rows[chosen], f"the row '{shown(names[chosen])}'"


def _deeplabcut_number(row: list[str], column: int, where: str) -> float:
    """Return the number in a cell; an empty cell is NaN."""
    try:
        number = float(row[column]) if row[column].strip() else math.nan
    except (ValueError, IndexError):
        number = math.inf
    if math.isinf(number):
        raise Malformed(f"expected {where} to have a finite number or an empty cell in column {column + 1}")
    return number
