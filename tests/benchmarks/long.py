"""Long videos of many objects: does ``track`` take twice as long for twice as many frames, how much more for each object, and does
its memory stay?

python tests/benchmarks/long.py --frames 2000 --objects 10

runs one job on an 854x480 video and says how it went. ``python -m tests.benchmarks --only long`` lays lines through shorter ones.
Each job has a fresh process, so that its peak memory is its own. Its seconds are those for which it had a processor. Other programs
still make these longer, by half at times, for they share the caches: so jobs that are to be compared take turns, and what slows one
slows all. Seven wait in memory at a time, which takes 4 GB.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SIZE = (480, 854)
ROWS = 240  # of the network's input, as in the modern protocol
FRAMES, OBJECTS = (32, 48, 72, 112), (1, 5, 10, 20)
TEN, FEW = 10, 48  # objects while the number of frames changes, frames while that of objects does
SLICE = 1 / 128  # seconds of a turn for each frame of a job: all jobs are through at about the same time
EVERY = 100  # frames: a line each of what a single job says

ABOUT = {
    "long_frames_r2": (
        ">= 0.99",
        f"R^2 of seconds = a + b x frames: {FRAMES[0]} to {FRAMES[-1]} frames of 854x480, {TEN} objects, one thread",
    ),
    "long_objects_r2": (">= 0.9", f"R^2 of seconds a frame = c + d x objects: {OBJECTS[0]} to {OBJECTS[-1]} objects, {FEW} frames"),
    "long_ms_one_object": ("", "c + d: a frame with one object"),
    "long_ms_further_object": ("", "d: what each further object adds to a frame"),
    "long_late_over_early": ("<= 1.1", f"a frame at the end of {FRAMES[-1]} / one at the end of {FRAMES[0]}: does it slow down?"),
    "long_peak_mb_few": ("", f"MB at most while {FRAMES[0]} frames are tracked, {TEN} objects"),
    "long_peak_mb_many": ("", f"the same, {FRAMES[-1]} frames"),
    "long_peak_growth": ("<= 1.25", f"the latter / the former: {FRAMES[-1] / FRAMES[0]:g} if all frames were kept"),
}


def make(folder: Path, frames: int, objects: Sequence[int] = OBJECTS, size: tuple[int, int] = SIZE) -> None:
    """A video in which all moves, there and back, and for each number of objects a mask of so many: ``video.mp4``, ``10.png``."""
    from tinytrack.datasets.synth import moving_shapes
    from tinytrack.draw.pictures import enlarge
    from tinytrack.io.masks import write_mask
    from tinytrack.io.video_writer import write_video

    scene = moving_shapes(1, frames=13, height=size[0] // 2, width=size[1] // 2, objects=max(objects))  # small: drawn in seconds
    there_and_back = [*range(13), *range(11, 0, -1)]
    write_video(folder / "video.mp4", (enlarge(scene.frames[there_and_back[t % 24]], 2) for t in range(frames)), 25)
    for n in objects:
        mask = np.where(scene.masks[0] <= n, scene.masks[0], 0)
        if len(np.unique(mask[mask > 0])) != n:
            raise ValueError(f"of {n} objects some are hidden in the first frame: expected fewer or a larger picture")
        write_mask(folder / f"{n}.png", enlarge(mask, 2))


def megabytes(what: str) -> float:
    """What this process holds (VmRSS) or has held at most (VmHWM; ``ru_maxrss`` would begin with that of the process that started it)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def job(folder: Path, frames: int, objects: int, rows: int, threads: int) -> dict:
    """Track so many frames; what :func:`run` gives of one job."""
    from dataclasses import replace

    import torch

    from tinytrack.cli.track import track_video
    from tinytrack.io.video import Video
    from tinytrack.model import load_model
    from tinytrack.propagate import MODERN

    at, held = [], []

    class Watched(Video):
        def moving_frames(self, size=None):
            for frame in super().moving_frames(size):
                at.append(time.process_time())
                held.append(megabytes("VmRSS"))
                yield frame

    torch.set_num_threads(threads)
    model, video = load_model(), Watched(folder / "video.mp4", stop=frames)
    signal.raise_signal(signal.SIGSTOP)  # until it is this job's turn
    wall, seconds = time.perf_counter(), time.process_time()
    done = track_video(video, folder / f"{objects}.png", model, folder / f"out {frames} {objects}", replace(MODERN, size=rows))
    seconds, wall = time.process_time() - seconds, time.perf_counter() - wall
    return done | {"seconds": seconds, "wall": wall, "at": at, "held": held, "peak": megabytes("VmHWM")}


def run(folder: Path, jobs: Sequence[tuple[int, int]], rows: int = ROWS, threads: int = 1) -> list[dict]:
    """Track what :func:`make` made, each job (frames, objects) in a fresh process, all in turns.

    Returns:
        For each job: "seconds" of processor time, "wall" by the clock, "peak" in MB; when each frame was read "at", in seconds of
        processor time, and the MB "held" then; and what :func:`~tinytrack.cli.track.track_video` gives.
    """
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # as the command line does
    told, at_work = [folder / f"{number}.json" for number in range(len(jobs))], {}
    try:
        for (frames, objects), file in zip(jobs, told, strict=True):
            command = [sys.executable, __file__, "job", str(folder), str(file), *map(str, (frames, objects, rows, threads))]
            process = subprocess.Popen(command, env=environment)
            at_work[process] = SLICE * frames
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # it has loaded all, and waits
        while at_work:
            for process, turn in list(at_work.items()):
                process.send_signal(signal.SIGCONT)
                try:
                    if process.wait(turn):
                        raise RuntimeError("a job failed: see above")
                    del at_work[process]
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGSTOP)
    finally:
        for process in at_work:
            process.kill()
            process.wait()
    return [json.loads(file.read_text()) for file in told]


def fit(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """The line y = a + b x with the least squares, and R^2, the share of y's variance that it explains: (a, b, R^2)."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    a, b = np.linalg.lstsq(np.stack([np.ones_like(x), x], axis=1), y)[0]
    return float(a), float(b), float(1 - np.square(y - a - b * x).sum() / np.square(y - y.mean()).sum())


def late(found: dict) -> float:
    """Seconds of a frame in the last quarter of a job."""
    at = found["at"]
    return (at[-1] - at[-1 - len(at) // 4]) / (len(at) // 4)


def measure(rounds: int = 1) -> dict:
    """Of several rounds the medians."""
    jobs = [(n, TEN) for n in FRAMES] + [(FEW, n) for n in OBJECTS if n != TEN]
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), max(FRAMES))
        turns = [judge(dict(zip(jobs, run(Path(folder), jobs), strict=True))) for _ in range(rounds)]
    return {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}


def judge(found: dict[tuple[int, int], dict]) -> dict[str, float]:
    """Lines and ratios of the jobs {(frames, objects): what it said}."""
    _, _, frames_r2 = fit(FRAMES, [found[n, TEN]["seconds"] for n in FRAMES])
    c, d, objects_r2 = fit(OBJECTS, [found[FEW, n]["seconds"] / FEW for n in OBJECTS])
    few, many = found[FRAMES[0], TEN], found[FRAMES[-1], TEN]
    return {
        "long_frames_r2": frames_r2,
        "long_objects_r2": objects_r2,
        "long_ms_one_object": 1e3 * (c + d),
        "long_ms_further_object": 1e3 * d,
        "long_late_over_early": late(many) / late(few),
        "long_peak_mb_few": few["peak"],
        "long_peak_mb_many": many["peak"],
        "long_peak_growth": many["peak"] / few["peak"],
    }


def story(found: dict) -> str:
    """What a single job says: a line for every so many frames, then all in all."""
    lines = []
    for start in range(0, found["frames"], EVERY):
        span = slice(start, start + EVERY)
        at, held = found["at"][start : start + EVERY + 1], found["held"][span]
        took = f"{1e3 * (at[-1] - at[0]) / (len(at) - 1):.0f} ms a frame" if len(at) > 1 else ""
        lines.append(f"frames {start} to {start + len(held) - 1}: at most {max(held):.0f} MB, {took}")
    lines.append(
        f"{found['frames']} frames, {len(found['objects'])} objects: {found['wall']:.0f} s ({found['seconds']:.0f} s of processor time),"
        f" {found['frames'] / found['wall']:.2f} frames a second, at most {found['peak']:.0f} MB"
    )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Track one long 854x480 video: how long does it take, and how much memory?")
    parser.add_argument("--frames", type=int, default=2000, metavar="N")
    parser.add_argument("--objects", type=int, default=10, metavar="N", help="1 to 20")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="torch's (default: 1)")
    args = parser.parse_args(argv)
    if args.frames < 2 or not 1 <= args.objects <= 20 or args.threads < 1:
        parser.error("expected at least 2 frames, 1 to 20 objects and at least one thread")
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), args.frames, [args.objects])
        print(story(*run(Path(folder), [(args.frames, args.objects)], threads=args.threads)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["job"]:
        Path(sys.argv[3]).write_text(json.dumps(job(Path(sys.argv[2]), *map(int, sys.argv[4:]))))
    else:
        main()
