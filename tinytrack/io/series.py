"""A folder of frames: one numbered series of pictures, in natural order."""

import re
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from ..errors import VideoError

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"}
NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)")  # ASCII digits only: int() refuses others that str.isdigit() accepts, such as "²"
CAMERA = re.compile(  # the text before the number of a camera or a scene: one of these words, which begins the text or follows no letter
    r"(?:^|.*[^a-z])(?:cam|camera|view|take|shot|clip|scene|seq|sequence|sensor|channel|ch|kinect|gopro)[_ -]?"
)
HUMP = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")  # where a new word begins in names such as leftCam1


def list_images(folder: Path) -> list[Path]:
    """List the pictures of a folder of frames, with frame 10 after frame 9, and 0.5 after 0.25.

    Hidden files, folders and files of other kinds are ignored.

    Raises:
        VideoError: if there are no pictures, if two have the same name up to the ending, or if they are more than one series, such as
            frames and their masks.
    """
    found = [p for p in folder.iterdir() if p.suffix.lower() in IMAGES and not p.name.startswith(".") and not p.is_dir()]
    if not found:
        raise VideoError(f"the folder '{folder}' holds no pictures: expected frames such as 00000.jpg or 00000.png")
    _check_names(folder, found)
    series = _split_cameras(_group_by_pattern(found))
    if len(series) > 1:
        one, other, *_ = sorted(series, key=len, reverse=True)
        raise VideoError(
            f"the folder '{folder}' holds {len(series)} series of pictures, '{one[0].name}' ({len(one)} pictures)"
            f" and '{other[0].name}' ({len(other)}): expected the frames of one video, so move the others to another folder"
        )
    return series[0]


def _ending(path: Path) -> str:
    """Return the kind of a picture file, such as ".jpg"; the two endings of JPEGs, and of TIFFs, are the same kind."""
    return {".jpeg": ".jpg", ".tiff": ".tif"}.get(path.suffix.lower(), path.suffix.lower())


def _check_names(folder: Path, paths: list[Path]) -> None:
    """Make sure that the results of no two frames would have the same name, as those of 1.jpg and 1.jpeg would."""
    seen = {}
    for path in sorted(paths):
        other = seen.setdefault((path.stem, _ending(path)), path)
        if other != path:
            raise VideoError(
                f"the folder '{folder}' holds both '{other.name}' and '{path.name}', whose results would have the same name:"
                " expected one picture per frame, so rename or remove one of them"
            )


def _group_by_pattern(paths: list[Path]) -> list[list[Path]]:
    """Group pictures whose names differ only in their numbers, each group in natural order.

    Groups that differ only in the kind of file are one series if they have no number in common: some cameras change from one to the other.
    """
    kinds = defaultdict(dict)  # text of the name without its numbers -> {ending: pictures}
    for path in paths:
        kinds[NUMBER.sub("#", path.stem).lower()].setdefault(_ending(path), []).append(path)
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
    """Split a series whose names number the cameras, or the scenes, besides the frames: cam1_000, cam1_001, cam2_000, cam2_001.

    The word before a number tells what it counts. The numbers alone do not: those of two cameras may look like hours and minutes.
    """
    if len(groups) != 1:
        return groups
    texts = NUMBER.split(groups[0][0].stem)[::2]
    rows = [NUMBER.findall(path.stem) for path in groups[0]]
    varying = [n for n in range(len(rows[0])) if len({row[n] for row in rows}) > 1]
    for n in varying:
        cameras, others = {row[n] for row in rows}, {(*row[:n], *row[n + 1 :]) for row in rows}
        # the last number is that of the frame, as in 1_cam_000, unless it takes fewer values than the others, as in 000_cam1
        few = 2 * len(cameras) <= len(rows) and (n != varying[-1] or len(cameras) <= len(others))
        if few and any(CAMERA.fullmatch(text.lower()) for text in (texts[n], HUMP.sub("_", texts[n]))):
            split = defaultdict(list)
            for path, row in zip(groups[0], rows, strict=True):
                split[row[n]].append(path)
            return list(split.values())
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
