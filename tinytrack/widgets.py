"""The demos of the notebooks: sliders and clicks around the pictures that ``draw`` makes. See also ``studio``.

Each function returns a widget; as the last expression of a cell it shows itself. Its parts are attributes, so that a program can
turn them too. Where no kernel runs, its ``still`` stands in its place.
"""

import html
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import ipywidgets
import numpy as np
import torch

from . import draw
from .background import aside, start
from .baselines import baseline_model
from .color import Palette, chroma, frames_to_lab, lab_to_frames
from .errors import TinytrackError
from .metrics import mean_j
from .model import Model, best_device, load_model, random_model
from .playback import Playback
from .pointer import attention
from .recipe import TINY, TrainConfig, checkpoint_steps
from .stage import Demo, Stage, css_color, row
from .studio import studio
from .track import MODERN, PAPER, Carried, Protocol, embed_video, track_masks
from .train import Trainer

__all__ = ["emergence", "palette_explorer", "player", "pointer_explorer", "studio"]


def _slider(kind, text: str, width: str = "330px", **options):
    return kind(description=text, layout={"width": width}, style={"description_width": "initial"}, **options)


def _patch(rgb: Sequence[int]) -> str:
    """A square of one colour, in HTML."""
    style = "display:inline-block;width:1.6em;height:1.1em;vertical-align:-0.2em;border:1px solid #888"
    return f'<span style="{style};background:{css_color(rgb)}"></span>'


# ---- 01


class PaletteExplorer(Demo):
    """See :func:`palette_explorer`."""

    def __init__(self, frames: np.ndarray, k: int):
        self.frames = frames
        self.colors = frames_to_lab(frames[:: max(1, len(frames) // 12)])[:, 1:]
        self.palettes: dict[int, Palette] = {}
        self.k = _slider(ipywidgets.IntSlider, "colours K", min=2, max=64, value=k)
        self.frame = _slider(ipywidgets.IntSlider, "frame", min=0, max=len(frames) - 1)
        self.text = ipywidgets.HTML()
        self.stage = Stage(width=980)
        super().__init__([row(self.k, self.frame), self.stage, self.text])
        for control in (self.k, self.frame):
            control.observe(lambda _: self.update(), "value")
        self.update()

    def palette(self, k: int) -> Palette:
        """k-means with k centres; of so many pixels only that it answers while the slider moves."""
        if k not in self.palettes:
            self.palettes[k] = Palette.fit(self.colors, k, sample=5000)
        return self.palettes[k]

    def update(self) -> None:
        frame, palette = self.frames[self.frame.value], self.palette(self.k.value)
        ab = frames_to_lab(frame)[1:]
        error = float(chroma(palette.decode(palette.hard(ab)) - ab).mean())
        t, k = self.frame.value, len(palette)
        self.text.value = f"{k} colours: a pixel of frame {t} is off by <b>{error:.2f}</b> Lab units on average"
        self.stage.show(draw.palette_picture(frame, palette), f"Frame {t} in {k} colours, {error:.2f} Lab units off")


def palette_explorer(frames: np.ndarray, k: int = 16) -> Demo:
    """Notebook 01: how many colours does it take? Sliders for K and for the frame; the frame in K colours, swatches, the error.

    Args:
        frames: uint8 RGB (T, H, W, 3).
        k: colours at the start, 2 to 64.
    """
    demo = PaletteExplorer(frames, k)
    demo.still = draw.filmstrip([[draw.palette_picture(frames[0], demo.palette(k))]], [""], heading=f"Frame 0 in {k} colours")
    return demo


# ---- 03, 05


class PointerExplorer(Demo):
    """See :func:`pointer_explorer`."""

    MODELS = {"tiny-gray (trained)": "tiny-gray", "random network": "random", "raw gray patches": "gray", "raw Lab patches": "lab"}

    def __init__(self, frames, at, references, masks, names, protocol, device):
        self.frames, self.masks, self.names, self.protocol, self.device = frames, dict(masks or {}), list(names), protocol, device
        self.given = None if references is None else list(references)
        self.models: dict[str, Model] = {}
        self.embeddings: dict[tuple[str, int], torch.Tensor] = {}
        self.point = (frames.shape[2] // 2, frames.shape[1] // 2)
        self.which = ipywidgets.Dropdown(options=list(self.MODELS), description="features", layout={"width": "260px"})
        self.at = _slider(ipywidgets.IntSlider, "target frame", "270px", min=1, max=len(frames) - 1, value=at)
        self.temperature = _slider(
            ipywidgets.FloatLogSlider, "temperature", "270px", base=10, min=-2.5, max=0.5, step=0.05, value=0.07, readout_format=".3f"
        )
        self.top_k = _slider(ipywidgets.IntSlider, "top-k (0: all)", "240px", min=0, max=50, value=0)
        self.radius = _slider(ipywidgets.IntSlider, "window ± cells (0: none)", "330px", min=0, max=30, value=0)
        self.follow = ipywidgets.Checkbox(value=False, description="follow the mouse", indent=False, layout={"width": "150px"})
        self.stage = Stage(width=360, size=(frames.shape[2], frames.shape[1]), active=True)
        self.panels = ipywidgets.Box(layout=ipywidgets.Layout(display="flex", flex_flow="row wrap", grid_gap="6px"))
        self.text = ipywidgets.HTML()
        self.slots: list[tuple[Stage, ipywidgets.HTML]] = []
        super().__init__(
            [
                row(self.which, self.at, self.temperature),
                row(self.top_k, self.radius, self.follow),
                ipywidgets.Box(
                    [ipywidgets.VBox([self.stage, self.text], layout={"width": "360px"}), self.panels],
                    layout={**_FLEX, "align_items": "flex-start"},
                ),
            ]
        )
        self.stage.on_point(self.ask)
        self.follow.observe(lambda change: setattr(self.stage, "hover", change["new"]), "value")
        for control in (self.which, self.at, self.temperature, self.top_k, self.radius):
            control.observe(lambda _: self.update(), "value")
        self.update()

    def references(self) -> list[int]:
        """The frames at which the target points: those given that are not the target, else the protocol's."""
        at = self.at.value
        return [r for r in self.given or () if r != at] or self.protocol.references(at)

    def embedding(self, name: str, t: int) -> torch.Tensor:
        """(D, h, w) of one frame; asked again, it is there."""
        if name not in self.models:
            make = {"tiny-gray": lambda: load_model(name, self.device), "random": lambda: random_model(device=self.device)}
            self.models[name] = make.get(name, lambda: baseline_model(name, self.device))()
        if (name, t) not in self.embeddings:
            self.embeddings[name, t] = embed_video([self.frames[t]], self.models[name], self.protocol)[0]
        return self.embeddings[name, t]

    def ask(self, phase: str, x: float, y: float) -> None:
        if phase != "up":
            self.point = (x, y)
            self.update()

    def answer(self) -> tuple[list[int], np.ndarray, tuple[int, int]]:
        """References, attention (R, h, w), and the cell (column, row) of the point."""
        name, references = self.MODELS[self.which.value], self.references()
        f = torch.stack([self.embedding(name, t) for t in (*references, self.at.value)])
        h, w = f.shape[-2:]
        cell = tuple(int((p + 0.5) * n / side) for p, n, side in zip(self.point, (w, h), self.frames.shape[2:0:-1], strict=True))
        cell = min(max(cell[0], 0), w - 1), min(max(cell[1], 0), h - 1)
        heat = attention(f, range(len(references)), [cell], self.temperature.value, self.radius.value or None, self.top_k.value or None)
        return references, heat[0].numpy(), cell

    def update(self) -> None:
        references, heat, cell = self.answer()
        at, (high, wide) = self.at.value, self.frames.shape[1:3]
        x, y = self.point
        self.stage.show(draw.aim(self.frames[at], (x, y)), f"Target frame {at}, asked at x {x:.0f}, y {y:.0f}: click another pixel")
        if len(self.slots) != len(references):
            self.slots = [(Stage(width=260 if len(references) < 4 else 170), ipywidgets.HTML()) for _ in references]
            self.panels.children = [ipywidgets.VBox(slot) for slot in self.slots]
        box, r = None, self.radius.value
        if r:
            size = np.array([wide / heat.shape[2], high / heat.shape[1]])
            box = [*((np.array(cell) - r) * size - 0.5).clip(0), *np.minimum((np.array(cell) + r + 1) * size - 0.5, [wide - 1, high - 1])]
        for (stage, text), t, values in zip(self.slots, references, heat, strict=True):
            share = f"{100 * values.sum():.0f} %"
            stage.show(draw.attention_picture(self.frames[t], values, heat.max(), box), f"Reference frame {t}: {share} of the attention")
            text.value = f"frame {t}: <b>{share}</b>"
        self.text.value = self.told(references, heat)

    def told(self, references: list[int], heat: np.ndarray) -> str:
        """What the pixel copies: colour, and where there are masks, labels."""
        h, w = heat.shape[1:]
        pool = torch.nn.functional.adaptive_avg_pool2d
        lab = frames_to_lab(self.frames[[*references, self.at.value]])
        ab = pool(lab[:-1, 1:], (h, w)).numpy()
        copied = (heat[:, None] * ab).sum((0, 2, 3))
        x, y = (min(max(round(p), 0), side - 1) for p, side in zip(self.point, self.frames.shape[2:0:-1], strict=True))
        true = lab[-1, :, y, x].numpy()
        shown = lab_to_frames(torch.tensor(np.stack([[true[0], *copied], true]).T[:, None].astype(np.float32)))[0]
        off = float(np.hypot(*(copied - true[1:])))
        lines = [f"copied colour {_patch(shown[0])} true {_patch(shown[1])} {off:.1f} Lab units off"]
        strongest = np.sort(heat, axis=None)[::-1]
        lines.append(f"the strongest cell has {100 * strongest[0]:.0f} %, ten have {100 * strongest[:10].sum():.0f} %")
        labelled = [(t, values) for t, values in zip(references, heat, strict=True) if t in self.masks]
        if labelled:
            most = max(int(self.masks[t].max()) for t, _ in labelled)
            names = ["background", *self.names, *(f"object {n}" for n in range(len(self.names) + 1, most + 1))]
            shares = np.zeros(len(names))
            for t, values in labelled:
                for n in range(len(shares)):
                    shares[n] += float((pool(torch.tensor(self.masks[t] == n)[None].float(), (h, w))[0].numpy() * values).sum())
            order = [n for n in np.argsort(-shares) if shares[n] > 0.005]
            told = ", ".join(f"<b>{html.escape(names[n])}</b> {100 * shares[n] / shares.sum():.0f} %" for n in order)
            lines.append(f"copied label: {told}" if order else "copied label: none; it points at frames without labels")
        return "<br>".join(lines)


_FLEX = {"display": "flex", "flex_flow": "row wrap", "grid_gap": "6px 14px"}


def pointer_explorer(
    frames: np.ndarray,
    at: int,
    references: Sequence[int] | None = None,
    masks: Mapping[int, np.ndarray] | Sequence[np.ndarray] | None = None,
    names: Sequence[str] = (),
    protocol: Protocol = MODERN,
    point: Sequence[float] | None = None,
    device: str | None = None,
) -> Demo:
    """Notebooks 03, 05: click a pixel of the target frame, see where it points in each reference frame, and what it copies from there.

    Args:
        frames: uint8 RGB (T, H, W, 3).
        at: the target frame at the start.
        references: frames at which it points; None: those of the protocol, which change with the target.
        masks: object ids (H, W) of reference frames, true or tracked: frame -> ids, or a list with all frames.
        names: of the objects 1, 2, ...
        protocol: the size at which the network sees frames, and its references. Its window and top-k are sliders here, both off at
            the start, and the window then holds in all frames.
        point: the pixel (x, y) at the start; by default the middle.
        device: default: a GPU where there is one.
    """
    masks = dict(masks if isinstance(masks, Mapping) else enumerate([] if masks is None else masks))
    demo = PointerExplorer(frames, at, references, masks, names, protocol, device or best_device())
    if point is not None:
        demo.ask("down", *point)
    refs, heat, _ = demo.answer()
    shown = sorted(np.argsort(-heat.sum((1, 2)), kind="stable")[:3])  # the three with most attention
    row = [draw.aim(frames[at], demo.point), *(draw.attention_picture(frames[refs[i]], heat[i], heat.max(), width=360) for i in shown)]
    notes = [["", *(f"{100 * heat[i].sum():.0f} % of the attention" for i in shown)]]
    columns = [f"target: frame {at}", *(f"reference: frame {refs[i]}" for i in shown)]
    demo.still = draw.filmstrip([row], [""], columns, notes)
    return demo


# ---- 04

NO_CHECKPOINT = [("none yet", -1)]
REFRESH = 15.0
"""Seconds after which masks are tracked anew, if no checkpoint is due before."""


class Emergence(Demo):
    """See :func:`emergence`.

    Attributes:
        trainer: the run; after Stop it stands where it was stopped.
        models: {step: Model} of the checkpoints so far.
        model: as trained so far.
    """

    def __init__(self, shots, frames, mask, truth, config, at, level, device):
        self.shots, self.frames, self.mask, self.truth, self.config = shots, frames, mask, dict(truth or {}), config
        self.shown, self.level, self.device = list(at), level, device
        self.trainer: Trainer | None = None
        self.models: dict[int, Model] = {}
        self.looks: dict[int, tuple[np.ndarray, str]] = {}
        self.running = False
        self.go = ipywidgets.Button(description="Train", icon="play", button_style="primary")
        self.stop = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.again = ipywidgets.Button(description="Start over", icon="refresh", disabled=True)
        self.steps = _slider(ipywidgets.BoundedIntText, "steps", "150px", min=1, max=100_000, value=config.steps)
        self.bar = ipywidgets.IntProgress(layout={"width": "180px"})
        self.text = ipywidgets.HTML("random weights: press Train")
        self.curve = Stage(width=460)
        self.scrubber = _slider(ipywidgets.SelectionSlider, "checkpoint", "460px", options=NO_CHECKPOINT, disabled=True)
        self.picture = Stage(width=900)
        self.note = ipywidgets.HTML()
        super().__init__(
            [
                row(self.go, self.stop, self.again, self.steps, self.bar, self.text),
                self.curve,
                self.scrubber,
                self.picture,
                self.note,
            ]
        )
        self.curve.show(draw.emergence_picture([], level=level), "The loss so far: no step yet")
        self.go.on_click(lambda _: start(self.train()))
        self.stop.on_click(lambda _: setattr(self, "running", False))
        self.again.on_click(lambda _: self.start_over())
        self.scrubber.observe(lambda _: self.scrub(), "value")

    @property
    def model(self) -> Model | None:
        return self.trainer and self.trainer.model()

    def keep(self, step: int, model: Model) -> None:
        """Track with a checkpoint and remember what it looked like. Takes a second or two: not for the kernel's main thread."""
        tracked = list(track_masks(self.frames, self.mask, model, PAPER))
        gray = draw.to_gray(self.frames[self.shown])
        panels = [draw.magnified(draw.overlay(g, tracked[t]), 240)[0] for g, t in zip(gray, self.shown, strict=True)]
        said = f"step {step}"
        scored = [t for t in self.truth if 0 < t < len(tracked)]
        if scored:
            objects = np.unique(self.mask[self.mask > 0])
            j = np.mean([mean_j(tracked[t], self.truth[t], objects) for t in scored])
            said += f": J {100 * j:.0f} % (mean over {len(objects)} objects, frames {', '.join(map(str, scored))})"
        self.models[step] = model
        self.looks[step] = (draw.side_by_side(panels, [f"frame {t}" for t in self.shown]), said)

    def offer(self) -> None:
        """Put the checkpoints on the scrubber; the newest is shown unless someone looks at an older one."""
        steps = sorted(self.looks)
        was, last = self.scrubber.value, self.scrubber.options[-1][1]
        self.scrubber.options = [(f"step {n}", n) for n in steps]
        self.scrubber.value = steps[-1] if was == last else max((n for n in steps if n <= was), default=steps[-1])
        self.scrubber.disabled = False
        self.scrub()

    def scrub(self) -> None:
        if self.scrubber.value in self.looks:
            picture, said = self.looks[self.scrubber.value]
            self.picture.show(picture, f"Masks carried from frame 0 by the network of {said}")
            self.note.value = html.escape(said)

    async def train(self) -> None:
        """Train on a thread of its own, so that the kernel answers meanwhile; ends at the last step or when Stop is pressed."""
        if self.running:
            return
        self.running = True
        self.settle()
        try:
            if self.trainer is None or self.trainer.done:
                self.text.value, self.models, self.looks = "preparing ...", {}, {}
                config = replace(self.config, steps=self.steps.value)
                self.trainer = await aside(lambda: Trainer(self.shots, config, device=self.device))
            trainer, marks = self.trainer, checkpoint_steps(self.trainer.config.steps)
            self.bar.max, drawn, looked = trainer.config.steps, 0.0, time.monotonic()
            while True:
                if (trainer.count in marks or time.monotonic() - looked > REFRESH) and trainer.count not in self.looks:
                    await self.look(f"step {trainer.count}: tracking with it ...")
                    looked = time.monotonic()
                if trainer.done or not self.running:
                    break
                await aside(trainer.step)
                if time.monotonic() - drawn > 1 or trainer.done:
                    drawn = time.monotonic()
                    await self.report()
            if trainer.count not in self.looks:
                await self.look("tracking with what was learned ...")
            await self.report()
            verb = "done" if trainer.done else "stopped, and kept: Train goes on from here"
            self.text.value += f" &mdash; {verb}"
        except TinytrackError as error:  # frames too small, a loss that is no number
            self.text.value = html.escape(str(error))
        finally:
            self.running = False
            self.settle()

    def settle(self) -> None:
        """What can be pressed now."""
        begun = self.trainer is not None and not self.trainer.done
        self.go.disabled, self.stop.disabled = self.running, not self.running
        self.again.disabled = self.running or not begun
        self.steps.disabled = self.running or begun  # the schedule of a run depends on its length

    def start_over(self) -> None:
        """Forget the run; the next one begins with random weights again."""
        self.trainer, self.models, self.looks = None, {}, {}
        self.scrubber.options, self.scrubber.disabled = NO_CHECKPOINT, True
        self.bar.value, self.note.value, self.text.value = 0, "", "random weights: press Train"
        self.curve.show(draw.emergence_picture([], level=self.level), "The loss so far: no step yet")
        self.picture.show(np.full((8, 300, 3), 255, np.uint8), "No checkpoint yet")
        self.settle()

    async def look(self, said: str) -> None:
        """Track with what was learned so far, and show it."""
        self.text.value = said
        await aside(lambda: self.keep(self.trainer.count, self.trainer.model()))
        self.offer()

    async def report(self) -> None:
        """Say and draw how far the training is."""
        trainer = self.trainer
        picture = await aside(lambda: draw.emergence_picture(trainer.losses, list(self.looks), level=self.level))
        self.bar.value = trainer.count
        if not trainer.losses:
            self.text.value = f"step 0 of {trainer.config.steps}"
            return
        loss, rate = np.mean(trainer.losses[-20:]), trainer.count * trainer.config.batch / max(trainer.seconds, 1e-9)
        self.text.value = f"step {trainer.count} of {trainer.config.steps}: loss <b>{loss:.2f}</b>, {rate:.1f} clips/s"
        self.curve.show(picture, f"Loss after {trainer.count} steps: {loss:.2f} nats")


def emergence(
    shots: Sequence[np.ndarray],
    frames: np.ndarray,
    mask: np.ndarray,
    truth: Mapping[int, np.ndarray] | None = None,
    config: TrainConfig = TINY,
    models: Mapping[int, Model] | None = None,
    at: Sequence[int] = (5, 20, 40, 60),
    level: float | None = None,
    device: str | None = None,
) -> Demo:
    """Notebook 04: train, and watch tracking emerge: loss, clips a second, and the masks that each checkpoint carries.

    Stop keeps what was learned (``demo.model``, ``demo.models``), Train goes on. The scrubber goes through the checkpoints.

    Args:
        shots: to train on, see :func:`tinytrack.batches.load_shots`.
        frames: to track in, uint8 RGB (T, H, W, 3), under the paper's protocol.
        mask: object ids of frame 0, (H, W).
        truth: true masks of later frames, for J.
        config: the recipe; its steps can be changed.
        models: checkpoints that are there already, step -> model: the scrubber starts with them.
        at: frames to show.
        level: the loss of a pointer that spreads evenly, drawn across the curve.
        device: default: a GPU where there is one.
    """
    demo = Emergence(shots, frames, mask, truth, config, [t for t in at if t < len(frames)], level, device or best_device())
    for step, model in (models or {}).items():
        demo.keep(step, model)
    if demo.looks:
        demo.offer()
        steps = sorted(demo.looks)
        shown = steps[:: max(1, (len(steps) - 1) // 2)][:3] if len(steps) > 3 else steps
        pictures = [[demo.looks[n][0]] for n in shown]
        demo.still = draw.filmstrip(pictures, [f"step {n}" for n in shown], notes=[[demo.looks[n][1]] for n in shown], width=8)
    return demo


# ---- 05, 06, 07


class Player(Demo):
    """See :func:`player`."""

    NONE = "(nothing)"

    def __init__(self, frames, tracks, scores, metric, edges, fps):
        self.frames, self.tracks, self.scores, self.edges = frames, tracks, dict(scores or {}), edges
        names, last = list(tracks), len(frames) - 1
        self.overlay = ipywidgets.Checkbox(value=True, description="overlay", indent=False, layout={"width": "90px"})
        self.opacity = _slider(ipywidgets.FloatSlider, "opacity", "220px", min=0.05, max=1, step=0.05, value=0.5)
        width = 430
        size = (frames.shape[2], frames.shape[1])
        self.which = [
            ipywidgets.Dropdown(options=[self.NONE, *names], value=name, layout={"width": "260px"})
            for name in (names[0], names[1] if len(names) > 1 else self.NONE)
        ]
        self.stages = [Stage(width=width, size=size) for _ in self.which]
        self.said = [ipywidgets.HTML() for _ in self.which]
        self.playback = Playback(self.stages[0], last, fps)
        self.frame = self.playback.frame
        panels = [ipywidgets.VBox(parts) for parts in zip(self.which, self.stages, self.said, strict=True)]
        children = [row(self.playback.button, self.frame, self.overlay, self.opacity), ipywidgets.Box(panels, layout=_FLEX)]
        self.curve = None
        if self.scores:
            self.chart, self.reach = draw.score_picture(self.scores, len(frames), metric)
            self.curve = Stage(width=self.chart.shape[1], size=(self.chart.shape[1], self.chart.shape[0]), active=True)
            self.curve.on_point(self.jump)
            children.append(self.curve)
        self.metric = metric
        super().__init__(children)
        for control in (self.frame, self.overlay, self.opacity, *self.which):
            control.observe(lambda _: self.update(), "value")
        self.update()

    def jump(self, phase: str, x: float, _y: float) -> None:
        """A click on the curve."""
        if phase in ("down", "drag"):
            left, right = self.reach
            last = len(self.frames) - 1
            self.frame.value = min(max(round((x + 0.5 - left) / (right - left) * last), 0), last)

    def update(self) -> None:
        t = self.frame.value
        for which, stage, text in zip(self.which, self.stages, self.said, strict=True):
            name = which.value
            carried = self.tracks[name][t] if name in self.tracks and self.overlay.value else Carried()
            stage.show(draw.carried_picture(self.frames[t], carried, self.edges, self.opacity.value), f"Frame {t}: {draw.label(name)}")
            score = self.scores.get(name, {}).get(t)
            text.value = "&nbsp;" if score is None else f"frame {t}: {self.metric} <b>{100 * score:.0f} %</b>"
        if self.curve is not None:
            left, right = self.reach
            x = left + (right - left) * t / max(1, len(self.frames) - 1)
            self.curve.show(draw.with_cursor(self.chart, x), f"{self.metric} against frame number, cursor at frame {t}: click to jump")


def player(
    frames: np.ndarray,
    tracks: Mapping[str, Sequence[Carried | np.ndarray]],
    scores: Mapping[str, Mapping[int, float]] | None = None,
    metric: str = "J",
    edges: Sequence[tuple[int, int]] = (),
    fps: float = 25.0,
    stills: Sequence[int] = (),
) -> Demo:
    """Notebooks 05, 06, 07: play and scrub a tracked video, two methods side by side, their scores below; click the curve to jump.

    Args:
        frames: uint8 RGB (T, H, W, 3).
        tracks: method -> one item a frame: a :class:`~tinytrack.track.Carried`, object ids (H, W), joints (J, 2), or a ``None``.
        scores: method -> {frame: score in [0, 1]}.
        metric: what the scores are.
        edges: lines between joints.
        fps: speed of play, at most.
        stills: frames of the still; by default three of those that have scores.
    """
    tracks = {name: [_carried(item) for item in items] for name, items in tracks.items()}
    short = {name: len(items) for name, items in tracks.items() if len(items) != len(frames)}
    if not tracks:
        raise ValueError("nothing to play: expected at least one method with its tracks")
    if short:
        name, count = next(iter(short.items()))
        raise ValueError(f"'{name}' has {count} items: expected one for each of the {len(frames)} frames")
    demo = Player(frames, tracks, scores, metric, edges, fps)
    scored = sorted(next(iter(demo.scores.values()), {})) or list(range(1, len(frames)))
    stills = stills or [scored[round(share * (len(scored) - 1))] for share in (0.2, 0.6, 1)]
    names = list(tracks)[:2]
    rows = [[draw.carried_picture(frames[t], tracks[name][t], edges) for t in stills] for name in names]
    notes = [[f"{metric} {100 * s[t]:.0f} %" if t in (s := demo.scores.get(name, {})) else "" for t in stills] for name in names]
    titles = [draw.label(name).replace(" (", "\n(").replace(": ", ":\n") for name in names]
    demo.still = draw.filmstrip(rows, titles, [f"frame {t}" for t in stills], notes, width=8)
    return demo


def _carried(item: Carried | np.ndarray | None) -> Carried:
    if isinstance(item, Carried):
        return item
    if item is None:
        return Carried()
    return Carried(xy=item) if item.ndim == 2 and item.shape[1] == 2 and item.dtype.kind == "f" else Carried(ids=item)
