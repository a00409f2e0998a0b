"""Estimate what the paper's own training would cost, from measurements on this machine and from assumptions that the script prints.

python tests/experiments/kinetics.py
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.throughput import davis, make, operations, per_second
from tinytrack.datasets.synth import moving_shapes
from tinytrack.recipe import PAPER
from tinytrack.train import Trainer
from tinytrack.training.clip_stream import IndexedClips
from tinytrack.training.parallel import ParallelTrainer
from tinytrack.training.video_index import probe

VIDEOS = 300_000
SECONDS = 10
GPUS = {"A100": 312, "H100": 989}
"""Peak speed for dense bf16 multiply-adds in 10^12 floating-point operations per second, as published by the manufacturer."""

USE = 0.3
"""Share of the peak speed that a convolutional network is assumed to reach."""


def saved_bytes(trainer: Trainer) -> int:
    """Bytes that a forward pass keeps for the backward pass, in bfloat16 where autocast uses it."""
    kept = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage()  # keep a reference, so that no address is reused
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        trainer.loss(*trainer.batch())
    weights = {p.untyped_storage().data_ptr() for p in trainer.trained}
    return sum(storage.nbytes() for address, storage in kept.items() if address not in weights)


def main() -> None:
    torch.set_num_threads(1)
    print("videos: DAVIS train sequences" if davis() else "videos: made-up scenes, which compress and decode more easily than DAVIS's")
    with tempfile.TemporaryDirectory() as folder:
        rows = {}
        for gop in (250, 30):
            index = make(Path(folder, str(gop)), gop)
            files = [index.video(i).path for i in range(len(index))]
            clips, numbers = IndexedClips(index, PAPER), iter(range(10**6))
            decode = per_second(lambda c=clips, n=numbers: [c[next(n)] for _ in range(12)], 12, 5, time.process_time)
            size = sum(path.stat().st_size for path in files) / len(files) / 1e6
            looked = per_second(lambda f=files: [probe(path, path.name) for path in f], len(files), 5, time.process_time)
            rows[gop] = decode, size, 1 / looked
    side = PAPER.crop
    trainer = ParallelTrainer([moving_shapes(0, frames=4, height=side, width=side).frames], replace(PAPER, batch=1), bf16=True)
    memory = saved_bytes(trainer)
    work = operations(Trainer(trainer.source, trainer.config))
    clips = PAPER.batch * PAPER.steps
    weights = sum(p.numel() for p in trainer.trained) * 4 * 4  # bytes of the weights, the gradients and Adam's two moments
    print(f"measured: {work / 1e9:.0f} GFLOP a clip, forward and backward; {memory / 1e6:.0f} MB a clip kept for the backward pass (bf16)")
    for gop, (decode, size, look) in rows.items():
        print(
            f"measured, a key frame every {gop}: {decode:.0f} clips a second and core, {size:.2f} MB a video, "
            f"{1e3 * look:.0f} ms to index one"
        )
    print(f"assumed: {VIDEOS:,} videos of {SECONDS} s at 340x256 as ours are; {USE:.0%} of the GPU's peak; nothing waits for data\n")
    print(f"{PAPER.steps:,} steps of {PAPER.batch} clips: {work * clips / 1e18:.1f} x 10^18 operations")
    print(f"memory on the GPU: {(memory * PAPER.batch + weights) / 1e9:.1f} GB and what the libraries take")
    for name, peak in GPUS.items():
        speed = peak * 1e12 * USE / work  # clips per second
        cores = " or ".join(f"{speed / decode:.0f} (a key frame every {gop})" for gop, (decode, _, _) in rows.items())
        print(f"{name}: {clips / speed / 3600:.1f} GPU-hours, {1e3 * PAPER.batch / speed:.0f} ms a step, {speed:.0f} clips a second")
        print(f"    cores that decode so many: {cores}")
    for gop, (_, size, look) in rows.items():
        print(f"disk, a key frame every {gop}: {VIDEOS * size / 1e3:.0f} GB; index: {VIDEOS * look / 3600:.1f} core-hours")
    print(f"video: {VIDEOS * SECONDS / 3600:.0f} hours, each video seen {clips / VIDEOS:.0f} times")


if __name__ == "__main__":
    main()
