"""Find the videos in folders, and those that ``train SOURCE...`` names."""

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ..errors import ClipError
from ..io.container import is_video
from ..io.paths import user_path
from ..io.pictures import count_pictures, is_stack
from ..io.series import IMAGES
from ..io.video import Video
from .clips import CLIPS, open_clip
from .davis import Davis

NAMED = 10  # files that are no videos and are named
# Endings of video files. Files with other endings are videos too if FFmpeg can open them (which also settles what a .ts file is).
VIDEO_ENDINGS = set(
    ".3g2 .3gp .apng .asf .avi .f4v .flv .gif .m1v .m2t .m2ts .m2v .m4v .mkv .mov .mp4 .mpe .mpeg .mpg .mts .mxf .ogm .ogv .qt .vob .webm"
    " .wmv .y4m".split()
)


class VideoFolder:
    """All videos below a folder, files as well as folders of frames, in the order of their paths.

    Attributes:
        paths: the videos; whether they can be read has not been tried.
        others: files that are neither videos nor pictures.

    Raises:
        ClipError: if there are none.
    """

    def __init__(self, root: str | os.PathLike):
        self.root = user_path(root)
        found, seen = [], set()
        self.others: list[Path] = []
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
            paths = [Path(folder, f) for f in sorted(files) if not f.startswith(".")]
            paths = [path for path in paths if path.is_file() or path.is_symlink()]  # no pipes, which would never end
            pictures = [path for path in paths if path.suffix.lower() in IMAGES]
            for path in paths:
                if path.suffix.lower() in VIDEO_ENDINGS:
                    found.append(path)
                elif path.suffix.lower() not in IMAGES:
                    (found if is_video(path) or is_stack(path) else self.others).append(path)
            # several pictures are the frames of one video, unless each file holds several
            if pictures and count_pictures(pictures[0]) > 1:
                found += pictures
            elif len(pictures) > 1:
                found.append(Path(folder))
            else:
                self.others += pictures
        if not found:
            raise ClipError(f"'{self.root}' holds no videos: expected video files or folders of frames")
        self.paths = found

    def left_out(self, ours: Collection[Path] = ()) -> str:
        """Return a sentence that names the files that are no videos, except ``ours``; empty if there are none."""
        names = [os.path.relpath(path, self.root) for path in self.others if path not in ours]
        if not names:
            return ""
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return f"left out, because they are no videos: {', '.join(names[:NAMED])}{more}"

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Video]:
        for path in self.paths:
            yield Video(path, name=str(path.relative_to(self.root)) if path != self.root else path.name)


def training_videos(sources: list[str], tell: Callable[[str], None] = lambda text: None) -> list[Video]:
    """Open the videos that ``train SOURCE...`` names.

    Args:
        sources: names of clips, DAVIS trees (their *train* split), video files, folders of frames or of videos.
        tell: called with a sentence on files in the folders that are no videos.

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
            folder = VideoFolder(path)
            if folder.left_out():
                tell(folder.left_out())
            videos += list(folder)
        else:
            videos.append(open_clip(source))
    return videos


def _has_split(davis: Davis, split: str) -> bool:
    try:
        return bool(davis.sequences(split))
    except ClipError:
        return False
