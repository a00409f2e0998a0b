"""The job behind ``tinytrack train``: from the command line's words to a finished weights file, in one process or many."""

import dataclasses
import os
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from . import processes
from .batches import Shots, load_shots, own_clips
from .clips import training_videos
from .errors import OutputError, TinytrackError
from .files import check_writable, user_path
from .fit import fit
from .index import Index
from .processes import together
from .recipe import PRESETS, TrainConfig
from .states import kept, length, refuse_to_overwrite
from .stream import Stream

CHANGES = ("batch", "accumulate", "clip_norm", "fps")
"""What of a preset the command line may change, beside its length and seed."""


def recipe_of(args: Namespace) -> TrainConfig:
    """The preset, with what the command line changes."""
    changes = {name: getattr(args, name) for name in ("steps", *CHANGES)}
    return dataclasses.replace(PRESETS[args.preset], seed=args.seed, **{k: v for k, v in changes.items() if v is not None})


def clip_source(sources: Sequence[str], config: TrainConfig, workers: int | None) -> tuple[Shots | Stream, dict]:
    """What SOURCE... means, a stream of an index or videos decoded into memory; and what the weights' card says of it."""
    indexes = [source for source in sources if source.endswith(".csv")]
    if not indexes:
        shots = load_shots(training_videos(list(sources)), config)
        return Shots(shots, config), {"shots": len(shots), "frames": sum(len(s) for s in shots)}
    if len(indexes) < len(sources):
        raise TinytrackError("videos that are decoded into memory and indexes cannot be mixed: give one or the other")
    index = Index(*indexes)
    return Stream(index, config, workers), {"videos": len(index), "hours": round(float(index.seconds.sum()) / 3600, 3)}


def command_line(args: Namespace, config: TrainConfig, sources: Sequence[str]) -> str:
    """The command that makes the same weights."""
    words = ["python -m tinytrack train", *sources, "--preset", args.preset]
    words += ["--minutes", f"{args.minutes:g}"] if args.minutes else ["--steps", str(config.steps)]
    words += ["--seed", str(args.seed)]
    for name in CHANGES:
        if getattr(config, name) != getattr(PRESETS[args.preset], name):
            words += ["--" + name.replace("_", "-"), f"{getattr(config, name):g}"]
    if args.precision != "auto":
        words += ["--precision", args.precision]
    if args.threads:
        words += ["--threads", str(args.threads)]
    return " ".join(words)


def train_job(args: Namespace, device: Callable[[], str]) -> None:
    """Train as the command line says; torchrun's processes do it together, and the first of them speaks.

    Raises:
        TinytrackError: one sentence; what was saved is kept.
    """
    with processes.joined():
        first = processes.rank() == 0
        try:
            card = _train(args, device)
        except KeyboardInterrupt:
            if not first:
                raise SystemExit(2) from None
            if not kept(args.out):
                raise
            done = kept(args.out)[0]
            raise TinytrackError(f"interrupted: what is done is in '{done}': go on by the same command with --resume") from None
        if first:
            _tell(card, args.out)


def _train(args: Namespace, device: Callable[[], str]) -> dict:
    """The card of the finished model."""
    out = user_path(args.out)

    def check() -> bool:  # now, not after an hour
        if out.is_dir():
            raise OutputError(f"cannot write '{args.out}': it is a folder, expected the name of a weights file")
        check_writable(out)
        # Started anew by torchrun, it goes on with what itself began, and with nothing else.
        resume = args.resume or (processes.noted("begun") and bool(kept(out)))
        if not resume:
            refuse_to_overwrite(out)
        processes.note("begun")
        return resume

    resume = together(check, first_only=True)
    if resume and args.steps is None and args.minutes is None:
        args.steps, args.minutes = together(lambda: length(out), first_only=True) or (None, None)
    config, device = recipe_of(args), together(device)
    own_clips(config)  # refused before an hour of reading
    first = processes.rank() == 0
    if first:
        print("reading " + ", ".join(args.sources), flush=True)
    source, facts = together(lambda: clip_source(args.sources, config, args.workers))
    if first and isinstance(source, Stream):
        print(f"{len(source.index)} videos, {facts['hours']:.2f} hours; {len(source.index.problems)} skipped", flush=True)
    # Names only: where someone keeps their videos is nobody else's business.
    names = [Path(s).name if os.sep in s else s for s in args.sources]
    model = fit(
        source,
        config,
        args.minutes,
        out,
        resume,
        device,
        args.save_every,
        card={"command": command_line(args, config, names), "sources": names, "preset": args.preset} | facts,
        checkpoints=args.checkpoints,
        bf16=None if args.precision == "auto" else args.precision == "bf16",
        compiled=args.compile,
    )
    return model.card


def _tell(card: dict, out: str) -> None:
    first, last = card["loss"][0], card["loss"][-1]
    print(f"trained {card['steps']} steps in {card['minutes']:.1f} minutes, loss {first:.2f} -> {last:.2f}: {out}")
    if "waited" in card:
        decoded, taken = card["decoded_per_second"], card["taken_per_second"]
        slow = "decoding" if decoded < taken else "the network"
        print(
            f"clips a second: decoding could give {decoded:.1f}, the network could take {taken:.1f}: {slow} sets the pace"
            f" (the network waited {card['waited']:.0%} of the time); videos that turned out damaged: {len(card['unreadable'])}"
        )
