"""The timeline below the picture: one row per object and one for the joints, over all frames of the video.

Python sends one byte per row and frame; the browser draws them (``timeline.js``), and reports the frame that is clicked.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import anywidget
import traitlets

from .timeline_rows import Row, describe


class Timeline(anywidget.AnyWidget):
    """What is known about each frame, at a glance; a click or a drag goes to a frame.

    It is a picture for the pointer. With the keyboard, the frame slider does the same, and screen readers read the label.

    Attributes:
        count: number of frames.
        rows: [name, colour in CSS notation] of each row.
        cells: see :attr:`~tinytrack.interactive.timeline_rows.Row.cells`, one row after the other.
        frame: the current frame.
        label: a description of the timeline for people who cannot see it.
    """

    _esm = Path(__file__).with_name("timeline.js")
    _css = """
    .tinytrack-timeline { --row: 16px; max-width: 640px; font-size: 11px; color: var(--jp-ui-font-color1, inherit); }
    .tinytrack-timeline[hidden] { display: none; }
    .tinytrack-timeline-rows { display: flex; gap: 6px; max-height: 200px; overflow-y: auto; }
    .tinytrack-timeline-names { flex: none; min-width: 48px; max-width: 84px; line-height: var(--row); }
    .tinytrack-timeline-names div { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .tinytrack-timeline-track { flex: 1; position: relative; min-width: 0; cursor: pointer; touch-action: pan-y; overflow: hidden; }
    .tinytrack-timeline-track canvas { display: block; width: 100%; }
    .tinytrack-timeline-now { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px; pointer-events: none;
                              background: currentColor; }
    .tinytrack-timeline-legend { display: flex; flex-wrap: wrap; gap: 0 12px; line-height: 18px; opacity: .85; }
    .tinytrack-timeline-legend canvas { vertical-align: middle; margin-right: 4px; }
    """
    count = traitlets.Int(0).tag(sync=True)
    rows = traitlets.List().tag(sync=True)
    cells = traitlets.Bytes().tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        self._go: Callable[[int], None] = lambda frame: None
        self.on_msg(lambda _, message, buffers: self.hear(message))

    def show(self, rows: Sequence[Row], count: int, frame: int) -> None:
        """Show these rows, with a line at the current frame. Only what has changed is sent to the browser."""
        with self.hold_sync():  # one message, because the rows, their cells and their number of frames belong together
            self.count, self.frame = count, frame
            self.rows = [[row.name, row.color] for row in rows]
            self.cells = b"".join(row.cells for row in rows)
            self.label = describe(rows, count)

    def on_frame(self, handler: Callable[[int], None]) -> None:
        """Call ``handler(frame)`` when a frame is clicked."""
        self._go = handler

    def hear(self, message: dict) -> None:
        """Handle a message from the browser, then confirm it: the browser holds back the next frame of a drag until then."""
        try:
            if message.get("kind") == "frame" and self.count:
                self._go(min(max(int(message["frame"]), 0), self.count - 1))
        finally:
            self.send({"done": True})
