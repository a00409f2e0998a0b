"""What was tracked in a frame, kept in little memory, and what it was tracked from."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..io.masks import mask_png
from ..track import Carried
from .marks import Marks


@dataclass(frozen=True)
class Origin:
    """What a frame was tracked from, and how: the network and protocol, whether colours were tracked too, and the key frames."""

    setting: tuple
    colors: bool
    keys: tuple[tuple[int, Marks], ...]


@dataclass(frozen=True)
class Stored:
    """A tracked frame in little memory: masks as PNG, colours in half precision.

    ``areas`` holds the number of pixels of each object, by its number, so that the timeline needs no mask.
    """

    ids: bytes | None
    areas: np.ndarray | None
    xy: np.ndarray | None
    confidence: np.ndarray | None
    ab: np.ndarray | None
    origin: Origin


@dataclass
class Paused:
    """Tracking that was stopped in the middle of a part, so that it can go on with the next frame."""

    key: int
    origin: Origin
    frames: list[int]  # those that are left, in order
    results: Iterator[Carried]


def pack(carried: Carried, origin: Origin) -> Stored:
    """Pack a tracking result to keep it in little memory."""
    ids, areas = (None, None) if carried.ids is None else (mask_png(carried.ids), np.bincount(carried.ids.ravel()))
    ab = None if carried.ab is None else carried.ab.half().cpu().numpy()
    return Stored(ids, areas, carried.xy, carried.confidence, ab, origin)


def unpack(stored: Stored) -> Carried:
    """Restore a tracking result from :func:`pack`."""
    from PIL import Image

    ids = None if stored.ids is None else np.array(Image.open(io.BytesIO(stored.ids)))
    ab = None if stored.ab is None else torch.tensor(stored.ab.astype(np.float32))
    return Carried(ids, stored.xy, stored.confidence, ab)
