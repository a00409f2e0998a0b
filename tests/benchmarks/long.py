"""Measure ``track`` on long videos with many objects: how do its time and its memory grow with the number of frames and objects?

python tests/benchmarks/long.py --frames 2000 --objects 10

runs one job on an 854x480 video and reports its time and memory. ``python -m tests.benchmarks --only long`` fits lines to the times of
shorter jobs. Each job runs in a fresh process, so that its peak memory can be measured. Its seconds are processor time. Other programs
can still lengthen this time, sometimes by half, because they share the caches. Jobs that are compared therefore take turns, so that a
disturbance slows all of them equally. Seven jobs are in memory at the same time, which takes 4 GB.
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
ROWS = 240  # height of the network's input, as in the modern protocol
FRAMES, OBJECTS = (32, 48, 72, 112), (1, 5, 10, 20)
TEN, FEW = 10, 48  # the number of objects while the frames vary, and the number of frames while the objects vary
SLICE = 1 / 128  # a turn lasts this many seconds per frame of the job, so that all jobs finish at about the same time
EVERY = 100  # frames per line in the report of a single job

ABOUT = {
    "long_frames_r2": (
        ">= 0.99",
        f"R^2 of seconds = a + b x frames: {FRAMES[0]} to {FRAMES[-1]} frames of 854x480, {TEN} objects, one thread",
    ),
    "long_objects_r2": (">= 0.9", f"R^2 of seconds per frame = c + d x objects: {OBJECTS[0]} to {OBJECTS[-1]} objects, {FEW} frames"),
    "long_ms_one_object": ("", "milliseconds per frame with one object (c + d)"),
    "long_ms_further_object": ("", "milliseconds per frame that each further object adds (d)"),
    "long_late_over_early": ("<= 1.1", f"time per frame at the end of {FRAMES[-1]} frames / at the end of {FRAMES[0]} frames"),
    "long_peak_mb_few": ("", f"peak memory in MB while {FRAMES[0]} frames are tracked, {TEN} objects"),
    "long_peak_mb_many": ("", f"the same for {FRAMES[-1]} frames"),
    "long_peak_growth": ("<= 1.25", f"the second peak / the first; about {FRAMES[-1] / FRAMES[0]:g} if all frames were kept in memory"),
}


def make(folder: Path, frames: int, objects: Sequence[int] = OBJECTS, size: tuple[int, int] = SIZE) -> None:
    """Write ``video.mp4``, in which everything moves forth and back, and one first-frame mask per number of objects, such as ``10.png``."""
    from tinytrack.datasets.synth import moving_shapes
    from tinytrack.draw.pictures import enlarge
    from tinytrack.io.masks import write_mask
    from tinytrack.io.video_writer import write_video

    # The scene is drawn at half size, which takes only seconds.
    scene = moving_shapes(1, frames=13, height=size[0] // 2, width=size[1] // 2, objects=max(objects))
    there_and_back = [*range(13), *range(11, 0, -1)]
    write_video(folder / "video.mp4", (enlarge(scene.frames[there_and_back[t % 24]], 2) for t in range(frames)), 25)
    for n in objects:
        mask = np.where(scene.masks[0] <= n, scene.masks[0], 0)
        if len(np.unique(mask[mask > 0])) != n:
            raise ValueError(f"of {n} objects some are hidden in the first frame: expected fewer or a larger picture")
        write_mask(folder / f"{n}.png", enlarge(mask, 2))


def megabytes(what: str) -> float:
    """This process's memory in MB: the current one ("VmRSS") or the peak ("VmHWM"; ``ru_maxrss`` would include the parent's peak)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def job(folder: Path, frames: int, objects: int, rows: int, threads: int) -> dict:
    """Track ``frames`` frames and return the measurements that :func:`run` returns for one job."""
    from dataclasses import replace

    import torch

    from tinytrack.cli.track import track_video
    from tinytrack.io.video import Video
    from tinytrack.model import load_model
    from tinytrack.propagate import MODERN

    at, held = [], []

    class Watched(Video):
        def moving_frames(self, size=None, log=None):
            for frame in super().moving_frames(size, log):
                at.append(time.process_time())
                held.append(megabytes("VmRSS"))
                yield frame

    torch.set_num_threads(threads)
    model, video = load_model(), Watched(folder / "video.mp4", stop=frames)
    signal.raise_signal(signal.SIGSTOP)  # wait until it is this job's turn
    wall, seconds = time.perf_counter(), time.process_time()
    done = track_video(video, folder / f"{objects}.png", model, folder / f"out {frames} {objects}", replace(MODERN, size=rows))
    seconds, wall = time.process_time() - seconds, time.perf_counter() - wall
    # the kernel counts pages of each thread in batches, so its peak may be a little lower than what was read on the way
    return done | {"seconds": seconds, "wall": wall, "at": at, "held": held, "peak": max(megabytes("VmHWM"), *held)}


def run(folder: Path, jobs: Sequence[tuple[int, int]], rows: int = ROWS, threads: int = 1) -> list[dict]:
    """Track the video that :func:`make` wrote, each job (frames, objects) in a fresh process. The processes take turns.

    Returns:
        One dictionary per job: "seconds" of processor time, "wall" seconds, and "peak" memory in MB; for each frame, the processor time
        "at" which it was read and the memory "held" at that time in MB; and the result of :func:`~tinytrack.cli.track.track_video`.
    """
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # the command line sets this too
    told, at_work = [folder / f"{number}.json" for number in range(len(jobs))], {}
    try:
        for (frames, objects), file in zip(jobs, told, strict=True):
            command = [sys.executable, __file__, "job", str(folder), str(file), *map(str, (frames, objects, rows, threads))]
            process = subprocess.Popen(command, env=environment)
            at_work[process] = SLICE * frames
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # the job has loaded everything and waits
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
    """Fit y = a + b x by least squares and return (a, b, R^2), where R^2 is the share of y's variance that the line explains."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    a, b = np.linalg.lstsq(np.stack([np.ones_like(x), x], axis=1), y)[0]
    return float(a), float(b), float(1 - np.square(y - a - b * x).sum() / np.square(y - y.mean()).sum())


def late(found: dict) -> float:
    """Mean seconds per frame in the last quarter of a job."""
    at = found["at"]
    return (at[-1] - at[-1 - len(at) // 4]) / (len(at) // 4)


def measure(rounds: int = 1) -> dict:
    """Run all jobs and return the median of each key over the rounds."""
    jobs = [(n, TEN) for n in FRAMES] + [(FEW, n) for n in OBJECTS if n != TEN]
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), max(FRAMES))
        turns = [judge(dict(zip(jobs, run(Path(folder), jobs), strict=True))) for _ in range(rounds)]
    return {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}


def judge(found: dict[tuple[int, int], dict]) -> dict[str, float]:
    """Compute the fits and ratios from the measurements {(frames, objects): one dictionary of :func:`run`}."""
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
    """The report of a single job: one line per ``EVERY`` frames, then the totals."""
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
