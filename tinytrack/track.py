"""Tracking: colours, masks and joints all go through one ``propagate``, and ``propagate`` is ``affinity`` + ``copy``.

Frames stream in, labels stream out; what is kept is the first frame and the last few, so memory does not grow with the video.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .color import chroma, frames_to_lab, lab_to_frames, network_input
from .errors import JointsError, MaskError, ModelError, VideoError
from .model import Model
from .tiles import point_and_copy
from .video import Size, fit_size, resize


@dataclass(frozen=True)
class Protocol:
    """How labels are carried through a video. Named: :data:`PAPER`, :data:`MODERN`, :data:`WINDOWED`."""

    name: str
    size: Size  # of the network's input: the shorter side, or (height, width)
    back: tuple[int, ...]  # the frames so far back are references
    keep_first: bool  # whether the first frame, whose labels are true, stays a reference
    grid: tuple[int, int] | None = None  # embeddings are averaged down to this grid; None: as the network gives them
    radius: int | None = None  # a target cell points within +-radius cells; None: anywhere
    first_anywhere: bool = False  # the first frame is searched as a whole, once it is further back than the others
    top_k: int | None = None  # softmax over the k best logits, jointly over all references; None: over all
    sharpen: float = 1.0  # tracking temperature = sharpen x training temperature
    read: str = "argmax"  # masks: which class a pixel gets, see read_masks; "argmax", "min_max" or "balanced"

    def references(self, index: int) -> list[int]:
        """The frames at which frame ``index`` points, in order; the first frame among them always if it is kept."""
        past = {index - k for k in self.back if k <= index}
        return sorted(past | {0} if self.keep_first else past)

    def searches_first(self, index: int) -> bool:
        """Whether frame ``index`` searches the first frame as a whole, without the window."""
        return self.keep_first and self.first_anywhere and index > max(self.back)


PAPER = Protocol("paper", size=(256, 256), back=(1, 2, 3), keep_first=False, grid=(32, 32), sharpen=0.5)
"""The paper's: 256x256 squashed input, 32x32 grid, the last 3 frames, half the training temperature, no window, no top-k."""

MODERN = Protocol(
    "modern", size=240, back=(1, 2, 3, 4, 5, 6, 7), keep_first=True, radius=12, first_anywhere=True, top_k=10, read="balanced"
)
"""What later work settled on: native shape, first + 7 previous frames, a 25x25 window, joint top-10. Ours: the balanced reading, and
no window in the first frame, whose labels are the only true ones: within a window, whatever has moved further could not find them."""

WINDOWED = replace(MODERN, name="windowed", first_anywhere=False)
"""The modern one with the window in the first frame too, as later work has it."""

BALANCE = 0.2
"""Share of the prior's log-odds that the balanced reading takes back; chosen by J on masks of the DAVIS *train* split."""

GRAY = 2.0
"""Chroma (Lab units) below which a picture has no colour: the rounding of 8-bit video makes about 1."""

LOST_BELOW = 0.05
"""A joint whose peak is lower than this share of its peak in the first frame is lost."""

PROTOCOLS = {"paper": PAPER, "modern": MODERN, "windowed": WINDOWED}


def propagate(
    embeddings: Iterable[Tensor], first_labels: Tensor, protocol: Protocol = MODERN, temperature: float = 1.0
) -> Iterator[Tensor]:
    """Carry the first frame's labels through a video: for each frame point at the references (Eq. 2) and copy (Eq. 1).

    Args:
        embeddings: one item a frame: (D, h, w), or for networks that see clips (C, D, h, w), the embeddings of the last C
            frames as seen together; the last of them is the frame's own, the others replace what memory holds.
        first_labels: (K, h, w) labels of the first frame: colours, class distributions, heat maps.
        protocol: which frames are references, and how the pointer is restricted.
        temperature: of Eq. 2 in training; tracking uses ``protocol.sharpen`` times this.

    Yields:
        (K, h, w) a frame, the first being ``first_labels`` itself. Soft, and fed back as they are.

    Derived in notebooks/05_track_masks.ipynb.
    """
    past: deque[tuple[Tensor, Tensor]] = deque(maxlen=max(protocol.back))
    first = None
    for index, clip in enumerate(embeddings):
        clip = clip if clip.dim() == 4 else clip[None]
        clip = clip.movedim(1, -1).contiguous()  # (C, h, w, D): once a frame, and not once for each frame that it is a reference of
        target, labels = clip[-1], first_labels
        if first is None:
            first = (target, first_labels)
        else:
            for back in range(1, min(len(clip) - 1, len(past)) + 1):
                past[-back] = (clip[-1 - back], past[-back][1])
            memory = [past[i - index] if index - i <= len(past) else first for i in protocol.references(index)]
            f_i, c_i = (torch.stack(item)[None] for item in zip(*memory, strict=True))
            f_j, f_i = target[None].movedim(-1, 1), f_i.movedim(-1, 2)
            anywhere = int(protocol.searches_first(index))
            labels = point_and_copy(
                f_j, f_i, c_i, temperature * protocol.sharpen, radius=protocol.radius, top_k=protocol.top_k, anywhere=anywhere
            )[0]
        past.append((target, labels))
        yield labels


def working_size(height: int, width: int, model: Model, protocol: Protocol) -> tuple[int, int]:
    """The size at which the network sees frames of (height, width): the protocol's, in whole cells."""
    return fit_size(height, width, protocol.size, model.net.stride)


def embed_frames(frames: Iterable[np.ndarray], model: Model, protocol: Protocol = MODERN) -> Iterator[Tensor]:
    """Embed a stream of uint8 RGB frames (H, W, 3) for :func:`propagate`: yields (C, D, h, w), C = ``net.clip_frames``."""
    clip: deque[Tensor] = deque(maxlen=model.net.clip_frames)
    shape = None
    for frame in frames:
        shape = shape or frame.shape
        if frame.shape != shape:
            raise VideoError(f"a frame is {frame.shape[1]}x{frame.shape[0]}: expected {shape[1]}x{shape[0]} like the first")
        small = resize(frame, *working_size(*frame.shape[:2], model, protocol))
        picture = network_input(frames_to_lab(small, model.device, model.net.channels), model.net.channels)
        clip.extend([picture] * (1 if clip else clip.maxlen))  # the first frame stands in for those before it
        f = model.net(torch.stack(tuple(clip)))
        if protocol.grid is not None and f.shape[-2:] != torch.Size(protocol.grid):
            length = f.norm(dim=1, keepdim=True).mean()
            f = F.adaptive_avg_pool2d(f, protocol.grid)
            f = f * (length / f.norm(dim=1, keepdim=True).clamp(min=1e-8))
        yield f


@torch.inference_mode()
def embed_video(frames: Iterable[np.ndarray], model: Model, protocol: Protocol = MODERN) -> Tensor:
    """Each frame's own embedding, as tracking uses it: (T, D, h, w) on the CPU."""
    return torch.stack([clip[-1].float().cpu() for clip in embed_frames(frames, model, protocol)])


def label_grid(height: int, width: int, model: Model, protocol: Protocol) -> tuple[int, int]:
    """Rows and columns of the grid on which labels of (height, width) frames are carried."""
    h, w = working_size(height, width, model, protocol)
    return protocol.grid or (h // model.net.stride, w // model.net.stride)


def split_first(frames: Iterable[np.ndarray]) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """The first frame, and all frames again from the start."""
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise VideoError("the video has no frames")
    return first, itertools.chain([first], frames)


def mask_labels(mask: np.ndarray, ids: np.ndarray, grid: tuple[int, int], device: torch.device | str = "cpu") -> Tensor:
    """Object ids (H, W) -> soft class maps (K, h, w) on the grid, background first; each cell sums to one.

    Area-averaged one-hot maps, never averaged ids: between object 1 and object 3 there is no object 2.
    """
    classes = np.concatenate([[0], ids])
    one_hot = (torch.as_tensor(mask == i, dtype=torch.float32, device=device) for i in classes)  # one in memory at a time
    return torch.cat([F.adaptive_avg_pool2d(one[None], grid) for one in one_hot])


def read_masks(labels: Tensor, ids: np.ndarray, size: tuple[int, int], read: str = "argmax", balance: float = BALANCE) -> np.ndarray:
    """Class maps (K, h, w) -> object ids uint8 (H, W): bilinear up, then one class for each pixel.

    Copied labels *dissolve*. Each copy that goes astray lands on a class in proportion to its area, which mostly is the
    background: the map stays on the object, but its mass sinks below one half, and the plain argmax loses it.

    Args:
        labels: from :func:`propagate`, background first.
        ids: the K - 1 objects.
        size: (H, W).
        read: "argmax": the largest y_k. "balanced": the largest y_k / p_k^balance, p_k being the share of the frame that map k
            holds: the prior with which a stray pointer meets the class, a part of which is taken back (Bayes' rule; known as
            logit adjustment where classes are unequal in size). "min_max": each map is stretched to [0, 1] first, as DINO's
            script does, which a single stray peak upsets.
        balance: 0 takes nothing of the prior back, 1 all of it.
    """
    if read == "balanced":
        labels = labels / labels.mean((1, 2), keepdim=True).clamp(min=1e-4) ** balance  # small as they are: scaling up is linear
    elif read not in ("argmax", "min_max"):
        raise ValueError(f"masks are read by argmax, min_max or balanced, not '{read}'")
    best, found = -np.inf, np.zeros(size, np.uint8)
    for n, label in zip([0, *ids], labels.detach().cpu(), strict=True):  # one full-size map at a time: memory does not grow with K
        y = F.interpolate(label[None, None], size, mode="bilinear", align_corners=False)[0, 0].numpy()
        if read == "min_max":
            y = (y - y.min()) / max(y.max() - y.min(), 1e-6)
        found[y > best] = n
        best = np.maximum(best, y)
    return found


def joint_maps(xy: np.ndarray, size: tuple[int, int], grid: tuple[int, int], sigma: float = 0.7, device="cpu") -> Tensor:
    """Joints (J, 2) in pixels -> heat maps (J, h, w) on the grid: Gaussians of ``sigma`` cells, all zero for NaN joints."""
    cell = torch.as_tensor(_to_grid(xy, size, grid), dtype=torch.float32, device=device)
    y = torch.arange(grid[0], device=device)[None, :, None] - cell[:, 1, None, None]
    x = torch.arange(grid[1], device=device)[None, None, :] - cell[:, 0, None, None]
    return torch.nan_to_num(torch.exp(-(x.square() + y.square()) / (2 * sigma**2)), nan=0.0)


def _to_grid(xy: np.ndarray, size: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """Pixel (x, y) -> grid (x, y); both count from the centre of the top left element."""
    scale = np.array([grid[1] / size[1], grid[0] / size[0]])
    return (np.asarray(xy, dtype=np.float64) + 0.5) * scale - 0.5


def locate_joints(maps: Tensor, size: tuple[int, int], reach: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Heat maps (J, h, w) -> pixel positions (J, 2) and peak heights (J,).

    Sub-pixel: the centre of mass within +-``reach`` cells of the peak. A map without any mass gives NaN and height 0.
    """
    j, h, w = maps.shape
    peak, index = maps.flatten(1).max(1)
    y0, x0 = index // w, index % w
    y = torch.arange(h, device=maps.device)[None, :, None]
    x = torch.arange(w, device=maps.device)[None, None, :]
    near = ((y - y0[:, None, None]).abs() <= reach) & ((x - x0[:, None, None]).abs() <= reach)
    mass = maps * near
    total = mass.sum((1, 2)).clamp(min=1e-12)
    place = torch.stack([(mass * x).sum((1, 2)) / total, (mass * y).sum((1, 2)) / total], dim=1).double().cpu().numpy()
    xy = (place + 0.5) * np.array([size[1] / w, size[0] / h]) - 0.5
    peak = peak.double().cpu().numpy()
    xy[peak <= 0] = np.nan
    return xy, peak


def certain(xy: np.ndarray) -> np.ndarray:
    """The confidence (J,) of joints (J, 2) that are known: 1, and 0 for absent ones (NaN)."""
    return (~np.isnan(xy).any(axis=1)).astype(np.float64)


def find_joints(maps: Tensor, first_maps: Tensor, size: tuple[int, int], lost_below: float = LOST_BELOW) -> tuple[np.ndarray, np.ndarray]:
    """Heat maps (J, h, w) -> positions (J, 2) with NaN for lost joints, and confidence (J,): peaks relative to the first frame's."""
    place, peak = locate_joints(maps, size)
    height = first_maps.flatten(1).amax(1).double().cpu().numpy()
    confidence = (peak / height.clip(min=1e-6)).clip(0, 1)
    place[confidence < lost_below] = np.nan
    return place, confidence


def color_labels(reference: np.ndarray, grid: tuple[int, int], device: torch.device | str = "cpu") -> Tensor:
    """The (a, b) of a colour frame uint8 (H, W, 3), area-averaged to the grid: (2, h, w) in Lab units.

    Eq. 1 is linear in the colours, so copying (a, b) equals copying a palette with a cluster for every colour there is.

    Raises:
        VideoError: if the frame is gray.
    """
    ab = frames_to_lab(reference, device)[1:]
    if chroma(ab).max() < GRAY:
        raise VideoError("the reference frame is gray: expected a frame with colours to copy")
    return F.adaptive_avg_pool2d(ab, grid)


def check_sees_gray(model: Model) -> None:
    """Let nothing colour that sees colour: it would be shown what it is asked for.

    Raises:
        ModelError: if the model does.
    """
    if model.sees_color:
        raise ModelError("this model sees colour, so it cannot colour a gray video: expected one that sees gray, such as tiny-gray")


def paint(frame: np.ndarray, ab: Tensor) -> np.ndarray:
    """Replace the colours of a frame uint8 (H, W, 3) by ab (2, h, w), which is scaled up; L stays the frame's own."""
    lab = frames_to_lab(frame, ab.device)
    lab[1:] = F.interpolate(ab[None], lab.shape[1:], mode="bilinear", align_corners=False)[0]
    return lab_to_frames(lab)


@dataclass(frozen=True)
class Carried:
    """What a tracker says of one frame; None for what it was not asked.

    Attributes:
        ids: object ids, uint8 (H, W).
        xy: joints (J, 2) in pixels (x, y), NaN where lost.
        confidence: (J,) in [0, 1].
        ab: colours (2, h, w) in Lab units, on the label grid.
    """

    ids: np.ndarray | None = None
    xy: np.ndarray | None = None
    confidence: np.ndarray | None = None
    ab: Tensor | None = None


@torch.inference_mode()  # a with block inside a generator would leak the mode to the caller at every yield
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
    """Carry any of mask, joints and colours of the first frame through a video, all in one :func:`propagate`.

    Their labels are stacked as channels: the pointer does not know what it copies.

    Args:
        frames: uint8 RGB (H, W, 3), a stream or an array (T, H, W, 3).
        mask: object ids of the first frame (H, W), 0 is the background.
        xy: (J, 2) pixels (x, y) in the first frame; NaN for a joint that is absent there (it stays absent).
        colors: the first frame in colour, uint8 RGB (H, W, 3); only for a model that sees gray.
        model: from :func:`tinytrack.model.load_model`.
        protocol: one of :data:`PROTOCOLS`, or another.
        lost_below: a joint whose confidence, the height of its peak relative to the first frame, is smaller than this is lost.

    Yields:
        One :class:`Carried` a frame; the first gives back what was given.

    Raises:
        MaskError: for a mask of another size or without an object.
        JointsError: for joints outside the frame, infinite, or all absent.
        VideoError: for a video without frames, a reference of another size or without colour.
        ModelError: for colours and a model that sees them.
    """
    if colors is not None:
        check_sees_gray(model)
    first, frames = split_first(frames)
    size = first.shape[:2]
    grid = label_grid(*size, model, protocol)
    parts = {}
    if mask is not None:
        ids = _check_mask(mask, size)
        parts["mask"] = mask_labels(mask, ids, grid, model.device)
    if xy is not None:
        xy = _check_joints(xy, size)
        parts["joints"] = joint_maps(xy, size, grid, device=model.device)
    if colors is not None:
        if colors.shape != first.shape:
            raise VideoError(f"the colour reference is {colors.shape[1]}x{colors.shape[0]}: expected {size[1]}x{size[0]} like the video")
        parts["colors"] = color_labels(colors, grid, model.device)
    tracked = propagate(embed_frames(frames, model, protocol), torch.cat(list(parts.values())), protocol, model.temperature)
    for index, labels in enumerate(tracked):
        maps = dict(zip(parts, labels.split([len(p) for p in parts.values()]), strict=True))
        result = {"ab": maps.get("colors")}
        if mask is not None:
            result["ids"] = mask.astype(np.uint8) if index == 0 else read_masks(maps["mask"], ids, size, protocol.read)
        if xy is not None:
            known = xy, certain(xy)
            result["xy"], result["confidence"] = known if index == 0 else find_joints(maps["joints"], parts["joints"], size, lost_below)
        yield Carried(**result)


def _check_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The object ids of a mask that fits the video."""
    if mask.shape != size:
        raise MaskError(f"the mask is {mask.shape[1]}x{mask.shape[0]}: expected {size[1]}x{size[0]} like the video")
    ids = np.unique(mask[mask > 0])
    if len(ids) == 0:
        raise MaskError("the mask is empty: expected at least one object that is not 0")
    return ids


def _check_joints(xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Joints that fit the video, as float64."""
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
    """Track objects from one mask: :func:`carry`, masks only. Yields object ids, uint8 (H, W), one for each frame."""
    for carried in carry(frames, mask, model=model, protocol=protocol):
        yield carried.ids


def track_joints(
    frames: Iterable[np.ndarray], xy: np.ndarray, model: Model, protocol: Protocol = MODERN, lost_below: float = LOST_BELOW
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Track joints from their places in the first frame: :func:`carry`, joints only. Yields (xy (J, 2), confidence (J,)) a frame."""
    for carried in carry(frames, xy=xy, model=model, protocol=protocol, lost_below=lost_below):
        yield carried.xy, carried.confidence


@torch.inference_mode()  # a with block inside a generator would leak the mode to the caller at every yield
def colorize(
    frames: Iterable[np.ndarray], model: Model, protocol: Protocol = MODERN, reference: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Colour a gray video from one colour frame. Only (a, b) are made up: L stays the input's own at full resolution.

    Args:
        frames: uint8 RGB (H, W, 3), a stream or an array (T, H, W, 3); only the first one's colours are looked at.
        model, protocol: as in :func:`track_masks`; the model must see gray.
        reference: the first frame in colour, uint8 RGB (H, W, 3); by default the first frame itself.

    Yields:
        uint8 RGB (H, W, 3), one for each frame; the first has the reference's colours at full resolution.

    Raises:
        VideoError: if the reference has another size, or no colour to copy.
        ModelError: if the model sees colour.
    """
    first, frames = split_first(frames)
    reference = first if reference is None else reference
    frames, seen = itertools.tee(frames)  # read in step, so that at most one frame waits
    carried = carry(seen, colors=reference, model=model, protocol=protocol)
    for index, (frame, result) in enumerate(zip(frames, carried, strict=True)):
        yield paint(frame, frames_to_lab(reference, model.device)[1:] if index == 0 else result.ab)
