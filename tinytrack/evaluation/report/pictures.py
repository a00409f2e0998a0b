"""The figures of the report that need frames: embeddings as colours, attention, masks over frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ...datasets.truth import Truth
from ...draw.figures import attention_maps, embedding_pca, filmstrip
from ...draw.pictures import overlay, soft_picture, to_gray
from ...draw.style import label
from ...io.frames import resize
from ...label_maps import mask_labels, read_masks
from ...model import Model
from ...pointer import attention
from ...propagate import MODERN, Protocol, propagate
from ...track import embed_frames, embed_video, label_grid
from ..metrics import region_j
from ..scoring import VOID
from ..statistics import frame_scores

WIDE = 12.0  # width of the report's figures in inches
CYAN = 6  # added to object ids to make the first object cyan, because a red mask is hard to see on a red shirt or next to a red car


def embedding_figure(truth: Truth, models: Mapping[str, Model], protocol: Protocol = MODERN):
    """Draw figure 6: the embeddings of one video as colours in four frames, one row per network.

    Args:
        truth: the video.
        models: method -> features; one row each, below the frames themselves.
    """
    frames = list(truth.frames())
    shown = [round(share * (len(frames) - 1)) for share in (0, 0.33, 0.66, 1)]
    heading = f"What do the embeddings know? Three principal components as red, green, blue ({truth.name})"
    return embedding_pca(frames, {name: embed_video(frames, model, protocol) for name, model in models.items()}, shown, heading, WIDE)


def interior_points(mask: np.ndarray) -> list[tuple[str, tuple[int, int]]]:
    """Choose three pixels (x, y) for a picture of the pointer, with their names, by the shape of the objects alone.

    They are the deepest pixels of the first three objects. If there are fewer objects, the next one is the pixel of the first object
    that is farthest from its deepest one (but not right at the edge), and the last one is a background pixel: the nearest to that
    deepest one among those as far outside the edge as the object is deep.

    Args:
        mask: object ids (H, W), at least one above 0.
    """
    from scipy.ndimage import distance_transform_edt

    # inside each object
    ids = [int(n) for n in np.unique(mask) if n not in (0, VOID)][:3]
    depth = distance_transform_edt(np.pad(mask == ids[0], 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    found = [("inside\nthe object" if len(ids) == 1 else f"object {ids[0]}", (int(x), int(y)))]
    for n in ids[1:]:
        inner = distance_transform_edt(np.pad(mask == n, 1))[1:-1, 1:-1]
        found.append((f"object {n}", tuple(int(v) for v in np.unravel_index(inner.argmax(), inner.shape)[::-1])))
    # at an end of the first one
    if len(found) < 3:
        rows, columns = np.nonzero(depth >= min(0.2 * depth.max(), 6))
        far = np.hypot(rows - y, columns - x).argmax()
        found.append(("at an end\nof the object", (int(columns[far]), int(rows[far]))))
    # in the background
    if len(found) < 3:
        outside = distance_transform_edt(mask == 0)
        rows, columns = np.nonzero(outside >= min(depth.max(), 0.9 * outside.max()))
        near = np.hypot(rows - y, columns - x).argmin()
        found.append(("background\nbeside it", (int(columns[near]), int(rows[near]))))
    return found[:3]


def pointer_figure(truth: Truth, model: Model, protocol: Protocol = MODERN):
    """Draw figure 7: where three pixels of one frame point in the references that tracking has at that frame (four of them are shown).

    Args:
        truth: a video with masks; the target is the frame with a true mask that is nearest to 60 % of the video.
    """
    # the target frame and its pixels
    frames = list(truth.frames())
    late = [t for t in truth.masks if t > max(protocol.back)] or [t for t in truth.masks if t]
    t = min(late, key=lambda t: abs(t - 0.6 * len(frames)))
    points = interior_points(truth.masks[t]())
    xy = np.array([place for _, place in points])
    # their cells, and where these point
    f = embed_video(frames[: t + 1], model, protocol)
    h, w = f.shape[-2:]
    height, width = frames[t].shape[:2]
    cell = np.array([width / w, height / h])  # pixels per cell, in x and y
    cells = ((xy + 0.5) / cell).astype(int)
    references = protocol.references(t)
    A = attention(f, references, cells, model.temperature * protocol.sharpen).numpy()
    # the references to show, with the window of tracking
    shown = sorted({references[0], references[min(1, len(references) - 1)], references[len(references) // 2], t - 1})
    boxes = np.full((len(xy), len(shown), 4), np.nan)
    if protocol.radius is not None:
        boxes[:] = np.hstack([(cells - protocol.radius) * cell, (cells + 1 + protocol.radius) * cell])[:, None] - 0.5
    if protocol.searches_first(t):
        boxes[:, 0] = np.nan
    gray = to_gray(np.stack([frames[s] for s in shown]))
    heading = f"Where does a pixel point? {truth.name}, frame {t}"
    if protocol.radius is not None:
        heading += "; dashed: the window of tracking" + (", which has none in frame 0" if np.isnan(boxes).any() else "")
    return attention_maps(
        frames[t],
        xy,
        [name for name, _ in points],
        gray,
        A[:, [references.index(s) for s in shown]],
        [f"target: frame {t}", *(f"reference: frame {s}" for s in shown)],
        heading,
        boxes,
        WIDE,
    )


def overlay_figure(truths: Sequence[Truth], records: Mapping[str, Mapping], folder: Path, method: str):
    """Draw figure 8: predicted masks over the scored frames nearest to 33 %, 66 % and 95 % of each video, with J on each.

    Args:
        truths: the videos, one row each.
        records: ``results["sequences"]`` of the run, or the part of it with these videos.
        folder: of the run; the masks are ``folder/masks/VIDEO/00000.png`` ...
        method: its name, for the heading.
    """
    rows, notes = [], []
    for truth in truths:
        record = records[truth.name]
        j = dict(zip(record["scored"], frame_scores(record), strict=True))
        wanted = [share * (record["frames"] - 1) for share in (0.33, 0.66, 0.95)]
        times = [0, *(min(j, key=lambda t, near=near: abs(t - near)) for near in wanted)]
        frames = {t: frame for t, frame in enumerate(truth.frames()) if t in times}
        rows.append([_covered(frames[t], folder / "masks" / truth.name / f"{t:05d}.png") for t in times])
        notes.append(["given", *(f"frame {t}: J {100 * j[t]:.0f} %" for t in times[1:])])
    titles = [f"{t.name}\nJ {100 * frame_scores(records[t.name]).mean():.1f} %" for t in truths]
    columns = ["first frame", "33 %", "66 %", "95 % of the video"]
    return filmstrip(rows, titles, columns, notes, f"How does it track, and how does it fail? Masks by {label(method)}", WIDE)


@torch.inference_mode()
def dissolve_figure(truth: Truth, model: Model, protocol: Protocol = MODERN):
    """Draw figure 9: the soft map of an object over time, and the masks decoded from it by "argmax" and "balanced".

    Args:
        truth: a video with masks; its first object is tracked.
    """
    # propagate the mask of one object
    mask = truth.masks[0]()
    n = int(np.unique(mask[(mask > 0) & (mask != VOID)])[0])
    ids, size = np.array([n]), mask.shape
    frames = list(truth.frames())
    labels = mask_labels(mask * (mask == n), ids, label_grid(*frames[0].shape[:2], model, protocol), model.device)
    maps = list(propagate(embed_frames(frames, model, protocol), labels, protocol, model.temperature))
    # one column per frame shown: truth, soft map, two ways to decode it
    shown = [truth.scored[round(share * (len(truth.scored) - 1))] for share in (0, 0.25, 0.5, 0.75, 1)]
    rows: list[list[np.ndarray]] = [[], [], [], []]
    notes: list[list[str]] = [[], [], [], []]
    for t in shown:
        true = truth.masks[t]() == n
        soft = maps[t][1]
        frame = resize(frames[t], *size)
        rows[0].append(overlay(frame, true * (1 + CYAN)))
        notes[0].append("")
        rows[1].append(soft_picture(soft))
        notes[1].append(f"highest value {soft.max():.2f}")
        for row, read in ((2, "argmax"), (3, "balanced")):
            found = read_masks(maps[t], ids, size, read) == n
            rows[row].append(overlay(frame, found * (1 + CYAN)))
            notes[row].append(f"J {100 * region_j(found, true):.0f} %")
    titles = ["truth", "soft map\n(yellow: 1)", "argmax\nread-out", "balanced\nread-out"]
    heading = f"Why do masks fade? Repeated copying in {truth.name}"
    return filmstrip(rows, titles, [f"frame {t}" for t in shown], notes, heading, WIDE)


def _covered(frame: np.ndarray, mask: Path) -> np.ndarray:
    """Draw a predicted mask over a frame, at the mask's size; return the frame alone if there is no file."""
    from PIL import Image

    if not mask.is_file():
        return frame
    with Image.open(mask) as picture:
        ids = np.array(picture)
    return overlay(resize(frame, *ids.shape), np.where(ids > 0, ids.astype(int) + CYAN, 0))
