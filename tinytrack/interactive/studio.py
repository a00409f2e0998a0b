"""The studio's widgets: open a video, mark things on a frame, track, correct, export. The work itself is done in ``session``."""

import contextlib
import html
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import ipywidgets
import numpy as np
import torch

from .. import draw
from ..datasets.clips import CLIPS, open_clip
from ..errors import TinytrackError, describe_os_error
from ..io.paths import user_path
from ..io.results import made_by
from ..model import best_device, best_weights, load_model
from ..propagate import REFINED, Protocol
from .background import Cancelled, Work, start
from .canvas import Canvas
from .layout import Demo, css_color, row
from .playback import Playback
from .session import EXPORTS, Session
from .skeletons import SKELETONS
from .upload import LIMIT, Upload

# Height at which the network sees frames; data/README.md, "Which changes help", lists what a smaller height costs in J&F.
DETAIL = {"quick (112 rows)": 112, "half (160 rows)": 160, "full (240 rows, like the command line)": 240}
KEYS = (
    "Keys, once the picture is clicked or reached with Tab: arrows move a crosshair (Shift: by ten), Enter marks, Space puts the brush down"
    " and lifts it, Z undoes, X switches the eraser, [ and ] change the brush, comma and full stop step through the frames."
)
HOW_JOINTS = "Click where the chosen joint is; the next one in the list is then chosen. Left is the subject's left. Drag a dot to move it."
WIDE = "100%"
GRASP = 7  # pixels of the page; a click this close to a dot grabs it


def _button(text: str, icon: str, tip: str, **options) -> ipywidgets.Button:
    return ipywidgets.Button(description=text, icon=icon, tooltip=tip, layout={"width": "auto"}, **options)


def _row(*children) -> ipywidgets.Box:
    return row(*children, gap="2px 6px")


def _head(text: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(f"<b>{text}</b>")


class Studio(Demo):
    """See :func:`studio`. ``session`` holds marks and tracks; the widgets are attributes."""

    def __init__(self, device: str):
        self.device = device
        self.session: Session | None = None
        self.work: Work | None = None
        self.wrong = False  # whether the status shows an error
        self.sure = ""  # the video for which the user was warned that opening it discards the marks
        self.held: int | None = None  # the frame on which a joint is being dragged
        self.models: dict = {}

        # 1. a video
        names = [name for name, clip in CLIPS.items() if clip.file.is_file()]
        shots = [f"bikes-{n}" for n in range(1, 7)] if "bikes" in names else []
        self.clip = ipywidgets.Dropdown(
            options=[*(n for n in names if n != "bikes"), *shots], description="sample", layout={"flex": "1 1 120px", "width": "auto"}
        )
        self.path = ipywidgets.Text(
            placeholder="path of a video or of a folder of frames", description="or path", layout={"flex": "1 1 120px", "width": "auto"}
        )
        self.open_clip = _button("Open sample", "folder-open", "Open the sample clip", button_style="primary")
        self.open_path = _button("Open path", "folder-open", "Open the video at this path on the machine where the kernel runs")
        self.upload = Upload(self.uploaded, self.complain, lambda share: self.say(f"uploading: {100 * share:.0f} %"))
        limit = ipywidgets.HTML(f"Uploads take up to {LIMIT / 1e6:.0f} MB; for larger files, type the path.")

        # 2. marks
        self.kind = ipywidgets.ToggleButtons(options=["masks", "joints"], style={"button_width": "auto"})
        self.which = ipywidgets.Dropdown(description="object", layout={"width": "210px"})
        self.name = ipywidgets.Text(placeholder="name", layout={"width": "110px"})
        self.add = _button("Add", "plus", "Add an object with this name")
        self.rename = _button("Rename", "pencil", "Give the chosen object this name")
        self.radius = ipywidgets.FloatSlider(description="brush", min=1, max=60, value=8, step=0.5, layout={"width": "260px"})
        self.eraser = ipywidgets.ToggleButton(description="Eraser", icon="eraser", layout={"width": "auto"})
        self.skeleton = ipywidgets.Dropdown(options=list(SKELETONS), description="skeleton", layout={"width": "220px"})
        self.joint = ipywidgets.Dropdown(description="joint", layout={"width": "250px"})
        self.absent = _button("Absent", "ban", "This joint cannot be seen on this frame")
        self.undo = _button("Undo", "undo", "Take back the last mark (Z)")
        self.clear = _button("Clear frame", "trash", "Take all marks off this frame")
        self.colors = ipywidgets.Checkbox(
            description="colours too: carry those of the first marked frame", indent=False, layout={"width": WIDE}
        )
        self.mask_panel = ipywidgets.VBox(
            [_row(self.which, self.name, self.add, self.rename), _row(self.radius, self.eraser)], layout={"width": WIDE}
        )
        self.joint_panel = ipywidgets.VBox(
            [_row(self.skeleton), _row(self.joint, self.absent), ipywidgets.HTML(f"<small>{HOW_JOINTS}</small>")], layout={"width": WIDE}
        )

        # 3. track, 4. export
        self.model = ipywidgets.Dropdown(
            options=[("tiny-lab (sees colour)", "tiny-lab"), ("tiny-gray (gray; can colour)", "tiny-gray")],
            description="network", layout={"width": "300px"},
        )  # fmt: skip
        self.detail = ipywidgets.Dropdown(options=list(DETAIL), value="half (160 rows)", description="detail", layout={"width": "240px"})
        self.track = _button("Track", "play", "Track from every frame that was marked or corrected", button_style="primary")
        self.cancel = _button("Cancel", "stop", "Stop; frames that are done are kept", disabled=True)
        self.bar = ipywidgets.IntProgress(layout={"width": "160px"})
        self.out = ipywidgets.Text(value="tinytrack-out", description="folder", layout={"width": "260px"})
        self.export = _button("Export", "save", "Write videos, masks and joints into this folder")
        self.status = ipywidgets.HTML("Choose a video and open it.")

        # the picture
        self.stage = Canvas(width=640, label="No video yet")
        self.playback = Playback(self.stage, width="400px")
        self.frame = self.playback.frame
        self.strength = ipywidgets.FloatSlider(description="overlay", min=0, max=1, step=0.05, value=0.5, layout={"width": "240px"})
        self.shown = ipywidgets.HTML()

        # the layout: the picture on the left, the controls on the right
        left = ipywidgets.VBox(
            [self.stage, _row(self.playback.button, self.frame), _row(self.strength), self.shown],
            layout={"flex": "1 1 480px", "min_width": "320px"},
        )
        right = ipywidgets.VBox(
            [
                _head("1. A video"), _row(self.clip, self.open_clip), _row(self.path, self.open_path), self.upload, limit,
                _head("2. Mark things on a frame"), self.kind, self.mask_panel, self.joint_panel, _row(self.undo, self.clear), self.colors,
                _head("3. Track"), _row(self.model, self.detail), _row(self.track, self.cancel, self.bar),
                _head("4. Export"), _row(self.out, self.export),
            ],
            layout={"flex": "1 1 340px", "min_width": "320px"},
        )  # fmt: skip
        box = ipywidgets.Box([left, right], layout=ipywidgets.Layout(display="flex", flex_flow="row wrap", grid_gap="4px 20px"))
        super().__init__([self.status, box, ipywidgets.HTML(f"<small>{KEYS}</small>")])
        self._connect()
        self.names()
        self.settle()

    def _connect(self) -> None:
        """Connect the widgets to what they do."""
        # buttons
        clicks = {
            self.open_clip: lambda: self.load(self.clip.value),
            self.open_path: lambda: self.load(self.path.value),
            self.add: self.add_object,
            self.rename: self.rename_object,
            self.absent: lambda: self.place(None),
            self.undo: self.take_back,
            self.clear: self.clear_frame,
            self.track: lambda: self.begin(self.run_track()),
            self.export: lambda: self.begin(self.run_export()),
            self.cancel: lambda: self.work and self.work.cancel(),
        }
        for button, action in clicks.items():
            button.on_click(lambda _, action=action: self.attempt(action))
        # the picture
        self.stage.on_point(lambda *event: self.attempt(lambda: self.pointed(*event)))
        self.stage.on_stroke(lambda points: self.attempt(lambda: self.stroke(points)))
        self.stage.on_key(lambda key: self.attempt(lambda: self.pressed(key)))
        # the other controls
        self.skeleton.observe(lambda _: self.attempt(self.choose), "value")
        for control in (self.frame, self.strength):
            control.observe(lambda _: self.look(), "value")
        for control in (self.kind, self.which, self.radius, self.eraser):
            control.observe(lambda _: self.settle(), "value")
        self.colors.observe(lambda change: self.carry_colors(change["new"]), "value")

    def carry_colors(self, wanted: bool) -> None:
        """Carry colours or stop carrying them; only a network that sees gray can."""
        if self.session:
            self.session.colors = wanted
            self.model.value = "tiny-gray" if wanted else best_weights([self.session.frame(0)])

    # ---- status and picture

    def say(self, text: str, wrong: bool = False) -> None:
        """Show a text in the status line, in red if it is an error."""
        self.wrong = wrong
        color = ' style="color:#d32f2f;font-weight:600"' if wrong else ""
        self.status.value = f"<span{color}>{html.escape(' '.join(text.split()))}</span>"

    def complain(self, error: Exception) -> None:
        """Show an error in the status line."""
        self.say(str(error), wrong=True)

    def attempt(self, action: Callable[[], object]) -> None:
        """Run the action of a control; if it fails, the error is shown in one sentence and everything stays as it was."""
        before, sure = self.status.value, self.sure
        try:
            action()
            if self.sure == sure:
                self.sure = ""  # the user did something else after the warning
            if self.wrong and self.status.value == before:
                self.say("")  # the earlier error is settled
        except TinytrackError as error:
            self.complain(error)
        except OSError as error:
            self.say(f"cannot go on: {describe_os_error(error)}", wrong=True)
        self.look()

    def look(self) -> None:
        """Show the current frame with everything that is known about it."""
        if self.session is None or not len(self.session):
            return
        t = min(self.frame.value, len(self.session) - 1)
        self.stage.show(self.session.picture(t, self.strength.value, self.stage.width), f"Frame {t} of {self.session.video.title}")
        state = "tracked" if t in self.session.tracked else "nothing here yet"
        if t in self.session.key_frames:
            state = "marked by you"
        elif t == self.session.reference:
            state = "gives the colours"
        keys = ", ".join(map(str, self.session.key_frames)) or "none"
        self.shown.value = f"frame {t} of {len(self.session)}: <b>{state}</b>; marked frames: {keys}"

    def names(self) -> None:
        """Fill the lists of objects and joints."""
        chosen = self.which.value
        objects = self.session.objects if self.session else ["object 1"]
        self.which.options = [(name, n) for n, name in enumerate(objects, start=1)]
        self.which.value = chosen if chosen and chosen <= len(objects) else 1
        joints = SKELETONS[self.skeleton.value].names
        self.joint.options = [(name.replace("_", " "), n) for n, name in enumerate(joints)]
        self.joint.value = 0

    def settle(self) -> None:
        """Enable the controls that can be used now."""
        ready = self.session is not None and len(self.session) > 0
        busy = self.work is not None
        masks = self.kind.value == "masks"
        self.mask_panel.layout.display = None if masks else "none"
        self.joint_panel.layout.display = "none" if masks else None
        for control in (self.add, self.rename, self.undo, self.clear, self.absent, self.track, self.export, self.colors, self.skeleton):
            control.disabled = busy or not ready
        for control in (self.open_clip, self.open_path, self.model, self.detail):
            control.disabled = busy
        self.cancel.disabled = not busy
        self.stage.active = ready and not busy
        self.stage.brush = self.radius.value if masks else 0.0
        self.stage.ink = "rgb(255,255,255)" if self.eraser.value else css_color(draw.object_color(self.which.value or 1))

    # ---- opening

    def load(self, name: str) -> None:
        """Open a clip, a file or a folder; if it cannot be read, the current video stays open."""
        if not str(name).strip():
            raise TinytrackError("type the path of a video file or of a folder of frames")
        name = str(name).strip()
        self.check_idle()
        open_clip(name)  # a missing video is reported before the warning
        if self.session is not None and self.session.key_frames and self.sure != name:
            self.sure = name
            raise TinytrackError(
                f"this forgets your marks on {self.session.video.title}: export them first, or press the same button again"
            )
        self.begin(self.run_open(name))

    def uploaded(self, path: Path) -> None:
        """Open a file that was uploaded."""
        self.path.value = str(path)
        self.attempt(lambda: self.load(str(path)))

    async def run_open(self, name: str) -> None:
        """Read a video, then work on it."""
        async with self.working() as work:

            def read(tell):
                session = Session(open_clip(name))
                for count in session.read():
                    tell(count)
                return session

            title = Path(name).name or name
            self.take(await work.run(read, lambda done, total: self.say(f"reading {title}: {done} frames")))

    def take(self, session: Session) -> None:
        """Switch to a video that has been read."""
        self.sure, self.colors.value = "", False
        session.choose(SKELETONS[self.skeleton.value])
        self.session = session
        self.model.value = best_weights([session.frame(0)])
        height, width = session.size
        self.stage.size = (width, height)
        self.stage.width = round(min(640, 520 * width / height))
        self.radius.max = max(20.0, round(min(height, width) / 4))
        self.radius.value = max(2.0, round(min(height, width) / 18))
        self.playback.reset(len(session) - 1, min(max(session.video.fps, 1), 30))
        self.names()
        notes = "".join(f" Note: {' '.join(note.split())}." for note in (*session.video.header.notes, *session.log.problems()))
        facts = f"{session.video.title}: {len(session)} frames of {width}x{height}"
        self.say(f"{facts}. Mark something on the frame from which to start.{notes}")
        self.settle()
        self.look()

    # ---- marking

    def pointed(self, phase: str, x: float, y: float) -> None:
        """Place or drag a joint, if joints are being marked."""
        if self.kind.value != "joints" or phase == "hover":
            return
        if phase == "down":
            near = self.joint_at(x, y)
            if near is not None:
                self.joint.value = near
            self.held = self.frame.value
            self.place((x, y))
        elif phase == "drag" and self.held == self.frame.value:
            h, w = self.session.size
            self.session.undo()  # a drag counts as one mark, not many
            self.place((min(max(x, -0.5), w - 0.5), min(max(y, -0.5), h - 0.5)))
        elif phase == "up" and self.held is not None:
            self.held = None
            self.advance()

    def joint_at(self, x: float, y: float) -> int | None:
        """Return the joint whose dot is under the pointer; None if there is none."""
        places = self.session.marks(self.frame.value).xy
        far = np.nan_to_num(np.hypot(*(places - (x, y)).T), nan=np.inf)
        reach = GRASP * self.session.size[1] / self.stage.width
        return int(far.argmin()) if far.min() <= reach else None

    def place(self, xy: tuple[float, float] | None) -> None:
        """Put the chosen joint at (x, y) on the current frame; None marks it as absent and goes to the next one."""
        self.session.place(self.frame.value, self.joint.value, xy)
        if xy is None:
            self.advance()

    def advance(self) -> None:
        """Choose the next joint in the list that is not placed on this frame yet."""
        xy = self.session.marks(self.frame.value).xy
        names, now = self.session.joints.names, self.joint.value
        for n in range(now + 1, len(names)):
            if np.isnan(xy[n, 0]):
                self.joint.value = n
                self.say(f"next: {names[n].replace('_', ' ')}")
                return
        self.say("that was the last joint of the list; drag a dot to move it, or choose a joint and click")

    def stroke(self, points) -> None:
        """Paint the chosen object along a stroke, or erase."""
        value = 0 if self.eraser.value else self.which.value
        self.session.paint(self.frame.value, points, self.radius.value, value)

    def pressed(self, key: str) -> None:
        """Handle a key that was pressed on the picture, see :data:`KEYS`."""
        steps = {",": -1, ".": 1}
        if key in steps:
            self.frame.value = min(max(self.frame.value + steps[key], 0), self.frame.max)
        elif key in "[]":
            self.radius.value += -1 if key == "[" else 1
        elif key in ("z", "Z"):
            self.take_back()
        elif key == "x":
            self.eraser.value = not self.eraser.value
        elif self.kind.value == "joints":  # Delete, Backspace
            self.place(None)

    def take_back(self) -> None:
        """Undo the last mark, and show the frame it was on."""
        before = dict(self.session.keys)
        frame = self.session.undo()
        if frame is None:
            raise TinytrackError("there is no mark to take back")
        self.frame.value = frame
        moved = np.flatnonzero(~(np.isclose(self.session.marks(frame).xy, before[frame].xy, equal_nan=True).all(axis=1)))
        if len(moved) == 1:  # it was a joint, which is the next one to place
            self.joint.value = int(moved[0])
        self.say(f"took back the last mark, on frame {frame}")

    def clear_frame(self) -> None:
        """Remove all marks from the current frame."""
        t = self.frame.value
        if t not in self.session.key_frames and t not in self.session.tracked:
            raise TinytrackError(f"there is nothing on frame {t}")
        self.session.clear(t)

    def add_object(self) -> None:
        """Add an object with the typed name, and choose it."""
        number = self.session.add_object(self.name.value)
        self.name.value = ""
        self.names()
        self.which.value = number

    def rename_object(self) -> None:
        """Give the chosen object the typed name."""
        self.session.rename_object(self.which.value, self.name.value)
        self.name.value = ""
        self.names()

    def choose(self) -> None:
        """Switch to the chosen skeleton."""
        if self.session is not None:
            self.session.choose(SKELETONS[self.skeleton.value])
        self.names()

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
    async def working(self):
        """Lock the controls during a piece of long work; if it fails, the error is shown in one sentence."""
        self.settle()
        try:
            yield self.work
        except Cancelled:
            self.say("cancelled; what was done until then is kept")
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

        def show(done: int, total: int) -> None:
            self.bar.max, self.bar.value = max(total, 1), done
            self.say(f"{verb}: {done} of {total} frames" if total else f"{verb} ...")

        return show

    def protocol(self) -> Protocol:
        """Return the refined protocol at the chosen detail."""
        return replace(REFINED, size=DETAIL[self.detail.value])

    async def run_track(self) -> None:
        """Track from the marked frames, and say how many frames were tracked."""
        async with self.working() as work:
            # the settings at the click, which may change while the work runs
            session = self.session
            name, frame, protocol = self.model.value, self.frame.value, self.protocol()
            count = len(session.key_frames)
            start_from = f"{count} marked frame(s)" if count else f"the colours of frame {frame}"

            def track(tell):
                if name not in self.models:
                    self.models[name] = load_model(name, self.device)
                count = 0
                for count, total in session.track(self.models[name], protocol, frame):
                    tell(count, total)
                return count

            count = await work.run(track, self.progress("tracking"))
            more = "" if count else " Nothing had changed since the last time."
            self.say(f"tracked {count} frames from {start_from}.{more} Look for errors, correct one, track again.")

    async def run_export(self) -> None:
        """Export into the chosen folder, and name what was written."""
        async with self.working() as work:
            session, out = self.session, self.out.value.strip() or "tinytrack-out"
            names = await work.run(lambda tell: session.export(out, tell), self.progress("writing"))
            old = [name for name in EXPORTS if name in made_by(out, "studio") - set(names)]
            also = f"; from an earlier export there are still {', '.join(old)}" if old else ""
            self.say(f"wrote {', '.join(names)} into {out} ({user_path(out).resolve()}){also}")


def studio(clip: str | None = None, device: str | None = None) -> Demo:
    """Build the studio of notebook 09: mark objects or keypoints in your own video, track them, correct them, export.

    The video is a clip, a path or an upload. Masks of several objects are drawn with a brush, and keypoints are placed by clicks.

    Args:
        clip: a clip's name or a path, which is read at once.
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
