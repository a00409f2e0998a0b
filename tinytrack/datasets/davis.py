"""Read DAVIS 2016 and 2017, videos with a mask for every frame."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import ClipError, describe_os_error
from ..io.paths import user_path
from ..io.video import Video, list_images

# The official splits of DAVIS 2016, for trees that contain no lists of them.
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
        year: 2016 (everything that is not background is one object) or 2017 (one palette id per object).
        resolution: "480p", "240p" ...; None takes the finest one that is there for each sequence.

    Raises:
        ClipError: if the folder does not have this layout.
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
        """List the sequences of a split ("train", "val"): those in its ImageSets file or, without one, the official ones of 2016.

        Raises:
            ClipError: if there is no list, and the tree lacks sequences of the official one.
        """
        for folder in (str(self.year), "480p", "1080p"):
            path = self.root / "ImageSets" / folder / f"{split}.txt"
            if path.is_file():
                # The lists of 2016 hold pairs of paths, /JPEGImages/480p/bear/00000.jpg ...; later ones hold names.
                lines = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
                names = [Path(line).parent.name if "/" in line else line for line in lines]
                return list(dict.fromkeys(names))
        names = SPLITS_2016.get(split, ()) if self.year == 2016 else ()  # the 2017 archive has no lists of 2016
        if names and all(any(self.root.glob(f"JPEGImages/{self.resolution or '*'}/{name}")) for name in names):
            return list(names)
        raise ClipError(f"'{self.root}' has no list of the {self.year} split '{split}': expected ImageSets/{self.year}/{split}.txt")

    def _folder(self, kind: str, sequence: str) -> Path:
        """Find the folder of a sequence in ``JPEGImages`` or ``Annotations``."""
        wanted = [self.resolution] if self.resolution else ["Full-Resolution", "1080p", "480p", "240p"]
        for resolution in wanted:
            folder = self.root / kind / resolution / sequence
            if folder.is_dir():
                return folder
        raise ClipError(f"'{self.root}' has no {kind} of the sequence '{sequence}' at {' or '.join(wanted)}")

    def has(self, sequence: str) -> bool:
        """Tell whether both frames and masks of a sequence are on this machine."""
        try:
            self._folder("JPEGImages", sequence)
            self._folder("Annotations", sequence)
        except ClipError:
            return False
        return True

    def video(self, sequence: str) -> Video:
        """Open the frames of a sequence."""
        return Video(self._folder("JPEGImages", sequence), name=sequence)

    def mask(self, sequence: str, frame: int) -> np.ndarray:
        """Read the object ids of one frame, uint8 (H, W): 0 and 1 for 2016; palette ids for 2017, where 255 is void."""
        from PIL import Image

        path = self._folder("Annotations", sequence) / f"{frame:05d}.png"
        try:
            with Image.open(path) as picture:
                if self.year == 2017:
                    if picture.mode != "P":
                        raise ClipError(f"'{path}' has no palette: expected object ids of DAVIS 2017 (is this a 2016 tree?)")
                    return np.array(picture)
                # The files are L, LA or P. Converted to L, every pixel but the background is above 0.
                return (np.array(picture.convert("L")) > 0).astype(np.uint8)
        except OSError as error:
            raise ClipError(f"'{path}' cannot be read: {describe_os_error(error)}") from error

    def masks(self, sequence: str) -> Iterator[np.ndarray]:
        """Yield the object ids of every frame in order. See :meth:`mask`."""
        for path in list_images(self._folder("Annotations", sequence)):
            yield self.mask(sequence, int(path.stem))
