"""The exercises of notebooks/00_tour.ipynb."""

import math

import numpy as np
import torch
from torch import Tensor

from ...color import frames_to_lab, lab_to_frames
from ...draw.pictures import to_gray as _to_gray
from ...pointer import affinity
from ..compare import as_array
from ..exercise import Exercise, Experiment
from ..worked_example import BACKGROUND, BRIGHT_AT, DARK_AT
from .cases import random_frame


def _zeroed(frame: np.ndarray, channels: slice) -> np.ndarray:
    """Set channels of Lab to 0."""
    lab = frames_to_lab(frame)
    lab[channels] = 0
    return lab_to_frames(lab)


def _flat_gray(frame: np.ndarray) -> np.ndarray:
    return lab_to_frames(torch.tensor([50.0, 0.0, 0.0])[:, None, None].expand(3, *frame.shape[:2]))


to_gray = Exercise(
    "to_gray",
    _to_gray,
    lambda: [(random_frame(5, 7),), (random_frame(3, 4, 1),), (random_frame(1, 2, 2),), (random_frame(2, 3, 3),)],
    [
        (
            "Your function returns the mean of red, green and blue: use L of Lab instead, in which green counts most",
            lambda x: _thrice(x.mean(-1)),
        ),
        (
            "Your function uses the weights of television luma: use L of Lab instead, which is computed from linear light",
            lambda x: _thrice(x @ np.array([0.299, 0.587, 0.114])),
        ),
        ("The lightness is gone and the colours are still there: set a and b to 0, and keep L", lambda x: _zeroed(x, slice(0, 1))),
        ("Your function sets only a to 0: b is a colour channel too, so set both to 0", lambda x: _zeroed(x, slice(1, 2))),
        ("Your function sets only b to 0: a is a colour channel too, so set both to 0", lambda x: _zeroed(x, slice(2, 3))),
        ("The frame comes back in colour: set a and b to 0 before you convert it back to RGB", lambda x: x),
        (
            "Your function uses L itself, from 0 to 100, as the gray level: convert (L, 0, 0) back to RGB",
            lambda x: _thrice(frames_to_lab(x)[0].numpy()),
        ),
        (
            "Your function stretches L from 0..100 to 0..255 and uses it as the gray level: convert (L, 0, 0) back to RGB",
            lambda x: _thrice(2.55 * frames_to_lab(x)[0].numpy()),
        ),
        (
            "Your function uses the weights of linear light on RGB values, which are not linear: use L of Lab instead",
            lambda x: _thrice(x @ np.array([0.2126, 0.7152, 0.0722])),
        ),
        (
            "Your function copies one of red, green and blue into all channels: use L of Lab instead, which depends on all three",
            *(lambda x, n=n: _thrice(x[..., n].astype(float)) for n in range(3)),
        ),
        (
            "Your function takes the largest or the smallest of red, green and blue, or their middle: use L of Lab instead",
            lambda x: _thrice(x.max(-1).astype(float)),
            lambda x: _thrice(x.min(-1).astype(float)),
            lambda x: _thrice((x.max(-1).astype(float) + x.min(-1)) / 2),
        ),
        ("Your function also makes every pixel equally light: keep L, and set only a and b to 0", _flat_gray),
    ],
    tolerance=1.01,  # one level of rounding
    edges=lambda: [
        ("the frame is black", (np.zeros((1, 2, 3), np.uint8),)),
        ("the frame is white", (np.full((1, 2, 3), 255, np.uint8),)),
        ("the pixels are pure red, green and blue", (np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8),)),
    ],
    steps=lambda x: {"L of Lab": frames_to_lab(x)[0]},
    kind="integer",
)


def _thrice(gray: np.ndarray) -> np.ndarray:
    """Turn gray values (H, W) into a frame uint8 (H, W, 3)."""
    return gray.round().astype(np.uint8)[..., None].repeat(3, -1)


def _coordinates(h: int, w: int) -> Tensor:
    """Label each pixel of a frame with its (row, column): (h * w, 2)."""
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return torch.stack([rows, columns], dim=-1).flatten(0, 1)


def _judge_origins(result, h: int, w: int) -> str:
    labels = torch.as_tensor(as_array(result)).double()
    if labels.dim() != 2 or len(labels) != h * w:
        return f"For a frame of {h}x{w} pixels your labels have shape {tuple(labels.shape)}: expected ({h * w}, K), one row per pixel"
    if not torch.isfinite(labels).all():
        return "Your labels contain NaN or infinity, which a weighted mean would spread to every pixel: expected finite numbers"

    def at(i: int) -> str:
        return f"(row {i // w}, column {i % w})"

    # a pointer that is certain: the label must be unlike all others
    distance = torch.cdist(labels, labels)
    apart = distance + torch.diag(torch.full((h * w,), math.inf, dtype=torch.float64))
    i, j = divmod(int(apart.argmin()), h * w)
    if apart.min() <= 1e-6 * distance.max():
        return f"The pixels {at(i)} and {at(j)} have the same label, so the copy does not tell which of them it came from"
    # a pointer that is a little unsure: the mixture must still be nearest to the label of the pixel that weighs most
    for i in range(h * w):
        for dy, dx in ((1, 0), (0, 1), (-1, 0), (0, -1)):
            row, column = i // w + dy, i % w + dx
            if not (0 <= row < h and 0 <= column < w):
                continue
            mixed = 0.9 * labels[i] + 0.1 * labels[row * w + column]
            nearest = int(torch.cdist(mixed[None], labels).argmin())
            if nearest != i:
                return (
                    f"A pixel of a {h}x{w} frame that gives 90 % of its attention to {at(i)} and 10 % to {at(row * w + column)} copies a"
                    f" label that is nearest to that of {at(nearest)}: choose labels that differ little between neighbours, across as well"
                    " as down"
                )
    return ""


origin_labels = Experiment("origin_labels", _coordinates, lambda: [(4, 4), (9, 25)], _judge_origins)


CLOSE = 20  # a lightness that differs less from the background's is too close to it


def _twin_scene(objects: Tensor) -> tuple[Tensor, Tensor]:
    """Draw two objects (2, 3) in Lab as in the worked example: frames 0 and 2 (2, 16, 3), and the object that each pixel shows (2, 16)."""
    lab = torch.tensor(BACKGROUND, dtype=torch.float64).repeat(2, 4, 4, 1)
    ids = torch.zeros(2, 4, 4, dtype=torch.long)
    for n, places in enumerate((BRIGHT_AT, DARK_AT)):
        for t, cells in enumerate((places[0], places[2])):
            for row, column in cells:
                lab[t, row, column], ids[t, row, column] = objects[n], n + 1
    return lab.flatten(1, 2), ids.flatten(1)


def _judge_twins(result) -> str:
    objects = torch.as_tensor(as_array(result)).double()
    if objects.shape != (2, 3):
        return f"Your function returns shape {tuple(objects.shape)}: expected two objects of three numbers, (L, a, b) each"
    if not torch.isfinite(objects).all() or not (0 <= objects[:, 0]).all() or not (objects[:, 0] <= 100).all():
        return f"The lightnesses are {objects[0, 0]:g} and {objects[1, 0]:g}: expected numbers from 0 to 100"
    for n, lightness in enumerate(objects[:, 0].tolist(), start=1):
        if abs(lightness - BACKGROUND[0]) < CLOSE:
            return (
                f"Object {n} has lightness {lightness:g}, and the background has {BACKGROUND[0]}: expected a difference of at least"
                f" {CLOSE}, so that the pointer can tell object and background apart"
            )
    # point and copy, as in the notebook
    lab, ids = _twin_scene(objects)
    angle = lab[..., 0] * (math.pi / 100)
    f = torch.stack([angle.cos(), angle.sin()], dim=-1)
    A = affinity(f[1:], f[:1], 0.02)[0]
    error = float((A @ lab[0, :, 1:] - lab[1, :, 1:]).abs().max())
    own = [float(A[ids[1] == n][:, ids[0] == n].sum(1).mean()) for n in (1, 2)]
    if max(own) > 0.6:
        n = 1 + int(own[1] > own[0])
        return (
            f"The pixels of object {n} give {100 * own[n - 1]:.0f} % of their attention to object {n}, so its mask is right:"
            " expected at most 60 %"
        )
    if error > 2:
        return f"The masks get mixed up, but so do the colours, by up to {error:.0f} Lab units: expected at most 2"
    return ""


twins = Experiment("twins", lambda: ((85.0, 15.0, 55.0), (85.0, 15.0, 55.0)), lambda: [()], _judge_twins)
