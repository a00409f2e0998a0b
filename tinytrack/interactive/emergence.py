"""The demo of notebook 04: train, and watch tracking emerge."""

import html
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import ipywidgets
import numpy as np

from .. import draw
from ..errors import TinytrackError
from ..evaluation.metrics import mean_j
from ..model import Model, best_device
from ..propagate import PAPER
from ..recipe import TINY, TrainConfig, checkpoint_steps
from ..track import track_masks
from ..train import Trainer
from .background import aside, start
from .canvas import Canvas
from .demo_pictures import emergence_picture
from .layout import Demo, row, slider

NO_CHECKPOINT = [("none yet", -1)]
REFRESH = 15.0  # seconds after which the masks are tracked again, if no checkpoint is due before


class Emergence(Demo):
    """See :func:`emergence`.

    Attributes:
        trainer: the training run; after Stop it stays where it was stopped.
        models: the checkpoints so far, {step: Model}.
        model: the model as trained so far; None before the first training.
    """

    def __init__(self, shots, frames, mask, truth, config, at, level, device):
        # what to train, and what to track
        self.shots = shots
        self.config = config
        self.device = device
        self.frames = frames
        self.mask = mask
        self.truth = dict(truth or {})
        self.shown = list(at)
        self.level = level
        # the run, its checkpoints, and (picture, caption) of each
        self.trainer: Trainer | None = None
        self.seconds = 0.0  # spent in steps of this run
        self.models: dict[int, Model] = {}
        self.looks: dict[int, tuple[np.ndarray, str]] = {}
        self.running = False
        # widgets
        self.go = ipywidgets.Button(description="Train", icon="play", button_style="primary")
        self.stop = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.again = ipywidgets.Button(description="Start over", icon="refresh", disabled=True)
        self.steps = slider(ipywidgets.BoundedIntText, "steps", "150px", min=1, max=100_000, value=config.steps)
        self.bar = ipywidgets.IntProgress(layout={"width": "180px"})
        self.text = ipywidgets.HTML("random weights: press Train")
        self.curve = Canvas(width=460)
        self.scrubber = slider(ipywidgets.SelectionSlider, "checkpoint", "460px", options=NO_CHECKPOINT, disabled=True)
        self.picture = Canvas(width=900)
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
        # their first picture, and their actions
        self.curve.show(emergence_picture([], level=level), "The loss so far: no step yet")
        self.go.on_click(lambda _: start(self.train()))
        self.stop.on_click(lambda _: setattr(self, "running", False))
        self.again.on_click(lambda _: self.start_over())
        self.scrubber.observe(lambda _: self.scrub(), "value")

    @property
    def model(self) -> Model | None:
        return self.trainer and self.trainer.model()

    def keep(self, step: int, model: Model) -> None:
        """Track with a checkpoint and keep the masks as a picture. This takes a second or two, so keep it off the kernel's main thread."""
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
        """Put the checkpoints on the scrubber, and show the newest unless an older one is being looked at."""
        steps = sorted(self.looks)
        was, last = self.scrubber.value, self.scrubber.options[-1][1]
        self.scrubber.options = [(f"step {n}", n) for n in steps]
        self.scrubber.value = steps[-1] if was == last else max((n for n in steps if n <= was), default=steps[-1])
        self.scrubber.disabled = False
        self.scrub()

    def scrub(self) -> None:
        """Show the checkpoint that the scrubber points to."""
        if self.scrubber.value in self.looks:
            picture, said = self.looks[self.scrubber.value]
            self.picture.show(picture, f"Masks carried from frame 0 by the network of {said}")
            self.note.value = html.escape(said)

    async def train(self) -> None:
        """Train in a thread, so that the kernel keeps answering; ends at the last step or when Stop is pressed."""
        if self.running:
            return
        self.running = True
        self.settle()
        try:
            # a new run, or the one that was stopped
            if self.trainer is None or self.trainer.done:
                self.text.value = "preparing ..."
                self.seconds = 0.0
                self.models = {}
                self.looks = {}
                config = replace(self.config, steps=self.steps.value)
                self.trainer = await aside(lambda: Trainer(self.shots, config, device=self.device))
            trainer, marks = self.trainer, checkpoint_steps(self.trainer.config.steps)
            self.bar.max = trainer.config.steps
            drawn, looked = 0.0, time.monotonic()
            # train; draw the curve once per second, and track at each checkpoint
            while True:
                if (trainer.count in marks or time.monotonic() - looked > REFRESH) and trainer.count not in self.looks:
                    await self.look(f"step {trainer.count}: tracking with it ...")
                    looked = time.monotonic()
                if trainer.done or not self.running:
                    break
                began = time.monotonic()
                await aside(trainer.step)
                self.seconds += time.monotonic() - began
                if time.monotonic() - drawn > 1 or trainer.done:
                    drawn = time.monotonic()
                    await self.report()
            # track with the final weights, and say how the run ended
            if trainer.count not in self.looks:
                await self.look("tracking with what was learned ...")
            await self.report()
            verb = "done" if trainer.done else "stopped, and kept: Train goes on from here"
            self.text.value += f" &mdash; {verb}"
        except TinytrackError as error:  # for example frames that are too small, or a loss that is not finite
            self.text.value = html.escape(str(error))
        finally:
            self.running = False
            self.settle()

    def settle(self) -> None:
        """Enable the buttons that can be pressed now."""
        begun = self.trainer is not None and not self.trainer.done
        self.go.disabled, self.stop.disabled = self.running, not self.running
        self.again.disabled = self.running or not begun
        self.steps.disabled = self.running or begun  # the schedule of a run depends on its length

    def start_over(self) -> None:
        """Discard the run; the next one starts from random weights again."""
        self.trainer = None
        self.models = {}
        self.looks = {}
        self.scrubber.options = NO_CHECKPOINT
        self.scrubber.disabled = True
        self.bar.value = 0
        self.note.value = ""
        self.text.value = "random weights: press Train"
        self.curve.show(emergence_picture([], level=self.level), "The loss so far: no step yet")
        self.picture.show(np.full((8, 300, 3), 255, np.uint8), "No checkpoint yet")
        self.settle()

    async def look(self, said: str) -> None:
        """Track with the model as trained so far, and show the masks."""
        self.text.value = said
        await aside(lambda: self.keep(self.trainer.count, self.trainer.model()))
        self.offer()

    async def report(self) -> None:
        """Show the progress of the training as text and as a curve."""
        trainer = self.trainer
        picture = await aside(lambda: emergence_picture(trainer.losses, list(self.looks), level=self.level))
        self.bar.value = trainer.count
        if not trainer.losses:
            self.text.value = f"step 0 of {trainer.config.steps}"
            return
        loss, rate = np.mean(trainer.losses[-20:]), trainer.count * trainer.config.batch / max(self.seconds, 1e-9)
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
    """Build the demo of notebook 04: train, and watch tracking emerge.

    It shows the loss, the clips per second, and the masks that each checkpoint propagates. Stop keeps what was learned
    (``demo.model``, ``demo.models``), and Train resumes from there. The scrubber selects a checkpoint.

    Args:
        shots: the training data, see :func:`tinytrack.training.sources.load_shots`.
        frames: the video to track in, uint8 RGB (T, H, W, 3), under the paper's protocol.
        mask: object ids of frame 0, (H, W).
        truth: true masks of later frames, for J.
        config: the recipe; the number of steps can be changed in the demo.
        models: checkpoints to start with, step -> model.
        at: frames to show.
        level: the loss of a pointer that spreads its attention evenly, drawn as a horizontal line.
        device: default: a GPU if there is one.
    """
    # the demo, with the given checkpoints
    demo = Emergence(shots, frames, mask, truth, config, [t for t in at if t < len(frames)], level, device or best_device())
    for step, model in (models or {}).items():
        demo.keep(step, model)
    if demo.looks:
        demo.offer()
        # the still: up to three of them, with their J on the left, where it covers no picture
        steps = sorted(demo.looks)
        shown = steps[:: max(1, (len(steps) - 1) // 2)][:3] if len(steps) > 3 else steps
        pictures = [[demo.looks[n][0]] for n in shown]
        titles = [demo.looks[n][1].split(" (")[0].replace(": ", "\n") for n in shown]
        demo.still = draw.filmstrip(pictures, titles, heading="Masks propagated from frame 0 by each checkpoint", width=9)
    return demo
