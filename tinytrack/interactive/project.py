"""What a project of the studio holds: everything that a person marked in one video, and which video that is.

A project file (``project_file``) and the marks that are kept while a person works (``autosave``) both hold this. Tracks are not part of a
project: they can be tracked again from the marks.
"""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..datasets.clips import open_clip
from ..errors import ProjectError, TinytrackError
from .marks import Marks, Step
from .session import Session
from .skeletons import SKELETONS

NAMES = {skeleton.names: name for name, skeleton in SKELETONS.items()}
SAMPLES = 32  # frames that identify a video
AGAIN = "open the video by hand, then open the project again"


def fingerprint(session: Session) -> str:
    """Return a text that is the same for every session with the same video, wherever its file is.

    It depends on the decoded frames. Another version of the decoder may decode the same file a little differently, so a different
    fingerprint is a reason to look at the frames, but no proof of a different video.
    """
    digest = hashlib.sha256(f"{len(session)} frames of {session.size}".encode())
    for t in np.unique(np.linspace(0, len(session) - 1, SAMPLES).round().astype(int)):
        digest.update(session.frame(int(t)).tobytes())
    return digest.hexdigest()[:24]


@dataclass(frozen=True)
class VideoFacts:
    """How to find a video again, and to recognise it.

    Attributes:
        source: the name of a sample clip, or a path; None for an upload, whose copy does not outlive the kernel.
        title: the name that the user knows.
        size: (height, width) of its frames.
        frames: their number.
        fingerprint: see :func:`fingerprint`.
    """

    source: str | None
    title: str
    size: tuple[int, int]
    frames: int
    fingerprint: str

    @classmethod
    def of(cls, session: Session, uploaded: bool = False) -> "VideoFacts":
        """Collect the facts about the video of a session."""
        video = session.video
        source = None if uploaded else video.name or os.path.abspath(video.path)
        return cls(source, video.title, session.size, len(session), fingerprint(session))

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.size[1]}x{self.size[0]}"

    def fits(self, session: Session) -> bool:
        """Tell whether a session's video has the same number and size of frames, so that the marks have a place in it."""
        return (self.frames, self.size) == (len(session), session.size)


@dataclass(frozen=True)
class Project:
    """The marks of one video.

    Attributes:
        video: which video it is.
        objects: the names of the objects 1, 2, ...; None for one that was deleted.
        skeleton: the name of the chosen skeleton.
        keys: {frame: marks}, with the keypoints of this skeleton.
        aside: the keypoints of the other skeletons: {name of the skeleton: {frame: positions}}.
        settings: "network", "detail" and "colours" as chosen in the studio; what is missing stays as it is.
        part: the first and last frame that are tracked and exported; None for all.
    """

    video: VideoFacts
    objects: list[str | None]
    skeleton: str
    keys: dict[int, Marks]
    aside: dict[str, dict[int, np.ndarray]]
    settings: dict[str, str | bool] = field(default_factory=dict)
    part: tuple[int, int] | None = None

    @classmethod
    def of(cls, session: Session, video: VideoFacts, settings: dict | None = None) -> "Project":
        """Collect the marks of a session; the facts about its video are given, because they take longer than the marks."""
        aside = {NAMES[names]: dict(places) for names, places in session.aside.items() if places}
        keys = dict(sorted(session.keys.items()))
        return cls(video, list(session.objects), NAMES[session.joints.names], keys, aside, settings or {}, session.cut)

    @property
    def frames(self) -> list[int]:
        """The frames that hold marks, also those with keypoints of another skeleton only."""
        return sorted(self.keys.keys() | {t for places in self.aside.values() for t in places})

    def restore(self, session: Session) -> None:
        """Choose the skeleton, and add the marks in one step that can be undone; marks on other frames stay."""
        if NAMES[session.joints.names] != self.skeleton:
            session.choose(SKELETONS[self.skeleton])
        for name, places in self.aside.items():
            names = SKELETONS[name].names
            session.aside[names] = session.aside.get(names, {}) | places
        # a deleted object stays deleted, unless the session has marks of an object with its number
        session.objects += [None] * (len(self.objects) - len(session.objects))
        used = set().union(*(marks.numbers for t, marks in session.keys.items() if t not in self.keys))
        names = {n: session.objects[n - 1] if name is None and n in used else name for n, name in enumerate(self.objects, start=1)}
        session.change(Step(min(self.keys, default=0), self.keys, names))

    def open_video(self, folder: Path, current: Session | None, tell: Callable[[int, int], None]) -> Session:
        """Return a session without marks whose video is the project's.

        The video that is open now is preferred if its frames are those that were marked. Otherwise the video is read from where it was, or
        from ``folder``. The video that is open now is also taken if there is none, and its size and number of frames fit.

        Args:
            folder: the folder of the project file; a video that was moved together with the project is found there.
            current: the session with the video that is open now; None if there is none.
            tell: called with (frames read, bytes of memory) after each frame.

        Raises:
            ProjectError: if there is no such video any more.
        """
        fitting = current is not None and self.video.fits(current)
        if fitting and fingerprint(current) == self.video.fingerprint:
            return current.without_marks()
        try:
            return self._read_video(folder, tell)
        except TinytrackError:
            if fitting:
                return current.without_marks()
            raise

    def _read_video(self, folder: Path, tell: Callable[[int, int], None]) -> Session:
        source, title = self.video.source, self.video.title
        # a sample clip's name has no slash; a path that leads nowhere any more may have moved together with the project
        if source is None or (re.search(r"[/\\]", source) and not os.path.exists(source)):
            beside = folder / re.split(r"[/\\]", source or title)[-1]
            if not os.path.exists(beside):
                gone = f"'{title}' of this project was uploaded" if source is None else f"'{source}' of this project is not there any more"
                raise ProjectError(f"the video {gone}: {AGAIN}")
            source = str(beside)
        try:
            session = Session(open_clip(source))
            if session.size == self.video.size:  # otherwise it is not worth reading
                for count in session.read():
                    tell(count, session.memory)
        except TinytrackError as error:
            raise ProjectError(f"cannot open the video of this project, {error}; {AGAIN}") from error
        if not self.video.fits(session):
            height, width = session.size
            found = f"{len(session) or ''} frames of {width}x{height}".strip()
            raise ProjectError(f"'{source}' is not the video of this project any more: it has {found}, expected {self.video}; {AGAIN}")
        return session
