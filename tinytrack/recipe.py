"""Recipes: everything that decides a training run, and the four that have a name."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run; defaults are the tiny recipe, comments give the paper's value."""

    network: str = "TinyNet"  # PaperNet
    channels: int = 1  # what it sees: 1 gray, as in the paper; 3 Lab, of which one channel a step is hidden from it, and is copied
    task: str = "copy"  # paper: "copy"; its control is "classify": each frame's colours from that frame alone, no pointing
    height: int = 160  # pixels of the shorter side of a training frame; paper: 256
    crop: int = 128  # side of the square that is cut out of it; paper: the whole 256x256
    jitter: int = 16  # frames of a clip are cut out up to so many pixels apart; paper: 0, the whole frame
    references: int = 3  # reference frames a clip; paper: 3
    fps: float | None = None  # frames a second that clips are drawn from, by leaving frames out; None: as filmed; paper: 6
    gap: tuple[int, int] = (1, 8)  # such frames between neighbours of a clip, drawn evenly; paper: 1
    colors: int = 16  # clusters of the palette; paper: 16
    temperature: float = 0.07  # of Eq. 2; paper: 1, on embeddings without a norm
    batch: int = 4  # clips a step, over all processes; paper: 32
    accumulate: int = 1  # parts that a step's clips are taken in, one after the other, if they do not fit in memory together
    optimizer: str = "adamw"  # paper: Adam
    learning_rate: float = 2e-3  # paper: 1e-3, a tenth of it after 60,000 steps
    schedule: str = "cosine"  # paper: "drop"
    drop_at: int = 60_000  # paper: 60,000; only for the schedule "drop"
    warmup: int = 20  # steps of linear warm-up; paper: none
    weight_decay: float = 1e-4  # paper: none
    clip_norm: float | None = None  # a longer gradient is shortened to this length; paper: none, as far as we know
    steps: int = 2000  # paper: 400,000
    seed: int = 0


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
LAB = TrainConfig(channels=3)
"""The tiny recipe for a network that sees colour, but never the channel that it must predict: channel dropout, after CorrFlow and MAST."""
SINGLE = TrainConfig(task="classify", steps=1000)
"""The paper's control: the tiny recipe, but colorization of single images. If colours alone were enough, this would track too."""
PRESETS = {"tiny": TINY, "lab": LAB, "paper": PAPER, "single": SINGLE}


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """The step size at ``step`` when ``progress`` (0..1) of the run is done."""
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "cosine":
        return config.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
    return config.learning_rate * warm * (0.1 if step >= config.drop_at else 1.0)


def checkpoint_steps(last: int) -> list[int]:
    """Steps 0, 1, 3, 10, 30, 100, ... up to ``last``, and ``last``: learning is fast at first, so the scale is a logarithmic one."""
    grid = [0, *(digit * 10**power for power in range(12) for digit in (1, 3))]
    return [step for step in grid if step < last] + [last]
