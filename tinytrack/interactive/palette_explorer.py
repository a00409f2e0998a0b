"""The demo of notebook 01: how many colours does it take?"""

from collections.abc import Sequence

import ipywidgets
import numpy as np

from .. import draw
from ..color import Palette, chroma, frames_to_lab
from .canvas import Canvas
from .demo_pictures import palette_picture
from .layout import Demo, css_color, row, slider


def patch(rgb: Sequence[int]) -> str:
    """Return the HTML of a small square of one colour."""
    style = "display:inline-block;width:1.6em;height:1.1em;vertical-align:-0.2em;border:1px solid #888"
    return f'<span style="{style};background:{css_color(rgb)}"></span>'


class PaletteExplorer(Demo):
    """See :func:`palette_explorer`."""

    def __init__(self, frames: np.ndarray, k: int):
        self.frames = frames
        self.colors = frames_to_lab(frames[:: max(1, len(frames) // 12)])[:, 1:]
        self.palettes: dict[int, Palette] = {}
        self.k = slider(ipywidgets.IntSlider, "colours K", min=2, max=64, value=k)
        self.frame = slider(ipywidgets.IntSlider, "frame", min=0, max=len(frames) - 1)
        self.text = ipywidgets.HTML()
        self.stage = Canvas(width=980)
        super().__init__([row(self.k, self.frame), self.stage, self.text])
        for control in (self.k, self.frame):
            control.observe(lambda _: self.update(), "value")
        self.update()

    def palette(self, k: int) -> Palette:
        """Return the palette of k colours, fitted to few enough pixels to keep up with the slider."""
        if k not in self.palettes:
            self.palettes[k] = Palette.fit(self.colors, k, sample=5000)
        return self.palettes[k]

    def update(self) -> None:
        """Show the chosen frame in the chosen number of colours."""
        frame, palette = self.frames[self.frame.value], self.palette(self.k.value)
        ab = frames_to_lab(frame)[1:]
        error = float(chroma(palette.decode(palette.hard(ab)) - ab).mean())
        t, k = self.frame.value, len(palette)
        self.text.value = f"{k} colours: a pixel of frame {t} is off by <b>{error:.2f}</b> Lab units on average"
        self.stage.show(palette_picture(frame, palette), f"Frame {t} in {k} colours, {error:.2f} Lab units off")


def palette_explorer(frames: np.ndarray, k: int = 16) -> Demo:
    """Build the demo of notebook 01: how many colours does it take?

    Sliders choose K and the frame; the demo shows the frame in K colours, the swatches and the error.

    Args:
        frames: uint8 RGB (T, H, W, 3).
        k: number of colours at the start, 2 to 64.
    """
    demo = PaletteExplorer(frames, k)
    demo.still = draw.filmstrip([[palette_picture(frames[0], demo.palette(k))]], [""], heading=f"Frame 0 in {k} colours")
    return demo
