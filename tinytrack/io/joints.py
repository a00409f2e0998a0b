"""Read, check and write keypoints: named joints as JSON, tracked joints as CSV."""

import csv
import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import JointsError, describe_os_error
from .keypoint_formats import Keypoints, finite_numbers, is_number, load_json, read_deeplabcut, read_keypoints, shown
from .masks import MAX_OBJECTS
from .paths import user_path

COLUMNS = ["frame", "joint", "x", "y", "confidence"]  # of a table of tracked joints
EXTRA_COLUMNS = ["seconds", "picture"]  # a table can have these too, in this order
FORM = 'expected {"joints": {"name": [x, y], ...}, "edges": [["a", "b"], ...]}'
FORMS = FORM + ", or a file by COCO, OpenPose, labelme or DeepLabCut"


@dataclass(frozen=True)
class Joints:
    """The named keypoints of one frame, and the lines between them.

    Attributes:
        names: J names.
        xy: float64 (J, 2), (x, y) in pixels; (0, 0) is the centre of the top left pixel; NaN where absent.
        edges: pairs of indices into ``names``.
    """

    names: tuple[str, ...]
    xy: np.ndarray
    edges: tuple[tuple[int, int], ...] = ()


def read_joints(path: str | os.PathLike, size: tuple[int, int] | None = None, frame: int | None = None) -> Joints:
    """Read the keypoints of one frame from a file of ours, or from a file of another tool.

    Ours are ``{"joints": {"name": [x, y], ...}, "edges": [["a", "b"], ...]}``, where null in place of a position means that the
    keypoint is absent, and :func:`write_joints_csv` tables, whose lost keypoints are left out. The other tools are COCO (annotations
    and results), OpenPose, labelme and DeepLabCut; see :mod:`~tinytrack.io.keypoint_formats`.

    Args:
        path: a JSON file, or a table if the name ends in ``.csv``.
        size: (height, width) of the frame; every keypoint that is present must be inside it. Other tools let x run up to the width
            and y up to the height, so their keypoints in the last half pixel are moved to the centre of the last pixel.
        frame: the number of the frame, for files that hold several; None is the first frame or picture of the file. The number in the
            name of a picture is the number of its frame, if each name in the file has a number of its own.

    Raises:
        JointsError: if the file is missing, malformed or empty, has no such frame, is about a picture of another size, or a keypoint
            is not finite or outside the frame.
    """
    path = user_path(path)
    if not os.path.isfile(path):
        raise JointsError(f"no such joints file: '{path}'")
    # a table: ours or DeepLabCut's
    if path.suffix.lower() == ".csv":
        foreign = found = read_deeplabcut(path, frame)
        if found is None:
            found = _keypoints_of_table(path, frame)
    # a JSON file: another tool's or ours
    else:
        content = load_json(path, JointsError, FORMS)
        foreign = found = None
        if not isinstance(content, dict) or "joints" not in content:
            foreign = found = read_keypoints(path, content, frame)
        if found is None:
            found = _our_keypoints(path, content)
    # check what holds for all of them
    if size is not None and found.size is not None and found.size != tuple(size):
        raise JointsError(f"'{path}' is about a {found.size[1]}x{found.size[0]} picture: expected {size[1]}x{size[0]} like the video")
    if foreign is not None:
        found = _moved_inside(foreign, size or foreign.size)
    _check_keypoints(path, found, size)
    return Joints(found.names, np.array(found.xy, dtype=np.float64), found.edges)


def _moved_inside(found: Keypoints, size: tuple[int, int] | None) -> Keypoints:
    """Move keypoints of another tool from the last half pixel of a picture (height, width) to the centre of the last pixel.

    Our picture ends at width - 0.5, because (0, 0) is the centre of our first pixel. Other tools let x run from 0 to the width.
    """
    if size is None:
        return found
    height, width = size
    xy = [(width - 1 if width - 0.5 < x <= width else x, height - 1 if height - 0.5 < y <= height else y) for x, y in found.xy]
    return replace(found, xy=xy)


def _check_keypoints(path: Path, found: Keypoints, size: tuple[int, int] | None) -> None:
    """Check the number of keypoints, that they have names that can be written to a file, and that they are inside the frame."""
    if len(found.names) > MAX_OBJECTS:
        raise JointsError(f"'{path}' has {len(found.names)} joints: expected at most {MAX_OBJECTS}")
    for name, (x, y) in zip(found.names, found.xy, strict=True):
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise JointsError(f"the name of a joint in '{path}' cannot be written as text: expected valid Unicode") from error
        if size is not None and not math.isnan(x) and not (-0.5 <= x <= size[1] - 0.5 and -0.5 <= y <= size[0] - 0.5):
            raise JointsError(f"joint '{shown(name)}' in '{path}' is at ({x:g}, {y:g}), outside the {size[1]}x{size[0]} video")


def _our_keypoints(path: Path, content: object) -> Keypoints:
    """Return the keypoints of a JSON file in our own form."""
    if not isinstance(content, dict) or not isinstance(content.get("joints"), dict):
        raise JointsError(f"'{path}' has no joints: {FORMS}")
    points = content["joints"]
    if not points:
        raise JointsError(f"'{path}' names no joint: {FORM}")
    # check the points
    xy = []
    for name, point in points.items():
        if point is not None and not (isinstance(point, list) and len(point) == 2 and all(is_number(v) for v in point)):
            raise JointsError(f"joint '{shown(name)}' in '{path}' is not a pair of numbers: {FORM}")
        numbers = [math.nan, math.nan] if point is None else finite_numbers(point)
        if numbers is None:
            raise JointsError(f"joint '{shown(name)}' in '{path}' is not at a finite place: expected finite pixel coordinates")
        xy.append((numbers[0], numbers[1]))
    if all(math.isnan(x) for x, _ in xy):
        raise JointsError(f"every joint in '{path}' is null, such as '{shown(next(iter(points)))}': expected at least one with a position")
    # check the edges
    edges = content.get("edges", [])
    ok = isinstance(edges, list) and all(isinstance(e, list) and len(e) == 2 and all(isinstance(n, str) for n in e) for e in edges)
    if not ok:
        raise JointsError(f"the edges in '{path}' are not pairs of names: {FORM}")
    for name in (name for edge in edges for name in edge):
        if name not in points:
            raise JointsError(f"an edge in '{path}' names '{shown(name)}', which is not a joint there")
    index = {name: i for i, name in enumerate(points)}
    return Keypoints(tuple(points), xy, tuple((index[a], index[b]) for a, b in edges))


def _keypoints_of_table(path: Path, frame: int | None) -> Keypoints:
    """Return the keypoints of one frame of a :func:`write_joints_csv` table, without those that are lost in it; None is the first."""
    first, names, xy, _ = _read_table(path)
    frame = first if frame is None else frame
    if not first <= frame < first + len(xy):
        raise JointsError(f"'{path}' has no frame {frame}: expected one of the frames {first} to {first + len(xy) - 1}")
    place = xy[frame - first]
    present = np.isfinite(place).all(axis=1)
    if not present.any():
        raise JointsError(f"'{path}' has no joint in frame {frame}: expected at least one")
    return Keypoints(tuple(np.array(names, dtype=object)[present].tolist()), place[present].tolist())


def read_joints_csv(path: str | os.PathLike) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Read a :func:`write_joints_csv` table: names of J keypoints, xy (T, J, 2) in pixels with NaN where lost, confidence (T, J).

    The frames may start at any number, and the columns ``seconds`` and ``picture`` may follow; only the five others are returned.

    Raises:
        JointsError: if the file is missing, or is not such a table.
    """
    path = user_path(path)
    if not os.path.isfile(path):
        raise JointsError(f"no such joints file: '{path}'")
    return _read_table(path)[1:]


def _read_table(path: Path) -> tuple[int, tuple[str, ...], np.ndarray, np.ndarray]:
    """Read a :func:`write_joints_csv` table: the number of the first frame, and what :func:`read_joints_csv` returns."""
    wrong = JointsError(f"'{path}' is not a table of joints: expected the columns {', '.join(COLUMNS)}, and the same joints in every frame")
    # parse the rows
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            head, *rows = csv.reader(file)
        frames = [int(row[0]) for row in rows]
        names = tuple(row[1] for row, frame in zip(rows, frames, strict=True) if frame == frames[0])
        numbers = np.array([[float(cell) if cell else np.nan for cell in row[2:5]] for row in rows])
        table = numbers.reshape(-1, len(names), 3)
        seconds = [float(row[5]) for row in rows] if "seconds" in head[5:] else []
    except (ValueError, IndexError, ZeroDivisionError, csv.Error) as error:
        raise wrong from error
    except OSError as error:
        raise JointsError(f"'{path}' cannot be read: {describe_os_error(error)}") from error
    # check the columns
    known = head[:5] == COLUMNS and head[5:] in ([], EXTRA_COLUMNS[:1], EXTRA_COLUMNS[1:], EXTRA_COLUMNS)
    if not known or any(len(row) < len(head) for row in rows) or not names or np.isinf(table).any() or not np.isfinite(seconds).all():
        raise wrong
    # check that the frames are consecutive and list the same keypoints
    first = frames[0]
    if first < 0 or [row[1] for row in rows] != list(names) * len(table) or frames != [first + t for t in range(len(table)) for _ in names]:
        raise wrong
    if len(names) > MAX_OBJECTS or len(set(names)) < len(names):
        raise JointsError(f"'{path}' has {len(names)} joints: expected at most {MAX_OBJECTS}, each with a name of its own")
    return first, names, table[..., :2], table[..., 2]


def read_joint_truth(path: str | os.PathLike, names: tuple[str, ...]) -> dict[int, np.ndarray]:
    """Read the keypoints of later frames, ``{"8": {"name": [x, y] or null, ...}, ...}``, in the order of ``names``.

    Returns:
        Frame number -> (J, 2), NaN where absent.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return {
            int(frame): np.array([joints.get(name) or (np.nan, np.nan) for name in names], dtype=np.float64)
            for frame, joints in content.items()
        }
    except (OSError, ValueError, AttributeError) as error:
        raise JointsError(f"'{path}' cannot be read: expected JSON with the joints of each frame") from error


def write_joints_csv(
    path: str | os.PathLike,
    names: Sequence[str],
    rows: Iterable[tuple[np.ndarray, np.ndarray]],
    seconds: Sequence[float] | None = None,
    pictures: Sequence[str] | None = None,
    first: int = 0,
) -> int:
    """Write tracked keypoints, one row per keypoint and frame; returns the number of frames.

    Args:
        rows: (xy (J, 2), confidence (J,)), one pair per frame; a lost keypoint is NaN and gets empty cells.
        seconds: the time of each frame, for a column ``seconds``. It may still grow while the rows are consumed, but must have the
            time of a frame when the row of that frame arrives.
        pictures: the name of each frame's picture, for a column ``picture``; it may grow in the same way.
        first: the number of the first frame; ``seconds[0]`` and ``pictures[0]`` belong to this frame.
    """
    extras = [(name, values) for name, values in zip(EXTRA_COLUMNS, (seconds, pictures), strict=True) if values is not None]
    count = 0
    # the names of pictures need not be valid text, and must not stop a job at its end
    with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *(name for name, _ in extras)])
        for count, (xy, confidence) in enumerate(rows, start=1):
            more = [_decimal(values[count - 1]) if name == "seconds" else values[count - 1] for name, values in extras]
            for name, (x, y), sure in zip(names, xy, confidence, strict=True):
                place = [f"{x:.2f}", f"{y:.2f}"] if np.isfinite(x) else ["", ""]
                writer.writerow([first + count - 1, name, *place, f"{sure:.3f}", *more])
    return count


def _decimal(seconds: float) -> str:
    """Write a time with at least three decimals, and with up to six if it has microseconds: 0.040, 0.033367."""
    whole, decimals = f"{seconds:.6f}".split(".")
    return f"{whole}.{decimals.rstrip('0'):0<3}"
