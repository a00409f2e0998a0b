"""A picture in the page on which a person clicks, drags and draws.

Python sends whole pictures; the browser only reports where the pointer is (``canvas.js``).
"""

import io
from collections.abc import Callable
from pathlib import Path

import anywidget
import numpy as np
import traitlets

QUALITY = 92  # Of the JPEG that travels to the browser: a tenth of the bytes of a PNG, and encoded five times as fast.


def picture_bytes(picture: np.ndarray) -> bytes:
    """uint8 RGB (H, W, 3) as a JPEG with its colours at full resolution."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


class Canvas(anywidget.AnyWidget):
    """One picture on which a person points, draws and types. Coordinates are pixels (x, y) of the *frame* it shows, whatever size
    it is shown at; (0, 0) is the centre of the top left pixel.

    With the mouse, a finger or a pen: click, drag, draw. With the keyboard (Tab brings one there): arrows move a crosshair, with
    Shift by ten pixels; Enter clicks, or dabs with the brush; Space puts the brush down and lifts it.

    Attributes:
        size: (width, height) of the frame, in its pixels.
        width: of the picture on the page at most, in pixels of the page.
        label: what it shows, in words, for those who do not see it.
        active: whether it takes part at all.
        brush: radius in pixels of the frame; 0: no brush, a click is a click.
        ink: the brush's colour, as CSS has it.
        hover: whether moving over it is reported too.
    """

    _esm = Path(__file__).with_name("canvas.js")
    _css = """
    .tinytrack-stage { position: relative; max-width: 100%; line-height: 0; border-radius: 3px; overflow: hidden; }
    .tinytrack-stage canvas { width: 100%; height: auto; display: block; }
    .tinytrack-stage canvas + canvas { position: absolute; inset: 0; height: 100%; pointer-events: none; }
    .tinytrack-stage:focus-visible { outline: 2px solid #2196f3; outline-offset: 1px; }
    """
    data = traitlets.Bytes().tag(sync=True)
    size = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=(1, 1)).tag(sync=True)
    width = traitlets.Int(400).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    active = traitlets.Bool(False).tag(sync=True)
    brush = traitlets.Float(0.0).tag(sync=True)
    ink = traitlets.Unicode("rgb(230,60,60)").tag(sync=True)
    hover = traitlets.Bool(False).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        self._handlers: dict[str, Callable] = {"painted": self._answer}
        self._marks = self._painted = 0
        self.on_msg(lambda _, message, buffers: self.hear(message))

    def show(self, picture: np.ndarray, label: str = "") -> None:
        """Replace the picture: uint8 RGB (H, W, 3), of any size with the frame's shape."""
        with self.hold_sync():  # one message, not two
            self.data = picture_bytes(picture)
            if label:
                self.label = label

    def on_point(self, handler: Callable[[str, float, float], None]) -> None:
        """``handler(phase, x, y)``: phase is "down", "drag", "up" or "hover"."""
        self._handlers["point"] = lambda message: handler(message["phase"], *map(float, message["place"]))

    def on_stroke(self, handler: Callable[[np.ndarray], None]) -> None:
        """``handler(points)``: a finished stroke of the brush, (N, 2) pixels (x, y)."""
        self._handlers["stroke"] = lambda message: handler(np.array(message["points"], np.float64).reshape(-1, 2))

    def on_key(self, handler: Callable[[str], None]) -> None:
        """``handler(key)``: one of the keys z , . [ ] x Delete Backspace, as the browser names them."""
        self._handlers["key"] = lambda message: handler(message["key"])

    def mark(self) -> None:
        """Ask the browser to say when it has painted what it was sent so far."""
        self._marks += 1
        self.send({"mark": self._marks})

    @property
    def behind(self) -> int:
        """Marks that the browser has not answered yet."""
        return self._marks - self._painted

    def _answer(self, message: dict) -> None:
        self._painted = max(self._painted, int(message["mark"]))  # two views of one stage both answer

    def hear(self, message: dict) -> None:
        """A message of the browser. It is told when its question is answered: of hovering, one question is asked at a time."""
        kind = message.get("kind")
        try:
            self._handlers.get(kind, lambda _: None)(message)
        finally:
            if kind != "painted":
                self.send({"done": message.get("phase", kind)})
