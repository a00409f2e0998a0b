"""Training clips from more video than fits in memory: drawn from an index, decoded by worker processes while the network computes.

Clip number n (step x batch + its place in the batch) is a function of the seed and n alone. n selects the video, in an order that is
shuffled again after all videos have had their turn. The position in the video is random and is found by seeking.
"""

import functools
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..batches import Crop, frame_size
from ..errors import TinytrackError, VideoError
from ..io.cuts import find_cuts
from ..recipe import TrainConfig
from .processes import local_world_size, safe_fork
from .video_index import VideoIndex, sentence

TRIES = 20  # if this many videos in a row cannot be read, the disk is gone or the folder has moved
GRACE = 20.0  # seconds that a worker keeps decoding after SIGTERM, so that the step under way can finish
MOVED = "if the videos have moved, index them again"
LOST = "a worker that decodes videos was killed, perhaps because memory ran out: try fewer --workers"


class LostWorker(TinytrackError):
    """A worker that decodes videos is gone."""


def is_lost_worker(error: BaseException) -> bool:
    """Tell whether an error of torch means that a worker is gone; torch raises it wherever this process happens to be."""
    return isinstance(error, RuntimeError) and "DataLoader worker" in str(error)


class IndexedClips(Dataset):
    """Clip n of an index, the same in every process.

    If a video cannot be read, or the clip spans a cut, a clip of another video takes its place; which one is again a function of n.
    """

    def __init__(self, index: VideoIndex, config: TrainConfig):
        self.index, self.config = index, config

    @functools.lru_cache(maxsize=1)  # noqa: B019  (one order at a time; the data set lives as long as its process)
    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.config.seed, epoch, 3]).permutation(len(self.index))

    def __getitem__(self, number: int) -> tuple[Tensor | None, float, list[tuple[str, str]]]:
        """Return the clip uint8 (T, crop, crop, 3), the seconds it took, and (video, sentence) for each that could not be read.

        The clip is None after :data:`TRIES` failures.
        """
        began = time.perf_counter()
        problems = []
        epoch, place = divmod(number, len(self.index))
        for attempt in range(TRIES):
            rng = np.random.default_rng([self.config.seed, number, attempt, 2])
            which = int(rng.integers(len(self.index))) if attempt else int(self._order(epoch)[place])
            try:
                frames = self.draw(which, rng)
            except VideoError as error:
                video = self.index.video(which)
                problems.append((video.name, sentence(error, video.path, video.name)))
                continue
            if attempt < TRIES - 1 and find_cuts(frames):
                continue  # there is nothing to point at across a cut; if every try has one, the last is taken
            crop = Crop.draw(rng, frames[0].shape[:2], len(frames), self.config)
            clip = np.ascontiguousarray(crop.apply(frames, self.config.crop))
            return torch.from_numpy(clip), time.perf_counter() - began, problems
        return None, time.perf_counter() - began, problems

    def draw(self, which: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Draw a clip somewhere in one video: its frames, scaled for training."""
        config, seconds = self.config, float(self.index.seconds[which])
        fps = min(config.fps or np.inf, float(self.index.fps[which]))  # frames are only left out, never repeated
        gap = int(rng.integers(config.gap[0], config.gap[1] + 1))
        gap = max(1, min(gap, int(seconds * fps + 0.01) // config.references))
        times = gap / fps * np.arange(config.references + 1)
        times = np.minimum(rng.uniform(0, max(0.0, seconds - times[-1])) + times, seconds)  # a short video repeats its last frame
        return self.index.video(which).frames_at(times.tolist(), frame_size(*self.index.size[which].tolist(), config))


class ClipStream:
    """A :class:`~tinytrack.batches.ClipSource` that decodes clips of an index ahead of time, in worker processes.

    Args:
        index: the videos.
        config: the recipe.
        workers: worker processes; 0: decode in this process on demand; None: as many as this process has cores to itself.
    """

    def __init__(self, index: VideoIndex, config: TrainConfig, workers: int | None = None):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.index, self.config = index, config
        self.workers = max(1, cores // local_world_size()) if workers is None else workers
        self.dataset = IndexedClips(index, config)
        self.decoded, self.seconds = 0, 0.0  # clips so far, and the time that a single worker would have needed for them
        self._problems: list[tuple[str, str]] = []
        self._clips, self._next = iter(()), None

    def _numbers(self, step: int, which: Sequence[int]) -> Iterator[int]:
        while True:
            yield from (step * self.config.batch + np.asarray(which)).tolist()
            step += 1

    def _start(self, step: int, which: Sequence[int]) -> Iterator:
        loader = DataLoader(
            self.dataset,
            batch_size=None,  # clip by clip, so that one slow file does not hold up a whole batch
            sampler=self._numbers(step, which),
            num_workers=self.workers,
            prefetch_factor=-(-len(which) // self.workers) + 1 if self.workers else None,  # one batch ahead
            worker_init_fn=_init_worker,
        )
        with safe_fork():
            return iter(loader)

    def clips(self, step: int, which: Sequence[int] | None = None) -> Tensor:
        """Return the clips of one step, or only those numbered ``which``; fast if steps come in order: uint8 (B, T, crop, crop, 3).

        Raises:
            VideoError: if no video can be read any more.
            LostWorker: if a worker was killed.
        """
        which = range(self.config.batch) if which is None else which
        if step != self._next:
            self._clips = self._start(step, which)
        self._next = step + 1
        clips = []
        try:
            for _ in which:
                clip, seconds, problems = next(self._clips)
                self._problems += problems
                if clip is None:
                    raise VideoError(f"{TRIES} videos in a row could not be read, the last: {problems[-1][1]}: {MOVED}")
                self.decoded, self.seconds = self.decoded + 1, self.seconds + seconds
                clips.append(clip)
        except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
            # Clips are fetched from the worker that made them, so a dead worker shows in several ways.
            if isinstance(error, RuntimeError) and not is_lost_worker(error):
                raise
            self.close()
            raise LostWorker(LOST) from error
        return torch.stack(clips)

    def some_frames(self, n: int) -> Iterator[np.ndarray]:
        """Yield the middle frame of each of about n videos, uint8 (H, W, 3), spread over the index."""
        found = 0
        for i in np.unique(np.linspace(0, len(self.index) - 1, n).astype(int)):
            size = frame_size(*self.index.size[i].tolist(), self.config)
            try:
                frame = self.index.video(i).frames_at([float(self.index.seconds[i]) / 2], size)[0]
            except VideoError as error:
                problem = error
                continue
            found += 1
            yield frame
        if not found:
            raise VideoError(f"no video of the index could be read, the last: {problem}: {MOVED}")

    def fingerprint(self) -> list[int]:
        return self.index.fingerprint()

    def problems(self) -> list[tuple[str, str]]:
        found, self._problems = self._problems, []
        return found

    def capacity(self) -> float:
        return max(1, self.workers) * self.decoded / self.seconds if self.seconds else 0.0

    def close(self) -> None:
        """End the workers."""
        # Done here and not by the garbage collector: a stored error keeps its frames alive, and these the loader.
        clips, self._clips, self._next = self._clips, iter(()), None
        try:
            getattr(clips, "_shutdown_workers", lambda: None)()
        except RuntimeError as error:  # torch may notice only now that a worker was killed, when it no longer matters
            if not is_lost_worker(error):
                raise


def _init_worker(_: int) -> None:
    """Leave signals to the training process, which ends its workers itself.

    torchrun and batch systems send SIGTERM to every process of a job, but clips are still needed until the step under way is done.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _exit_later())


def _exit_later() -> None:
    timer = threading.Timer(GRACE, os._exit, [0])
    timer.daemon = True
    timer.start()
