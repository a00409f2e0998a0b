"""What the widgets of a page leave out, added in the browser.

Sliders and buttons get names and states for screen readers, messages are read aloud, Enter works in text boxes, the browser warns before
a page with unsaved marks is left, and a banner says when Python does not answer any more (``access.js``).
"""

from pathlib import Path

import anywidget
import ipywidgets
import traitlets

# An arrow that is visible on dark: the usual one is black in every theme.
_ARROW = (
    "url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E"
    "%3Cpath d='M5.2 5.9 9 9.7l3.8-3.8 1.2 1.2-4.9 5-4.9-5z' fill='%23e0e0e0'/%3E%3C/svg%3E\")"
)


class Access(anywidget.AnyWidget):
    """An invisible widget that makes the widgets around it, in the same element with the class ``tinytrack-studio``, easier to use.

    Attributes:
        text: the newest message, which screen readers read aloud.
        unsaved: whether the browser warns before the page is left.
    """

    _esm = Path(__file__).with_name("access.js")
    _css = f"""
    .tinytrack-said {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }}
    .tinytrack-banner {{ position: fixed; top: 8px; left: 8px; right: 8px; z-index: 1000; padding: 8px 12px; border-radius: 4px;
                        background: #b71c1c; color: white; font-weight: 600; line-height: 1.4; }}
    .tinytrack-banner[hidden] {{ display: none; }}
    .tinytrack-wrong {{ color: #c62828; font-weight: 600; }}
    .tinytrack-stale {{ color: #b45309; font-weight: 600; }}
    .tinytrack-studio .tinytrack-near {{ display: none; }}
    @media (max-width: 860px) {{ .tinytrack-studio .tinytrack-near {{ display: block; }} }}
    [data-jp-theme-light="false"] .tinytrack-wrong {{ color: #ff8a80; }}
    [data-jp-theme-light="false"] .tinytrack-stale {{ color: #ffb74d; }}
    [data-jp-theme-light="false"] {{ --jp-widgets-dropdown-arrow: {_ARROW}; }}
    """
    text = traitlets.Unicode().tag(sync=True)
    unsaved = traitlets.Bool(False).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        self._boxes: dict[str, tuple[ipywidgets.Text, ipywidgets.Button]] = {}
        self.on_msg(lambda _, message, buffers: self.hear(message))

    def enter(self, name: str, box: ipywidgets.Text, button: ipywidgets.Button) -> None:
        """Let Enter in a text box press a button."""
        self._boxes[name] = box, button
        box.add_class("tinytrack-enter").add_class(f"tinytrack-enter-{name}")

    def hear(self, message: dict) -> None:
        """Handle a message from the browser: Enter was pressed in a box, whose text comes along because it may not have arrived yet."""
        if message.get("kind") == "enter" and message.get("box") in self._boxes:
            box, button = self._boxes[message["box"]]
            if not button.disabled:
                box.value = message["text"]
                button.click()
