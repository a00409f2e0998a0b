"""Read and write project files: a zip with ``project.json`` and one PNG per frame with masks, which people can look at and other programs
can read.

Nothing in a zip is unpacked onto the disk. Whatever is in it, it is checked before anything is done with it, because the file may come
from someone else.
"""

import io
import json
import os
import re
import zipfile
import zlib

import numpy as np

from ..draw import object_color
from ..errors import ProjectError, describe_os_error
from ..io.atomic import json_text, staged_file
from ..io.masks import MAX_OBJECTS
from ..io.paths import user_path
from .marks import Marks
from .project import Project, VideoFacts
from .skeletons import SKELETONS

ENDING = ".tinytrack.zip"
FORMAT = "tinytrack project 1"
ABOUT = (
    "What was marked in the studio of tinytrack. Frames count from 0, and objects from 1. The palette indices in the PNG of a mask are the"
    " numbers of the objects; null in place of a PNG means that all marks on this frame were erased. Joints are [x, y] in pixels, and"
    " (0, 0) is the centre of the top left pixel. The studio derives an object's colour from its number."
)
LARGEST_JSON = 50_000_000  # bytes of project.json; ten joints on a thousand frames take one
LARGEST_MASK = 50_000_000  # bytes of the PNG of a mask
LARGEST_PIXELS = 4_000_000_000  # pixels of all masks together, each of which takes a byte of memory


# ---- writing


def write_project(path: str | os.PathLike, project: Project) -> None:
    """Write a project file, all or nothing; whoever calls this has made sure that it replaces nothing else.

    Raises:
        OutputError: if it cannot be written.
    """
    masks = {t: f"masks/{t:05d}.png" if marks.ids.any() else None for t, marks in project.keys.items() if not _only_joints(marks)}
    content = {
        "format": FORMAT,
        "about": ABOUT,
        "video": {
            "source": project.video.source,
            "title": project.video.title,
            "size": list(project.video.size),
            "frames": project.video.frames,
            "fingerprint": project.video.fingerprint,
        },
        "settings": project.settings,
        "objects": [
            None if name is None else {"name": name, "color": "#" + bytes(object_color(n).astype(np.uint8)).hex()}
            for n, name in enumerate(project.objects, start=1)
        ],
        "part": None if project.part is None else list(project.part),
        "skeleton": project.skeleton,
        "masks": {str(t): name for t, name in masks.items()},
        "joints": {name: _joints_by_name(name, places) for name, places in sorted(_places(project).items())},
    }
    with staged_file(path) as scratch, zipfile.ZipFile(scratch, "w") as file:
        file.writestr("project.json", json_text(content), zipfile.ZIP_DEFLATED)
        for t, name in masks.items():
            if name is not None:
                file.writestr(name, project.keys[t].png)  # compressed already


def _only_joints(marks: Marks) -> bool:
    """Tell whether a frame has joints and no mask; one with neither was erased, which is something to keep."""
    return marks.has_joints and not marks.ids.any()


def _places(project: Project) -> dict[str, dict[int, np.ndarray]]:
    """Return the keypoints of all skeletons: {name of the skeleton: {frame: positions}}."""
    current = {t: marks.xy for t, marks in project.keys.items() if marks.has_joints}
    return project.aside | ({project.skeleton: current} if current else {})


def _joints_by_name(skeleton: str, places: dict[int, np.ndarray]) -> dict:
    names = SKELETONS[skeleton].names
    placed = lambda xy: {name: list(map(float, place)) for name, place in zip(names, xy, strict=True) if np.isfinite(place).all()}  # noqa: E731
    return {str(t): placed(xy) for t, xy in sorted(places.items())}


# ---- reading


class _Wrong(Exception):
    """What is wrong with a file; :func:`read_project` adds the name of the file."""


def _expect(condition: bool, text: str) -> None:
    if not condition:
        raise _Wrong(text)


def read_project(path: str | os.PathLike) -> Project:
    """Read a project file and check all of it.

    Raises:
        ProjectError: in one sentence, if it is missing, damaged, too large, written by a newer version, or something else.
    """
    path = user_path(path)
    if not os.path.exists(path):
        raise ProjectError(f"no such project: '{path}'")
    try:
        with zipfile.ZipFile(path) as file:
            return _read(file)
    except _Wrong as wrong:
        raise ProjectError(f"cannot open the project '{path}': {wrong}") from wrong
    except zipfile.BadZipFile as error:
        raise ProjectError(f"cannot open the project '{path}': it is damaged, or no zip file that the studio saved") from error
    except OSError as error:
        raise ProjectError(f"cannot open the project '{path}': {describe_os_error(error)}") from error
    # an encrypted entry, an unknown kind of compression, damaged compressed data
    except (RuntimeError, NotImplementedError, EOFError, ValueError, zlib.error) as error:
        raise ProjectError(f"cannot open the project '{path}': its content cannot be unpacked") from error


def _read(file: zipfile.ZipFile) -> Project:
    for name in file.namelist():
        parts = re.split(r"[/\\]", name)
        _expect(".." not in parts and parts[0] and ":" not in name, f"the entry '{name}' leads out of the zip file")
    content = _json(_entry(file, "project.json", LARGEST_JSON))
    _check_format(content)
    video = _video(_get(content, "video", dict))
    objects = _objects(_get(content, "objects", list))
    skeleton = _get(content, "skeleton", str)
    _expect(skeleton in SKELETONS, f"there is no skeleton '{skeleton}': expected one of {', '.join(SKELETONS)}")
    # joints and masks by frame
    joints = {name: _joints(name, places, video) for name, places in _get(content, "joints", dict).items()}
    masks = _masks(file, _get(content, "masks", dict), video, objects)
    settings = content.get("settings", {})
    _expect(isinstance(settings, dict), "its 'settings' are not what the studio writes")
    # the marks of the chosen skeleton
    here = joints.pop(skeleton, {})
    no_mask, no_joints = np.zeros(video.size, np.uint8), np.full((len(SKELETONS[skeleton].names), 2), np.nan)
    keys = {t: Marks(masks.get(t, no_mask), here.get(t, no_joints)) for t in sorted(masks.keys() | here.keys())}
    return Project(video, objects, skeleton, keys, joints, settings, _part(content.get("part"), video))


def _entry(file: zipfile.ZipFile, name: str, largest: int) -> bytes:
    """Read one entry of the zip file, whatever it claims about its size."""
    try:
        info = file.getinfo(name)
    except KeyError:
        raise _Wrong(f"it lacks {name}") from None
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError  # other kinds raise errors of their own
    with file.open(info) as entry:
        data = entry.read(largest + 1) if info.file_size <= largest else b""
    _expect(info.file_size <= largest and len(data) <= largest, f"{name} in it is larger than {largest / 1e6:.0f} MB")
    return data


def _json(data: bytes) -> dict:
    try:
        content = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        content = None
    _expect(isinstance(content, dict), "its project.json is damaged")
    return content


def _check_format(content: dict) -> None:
    form = content.get("format")
    newer = re.fullmatch(r"tinytrack project (\d{1,9})", form) if isinstance(form, str) else None
    _expect(not newer or int(newer[1]) <= 1, "a newer version of tinytrack saved it: update tinytrack to open it")
    _expect(form == FORMAT, f"its project.json is not from the studio: expected the format '{FORMAT}'")


def _get(content: dict, name: str, kind: type | tuple):
    """Look up what every project has."""
    _expect(name in content, f"its project.json lacks '{name}'")
    value = content[name]
    _expect(isinstance(value, kind) and not isinstance(value, bool), f"'{name}' in its project.json is not what the studio writes")
    return value


def _text(value: object, what: str) -> str:
    """Check a text that comes from a file: some can be neither shown nor used as a path."""
    try:
        usable = isinstance(value, str) and bool(value.strip()) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        usable = False
    _expect(usable, f"{what} is not a text that can be shown")
    return value


def _video(content: dict) -> VideoFacts:
    size, frames = _get(content, "size", list), _get(content, "frames", int)
    whole = len(size) == 2 and all(type(n) is int and 0 < n < 100_000 for n in size)
    _expect(whole and 0 < frames < 10**9, "the size and number of frames in its project.json are not those of a video")
    source = content.get("source")
    return VideoFacts(
        None if source is None else _text(source, "the path of its video"),
        _text(_get(content, "title", str), "the name of its video"),
        (size[0], size[1]),
        frames,
        _get(content, "fingerprint", str),
    )


def _objects(content: list) -> list[str | None]:
    _expect(all(item is None or isinstance(item, dict) for item in content), "its 'objects' are not what the studio writes")
    names = [None if item is None else _text(item.get("name"), "the name of an object") for item in content]
    known = [name for name in names if name is not None]
    _expect(len(names) <= MAX_OBJECTS, f"it has {len(names)} objects: expected at most {MAX_OBJECTS}")
    _expect(bool(known), "it has no object")
    _expect(len(set(known)) == len(known), "two of its objects have the same name")
    return names


def _part(content: object, video: VideoFacts) -> tuple[int, int] | None:
    """Check the part of the video that is tracked and exported."""
    if content is None:
        return None
    whole = isinstance(content, list) and len(content) == 2 and all(type(t) is int for t in content)
    _expect(whole and 0 <= content[0] <= content[1] < video.frames, f"its part is not [first, last] of frames 0 to {video.frames - 1}")
    return content[0], content[1]


def _frame(text: str, video: VideoFacts) -> int:
    valid = re.fullmatch("[0-9]{1,9}", text) and int(text) < video.frames
    _expect(bool(valid), f"it has marks on frame '{text[:20]}': expected a frame from 0 to {video.frames - 1}")
    return int(text)


def _joints(skeleton: str, content: object, video: VideoFacts) -> dict[int, np.ndarray]:
    """Return the keypoints of one skeleton: {frame: positions}."""
    _expect(skeleton in SKELETONS, f"there is no skeleton '{skeleton}': expected one of {', '.join(SKELETONS)}")
    _expect(isinstance(content, dict), f"the joints of '{skeleton}' are not what the studio writes")
    height, width = video.size
    names, result = SKELETONS[skeleton].names, {}
    for text, places in content.items():
        t = _frame(text, video)
        _expect(isinstance(places, dict), f"the joints on frame {t} are not what the studio writes")
        xy = np.full((len(names), 2), np.nan)
        for name, place in places.items():
            _expect(name in names, f"the skeleton '{skeleton}' has no joint '{name}'")
            numbers = isinstance(place, list) and len(place) == 2 and all(type(v) in (int, float) for v in place)
            inside = numbers and -1 <= place[0] <= width and -1 <= place[1] <= height  # False for NaN too
            _expect(bool(inside), f"the joint '{name}' on frame {t} is not a pair of numbers inside the {width}x{height} video")
            xy[names.index(name)] = place
        result[t] = xy
    return result


def _masks(file: zipfile.ZipFile, content: dict, video: VideoFacts, objects: list[str | None]) -> dict[int, np.ndarray]:
    """Return the masks: {frame: ids}."""
    frames = {_frame(text, video): name for text, name in content.items()}
    pixels = len(frames) * video.size[0] * video.size[1]
    _expect(pixels <= LARGEST_PIXELS, f"its masks have {pixels / 1e6:.0f} million pixels: expected at most {LARGEST_PIXELS / 1e6:.0f}")
    masks = {}
    for t, name in frames.items():
        _expect(name is None or isinstance(name, str), f"the mask of frame {t} is not the name of a PNG")
        masks[t] = np.zeros(video.size, np.uint8) if name is None else _mask(_entry(file, name, LARGEST_MASK), name, video.size)
        for n in np.unique(masks[t][masks[t] > 0]).tolist():
            _expect(n <= len(objects) and objects[n - 1] is not None, f"{name} in it has an object {n}, which has no name")
    return masks


def _mask(data: bytes, name: str, size: tuple[int, int]) -> np.ndarray:
    """Decode the PNG of a mask."""
    from PIL import Image

    height, width = size
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            # compare the size before decoding: a small file can declare more pixels than fit into memory
            found = f"{picture.width}x{picture.height}"
            _expect(picture.size == (width, height), f"{name} in it is {found}: expected {width}x{height} like the video")
            _expect(picture.mode in ("P", "L"), f"{name} in it is not a mask: expected a PNG with a palette")
            return np.array(picture)
    except (OSError, ValueError, SyntaxError, zlib.error, Image.DecompressionBombError) as error:  # all that Pillow raises for damaged ones
        raise _Wrong(f"{name} in it is damaged") from error
