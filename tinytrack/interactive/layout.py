"""Small parts that all demos are laid out with, and the base class of demos."""

from typing import TYPE_CHECKING

import ipywidgets
import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def row(*children: ipywidgets.Widget, gap: str = "4px 14px") -> ipywidgets.Box:
    """Side by side where there is room, else below one another."""
    layout = ipywidgets.Layout(display="flex", flex_flow="row wrap", align_items="center", grid_gap=gap)
    return ipywidgets.Box(children, layout=layout)


def css_color(rgb: np.ndarray) -> str:
    """A colour (3,) in 0..255 as CSS has it."""
    return f"rgb({','.join(str(int(v)) for v in rgb)})"


class Demo(ipywidgets.VBox):
    """A widget with a still: where no kernel runs, as on a web page, the figure stands in its place."""

    still: "Figure | None" = None

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs), {}
        if self.still is not None:
            more, metadata = self.still._repr_mimebundle_()
            data = {**data, **more}
        return data, metadata


def slider(kind, text: str, width: str = "330px", **options):
    return kind(description=text, layout={"width": width}, style={"description_width": "initial"}, **options)


FLEX = {"display": "flex", "flex_flow": "row wrap", "grid_gap": "6px 14px"}
