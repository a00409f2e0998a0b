"""A picture on the page on which a person clicks, drags and draws.

Python sends whole pictures; the browser only reports where the pointer is (``canvas.js``).
"""

import io
from collections.abc import Callable
from pathlib import Path

import anywidget
import numpy as np
import traitlets

QUALITY = 92  # of the JPEG that is sent to the browser: a tenth of the bytes of a PNG, and encoded five times as fast


def picture_bytes(picture: np.ndarray) -> bytes:
    """Encode uint8 RGB (H, W, 3) as a JPEG with its colours at full resolution."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


class Canvas(anywidget.AnyWidget):
    """One picture on which a person points, draws and types.

    Coordinates are pixels (x, y) of the *frame* that the picture shows, and do not depend on the size at which it is displayed.
    (0, 0) is the centre of the top left pixel.

    The mouse, a finger or a pen can click, drag and draw. With the keyboard (Tab moves the focus to the picture), the arrow keys move
    a crosshair, by ten pixels with Shift; Enter clicks, or dabs with the brush; Space puts the brush down and lifts it.

    A picture that can be zoomed follows Ctrl with the wheel, two fingers, the keys + and -, and its buttons; 0 shows the whole picture
    again. Two fingers, the middle button, or Shift with the left button move it, and the crosshair always stays in view.

    A polygon gets a corner with each click, or with Space at the crosshair. A click on its first corner, a double-click or Enter
    finishes it; Backspace takes the last corner back, and Escape drops it.

    Attributes:
        size: (width, height) of the frame, in its own pixels.
        width: the largest width of the picture on the page, in pixels of the page.
        label: a description of the picture for people who cannot see it.
        active: whether it reacts to the pointer and the keyboard.
        brush: radius in pixels of the frame; 0: no brush, a click only reports its position.
        ink: the brush's colour in CSS notation.
        hover: whether moving the pointer over the picture is reported too.
        polygon: whether clicks set the corners of a polygon, in place of the brush.
        zoomable: whether it can be zoomed.
        grows: whether it may become wider than ``width`` where its column has room.
        magnification: how much wider than ``width`` the whole picture is on the page now, as the browser reports it.
    """

    _esm = "\n".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("view.js", "polygon.js", "canvas.js"))
    _css = """
    .tinytrack-stage { position: relative; max-width: 100%; line-height: 0; border-radius: 3px; overflow: hidden; overflow: clip; }
    .tinytrack-stage canvas { width: 100%; height: auto; display: block; transform-origin: 0 0; }
    .tinytrack-stage canvas + canvas { position: absolute; inset: 0; height: 100%; pointer-events: none; }
    .tinytrack-stage:focus-visible { outline: none; }
    .tinytrack-stage:focus-visible::after { content: ""; position: absolute; inset: 0; outline: 2px solid #2196f3; outline-offset: -2px;
                                            pointer-events: none; } /* an outline of the stage itself is below a zoomed picture */
    .tinytrack-stage.tinytrack-moved { cursor: grabbing !important; }
    .tinytrack-zoom { display: flex; flex-wrap: wrap; align-items: center; gap: 4px; margin-top: 4px; }
    .tinytrack-zoom[hidden] { display: none; }
    .tinytrack-zoom span { color: var(--jp-ui-font-color1, inherit); font-size: 13px; margin-left: 4px; }
    """
    data = traitlets.Bytes().tag(sync=True)
    size = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=(1, 1)).tag(sync=True)
    width = traitlets.Int(400).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    active = traitlets.Bool(False).tag(sync=True)
    brush = traitlets.Float(0.0).tag(sync=True)
    ink = traitlets.Unicode("rgb(230,60,60)").tag(sync=True)
    hover = traitlets.Bool(False).tag(sync=True)
    polygon = traitlets.Bool(False).tag(sync=True)
    zoomable = traitlets.Bool(False).tag(sync=True)
    grows = traitlets.Bool(False).tag(sync=True)
    magnification = traitlets.Float(1.0).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        self._handlers: dict[str, Callable] = {"painted": self._answer}
        self._marks = self._painted = 0  # marks sent to the browser, and the last one it has confirmed
        self.on_msg(lambda _, message, buffers: self.hear(message))

    def show(self, picture: np.ndarray, label: str = "") -> None:
        """Replace the picture by uint8 RGB (H, W, 3), of any size with the frame's aspect ratio; an empty label keeps the old one."""
        with self.hold_sync():  # one message, not two
            self.data = picture_bytes(picture)
            if label:
                self.label = label

    def on_point(self, handler: Callable[[str, float, float], None]) -> None:
        """Call ``handler(phase, x, y)`` for each pointer event; phase is "down", "drag", "up" or "hover"."""
        self._handlers["point"] = lambda message: handler(message["phase"], *map(float, message["place"]))

    def on_stroke(self, handler: Callable[[np.ndarray], None]) -> None:
        """Call ``handler(points)`` for each finished stroke of the brush; the points are (N, 2) pixels (x, y)."""
        self._handlers["stroke"] = lambda message: handler(np.array(message["points"], np.float64).reshape(-1, 2))

    def on_polygon(self, handler: Callable[[np.ndarray], None]) -> None:
        """Call ``handler(corners)`` for each finished polygon; the corners are (N, 2) pixels (x, y), N >= 3."""
        self._handlers["polygon"] = lambda message: handler(np.array(message["points"], np.float64).reshape(-1, 2))

    def on_key(self, handler: Callable[[str], None]) -> None:
        """Call ``handler(key)`` for each key of the picture.

        The keys are z , . [ ] x Delete Backspace and the digits 1 to 9, by the names that the browser gives them, and "undo" and "redo"
        for Ctrl+Z and Ctrl+Shift+Z or Ctrl+Y.
        """
        self._handlers["key"] = lambda message: handler(message["key"])

    def mark(self) -> None:
        """Ask the browser to confirm when it has painted everything that was sent so far."""
        self._marks += 1
        self.send({"mark": self._marks})

    @property
    def behind(self) -> int:
        """Number of marks that the browser has not confirmed yet."""
        return self._marks - self._painted

    def _answer(self, message: dict) -> None:
        self._painted = max(self._painted, int(message["mark"]))  # two views of one canvas both answer

    def hear(self, message: dict) -> None:
        """Handle a message from the browser, then confirm it: the browser holds back its next hover or drag event until then."""
        kind = message.get("kind")
        try:
            self._handlers.get(kind, lambda _: None)(message)
        finally:
            if kind != "painted":
                self.send({"done": message.get("phase", kind)})
