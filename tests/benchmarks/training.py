"""Measure the speed of training, and the share of a training step that the network itself takes."""

import torch
from torch import nn

from tinytrack.color import frames_to_lab, network_input
from tinytrack.datasets.synth import moving_shapes
from tinytrack.recipe import TINY, TrainConfig
from tinytrack.train import Trainer

from . import ratio, with_threads
from .throughput import operations

ABOUT = {
    "train_share_of_bare": (">= 0.85", "clips per second of a whole training step / of the network's forward and backward pass alone"),
    "train_share_counted": ("", "the same share of operations instead of time: the network's alone / the network's and the pointer's"),
    "train_clips_per_second": ("", "clips per second of Trainer.step, tiny recipe"),
    "train_minutes": ("<= 10", "minutes that the tiny recipe takes at this speed"),
    "train_threads_speedup": ("", "speed of a training step on two threads / on one"),
}


def pointer_operations(config: TrainConfig, net: nn.Module) -> int:
    """Count the operations of the fused attention for one clip; ``operations`` misses them, as torch's counter does not know the kernel.

    All its matrix products have the same size, because labels are padded to the width of an embedding. Two of them are in the forward
    pass (logits, copied labels) and five in the backward pass (the logits again, and the gradients of both products).
    """
    cells = (config.crop // net.stride) ** 2
    return 7 * 2 * cells * (config.references * cells) * net.dim


def measure(rounds: int = 5) -> dict:
    trainer = Trainer([moving_shapes(0, frames=12, height=160, width=200).frames], TINY)
    gray = network_input(frames_to_lab(trainer.source.clips(0)))  # (B, T, 1, 128, 128)
    gradient = torch.randn_like(trainer.net(gray))

    def bare():
        trainer.net.zero_grad(set_to_none=True)
        trainer.net(gray).backward(gradient)

    network = operations(trainer)
    seconds, share = ratio(bare, trainer.step, rounds)
    _, faster = ratio(with_threads(1, trainer.step), with_threads(2, trainer.step), rounds)
    return {
        "train_share_of_bare": share,
        "train_share_counted": network / (network + pointer_operations(TINY, trainer.net)),
        "train_clips_per_second": TINY.batch / seconds,
        "train_minutes": TINY.steps * seconds / 60,
        "train_threads_speedup": faster,
    }
