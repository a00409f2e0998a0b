"""Find the videos in folders, and those that ``train SOURCE...`` names."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import ClipError
from ..io.paths import user_path
from ..io.video import IMAGES, Video
from .clips import CLIPS, open_clip
from .davis import Davis

VIDEO_ENDINGS = {".mp4", ".webm", ".gif", ".avi", ".mov", ".mkv", ".m4v"}


class VideoFolder:
    """All videos below a folder, files as well as folders of frames, in the order of their paths.

    Raises:
        ClipError: if there are none.
    """

    def __init__(self, root: str | os.PathLike):
        self.root = user_path(root)
        found, seen = [], set()
        for folder, names, files in os.walk(self.root, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:  # a link to a folder that has been listed already, or that contains this one
                names.clear()
                continue
            seen.add(real)
            names.sort()
            names[:] = [n for n in names if not n.startswith(".")]
            if "JPEGImages" in names or "JPEGImages" in (self.root.name, self.root.absolute().parent.name):
                tree = folder if "JPEGImages" in names else str(self.root)
                # In a plain folder, the val split and even the annotations would count as videos.
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
    """Open the videos that ``train SOURCE...`` names.

    Args:
        sources: names of clips, DAVIS trees (their *train* split), video files, folders of frames or of videos.

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
