"""Measure training, propagation and tracking on a GPU, and what the paper's training would take: python -m tests.benchmarks.gpu

``tests/gpu.sh`` runs the tests on the GPU first. Without a GPU, ``--device cpu`` shows that the script works, but takes long.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from tinytrack.datasets.synth import moving_shapes
from tinytrack.model import load_model
from tinytrack.propagate import MODERN, REFINED, Protocol
from tinytrack.recipe import PAPER, PRESETS, TINY, TrainConfig
from tinytrack.track import carry
from tinytrack.training.parallel import ParallelTrainer

from .propagate import GRIDS, make_inputs, ours, room_for_textbook, textbook
from .throughput import in_turn, network_alone


def median_seconds(functions: list[Callable], device: torch.device, rounds: int) -> list[float]:
    """Median seconds of each function on a device, called in turn."""

    def to_the_end(function: Callable) -> None:
        function()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return in_turn([partial(to_the_end, function) for function in functions], rounds)


def training(config: TrainConfig, device: torch.device, rounds: int) -> tuple[float, float]:
    """Clips per second of whole training steps, and of the network's forward pass, loss, backward pass and update alone."""
    side = max(config.height, config.crop)
    shots = [moving_shapes(seed, frames=24, height=side, width=side).frames for seed in range(4)]
    trainer = ParallelTrainer(shots, config, device=device)
    whole, alone = median_seconds([trainer.step, network_alone(trainer)], device, rounds)
    return config.batch / whole, config.batch / alone


@torch.inference_mode()
def propagation(stride: int, device: torch.device, rounds: int) -> tuple[float, float, float]:
    """Milliseconds per frame of the textbook's propagation and of ours, and the largest difference between their results."""
    target, reference, labels = (x.to(device) for x in make_inputs(stride))
    room = [x.to(device) for x in room_for_textbook(*GRIDS[stride])]
    found = {}

    def slow() -> None:
        found["textbook"] = textbook(target, reference, labels, *room)

    def fast() -> None:
        found["ours"] = ours(target, reference, labels)

    milliseconds = [1000 * seconds for seconds in median_seconds([slow, fast], device, rounds)]
    return *milliseconds, (found["textbook"] - found["ours"]).abs().max().item()


def tracking(name: str, protocol: Protocol, device: torch.device, frames: int, size: tuple[int, int]) -> float:
    """Frames per second of video in memory, one object, from pixels to masks."""
    scene = moving_shapes(0, frames=frames, height=size[0], width=size[1])
    mask = (scene.masks[0] > 0).astype(np.uint8)
    model = load_model(name, device)
    run = carry(scene.frames, mask, model=model, protocol=protocol)
    for _ in range(frames // 4):  # the first frames have fewer references, and warm up
        next(run)
    began = time.perf_counter()
    rest = sum(1 for _ in run)
    return rest / (time.perf_counter() - began)


def measure(
    device: torch.device, rounds: int = 20, paper_batch: int = PAPER.batch, frames: int = 60, size: tuple[int, int] = (480, 854)
) -> list[tuple[str, str]]:
    """All rows of the table: what, and the figure with its unit."""
    rows = [("device", torch.cuda.get_device_name(device) if device.type == "cuda" else str(device))]
    # training
    paper = dataclasses.replace(PAPER, batch=paper_batch)
    for name, config in (("tiny", TINY), ("lab", PRESETS["lab"]), ("paper", paper)):
        whole, alone = training(config, device, rounds)
        rows.append((f"training, preset {name}, {config.batch} clips a step", f"{whole:.1f} clips per second"))
        rows.append((f"training, preset {name}, the network alone", f"{alone:.1f} clips per second"))
    hours = paper.steps * PAPER.batch / alone / 3600
    rows.append(
        (f"the paper's {PAPER.steps:,} steps of {PAPER.batch} clips at this speed, if nothing waits for data", f"{hours:.1f} hours")
    )
    # propagation
    for stride, (h, w) in GRIDS.items():
        slow, fast, difference = propagation(stride, device, max(rounds // 4, 1))
        rows.append((f"propagation, {h}x{w} cells: textbook; ours", f"{slow:.1f}; {fast:.1f} ms, largest difference {difference:.0e}"))
    # tracking
    for name in ("tiny-gray", "tiny-lab"):
        for protocol in (MODERN, REFINED):
            speed = tracking(name, protocol, device, frames, size)
            rows.append((f"tracking {size[1]}x{size[0]}, {name}, protocol {protocol.name}", f"{speed:.1f} frames per second"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description="How fast is it on a GPU?")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    print("| what | measured |\n| --- | --- |")
    for what, figure in measure(torch.device(args.device), args.rounds):
        print(f"| {what} | {figure} |", flush=True)


if __name__ == "__main__":
    main()
