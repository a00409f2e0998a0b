"""Make the moving picture at the top of the README: python -m tests.tools.hero [FILE.webp].

Four panels: the gray frames of ``carphone`` that the network sees, the colours and the masks copied from the first frame, and mask and
skeleton on the whole body of ``beam``. The first picture shows what is given. Run ``python -m tinytrack data fetch beam`` before.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tinytrack import draw
from tinytrack.datasets.clips import CLIPS, open_clip
from tinytrack.io.atomic import staged_file
from tinytrack.io.frames import rescale
from tinytrack.io.masks import read_mask
from tinytrack.label_maps import paint
from tinytrack.model import best_device, load_model
from tinytrack.propagate import REFINED
from tinytrack.track import carry

FILE = Path(__file__).resolve().parents[2] / "data" / "tour.webp"
HEIGHT = 216  # pixels of each panel
COUNT = 20  # pictures
HOLD, TIME = 1200, 130  # milliseconds: the given labels, and every other picture
BODY = np.s_[280:1240, 140:940]  # the part of beam that shows the man: the network sees only this part, at 240 rows


def scaled(picture: np.ndarray) -> np.ndarray:
    """Scale a picture uint8 (H, W, 3) to the height of the panels."""
    width = round(picture.shape[1] * HEIGHT / picture.shape[0])
    return np.asarray(Image.fromarray(picture).resize((width, HEIGHT), Image.Resampling.LANCZOS))


def face(every: int = 4) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Colour and track ``carphone`` from its gray frames; return these frames, the copied colours and the copied masks."""
    clip, frames = CLIPS["carphone"], open_clip("carphone").read(max_frames=every * COUNT)
    gray = draw.to_gray(frames)
    tracked = carry(gray, read_mask(clip.masks[0]), None, frames[0], model=load_model("tiny-gray", best_device()), protocol=REFINED)
    inputs, colors, masks = [], [], []
    for t, item in enumerate(tracked):
        if t % every == 0:
            inputs.append(scaled(gray[t]))
            colors.append(scaled(paint(gray[t], item.ab) if t else frames[0]))
            masks.append(scaled(draw.overlay(gray[t], item.ids)))
    return inputs, colors, masks


def body(every: int = 3) -> list[np.ndarray]:
    """Track the keypoints and the mask of ``beam``; return its pictures."""
    clip, frames = CLIPS["beam"], open_clip("beam").read()[:, *BODY]
    joints = clip.joints()
    corner = (BODY[1].start, BODY[0].start)
    mask, xy = read_mask(clip.masks[0])[BODY], joints.xy - corner
    tracked = carry(frames, mask, xy, model=load_model("tiny-lab", best_device()), protocol=REFINED)
    pictures = []
    for t, item in enumerate(tracked):
        if t % every == 0:
            picture = scaled(draw.overlay(frames[t], item.ids, 0.35))
            xy = rescale(item.xy, frames.shape[1:3], picture.shape[:2])  # scaled first, so that dots and lines stay thick
            pictures.append(draw.skeleton(picture, xy, joints.edges))
    return pictures


def save_animation(path: Path, pictures: Sequence[Image.Image], times: Sequence[int]) -> None:
    """Write pictures, each shown for some milliseconds, as an endless WebP, and print how large it is."""
    with staged_file(path) as scratch:
        pictures[0].save(scratch, "WEBP", save_all=True, append_images=pictures[1:], duration=list(times), loop=0, quality=70, method=6)
    print(f"{path.name}: {len(pictures)} pictures, {path.stat().st_size / 1000:.0f} KB")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.hero", description="Make the moving picture of the README.")
    parser.add_argument("file", nargs="?", type=Path, default=FILE)
    path = parser.parse_args(argv).file
    panels = [*face(), body()]
    titles = ["colours", "masks", "mask and skeleton"]
    pictures = []
    for t, row in enumerate(zip(*panels, strict=True)):
        word = "given" if t == 0 else "copied"
        names = ["what the network sees", *(f"{word}: {title}" for title in titles)]
        pictures.append(Image.fromarray(draw.side_by_side(row, names)))
    save_animation(path, pictures, [HOLD] + [TIME] * (len(pictures) - 2) + [HOLD])
    return 0


if __name__ == "__main__":
    sys.exit(main())
