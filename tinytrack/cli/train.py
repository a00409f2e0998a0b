"""The command ``tinytrack train``: from typed options to a finished weights file, on one process or many."""

import dataclasses
import os
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import OutputError, TinytrackError
from ..io.atomic import check_writable
from ..io.paths import user_path
from ..model import best_device
from ..recipe import PRESETS, TrainConfig, checkpoint_steps
from ..training import checkpoint, processes
from ..training.fit import fit
from ..training.sources import clip_source

PROBLEMS_SHOWN = 20  # damaged lines of an index that are printed
CHANGES = ("batch", "accumulate", "clip_norm", "fps")  # what the command line may change in a preset, besides its length and seed


@dataclass(frozen=True)
class TrainOptions:
    """The options of ``tinytrack train``, named as in its ``--help``. None stands for "not given"."""

    sources: tuple[str, ...]
    out: str
    preset: str = "tiny"
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    batch: int | None = None
    accumulate: int | None = None
    clip_norm: float | None = None
    fps: float | None = None
    precision: str = "auto"
    compile: bool = False
    workers: int | None = None
    save_every: float = 30.0
    checkpoints: str | None = None
    resume: bool = False
    device: str = "auto"
    threads: int | None = None

    @classmethod
    def from_args(cls, args: Namespace) -> "TrainOptions":
        """Take the options out of what argparse returns."""
        values = {field.name: getattr(args, field.name) for field in dataclasses.fields(cls)}
        return cls(**values | {"sources": tuple(args.sources)})

    @property
    def config(self) -> TrainConfig:
        """The preset, with the changes that these options make."""
        changes = {name: getattr(self, name) for name in ("steps", *CHANGES)}
        return dataclasses.replace(PRESETS[self.preset], seed=self.seed, **{k: v for k, v in changes.items() if v is not None})

    @property
    def names(self) -> list[str]:
        """The sources without their folders, for the card: where somebody keeps their videos is private."""
        return [Path(s).name if os.sep in s else s for s in self.sources]

    def command_line(self) -> str:
        """Return the command that makes the same weights."""
        words = ["python -m tinytrack train", *self.names, "--preset", self.preset]
        words += ["--minutes", f"{self.minutes:g}"] if self.minutes else ["--steps", str(self.config.steps)]
        words += ["--seed", str(self.seed)]
        for name in CHANGES:
            if getattr(self.config, name) != getattr(PRESETS[self.preset], name):
                words += ["--" + name.replace("_", "-"), f"{getattr(self.config, name):g}"]
        if self.precision != "auto":
            words += ["--precision", self.precision]
        if self.threads:
            words += ["--threads", str(self.threads)]
        return " ".join(words)


def train_command(options: TrainOptions) -> None:
    """Train as the options say. Under torchrun all processes train together, and rank 0 prints.

    Raises:
        TinytrackError: one sentence; the last checkpoint is kept.
    """
    with processes.process_group():
        first = processes.rank() == 0
        try:
            card = _train(options)
        except KeyboardInterrupt:
            if not first:
                raise SystemExit(2) from None
            if not checkpoint.existing(options.out):
                raise
            kept = checkpoint.existing(options.out)[0]
            raise TinytrackError(f"interrupted: the checkpoint is '{kept}': resume with the same command and --resume") from None
        if first:
            _report(card, options.out)


def _train(options: TrainOptions) -> dict:
    """Train, and return the card of the finished model."""
    first = processes.rank() == 0
    out = user_path(options.out)
    # resume or start? What cannot be written is refused now, not after an hour.
    resume = processes.on_all_ranks(lambda: _prepare(options, out), first_only=True)
    if resume and options.steps is None and options.minutes is None:
        steps, minutes = processes.on_all_ranks(lambda: checkpoint.run_length(out), first_only=True) or (None, None)
        options = dataclasses.replace(options, steps=steps, minutes=minutes)
    processes.on_all_ranks(lambda: _check_kept_models(options), first_only=True)
    config, device = options.config, processes.on_all_ranks(lambda: _choose_device(options))
    processes.clips_of_rank(config)  # a batch that cannot be shared is refused before the videos are read
    # open the videos
    if first:
        print("reading " + ", ".join(options.sources), flush=True)
    tell = print if first else lambda text: None
    source, facts = processes.on_all_ranks(lambda: clip_source(options.sources, config, options.workers, tell))
    if first and "videos" in facts:
        for problem in source.index.damaged[:PROBLEMS_SHOWN]:
            print(f"skipped: {problem}", flush=True)
        print(f"{facts['videos']} videos, {facts['hours']:.2f} hours; {len(source.index.problems)} skipped", flush=True)
    # train
    model = fit(
        source,
        config,
        options.minutes,
        out,
        resume,
        device,
        options.save_every,
        card={"command": options.command_line(), "sources": options.names, "preset": options.preset} | facts,
        checkpoints=options.checkpoints,
        bf16=None if options.precision == "auto" else options.precision == "bf16",
        compiled=options.compile,
    )
    return model.card


def _prepare(options: TrainOptions, out: Path) -> bool:
    """Check that the output can be written, and tell whether the run is to be resumed."""
    if out.is_dir():
        raise OutputError(f"cannot write '{options.out}': it is a folder, expected the name of a weights file")
    checkpoint.check_weights(out, options.sources)
    check_writable(out)
    # A run that torchrun restarts resumes what it began itself, and nothing else.
    resume = options.resume or (processes.has_flag("begun") and bool(checkpoint.existing(out)))
    if not resume:
        checkpoint.refuse_to_overwrite(out)
    processes.set_flag("begun")
    return resume


def _check_kept_models(options: TrainOptions) -> None:
    """Check that the models in ``--checkpoints`` replace nothing but models."""
    if options.checkpoints is None:
        return
    for step in checkpoint_steps(10**9 if options.minutes else options.config.steps):
        checkpoint.check_weights(user_path(options.checkpoints) / f"step{step:06d}.pt", options.sources, "--checkpoints")


def _choose_device(options: TrainOptions) -> str:
    if options.threads:
        torch.set_num_threads(options.threads)
    return processes.own_gpu(best_device(options.device))


def _report(card: dict, out: str) -> None:
    """Print how the training went."""
    first, last = card["loss"][0], card["loss"][-1]
    print(f"trained {card['steps']} steps in {card['minutes']:.1f} minutes, loss {first:.2f} -> {last:.2f}: {out}")
    if "waited" in card:
        decoded, taken = card["decoded_per_second"], card["taken_per_second"]
        bottleneck = "decoding" if decoded < taken else "the network"
        print(
            f"clips per second: decoding could deliver {decoded:.1f}, the network could take {taken:.1f}: {bottleneck} is the bottleneck"
            f" (the network waited {card['waited']:.0%} of the time); videos that turned out damaged: {len(card['unreadable'])}"
        )
