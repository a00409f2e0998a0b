"""Read, check and write keypoints: named joints as JSON, tracked joints as CSV."""

import csv
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import JointsError
from .masks import MAX_OBJECTS
from .paths import user_path

COLUMNS = ["frame", "joint", "x", "y", "confidence"]  # of a table of tracked joints


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


def read_joints(path: str | os.PathLike, size: tuple[int, int] | None = None) -> Joints:
    """Read ``{"joints": {"name": [x, y], ...}, "edges": [["a", "b"], ...]}``, or frame 0 of a :func:`write_joints_csv` table.

    Args:
        path: the JSON file, or the table if the name ends in ``.csv``; keypoints that are lost in frame 0 of a table are left out.
        size: (height, width) of the frame; every keypoint must be inside it.

    Raises:
        JointsError: if the file is missing, malformed or empty, or a keypoint is not finite or outside the frame.
    """
    path = user_path(path)
    if not os.path.isfile(path):
        raise JointsError(f"no such joints file: '{path}'")
    # a table: the keypoints of frame 0
    if path.suffix.lower() == ".csv":
        names, xy, _ = read_joints_csv(path)
        there = np.isfinite(xy[0]).all(axis=1)
        if not there.any():
            raise JointsError(f"'{path}' has no joint in frame 0: expected at least one")
        names, xy = tuple(np.array(names)[there].tolist()), xy[0][there]
        for name, (x, y) in zip(names, xy, strict=True):
            _check_inside(name, x, y, path, size)
        return Joints(names, xy)
    # a JSON file
    form = 'expected {"joints": {"name": [x, y], ...}, "edges": [["a", "b"], ...]}'
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, or a number with thousands of digits
        raise JointsError(f"'{path}' is not JSON: {form}") from error
    if not isinstance(content, dict) or not isinstance(content.get("joints"), dict):
        raise JointsError(f"'{path}' has no joints: {form}")
    names = tuple(content["joints"])
    if not names:
        raise JointsError(f"'{path}' names no joint: {form}")
    if len(names) > MAX_OBJECTS:
        raise JointsError(f"'{path}' has {len(names)} joints: expected at most {MAX_OBJECTS}")
    # check the points
    points = []
    for name, point in content["joints"].items():
        number = (int, float)
        if not (isinstance(point, list) and len(point) == 2 and all(isinstance(v, number) and not isinstance(v, bool) for v in point)):
            raise JointsError(f"joint '{name}' in '{path}' is not a pair of numbers: {form}")
        try:
            x, y = float(point[0]), float(point[1])
        except OverflowError:
            x = y = math.inf
        if not (math.isfinite(x) and math.isfinite(y)):
            raise JointsError(f"joint '{name}' in '{path}' is ({x}, {y}): expected finite pixel coordinates")
        _check_inside(name, x, y, path, size)
        points.append((x, y))
    # check the edges
    edges = content.get("edges", [])
    ok = isinstance(edges, list) and all(isinstance(e, list) and len(e) == 2 and all(isinstance(n, str) for n in e) for e in edges)
    if not ok:
        raise JointsError(f"the edges in '{path}' are not pairs of names: {form}")
    for edge in edges:
        for name in edge:
            if name not in content["joints"]:
                raise JointsError(f"an edge in '{path}' names '{name}', which is not a joint there")
    index = {name: i for i, name in enumerate(names)}
    return Joints(names, np.array(points), tuple((index[a], index[b]) for a, b in edges))


def _check_inside(name: str, x: float, y: float, path: Path, size: tuple[int, int] | None) -> None:
    if size is not None and not (-0.5 <= x <= size[1] - 0.5 and -0.5 <= y <= size[0] - 0.5):
        raise JointsError(f"joint '{name}' in '{path}' is at ({x:g}, {y:g}), outside the {size[1]}x{size[0]} video")


def read_joints_csv(path: str | os.PathLike) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Read a :func:`write_joints_csv` table: names of J keypoints, xy (T, J, 2) in pixels with NaN where lost, confidence (T, J).

    Raises:
        JointsError: if the file is missing, or is not such a table.
    """
    path = user_path(path)
    if not os.path.isfile(path):
        raise JointsError(f"no such joints file: '{path}'")
    wrong = JointsError(f"'{path}' is not a table of joints: expected the columns {', '.join(COLUMNS)}, and the same joints in every frame")
    # parse the rows
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            head, *rows = csv.reader(file)
        frames = [int(row[0]) for row in rows]
        names = tuple(row[1] for row, frame in zip(rows, frames, strict=True) if frame == 0)
        numbers = np.array([[float(cell) if cell else np.nan for cell in row[2:5]] for row in rows])
        table = numbers.reshape(-1, len(names), 3)
    except (ValueError, IndexError, ZeroDivisionError, csv.Error) as error:
        raise wrong from error
    # check that every frame lists the same keypoints
    regular = [row[1] for row in rows] == list(names) * len(table) and frames == [t for t in range(len(table)) for _ in names]
    if head != COLUMNS or not names or not regular or np.isinf(table).any():
        raise wrong
    if len(names) > MAX_OBJECTS or len(set(names)) < len(names):
        raise JointsError(f"'{path}' has {len(names)} joints: expected at most {MAX_OBJECTS}, each with a name of its own")
    return names, table[..., :2], table[..., 2]


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


def write_joints_csv(path: str | os.PathLike, names: tuple[str, ...], rows) -> int:
    """Write tracked keypoints, one row per keypoint and frame; returns the number of frames.

    Args:
        rows: iterable of (xy (J, 2), confidence (J,)), one per frame; a lost keypoint is NaN and gets empty cells.
    """
    count = 0
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for count, (xy, confidence) in enumerate(rows, start=1):
            for name, (x, y), sure in zip(names, xy, confidence, strict=True):
                place = [f"{x:.2f}", f"{y:.2f}"] if np.isfinite(x) else ["", ""]
                writer.writerow([count - 1, name, *place, f"{sure:.3f}"])
    return count
