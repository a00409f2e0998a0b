"""Training clips from more video than fits in memory: drawn from an index, decoded in processes of their own while the network computes.

Clip number n (= step x batch + its place) is a function of the seed and n alone: n says which video, in an order that is shuffled
anew once all have had their turn; where in it is drawn at random, and found by seeking.
"""

import functools
import os
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .batches import Cutout, frame_size, own_clips
from .errors import TinytrackError, VideoError
from .index import Index, sentence
from .processes import neighbours
from .recipe import TrainConfig
from .video import find_cuts

TRIES = 20
"""So many videos in a row that cannot be read are no accident: the disk is gone, or the folder has moved."""

GRACE = 20.0
"""Seconds that a decoding process goes on when all of a job are told to end."""

MOVED = "if the videos have moved, index them again"

LOST = "a process that reads videos was ended from outside, perhaps for want of memory: try fewer --workers"


class LostWorker(TinytrackError):
    """A process that reads videos is gone."""


def lost_worker(error: BaseException) -> bool:
    """Whether an error of torch means that a process that reads videos is gone. It is raised wherever this one happens to be."""
    return isinstance(error, RuntimeError) and "DataLoader worker" in str(error)


class IndexedClips(Dataset):
    """Clip n of an index, whatever process asks for it.

    A video that cannot be read, or a clip that spans a cut, is replaced by one of another video; which, is again a function of n.
    """

    def __init__(self, index: Index, config: TrainConfig):
        self.index, self.config = index, config

    @functools.lru_cache(maxsize=1)  # noqa: B019  (one order at a time, and the data set lives as long as its process)
    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.config.seed, epoch, 3]).permutation(len(self.index))

    def __getitem__(self, number: int) -> tuple[Tensor | None, float, list[tuple[str, str]]]:
        """(uint8 (T, crop, crop, 3), the seconds that it took, (video, why) for all that could not be read); None after :data:`TRIES`."""
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
                continue  # across a cut there is nothing to point at; where every clip has one, the last is taken
            cutout = Cutout.draw(rng, frames[0].shape[:2], len(frames), self.config)
            clip = np.ascontiguousarray(cutout.of(frames, self.config.crop))
            return torch.from_numpy(clip), time.perf_counter() - began, problems
        return None, time.perf_counter() - began, problems

    def draw(self, which: int, rng: np.random.Generator) -> list[np.ndarray]:
        """The frames of a clip somewhere in one video, scaled for training."""
        config, seconds = self.config, float(self.index.seconds[which])
        fps = min(config.fps or np.inf, float(self.index.fps[which]))  # frames are left out, never repeated
        gap = int(rng.integers(config.gap[0], config.gap[1] + 1))
        gap = max(1, min(gap, int(seconds * fps + 0.01) // config.references))
        times = gap / fps * np.arange(config.references + 1)
        times = np.minimum(rng.uniform(0, max(0.0, seconds - times[-1])) + times, seconds)  # a short video repeats its last frame
        return self.index.video(which).frames_at(times.tolist(), frame_size(*self.index.size[which].tolist(), config))


class Stream:
    """A source of clips: an index, whose clips are decoded ahead by ``workers`` processes (0: by this one, when they are asked for;
    None: as many as this process has cores to itself).

    Attributes:
        problems: (video, why) for all that could not be read since this list was last emptied.
        decoded, seconds: clips that came, and the time that one process would have needed for them.
    """

    def __init__(self, index: Index, config: TrainConfig, workers: int | None = None):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.index, self.config = index, config
        self.workers = max(1, cores // neighbours()) if workers is None else workers
        self.dataset = IndexedClips(index, config)
        self.problems: list[tuple[str, str]] = []
        self.decoded, self.seconds = 0, 0.0
        self._clips, self._next = iter(()), None

    def _numbers(self, step: int) -> Iterator[int]:
        own = own_clips(self.config)
        while True:
            yield from (step * self.config.batch + own).tolist()
            step += 1

    def _start(self, step: int) -> Iterator:
        mine = len(own_clips(self.config))
        return iter(
            DataLoader(
                self.dataset,
                batch_size=None,  # clip by clip, so that one slow file does not hold a whole batch up
                sampler=self._numbers(step),
                num_workers=self.workers,
                prefetch_factor=-(-mine // self.workers) + 1 if self.workers else None,  # a batch ahead
                worker_init_fn=_as_a_worker,
            )
        )

    def clips(self, step: int) -> Tensor:
        """This process's clips of one step: uint8 (b, T, crop, crop, 3). Quick if the steps are asked for in their order.

        Raises:
            VideoError: if nothing can be read any more.
            LostWorker: if a decoding process was ended from outside.
        """
        if step != self._next:
            self._clips = self._start(step)
        self._next = step + 1
        clips = []
        try:
            for _ in range(len(own_clips(self.config))):
                clip, seconds, problems = next(self._clips)
                self.problems += problems
                if clip is None:
                    raise VideoError(
                        f"{TRIES} videos in a row could not be read, the last: {problems[-1][1]}: {MOVED}"
                    )
                self.decoded, self.seconds = self.decoded + 1, self.seconds + seconds
                clips.append(clip)
        except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
            # Clips on their way are fetched from the process that made them: that it is gone shows in several ways.
            if isinstance(error, RuntimeError) and not lost_worker(error):
                raise
            self.close()
            raise LostWorker(LOST) from error
        return torch.stack(clips)

    def some_frames(self, n: int) -> Iterator[np.ndarray]:
        """A frame from the middle of each of about n videos, uint8 (H, W, 3), spread over the index."""
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

    def capacity(self) -> float:
        """Clips a second that the processes decode if nobody makes them wait."""
        return max(1, self.workers) * self.decoded / self.seconds if self.seconds else 0.0

    def fingerprint(self) -> list[int]:
        """Three numbers that change with the videos."""
        return self.index.fingerprint()

    def close(self) -> None:
        """End the processes."""
        # Not left to the last reference: an error that is kept keeps its frames, and they the loader.
        clips, self._clips, self._next = self._clips, iter(()), None
        try:
            getattr(clips, "_shutdown_workers", lambda: None)()
        except RuntimeError as error:  # that one of them was ended from outside may be noticed only now, when it no longer matters
            if not lost_worker(error):
                raise


def _as_a_worker(_: int) -> None:
    """Signals are for the process that trains, which ends this one.

    torchrun and batch systems send SIGTERM to all processes of a job. Clips are then needed until the step under way is whole.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _end_later())


def _end_later() -> None:
    timer = threading.Timer(GRACE, os._exit, [0])
    timer.daemon = True
    timer.start()
