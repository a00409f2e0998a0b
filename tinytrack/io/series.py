"""A folder of frames: one numbered series of pictures, in natural order."""

import re
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from ..errors import VideoError

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"}
NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)")  # ASCII digits only: int() refuses others that str.isdigit() accepts, such as "²"
CAMERAS = 8  # a number that takes at most this many values may be that of a camera


def list_images(folder: Path) -> list[Path]:
    """List the pictures of a folder of frames, with frame 10 after frame 9, and 0.5 after 0.25.

    Hidden files, folders and files of other kinds are ignored.

    Raises:
        VideoError: if there are no pictures, or if they are more than one series, such as frames and their masks.
    """
    found = [p for p in folder.iterdir() if p.suffix.lower() in IMAGES and not p.name.startswith(".") and not p.is_dir()]
    if not found:
        raise VideoError(f"the folder '{folder}' holds no pictures: expected frames such as 00000.jpg or 00000.png")
    series = _split_cameras(_group_by_pattern(found))
    if len(series) > 1:
        one, other, *_ = sorted(series, key=len, reverse=True)
        raise VideoError(
            f"the folder '{folder}' holds {len(series)} series of pictures, '{one[0].name}' ({len(one)} pictures)"
            f" and '{other[0].name}' ({len(other)}): expected the frames of one video, so move the others to another folder"
        )
    return series[0]


def _group_by_pattern(paths: list[Path]) -> list[list[Path]]:
    """Group pictures whose names differ only in their numbers, each group in natural order.

    Groups that differ only in the kind of file are one series if they have no number in common: some cameras change from one to the other.
    """
    kinds = defaultdict(dict)  # text of the name without its numbers -> {ending: pictures}
    for path in paths:
        ending = {".jpeg": ".jpg", ".tiff": ".tif"}.get(path.suffix.lower(), path.suffix.lower())
        kinds[NUMBER.sub("#", path.stem).lower()].setdefault(ending, []).append(path)
    if not any("#" in text for text in kinds):  # no numbers at all: names such as a.png, b.png
        together = defaultdict(list)
        for by_ending in kinds.values():
            for ending, group in by_ending.items():
                together[ending] += group
        return [_natural_order(group) for group in together.values()]
    groups = []
    for by_ending in kinds.values():
        stems = [p.stem for group in by_ending.values() for p in group]
        if len(set(stems)) == len(stems):
            groups.append(_natural_order([p for group in by_ending.values() for p in group]))
        else:
            groups += [_natural_order(group) for group in by_ending.values()]
    return groups


def _split_cameras(groups: list[list[Path]]) -> list[list[Path]]:
    """Split a series such as cam1_000, cam1_001, cam2_000, cam2_001, which has every frame number once for each camera."""
    if len(groups) != 1 or len(groups[0]) < 4:
        return groups
    rows = [NUMBER.findall(path.stem) for path in groups[0]]
    varying = [n for n in range(len(rows[0])) if len({row[n] for row in rows}) > 1]
    if len(varying) != 2:
        return groups
    for camera, frame in (varying, varying[::-1]):
        cameras, frames = {row[camera] for row in rows}, {row[frame] for row in rows}
        clock = len(frames) == 60  # full minutes of a recording, one picture per second
        if 1 < len(cameras) <= CAMERAS and len(frames) >= len(cameras) and len(rows) == len(cameras) * len(frames) and not clock:
            return [[p for p, row in zip(groups[0], rows, strict=True) if row[camera] == name] for name in sorted(cameras)]
    return groups


def _natural_order(paths: list[Path]) -> list[Path]:
    """Sort names by the numbers in them.

    A dot between digits is a decimal point (0.5 comes after 0.25), unless fractions of different lengths end in zero: then it
    separates whole numbers (1.10 comes after 1.9).
    """
    fractions = [number.partition(".")[2] for path in paths for number in NUMBER.findall(path.stem) if "." in number]
    whole = len({len(f) for f in fractions}) > 1 and any(len(f) > 1 and f.endswith("0") for f in fractions)

    def key(path: Path) -> list:
        parts = NUMBER.split(path.stem)
        parts[1::2] = [tuple(map(int, n.split("."))) if whole else (Decimal(n),) for n in parts[1::2]]
        parts[::2] = [text.lower() for text in parts[::2]]
        return [*parts, path.name]

    return sorted(paths, key=key)
