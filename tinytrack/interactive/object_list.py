"""The studio's list of objects: choose the one to paint, and hide objects in the picture."""

import html

import ipywidgets
import traitlets

from ..draw import object_color
from .layout import css_color


class _Item(ipywidgets.Box):
    """One object of the list: its number on its colour, its name, and an eye."""

    def __init__(self, name: str, number: int):
        self.number = number
        ink = "black" if object_color(number) @ (0.3, 0.6, 0.1) > 110 else "white"
        look = f"background: {css_color(object_color(number))}; color: {ink}; border-radius: 3px; padding: 2px 6px; font-weight: 600"
        swatch = ipywidgets.HTML(f'<span style="{look}" title="{html.escape(name)}">{number}</span>')
        key = f" (key {number} on the picture)" if number < 10 else ""
        self.name = ipywidgets.ToggleButton(
            description=name, tooltip=f"Paint {name}{key}", layout={"width": "auto", "min_width": "40px", "max_width": "150px"}
        )
        self.eye = ipywidgets.ToggleButton(icon="eye", tooltip=f"Hide {name} in the picture", layout={"width": "44px"})
        super().__init__([swatch, self.name, self.eye], layout={"align_items": "center"})


class ObjectList(ipywidgets.Box):
    """The objects of a video; it is used like a dropdown.

    Attributes:
        options: (name, number) of each object.
        value: the number of the chosen object; None if there is none.
        hidden: the numbers of the objects that the picture leaves out. Tracking and export do not know about it.
    """

    options = traitlets.Tuple()
    value = traitlets.Int(None, allow_none=True)
    hidden = traitlets.Instance(frozenset, args=())

    def __init__(self):
        super().__init__(
            layout={"display": "flex", "flex_flow": "row wrap", "grid_gap": "2px 10px", "max_height": "140px", "overflow": "auto"}
        )

    @traitlets.validate("options")
    def _listed(self, proposal):
        return tuple((name, number) for name, number in proposal["value"])

    @traitlets.observe("options")
    def _fill(self, _) -> None:
        """Make the items again; the choice and the hidden objects stay, if they still exist."""
        old, items = self.children, [_Item(name, number) for name, number in self.options]
        for item in items:
            item.name.observe(lambda _, item=item: self._chosen(item), "value")
            item.eye.observe(lambda _, item=item: self._eyed(item), "value")
        self.children = items
        for widget in [part for item in old for part in (*item.children, item)]:
            widget.close()  # otherwise the browser would keep it
        numbers = [item.number for item in items]
        self.hidden &= frozenset(numbers)
        if self.value not in numbers:
            self.value = numbers[0] if numbers else None
        self._show()

    @traitlets.observe("value", "hidden")
    def _show(self, _=None) -> None:
        """Show on the buttons which object is chosen, and which are hidden."""
        for item in self.children:
            chosen, hidden = item.number == self.value, item.number in self.hidden
            item.name.value, item.name.button_style = chosen, "info" if chosen else ""
            item.eye.value, item.eye.icon = hidden, "eye-slash" if hidden else "eye"

    def _chosen(self, item: _Item) -> None:
        """Choose an object whose button was pressed; pressing the chosen one again changes nothing."""
        if item.name.value != (item.number == self.value):  # pressed by the person, and not by _show
            self.value = item.number
            self._show()

    def _eyed(self, item: _Item) -> None:
        """Hide an object, or show it again."""
        self.hidden = self.hidden | {item.number} if item.eye.value else self.hidden - {item.number}
