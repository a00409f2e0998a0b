"""The command line: ``python -m tinytrack COMMAND``; ``--help`` needs nothing but the standard library."""

import argparse
import os
import re
import signal
import sys
from pathlib import Path

from .errors import TinytrackError, describe_os_error

DEFAULT_MODEL = "tiny-gray"
PRESETS = ("tiny", "lab", "paper", "single")
PROTOCOLS = ("modern", "windowed", "paper")
DATASETS = {
    "davis": "masks of the DAVIS 2016 or 2017 benchmark: J and F",
    "badja": "hand-labelled joints of animals in DAVIS videos: PCK",
    "pose2sim": "a person on a balance beam, joints detected by machine: PCK",
    "carphone": "the clip carphone, masks and joints drawn by us: J, F and PCK",
    "synth": "made-up scenes with exact truth: J, F and PCK",
    "report": "all methods on all of these: results.json, tables and figures",
}
INTERRUPTED = "interrupted: nothing was written"


class _Parser(argparse.ArgumentParser):
    """Bad arguments get one sentence too."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message} (see '{self.prog} --help')\n")


def _whole(low: int, high: int = 10**9):
    def whole(text: str) -> int:
        # So few digits that int() cannot fail: it has a limit of its own.
        if not re.fullmatch(r"-?\d{1,18}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got '{text}'")
        return int(text)

    return whole


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got '{text}'")
    return value


def build_parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    parser = _Parser(
        prog="tinytrack",
        description="Tracking emerges by colorizing videos: colour, mask or pose a video from its first frame.",
        epilog="VIDEO is a video file, a folder of frames or the name of a clip (carphone, bikes, walk).",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, text: str, video: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if video:
            sub.add_argument("video", metavar="VIDEO", help="a video file, a folder of frames or a clip's name")
        return sub

    def choices(models, sub) -> None:
        known = f"{DEFAULT_MODEL}, tiny-lab (sees colour), single or a weights file (default: {DEFAULT_MODEL})"
        models.add_argument("--model", default=DEFAULT_MODEL, metavar="M", help=known)
        sub.add_argument(
            "--protocol",
            default="modern",
            choices=PROTOCOLS,
            help="modern: a window in all frames but the first; windowed: in the first too; paper: 32x32 grid, no window (default: modern)",
        )

    def tracking(sub: argparse.ArgumentParser, out: str) -> None:
        choices(sub, sub)
        sub.add_argument("--out", default=out, metavar="DIR", help=f"folder for the results (default: {out})")
        device(sub)

    def device(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--device", default="auto", metavar="D", help="cpu, cuda, ... (default: a GPU where there is one)")
        sub.add_argument(
            "--threads",
            type=_whole(1, 1024),
            metavar="N",
            help="processor threads; 1 is repeatable to the bit, and faster on a busy machine",
        )

    sub = command("demo", "colour, mask and pose the clip carphone, with scores", video=False)
    tracking(sub, "tinytrack-demo")

    sub = command("colorize", "colour a gray video from one colour frame")
    sub.add_argument(
        "--reference", default="0", metavar="N", help="number of the colour frame, or a picture of the first frame in colour (default: 0)"
    )
    tracking(sub, "tinytrack-out")

    sub = command("track", "track the objects of a mask of the first frame")
    sub.add_argument("--mask", required=True, metavar="MASK.png", help="one colour per object, black is background, size of the video")
    tracking(sub, "tinytrack-out")

    sub = command("pose", "track named joints given in the first frame")
    sub.add_argument(
        "--joints",
        required=True,
        metavar="JOINTS",
        help='{"joints": {"name": [x, y], ...}, "edges": [["a", "b"], ...]}, or a joints.csv: its frame 0',
    )
    tracking(sub, "tinytrack-out")

    sub = command("train", "train a network on unlabelled video", video=False)
    sub.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a clip's name, a video, a folder of frames or of videos, a DAVIS folder (its train split), or, for more video than fits "
        "in memory, an index.csv that 'data index' made",
    )
    sub.add_argument(
        "--preset", default="tiny", choices=PRESETS, help="the recipe; lab: sees colour; single: the paper's control (default: tiny)"
    )
    length = sub.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=_positive, metavar="X", help="train for so long")
    length.add_argument("--steps", type=_whole(1), metavar="N", help="for so many steps (default: the preset's, or the interrupted run's)")
    sub.add_argument("--seed", type=_whole(0, 2**32 - 1), default=0, metavar="N", help="the run is a function of it (default: 0)")
    sub.add_argument("--batch", type=_whole(1), metavar="N", help="clips a step, over all processes (default: the preset's)")
    sub.add_argument("--accumulate", type=_whole(1), metavar="N", help="take them in N parts, if they do not fit in memory (default: 1)")
    sub.add_argument("--clip-norm", type=_positive, metavar="X", help="shorten gradients to this length (default: as they are)")
    sub.add_argument("--fps", type=_positive, metavar="X", help="draw clips from so many frames a second (default: the preset's)")
    sub.add_argument(
        "--precision", default="auto", choices=("auto", "bf16", "fp32"), help="of the network (default: bf16 on a GPU that can, else fp32)"
    )
    sub.add_argument("--compile", action="store_true", help="let torch.compile make the network faster first; takes a minute or more")
    sub.add_argument(
        "--workers", type=_whole(0, 1024), metavar="N", help="processes that decode an index for each one that trains (default: its cores)"
    )
    sub.add_argument("--save-every", type=_positive, default=30.0, metavar="S", help="seconds between saved states (default: 30)")
    sub.add_argument("--checkpoints", metavar="DIR", help="also keep the model as it was at steps 0, 1, 3, 10, 30, 100 ...")
    sub.add_argument("--resume", action="store_true", help="go on with an interrupted run: the same command and this")
    sub.add_argument("--out", default="tinytrack-model.pt", metavar="FILE", help="the weights file (default: tinytrack-model.pt)")
    device(sub)

    sub = command("evaluate", "score a method on videos with ground truth, or make the whole report", video=False)
    sets = sub.add_subparsers(dest="dataset", required=True, metavar="DATASET", parser_class=_Parser)
    for name, text in DATASETS.items():
        one = sets.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name in ("davis", "badja", "pose2sim"):
            one.add_argument("root", metavar="ROOT", help="its folder" + ("; davis: what 'data fetch davis' brought" * (name == "davis")))
        if name == "davis":
            one.add_argument(
                "--year", type=int, default=2016, choices=(2016, 2017), help="2016: one foreground; 2017: every object by itself"
            )
            one.add_argument("--split", default="val", choices=("train", "val"), help="(default: val)")
        if name == "badja":
            one.add_argument("--davis", default="davis", metavar="ROOT", help="the DAVIS folder that holds the frames")
        if name == "report":
            one.add_argument("--data", metavar="ROOT", help="a folder with davis, badja, pose2sim in it, as far as they are there")
            one.add_argument("--out", default="tinytrack-report", metavar="DIR", help="folder for all of it (default: tinytrack-report)")
            device(one)
            continue
        one.add_argument("--sequences", metavar="A,B", help="only these (default: all that are there)")
        who = one.add_mutually_exclusive_group()
        choices(who, one)
        who.add_argument("--baseline", metavar="B", help="identity, flow, gray, lab, random, random-1 ..., random-lab, single")
        one.add_argument(
            "--out", metavar="DIR", help="folder for predictions and scores (default: tinytrack-results/DATASET-METHOD-PROTOCOL)"
        )
        device(one)

    sub = command("studio", "mark, track, correct and export your own video in the browser", video=False)
    sub.add_argument("video", nargs="?", metavar="VIDEO", help="opened at once: a video file, a folder of frames or a clip's name")
    sub.add_argument("--port", type=_whole(1, 65535), metavar="N", help="of the page, on this machine only (default: a free one)")
    sub.add_argument("--no-browser", action="store_true", help="only say where the page is")

    sub = command("data", "list, fetch or verify the named clips, DAVIS and the shipped files; index a folder of videos", video=False)
    sub.add_argument("action", choices=("list", "fetch", "verify", "index"))
    sub.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="a clip's name, or davis, which is fetched only by name (default: all); index: the folder whose videos to list",
    )
    sub.add_argument("--out", metavar="FILE", help="index: the file to write (default: tinytrack-index.csv in the folder)")
    sub.add_argument("--workers", type=_whole(1, 1024), metavar="N", help="index: processes (default: one a core)")
    return parser


def _device(args) -> str:
    """The device to work on; sets the number of threads too."""
    import torch

    from .model import best_device

    if args.threads:
        torch.set_num_threads(args.threads)
    return best_device(args.device)


def _tracker(args):
    """What every tracking command needs: the model and the protocol."""
    from .model import load_model
    from .track import PROTOCOLS as protocols

    return load_model(args.model, _device(args)), protocols[args.protocol]


def _tracking(args):
    """What colorize, track and pose have in common: the video, the model, the protocol."""
    from .clips import open_clip

    return open_clip(args.video), *_tracker(args)


def _demo(args) -> None:
    from .demo import run_demo

    rows = run_demo(args.out, *_tracker(args))
    print(f"{'carphone':<20}{'score':<36}{'tinytrack':>10}{'identity':>10}")
    for what, unit, ours, still in rows:
        print(f"{what:<20}{unit:<36}{ours:>10.2f}{still:>10.2f}")
    print(f"identity: the first frame's labels held still. Look at {Path(args.out) / 'tour.png'} and at the videos beside it.")


def _colorize(args) -> None:
    from .jobs import colorize_video

    video, model, protocol = _tracking(args)
    summary = colorize_video(video, model, args.out, args.reference, protocol)
    print(f"coloured {summary['frames']} frames: {Path(args.out) / 'colorized.mp4'}")
    if "error" in summary:
        print(
            f"mean ab distance to the true colours {summary['error']:.2f}"
            f" (identity {summary['identity']:.2f}, left gray {summary['gray']:.2f}; less is better)"
        )


def _track(args) -> None:
    from .jobs import track_video

    video, model, protocol = _tracking(args)
    summary = track_video(video, args.mask, model, args.out, protocol)
    print(f"tracked {len(summary['objects'])} object(s) through {summary['frames']} frames: {Path(args.out) / 'overlay.mp4'} and masks/")


def _pose(args) -> None:
    from .jobs import pose_video

    video, model, protocol = _tracking(args)
    summary = pose_video(video, args.joints, model, args.out, protocol)
    print(f"tracked joints through {summary['frames']} frames: {Path(args.out) / 'overlay.mp4'} and joints.csv")
    if summary["lost"]:
        print("lost for a while: " + ", ".join(f"{name} ({n} frames)" for name, n in summary["lost"].items()))


def _train(args) -> None:
    from .trainjob import train_job

    train_job(args, lambda: _device(args))


def _evaluate(args) -> None:
    device = _device(args)
    if args.dataset == "report":
        from .report import make_report

        print(make_report(args.data, args.out, device), end="")
        return
    from .datasets import open_dataset
    from .evaluate import evaluate, find_method, run_name, table
    from .files import user_path
    from .track import PROTOCOLS as protocols

    options = {name: getattr(args, name) for name in ("root", "davis", "year", "split") if hasattr(args, name)}
    dataset = open_dataset(args.dataset, **options, sequences=args.sequences and args.sequences.split(","))
    method = find_method(args.model, args.baseline, protocols[args.protocol], device)
    out = args.out or Path("tinytrack-results", run_name(dataset, method))
    try:
        results = evaluate(method, dataset, out)
    except KeyboardInterrupt:
        if not (user_path(out) / "results.json").exists():
            raise
        raise TinytrackError(f"interrupted: the videos done are kept in '{out}', the same command goes on with the others") from None
    print(table(results), end="")
    print(f"predictions, results.json and this table: {out}")


def _studio(args) -> None:
    from .page import open_page

    open_page(args.video, args.port, not args.no_browser)


SHOWN = 20
"""Unreadable videos that the screen names; the index names all."""


def _index(args) -> None:
    from .index import make_index

    if not args.name:
        raise TinytrackError("which folder? 'tinytrack data index FOLDER' lists the videos in it")
    try:
        out, entries = make_index(args.name, args.out, args.workers)
    except KeyboardInterrupt:
        raise TinytrackError("interrupted: the same command goes on with the videos that are missing") from None
    problems = [entry.problem for entry in entries if entry.problem]
    for problem in problems[:SHOWN]:
        print(f"skipped: {problem}")
    if len(problems) > SHOWN:
        print(f"... and {len(problems) - SHOWN} more: see the last column of the index")
    good = [entry for entry in entries if not entry.problem]
    hours = sum(entry.seconds for entry in good) / 3600
    gigabytes = sum(entry.bytes for entry in good) / 1e9
    print(f"{len(good)} videos, {hours:.2f} hours, {gigabytes:.2f} GB, {len(problems)} skipped: {out}")
    if not good:
        raise TinytrackError(f"no video in '{args.name}' can be trained on: the last column of '{out}' says why")
    print(f"train on them with 'python -m tinytrack train {out}'")


def _data(args) -> None:
    if args.action == "index":
        return _index(args)
    if args.out or args.workers:
        raise TinytrackError("--out and --workers belong to 'data index'")
    from .clips import CLIPS, ClipError, fetch_clip, verify_clip
    from .fetch import davis_command
    from .model import SHIPPED, load_model

    known = (*CLIPS, "davis", *SHIPPED)
    if args.name and args.name not in known:
        raise ClipError(f"nothing is called '{args.name}': expected one of {', '.join(known)}")
    names = [args.name] if args.name else known
    for name in names:
        if name in SHIPPED:
            if args.action != "fetch" or args.name:
                model = load_model(name)
                trained = f"{model.card['steps']} steps on {', '.join(model.card['sources'])}"
                print(f"{name:<10} {model.name} weights, {model.fingerprint()}, {trained}: ok")
        elif name == "davis":
            if args.action != "fetch" or args.name:  # 833 MB come only where they are asked for
                print(f"{name:<10} {davis_command(args.action)}")
        elif args.action == "list":
            there = "here" if CLIPS[name].file.is_file() else "not fetched"
            print(f"{name:<10} {CLIPS[name].about}; {CLIPS[name].licence}, from {CLIPS[name].package}: {there}")
        elif args.action == "fetch":
            print(f"{name:<10} {fetch_clip(name)}")
        else:
            print(f"{name:<10} {verify_clip(name)}")


class _Interrupt(KeyboardInterrupt):
    """Ctrl-C. A plain KeyboardInterrupt that has passed through ``exec`` makes Python end by the signal instead of our status."""


def _interrupt(*_) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not disturb the cleaning up after the first
    raise _Interrupt


def _leave(*_) -> None:
    os.write(2, f"tinytrack: {INTERRUPTED}\n".encode())
    os._exit(2)


def _import_torch() -> None:
    """Import torch, in the middle of which a KeyboardInterrupt would abort the process in C++: Ctrl-C just leaves instead."""
    import torch  # noqa: F401

    signal.signal(signal.SIGINT, _interrupt)


COMMANDS = {
    "demo": _demo,
    "colorize": _colorize,
    "track": _track,
    "pose": _pose,
    "train": _train,
    "evaluate": _evaluate,
    "studio": _studio,
    "data": _data,
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 2 with one sentence on the error stream.

    Without ``argv`` it is the program of this process, and takes over its Ctrl-C (unless that is ignored, as in a shell's background).
    """
    program = argv is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if program:
        signal.signal(signal.SIGINT, _leave)
        # Read when torch is loaded. By default its threads spin while they wait for one another, which takes the processor away from
        # those they wait for as soon as anything else runs: our own decoder and encoder, or other programs.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    args = build_parser().parse_args(argv)
    try:
        if program:
            _import_torch()
        COMMANDS[args.command](args)
        return 0
    except TinytrackError as error:
        sentence = str(error)
    except KeyboardInterrupt:
        sentence = INTERRUPTED
    except MemoryError:
        sentence = "there is not enough memory for this video: expected smaller frames"
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which cannot be named here: it may not have been loaded
            raise
        sentence = "there is not enough GPU memory: expected smaller frames, or in training a smaller --batch or more parts (--accumulate)"
    except OSError as error:
        sentence = f"cannot go on with '{error.filename or args.command}': {describe_os_error(error)}"
    finally:
        if program:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left takes no time, and shutting down would show a traceback
    print(f"tinytrack: {' '.join(sentence.split())}", file=sys.stderr)  # names in it may hold line breaks
    return 2


if __name__ == "__main__":
    sys.exit(main())
