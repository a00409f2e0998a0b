"""The command ``demo``: one pointer carries colours, masks and keypoints through the clip ``carphone``, all three at once."""

import os
from pathlib import Path

import numpy as np

from ..color import frames_to_lab
from ..datasets.clips import CLIPS, open_clip
from ..draw import enlarge, filmstrip, overlay, side_by_side, skeleton, to_gray
from ..evaluation.metrics import color_error, pck, region_j
from ..io.frames import rescale
from ..io.masks import read_mask
from ..io.results import results_folder
from ..io.video_writer import write_video
from ..label_maps import paint
from ..model import Model
from ..propagate import MODERN, Protocol
from ..track import carry, check_sees_gray

RESULTS = ("colorize.mp4", "masks.mp4", "pose.mp4", "tour.png")
SHOWN = (0, 24, 48, 72, 96, 119)


def run_demo(out: str | os.PathLike, model: Model, protocol: Protocol = MODERN) -> list[tuple[str, str, float, float]]:
    """Colour, mask and pose the clip ``carphone``; write ``colorize.mp4``, ``masks.mp4``, ``pose.mp4`` and ``tour.png`` into ``out``.

    Returns:
        Rows (what, unit, ours, identity): scores against labels drawn by hand; identity holds the first frame's labels still.

    Raises:
        ClipError, OutputError: nothing is written in that case. Files of these names that the demo did not make are refused.
        ModelError: if the model sees colour, because one of the three things it carries are colours.
    """
    check_sees_gray(model)
    video = open_clip("carphone")
    frames = video.read()
    with results_folder(out, "demo", RESULTS, [video.path]) as scratch:
        colors, masks, places = _carry(frames, model, protocol)
        _draw(scratch, frames, colors, masks, places)
    return _scores(frames, colors, masks, places)


def _carry(frames: np.ndarray, model: Model, protocol: Protocol) -> tuple[list[np.ndarray], ...]:
    """Return the coloured frames, object ids and keypoints of every frame; those of frame 0 are given, not predicted."""
    from tqdm import tqdm

    clip = CLIPS["carphone"]
    mask = read_mask(clip.masks[0], frames.shape[1:3])
    carried = carry(frames, mask, clip.joints().xy, frames[0], model=model, protocol=protocol)
    results = list(tqdm(carried, desc="pointing and copying", total=len(frames), unit=" frames"))
    colors = [frames[0], *(paint(frame, result.ab) for frame, result in zip(frames[1:], results[1:], strict=True))]
    return colors, [result.ids for result in results], [result.xy for result in results]


def _draw(folder: Path, frames: np.ndarray, colors, masks, places) -> None:
    """Write three videos, gray input | given | predicted, and one film strip."""
    edges = CLIPS["carphone"].joints().edges
    gray = to_gray(frames)
    shown = {
        "colorize": [enlarge(c, 2) for c in colors],
        "masks": [overlay(enlarge(g, 2), enlarge(m[..., None], 2)[..., 0]) for g, m in zip(gray, masks, strict=True)],
        "pose": [skeleton(enlarge(g, 2), rescale(xy, (1, 1), (2, 2)), edges, scale=1.3) for g, xy in zip(gray, places, strict=True)],
    }
    titles = ("the network sees", "it is given", "it makes")
    for name, pictures in shown.items():
        sheets = (side_by_side([enlarge(g, 2), pictures[0], p], titles) for g, p in zip(gray, pictures, strict=True))
        write_video(folder / f"{name}.mp4", sheets, 15)
    pictures = {"gray input": gray, "true colours": frames, "colours": shown["colorize"], "masks": shown["masks"], "joints": shown["pose"]}
    rows = [[row[t] for t in SHOWN] for row in pictures.values()]
    columns = ["given: frame 0", *(f"frame {t}" for t in SHOWN[1:])]
    filmstrip(rows, list(pictures), columns, width=12).savefig(folder / "tour.png")


def _scores(frames, colors, masks, places) -> list[tuple[str, str, float, float]]:
    """Score our labels and, for comparison, identity: the first frame's labels held still."""
    clip = CLIPS["carphone"]
    held = frames_to_lab(frames[0])[1:]
    ours = np.mean([color_error(c, f) for c, f in zip(colors[1:], frames[1:], strict=True)])
    still = np.mean([color_error(paint(f, held), f) for f in frames[1:]])
    rows = [("colour", "mean ab distance, less is better", float(ours), float(still))]
    true = {t: read_mask(path) for t, path in clip.masks.items() if t}
    for n, name in enumerate(clip.objects, start=1):
        ours = np.mean([region_j(masks[t] == n, truth == n) for t, truth in true.items()])
        still = np.mean([region_j(masks[0] == n, truth == n) for truth in true.values()])
        rows.append((f"mask: {name}", f"J over {len(true)} frames", float(ours), float(still)))
    truth = clip.joint_truth()
    for threshold in (0.1, 0.2):
        ours = np.nanmean([pck(places[t], xy, threshold) for t, xy in truth.items()])
        still = np.nanmean([pck(places[0], xy, threshold) for xy in truth.values()])
        rows.append(("joints", f"PCK@{threshold} over {len(truth)} frames", float(ours), float(still)))
    return rows
