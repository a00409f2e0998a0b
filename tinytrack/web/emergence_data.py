"""The data of the page's second part, "Watch tracking emerge": what stored checkpoints of a short training run propagate.

The training itself takes minutes, so it was done once, by ``tests/experiments/emergence.py``, which wrote ``data/emergence.npz``. Only
copied colours and masks are stored there. The frames come from the installed clip.
"""

import json

import numpy as np
import torch

from ..datasets.clips import CLIPS, open_clip
from ..draw.pictures import to_gray
from ..draw.style import object_color
from ..errors import ClipError
from ..io.masks import read_mask
from ..io.paths import DATA
from ..label_maps import paint
from .pack import as_overlay, as_picture, as_script

CLIP = "carphone"
STORED = DATA / "emergence.npz"
ROUNDED = 4  # decimals of the stored losses and scores
COLUMNS = 5  # frames in one row of a sheet


def sheet(pictures: np.ndarray) -> np.ndarray:
    """Put pictures (T, H, W, ...) of one size next to each other, in rows of :data:`COLUMNS`; the last row is filled up with zeros."""
    rows = -(-len(pictures) // COLUMNS)
    full = np.zeros((rows * COLUMNS, *pictures.shape[1:]), pictures.dtype)
    full[: len(pictures)] = pictures
    return np.concatenate([np.concatenate(list(full[r * COLUMNS : (r + 1) * COLUMNS]), axis=1) for r in range(rows)])


def emergence_script() -> tuple[str, str]:
    """Return the name and the text of the script with all checkpoints.

    Raises:
        ClipError: if the stored results are missing, or the clip is not installed.
    """
    if not STORED.is_file():
        raise ClipError(f"the stored results '{STORED.name}' are missing from the installation: install tinytrack again")
    with np.load(STORED) as stored:
        data = {name: stored[name] for name in stored.files}
    facts, shown = json.loads(str(data["facts"])), data["frames"].tolist()
    frames = open_clip(CLIP).read(max_frames=shown[-1] + 1)[shown]
    names = CLIPS[CLIP].objects
    colors = np.stack([object_color(n) for n in range(1, len(names) + 1)])
    # one sheet of masks and one of coloured frames per checkpoint
    checkpoints = []
    for n, step in enumerate(data["steps"].tolist()):
        painted = np.stack([paint(frame, torch.tensor(ab).float()) for frame, ab in zip(frames, data["ab"][n], strict=True)])
        checkpoints.append(
            {
                "step": step,
                "masks": as_overlay(sheet(data["ids"][n]), colors),
                "colors": as_picture(sheet(painted), quality=80),
                **{name: round(float(data[name][n]), ROUNDED) for name in ("j", "j_modern", "color_error")},
            }
        )
    # the frames themselves, the masks drawn by hand, the loss of every step
    truth = {shown.index(t): read_mask(path) for t, path in CLIPS[CLIP].masks.items() if t in shown}
    true = np.stack([truth.get(n, np.zeros(frames.shape[1:3], np.uint8)) for n in range(len(shown))])
    return "emergence", as_script(
        "emergence",
        {
            "size": list(frames.shape[1:3]),
            "columns": COLUMNS,
            "frames": shown,
            "objects": list(names),
            "colorsOfObjects": colors.tolist(),
            "gray": as_picture(sheet(to_gray(frames))),
            "true": as_picture(sheet(frames)),
            "trueMasks": as_overlay(sheet(true), colors),
            "drawn": sorted(truth),
            "losses": [round(loss, ROUNDED) for loss in data["losses"].tolist()],
            "checkpoints": checkpoints,
            "facts": facts,
        },
    )
