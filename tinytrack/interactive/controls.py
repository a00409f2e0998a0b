"""The studio's widgets and their layout: the picture on the left, the four steps on the right. ``studio`` says what they do."""

import ipywidgets

from ..datasets.clips import CLIPS
from .access import Access
from .canvas import Canvas
from .layout import Demo, row
from .object_list import ObjectList
from .playback import Playback
from .skeletons import SKELETONS
from .timeline import Timeline
from .upload import LIMIT, Upload

# Height at which the network sees frames; data/README.md, "Which changes help", lists what a smaller height costs in J&F.
DETAIL = {"quick (112 rows)": 112, "half (160 rows)": 160, "full (240 rows)": 240, "fine (480 rows)": 480}
KEYS = (
    "Keys, once the picture is clicked or reached with Tab: arrows move a crosshair (Shift: by ten), Enter marks, Space puts the brush down"
    " and lifts it, Ctrl+Z (or Z) undoes, Ctrl+Shift+Z or Ctrl+Y redoes, X switches the eraser, [ and ] change the brush, 1 to 9 choose an"
    " object, comma and full stop step through the frames, + and - zoom (also Ctrl with the wheel), 0 shows the whole picture, Shift with"
    " the mouse moves it. With the polygon, Space sets a corner and Enter fills it. Enter in a box presses the button after it."
)
HOW_JOINTS = "Click where the chosen joint is; the next one in the list is then chosen. Left is the subject's left. Drag a dot to move it."
POLYGON = "Click corners; a double-click, Enter or the first corner fills them, Backspace takes one back, Escape drops them"
CLICK = "Click on the object and its mask is found; with the eraser, click on what was selected too much"
WIDE = "100%"


def _button(text: str, icon: str, tip: str, **options) -> ipywidgets.Button:
    return ipywidgets.Button(description=text, icon=icon, tooltip=tip, layout={"width": "auto"}, **options)


def _row(*children) -> ipywidgets.Box:
    return row(*children, gap="2px 6px")


def _head(text: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(f"<b>{text}</b>")


class Controls(Demo):
    """The widgets of :class:`~tinytrack.interactive.studio.Studio` as attributes, not connected to anything yet."""

    def __init__(self):
        self.access = Access()
        # errors are repeated next to the button that was pressed, if the page is so narrow that the status line is far away
        self.near = {step: ipywidgets.HTML() for step in ("open", "mark", "track", "export")}
        for note in self.near.values():
            note.add_class("tinytrack-near")

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
        self.upload = Upload()
        limit = ipywidgets.HTML(f"Uploads take up to {LIMIT / 1e6:.0f} MB; for larger files, type the path.")

        # 2. marks
        self.kind = ipywidgets.ToggleButtons(options=["masks", "joints"], style={"button_width": "auto"})
        self.which = ObjectList()
        self.name = ipywidgets.Text(placeholder="name", layout={"width": "110px"})
        self.add = _button("Add", "plus", "Add an object with this name")
        self.rename = _button("Rename", "pencil", "Give the chosen object this name")
        self.delete = _button("Delete", "trash", "Delete the chosen object and its marks on all frames; Undo brings it back")
        self.radius = ipywidgets.FloatSlider(description="brush", min=1, max=60, value=8, step=0.5, layout={"width": "260px"})
        self.eraser = ipywidgets.ToggleButton(description="Eraser", icon="eraser", layout={"width": "auto"})
        self.polygon = ipywidgets.ToggleButton(description="Polygon", icon="pencil-square-o", tooltip=POLYGON, layout={"width": "auto"})
        self.click = ipywidgets.ToggleButton(description="Click", icon="mouse-pointer", tooltip=CLICK, layout={"width": "auto"})
        self.skeleton = ipywidgets.Dropdown(options=list(SKELETONS), description="skeleton", layout={"width": "220px"})
        self.joint = ipywidgets.Dropdown(description="joint", layout={"width": "250px"})
        self.absent = _button("Absent", "ban", "This joint cannot be seen on this frame")
        self.delete_joints = _button("Delete joints", "trash", "Remove all joints from all frames; Undo brings them back")
        self.undo = _button("Undo", "undo", "Take back the last mark (Ctrl+Z or Z)")
        self.redo = _button("Redo", "repeat", "Make again what was undone last (Ctrl+Shift+Z or Ctrl+Y)")
        self.clear = _button("Clear frame", "eraser", "Take all marks off this frame")
        self.restore = _button("Restore", "history", "Bring back the marks of an earlier session with this video")
        self.restore.layout.display = "none"
        self.colors = ipywidgets.Checkbox(
            description="colours too: carry those of the first marked frame", indent=False, layout={"width": WIDE}
        )
        mask_rows = [
            self.which,
            _row(self.name, self.add, self.rename, self.delete),
            _row(self.radius, self.eraser, self.polygon, self.click),
        ]
        self.mask_panel = ipywidgets.VBox(mask_rows, layout={"width": WIDE})
        how = ipywidgets.HTML(f"<small>{HOW_JOINTS}</small>")
        joint_rows = [_row(self.skeleton, self.delete_joints), _row(self.joint, self.absent), how]
        self.joint_panel = ipywidgets.VBox(joint_rows, layout={"width": WIDE})

        # 3. track, 4. save
        self.model = ipywidgets.Dropdown(
            options=[("tiny-lab (sees colour)", "tiny-lab"), ("tiny-gray (gray; can colour)", "tiny-gray")],
            description="network", layout={"width": "300px"},
        )  # fmt: skip
        self.detail = ipywidgets.Dropdown(options=list(DETAIL), value="half (160 rows)", description="detail", layout={"width": "240px"})
        self.first = ipywidgets.BoundedIntText(description="from frame", max=0, layout={"width": "170px"})
        self.last = ipywidgets.BoundedIntText(
            description="to frame", max=0, layout={"width": "140px"}, style={"description_width": "initial"}
        )
        self.track = _button("Track", "play", "Track from every frame that was marked or corrected", button_style="primary")
        self.cancel = _button("Cancel", "stop", "Stop; frames that are done are kept, and Track goes on from there", disabled=True)
        self.bar = ipywidgets.IntProgress(layout={"width": "160px"})
        self.out = ipywidgets.Text(value="tinytrack-out", description="folder", layout={"width": "260px"})
        self.export = _button("Export", "save", "Write videos, masks and joints into this folder")
        self.project = ipywidgets.Text(
            placeholder="name of a project file", description="project", layout={"flex": "1 1 100%", "width": "auto"}
        )
        tip = "Save all marks, names and settings in this file, to go on another day"
        self.save = _button("Save project", "archive", tip)
        tip = "Open the video, marks and settings that are saved in this file; a project can also be uploaded above"
        self.reopen = _button("Open project", "folder-open", tip)
        self.status = ipywidgets.HTML("Choose a video and open it.", layout={"min_height": "28px"})  # empty, it must not move the page

        # the picture
        self.stage = Canvas(width=640, label="No video yet", zoomable=True, grows=True)
        self.playback = Playback(self.stage, width="400px")
        self.frame = self.playback.frame
        self.timeline = Timeline()
        self.strength = ipywidgets.FloatSlider(description="overlay", min=0, max=1, step=0.05, value=0.5, layout={"width": "240px"})
        self.shown = ipywidgets.HTML()

        # the layout: the picture on the left, the controls on the right
        left = ipywidgets.VBox(
            [self.stage, _row(self.playback.button, self.frame), self.timeline, _row(self.strength), self.shown],
            layout={"flex": "1 1 480px", "min_width": "min(320px, 100%)"},
        )
        right = ipywidgets.VBox(
            [
                _head("1. A video"),
                _row(self.clip, self.open_clip), _row(self.path, self.open_path), self.upload, limit, self.near["open"],
                _head("2. Mark things on a frame"),
                self.kind, self.mask_panel, self.joint_panel,
                _row(self.undo, self.redo, self.clear, self.restore), self.colors, self.near["mark"],
                _head("3. Track"),
                _row(self.model, self.detail), _row(self.first, self.last), _row(self.track, self.cancel, self.bar), self.near["track"],
                _head("4. Save"),
                _row(self.out, self.export), _row(self.project, self.save, self.reopen), self.near["export"],
            ],
            layout={"flex": "1 1 340px", "min_width": "min(320px, 100%)"},
        )  # fmt: skip
        box = ipywidgets.Box([left, right], layout=ipywidgets.Layout(display="flex", flex_flow="row wrap", grid_gap="4px 20px"))
        super().__init__([self.access, self.status, box, ipywidgets.HTML(f"<small>{KEYS}</small>")])
        self.add_class("tinytrack-studio")
        for name, text, button in (("path", self.path, self.open_path), ("name", self.name, self.add), ("folder", self.out, self.export)):
            self.access.enter(name, text, button)
        self.access.enter("project", self.project, self.save)
