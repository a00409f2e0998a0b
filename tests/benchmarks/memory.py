"""Check that memory does not grow with the length of a video.

Prints the peak memory of ``track``, ``pose`` and ``colorize`` for 200 and 2,000 frames, each in a fresh process.

python tests/benchmarks/memory.py
"""

import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np


def make(path: Path, frames: int) -> None:
    """Write a long 320x180 video in which no two neighbouring frames are equal, with a mask and joints for it."""
    from tinytrack.datasets.synth import moving_shapes
    from tinytrack.io.masks import write_mask
    from tinytrack.io.video_writer import write_video

    scene = moving_shapes(0, frames=50, height=180, width=320)
    there_and_back = [*range(50), *range(48, 0, -1)]
    write_video(path / "long.mp4", (scene.frames[there_and_back[t % 98]] for t in range(frames)), 30)
    write_mask(path / "mask.png", scene.masks[0])
    (path / "joints.json").write_text(json.dumps({"joints": {"a": np.clip(scene.joints[0, 0], 0, 179).tolist()}}))


def job(what: str, folder: Path) -> None:
    """Run one job on the long video and print the peak memory in MB. The working size is small, so that it takes about a minute."""
    import torch

    from tinytrack.cli.track import colorize_video, pose_video, track_video
    from tinytrack.io.video import open_video
    from tinytrack.model import load_model
    from tinytrack.propagate import MODERN

    torch.set_num_threads(1)
    video, model, protocol = open_video(folder / "long.mp4"), load_model(), replace(MODERN, size=72, radius=6)
    if what == "track":
        track_video(video, folder / "mask.png", model, folder / "out", protocol)
    elif what == "pose":
        pose_video(video, folder / "joints.json", model, folder / "out", protocol)
    else:
        colorize_video(video, model, folder / "out", 0, protocol)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main() -> None:
    lengths = (200, 2000)
    for what in ("track", "pose", "colorize"):
        peaks = []
        for frames in lengths:
            with tempfile.TemporaryDirectory() as folder:
                make(Path(folder), frames)
                done = subprocess.run([sys.executable, __file__, what, folder], capture_output=True, text=True, check=True)
                peaks.append(int(done.stdout.split()[-1]))
        print(
            f"{what:<9} {lengths[0]} frames {peaks[0]} MB, {lengths[1]} frames {peaks[1]} MB, ratio {peaks[1] / peaks[0]:.2f}", flush=True
        )


if __name__ == "__main__":
    job(sys.argv[1], Path(sys.argv[2])) if len(sys.argv) == 3 else main()
