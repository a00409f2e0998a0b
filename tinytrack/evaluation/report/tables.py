"""Make the tables and the text of the report from its stored results alone."""

from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path

from ...draw.style import label
from ...propagate import FINE
from ..baselines import random_seed
from ..metrics import THRESHOLDS
from ..statistics import LEVEL, frame_scores
from .results import MAIN, NAMES, OUR_METHOD, correlation_text, runs_of, seeds

COMMAND = "python -m tinytrack evaluate report --data ROOT --out DIR"
COMMANDS = {
    "davis2016": "python -m tinytrack evaluate davis ROOT/davis",
    "davis2017": "python -m tinytrack evaluate davis ROOT/davis --year 2017",
    "badja": "python -m tinytrack evaluate badja ROOT/badja --davis ROOT/davis",
    "pose2sim": "python -m tinytrack evaluate pose2sim ROOT/pose2sim",
    "carphone": "python -m tinytrack evaluate carphone",
    "synth": "python -m tinytrack evaluate synth",
}
PAPER = """\
### The paper's numbers, on another data set (DAVIS 2017 val, 30 videos, 61 objects): not to be compared line by line

| method (Vondrick et al., 2018) | J | F |
|---|---|---|
| identity | 22.1 | 23.6 |
| single-image colorization | 4.7 | 5.2 |
| optical flow, coarse to fine | 13.0 | 15.1 |
| FlowNet2 | 26.7 | 25.2 |
| the paper's model | 34.6 | 32.7 |
| fully supervised | 55.1 | 62.1 |
"""
SEE_COLOR = "The methods whose names end in *lab* see colour, the others do not."
PICTURES = {
    "embeddings": "Three principal components of the embeddings as colours: see whether one thing keeps one colour through the video, and"
    " whether it does so in the untrained rows too. The video is the one whose J is the median, not a chosen one.",
    "pointer": "The attention (Eq. 2) of three target pixels over the frames that tracking keeps as references, four of which are shown,"
    " without window and top-k: see how sharp it is, and what else looks alike.",
    "dissolve": "The longest video, and so the most propagation steps. The soft map stays on the object, but stray copies take from its"
    " mass, until it sinks below one half and argmax gives the pixel to the background. The balanced read-out divides each map by a part"
    " of the share of the frame that it holds.",
    "overlays": "Masks propagated from the first frame, two of the best videos and two of the worst by J: see how it fails.",
}


def _percent(value: float | None, digits: int = 1) -> str:
    """Format a share in percent; "" for None."""
    return "" if value is None else f"{100 * value:.{digits}f}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table; it ends in a line break."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


MASK_METRICS = {
    "J": "J",
    "J_recall": "J recall",
    "J_decay": "J decay",
    "F": "F",
    "F_recall": "F recall",
    "F_decay": "F decay",
    "J&F": "J&F",
}


def mask_table(results: Mapping, dataset: str) -> str:
    """Make table 1: J and F of every method and protocol on one data set in percent; "" if no run has masks."""
    rows = []
    for protocol in ("modern", "refined", FINE.name, "windowed", "paper"):
        runs = runs_of(results, dataset, protocol)
        for method, run in runs.items():
            if "J" not in run["summary"] or random_seed(method) or (protocol != "modern" and not run["method"]["protocol"]):
                continue
            cells = [_percent(run["summary"][m]) for m in MASK_METRICS]
            name = label(method)
            if method == "random" and len(seeds(runs, "J")) > 1:
                cells = [f"{seeds(runs, m).mean():.1f} ± {seeds(runs, m).std(ddof=1):.1f}" for m in MASK_METRICS]
                name += f", {len(seeds(runs, 'J'))} seeds"
            rows.append([name, run["method"]["protocol"] or "none", *cells, f"{run['summary']['seconds_per_frame']:.3f}"])
    return markdown(["method", "protocol", *MASK_METRICS.values(), "s/frame"], rows) if rows else ""


def sequence_table(results: Mapping, dataset: str) -> str:
    """Make the table of J per video in percent, one column per method (modern protocol), the mean in the last row."""
    runs = {m: run for m, run in runs_of(results, dataset, "modern").items() if "J" in run["summary"]}
    videos = next(iter(runs.values()))["dataset"]["sequences"]
    rows = [[v, *(_percent(frame_scores(run["sequences"][v]).mean()) for run in runs.values())] for v in videos]
    mean = ["mean over objects", *(_percent(run["summary"]["J"]) for run in runs.values())]
    return markdown(["video", *runs], [*rows, mean])


def joint_table(results: Mapping) -> str:
    """Make table 2: PCK of every method on every data set with keypoints; "" if there is none."""
    rows = []
    for dataset, name in NAMES.items():
        name += " (pseudo ground truth)" if dataset == "pose2sim" else ""
        for protocol in ("modern", FINE.name):
            for method, run in runs_of(results, dataset, protocol).items():
                rules = run["method"]["protocol"] or "none"
                if "pck" in run["summary"] and (rules == protocol or protocol == "modern"):
                    scores = map(_percent, run["summary"]["pck"])
                    rows.append([name, str(run["summary"]["videos"]), label(method), rules, *scores])
    return markdown(["data set", "videos", "method", "protocol", *(f"PCK@{t}" for t in THRESHOLDS)], rows) if rows else ""


def emergence_table(results: Mapping) -> str:
    """Make the table behind figure 4, with the minutes of training up to each checkpoint."""

    def number(value):
        return "" if value is None else f"{value:.2f}"

    rows = []
    for row in results["emergence"]:
        s = row["summary"]
        cells = [_percent(s["J"]), _percent(s["F"]), _percent(s["J&F"]), number(s.get("color_error")), number(s.get("object_color_error"))]
        rows.append([f"{row['step']:,}", number(row.get("minutes")) or "-", *cells, _percent(s.get("wrong_cluster"))])
    header = ["training step", "minutes", "J", "F", "J&F"]
    header += ["colour error (Lab units)", "on the object", "cells in the wrong colour cluster (%)"]
    return markdown(header, rows)


QUESTIONS = {
    "per_video": "over videos: means of each",
    "per_frame": "over frames of all videos",
    "within_videos": "over frames, ranked within their video",
    "time_removed": "the same, effect of time removed",
}


def failure_table(results: Mapping) -> str:
    """Make the table behind figure 5, for the colours on the object and everywhere."""
    kinds = {"object_color_error": "colour error on the object", "color_error": "colour error everywhere"}
    kinds = {key: name for key, name in kinds.items() if key in results["failures"]}
    rows = [[text, *(correlation_text("", results["failures"][k][q]).strip(": ") for k in kinds)] for q, text in QUESTIONS.items()]
    return markdown(["rank correlation with J", *kinds.values()], rows)


def _figure(name: str, text: str) -> str:
    """Format a figure with its caption."""
    return f"![{name}](figures/{name}.png)\n\n{text}\n"


def _made_by(dataset: str) -> str:
    """Format the command that makes one line of a table."""
    rows = f", and `--rows 240` for `refined`, which is `{FINE.name}` otherwise" if dataset.startswith("davis") else ""
    return f"`{COMMANDS[dataset]} --model {OUR_METHOD}` (or `--baseline NAME`) `--protocol P`{rows}"


def _notes(results: Mapping, dataset: str) -> str:
    """Describe a data set: its number of videos and objects, and its own note."""
    facts = next(iter(runs_of(results, dataset).values()))
    objects = f", {facts['summary']['objects']} objects" if "objects" in facts["summary"] else ""
    note = f" Note: {facts['dataset']['note']}." if facts["dataset"].get("note") else ""
    return f"{facts['summary']['videos']} video(s){objects}.{note}"


def report_page(results: Mapping, drawn: Set[str]) -> str:
    """Compose ``report.md``: every table, every figure with what to look for in it, and what was left out.

    Args:
        results: of the whole report.
        drawn: names of the charts that were drawn, as in their file names.
    """
    parts = [
        "# Report\n",
        f"Everything here was made by `{COMMAND}`; each number stands in `results.json` beside this page. Scores are in percent."
        " The command under a table makes one line of it.\n",
        *_mask_part(results, drawn),
        *_joint_part(results, drawn),
        *_emergence_part(results, drawn),
        *_failure_part(results, drawn),
    ]
    if results["pictures"]:
        parts.append("## Pictures\n")
        parts += [_figure(name, f"{PICTURES[name]} Made by `{COMMAND}` on {videos}.") for name, videos in results["pictures"].items()]
    parts.append("## Left out\n")
    parts.append("".join(f"- {item}\n" for item in results["left_out"]) or "Nothing.\n")
    return "\n".join(parts)


def _mask_part(results: Mapping, drawn: Set[str]) -> list[str]:
    """Compose the part on masks: table 1 of each data set, J of each video, J over time, and the paper's numbers apart from them."""
    parts = ["## Masks: J and F\n"]
    for dataset, name in NAMES.items():
        table = mask_table(results, dataset)
        if not table:
            continue
        number = "Table 1. " if dataset == MAIN else ""
        parts += [f"### {number}{name}\n", f"{_notes(results, dataset)} Made by {_made_by(dataset)}.\n", table]
        if dataset != MAIN:
            continue
        if "table1" in drawn:
            parts.append(
                _figure("table1", f"See what learning adds to features that cost nothing, and what the protocol adds. Made by `{COMMAND}`.")
            )
        parts += ["### J of each video, modern protocol\n", f"Made by {_made_by(dataset)}. {SEE_COLOR}\n", sequence_table(results, dataset)]
        if "j_over_time" in drawn:
            text = (
                "Mean J against frame number, the paper's figure 5: see how fast each way of tracking decays. Videos end at different"
                f" frames; the curves stop where fewer than three are left. Made by `{COMMAND}`."
            )
            parts.append(_figure("j_over_time", text))
    return [*parts, PAPER]


def _joint_part(results: Mapping, drawn: Set[str]) -> list[str]:
    """Compose the part on keypoints: table 2 and its curves."""
    table = joint_table(results)
    if not table:
        return []
    here = [d for d in NAMES if any("pck" in run["summary"] for run in runs_of(results, d).values())]
    notes = "".join(f"- {NAMES[d]}: {_notes(results, d)} Made by {_made_by(d)}.\n" for d in here)
    text = f"See how many joints lie near the truth, at each tolerance. Made by `{COMMAND}`."
    return [
        "## Joints: PCK\n",
        "Table 2. A joint is found if it lies within the threshold x 0.6 x the diagonal of the true joints' box; a lost joint counts as"
        " wrong. pose2sim has pseudo ground truth: its joints were detected by another network, not labelled.\n",
        table,
        notes,
        *([_figure("pck", text)] if "pck" in drawn else []),
    ]


def _emergence_part(results: Mapping, drawn: Set[str]) -> list[str]:
    """Compose the part on emergence: figure 4 and its numbers."""
    if not results["emergence"]:
        return []
    text = (
        "See J rise on video that it never saw while the network learns to colour, never to track; the dashed lines need no training."
        f" The minutes in the table are those trained so far. Made by `{COMMAND}` from one training run with `--checkpoints`."
    )
    return ["## Tracking emerges\n", emergence_table(results), *([_figure("emergence", text)] if "emergence" in drawn else [])]


def _failure_part(results: Mapping, drawn: Set[str]) -> list[str]:
    """Compose the part on failures: the rank correlations, how they are defined, and figure 5."""
    if not results["failures"]:
        return []
    explained = (
        f"Spearman's rank correlation between colour error and J, with {100 * LEVEL:.0f} % bootstrap intervals that draw whole videos."
        " Negative: where colours are wrong, masks are. *Ranked within their video*: both are replaced by their ranks among the frames"
        " of their video, which takes out what differs between videos. *Effect of time removed*: from these ranks their least-squares"
        " line on the frame number's rank is taken, in each video, and the residuals of all videos are correlated; without this, two"
        " things that merely get worse with time would agree.\n"
    )
    text = f"See whether the dots fall to the right, and how much of it is left once time is removed. Made by `{COMMAND}`."
    parts = ["## Are failures to track failures to colour?\n", explained, failure_table(results)]
    return [*parts, *([_figure("failures", text)] if "failures" in drawn else [])]


def summary_text(results: Mapping, out: str) -> str:
    """Compose what the command prints: the main scores, what was left out, and where everything is."""
    lines = []
    # one block per data set
    for dataset, name in NAMES.items():
        runs = runs_of(results, dataset)
        if not runs:
            continue
        summaries = [run["summary"] for run in runs.values()]
        header = [m for m in ("J", "F", "J&F") if "J" in summaries[0]] + [f"PCK@{t}" for t in THRESHOLDS if "pck" in summaries[0]]
        title = f"{name}, {summaries[0]['videos']} video(s)"
        lines.append(f"{title:<36}" + "".join(f"{h:>9}" for h in header))
        for run, s in zip(runs.values(), summaries, strict=True):
            protocol = run["method"]["protocol"]
            cells = [s[m] for m in ("J", "F", "J&F") if m in s] + s.get("pck", [])
            title = f"  {run['method']['name']}{f', {protocol} protocol' if protocol else ''}"
            lines.append(f"{title:<36}" + "".join(f"{100 * v:>9.1f}" for v in cells))
    # emergence, what is missing, where to look
    lines += [f"tracking emerges, step {row['step']:>6}: J {100 * row['summary']['J']:.1f}" for row in results["emergence"]]
    lines += [f"left out: {item}" for item in results["left_out"]]
    lines.append(f"tables and figures: {Path(out) / 'report.md'}, all numbers: {Path(out) / 'results.json'}")
    return "\n".join(lines) + "\n"
