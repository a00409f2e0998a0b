"""The data of the page's first part, "Where does this pixel point?": frames, labels and embeddings of two clips."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..color import frames_to_lab, network_input
from ..datasets.clips import CLIPS, open_clip
from ..draw.style import object_color
from ..evaluation.baselines import TEMPERATURES, RawPatches
from ..io.frames import resize
from ..io.masks import read_mask
from ..label_maps import mask_labels
from ..model import Model, load_model, random_model
from ..propagate import MODERN
from ..track import embed_video, working_size
from .pack import as_picture, as_script, as_text, quantize


@dataclass(frozen=True)
class Excerpt:
    """A few frames of a clip, for the page.

    Attributes:
        clip: the name of the clip.
        about: what the frames show, in words.
        frames: their numbers in the clip.
        rows: the height in pixels at which the network sees them; a cell is four pixels wide and high.
    """

    clip: str
    about: str
    frames: tuple[int, ...]
    rows: int


EXCERPTS = (
    Excerpt("carphone", "a man talking in a moving car", (0, 20, 40, 60, 100), 192),
    Excerpt("bikes", "a cyclist waiting at a crossing", (76, 96, 116, 136), 160),  # vehicles hide the cyclist in frame 96
)


def models() -> dict[str, Model]:
    """Load the networks whose embeddings are stored; raw patches need none, because the page cuts them from the gray frames."""
    return {"trained": load_model("tiny-gray"), "random": random_model()}


def pointer_names() -> list[str]:
    """List the scripts that :func:`pointer_scripts` writes."""
    return [name for excerpt in EXCERPTS for name in (excerpt.clip, f"{excerpt.clip}-trained", f"{excerpt.clip}-random")]


@torch.inference_mode()
def pointer_scripts() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each script: one per clip, and one per clip and network.

    Raises:
        ClipError: if a clip is not installed.
    """
    networks = models()
    for excerpt in EXCERPTS:
        video = open_clip(excerpt.clip).read(max_frames=excerpt.frames[-1] + 1)
        frames = video[list(excerpt.frames)]
        protocol = MODERN.at_rows(excerpt.rows)
        size = working_size(*frames.shape[1:3], networks["trained"], protocol)
        yield excerpt.clip, as_script(excerpt.clip, _pictures_and_labels(excerpt, frames, size))
        for name, model in networks.items():
            content = quantize(embed_video(frames, model, protocol)) | {"temperature": model.temperature}
            yield f"{excerpt.clip}-{name}", as_script(f"{excerpt.clip}-{name}", content)


def _pictures_and_labels(excerpt: Excerpt, frames: np.ndarray, size: tuple[int, int]) -> dict:
    """Collect what the page shows and copies: frames, gray input, colours and masks on the grid.

    Args:
        excerpt: which frames they are.
        frames: uint8 RGB (T, H, W, 3).
        size: (height, width) of the frames that the network sees.
    """
    clip, stride = CLIPS[excerpt.clip], RawPatches.stride
    grid = size[0] // stride, size[1] // stride
    # gray input in 256 levels, and the mean colour of every cell
    small = np.stack([resize(frame, *size) for frame in frames])
    lab = frames_to_lab(small)
    gray = to_levels(network_input(lab, 1)[:, 0])
    cells = F.adaptive_avg_pool2d(lab, grid).movedim(1, -1).round().clamp(-128, 127).to(torch.int8).numpy()  # (T, h, w, 3)
    # the share of each object in every cell, in frames that have a mask drawn by hand
    names, masks = ["background", *clip.objects], clip.masks
    labels = np.zeros((len(frames), len(names), *grid), np.uint8)
    for n, number in enumerate(excerpt.frames):
        if number in masks:
            shares = mask_labels(read_mask(masks[number]), np.arange(1, len(names)), grid)
            labels[n] = (255 * shares).round().numpy().astype(np.uint8)
    return {
        "about": excerpt.about,
        "size": list(frames.shape[1:3]),
        "grid": list(grid),
        "frames": list(excerpt.frames),
        "labelled": [number in masks for number in excerpt.frames],
        "objects": names,
        "colors": [object_color(n).tolist() for n in range(1, len(names))],
        "pictures": [as_picture(frame) for frame in frames],
        "gray": as_text(gray),
        "patchTemperature": TEMPERATURES["gray"],
        "lab": as_text(cells),
        "labels": as_text(labels),
    }


def to_levels(gray: torch.Tensor) -> np.ndarray:
    """Store gray network input (T, H, W) in [-1, 1] as uint8 levels (T, H, W); level / 127.5 - 1 undoes it."""
    return ((gray + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
