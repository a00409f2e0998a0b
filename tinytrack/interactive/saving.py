"""The studio's fourth step: save what was marked as a project file, and open such a file again."""

import itertools
import os
from pathlib import Path

from ..errors import OutputError, ProjectError, TinytrackError
from ..io.paths import typed_path, user_path
from ..io.results import stamp
from .marking import Marking
from .project import Project
from .project_file import ENDING, read_project, write_project


def project_path(text: str) -> Path:
    """Turn what a person typed into the path of a project file; the ending may be left out.

    Raises:
        TinytrackError: if nothing was typed.
    """
    text = typed_path(text)
    if not text:
        raise TinytrackError(f"type a name for the project: NAME{ENDING}")
    return user_path(text if is_project(text) else text.removesuffix(".tinytrack") + ENDING)


def is_project(name: str) -> bool:
    """Tell a project from a video by its name; a browser may have changed NAME.tinytrack.zip to NAME.tinytrack (1).zip."""
    return name.lower().endswith(".zip")


def free_name(title: str) -> str:
    """Suggest a name for the project of a video: one that no file in the working folder has."""
    stem = Path(title).stem
    names = itertools.chain([f"{stem}{ENDING}"], (f"{stem}-{n}{ENDING}" for n in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


def _place(path: Path) -> str:
    """Return where a file is, after all links on the way to it."""
    return os.path.join(os.path.realpath(path.parent), path.name)


class Saving(Marking):
    """The widgets with which a person saves and opens projects.

    Attributes:
        own: the project files of the current video that this studio has saved or opened, which it may replace: {place: stamp}.
        kept: what the project file holds; opening another video forgets nothing of that.
    """

    def __init__(self):
        self.own: dict[str, str] = {}
        self.kept: tuple | None = None
        super().__init__()

    def contents(self) -> tuple[dict, list]:
        """Return the marks and names of the current video, to tell whether they have changed."""
        return self.marks(), list(self.session.objects)

    def settings(self) -> dict[str, str | bool]:
        """Return what is chosen for tracking; the detail by the first word of its label."""
        return {"network": self.model.value, "detail": self.detail.value.split()[0], "colours": self.colors.value}

    def save_project(self) -> None:
        """Save the marks and settings as a project file, which replaces only a file that this studio saved or opened itself.

        Raises:
            OutputError: if it would replace another file, or cannot be written.
        """
        path = project_path(self.project.value)
        if os.path.lexists(path):
            known = self.own.get(_place(path))
            if known is None:
                raise OutputError(f"'{path}' exists, and was neither saved nor opened here with this video: choose another name")
            if stamp(path) != known:
                raise OutputError(f"'{path}' has changed since it was saved or opened here: choose another name")
        write_project(path, Project.of(self.session, self.autosave.video, self.settings()))
        self._keep(path, stamp(path))
        self.project.value = str(path)
        frames = ", ".join(map(str, self.session.key_frames)) or "none"
        self.say(f"saved the project {path.name} ({path.resolve()}); marked frames: {frames}")
        self.look()

    def _keep(self, path: Path, state: str | None) -> None:
        """Remember that a file holds the current marks; a link is not replaced later."""
        self.saved, self.kept = self.marks(), self.contents()
        if state is not None:
            self.own[_place(path)] = state

    def open_project(self, name: str) -> None:
        """Open a project: its video, its marks and its settings. If that is impossible, the current video and marks stay as they are.

        Raises:
            TinytrackError: if the file is no intact project, or something is running, or marks would be forgotten.
        """
        path = project_path(name)
        self.check_idle()
        state = stamp(path)
        project = read_project(path)  # a damaged file is reported before the warning
        options = {
            "network": [value for _, value in self.model.options],
            "detail": [text.split()[0] for text in self.detail.options],
            "colours": [False, True],
        }
        for setting, value in project.settings.items():
            if setting in options and value not in options[setting]:
                expected = ", ".join(map(str, options[setting]))
                raise ProjectError(f"cannot open the project '{path}': its {setting} is '{value}', expected one of {expected}")
        self.check_kept(str(path))
        self.begin(self.run_open_project(path, project, state))

    async def run_open_project(self, path: Path, project: Project, state: str | None) -> None:
        """Read the video of a project, then restore the marks and settings."""
        async with self.working("cancelled; nothing was opened") as work:
            current = self.session
            read = lambda tell: project.open_video(path.parent, current, tell)  # noqa: E731
            session = await work.run(read, self.reading(project.video.title))
            # everything fits, so nothing can fail any more
            self.take(session)
            self.skeleton.value = project.skeleton
            project.restore(self.session)
            # colours choose the network, so they come first
            self.colors.value = project.settings.get("colours", False)
            self.model.value = project.settings.get("network", self.model.value)
            details = {text.split()[0]: text for text in self.detail.options}
            self.detail.value = details.get(project.settings.get("detail"), self.detail.value)
            first, last = project.part or (0, len(session) - 1)
            self.first.value, self.last.value = first, last
            self.name_objects()
            self.frame.value = min(project.keys, default=0)
            # an upload is a copy that nobody will look for
            if self.upload.owns(path):
                self.project.value = free_name(path.name.removesuffix(".zip"))
                self._keep(path, None)
            else:
                self.project.value = str(path)
                self._keep(path, state)
            changed = " Note: the frames differ from those that were marked, so look whether the marks still fit."
            changed = changed if self.autosave.video.fingerprint != project.video.fingerprint else ""
            frames = ", ".join(map(str, project.frames)) or "none"
            self.say(
                f"opened the project {path.name} with {session.video.title}; marked frames: {frames}. Press Track.{changed}{self.notes()}"
            )
