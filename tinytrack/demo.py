"""The demo: one pointer carries colours, masks and joints through the clip ``carphone``, all three at once."""

import itertools
import os

import numpy as np
import torch

from .clips import CLIPS, open_clip
from .color import frames_to_lab
from .draw import enlarge, filmstrip, overlay, side_by_side, skeleton, to_gray
from .files import staged_folder
from .labels import read_mask
from .metrics import color_error, pck, region_j
from .model import Model
from .track import (
    MODERN,
    Protocol,
    color_labels,
    embed_frames,
    joint_maps,
    label_grid,
    locate_joints,
    mask_labels,
    paint,
    propagate,
    read_masks,
)
from .video import write_video

SHOWN = (0, 24, 48, 72, 96, 119)
LOST_BELOW = 0.05


def run_demo(out: str | os.PathLike, model: Model, protocol: Protocol = MODERN) -> list[tuple[str, str, float, float]]:
    """Colour, mask and pose the clip ``carphone``; write ``colorize.mp4``, ``masks.mp4``, ``pose.mp4`` and ``tour.png`` into ``out``.

    Labels are stacked as channels and carried by one :func:`propagate`: the pointer does not know what it copies.

    Returns:
        Rows (what, unit, ours, identity): scores against labels drawn by hand, beside the first frame's labels held still.
    """
    from tqdm import tqdm

    clip = CLIPS["carphone"]
    frames = open_clip(clip.name).read()
    size = frames.shape[1:3]
    joints = clip.joints()
    mask = read_mask(clip.masks[0], size)
    ids = np.unique(mask[mask > 0])
    grid = label_grid(*size, model, protocol)
    parts = [
        color_labels(frames[0], grid, model.device),
        mask_labels(mask, ids, grid, model.device),
        joint_maps(joints.xy, size, grid, device=model.device),
    ]
    height = parts[2].flatten(1).amax(1).cpu().numpy()
    colors, masks, places = [], [], []
    with torch.inference_mode():
        carried = propagate(embed_frames(frames, model, protocol), torch.cat(parts), protocol, model.temperature)
        for frame, labels in zip(frames, tqdm(carried, desc="pointing and copying", total=len(frames), unit=" frames"), strict=True):
            ab, classes, maps = labels.split([len(p) for p in parts])
            colors.append(paint(frame, ab))
            masks.append(read_masks(classes, ids, size, protocol.min_max))
            xy, peak = locate_joints(maps, size)
            xy[peak < LOST_BELOW * height] = np.nan
            places.append(xy)
    colors[0], masks[0], places[0] = frames[0], mask, joints.xy

    with staged_folder(out) as scratch:
        gray = to_gray(frames)
        shown = {
            "colorize": colors,
            "masks": [overlay(g, m) for g, m in zip(gray, masks, strict=True)],
            "pose": [_big_skeleton(g, xy, joints.edges) for g, xy in zip(gray, places, strict=True)],
        }
        for name, pictures in shown.items():
            first = pictures[0]
            factor = 2 if first.shape == frames[0].shape else 1
            titles = ("the network sees", "it is given", "it makes")
            panels = ([enlarge(g, 2), enlarge(first, factor), enlarge(p, factor)] for g, p in zip(gray, pictures, strict=True))
            write_video(scratch / f"{name}.mp4", (side_by_side(row, titles) for row in panels), 15)
        rows = [[gray[t] for t in SHOWN], *([pictures[t] for t in SHOWN] for pictures in shown.values())]
        columns = ["given: frame 0", *(f"frame {t}" for t in SHOWN[1:])]
        figure = filmstrip(rows, ["gray input", "colours", "masks", "joints"], columns)
        figure.savefig(scratch / "tour.png")
    return _scores(frames, colors, masks, places)


def _big_skeleton(frame: np.ndarray, xy: np.ndarray, edges) -> np.ndarray:
    """Joints drawn on the frame at twice its size: on 176x144 pixels the dots would hide the face."""
    return skeleton(enlarge(frame, 2), 2 * xy + 0.5, edges, scale=1.3)


def _scores(frames, colors, masks, places) -> list[tuple[str, str, float, float]]:
    """Ours beside identity: the first frame's labels, held still."""
    clip = CLIPS["carphone"]
    rows = []
    held = frames_to_lab(frames[0])[1:]
    ours = np.mean([color_error(c, f) for c, f in zip(colors[1:], frames[1:], strict=True)])
    still = np.mean([color_error(paint(f, held), f) for f in frames[1:]])
    rows.append(("colour", "mean ab distance, less is better", float(ours), float(still)))
    true = {t: read_mask(path) for t, path in clip.masks.items() if t}
    for n, name in enumerate(clip.objects, start=1):
        ours, still = (
            np.mean([region_j(m[t] == n, truth == n) for t, truth in true.items()]) for m in (masks, list(itertools.repeat(masks[0], len(frames))))
        )
        rows.append((f"mask: {name}", f"J over {len(true)} frames", float(ours), float(still)))
    truth = clip.joint_truth()
    for threshold in (0.1, 0.2):
        ours, still = (
            np.nanmean([pck(p[t], xy, threshold) for t, xy in truth.items()]) for p in (places, list(itertools.repeat(places[0], len(frames))))
        )
        rows.append(("joints", f"PCK@{threshold} over {len(truth)} frames", float(ours), float(still)))
    return rows
