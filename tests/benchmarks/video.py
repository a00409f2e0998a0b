"""Measure whole videos: frames per second from a 480p file to the finished overlay and masks, and the time that each stage takes.

The video is synthetic, unless TINYTRACK_DATA names a folder that contains DAVIS.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tinytrack.cli.track import track_video
from tinytrack.color import frames_to_lab, network_input
from tinytrack.datasets.synth import moving_shapes
from tinytrack.draw.pictures import overlay
from tinytrack.io.frames import resize
from tinytrack.io.masks import read_mask, write_mask
from tinytrack.io.video import Video, open_video
from tinytrack.io.video_writer import write_video
from tinytrack.label_maps import mask_labels, read_masks
from tinytrack.model import Model, load_model
from tinytrack.propagate import MODERN, REFINED, Protocol, propagate
from tinytrack.track import embed_frames, label_grid, working_size

from . import quietly, ratio, with_threads
from .throughput import in_turn

FINE_FRAMES = 12  # of the slowest measurement, the fine grid
STAGES = ("decode", "resize_lab", "embed", "propagate", "read_masks", "draw", "encode", "write_masks")

ABOUT = {
    "fps_480p_s8": (">= 5", "frames per second of 854x480, from file to overlay and masks: one object, the modern protocol (60x107 grid)"),
    "fps_480p_refined": (">= 5", "the same with the refined protocol"),
    "fps_480p_refined_lab": (">= 5", "the same with the refined protocol and tiny-lab"),
    "fps_480p_fine": (">= 5", "the same with the refined protocol in finer cells (120x214 grid), as the command track does by default"),
    "fps_480p_fine_lab": (">= 5", "the same with tiny-lab"),
    "fps_480p_s4": ("", "the same with the input as high as the video (120x214 grid)"),
    "fps_over_compute": ("", "fps_480p_s8 / frames per second of embed and propagate alone: what all other stages cost"),
    "embed_threads_speedup": ("", "speed of embedding a frame on two threads / on one"),
    "propagate_threads_speedup": ("", "speed of propagate on two threads / on one"),
    **{f"ms_{stage}": ("", f"milliseconds per frame for {stage} alone, when the stages run one after the other") for stage in STAGES},
}


def make(folder: Path, frames: int = 40, size: tuple[int, int] = (480, 854)) -> tuple[Video, Path]:
    """Write a video file and the mask of its first frame, with one object."""
    davis = Path(os.environ.get("TINYTRACK_DATA", "")) / "davis"
    pictures, mask = davis / "JPEGImages" / "480p" / "blackswan", davis / "Annotations" / "480p" / "blackswan" / "00000.png"
    if size == (480, 854) and mask.is_file() and pictures.is_dir():
        ids, content = (read_mask(mask) > 0).astype(np.uint8), open_video(pictures).frames(size, max_frames=frames)
    else:
        scene = moving_shapes(0, frames=frames, height=size[0], width=size[1])
        ids, content = (scene.masks[0] > 0).astype(np.uint8), scene.frames
    write_video(folder / "video.mp4", content, 24)
    write_mask(folder / "mask.png", ids)
    return open_video(folder / "video.mp4"), folder / "mask.png"


class Stages:
    """Accumulate the seconds spent in each stage."""

    def __init__(self):
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def timed(self, stage: str, function: Callable, *arguments):
        """Call function(*arguments) and add its time to the stage."""
        began = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self.seconds[stage] += time.perf_counter() - began

    def each(self, stage: str, items: Iterable) -> Iterator:
        """Yield the items and add the time to make each of them to the stage."""
        items, end = iter(items), object()
        while (item := self.timed(stage, next, items, end)) is not end:
            yield item


@torch.inference_mode()
def stages(video: Video, mask_path: Path, model: Model, protocol: Protocol, folder: Path) -> dict[str, float]:
    """Track a video as the job does, but one stage after the other, and return the milliseconds per frame of each stage."""
    clock = Stages()
    size = video.height, video.width
    mask, ids = read_mask(mask_path, size), np.array([1])
    frames = list(clock.each("decode", video.frames()))

    def picture(frame: np.ndarray) -> torch.Tensor:
        small = resize(frame, *working_size(*size, model, protocol))
        return network_input(frames_to_lab(small, channels=model.net.channels), model.net.channels)

    pictures = [clock.timed("resize_lab", picture, frame) for frame in frames]
    embeddings = [clock.timed("embed", model.net, p[None]) for p in pictures]
    first = mask_labels(mask, ids, label_grid(*size, model, protocol))
    labels = list(clock.each("propagate", propagate(embeddings, first, protocol, model.temperature)))
    masks = [mask] + [clock.timed("read_masks", read_masks, y, ids, size, protocol.read) for y in labels[1:]]
    drawn = [clock.timed("draw", overlay, frame, m) for frame, m in zip(frames, masks, strict=True)]
    clock.timed("encode", write_video, folder / "drawn.mp4", drawn, video.fps)
    for m in masks:
        clock.timed("write_masks", write_mask, folder / "drawn.png", m)
    return {f"ms_{stage}": 1e3 * seconds / len(frames) for stage, seconds in clock.seconds.items()}


def measure(rounds: int = 1, frames: int = 40, size: tuple[int, int] = (480, 854), protocol: Protocol = MODERN) -> dict:
    model = load_model()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        video, mask = make(folder, frames, size)
        turns = [stages(video, mask, model, protocol, folder) for _ in range(rounds)]
        with torch.inference_mode():
            embeddings = list(embed_frames(video.frames(), model, protocol))
            gray = torch.rand(1, 1, *working_size(*size, model, protocol))
        first = mask_labels(read_mask(mask), np.array([1]), label_grid(*size, model, protocol))

        def carry(f: Iterable[torch.Tensor]):
            for _ in propagate(f, first, protocol, model.temperature):
                pass

        @torch.inference_mode()
        def compute():
            carry(f for f in embeddings if model.net(gray) is not None)

        @torch.inference_mode()
        def some():
            carry(embeddings[:12])

        @torch.inference_mode()
        def embed():
            model.net(gray)

        def job(video: Video = video, protocol: Protocol = protocol, model: Model = model):
            track_video(video, mask, model, folder / "out", protocol)

        refined = replace(REFINED, size=protocol.size, radius=protocol.radius, back=protocol.back)
        sees_color = load_model("tiny-lab")

        seconds, share = ratio(compute, quietly(job), rounds)
        finer = refined.at_rows(2 * refined.size)
        kinds = (refined, model), (refined, sees_color), (finer, model), (finer, sees_color)
        jobs = [quietly(lambda p=p, m=m: job(protocol=p, model=m)) for p, m in kinds]
        refined_gray, refined_lab, fine_gray, fine_lab = in_turn(jobs, rounds)
        began = time.perf_counter()
        few = min(frames, FINE_FRAMES)
        quietly(lambda: job(video.part(0, few), replace(protocol, size=2 * protocol.size)))()
        fine = (time.perf_counter() - began) / few
        _, embed_faster = ratio(with_threads(1, embed), with_threads(2, embed))
        _, propagate_faster = ratio(with_threads(1, some), with_threads(2, some), rounds)
        middle = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
    return {
        "fps_480p_s8": frames / seconds,
        "fps_480p_refined": frames / refined_gray,
        "fps_480p_refined_lab": frames / refined_lab,
        "fps_480p_fine": frames / fine_gray,
        "fps_480p_fine_lab": frames / fine_lab,
        "fps_480p_s4": 1 / fine,
        "fps_over_compute": share,
        "embed_threads_speedup": embed_faster,
        "propagate_threads_speedup": propagate_faster,
        **middle,
    }
