"""Long videos of many objects: does ``track`` cost as much more as there are more frames and objects, and does its memory stay?

python tests/benchmarks/long.py --frames 2000 --objects 10

runs one job on an 854x480 video and says how it went; ``python -m tests.benchmarks --only long`` lays lines through shorter ones.
Each job has a fresh process, so that its peak memory is its own, and counts the seconds that it had a processor: those that other
programs had are not among them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SIZE = (480, 854)
ROWS = 240  # of the network's input, as the modern protocol has it
FRAMES, OBJECTS = (48, 96, 144, 192), (1, 4, 7, 10)
ABOUT = {
    "long_frames_r2": (">= 0.99", f"R^2 of seconds = a + b x frames; {FRAMES[0]} to {FRAMES[-1]} frames of 854x480, {OBJECTS[-1]} objects"),
    "long_objects_r2": (">= 0.9", f"R^2 of seconds a frame = c + d x objects; {OBJECTS[0]} to {OBJECTS[-1]} objects"),
    "long_ms_one_object": ("", "processor time of a frame with one object, by that line: c + d"),
    "long_ms_further_object": ("", "what each further object adds: d"),
    "long_last_over_first": ("<= 1.1", "a frame of the last quarter of the longest job / one of the first quarter"),
    "long_peak_mb_few": ("", f"peak memory in MB, {FRAMES[0]} frames, {OBJECTS[-1]} objects"),
    "long_peak_mb_many": ("", f"the same, {FRAMES[-1]} frames"),
    "long_peak_growth": ("<= 1.1", "the latter / the former"),
}


def make(folder: Path, frames: int, objects: tuple[int, ...] = OBJECTS, size: tuple[int, int] = SIZE) -> None:
    """A video of no two equal neighbouring frames, shapes that move there and back; and for each number of objects a mask of so many."""
    from tinytrack.draw import enlarge
    from tinytrack.labels import write_mask
    from tinytrack.synth import moving_shapes
    from tinytrack.video import write_video

    scene = moving_shapes(0, frames=25, height=size[0] // 2, width=size[1] // 2, objects=max(objects))  # half as large: drawn sooner
    there_and_back = [*range(25), *range(23, 0, -1)]
    write_video(folder / "video.mp4", (enlarge(scene.frames[there_and_back[t % 48]], 2) for t in range(frames)), 25)
    for n in objects:
        mask = np.where(scene.masks[0] <= n, scene.masks[0], 0)
        if len(np.unique(mask[mask > 0])) < n:
            raise ValueError(f"not all of the {n} objects are seen in the first frame")
        write_mask(folder / f"{n}.png", enlarge(mask, 2))


def memory(what: str) -> float:
    """MB that this process holds ("VmRSS") or has held at most ("VmHWM"; ``ru_maxrss`` would begin with that of its parent)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def job(folder: Path, frames: int, objects: int, rows: int, threads: int) -> dict:
    """What the fresh process does: the seconds it took, its peak memory, and for each frame when it was read and the memory then."""
    from dataclasses import replace

    import torch

    from tinytrack.jobs import track_video
    from tinytrack.model import load_model
    from tinytrack.track import MODERN
    from tinytrack.video import Video

    at, held = [], []

    class Watched(Video):
        def moving_frames(self, size=None):
            for frame in super().moving_frames(size):
                at.append(time.process_time())
                held.append(memory("VmRSS"))
                yield frame

    torch.set_num_threads(threads)
    model, video = load_model(), Watched(folder / "video.mp4", stop=frames)
    began, cpu = time.perf_counter(), time.process_time()
    done = track_video(video, folder / f"{objects}.png", model, folder / "out", replace(MODERN, size=rows))
    seconds = time.process_time() - cpu
    return {**done, "seconds": seconds, "wall": time.perf_counter() - began, "at": at, "mb": held, "peak_mb": memory("VmHWM")}


def run(folder: Path, frames: int, objects: int, rows: int = ROWS, threads: int = 1) -> dict:
    """:func:`job` in a fresh process."""
    command = [
        sys.executable,
        __file__,
        "--job",
        str(folder),
        *(f"--{k}={v}" for k, v in dict(frames=frames, objects=objects, rows=rows, threads=threads).items()),
    ]
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # as the command line does
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--job")
    for k in ("frames", "objects", "rows", "threads"):
        p.add_argument("--" + k, type=int)
    a = p.parse_args()
    print(json.dumps(job(Path(a.job), a.frames, a.objects, a.rows, a.threads)))


if __name__ == "__main__":
    main()
