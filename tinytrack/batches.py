"""Training clips from videos that fit in memory: which frames, where cut out, and a palette of their colours.

A *source* of clips has four things: ``clips(step)``, the clips of this process in one step; ``some_frames(n)``, for the palette;
``fingerprint()``, so that a run does not silently go on with other videos; ``close()``. :class:`Shots` is one; ``stream.Stream``, for
more video than fits in memory, is the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .clips import split_shots
from .color import Palette, frames_to_lab
from .errors import TinytrackError, VideoError
from .processes import count, rank
from .recipe import TrainConfig
from .video import Video, fit_size


def frame_size(height: int, width: int, config: TrainConfig) -> tuple[int, int]:
    """The size at which frames of (height, width) are trained on."""
    if config.crop == config.height:
        return config.crop, config.crop  # the paper squeezes the whole frame into a square
    return fit_size(height, width, max(config.height, config.crop))


def own_clips(config: TrainConfig) -> np.ndarray:
    """Which of a step's clips 0..batch-1 this process takes, part by part.

    Every part of the batch is shared evenly, so that its clips are the same ones however many processes there are.

    Raises:
        TinytrackError: if they cannot be shared evenly.
    """
    if config.batch % (config.accumulate * count()):
        raise TinytrackError(
            f"a batch of {config.batch} clips cannot be shared evenly: expected a multiple of {config.accumulate * count()}, "
            f"the number of processes ({count()}) times that of parts ({config.accumulate})"
        )
    return np.arange(config.batch).reshape(config.accumulate, count(), -1)[:, rank()].ravel()


@dataclass(frozen=True)
class Cutout:
    """Where a clip of T frames is cut out: the top left corners (T, 2) as (y, x), and whether it is mirrored."""

    corners: np.ndarray
    mirrored: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, size: tuple[int, int], frames: int, config: TrainConfig) -> "Cutout":
        """For frames of ``size`` (h, w): near one another; half of the clips are mirrored."""
        room = np.array(size) - config.crop
        corner = rng.integers(0, room + 1)
        # Cut out at one place, neighbouring frames would differ so little that "the same place" is nearly always right,
        # and zero padding lets a network know its place. Shaking the camera leaves only appearance to point with.
        corners = np.clip(corner + rng.integers(-config.jitter, config.jitter + 1, (frames, 2)), 0, room)
        return cls(corners, bool(rng.random() < 0.5))

    def of(self, frames: Sequence[np.ndarray], crop: int) -> np.ndarray:
        """uint8 (T, crop, crop, 3)."""
        clip = np.stack([frame[y : y + crop, x : x + crop] for frame, (y, x) in zip(frames, self.corners, strict=True)])
        return clip[:, :, ::-1] if self.mirrored else clip


def sample_clips(shots: Sequence[np.ndarray], config: TrainConfig, step: int, which: Sequence[int] | None = None) -> np.ndarray:
    """The training clips of one step, uint8 (B, T, crop, crop, 3): a function of config.seed and step alone.

    Each shot is drawn in proportion to its length; the frames of a clip are cut out near one another; half are mirrored.

    Args:
        which: only these of them, by number.
    """
    rng = np.random.default_rng([config.seed, step])
    length = np.array([len(s) for s in shots], dtype=np.float64)
    drawn = []
    for _ in range(config.batch):
        frames = shots[rng.choice(len(shots), p=length / length.sum())]
        gap = int(rng.integers(config.gap[0], config.gap[1] + 1))
        gap = max(1, min(gap, (len(frames) - 1) // config.references))
        span = min(gap * config.references, len(frames) - 1)
        first = int(rng.integers(0, len(frames) - span))
        # A shot shorter than a clip repeats its last frame.
        index = np.minimum(first + gap * np.arange(config.references + 1), len(frames) - 1)
        drawn.append((frames, index, Cutout.draw(rng, frames.shape[1:3], len(index), config)))
    chosen = drawn if which is None else [drawn[i] for i in which]
    return np.stack([cutout.of([frames[t] for t in index], config.crop) for frames, index, cutout in chosen])


def load_shots(videos: Sequence[Video], config: TrainConfig, megabytes: int = 4000) -> list[np.ndarray]:
    """Decode training videos at the working size and rate, split at their cuts: uint8 (T, H, W, 3) each.

    Raises:
        VideoError: if a video cannot be read, if none has two frames, or if the frames would need more memory than allowed.
    """
    found = []
    used = 0
    for video in videos:
        frames = []
        for frame in video.frames(frame_size(video.height, video.width, config), config.fps):
            used += frame.nbytes
            if used > megabytes * 1e6:
                raise VideoError(
                    f"the training videos need more than {megabytes} MB at {config.height} pixels: give fewer or shorter ones, "
                    "or make the index of a folder ('tinytrack data index FOLDER') and train on that"
                )
            frames.append(frame)
        if frames:
            found += split_shots(np.stack(frames))
    if not found:
        raise VideoError("the training videos have no shot of two or more frames: expected moving pictures")
    return found


class Shots:
    """A source of clips: decoded videos.

    Args:
        shots: uint8 (T, H, W, 3) each, see :func:`load_shots`.
        config: the recipe.

    Raises:
        VideoError: if there is none, or frames smaller than a crop.
    """

    def __init__(self, shots: Sequence[np.ndarray], config: TrainConfig):
        self.shots, self.config = list(shots), config
        small = [s.shape[1:3] for s in self.shots if min(s.shape[1:3]) < config.crop]
        if not self.shots or small:
            raise VideoError(f"training needs frames of at least {config.crop} pixels in both directions, got {small or 'none'}")

    def clips(self, step: int) -> Tensor:
        """This process's clips of one step: uint8 (b, T, crop, crop, 3)."""
        return torch.from_numpy(sample_clips(self.shots, self.config, step, own_clips(self.config)))

    def some_frames(self, n: int) -> Iterator[np.ndarray]:
        """About n frames, uint8 (H, W, 3), spread over all shots."""
        where = [(s, t) for s, shot in enumerate(self.shots) for t in range(len(shot))]
        for i in np.unique(np.linspace(0, len(where) - 1, n).astype(int)):
            s, t = where[i]
            yield self.shots[s][t]

    def fingerprint(self) -> list[int]:
        """Three numbers that change with the videos."""
        return [len(self.shots), sum(len(s) for s in self.shots), int(sum(int(s[0].sum()) + int(s[-1].sum()) for s in self.shots))]

    def close(self) -> None:
        """Nothing is open."""


COLORS = slice(1, 3)
"""Where (a, b) stand among the channels of Lab."""


def fit_palette(frames: Iterator[np.ndarray], config: TrainConfig, channels: slice = COLORS) -> Palette:
    """K-means on the ab colours, or other ``channels`` of Lab, of frames uint8 (H, W, 3): 250 pixels of each."""
    rng = np.random.default_rng(config.seed)
    colors = []
    for frame in frames:
        rows = frame.reshape(-1, 3)
        rows = rows[rng.integers(0, len(rows), 250)]
        colors.append(frames_to_lab(rows[:, None])[channels, :, 0])
    return Palette.fit(torch.cat(colors, dim=1)[:, :, None], config.colors, config.seed)
