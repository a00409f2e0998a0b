"""The arguments of the command line. ``--help`` needs nothing but the standard library."""

import argparse
import re
from collections.abc import Callable

from .. import __version__
from ..recipe import PRESETS

PROTOCOLS = ("refined", "modern", "windowed", "paper")  # named here again, because importing propagate would import torch
DATASETS = {
    "davis": "masks of the DAVIS 2016 or 2017 benchmark: J and F",
    "badja": "hand-labelled joints of animals in DAVIS videos: PCK",
    "pose2sim": "a person on a balance beam, joints detected by OpenPose: PCK",
    "carphone": "the clip carphone, with masks and joints drawn by us: J, F and PCK",
    "walk": "the same for the clip walk, a small person, after 'data fetch walk'",
    "beam": "the same for the clip beam, a whole body, after 'data fetch beam'",
    "synth": "synthetic scenes with exact ground truth: J, F and PCK",
    "report": "all methods on all of these: results.json, tables and figures",
}


class _Parser(argparse.ArgumentParser):
    """Report bad arguments in one sentence, too."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message} (see '{self.prog} --help')\n")


def _whole(low: int, high: int = 10**9) -> Callable[[str], int]:
    def whole(text: str) -> int:
        # few enough digits that int() cannot fail: it has a limit of its own
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


def _moment(text: str) -> int | float:
    """A frame by its number, or its time in seconds: 40, 2.5, 3s, 1:02.5."""
    if re.fullmatch(r"\d{1,18}", text):
        return int(text)
    match = re.fullmatch(r"(?:(?:(\d{1,9}):)?(\d{1,9}):)?(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})s?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"expected the number of a frame, or a time such as 2.5, 3s or 1:02.5, got '{text}'")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = _Parser(
        prog="tinytrack",
        description="Tracking emerges by colorizing videos: colour, mask or pose a video from its first frame.",
        epilog="VIDEO is a video file, a folder of frames or the name of a clip (carphone, bikes, walk, beam).",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_demo(commands)
    _add_colorize(commands)
    _add_track(commands)
    _add_pose(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_studio(commands)
    _add_data(commands)
    _add_figures(commands)
    _add_web(commands)
    _add_exercises(commands)
    _add_mark(commands)
    return parser


# ---- arguments that several commands share


def _command(commands, name: str, text: str, video: bool = False) -> argparse.ArgumentParser:
    sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if video:
        sub.add_argument("video", metavar="VIDEO", help="a video file, a folder of frames or a clip's name")
    return sub


def _add_device(sub) -> None:
    sub.add_argument("--device", default="auto", metavar="D", help="cpu, cuda, ... (default: a GPU where there is one)")
    sub.add_argument(
        "--threads", type=_whole(1, 1024), metavar="N", help="CPU threads; 1 gives bit-identical results, and is faster on a busy machine"
    )


def _add_model(models, sub, default: str | None) -> None:
    known = "tiny-gray (sees gray), tiny-lab (sees colour), single or a weights file"
    chosen = default or "tiny-lab, or tiny-gray if the video is gray"
    models.add_argument("--model", default=default, metavar="M", help=f"{known} (default: {chosen})")
    sub.add_argument(
        "--protocol",
        default="refined",
        choices=PROTOCOLS,
        help="modern: a window in all frames but the first; refined: also gates objects and fits outlines to edges; "
        "windowed: modern with a window in the first frame too; paper: 32x32 grid, no window (default: refined)",
    )
    rows = "shorter side, in pixels, of the frames that the network sees; small things need more, and more takes longer (default: 240, "
    rows += "or 480 for masks in videos with at least 360, and for keypoints if the network sees colour, with the protocol refined)"
    sub.add_argument("--rows", type=_whole(32, 2160), metavar="N", help=rows)


def _add_span(sub) -> None:
    when = "a frame's number, or a time such as 2.5, 3s or 1:02.5"
    sub.add_argument("--start", type=_moment, metavar="T", help=f"the first frame to read: {when} (default: the video's first)")
    sub.add_argument("--end", type=_moment, metavar="T", help="the last frame to read, likewise (default: the video's last)")


def _add_tracking(sub, out: str, model: str | None = None) -> None:
    _add_model(sub, sub, model)
    sub.add_argument("--out", default=out, metavar="DIR", help=f"folder for the results (default: {out})")
    _add_device(sub)


# ---- one function per command


def _add_demo(commands) -> None:
    _add_tracking(_command(commands, "demo", "colour, mask and pose the clip carphone, with scores"), "tinytrack-demo", "tiny-gray")


def _add_colorize(commands) -> None:
    sub = _command(commands, "colorize", "colour a gray video from one colour frame", video=True)
    sub.add_argument(
        "--reference", metavar="N", help="number of the colour frame, or a picture of the first frame in colour (default: the first frame)"
    )
    _add_span(sub)
    _add_tracking(sub, "tinytrack-out", "tiny-gray")


def _add_track(commands) -> None:
    sub = _command(commands, "track", "track the objects of a mask through a video, forwards and backwards", video=True)
    form = "a picture of the video's size, one colour per object on black, or a JSON file by labelme or in the format of COCO"
    more = "for masks of several frames, repeat it with their numbers: --mask 0=a.png --mask 40=b.png"
    sub.add_argument("--mask", required=True, action="append", metavar="MASK.png", help=f"{form}; {more}")
    sub.add_argument("--mask-frame", type=_whole(0), metavar="N", help="number of the frame that the mask belongs to (default: the first)")
    _add_span(sub)
    _add_tracking(sub, "tinytrack-out")


def _add_pose(commands) -> None:
    sub = _command(commands, "pose", "track named joints through a video, forwards and backwards", video=True)
    form = '{"joints": {"name": [x, y], ...}, "edges": [["a", "b"], ...]}'
    more = "for several frames, repeat it with their numbers: --joints 0=a.json --joints 40=b.json"
    others = "a joints.csv, or a file by labelme, OpenPose or DeepLabCut or in the format of COCO"
    sub.add_argument("--joints", required=True, action="append", metavar="JOINTS", help=f"{form}, {others}; {more}")
    sub.add_argument("--joints-frame", type=_whole(0), metavar="N", help="number of the frame that the joints are in (default: the first)")
    _add_span(sub)
    _add_tracking(sub, "tinytrack-out")


def _add_train(commands) -> None:
    sub = _command(commands, "train", "train a network on unlabelled video")
    sources = "a clip's name, a video, a folder of frames or of videos, a DAVIS folder (its train split), or an index.csv from 'data index'"
    sub.add_argument("sources", nargs="+", metavar="SOURCE", help=f"{sources} for more video than fits in memory")
    # the recipe
    sub.add_argument(
        "--preset", default="tiny", choices=tuple(PRESETS), help="the recipe; lab: sees colour; single: the paper's control (default: tiny)"
    )
    length = sub.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=_positive, metavar="X", help="train for this long")
    length.add_argument("--steps", type=_whole(1), metavar="N", help="number of steps (default: the preset's, or the interrupted run's)")
    sub.add_argument("--seed", type=_whole(0, 2**32 - 1), default=0, metavar="N", help="random seed (default: 0)")
    sub.add_argument("--batch", type=_whole(1), metavar="N", help="clips per step, over all processes (default: the preset's)")
    sub.add_argument("--accumulate", type=_whole(1), metavar="N", help="split each step into N micro-batches, to save memory (default: 1)")
    sub.add_argument("--clip-norm", type=_positive, metavar="X", help="clip gradients to this norm (default: no clipping)")
    sub.add_argument("--fps", type=_positive, metavar="X", help="frame rate that clips are drawn from (default: the preset's)")
    # the machine
    sub.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "bf16", "fp32"),
        help="precision of the network (default: bf16 on a GPU that supports it, otherwise fp32)",
    )
    sub.add_argument("--compile", action="store_true", help="compile the network with torch.compile first, which takes a minute or more")
    sub.add_argument(
        "--workers", type=_whole(0, 1024), metavar="N", help="processes that decode an index, for each one that trains (default: its cores)"
    )
    # files
    sub.add_argument("--save-every", type=_positive, default=30.0, metavar="S", help="seconds between checkpoints (default: 30)")
    sub.add_argument("--checkpoints", metavar="DIR", help="also keep the model as it was at steps 0, 1, 3, 10, 30, 100 ...")
    sub.add_argument("--resume", action="store_true", help="resume an interrupted run: give the same command again, with this option")
    sub.add_argument("--out", default="tinytrack-model.pt", metavar="FILE", help="the weights file (default: tinytrack-model.pt)")
    _add_device(sub)


def _add_evaluate(commands) -> None:
    sub = _command(commands, "evaluate", "score a method on videos with ground truth, or make the whole report")
    sets = sub.add_subparsers(dest="dataset", required=True, metavar="DATASET", parser_class=_Parser)
    for name, text in DATASETS.items():
        one = _command(sets, name, text)
        # where the data set is
        if name == "report":
            one.add_argument("--data", metavar="ROOT", help="a folder that holds davis, badja, pose2sim or some of them")
            one.add_argument("--out", default="tinytrack-report", metavar="DIR", help="folder for the report (default: tinytrack-report)")
            _add_device(one)
            continue
        if name == "davis":
            one.add_argument("root", metavar="ROOT", help="its folder; davis: the one that 'data fetch davis' downloaded")
            one.add_argument(
                "--year", type=int, default=2016, choices=(2016, 2017), help="2016: one foreground object; 2017: every object by itself"
            )
            one.add_argument("--split", default="val", choices=("train", "val"), help="(default: val)")
        elif name in ("badja", "pose2sim"):
            one.add_argument("root", metavar="ROOT", help="its folder")
        if name == "badja":
            one.add_argument("--davis", default="davis", metavar="ROOT", help="the DAVIS folder that holds the frames")
        # what to score
        one.add_argument("--sequences", metavar="A,B", help="only these sequences (default: all on this machine)")
        who = one.add_mutually_exclusive_group()
        _add_model(who, one, "tiny-lab")
        who.add_argument("--baseline", metavar="B", help="identity, flow, gray, lab, random, random-1 ..., random-lab, single")
        out = "folder for predictions and scores (default: tinytrack-results/DATASET-METHOD-PROTOCOL)"
        one.add_argument("--out", metavar="DIR", help=out)
        _add_device(one)


def _add_studio(commands) -> None:
    sub = _command(commands, "studio", "mark, track, correct and export your own video in the browser")
    sub.add_argument("video", nargs="?", metavar="VIDEO", help="a video to open at the start: a file, a folder of frames or a clip's name")
    sub.add_argument("--port", type=_whole(1, 65535), metavar="N", help="port of the page, on this machine only (default: a free one)")
    sub.add_argument("--no-browser", action="store_true", help="print the address instead of opening a browser")


def _add_data(commands) -> None:
    sub = _command(commands, "data", "list, fetch or verify the named clips, DAVIS and the shipped files; index a folder of videos")
    sub.add_argument("action", choices=("list", "fetch", "verify", "index"))
    names = "a clip's name, or davis, which is fetched only by name (default: all); index: the folder of videos"
    sub.add_argument("name", nargs="?", metavar="NAME", help=names)
    sub.add_argument("--out", metavar="FILE", help="index: the file to write (default: tinytrack-index.csv in the folder)")
    sub.add_argument("--workers", type=_whole(1, 1024), metavar="N", help="index: processes (default: one per core)")


def _add_figures(commands) -> None:
    sub = _command(commands, "figures", "save the figures of a notebook for your own slides, with captions and credits")
    sub.add_argument("--notebook", type=_whole(0, 99), default=0, metavar="N", help="number of the notebook, such as 05 (default: 00)")
    sub.add_argument("--out", default="tinytrack-figures", metavar="DIR", help="folder for the figures (default: tinytrack-figures)")


def _add_web(commands) -> None:
    sub = _command(commands, "web", "write a page for the browser that needs no server: point at pixels, and watch tracking emerge")
    sub.add_argument("--out", default="tinytrack-web", metavar="DIR", help="folder for the page (default: tinytrack-web)")


def _add_exercises(commands) -> None:
    sub = _command(commands, "exercises", "make notebooks with the exercises of the course, to hand out and to mark")
    form = "plain: for the command mark; nbgrader, otter: for these graders"
    sub.add_argument("--format", default="plain", choices=("plain", "nbgrader", "otter"), help=f"{form} (default: plain)")
    sub.add_argument("--out", default="tinytrack-exercises", metavar="DIR", help="folder (default: tinytrack-exercises)")
    _add_notebooks(sub, "all")


def _add_mark(commands) -> None:
    sub = _command(commands, "mark", "mark the notebooks of a class: run them, check the exercises, write marks and feedback")
    sub.add_argument("folder", metavar="FOLDER", help="one folder per student with notebooks in it, or one notebook per student")
    sub.add_argument("--out", default="tinytrack-marks", metavar="DIR", help="folder for the results (default: tinytrack-marks)")
    _add_notebooks(sub, "all that somebody handed in")
    seconds = "time for one notebook; a third of it for one cell (default: 180)"
    sub.add_argument("--seconds", type=_positive, default=180.0, metavar="S", help=seconds)
    sub.add_argument("--gigabytes", type=_positive, default=4.0, metavar="G", help="memory for one notebook (default: 4)")


def _add_notebooks(sub, default: str) -> None:
    sub.add_argument("--notebooks", metavar="N,N", help=f"numbers of the notebooks, such as 03,04 (default: {default})")
