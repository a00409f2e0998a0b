"""The demo of notebooks 03 and 05: click a pixel and see where it points."""

import html
from collections.abc import Mapping, Sequence

import ipywidgets
import numpy as np
import torch

from .. import draw
from ..color import frames_to_lab, lab_to_frames
from ..evaluation.baselines import baseline_model
from ..model import Model, best_device, load_model, random_model
from ..pointer import attention
from ..propagate import MODERN, Protocol
from ..track import embed_video
from .canvas import Canvas
from .demo_pictures import aim, attention_picture
from .layout import FLEX, Demo, row, slider
from .palette_explorer import patch


class PointerExplorer(Demo):
    """See :func:`pointer_explorer`."""

    MODELS = {"tiny-gray (trained)": "tiny-gray", "random network": "random", "raw gray patches": "gray", "raw Lab patches": "lab"}

    def __init__(self, frames, at, references, masks, names, protocol, device):
        # the inputs, and what is computed once and kept
        self.frames = frames
        self.given = None if references is None else list(references)
        self.masks = dict(masks or {})
        self.names = list(names)
        self.protocol = protocol
        self.device = device
        self.models: dict[str, Model] = {}
        self.embeddings: dict[tuple[str, int], torch.Tensor] = {}
        self.point = (frames.shape[2] // 2, frames.shape[1] // 2)
        # controls
        self.which = ipywidgets.Dropdown(options=list(self.MODELS), description="features", layout={"width": "260px"})
        self.at = slider(ipywidgets.IntSlider, "target frame", "270px", min=1, max=len(frames) - 1, value=at)
        self.temperature = slider(
            ipywidgets.FloatLogSlider, "temperature", "270px", base=10, min=-2.5, max=0.5, step=0.05, value=0.07, readout_format=".3f"
        )
        self.top_k = slider(ipywidgets.IntSlider, "top-k (0: all)", "240px", min=0, max=50, value=0)
        self.radius = slider(ipywidgets.IntSlider, "window ± cells (0: none)", "330px", min=0, max=30, value=0)
        self.follow = ipywidgets.Checkbox(value=False, description="follow the mouse", indent=False, layout={"width": "150px"})
        # the target frame; one panel per reference frame is made in update
        self.stage = Canvas(width=360, size=(frames.shape[2], frames.shape[1]), active=True)
        self.panels = ipywidgets.Box(layout=ipywidgets.Layout(display="flex", flex_flow="row wrap", grid_gap="6px"))
        self.text = ipywidgets.HTML()
        self.slots: list[tuple[Canvas, ipywidgets.HTML]] = []
        super().__init__(
            [
                row(self.which, self.at, self.temperature),
                row(self.top_k, self.radius, self.follow),
                ipywidgets.Box(
                    [ipywidgets.VBox([self.stage, self.text], layout={"width": "360px"}), self.panels],
                    layout={**FLEX, "align_items": "flex-start"},
                ),
            ]
        )
        # every control redraws
        self.stage.on_point(self.ask)
        self.follow.observe(lambda change: setattr(self.stage, "hover", change["new"]), "value")
        for control in (self.which, self.at, self.temperature, self.top_k, self.radius):
            control.observe(lambda _: self.update(), "value")
        self.update()

    def references(self) -> list[int]:
        """List the frames at which the target points: the given ones other than the target, or else the protocol's."""
        at = self.at.value
        return [r for r in self.given or () if r != at] or self.protocol.references(at)

    def embedding(self, name: str, t: int) -> torch.Tensor:
        """Embed one frame: (D, h, w), computed once and kept."""
        if name not in self.models:
            make = {"tiny-gray": lambda: load_model(name, self.device), "random": lambda: random_model(device=self.device)}
            self.models[name] = make.get(name, lambda: baseline_model(name, self.device))()
        if (name, t) not in self.embeddings:
            self.embeddings[name, t] = embed_video([self.frames[t]], self.models[name], self.protocol)[0]
        return self.embeddings[name, t]

    def ask(self, phase: str, x: float, y: float) -> None:
        """Move the point to (x, y), except at the end of a click or drag."""
        if phase != "up":
            self.point = (x, y)
            self.update()

    def answer(self) -> tuple[list[int], np.ndarray, tuple[int, int]]:
        """Compute the references, the attention (R, h, w), and the cell (column, row) of the point."""
        name, references = self.MODELS[self.which.value], self.references()
        f = torch.stack([self.embedding(name, t) for t in (*references, self.at.value)])
        h, w = f.shape[-2:]
        cell = tuple(int((p + 0.5) * n / side) for p, n, side in zip(self.point, (w, h), self.frames.shape[2:0:-1], strict=True))
        cell = min(max(cell[0], 0), w - 1), min(max(cell[1], 0), h - 1)
        heat = attention(f, range(len(references)), [cell], self.temperature.value, self.radius.value or None, self.top_k.value or None)
        return references, heat[0].numpy(), cell

    def update(self) -> None:
        """Show the point in the target frame, where it points in each reference frame, and what it copies."""
        references, heat, cell = self.answer()
        at, (high, wide) = self.at.value, self.frames.shape[1:3]
        # the target frame
        x, y = self.point
        self.stage.show(aim(self.frames[at], (x, y)), f"Target frame {at}, asked at x {x:.0f}, y {y:.0f}: click another pixel")
        # as many panels as references
        if len(self.slots) != len(references):
            self.slots = [(Canvas(width=260 if len(references) < 4 else 170), ipywidgets.HTML()) for _ in references]
            self.panels.children = [ipywidgets.VBox(slot) for slot in self.slots]
        # the window, from cells to pixels
        box, r = None, self.radius.value
        if r:
            size = np.array([wide / heat.shape[2], high / heat.shape[1]])
            box = [*((np.array(cell) - r) * size - 0.5).clip(0), *np.minimum((np.array(cell) + r + 1) * size - 0.5, [wide - 1, high - 1])]
        # the reference frames
        for (stage, text), t, values in zip(self.slots, references, heat, strict=True):
            share = f"{100 * values.sum():.0f} %"
            stage.show(attention_picture(self.frames[t], values, heat.max(), box), f"Reference frame {t}: {share} of the attention")
            text.value = f"frame {t}: <b>{share}</b>"
        self.text.value = self.told(references, heat)

    def told(self, references: list[int], heat: np.ndarray) -> str:
        """Describe what the pixel copies: its colour, and labels if any of the references has masks."""
        h, w = heat.shape[1:]
        pool = torch.nn.functional.adaptive_avg_pool2d
        # the copied colour next to the true one
        lab = frames_to_lab(self.frames[[*references, self.at.value]])
        ab = pool(lab[:-1, 1:], (h, w)).numpy()
        copied = (heat[:, None] * ab).sum((0, 2, 3))
        x, y = (min(max(round(p), 0), side - 1) for p, side in zip(self.point, self.frames.shape[2:0:-1], strict=True))
        true = lab[-1, :, y, x].numpy()
        shown = lab_to_frames(torch.tensor(np.stack([[true[0], *copied], true]).T[:, None].astype(np.float32)))[0]
        off = float(np.hypot(*(copied - true[1:])))
        lines = [f"copied colour {patch(shown[0])} true {patch(shown[1])} {off:.1f} Lab units off"]
        # how concentrated the attention is
        strongest = np.sort(heat, axis=None)[::-1]
        lines.append(f"the strongest cell has {100 * strongest[0]:.0f} %, ten have {100 * strongest[:10].sum():.0f} %")
        # the copied label, as shares of the objects
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
    """Build the demo of notebooks 03 and 05: click a pixel of the target frame and see where it points and what it copies from there.

    Args:
        frames: uint8 RGB (T, H, W, 3).
        at: the target frame at the start.
        references: frames at which it points; None: those of the protocol, which depend on the target frame.
        masks: object ids (H, W) of reference frames, true or tracked: frame -> ids, or a list with one item per frame.
        names: names of the objects 1, 2, ...
        protocol: sets the size at which the network sees frames, and the default references. Window and top-k are sliders here: both
            are off at the start, and the window applies to all reference frames.
        point: the pixel (x, y) at the start; default: the middle.
        device: default: a GPU if there is one.
    """
    masks = dict(masks if isinstance(masks, Mapping) else enumerate([] if masks is None else masks))
    demo = PointerExplorer(frames, at, references, masks, names, protocol, device or best_device())
    if point is not None:
        demo.ask("down", *point)
    # the still: the target, and up to three references with the most attention
    refs, heat, _ = demo.answer()
    shown = sorted(np.argsort(-heat.sum((1, 2)), kind="stable")[:3])
    row = [aim(frames[at], demo.point), *(attention_picture(frames[refs[i]], heat[i], heat.max(), width=360) for i in shown)]
    notes = [["", *(f"{100 * heat[i].sum():.0f} % of the attention" for i in shown)]]
    columns = [f"target: frame {at}", *(f"reference: frame {refs[i]}" for i in shown)]
    demo.still = draw.filmstrip([row], [""], columns, notes)
    return demo
