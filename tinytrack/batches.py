"""Training clips: which frames, where they are cropped, and a palette of their colours."""

import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .color import Palette, frames_to_lab
from .errors import VideoError
from .io.frames import fit_size
from .recipe import TrainConfig

COLORS = slice(1, 3)  # the channels (a, b) of Lab


class ClipSource(typing.Protocol):
    """Where training clips come from: decoded videos (:class:`Shots`), or a stream (``training.clip_stream``)."""

    # the clips of one step, or only those numbered `which`: uint8 (B, T, crop, crop, 3)
    def clips(self, step: int, which: Sequence[int] | None = None) -> Tensor: ...
    def some_frames(self, n: int) -> Iterator[np.ndarray]: ...  # about n frames of all videos, uint8 (H, W, 3), to fit a palette to
    def fingerprint(self) -> list[int]: ...  # three numbers that change with the videos: a run never resumes on others
    def problems(self) -> list[tuple[str, str]]: ...  # (video, sentence) for each video found unreadable since the last call
    def capacity(self) -> float | None: ...  # clips per second that decoding could deliver; None where nothing is decoded
    def close(self) -> None: ...


def frame_size(height: int, width: int, config: TrainConfig) -> tuple[int, int]:
    """Compute the size at which frames of (height, width) are trained on."""
    if config.crop == config.height:
        return config.crop, config.crop  # the paper squeezes the whole frame into a square
    return fit_size(height, width, max(config.height, config.crop))


@dataclass(frozen=True)
class Crop:
    """Where a clip of T frames is cropped: the top left corners (T, 2) as (y, x), and whether it is mirrored."""

    corners: np.ndarray
    mirrored: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, size: tuple[int, int], frames: int, config: TrainConfig) -> "Crop":
        """Draw random corners close to each other for frames of ``size`` (h, w); half of the clips are mirrored."""
        room = np.array(size) - config.crop
        corner = rng.integers(0, room + 1)
        # Without jitter, neighbouring frames differ so little that "point at the same place" is nearly always right. Shaking the
        # camera leaves only appearance to point with.
        corners = np.clip(corner + rng.integers(-config.jitter, config.jitter + 1, (frames, 2)), 0, room)
        return cls(corners, bool(rng.random() < 0.5))

    def apply(self, frames: Sequence[np.ndarray], crop: int) -> np.ndarray:
        """Crop a clip: uint8 (T, crop, crop, 3)."""
        clip = np.stack([frame[y : y + crop, x : x + crop] for frame, (y, x) in zip(frames, self.corners, strict=True)])
        return clip[:, :, ::-1] if self.mirrored else clip


def sample_clips(shots: Sequence[np.ndarray], config: TrainConfig, step: int, which: Sequence[int] | None = None) -> np.ndarray:
    """Sample the training clips of one step, uint8 (B, T, crop, crop, 3): a function of config.seed and step alone.

    Args:
        shots: uint8 (T, H, W, 3) each; a shot is drawn in proportion to its length.
        config: the recipe.
        step: its number.
        which: return only the clips with these numbers.
    """
    rng = np.random.default_rng([config.seed, step])
    length = np.array([len(s) for s in shots], dtype=np.float64)
    drawn = []
    for _ in range(config.batch):
        # a shot, and the gap between the frames of the clip
        frames = shots[rng.choice(len(shots), p=length / length.sum())]
        gap = int(rng.integers(config.gap[0], config.gap[1] + 1))
        gap = max(1, min(gap, (len(frames) - 1) // config.references))
        # the frames; a shot shorter than a clip repeats its last frame
        span = min(gap * config.references, len(frames) - 1)
        first = int(rng.integers(0, len(frames) - span))
        index = np.minimum(first + gap * np.arange(config.references + 1), len(frames) - 1)
        drawn.append((frames, index, Crop.draw(rng, frames.shape[1:3], len(index), config)))
    chosen = drawn if which is None else [drawn[i] for i in which]
    return np.stack([crop.apply([frames[t] for t in index], config.crop) for frames, index, crop in chosen])


class Shots:
    """A :class:`ClipSource` of decoded videos.

    Args:
        shots: uint8 (T, H, W, 3) each, see :func:`tinytrack.training.sources.load_shots`.
        config: the recipe.

    Raises:
        VideoError: if there is no shot, or if frames are smaller than a crop.
    """

    def __init__(self, shots: Sequence[np.ndarray], config: TrainConfig):
        self.shots, self.config = list(shots), config
        small = [s.shape[1:3] for s in self.shots if min(s.shape[1:3]) < config.crop]
        if not self.shots or small:
            raise VideoError(f"training needs frames of at least {config.crop} pixels in both directions, got {small or 'none'}")

    def clips(self, step: int, which: Sequence[int] | None = None) -> Tensor:
        return torch.from_numpy(sample_clips(self.shots, self.config, step, which))

    def some_frames(self, n: int) -> Iterator[np.ndarray]:
        where = [(s, t) for s, shot in enumerate(self.shots) for t in range(len(shot))]
        for i in np.unique(np.linspace(0, len(where) - 1, n).astype(int)):
            s, t = where[i]
            yield self.shots[s][t]

    def fingerprint(self) -> list[int]:
        return [len(self.shots), sum(len(s) for s in self.shots), int(sum(int(s[0].sum()) + int(s[-1].sum()) for s in self.shots))]

    def problems(self) -> list[tuple[str, str]]:
        return []

    def capacity(self) -> None:
        return None

    def close(self) -> None:
        pass


def fit_palette(frames: Iterable[np.ndarray], config: TrainConfig, channels: slice = COLORS) -> Palette:
    """Fit a palette to the ab colours, or other ``channels`` of Lab, of frames uint8 (H, W, 3); 250 pixels of each are used."""
    rng = np.random.default_rng(config.seed)
    colors = []
    for frame in frames:
        rows = frame.reshape(-1, 3)
        rows = rows[rng.integers(0, len(rows), 250)]
        colors.append(frames_to_lab(rows[:, None])[channels, :, 0])
    return Palette.fit(torch.cat(colors, dim=1)[:, :, None], config.colors, config.seed)
