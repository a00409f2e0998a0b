"""Where training clips come from: videos decoded into memory, or an index from which clips are decoded on the way."""

from collections.abc import Callable, Sequence

import numpy as np

from ..batches import ClipSource, Shots, frame_size
from ..datasets.folders import training_videos
from ..errors import TinytrackError, VideoError
from ..io.cuts import split_shots
from ..io.video import Video
from ..recipe import TrainConfig
from .clip_stream import ClipStream
from .video_index import VideoIndex


def load_shots(videos: Sequence[Video], config: TrainConfig, megabytes: int = 4000) -> list[np.ndarray]:
    """Decode training videos at the recipe's size and frame rate, and split them at their cuts: uint8 (T, H, W, 3) each.

    Raises:
        VideoError: if a video cannot be read, if none has two frames, or if the frames need more memory than ``megabytes``.
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
                    "or index the folder ('tinytrack data index FOLDER') and train on the index"
                )
            frames.append(frame)
        if frames:
            found += split_shots(np.stack(frames))
    if not found:
        raise VideoError("the training videos have no shot of two or more frames: expected moving pictures")
    return found


def clip_source(
    sources: Sequence[str], config: TrainConfig, workers: int | None, tell: Callable[[str], None] = lambda text: None
) -> tuple[ClipSource, dict]:
    """Open what ``train SOURCE...`` names: a stream for indexes, otherwise videos decoded into memory.

    Args:
        sources, tell: see :func:`~tinytrack.datasets.folders.training_videos`.
        config: the recipe.
        workers: see :class:`ClipStream`.

    Returns:
        The source, and the facts about it that go into the model's card.
    """
    indexes = [source for source in sources if source.endswith(".csv")]
    if not indexes:
        shots = load_shots(training_videos(list(sources), tell), config)
        return Shots(shots, config), {"shots": len(shots), "frames": sum(len(s) for s in shots)}
    if len(indexes) < len(sources):
        raise TinytrackError("indexes and videos that are decoded into memory cannot be mixed: give one or the other")
    index = VideoIndex(*indexes)
    facts = {"videos": len(index), "hours": round(float(index.seconds.sum()) / 3600, 3)}
    return ClipStream(index, config, workers), facts
