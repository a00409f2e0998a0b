"""The studio: what its widgets do. ``controls`` makes the widgets; ``session`` and ``export`` do the work itself."""

import contextlib
import html
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import torch

from .. import draw
from ..datasets.clips import open_clip
from ..errors import TinytrackError, describe_os_error
from ..io.paths import typed_path, user_path
from ..io.results import made_by
from ..model import Model, best_device, best_weights, load_model
from ..propagate import REFINED, Protocol
from .autosave import Autosave
from .background import Cancelled, Work, start
from .clicks import Clicks
from .controls import CLICK, DETAIL, POLYGON
from .export import EXPORTS, export
from .follow import Follow
from .layout import Demo, css_color
from .pace import Pace
from .saving import Saving, free_name, is_project
from .session import Session
from .skeletons import SKELETONS
from .timeline_rows import timeline_rows

MUCH = 300e6  # bytes; reading a long video says how much memory its frames take


class Studio(Saving):
    """See :func:`studio`. ``session`` holds marks and tracks; the widgets are attributes."""

    def __init__(self, device: str):
        self.device = device
        self.session: Session | None = None
        self.work: Work | None = None
        self.wrong, self.told = False, 0  # whether the status shows an error, and how many texts it has shown
        self.step = "open"  # the step whose control was used last: errors are also shown there
        self.saved: dict = {}  # the marks that were exported last
        self.autosave: Autosave | None = None
        self.sure = ""  # the video for which the user was warned that opening it discards the marks
        self.held: int | None = None  # the frame on which a joint is being dragged
        self.models: dict[str, Model] = {}
        self.clicks = Clicks()
        super().__init__()
        self._connect()
        self.name_objects()
        self.name_joints()
        self.settle()

    def _connect(self) -> None:
        """Connect the widgets to what they do."""
        # buttons, by the step that they belong to
        clicks = {
            "open": {self.open_clip: lambda: self.load(self.clip.value), self.open_path: lambda: self.load(self.path.value)},
            "mark": {
                self.add: self.add_object,
                self.rename: self.rename_object,
                self.delete: self.delete_object,
                self.absent: lambda: self.place(None),
                self.delete_joints: self.remove_joints,
                self.undo: self.take_back,
                self.redo: self.do_again,
                self.clear: self.clear_frame,
                self.restore: self.bring_back,
            },
            "track": {
                self.track: lambda: self.begin(self.run_track()),
                self.cancel: lambda: self.work and self.work.cancel(),
            },
            "export": {
                self.export: lambda: self.begin(self.run_export()),
                self.save: self.save_project,
                self.reopen: lambda: self.open_project(self.project.value),
            },
        }
        for step, buttons in clicks.items():
            for button, action in buttons.items():
                button.on_click(lambda _, action=action, step=step: self.attempt(action, step))
        # the picture
        self.stage.on_point(lambda *event: self.follows(event[0]) and self.attempt(lambda: self.pointed(*event)))
        self.stage.on_stroke(lambda points: self.attempt(lambda: self.stroke(points)))
        self.stage.on_polygon(lambda corners: self.attempt(lambda: self.fill(corners)))
        self.stage.on_key(lambda key: self.attempt(lambda: self.pressed(key)))
        self.upload.on_file = self.uploaded
        self.upload.on_error = self.refused
        self.upload.on_progress = lambda share: self.say(f"uploading: {100 * share:.0f} %")
        # the other controls
        self.skeleton.observe(lambda _: self.attempt(self.choose), "value")
        self.polygon.observe(lambda change: change["new"] and self.switch(self.click, POLYGON), "value")
        self.click.observe(lambda change: change["new"] and self.switch(self.polygon, CLICK), "value")
        self.stage.observe(lambda _: self.kind.value == "joints" and self.look(), "magnification")
        self.timeline.on_frame(lambda frame: setattr(self.frame, "value", frame))
        for control in (self.kind, self.which, self.radius, self.eraser, self.polygon, self.click):
            control.observe(lambda _: self.settle(), "value")
        self.first.observe(
            lambda change: self.attempt(lambda: self.choose_part(last=max(change["new"], self.last.value)), "track"), "value"
        )
        self.last.observe(
            lambda change: self.attempt(lambda: self.choose_part(first=min(change["new"], self.first.value)), "track"), "value"
        )
        self.colors.observe(lambda change: self.carry_colors(change["new"]), "value")
        for control in (self.frame, self.strength, self.kind, self.colors):
            control.observe(lambda _: self.look(), "value")
        self.which.observe(lambda _: self.look(), "hidden")

    def carry_colors(self, wanted: bool) -> None:
        """Carry colours or stop carrying them; only a network that sees gray can."""
        if self.session:
            self.session.colors = wanted
            self.model.value = "tiny-gray" if wanted else best_weights([self.session.frame(0)])

    def choose_part(self, first: int | None = None, last: int | None = None) -> None:
        """Choose the frames to track and export; the box that was not typed into gives way, so that the part is never empty."""
        self.first.value = self.first.value if first is None else first
        self.last.value = self.last.value if last is None else last
        if self.session:
            part = self.first.value, self.last.value
            self.session.cut = None if part == (0, len(self.session) - 1) else part

    # ---- status and picture

    def say(self, text: str, wrong: bool = False) -> None:
        """Show a text in the status line; an error is red, and is repeated next to the control that was used."""
        self.wrong, self.told, text = wrong, self.told + 1, " ".join(text.split())
        self.access.text = text
        look = ' class="tinytrack-wrong"' if wrong else ""
        self.status.value = f"<span{look}>{html.escape(text)}</span>"
        for step, note in self.near.items():
            note.value = self.status.value if wrong and step == self.step else ""

    def say_progress(self, text: str) -> None:
        """Show how far long work is, unless an error came up meanwhile: that one stays until the user does something else."""
        if not self.wrong:
            self.say(text)

    def complain(self, error: Exception) -> None:
        """Show an error in the status line; an uploaded file is named as the user knows it."""
        self.say(self.upload.shorten(str(error)), wrong=True)

    def attempt(self, action: Callable[[], object], step: str = "mark") -> None:
        """Run the action of a control; if it fails, the error is shown in one sentence and everything stays as it was."""
        told, sure, marks = self.told, self.sure, self.marks()
        self.step = step
        try:
            action()
            if self.sure == sure:
                self.sure = ""  # the user did something else after the warning
            if self.told == told and (self.wrong or self.marks() != marks):
                self.say("")  # the earlier error is settled, or the earlier message is about other marks
            if self.autosave and self.held is None:  # not during a drag
                self.autosave.save()
        except TinytrackError as error:
            self.complain(error)
        except OSError as error:
            self.say(f"cannot go on: {describe_os_error(error)}", wrong=True)
        self.look()

    def marks(self) -> dict:
        """Return the marks of the current video; they compare as equal only while nothing was marked in between."""
        return dict(self.session.keys) if self.session else {}

    def look(self) -> None:
        """Show the current frame with everything that is known about it."""
        if self.session is None or not len(self.session):
            return
        t = min(self.frame.value, len(self.session) - 1)
        stale = self.session.stale
        strength = self.strength.value * (0.5 if t in stale else 1.0)  # what is out of date is drawn faintly
        # what is known about this frame
        state = "<b>tracked</b>" if t in self.session.tracked else "<b>nothing here yet</b>"
        if t in self.session.key_frames:
            state = "<b>marked by you</b>"
        elif t == self.session.reference:
            state = "<b>gives the colours</b>"
        elif t not in self.session.part and t not in self.session.tracked:
            state = "<b>not chosen for tracking</b>"
        elif t in stale:
            state = '<span class="tinytrack-stale">out of date, the marks have changed since it was tracked</span>'
        keys = ", ".join(map(str, self.session.key_frames)) or "none"
        old = f"; {len(stale)} frames are out of date: press Track" if stale else ""
        self.shown.value = f"frame {t} of {len(self.session)}: {state}; marked frames: {keys}{old}"
        # the picture
        label = f"Frame {t} of {self.session.video.title}"
        picture = self.session.picture(t, strength, *self.closeness(), self.which.hidden)
        self.stage.show(picture, f"{label}, out of date" if t in stale else label)
        self.timeline.show(timeline_rows(self.session, self.kind.value), len(self.session), t)
        self.access.unsaved = bool(self.session.key_frames) and self.marks() != self.saved

    def settle(self) -> None:
        """Enable the controls that can be used now."""
        ready = self.session is not None and len(self.session) > 0
        busy = self.work is not None
        masks = self.kind.value == "masks"
        self.mask_panel.layout.display = None if masks else "none"
        self.joint_panel.layout.display = "none" if masks else None
        marking = (self.add, self.rename, self.delete, self.absent, self.delete_joints, self.undo, self.redo, self.clear, self.restore)
        for control in (*marking, self.track, self.first, self.last, self.export, self.save, self.colors, self.skeleton):
            control.disabled = busy or not ready
        for control in (self.open_clip, self.open_path, self.reopen, self.model, self.detail):
            control.disabled = busy
        self.cancel.disabled = not busy
        self.stage.active = ready and not busy
        self.stage.brush = self.radius.value if masks and not self.click.value else 0.0
        self.stage.polygon = masks and self.polygon.value
        self.stage.ink = "rgb(255,255,255)" if self.eraser.value else css_color(draw.object_color(self.which.value or 1))

    # ---- opening

    def load(self, name: str) -> None:
        """Open a clip, a file, a folder or a project; if it cannot be read, the current video stays open."""
        name = typed_path(str(name))
        if not name:
            raise TinytrackError("type the path of a video file or of a folder of frames")
        if is_project(name) and not user_path(name).is_dir():
            return self.open_project(name)
        self.check_idle()
        open_clip(name)  # a missing video is reported before the warning
        self.check_kept(name)
        self.begin(self.run_open(name))

    def check_kept(self, name: str) -> None:
        """Make sure that opening ``name`` forgets no marks, unless the user insists by opening it again.

        Raises:
            TinytrackError: the warning, at the first time.
        """
        what = self.upload.shorten(name)  # each upload of a file has another path
        marked = self.session is not None and (self.session.key_frames or any(self.session.aside.values()))
        if marked and self.contents() != self.kept and self.sure != what:
            self.sure = what
            again = "press the same button again" if what == name else f"press Open path, or upload {what} again"
            title = self.session.video.title
            raise TinytrackError(f"this forgets your marks on {title}: save the project or export them first, or {again}")

    def uploaded(self, path: Path) -> None:
        """Open a file that was uploaded."""
        self.path.value = str(path)
        self.attempt(lambda: self.load(str(path)), "open")

    def refused(self, error: TinytrackError) -> None:
        """Say why an upload failed."""
        self.step = "open"
        self.complain(error)

    async def run_open(self, name: str) -> None:
        """Read a video, then work on it."""
        async with self.working("cancelled; nothing was opened") as work:

            def read(tell):
                session = Session(open_clip(name))
                for count in session.read():
                    tell(count, session.memory)
                return session

            self.take(await work.run(read, self.reading(name)))

    def notes(self) -> str:
        """Return what is to be noted about the video."""
        notes = (*self.session.video.header.notes, *self.session.log.problems())
        return "".join(f" Note: {' '.join(note.split())}." for note in notes)

    def reading(self, name: str) -> Callable[[int, int], None]:
        """Return the function that shows how far a video is read."""

        def show(count: int, memory: int) -> None:
            much = f", {memory / 1e6:.0f} MB of memory; Cancel keeps the video that is open now" if memory >= MUCH else ""
            self.say_progress(f"reading {Path(name).name or name}: {count} frames{much}")

        return show

    def take(self, session: Session) -> None:
        """Switch to a video that has been read."""
        self.sure, self.colors.value, self.which.hidden = "", False, frozenset()
        session.choose(SKELETONS[self.skeleton.value])
        self.session, self.saved, self.clicks = session, {}, Clicks()
        self.autosave = Autosave(session, self.upload.owns(session.video.path))
        self.kept, self.own, self.project.value = None, {}, free_name(session.video.title)
        self.model.value = best_weights([session.frame(0)])
        height, width = session.size
        self.stage.size = (width, height)
        self.stage.polygon = False  # drops the corners that were set on another video; settle() switches it on again
        self.stage.width = round(min(640, 520 * width / height))
        self.radius.max = max(20.0, round(min(height, width) / 4))
        self.radius.value = max(2.0, round(min(height, width) / 18))
        self.playback.reset(len(session) - 1, min(max(session.video.fps, 1), 30))
        self.first.max = self.last.max = len(session) - 1
        self.first.value, self.last.value = 0, len(session) - 1
        self.name_objects()
        self.name_joints()
        facts = f"{session.video.title}: {len(session)} frames of {width}x{height}"
        earlier = " Restore brings back the marks of an earlier session." if self.autosave.earlier else ""
        self.say(f"{facts}. Mark something on the frame from which to start.{earlier}{self.notes()}")
        self.restore.layout.display = None if earlier else "none"
        self.settle()
        self.look()

    # ---- long work

    def begin(self, job: Coroutine) -> None:
        """Start a piece of long work, unless another one is running."""
        try:
            self.check_idle()
        except TinytrackError:
            job.close()
            raise
        self.work = Work()
        start(job)

    def check_idle(self) -> None:
        """Make sure that no long work is running.

        Raises:
            TinytrackError: if there is.
        """
        if self.work is not None:
            raise TinytrackError("something is running: wait until it is done, or press Cancel")

    @contextlib.asynccontextmanager
    async def working(self, cancelled: str):
        """Lock the controls during a piece of long work; if it fails, the error is shown in one sentence.

        Args:
            cancelled: what to say after Cancel.
        """
        self.settle()
        try:
            yield self.work
        except Cancelled:
            self.say(cancelled)
        except TinytrackError as error:
            self.complain(error)
        except (MemoryError, torch.OutOfMemoryError):
            self.say("there is not enough memory for this video: expected smaller frames", wrong=True)
        except OSError as error:
            self.say(f"cannot go on: {describe_os_error(error)}", wrong=True)
        finally:
            self.work, self.bar.value = None, 0
            self.settle()
            self.look()

    def progress(self, verb: str) -> Callable[[int, int], None]:
        """Return the function that shows the progress of long work."""
        pace = Pace()

        def show(done: int, total: int) -> None:
            self.bar.max, self.bar.value = max(total, 1), done
            self.say_progress(f"{verb}: {done} of {total} frames{pace.text(done, total)}" if total else f"{verb} ...")

        return show

    def protocol(self) -> Protocol:
        """Return the refined protocol at the chosen detail."""
        rows = DETAIL[self.detail.value]
        # finer cells as the command line has them; in coarser ones window and gate keep their cells, so that nothing gets too fast for them
        return REFINED.at_rows(rows) if rows > REFINED.size else replace(REFINED, size=rows)

    def network(self, name: str | None = None) -> Model:
        """Return a network, by default the chosen one; each is loaded once."""
        name = name or self.model.value
        if name not in self.models:
            self.models[name] = load_model(name, self.device)
        return self.models[name]

    async def run_track(self) -> None:
        """Track from the marked frames, and say how many frames were tracked."""
        async with self.working("cancelled; the frames that were tracked are kept, and Track goes on from there") as work:
            # the settings at the click, which may change while the work runs
            session = self.session
            name, frame, protocol = self.model.value, self.frame.value, self.protocol()
            count = len(session.part_keys)
            start_from = f"{count} marked frame(s)" if count else f"the colours of frame {frame}"

            def track(tell):
                model = self.network(name)
                count = 0
                for count, total in session.track(model, protocol, frame):
                    tell(count, total)
                return count

            follow, progress = Follow(self.frame, self.look), self.progress("tracking")

            def show(done, total):
                progress(done, total)
                if done:
                    follow.show(session.newest)

            try:
                count = await work.run(track, show)
            finally:
                follow.back()
            if not count:
                return self.say("there was nothing to track: a mark counts for the frames after it, and nothing has changed there")
            self.say(f"tracked {count} frames from {start_from}. Look for errors, correct one, track again.")

    async def run_export(self) -> None:
        """Export into the chosen folder, and name what was written."""
        async with self.working("cancelled; nothing was written") as work:
            session, out = self.session, self.out.value.strip() or "tinytrack-out"
            marks = self.marks()
            names = await work.run(lambda tell: export(session, out, tell), self.progress("writing"))
            self.saved = marks
            old = [name for name in EXPORTS if name in made_by(out, "studio") - set(names)]
            also = f"; from an earlier export there are still {', '.join(old)}" if old else ""
            self.say(f"wrote {', '.join(names)} into {out} ({user_path(out).resolve()}){also}")


def studio(clip: str | None = None, device: str | None = None) -> Demo:
    """Build the studio of notebook 09: mark objects or keypoints in your own video, track them, correct them, export.

    The video is a clip, a path or an upload. Masks of several objects are drawn with a brush, as polygons or by clicks, and keypoints are
    placed by clicks. A timeline below the picture shows which frames are marked, tracked, out of date, or without the object. While Track
    runs, the picture follows the frame that is being tracked, which takes about 2 % of the time.

    Args:
        clip: a clip's name or a path, which is read at once. (A project that was saved earlier is opened by its button.)
        device: default: a GPU if there is one.

    Raises:
        TinytrackError: if the clip cannot be read. For videos that are opened later, the widget itself shows the error.
    """
    demo = Studio(device or best_device())
    if clip is not None:
        session = Session(open_clip(clip))
        for _ in session.read():
            pass
        demo.take(session)
        heading = f"The studio with {session.video.title}, frame 0"
        demo.still = draw.filmstrip([[session.frame(0)]], [""], heading=heading, width=4)
    return demo
