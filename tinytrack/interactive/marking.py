"""The studio's second step: what strokes, clicks, keys and buttons do to the marks of the current frame."""

import ipywidgets
import numpy as np

from ..errors import TinytrackError
from .controls import Controls
from .marks import UNDO
from .skeletons import SKELETONS

GRASP = 7  # pixels of the page; a click this close to a dot grabs it
CLOSEST = 3  # the picture has at most this many times its usual width when it is zoomed: small dots need some pixels


class Marking(Controls):
    """The widgets with which a person marks objects and joints; ``studio`` connects them, and tells the person about errors."""

    def name_objects(self) -> None:
        """Fill the list of objects; the chosen one stays, if it still exists."""
        chosen = self.which.value
        objects = {n: self.session.objects[n - 1] for n in self.session.numbers} if self.session else {1: "object 1"}
        self.which.options = [(name, n) for n, name in objects.items()]
        self.which.value = chosen if chosen in objects else min(objects)

    def name_joints(self) -> None:
        """Fill the list of joints, and choose the first."""
        joints = SKELETONS[self.skeleton.value].names
        self.joint.options = [(name.replace("_", " "), n) for n, name in enumerate(joints)]
        self.joint.value = 0

    def pointed(self, phase: str, x: float, y: float) -> None:
        """Place or drag a joint, if joints are being marked; select an object, if masks are made by clicks."""
        if self.kind.value == "masks" and self.click.value and phase == "down":
            self.select((x, y))
        if self.kind.value != "joints" or phase == "hover":
            return
        if phase == "down":
            near = self.joint_at(x, y)
            if near is not None:
                self.joint.value = near
            elif self.joint.value is None and not self.session.marks(self.frame.value).has_joints:
                self.joint.value = 0  # the list starts again on a frame without joints
            self.place((x, y))
            self.held = self.frame.value
        elif phase == "drag" and self.held == self.frame.value:
            h, w = self.session.size
            self.session.undo()  # a drag counts as one mark, not many
            self.place((min(max(x, -0.5), w - 0.5), min(max(y, -0.5), h - 0.5)))
        elif phase == "up" and self.held is not None:
            self.held = None
            self.advance()

    def follows(self, phase: str) -> bool:
        """Tell whether an event of the pointer means something: a press does, and what follows one that took a joint."""
        return phase == "down" or self.held is not None

    def closeness(self) -> tuple[int, float]:
        """Return the width of the picture and the size of its dots. Where joints are placed, the dots do not grow with the zoom."""
        closer = max(1.0, self.stage.magnification) if self.kind.value == "joints" else 1.0
        return round(self.stage.width * min(closer, CLOSEST)), 1 / closer

    def joint_at(self, x: float, y: float) -> int | None:
        """Return the joint whose dot is under the pointer; None if there is none."""
        places = self.session.marks(self.frame.value).xy
        far = np.nan_to_num(np.hypot(*(places - (x, y)).T), nan=np.inf)
        reach = GRASP * self.session.size[1] / (self.stage.width * self.stage.magnification)
        return int(far.argmin()) if far.min() <= reach else None

    def place(self, xy: tuple[float, float] | None) -> None:
        """Put the chosen joint at (x, y) on the current frame; None marks it as absent and goes to the next one."""
        if self.joint.value is None:
            raise TinytrackError("the list of joints is done: drag a dot to move it, or choose a joint in the list to place it again")
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
        self.joint.value = None  # so that a stray click moves nothing
        self.say("that was the last joint of the list; drag a dot to move it, or choose a joint and click")

    def switch(self, other: ipywidgets.ToggleButton, how: str) -> None:
        """Switch the other tool off, because there is one way to draw at a time, and say how this one works."""
        other.value = False
        self.say(how)

    def stroke(self, points) -> None:
        """Paint the chosen object along a stroke, or erase."""
        value = 0 if self.eraser.value else self.which.value
        self.session.paint(self.frame.value, points, self.radius.value, value)
        self.which.hidden -= {value}  # or the stroke would vanish

    def fill(self, corners) -> None:
        """Fill a polygon with the chosen object, or erase it."""
        value = 0 if self.eraser.value else self.which.value
        self.session.fill(self.frame.value, corners, value)
        self.which.hidden -= {value}

    def select(self, xy: tuple[float, float]) -> None:
        """Find the mask of the chosen object by a click on it; with the eraser, a click on what does not belong to it."""
        on_it = not self.eraser.value
        count = self.clicks.click(self.session, self.frame.value, self.which.value, xy, on_it, self.network())
        self.which.hidden -= {self.which.value}
        verb = "added" if on_it else "removed"
        done = f"selected with {count} click{'s' * (count > 1)}" if count else f"{verb} what looks like that place"
        self.say(f"{done}; click what is missing, and with the eraser (X) what is too much")

    def pressed(self, key: str) -> None:
        """Handle a key that was pressed on the picture, see :data:`KEYS`."""
        steps = {",": -1, ".": 1}
        if key in steps:
            self.frame.value = min(max(self.frame.value + steps[key], 0), self.frame.max)
        elif key in "[]":
            self.radius.value += -1 if key == "[" else 1
        elif key in ("z", "Z", "undo"):
            self.take_back()
        elif key == "redo":
            self.do_again()
        elif key == "x":
            self.eraser.value = not self.eraser.value
        elif key.isdigit():
            self.choose_object(int(key))
        elif self.kind.value == "joints":  # Delete, Backspace
            self.place(None)

    def choose_object(self, number: int) -> None:
        """Choose the object to paint; joints are not painted."""
        numbers = [n for _, n in self.which.options]
        if self.kind.value == "masks" and number not in numbers:
            raise TinytrackError(f"there is no object {number}: expected one of {', '.join(map(str, numbers))}, or add one")
        if self.kind.value == "masks":
            self.which.value = number
            self.say(f"painting {self.session.objects[number - 1]}")

    def take_back(self) -> None:
        """Undo the last mark, and show the frame it was on."""
        before = self.marks()
        frame = self.session.undo()
        if frame is None:
            raise TinytrackError(f"there is nothing left to undo: the studio remembers the last {UNDO} marks")
        self.moved(before, frame)
        self.say(f"took back the last change, on frame {frame}")

    def do_again(self) -> None:
        """Redo the mark that was undone last, and show the frame it is on."""
        before = self.marks()
        frame = self.session.redo()
        if frame is None:
            raise TinytrackError("there is nothing to redo: nothing was undone, or something was marked since")
        self.moved(before, frame)
        self.say(f"made the change on frame {frame} again")

    def bring_back(self) -> None:
        """Bring back the marks that an earlier session with this video left behind."""
        saved = self.autosave.read()
        self.skeleton.value = saved.skeleton
        saved.restore(self.session)
        self.restore.layout.display = "none"
        self.name_objects()
        self.settle()
        frames = ", ".join(map(str, saved.keys))
        self.frame.value = min(saved.keys)
        self.say(f"brought back the marks of an earlier session, on frames {frames}; Undo takes them away again")

    def moved(self, before: dict, frame: int) -> None:
        """Show a frame after an undo or a redo, and choose the joint that it changed."""
        self.name_objects()
        self.frame.value = frame
        then = before[frame].xy if frame in before else self.session.marks(frame).xy * np.nan
        changed = np.flatnonzero(~(np.isclose(self.session.marks(frame).xy, then, equal_nan=True).all(axis=1)))
        if len(changed) == 1:  # it was a joint, which is the next one to place
            self.joint.value = int(changed[0])

    def clear_frame(self) -> None:
        """Remove all marks from the current frame."""
        t = self.frame.value
        if t not in self.session.key_frames and t not in self.session.tracked:
            raise TinytrackError(f"there is nothing on frame {t}")
        self.session.clear(t)
        self.say(f"took all marks off frame {t}; Undo brings them back")

    def add_object(self) -> None:
        """Add an object with the typed name, and choose it."""
        number = self.session.add_object(self.name.value)
        self.name.value = ""
        self.name_objects()
        self.which.value = number

    def rename_object(self) -> None:
        """Give the chosen object the typed name."""
        self.session.rename_object(self.which.value, self.name.value)
        self.name.value = ""
        self.name_objects()

    def delete_object(self) -> None:
        """Delete the chosen object with all its marks."""
        name = self.session.objects[self.which.value - 1]
        self.session.delete_object(self.which.value)
        self.name_objects()
        self.settle()
        self.say(f"deleted {name} and its marks on all frames; Undo brings them back")

    def remove_joints(self) -> None:
        """Remove all joints of the chosen skeleton from all frames."""
        self.session.delete_joints()
        self.joint.value = 0
        self.say("removed all joints from all frames; Undo brings them back")

    def choose(self) -> None:
        """Switch to the chosen skeleton."""
        if self.session is not None:
            self.session.choose(SKELETONS[self.skeleton.value])
        self.name_joints()
