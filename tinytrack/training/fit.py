"""Fit: run a training from the first step to the finished weights file, through interruptions, on one rank or many."""

import contextlib
import dataclasses
import functools
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from ..batches import ClipSource
from ..errors import OutputError, TinytrackError, VideoError
from ..io.paths import user_path
from ..model import Model
from ..recipe import TINY, TrainConfig, checkpoint_steps
from . import checkpoint, processes
from .clip_stream import LOST, LostWorker, is_lost_worker
from .parallel import ParallelTrainer


def fit(
    source: Sequence[np.ndarray] | ClipSource,
    config: TrainConfig = TINY,
    minutes: float | None = None,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    device: torch.device | str = "cpu",
    save_every: float = 30.0,
    progress: bool = True,
    on_step: Callable[[ParallelTrainer, float], None] | None = None,
    card: dict | None = None,
    checkpoints: str | os.PathLike | None = None,
    bf16: bool | None = None,
    compiled: bool = False,
) -> Model:
    """Train a model. In a process group, every rank calls this with the same arguments, and rank 0 writes the files.

    Args:
        source, config, minutes, device, bf16, compiled: see :class:`~tinytrack.training.parallel.ParallelTrainer`.
        out: the finished model's file; until then checkpoints are kept next to it, see ``training.checkpoint``.
        resume: continue from the newest checkpoint.
        save_every: seconds between checkpoints.
        progress: show loss and clips per second, and name videos that cannot be read.
        on_step: called after every step with the trainer and the loss.
        card: facts to keep with the weights.
        checkpoints: a folder in which to keep the model as it was at :func:`~tinytrack.recipe.checkpoint_steps`: ``step000000.pt``.

    Raises:
        VideoError, ModelError, OutputError: see ``ParallelTrainer``. The last checkpoint stays, and the message names it.
        TinytrackError: if there is nothing to resume, if an interrupted run would be overwritten, or if another rank has ended.
    """
    on_all_ranks, first = processes.on_all_ranks, processes.rank() == 0
    with contextlib.ExitStack() as stack:
        # take the output file, prepare the trainer, resume
        if out is not None:
            on_all_ranks(lambda: _lock(out, resume, stack), first_only=True)
        trainer = ParallelTrainer(source, config, minutes, device, bf16, compiled)
        stack.callback(trainer.source.close)
        on_all_ranks(lambda: _check_same_videos(processes.gather(trainer.source.fingerprint())))
        if out is not None and resume:
            read = functools.partial(checkpoint.read, trainer=trainer)
            checkpoint.restore(trainer, on_all_ranks(lambda: checkpoint.load_newest(out, read, _say), first_only=True))
        run = _Run(trainer, out, card, checkpoints)
        update_bar = stack.enter_context(_progress_bar(trainer, run, progress and first))
        interrupted = stack.enter_context(_deferred_interrupt())
        # train; whatever goes wrong, say which checkpoint is left
        try:
            run.keep_model()
            saved = time.monotonic()
            try:
                while not trainer.done:
                    loss = trainer.step()
                    update_bar()
                    run.report_problems()
                    run.keep_model()
                    if on_step is not None:
                        on_step(trainer, loss)
                    if processes.sum_over_ranks([interrupted()])[0]:  # all ranks stop after the same step
                        raise KeyboardInterrupt
                    if time.monotonic() - saved > save_every:
                        run.save_checkpoint()
                        saved = time.monotonic()
            except KeyboardInterrupt:
                if trainer.count:
                    run.save_checkpoint()
                raise
            return run.finish()
        except (OutputError, VideoError, LostWorker) as error:
            raise type(error)(f"{error}; {run.what_is_left()}") from error
        except RuntimeError as error:
            if is_lost_worker(error):
                raise LostWorker(f"{LOST}; {run.what_is_left()}") from error
            if not processes.is_lost_rank(error):
                raise
            processes.ignore_sigterm()
            raise TinytrackError(f"another process of this training run has ended; {run.what_is_left()}") from error


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C and SIGTERM back until the step under way is complete: weights, optimiser and step count must belong together.

    SIGTERM is how torchrun and batch systems ask a job to end. Yields a function that tells whether one of them has come.
    """
    pressed = []

    def press(*_) -> None:
        pressed.append(True)

    before = {}
    if threading.current_thread() is threading.main_thread():  # signals reach no other thread
        wanted = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) != signal.SIG_IGN]
        before = {s: signal.signal(s, press) for s in wanted}
    try:
        yield lambda: bool(pressed)
    finally:
        for s, handler in before.items():
            if signal.getsignal(s) is press:
                signal.signal(s, handler)


def _lock(out: str | os.PathLike, resume: bool, stack: contextlib.ExitStack) -> None:
    """Lock ``out`` until the stack ends; unless the run is to be resumed, refuse to overwrite an interrupted one."""
    stack.enter_context(checkpoint.locked(out))
    if not resume:
        checkpoint.refuse_to_overwrite(out)


def _check_same_videos(fingerprints: list) -> None:
    different = [r for r, fingerprint in enumerate(fingerprints) if fingerprint != fingerprints[0]]
    if different:
        raise TinytrackError(f"process {different[0]} has other videos than process 0: expected the same on every machine")


def _say(sentence: str) -> None:
    """Print one line on the error stream, above a progress bar."""
    from tqdm import tqdm

    tqdm.write(f"tinytrack: {sentence}", file=sys.stderr)


def training_facts(trainer: ParallelTrainer) -> dict:
    """Collect the facts about a run that go into the model's card: recipe, length, machine, loss curve."""
    ranks = f", {processes.world_size()} processes" if processes.world_size() > 1 else ""
    return {
        "config": {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(trainer.config).items()},
        "steps": trainer.count,
        "minutes": round(trainer.seconds / 60, 2),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} thread(s), {trainer.device.type}{ranks}",
        "torch": str(torch.__version__),
        "loss": [round(v, 4) for v in _thinned(trainer.losses)],
    }


def _thinned(values: Sequence[float], points: int = 100) -> list[float]:
    """Average over at most ``points`` equal stretches, for a curve short enough for a card."""
    if not values:
        return []
    return [float(part.mean()) for part in np.array_split(np.array(values), min(points, len(values)))]


class _Run:
    """What a run reports on the way and leaves on disk; only rank 0 prints and writes."""

    def __init__(self, trainer: ParallelTrainer, out: str | os.PathLike | None, facts: dict | None, folder: str | os.PathLike | None):
        self.trainer, self.out, self.facts, self.folder = trainer, out, facts or {}, folder
        self.first = processes.rank() == 0
        self.steps = set(checkpoint_steps(10**9 if trainer.minutes else trainer.config.steps)) if folder is not None else set()
        self.before = trainer.count, trainer.seconds  # at the start or at the resume
        self.unreadable: dict[str, str] = {}

    def model(self, facts: dict) -> Model:
        return self.trainer.model(training_facts(self.trainer) | facts)

    def keep_model(self) -> None:
        """Keep the model as it is now, if this is one of the steps to keep."""
        if self.first and self.trainer.count in self.steps:
            self.model(self.facts).save(user_path(self.folder) / f"step{self.trainer.count:06d}.pt")

    def save_checkpoint(self) -> None:
        if self.first and self.out is not None:
            checkpoint.save(checkpoint.capture(self.trainer), self.out)

    def finish(self) -> Model:
        """Return the finished model, after writing its file and removing the checkpoints."""
        model = self.model(self.facts | self.decoding_facts())
        if self.first and self.out is not None:
            self.save_checkpoint()  # so that nothing is lost if the very last write fails
            model.save(user_path(self.out))
            checkpoint.remove(self.out)
        return model

    def report_problems(self) -> None:
        """Name each video that could not be read, on whichever rank, once."""
        problems = self.trainer.source.problems()
        if not processes.sum_over_ranks([len(problems)])[0]:
            return
        for name, problem in (problem for of_rank in processes.gather(problems) for problem in of_rank):
            if name not in self.unreadable:
                self.unreadable[name] = problem
                if self.first:
                    _say(f"skipping a video that cannot be read, another takes its place: {problem}")

    def decoding_facts(self) -> dict:
        """For a source that decodes on the way: its speed, the network's speed, and what was unreadable. Otherwise {}."""
        trainer, capacity = self.trainer, self.trainer.source.capacity()
        steps, seconds = trainer.count - self.before[0], trainer.seconds - self.before[1]
        if capacity is None or not steps:
            return {}
        return {
            "decoded_per_second": round(capacity * processes.world_size(), 2),
            "taken_per_second": round(trainer.config.batch * steps / max(seconds - trainer.waited, 1e-9), 2),
            "waited": round(trainer.waited / seconds, 3),
            "unreadable": sorted(self.unreadable),
        }

    def what_is_left(self) -> str:
        """Finish a sentence about an error with what to do now."""
        if self.out is None or not checkpoint.existing(self.out):
            return "nothing had been saved yet"
        return f"the last checkpoint is kept in '{checkpoint.existing(self.out)[0]}': resume from it with --resume"


@contextlib.contextmanager
def _progress_bar(trainer: ParallelTrainer, run: _Run, shown: bool) -> Iterator[Callable[[], None]]:
    """Show a progress bar; yields the function to call after each step. Its loss is the mean of the last thirty."""
    from tqdm import tqdm

    total = 100 if trainer.minutes else trainer.config.steps
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    mark = time.perf_counter()
    with tqdm(total=total, desc="training", bar_format=form, disable=not shown) as bar:

        def update() -> None:
            nonlocal mark
            now = time.perf_counter()
            speed, mark = trainer.config.batch / (now - mark), now
            text = f"step {trainer.count}, loss {np.mean(trainer.losses[-30:]):.3f}, {speed:.1f} clips/s"
            if facts := run.decoding_facts():
                text += f" (decoding could {facts['decoded_per_second']:.0f}, the network {facts['taken_per_second']:.0f})"
            bar.n = min(total, trainer.progress * total)
            bar.set_postfix_str(text, refresh=False)
            bar.update(0)

        yield update
