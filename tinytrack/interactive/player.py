"""The demo of notebooks 05, 06 and 07: play a tracked video, two methods side by side."""

from collections.abc import Mapping, Sequence

import ipywidgets
import numpy as np

from .. import draw
from ..track import Carried
from .canvas import Canvas
from .demo_pictures import score_picture, with_cursor
from .layout import FLEX, Demo, row, slider
from .playback import Playback


class Player(Demo):
    """See :func:`player`."""

    NONE = "(nothing)"

    def __init__(self, frames, tracks, scores, metric, edges, fps):
        self.frames = frames
        self.tracks = tracks
        self.scores = dict(scores or {})
        self.metric = metric
        self.edges = edges
        # how the tracks are drawn
        self.overlay = ipywidgets.Checkbox(value=True, description="overlay", indent=False, layout={"width": "90px"})
        self.opacity = slider(ipywidgets.FloatSlider, "opacity", "220px", min=0.05, max=1, step=0.05, value=0.5)
        # two panels: a method, its picture, its score
        names = list(tracks)
        size = (frames.shape[2], frames.shape[1])
        self.which = [
            ipywidgets.Dropdown(options=[self.NONE, *names], value=name, layout={"width": "260px"})
            for name in (names[0], names[1] if len(names) > 1 else self.NONE)
        ]
        self.stages = [Canvas(width=430, size=size) for _ in self.which]
        self.said = [ipywidgets.HTML() for _ in self.which]
        self.playback = Playback(self.stages[0], len(frames) - 1, fps)
        self.frame = self.playback.frame
        panels = [ipywidgets.VBox(parts) for parts in zip(self.which, self.stages, self.said, strict=True)]
        children = [row(self.playback.button, self.frame, self.overlay, self.opacity), ipywidgets.Box(panels, layout=FLEX)]
        # the scores of all frames, to click on
        self.curve = None
        if self.scores:
            self.chart, self.reach = score_picture(self.scores, len(frames), metric)
            self.curve = Canvas(width=self.chart.shape[1], size=(self.chart.shape[1], self.chart.shape[0]), active=True)
            self.curve.on_point(self.jump)
            children.append(self.curve)
        super().__init__(children)
        # every control redraws
        for control in (self.frame, self.overlay, self.opacity, *self.which):
            control.observe(lambda _: self.update(), "value")
        self.update()

    def jump(self, phase: str, x: float, _y: float) -> None:
        """Go to the frame under a click on the curve."""
        if phase in ("down", "drag"):
            left, right = self.reach
            last = len(self.frames) - 1
            self.frame.value = min(max(round((x + 0.5 - left) / (right - left) * last), 0), last)

    def update(self) -> None:
        """Show the current frame in both panels, and the cursor on the curve."""
        t = self.frame.value
        # panels
        for which, stage, text in zip(self.which, self.stages, self.said, strict=True):
            name = which.value
            carried = self.tracks[name][t] if name in self.tracks and self.overlay.value else Carried()
            stage.show(draw.carried_picture(self.frames[t], carried, self.edges, self.opacity.value), f"Frame {t}: {draw.label(name)}")
            score = self.scores.get(name, {}).get(t)
            text.value = "&nbsp;" if score is None else f"frame {t}: {self.metric} <b>{100 * score:.0f} %</b>"
        # cursor
        if self.curve is not None:
            left, right = self.reach
            x = left + (right - left) * t / max(1, len(self.frames) - 1)
            self.curve.show(with_cursor(self.chart, x), f"{self.metric} against frame number, cursor at frame {t}: click to jump")


def player(
    frames: np.ndarray,
    tracks: Mapping[str, Sequence[Carried | np.ndarray]],
    scores: Mapping[str, Mapping[int, float]] | None = None,
    metric: str = "J",
    edges: Sequence[tuple[int, int]] = (),
    fps: float = 25.0,
    stills: Sequence[int] = (),
) -> Demo:
    """Build the demo of notebooks 05, 06 and 07: play and scrub a tracked video, two methods side by side.

    The scores are below; a click on their curve jumps to a frame.

    Args:
        frames: uint8 RGB (T, H, W, 3).
        tracks: method -> one item per frame: a :class:`~tinytrack.track.Carried`, object ids (H, W), keypoints (J, 2), or None.
        scores: method -> {frame: score in [0, 1]}.
        metric: name of the scores.
        edges: pairs of keypoints that are connected by a line.
        fps: the highest frame rate, in frames per second.
        stills: frames of the still; default: three of those that have scores.

    Raises:
        ValueError: if there is no method, or one has not exactly one item per frame.
    """
    # check the tracks
    tracks = {name: [_carried(item) for item in items] for name, items in tracks.items()}
    short = {name: len(items) for name, items in tracks.items() if len(items) != len(frames)}
    if not tracks:
        raise ValueError("nothing to play: expected at least one method with its tracks")
    if short:
        name, count = next(iter(short.items()))
        raise ValueError(f"'{name}' has {count} items: expected one for each of the {len(frames)} frames")
    demo = Player(frames, tracks, scores, metric, edges, fps)
    # the still: the first two methods on a few frames
    scored = sorted(next(iter(demo.scores.values()), {})) or list(range(1, len(frames)))
    stills = stills or [scored[round(share * (len(scored) - 1))] for share in (0.2, 0.6, 1)]
    names = list(tracks)[:2]
    rows = [[draw.carried_picture(frames[t], tracks[name][t], edges) for t in stills] for name in names]
    notes = [[f"{metric} {100 * s[t]:.0f} %" if t in (s := demo.scores.get(name, {})) else "" for t in stills] for name in names]
    titles = [draw.label(name).replace(" (", "\n(").replace(": ", ":\n") for name in names]
    demo.still = draw.filmstrip(rows, titles, [f"frame {t}" for t in stills], notes, width=8)
    return demo


def _carried(item: Carried | np.ndarray | None) -> Carried:
    """Wrap object ids, keypoints or None as a :class:`~tinytrack.track.Carried`."""
    if isinstance(item, Carried):
        return item
    if item is None:
        return Carried()
    return Carried(xy=item) if item.ndim == 2 and item.shape[1] == 2 and item.dtype.kind == "f" else Carried(ids=item)
