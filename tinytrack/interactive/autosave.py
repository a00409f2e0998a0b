"""Keep a person's marks on disk while they work, so that a later session can bring them back after a crash or a closed page.

Each session writes one small file into the cache folder, again after each mark; no session writes into the file of another one. A file is
found by the frames of its video, so it does not matter where the video lies or whether it was uploaded.
"""

import base64
import hashlib
import io
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import OutputError
from ..io.atomic import write_json
from ..io.masks import MAX_OBJECTS, write_mask
from ..io.paths import cache_folder
from .marks import Marks, Step
from .session import Session
from .skeletons import SKELETONS

FORMAT = "tinytrack marks 1"
SAMPLES = 32  # frames that identify a video


def video_key(session: Session) -> str:
    """Return a text that is the same for every session with the same video."""
    digest = hashlib.sha256(f"{len(session)} frames of {session.size}".encode())
    for t in np.unique(np.linspace(0, len(session) - 1, SAMPLES).round().astype(int)):
        digest.update(session.frame(int(t)).tobytes())
    return digest.hexdigest()[:24]


class Autosave:
    """The file in which the marks of one session are kept.

    Attributes:
        earlier: the newest file that an earlier session with the same video left behind; None if there is none.
    """

    def __init__(self, session: Session):
        self.session = session
        self._last: tuple = ({}, list(session.objects))  # what the file holds: the marks and the names
        self._folder = cache_folder() / "studio"
        key = video_key(session)
        self._path = self._folder / f"{key}-{os.getpid()}-{secrets.token_hex(4)}.json"
        files = [path for path in self._folder.glob(f"{key}-*.json") if _read(path, session) is not None]
        self.earlier = max(files, key=lambda path: path.stat().st_mtime, default=None)

    def save(self) -> None:
        """Write the marks, if they have changed since the last time.

        Raises:
            OutputError: if they cannot be written.
        """
        now = (dict(self.session.keys), list(self.session.objects))
        if now == self._last:
            return
        self._last = now  # also after an error, which would otherwise come back after each mark
        skeletons = {skeleton.names: name for name, skeleton in SKELETONS.items()}
        frames = {str(t): {"mask": _png(m.ids) if m.ids.any() else None, "joints": m.xy.tolist()} for t, m in self.session.keys.items()}
        write_json(
            self._path,
            {
                "format": FORMAT,
                "video": self.session.video.title,
                "size": list(self.session.size),
                "objects": self.session.objects,
                "skeleton": skeletons.get(self.session.joints.names),
                "frames": frames,
            },
        )

    def read(self) -> "Saved":
        """Read what the earlier session left behind.

        Raises:
            OutputError: if the file cannot be read any more.
        """
        saved = None if self.earlier is None else _read(self.earlier, self.session)
        if saved is None:
            raise OutputError(f"cannot read the marks in '{self.earlier}': expected a file that the studio wrote for this video")
        return saved


@dataclass(frozen=True)
class Saved:
    """The marks of an earlier session: names of the objects, name of the skeleton, {frame: marks}."""

    objects: list[str | None]
    skeleton: str
    keys: dict[int, Marks]

    def restore(self, session: Session) -> None:
        """Add the marks to a session that has their skeleton, in one step that can be undone; marks on other frames stay."""
        session.objects += [None] * (len(self.objects) - len(session.objects))
        names = {n: name or session.objects[n - 1] for n, name in enumerate(self.objects, start=1)}
        session.change(Step(min(self.keys), self.keys, names))


def _png(ids: np.ndarray) -> str:
    buffer = io.BytesIO()
    write_mask(buffer, ids)
    return base64.b64encode(buffer.getvalue()).decode()


def _read(path: Path, session: Session) -> Saved | None:
    """Read a file of marks; None if it cannot be read, is damaged, or does not fit the video."""
    from PIL import Image

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or tuple(content["size"]) != session.size:
            return None
        objects, count = [name if name is None else str(name) for name in content["objects"]], len(SKELETONS[content["skeleton"]].names)
        keys = {}
        for t, frame in content["frames"].items():
            ids, xy = np.zeros(session.size, np.uint8), np.array(frame["joints"], np.float64).reshape(count, 2)
            if frame["mask"] is not None:
                ids = np.array(Image.open(io.BytesIO(base64.b64decode(frame["mask"]))))
            if not (0 <= int(t) < len(session) and ids.shape == session.size and ids.max() <= len(objects) <= MAX_OBJECTS):
                return None
            keys[int(t)] = Marks(ids.astype(np.uint8), xy)
        return Saved(objects, content["skeleton"], keys) if keys else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # whatever is wrong with it, it is no file of marks
        return None
