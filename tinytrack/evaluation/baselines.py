"""Baselines, training-free except for one: every score is reported next to theirs.

Two use no pointer at all (:func:`identity`, :func:`optical_flow`). The others are features for the same ``propagate``: raw patches,
random networks, and the paper's control, a network trained to colour single images.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..color import Palette
from ..errors import TinytrackError
from ..label_maps import certain
from ..model import Model, load_model, random_model
from ..track import Carried

# Names for ``--baseline``; ``random-1``, ``random-2`` ... are further seeds of ``random``, which sees gray.
BASELINES = {
    "identity": "the first frame's labels held still",
    "flow": "dense optical flow (DIS), chained from frame to frame",
    "gray": "raw gray patches, 8x8 pixels",
    "lab": "raw Lab patches, 8x8 pixels: sees colour",
    "random": "a TinyNet before training",
    "random-lab": "a TinyNet for Lab before training: sees colour",
    "single": "a TinyNet trained to colour single images, without pointing",
}


def identity(frames: Iterable[np.ndarray], mask: np.ndarray | None = None, xy: np.ndarray | None = None) -> Iterator[Carried]:
    """Hold the first frame's labels still. Arguments as in :func:`tinytrack.track.carry`."""
    for frame in frames:
        yield Carried(mask, xy, None if xy is None else certain(xy), frame=frame)


def optical_flow(frames: Iterable[np.ndarray], mask: np.ndarray | None = None, xy: np.ndarray | None = None) -> Iterator[Carried]:
    """Chain dense optical flow (OpenCV's DIS, medium preset, full resolution) from frame to frame.

    Masks are looked up in the first frame, so that repeated warping does not blur them: only the pixels' positions in the first frame
    are chained, along the flow from each frame to the previous one. Keypoints move with the flow from each frame to the next.
    Arguments as in :func:`tinytrack.track.carry`.

    Raises:
        TinytrackError: if OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise TinytrackError("optical flow needs OpenCV: install it with 'pip install opencv-python-headless'") from error
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    before = origin = None
    for frame in frames:
        gray = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
        if before is None:
            still = np.stack(np.meshgrid(np.arange(frame.shape[1]), np.arange(frame.shape[0])), axis=-1).astype(np.float32)
            origin = still  # (H, W, 2): where this frame's pixels were in the first frame
            ids, place = mask, xy
        else:
            # masks: chain the positions, then look them up
            if mask is not None:
                back = still + flow.calc(gray, before, None)  # (H, W, 2): where this frame's pixels were in the frame before
                origin = cv2.remap(origin, back[..., 0], back[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                x, y = (origin[..., c].round().astype(int).clip(0, mask.shape[1 - c] - 1) for c in (0, 1))
                ids = mask[y, x]
            # keypoints: move them
            if xy is not None:
                place = place + _sample(flow.calc(before, gray, None), place)
        before = gray
        yield Carried(ids, place, None if xy is None else certain(place), frame=frame)


def _sample(field: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Sample a field (H, W, 2) bilinearly at pixels (J, 2); NaN stays NaN, and pixels outside take the border's value."""
    from scipy import ndimage

    where = np.nan_to_num(xy)[:, ::-1].T
    found = np.stack([ndimage.map_coordinates(field[..., c], where, order=1, mode="nearest") for c in (0, 1)], axis=-1)
    return np.where(np.isnan(xy), np.nan, found)


FOLLOWERS = {"identity": identity, "flow": optical_flow}  # baselines without a pointer, and therefore without a protocol


class RawPatches(nn.Module):
    """No network: the embedding of a cell is the 8x8 patch of pixels around it, as a unit vector; the grid has 4-pixel cells.

    A patch x, scaled to be short, becomes (x, sqrt(1 - |x|^2)), which is the point on the unit sphere above x. For short vectors the
    inner product is then almost 1 - |x_i - x_j|^2 / 2, so the pointer compares patches by their squared difference.

    Args:
        channels: 1 for gray, 3 for Lab.
    """

    stride = 4
    clip_frames = 1
    side = 8

    def __init__(self, channels: int = 1):
        super().__init__()
        self.channels = channels
        self.dim = channels * self.side**2 + 1
        # Pixel values are in [-1, 1], except that a and b of Lab can exceed this range; forward() therefore limits the length.
        self.register_buffer("scale", torch.tensor(0.5 / self.side))

    def forward(self, picture: Tensor) -> Tensor:
        """Compute the embeddings (T, D, H/4, W/4) of pictures (T, C, H, W) in [-1, 1]."""
        edge = (self.side - self.stride) // 2
        patches = F.unfold(F.pad(picture, [edge] * 4, mode="reflect"), self.side, stride=self.stride) * self.scale
        length = patches.norm(dim=1, keepdim=True)
        patches = patches * (length.clamp(max=0.99) / length.clamp(min=1e-8))
        lift = (1 - patches.square().sum(1, keepdim=True)).sqrt()
        grid = [v // self.stride for v in picture.shape[-2:]]
        return torch.cat([patches, lift], dim=1).unflatten(2, grid)


TEMPERATURES = {"gray": 0.0005, "lab": 0.0005}  # of Eq. 2 for raw patches, chosen by J on masks of the DAVIS *train* split


def random_seed(name: str) -> int | None:
    """Return the seed in the name of a random network that sees gray: 0 for "random", 7 for "random-7", None for any other name."""
    found = re.fullmatch(r"random(?:-(\d{1,9}))?", name)
    return found and int(found[1] or 0)


def baseline_model(name: str, device: torch.device | str = "cpu") -> Model:
    """Return the features behind a baseline with a pointer: "gray", "lab", "random", "random-1" ..., "random-lab" or "single".

    Raises:
        TinytrackError: if there is no such baseline.
    """
    seed = random_seed(name)
    if seed is not None:
        return random_model(seed=seed, device=device)
    if name == "random-lab":
        return random_model("LabNet", device=device)
    if name == "single":
        return load_model(name, device)
    if name not in TEMPERATURES:
        raise TinytrackError(f"no baseline '{name}': expected one of {', '.join(BASELINES)} or random-N with another seed N")
    net = RawPatches(channels=1 if name == "gray" else 3)
    return Model(net.to(device).eval(), Palette(torch.zeros(1, 2)), TEMPERATURES[name], {"trained": "not at all"})
