"""Read BADJA, hand-labelled keypoints of animals in DAVIS sequences."""

import json
import os

import numpy as np

from ..errors import ClipError
from ..io.frames import rescale
from ..io.paths import user_path
from ..io.video import Video
from .davis import Davis


class Badja:
    """Hand-labelled keypoints of animals in DAVIS sequences.

    Args:
        path: the JSON file, or the folder that holds ``badja_480p.json``.
        davis: the tree with the frames; keypoints are returned in the pixels of these frames.

    Raises:
        ClipError: if the file is missing or malformed.
    """

    SIZE = (480, 854)  # (height, width) of the frames in which the file gives its keypoints

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
        """List the labelled sequences whose frames are on this machine."""
        found = []
        for name in self._labels:
            try:
                self.davis.video(name)
            except ClipError:
                continue
            found.append(name)
        return found

    def video(self, sequence: str) -> Video:
        """Open the frames of a sequence."""
        return self.davis.video(sequence)

    def joints(self, sequence: str) -> dict[int, np.ndarray]:
        """Return the keypoints of each labelled frame: frame -> (J, 2) in pixels of the frames in ``davis``, NaN where not visible."""
        if sequence not in self._labels:
            raise ClipError(f"BADJA has no sequence '{sequence}': expected one of {', '.join(self._labels)}")
        video = self.video(sequence)
        joints = {}
        for frame, label in self._labels[sequence].items():
            xy = rescale(label["xy"], self.SIZE, (video.height, video.width))
            xy[~np.array(label["visible"], dtype=bool)] = np.nan
            joints[int(frame)] = xy
        return dict(sorted(joints.items()))
