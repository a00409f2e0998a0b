"""Tracking: embed the frames of a video, propagate the labels of the first one, read them out in every frame.

Frames stream in and results stream out, so a long video needs no more memory than a short one.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .color import frames_to_lab, network_input
from .errors import JointsError, MaskError, ModelError, VideoError
from .gate import Gate
from .io.frames import fit_size, resize
from .label_maps import LOST_BELOW, certain, color_labels, find_joints, joint_maps, mask_labels, paint, read_masks, spot_width
from .model import Model
from .propagate import MODERN, Protocol, propagate


def working_size(height: int, width: int, model: Model, protocol: Protocol) -> tuple[int, int]:
    """Compute the (height, width) at which the network sees frames: the protocol's size, in whole cells, or whole squares of them."""
    return fit_size(height, width, protocol.size, model.net.stride * protocol.coarse)


def label_grid(height: int, width: int, model: Model, protocol: Protocol) -> tuple[int, int]:
    """Compute the rows and columns of the grid on which labels of (height, width) frames are propagated."""
    h, w = working_size(height, width, model, protocol)
    return protocol.grid or (h // model.net.stride, w // model.net.stride)


def embed_frames(frames: Iterable[np.ndarray], model: Model, protocol: Protocol = MODERN) -> Iterator[Tensor]:
    """Embed a stream of uint8 RGB frames (H, W, 3) for :func:`propagate`: yields (C, D, h, w), C = ``net.clip_frames``."""
    clip: deque[Tensor] = deque(maxlen=model.net.clip_frames)
    shape = None
    for frame in frames:
        shape = shape or frame.shape
        if frame.shape != shape:
            raise VideoError(f"a frame is {frame.shape[1]}x{frame.shape[0]}: expected {shape[1]}x{shape[0]} like the first")
        # scale, keep the channels that the network sees, embed together with the frames before
        small = resize(frame, *working_size(*frame.shape[:2], model, protocol))
        picture = network_input(frames_to_lab(small, model.device, model.net.channels), model.net.channels)
        clip.extend([picture] * (1 if clip else clip.maxlen))  # pad the start with copies of the first frame
        f = model.net(torch.stack(tuple(clip)))
        # average to the protocol's grid, and give the averages the mean length of the embeddings
        if protocol.grid is not None and f.shape[-2:] != torch.Size(protocol.grid):
            length = f.norm(dim=1, keepdim=True).mean()
            f = F.adaptive_avg_pool2d(f, protocol.grid)
            f = f * (length / f.norm(dim=1, keepdim=True).clamp(min=1e-8))
        yield f


@torch.inference_mode()
def embed_video(frames: Iterable[np.ndarray], model: Model, protocol: Protocol = MODERN) -> Tensor:
    """Embed each frame as tracking does: (T, D, h, w) on the CPU."""
    return torch.stack([clip[-1].float().cpu() for clip in embed_frames(frames, model, protocol)])


def split_first(frames: Iterable[np.ndarray]) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """Return the first frame, and an iterator over all frames that starts with it again."""
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise VideoError("the video has no frames")
    return first, itertools.chain([first], frames)


def check_sees_gray(model: Model) -> None:
    """Make sure that a model can colour: one that sees colour would be shown the answer.

    Raises:
        ModelError: if the model sees colour.
    """
    if model.sees_color:
        raise ModelError("this model sees colour, so it cannot colour a gray video: expected one that sees gray, such as tiny-gray")


@dataclass(frozen=True)
class Carried:
    """Tracking result for one frame; fields that were not requested are None.

    Attributes:
        ids: object ids, uint8 (H, W).
        xy: keypoints (J, 2) in pixels (x, y), NaN where lost.
        confidence: (J,) in [0, 1].
        ab: colours (2, h, w) in Lab units, on the label grid.
        frame: the frame itself, uint8 RGB (H, W, 3).
    """

    ids: np.ndarray | None = None
    xy: np.ndarray | None = None
    confidence: np.ndarray | None = None
    ab: Tensor | None = None
    frame: np.ndarray | None = None


@torch.inference_mode()  # as a decorator: a with block inside a generator would leak the mode to the caller at every yield
def carry(
    frames: Iterable[np.ndarray],
    mask: np.ndarray | None = None,
    xy: np.ndarray | None = None,
    colors: np.ndarray | None = None,
    *,
    model: Model,
    protocol: Protocol = MODERN,
    lost_below: float = LOST_BELOW,
) -> Iterator[Carried]:
    """Carry mask, keypoints or colours of the first frame, or several of them, through a video in one :func:`propagate`.

    Their label maps are stacked as channels, because the pointer does not know what it copies. At least one must be given. Errors
    are raised when the first result is asked for.

    Args:
        frames: uint8 RGB (H, W, 3), a stream or an array (T, H, W, 3).
        mask: object ids of the first frame (H, W), 0 is the background.
        xy: (J, 2) pixels (x, y) in the first frame; a keypoint that is absent there is NaN and stays absent.
        colors: the first frame in colour, uint8 RGB (H, W, 3); only for a model that sees gray.
        model: from :func:`tinytrack.model.load_model`.
        protocol: see :mod:`tinytrack.propagate`.
        lost_below: see :func:`~tinytrack.label_maps.find_joints`.

    Yields:
        One :class:`Carried` per frame; the first returns the given labels.

    Raises:
        MaskError: for a mask of another size or without an object.
        JointsError: for keypoints outside the frame, infinite, or all absent.
        VideoError: for a video without frames, or a colour reference of another size or without colour.
        ModelError: for colours together with a model that sees them.
    """
    if colors is not None:
        check_sees_gray(model)
    first, frames = split_first(frames)
    size = first.shape[:2]
    grid = label_grid(*size, model, protocol)
    # labels -> label maps of the first frame
    parts = {}
    if mask is not None:
        ids = _check_mask(mask, size)
        parts["mask"] = mask_labels(mask, ids, grid, model.device)
    if xy is not None:
        xy = _check_joints(xy, size)
        parts["joints"] = joint_maps(xy, size, grid, spot_width(xy, size, grid, protocol.coarse), model.device)
    if colors is not None:
        if colors.shape != first.shape:
            raise VideoError(f"the colour reference is {colors.shape[1]}x{colors.shape[0]}: expected {size[1]}x{size[0]} like the video")
        parts["colors"] = color_labels(colors, grid, model.device)
    # one propagation for all of them
    frames, seen = itertools.tee(frames)  # both are read in step, so at most one frame waits
    first_labels = torch.cat(list(parts.values()))
    gate = Gate(first_labels, len(parts["mask"]), protocol.gate) if mask is not None and protocol.gate is not None else None
    propagated = propagate(embed_frames(seen, model, protocol), first_labels, protocol, model.temperature, gate)
    # label maps -> labels of every frame
    for index, (labels, frame) in enumerate(zip(propagated, frames, strict=True)):
        maps = dict(zip(parts, labels.split([len(p) for p in parts.values()]), strict=True))
        result = {"ab": maps.get("colors"), "frame": frame}
        if mask is not None:
            if index == 0:
                result["ids"] = mask.astype(np.uint8)
            else:
                guide = guide_of(frame, model) if protocol.read == "guided" else None
                result["ids"] = read_masks(maps["mask"], ids, size, protocol.read, guide=guide)
        if xy is not None:
            known = xy, certain(xy)
            result["xy"], result["confidence"] = known if index == 0 else find_joints(maps["joints"], parts["joints"], size, lost_below)
        yield Carried(**result)


def guide_of(frame: np.ndarray, model: Model) -> Tensor:
    """Turn a frame uint8 (H, W, 3) into the guide of the guided filter, (C, H, W) in [0, 1]: RGB, or gray for a model that sees gray."""
    picture = torch.as_tensor(frame, device=model.device).movedim(-1, 0).float() / 255
    return picture if model.sees_color else picture.mean(0, keepdim=True)


def _check_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the object ids of a mask, after checking that it fits the video."""
    if mask.shape != size:
        raise MaskError(f"the mask is {mask.shape[1]}x{mask.shape[0]}: expected {size[1]}x{size[0]} like the video")
    ids = np.unique(mask[mask > 0])
    if len(ids) == 0:
        raise MaskError("the mask is empty: expected at least one object that is not 0")
    return ids


def _check_joints(xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return keypoints as float64, after checking that they fit the video."""
    xy = np.asarray(xy, dtype=np.float64)
    present = ~np.isnan(xy).any(axis=1)
    if not present.any():
        raise JointsError("no joint is present in the first frame: expected at least one that is not NaN")
    inside = (xy >= -0.5).all(1) & (xy[:, 0] <= size[1] - 0.5) & (xy[:, 1] <= size[0] - 0.5)
    if not inside[present].all():
        bad = int(np.flatnonzero(present & ~inside)[0])
        raise JointsError(f"joint {bad} is at ({xy[bad, 0]:g}, {xy[bad, 1]:g}), outside the {size[1]}x{size[0]} video")
    return xy


def track_masks(frames: Iterable[np.ndarray], mask: np.ndarray, model: Model, protocol: Protocol = MODERN) -> Iterator[np.ndarray]:
    """Track objects from one mask: :func:`carry` with a mask only. Yields object ids, uint8 (H, W), one per frame."""
    for carried in carry(frames, mask, model=model, protocol=protocol):
        yield carried.ids


def track_joints(
    frames: Iterable[np.ndarray], xy: np.ndarray, model: Model, protocol: Protocol = MODERN, lost_below: float = LOST_BELOW
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Track keypoints from their places in the first frame: :func:`carry` with keypoints only. Yields (xy (J, 2), confidence (J,))."""
    for carried in carry(frames, xy=xy, model=model, protocol=protocol, lost_below=lost_below):
        yield carried.xy, carried.confidence


def colorize(
    frames: Iterable[np.ndarray], model: Model, protocol: Protocol = MODERN, reference: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Colour a gray video from one colour frame. Only (a, b) are predicted; L stays the input's own, at full resolution.

    Args:
        frames: uint8 RGB (H, W, 3), a stream or an array (T, H, W, 3); only the first frame's colours are used.
        model, protocol: as in :func:`carry`; the model must see gray.
        reference: the first frame in colour, uint8 RGB (H, W, 3); default: the first frame itself.

    Yields:
        uint8 RGB (H, W, 3), one per frame; the first has the reference's colours at full resolution.

    Raises:
        VideoError: if the reference has another size, or no colour to copy.
        ModelError: if the model sees colour.
    """
    first, frames = split_first(frames)
    reference = first if reference is None else reference
    for index, carried in enumerate(carry(frames, colors=reference, model=model, protocol=protocol)):
        yield paint(carried.frame, frames_to_lab(reference, model.device)[1:] if index == 0 else carried.ab)
