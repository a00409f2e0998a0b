"""The report's tables and charts, all made from the stored ``results.json`` of a report and from nothing else."""

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path

import numpy as np

from . import plots
from .analysis import LEVEL, frame_scores, over_time
from .baselines import random_seed
from .draw import STYLES, label
from .files import staged_file, user_path
from .metrics import THRESHOLDS

COMMAND = "python -m tinytrack evaluate report --data ROOT --out DIR"
MAIN = "davis2016"
OUR_METHOD = "tiny-gray"
"""Ours where a figure has room for one: it sees what the paper's network sees."""
OURS = f"{MAIN}-{OUR_METHOD}-modern"
"""The run whose failures, pictures and masks are looked at."""

NAMES = {
    "davis2016": "DAVIS-2016 val",
    "davis2017": "DAVIS-2017 val",
    "badja": "BADJA",
    "pose2sim": "pose2sim",
    "carphone": "carphone",
    "synth": "synthetic scenes",
}
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
    "dissolve": "The longest video, so the most copies of copies. The soft map stays on the object, but stray copies take from its"
    " mass, until it sinks below one half and argmax gives the pixel to the background. The balanced reading divides each map by a part"
    " of the share of the frame that it holds.",
    "overlays": "Masks carried from the first frame, two of the best videos and two of the worst by J: see how it fails.",
}


def key_of(run: Mapping) -> str:
    """The data set of a stored run: "davis2016", "badja" ..."""
    return f"{run['dataset']['name']}{run['dataset'].get('year', '')}"


def runs_of(results: Mapping, dataset: str, protocol: str | None = None) -> dict[str, dict]:
    """Runs on one data set by name of the run; with ``protocol`` those of it, and methods that have none, by name of the method."""
    runs = {name: run for name, run in results["runs"].items() if key_of(run) == dataset}
    if protocol is None:
        return runs
    return {run["method"]["name"]: run for run in runs.values() if run["method"]["protocol"] in (None, protocol)}


def draw_report(results: Mapping, out: str | os.PathLike) -> None:
    """Draw figures 1 to 5 into ``out/figures`` and write ``out/report.md``: what the stored results allow.

    Args:
        results: what ``out/results.json`` holds.

    Raises:
        OutputError: if they cannot be written.
    """
    out = user_path(out)
    charts = {"table1": score_chart, "j_over_time": over_time_chart, "pck": pck_chart}
    charts |= {"emergence": emergence_chart, "failures": failure_chart}
    drawn = set()
    for name, draw in charts.items():
        figure = draw(results)
        if figure is not None:
            save_figure(figure, out, name)
            drawn.add(name)
    with staged_file(out / "report.md") as scratch:
        scratch.write_text(report_page(results, drawn), encoding="utf-8")


def save_figure(figure, out: Path, name: str) -> None:
    """Write ``out/figures/NAME.png``, all or nothing."""
    with staged_file(out / "figures" / f"{name}.png") as scratch:
        figure.savefig(scratch, facecolor="white", bbox_inches="tight", pad_inches=0.1)


def seeds(runs: Mapping[str, dict], metric: str) -> np.ndarray:
    """A metric of the random network that sees gray under every seed there is, in percent."""
    return np.array([100 * run["summary"][metric] for name, run in runs.items() if random_seed(name) is not None])


def score_chart(results: Mapping):
    """Figure 1. The random network stands once, as the mean over its seeds with their standard deviation."""
    runs = {protocol: runs_of(results, MAIN, protocol) for protocol in ("modern", "paper")}
    methods = [m for m in STYLES if any(m in part for part in runs.values())]
    if not methods:
        return None
    scores = {p: np.full((len(methods), 2), np.nan) for p in ("", "modern", "paper")}
    spread = {"modern": np.full((len(methods), 2), np.nan)}
    for row, method in enumerate(methods):
        for protocol, part in runs.items():
            for c, metric in enumerate("JF"):
                if method not in part:
                    continue
                values = seeds(part, metric) if method == "random" else np.array([100 * part[method]["summary"][metric]])
                scores[protocol if part[method]["method"]["protocol"] else ""][row, c] = values.mean()
                if len(values) > 1:
                    spread[protocol][row, c] = values.std(ddof=1)
    scores = {p: values for p, values in scores.items() if np.isfinite(values).any()}
    count = max(run["summary"]["videos"] for part in runs.values() for run in part.values())
    return plots.protocol_bars(methods, scores, spread, f"How well are masks carried? {NAMES[MAIN]}, {count} videos", ["J", "F"])


def over_time_chart(results: Mapping):
    """Figure 2."""
    runs = runs_of(results, MAIN, "modern")
    curves = {}
    for method in (OUR_METHOD, "flow", "identity", "random"):
        if method in runs:
            curve = over_time(runs[method]["sequences"])
            curves[method] = curve | {part: 100 * curve[part] for part in ("mean", "low", "high")}
    if not curves:
        return None
    return plots.over_time(curves, ["random"], f"How long does tracking last? {NAMES[MAIN]}, modern protocol", LEVEL)


def pck_chart(results: Mapping):
    """Figure 3."""
    panels = {}
    for dataset, name in NAMES.items():
        runs = {m: run for m, run in runs_of(results, dataset, "modern").items() if "pck" in run["summary"] and m in STYLES}
        if runs:
            count = next(iter(runs.values()))["summary"]["videos"]
            pseudo = ", pseudo ground truth" * (dataset == "pose2sim")
            title = f"{name} ({count} video{'s' * (count > 1)}{pseudo})"
            panels[title] = {m: [100 * v for v in runs[m]["summary"]["pck"]] for m in STYLES if m in runs}
    if not panels:
        return None
    return plots.pck_curves(panels, THRESHOLDS, "How well are joints carried? Modern protocol; a lost joint counts as wrong")


def emergence_chart(results: Mapping):
    """Figure 4."""
    rows = results["emergence"]
    if not rows:
        return None
    runs = runs_of(results, MAIN, "modern")
    levels = {m: 100 * runs[m]["summary"]["J"] for m in ("identity", "gray") if m in runs}
    summaries = [row["summary"] for row in rows]
    scores = {metric: [100 * s[metric] for s in summaries] for metric in ("J", "J&F")}
    names = {"everywhere": "color_error", "on the object": "object_color_error"}
    errors = {name: [s[key] for s in summaries] for name, key in names.items() if all(s.get(key) is not None for s in summaries)}
    training = results["training"]
    loss = None
    if training and training["loss"]:
        width = training["steps"] / len(training["loss"])
        loss = (width * (np.arange(len(training["loss"])) + 0.5), training["loss"])
    title = f"Does tracking emerge while it only learns to colour? {NAMES[MAIN]}, {summaries[0]['videos']} videos, modern protocol"
    return plots.emergence([row["step"] for row in rows], scores, levels, errors, loss, title)


def _says(name: str, answer: Mapping) -> str:
    """One rank correlation in words: "over videos -0.52 [-0.80, -0.10]"."""
    if answer["rho"] is None:
        return f"{name}: too few to say"
    ends = answer["interval"] and f" [{answer['interval'][0]:+.2f}, {answer['interval'][1]:+.2f}]"
    return f"{name} {answer['rho']:+.2f}{ends or ''}"


def failure_chart(results: Mapping):
    """Figure 5."""
    numbers = results["failures"].get("object_color_error")
    if not numbers:
        return None
    videos = {name: record for name, record in results["runs"][OURS]["sequences"].items() if "object_color_error" in record}
    error = [np.array(record["object_color_error"], np.float64) for record in videos.values()]
    j = [100 * frame_scores(record) for record in videos.values()]
    there = ~np.isnan(np.concatenate(error))
    means = ([np.nanmean(e) for e in error], [np.mean(v[~np.isnan(e)]) for e, v in zip(error, j, strict=True)])
    captions = (
        f"{numbers['videos']} videos, a dot each (means)\nrank correlation {_says('over videos', numbers['per_video'])}",
        f"{numbers['frames']:,} frames, a dot each\nrank correlation {_says('over frames', numbers['per_frame'])}\n"
        f"{_says('within videos', numbers['within_videos'])}; {_says('time removed', numbers['time_removed'])}",
    )
    title = f"Does tracking fail where colouring fails? {NAMES[MAIN]}, {label(OUR_METHOD)}, {100 * LEVEL:.0f} % intervals in brackets"
    frame = (np.concatenate(error)[there], np.concatenate(j)[there])
    return plots.failures(list(videos), means, frame, captions, title)


def _percent(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{100 * value:.{digits}f}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, ending in a line break."""
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
    """Table 1: J and F of every method and protocol on one data set in percent, "" without runs that have masks."""
    rows = []
    for protocol in ("modern", "windowed", "paper"):
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
    """J of every video in percent, a column a method (modern protocol), the mean last."""
    runs = {m: run for m, run in runs_of(results, dataset, "modern").items() if "J" in run["summary"]}
    videos = next(iter(runs.values()))["dataset"]["sequences"]
    rows = [[v, *(_percent(frame_scores(run["sequences"][v]).mean()) for run in runs.values())] for v in videos]
    mean = ["mean over objects", *(_percent(run["summary"]["J"]) for run in runs.values())]
    return markdown(["video", *runs], [*rows, mean])


def joint_table(results: Mapping) -> str:
    """Table 2: PCK of every method on every data set with joints, "" without any."""
    rows = []
    for dataset, name in NAMES.items():
        for method, run in runs_of(results, dataset, "modern").items():
            if "pck" in run["summary"]:
                pseudo = " (pseudo ground truth)" * (dataset == "pose2sim")
                rows.append([name + pseudo, str(run["summary"]["videos"]), label(method), *map(_percent, run["summary"]["pck"])])
    return markdown(["data set", "videos", "method", *(f"PCK@{t}" for t in THRESHOLDS)], rows) if rows else ""


def emergence_table(results: Mapping) -> str:
    """The numbers behind figure 4, and what each checkpoint cost: the minutes trained so far."""

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
    """The numbers behind figure 5, for the colours on the object and everywhere."""
    kinds = {"object_color_error": "colour error on the object", "color_error": "colour error everywhere"}
    kinds = {key: name for key, name in kinds.items() if key in results["failures"]}
    rows = [[text, *(_says("", results["failures"][k][q]).strip(": ") for k in kinds)] for q, text in QUESTIONS.items()]
    return markdown(["rank correlation with J", *kinds.values()], rows)


def _figure(name: str, text: str) -> str:
    return f"![{name}](figures/{name}.png)\n\n{text}\n"


def _made_by(dataset: str) -> str:
    return f"`{COMMANDS[dataset]} --model {OUR_METHOD}` (or `--baseline NAME`) `--protocol P`"


def _notes(results: Mapping, dataset: str) -> str:
    """How many videos, and what the data set itself says."""
    facts = next(iter(runs_of(results, dataset).values()))
    objects = f", {facts['summary']['objects']} objects" if "objects" in facts["summary"] else ""
    note = f" Note: {facts['dataset']['note']}." if facts["dataset"].get("note") else ""
    return f"{facts['summary']['videos']} video(s){objects}.{note}"


def report_page(results: Mapping, drawn: Set[str]) -> str:
    """``report.md``: every table, every figure with what to see in it, what was left out.

    Args:
        results: of the whole report.
        drawn: the charts that were drawn, by name of the file.
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
    """Masks: table 1 of each data set, the paper's numbers apart from it, J of each video, J over time."""
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
    """Joints: table 2 and its curves."""
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
    """Tracking emerges: figure 4 and its numbers."""
    if not results["emergence"]:
        return []
    text = (
        "See J rise on video that it never saw while the network learns to colour, never to track; the dashed lines need no training."
        f" The minutes in the table are those trained so far. Made by `{COMMAND}` from one training run with `--checkpoints`."
    )
    return ["## Tracking emerges\n", emergence_table(results), *([_figure("emergence", text)] if "emergence" in drawn else [])]


def _failure_part(results: Mapping, drawn: Set[str]) -> list[str]:
    """Failures: the rank correlations, what exactly they are, figure 5."""
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
    """What the command prints: the main scores, what was left out, where everything is."""
    lines = []
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
    lines += [f"tracking emerges, step {row['step']:>6}: J {100 * row['summary']['J']:.1f}" for row in results["emergence"]]
    lines += [f"left out: {item}" for item in results["left_out"]]
    lines.append(f"tables and figures: {Path(out) / 'report.md'}, all numbers: {Path(out) / 'results.json'}")
    return "\n".join(lines) + "\n"
