"""Measure training from an index: clips per second of every stage, for the tiny and the paper's recipe, and the share of the ideal speed.

The videos have the format of Kinetics: 340x256 pixels, ten seconds, 30 frames per second. They show DAVIS train sequences forth and back
if TINYTRACK_DATA names a folder with them, and synthetic scenes otherwise.
"""

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from tinytrack.datasets.davis import Davis
from tinytrack.datasets.synth import moving_shapes
from tinytrack.io.frames import resize
from tinytrack.recipe import PAPER, TINY, TrainConfig
from tinytrack.train import Trainer
from tinytrack.training.clip_stream import ClipStream
from tinytrack.training.parallel import ParallelTrainer
from tinytrack.training.video_index import VideoIndex, make_index

RECIPES = {"tiny": replace(TINY, fps=6, gap=(1, 1)), "paper": replace(PAPER, batch=2)}
"""Both recipes read 6 frames per second, so that decoding is equal work. The paper's batch is 2 instead of 32, as a step takes seconds."""

KEY_FRAMES = {"": 250, "_short_gop": 30}
"""Distance between key frames: x264's default, and a value that suits training videos."""


def _about(recipe: str) -> dict:
    return {
        f"{recipe}_decode": ("", f"{recipe} recipe, clips per second: one process seeks, decodes, scales, crops; a key frame every 250"),
        f"{recipe}_decode_short_gop": ("", "the same with a key frame every 30 frames"),
        f"{recipe}_decode_workers": ("", "decoding in two processes, without the network (key frame every 250)"),
        f"{recipe}_batch": ("", "making a batch: Lab, classes, network input"),
        f"{recipe}_network": ("", "the network alone: forward, loss, backward, optimiser"),
        f"{recipe}_all_reduce": ("", "exchanging the gradients between two processes (gloo, one machine)"),
        f"{recipe}_whole": ("", "a whole training step, while two processes decode"),
        f"{recipe}_share": (">= 0.8", "the whole step / the network alone, timed in turn: the cost of decoding and batches on these cores"),
        f"{recipe}_two_processes": ("", "two training processes with one thread each, on decoded shots"),
        f"{recipe}_two_share": (">= 0.8", "the same / one process with two threads, timed in turn"),
        f"{recipe}_gflop": ("", "10^9 operations per clip, forward and backward, counted"),
        f"{recipe}_gflops": ("", "10^9 operations per second of the network on this machine"),
    }


ABOUT = _about("tiny") | _about("paper")


def davis() -> Davis | None:
    """The DAVIS tree in TINYTRACK_DATA, if there is one."""
    root = Path(os.environ.get("TINYTRACK_DATA", "")) / "davis"
    return Davis(root) if (root / "JPEGImages").is_dir() else None


def make(folder: Path, gop: int, videos: int = 6, frames: int = 300, size: tuple[int, int] = (256, 340)) -> VideoIndex:
    """Write ``videos`` files with a key frame every ``gop`` frames and return their index."""
    import av

    folder.mkdir()
    tree = davis()
    for number in range(videos):
        if tree:
            scene = [resize(frame, *size) for frame in tree.video(tree.sequences("train")[number]).frames()]
        else:
            scene = list(moving_shapes(number, frames=50, height=size[0], width=size[1]).frames)
        order = itertools.cycle([*range(len(scene)), *range(len(scene) - 2, 0, -1)])
        with av.open(str(folder / f"{number}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=30)
            (stream.height, stream.width), stream.pix_fmt = size, "yuv420p"
            stream.options = {"g": str(gop), "sc_threshold": "0"}
            for t in itertools.islice(order, frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(scene[t], format="rgb24")))
            container.mux(stream.encode())
    return VideoIndex(make_index(folder, progress=False)[0])


def in_turn(functions: list[Callable], rounds: int, clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Median seconds of each function, called in turn, after a first round that warms up."""
    times = [[_seconds(function, clock) for function in functions] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def _seconds(function: Callable, clock: Callable[[], float]) -> float:
    began = clock()
    function()
    return clock() - began


def per_second(function: Callable, clips: int, rounds: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Clips per second of a function that makes ``clips`` clips."""
    return clips / in_turn([function], rounds, clock)[0]


def operations(trainer: Trainer) -> float:
    """Floating-point operations that one clip takes, forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        trainer.backward()
    return counter.get_total_flops() / trainer.config.batch


@contextlib.contextmanager
def closing(stream: ClipStream) -> Iterator[ClipStream]:
    try:
        yield stream
    finally:
        stream.close()


def network_alone(trainer: Trainer) -> Callable:
    """A training step without its batch, which is made beforehand: forward pass, loss, backward pass and update."""
    batch = trainer.batch()

    def step() -> None:
        trainer.optimizer.zero_grad(set_to_none=True)
        trainer.loss(*batch).backward()
        trainer.optimizer.step()

    return step


def measure_recipe(config: TrainConfig, indexes: dict[str, VideoIndex], rounds: int) -> dict:
    """Measure all keys of :func:`_about` that need one training process. The recipe's name is left out of the keys."""
    found = {}
    for suffix, index in indexes.items():
        with closing(ClipStream(index, config, workers=0)) as stream:
            clips = iter(range(10**6))
            found["decode" + suffix] = per_second(lambda s=stream, n=clips: [s.dataset[next(n)] for _ in range(12)], 12, rounds)
    index = indexes[""]
    with closing(ClipStream(index, config, workers=2)) as stream:
        steps = iter(range(10**6))
        found["decode_workers"] = per_second(lambda: [stream.clips(next(steps)) for _ in range(24 // config.batch)], 24, rounds)
    with closing(ClipStream(index, config, workers=2)) as stream:
        trainer = ParallelTrainer(stream, config)
        network = network_alone(trainer)
        found["batch"] = per_second(trainer.batch, config.batch, rounds)
        found["gflop"] = operations(trainer) / 1e9
        alone, whole = in_turn([network, trainer.step], rounds)
        found |= {"network": config.batch / alone, "whole": config.batch / whole, "share": alone / whole}
        found["gflops"] = found["gflop"] * found["network"]
    return found


def one_of_two(recipe: str, rounds: int) -> dict:
    """Measure one process that torchrun started: clips per second of its training steps, and of exchanging the gradients alone."""
    import torch.distributed as dist

    from tinytrack.training import processes

    config = RECIPES[recipe]
    shots = [moving_shapes(0, frames=24, height=max(config.height, config.crop), width=max(config.height, config.crop)).frames]
    with processes.process_group():
        trainer = ParallelTrainer(shots, config)
        seconds = in_turn([trainer.step], rounds)[0]
        gradient = torch.zeros(sum(p.numel() for p in trainer.trained))
        travel = in_turn([lambda: dist.all_reduce(gradient)] if processes.world_size() > 1 else [lambda: None], rounds)[0]
        return {"rank": processes.rank(), "step": config.batch / seconds, "all_reduce": config.batch / max(travel, 1e-9)}


def _launched(recipe: str, processes: int, rounds: int) -> dict:
    threads = max(1, 2 // processes)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", "-m", __name__]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([*command, recipe, str(rounds)], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def measure(rounds: int = 1) -> dict:
    values = {}
    with tempfile.TemporaryDirectory() as folder:
        indexes = {suffix: make(Path(folder, f"gop{gop}"), gop, videos=3) for suffix, gop in KEY_FRAMES.items()}
        for name, config in RECIPES.items():
            found = measure_recipe(config, indexes, rounds)
            pairs = [[_launched(name, n, rounds) for n in (1, 2)] for _ in range(min(rounds, 2))]
            found["all_reduce"] = statistics.median(two["all_reduce"] for _, two in pairs)
            found["two_processes"] = statistics.median(two["step"] for _, two in pairs)
            found["two_share"] = statistics.median(two["step"] / one["step"] for one, two in pairs)
            values |= {key: found[key.removeprefix(name + "_")] for key in _about(name)}
    return values


if __name__ == "__main__":
    numbers = one_of_two(sys.argv[1], int(sys.argv[2]))
    if numbers["rank"] == 0:
        print(json.dumps(numbers))
