"""Fit: a training run from the first step to the finished file, through interruptions, by one process or many."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from . import processes, states
from .batches import Shots
from .errors import OutputError, TinytrackError, VideoError
from .files import user_path
from .model import Model
from .recipe import TINY, TrainConfig, checkpoint_steps
from .stream import LOST, LostWorker, Stream, lost_worker
from .train import Trainer


@contextlib.contextmanager
def _patient_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back until the step under way is whole: weights, optimiser and step count must belong together.

    So is SIGTERM, by which torchrun and batch systems ask a job to end.
    """
    pressed = []

    def press(*_) -> None:
        pressed.append(True)

    before = {}
    if threading.current_thread() is threading.main_thread():  # in another thread no signal arrives
        wanted = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) != signal.SIG_IGN]
        before = {s: signal.signal(s, press) for s in wanted}
    try:
        yield lambda: bool(pressed)
    finally:
        for s, handler in before.items():
            if signal.getsignal(s) is press:
                signal.signal(s, handler)


def fit(
    source: Sequence[np.ndarray] | Shots | Stream,
    config: TrainConfig = TINY,
    minutes: float | None = None,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    device: torch.device | str = "cpu",
    save_every: float = 30.0,
    progress: bool = True,
    on_step: Callable[[Trainer, float], None] | None = None,
    card: dict | None = None,
    checkpoints: str | os.PathLike | None = None,
    bf16: bool | None = None,
    compiled: bool = False,
) -> Model:
    """Train a model. Within several processes (``processes.joined``) all call this alike; the first one writes.

    Args:
        source, config, minutes, device, bf16, compiled: see :class:`~tinytrack.train.Trainer`.
        out: write the finished model here; until then the run's state stands beside it (:func:`~tinytrack.states.state_path`).
        resume: go on from that state.
        save_every: seconds between saved states.
        progress: show loss and clips per second, and name videos that cannot be read.
        on_step: called after every step with the trainer and the loss.
        card: facts to keep with the weights.
        checkpoints: a folder for the model as it was at :func:`~tinytrack.recipe.checkpoint_steps`: ``step000000.pt`` ...

    Raises:
        VideoError, ModelError, OutputError: see :class:`~tinytrack.train.Trainer`. What was saved last is still there, and the sentence
            says of which step.
        TinytrackError: if there is nothing to resume, if an interrupted run would be overwritten, or if another process has ended.
    """
    together, first = processes.together, processes.rank() == 0
    with contextlib.ExitStack() as stack:
        if out is not None:
            together(lambda: _take(out, resume, stack), first_only=True)
        trainer = Trainer(source, config, minutes, device, bf16, compiled)
        stack.callback(trainer.source.close)
        together(lambda: _same_videos(processes.gathered(trainer.source.fingerprint())))
        if out is not None and resume:
            trainer.go_on(together(lambda: states.newest(out, trainer.read, _say), first_only=True))
        run = _Run(trainer, out, card, checkpoints)
        bar = stack.enter_context(_bar(trainer, run, progress and first))
        interrupted = stack.enter_context(_patient_interrupt())
        try:
            run.keep()
            saved = time.monotonic()
            try:
                while not trainer.done:
                    loss = trainer.step()
                    bar()
                    run.name_unreadable()
                    run.keep()
                    if on_step is not None:
                        on_step(trainer, loss)
                    if processes.total([interrupted()])[0]:  # all of them stop after the same step
                        raise KeyboardInterrupt
                    if time.monotonic() - saved > save_every:
                        run.save()
                        saved = time.monotonic()
            except KeyboardInterrupt:
                if trainer.count:
                    run.save()
                raise
            return run.finish()
        except (OutputError, VideoError, LostWorker) as error:
            raise type(error)(f"{error}; {run.what_is_left()}") from error
        except RuntimeError as error:
            if lost_worker(error):
                raise LostWorker(f"{LOST}; {run.what_is_left()}") from error
            if not processes.lost_another(error):
                raise
            processes.outlive()
            raise TinytrackError(f"another process of this training run has ended; {run.what_is_left()}") from error


def _take(out: str | os.PathLike, resume: bool, stack: contextlib.ExitStack) -> None:
    """Hold ``out`` until the stack ends; unless the run is to be resumed, there must be none to overwrite."""
    stack.enter_context(states.held(out))
    if not resume:
        states.refuse_to_overwrite(out)


def _same_videos(fingerprints: list) -> None:
    different = [r for r, fingerprint in enumerate(fingerprints) if fingerprint != fingerprints[0]]
    if different:
        raise TinytrackError(f"process {different[0]} has other videos than process 0: expected the same on every machine")


def _say(sentence: str) -> None:
    """One line on the error stream, above a progress bar."""
    from tqdm import tqdm

    tqdm.write(f"tinytrack: {sentence}", file=sys.stderr)


class _Run:
    """What a run says on the way and leaves on disk; of several processes only the first says and writes anything."""

    def __init__(self, trainer: Trainer, out: str | os.PathLike | None, facts: dict | None, checkpoints: str | os.PathLike | None):
        self.trainer, self.out, self.facts, self.folder = trainer, out, facts or {}, checkpoints
        self.first = processes.rank() == 0
        self.steps = set(checkpoint_steps(10**9 if trainer.minutes else trainer.config.steps)) if checkpoints is not None else set()
        self.before = trainer.count, trainer.seconds
        self.unreadable: dict[str, str] = {}

    def keep(self) -> None:
        """Keep the model as it is, if this is one of the steps to keep."""
        if self.first and self.trainer.count in self.steps:
            self.trainer.model(self.facts).save(user_path(self.folder) / f"step{self.trainer.count:06d}.pt")

    def save(self) -> None:
        """Save the state of the run."""
        if self.first and self.out is not None:
            states.keep(self.trainer.state(), self.out)

    def finish(self) -> Model:
        """The finished model, written to its file; the state is not needed any more."""
        model = self.trainer.model(self.facts | self.streaming())
        if self.first and self.out is not None:
            self.save()  # so that nothing is lost if the very last write is what fails
            model.save(user_path(self.out))
            states.clear(self.out)
        return model

    def name_unreadable(self) -> None:
        """Name each video that could not be read, whoever met it: once."""
        source = self.trainer.source
        if not isinstance(source, Stream) or not processes.total([len(source.problems)])[0]:
            return
        for name, problem in (problem for problems in processes.gathered(source.problems) for problem in problems):
            if name not in self.unreadable:
                self.unreadable[name] = problem
                if self.first:
                    _say(f"another video takes the place of one that cannot be read: {problem}")
        source.problems = []

    def streaming(self) -> dict:
        """Of clips that are decoded on the way: how many a second could be, how many the network could take, and what was unreadable."""
        source, trainer = self.trainer.source, self.trainer
        steps, seconds = trainer.count - self.before[0], trainer.seconds - self.before[1]
        if not isinstance(source, Stream) or not steps:
            return {}
        return {
            "decoded_per_second": round(source.capacity() * processes.count(), 2),
            "taken_per_second": round(trainer.config.batch * steps / max(seconds - trainer.waited, 1e-9), 2),
            "waited": round(trainer.waited / seconds, 3),
            "unreadable": sorted(self.unreadable),
        }

    def what_is_left(self) -> str:
        """The end of a sentence about what went wrong: what to do now."""
        if self.out is None or not states.kept(self.out):
            return "nothing had been saved yet"
        return f"what was saved last is kept in '{states.kept(self.out)[0]}': go on from there with --resume"


@contextlib.contextmanager
def _bar(trainer: Trainer, run: _Run, shown: bool) -> Iterator[Callable[[], None]]:
    """A progress bar that is told of each step; its loss is the mean of the last thirty."""
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
            if facts := run.streaming():
                text += f" (decoding could {facts['decoded_per_second']:.0f}, the network {facts['taken_per_second']:.0f})"
            bar.n = min(total, trainer.progress * total)
            bar.set_postfix_str(text, refresh=False)
            bar.update(0)

        yield update
