"""Keep a person's marks on disk while they work, so that a later session can bring them back after a crash or a closed page.

Each session writes one small project file into the cache folder, again after each mark; no session writes into the file of another one. A
file is found by the frames of its video, so it does not matter where the video lies or whether it was uploaded. Old files are removed.
"""

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

from ..errors import OutputError, ProjectError
from ..io.atomic import runs
from ..io.paths import cache_folder
from .project import Project, VideoFacts
from .project_file import ENDING, read_project, write_project
from .session import Session

NAME = re.compile(r"[0-9a-f]{24}-(?P<pid>[0-9]+)-[0-9a-f]{8}\.(tinytrack\.zip|json)")  # json: earlier versions wrote it
KEPT_DAYS, KEPT_FILES = 90, 50


class Autosave:
    """The file in which the marks of one session are kept.

    Args:
        uploaded: whether the video is an upload, whose copy does not outlive the kernel.

    Attributes:
        video: which video it is.
        earlier: the newest file that an earlier session with the same video left behind; None if there is none.
    """

    def __init__(self, session: Session, uploaded: bool = False):
        self.session = session
        self.video = VideoFacts.of(session, uploaded)
        self._last = ({}, {}, list(session.objects))  # what the file holds
        folder = cache_folder() / "studio"
        prune(folder)
        self._path = folder / f"{self.video.fingerprint}-{os.getpid()}-{secrets.token_hex(4)}{ENDING}"
        files = sorted(folder.glob(f"{self.video.fingerprint}-*{ENDING}"), key=_written, reverse=True)
        self.earlier = next((path for path in files if _read(path, session) is not None), None)

    def save(self) -> None:
        """Write the marks, if they have changed since the last time.

        Raises:
            OutputError: if they cannot be written.
        """
        aside = {names: list(places) for names, places in self.session.aside.items() if places}
        now = (dict(self.session.keys), aside, list(self.session.objects))
        if now == self._last:
            return
        self._last = now  # also after an error, which would otherwise come back after each mark
        write_project(self._path, Project.of(self.session, self.video))

    def read(self) -> Project:
        """Read what the earlier session left behind.

        Raises:
            OutputError: if the file cannot be read any more.
        """
        saved = None if self.earlier is None else _read(self.earlier, self.session)
        if saved is None:
            raise OutputError(f"cannot read the marks in '{self.earlier}': expected a file that the studio wrote for this video")
        return saved


def prune(folder: Path) -> None:
    """Remove what sessions left behind long ago: files that are older than 90 days, and all but the newest 50.

    The file of a running session stays. Its name holds the number of its process. If several computers share the folder, that number may
    mean nothing here, but a session whose file is gone writes all its marks again with the next one.
    """
    with contextlib.suppress(OSError):  # there is no folder yet, or another session removes the same files
        files = sorted((path for path in folder.iterdir() if NAME.fullmatch(path.name)), key=_written, reverse=True)
        for n, path in enumerate(files):
            old = n >= KEPT_FILES or _written(path) < time.time() - 86400 * KEPT_DAYS
            if old and not runs(int(NAME.fullmatch(path.name)["pid"])):
                path.unlink(missing_ok=True)


def _written(path: Path) -> float:
    """Return the time at which a file was written; 0 if it has just disappeared."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _read(path: Path, session: Session) -> Project | None:
    """Read the marks of an earlier session; None if the file cannot be read, is damaged, holds no marks, or does not fit the video."""
    try:
        saved = read_project(path)
    except ProjectError:
        return None
    return saved if saved.video.fits(session) and saved.frames else None
