"""Recipes: everything that decides a training run, and the four that have a name."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run. Defaults are the tiny recipe; comments give the paper's value where it differs."""

    network: str = "TinyNet"  # or LabNet, which sees colour; paper: PaperNet
    width: int = 64  # channels of the hidden layers, see TinyNet and LabNet; PaperNet's are fixed
    dim: int = 64  # numbers of an embedding; LabNet has three times as many
    dilations: tuple[int, ...] = (1, 2, 4, 1)  # of the residual blocks, one number each; PaperNet's are fixed
    task: str = "copy"  # paper: "copy"; its control is "classify": predict each frame's colours from that frame alone, no pointing
    height: int = 160  # pixels on the shorter side of a training frame; paper: 256
    crop: int = 128  # side of the square crop; paper: the whole 256x256 frame
    jitter: int = 16  # pixels by which the crops of one clip are shifted at random; paper: 0
    references: int = 3  # reference frames per clip; paper: 3
    fps: float | None = None  # frame rate that clips are drawn from, by leaving frames out; None: the video's own; paper: 6
    gap: tuple[int, int] = (1, 8)  # step in frames from one frame of a clip to the next, drawn evenly from this range; paper: 1
    colors: int = 16  # clusters of the palette; paper: 16
    temperature: float = 0.07  # of Eq. 2; paper: 1, on embeddings that are not normalised
    batch: int = 4  # clips per step, over all processes; paper: 32
    accumulate: int = 1  # micro-batches that a step is split into to save memory (only ``training/`` does that, not ``train.Trainer``)
    optimizer: str = "adamw"  # paper: Adam
    learning_rate: float = 2e-3  # paper: 1e-3, and a tenth of it after 60,000 steps
    schedule: str = "cosine"  # paper: "drop"
    drop_at: int = 60_000  # step at which "drop" lowers the rate; paper: 60,000
    warmup: int = 20  # steps of linear warm-up; paper: none
    weight_decay: float = 1e-4  # paper: none
    clip_norm: float | None = None  # gradients longer than this are shortened to it; paper: none, as far as we know
    steps: int = 2000  # paper: 400,000
    seed: int = 0

    @property
    def shape(self) -> dict:
        """The arguments of the network's constructor."""
        return {} if self.network == "PaperNet" else {"width": self.width, "dim": self.dim, "dilations": self.dilations}


TINY = TrainConfig()
PAPER = TrainConfig(
    network="PaperNet",
    height=256,
    crop=256,
    jitter=0,
    fps=6,
    gap=(1, 1),
    temperature=1.0,
    batch=32,
    optimizer="adam",
    learning_rate=1e-3,
    schedule="drop",
    warmup=0,
    weight_decay=0.0,
    steps=400_000,
)
LAB = TrainConfig(network="LabNet", width=48, dim=32, dilations=(1, 2))  # sees colour, but never the channel that it must predict
SINGLE = TrainConfig(task="classify", steps=1000)  # the paper's control, colorization of single images: does colour alone track?
PRESETS = {"tiny": TINY, "lab": LAB, "paper": PAPER, "single": SINGLE}


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Compute the learning rate at ``step``, when the share ``progress`` (0 to 1) of the run is done."""
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "cosine":
        return config.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
    return config.learning_rate * warm * (0.1 if step >= config.drop_at else 1.0)


def checkpoint_steps(last: int) -> list[int]:
    """List the steps 0, 1, 3, 10, 30, 100, ... up to ``last``, and ``last``; logarithmic, because learning is fastest at first."""
    grid = [0, *(digit * 10**power for power in range(12) for digit in (1, 3))]
    return [step for step in grid if step < last] + [last]
