"""DAVIS 2016 and 2017: videos with a mask for every frame."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import ClipError, describe_os_error
from ..io.paths import user_path
from ..io.video import Video, list_images

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
