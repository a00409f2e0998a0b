"""Small layout helpers that all demos share, and the base class of the demos."""

from typing import TYPE_CHECKING

import ipywidgets
import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def row(*children: ipywidgets.Widget, gap: str = "4px 14px") -> ipywidgets.Box:
    """Lay widgets out side by side where there is room, else one below the other."""
    layout = ipywidgets.Layout(display="flex", flex_flow="row wrap", align_items="center", grid_gap=gap)
    return ipywidgets.Box(children, layout=layout)


def css_color(rgb: np.ndarray) -> str:
    """Format a colour (3,) in 0..255 for CSS."""
    return f"rgb({','.join(str(int(v)) for v in rgb)})"


class Demo(ipywidgets.VBox):
    """A widget with a still: a figure that is shown in its place where no kernel runs, as on a web page."""

    still: "Figure | None" = None

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs), {}
        if self.still is not None:
            more, metadata = self.still._repr_mimebundle_()
            data = {**data, **more}
        return data, metadata


def slider(kind, text: str, width: str = "330px", **options):
    """Create an input widget of this kind, such as a slider, whose description is never cut off."""
    return kind(description=text, layout={"width": width}, style={"description_width": "initial"}, **options)


FLEX = {"display": "flex", "flex_flow": "row wrap", "grid_gap": "6px 14px"}
