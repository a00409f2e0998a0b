"""Make the charts of the report from its stored results alone."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...draw.style import STYLES, label
from ...io.paths import user_path
from ...io.results import result_file
from ..metrics import THRESHOLDS
from ..statistics import LEVEL, frame_scores, over_time
from . import plots
from .results import COMMAND, MAIN, NAMES, OUR_METHOD, OURS, correlation_text, report_folder, runs_of, seeds
from .tables import report_page


def draw_report(results: Mapping, out: str | os.PathLike) -> None:
    """Draw figures 1 to 5 into ``out/figures`` and write ``out/report.md``, as far as the stored results allow.

    Args:
        results: the content of ``out/results.json``.
        out: the folder of the report.

    Raises:
        OutputError: if a file cannot be written; see :func:`~tinytrack.evaluation.report.results.report_folder`.
    """
    out = user_path(out)
    charts = {"table1": score_chart, "j_over_time": over_time_chart, "pck": pck_chart}
    charts |= {"emergence": emergence_chart, "failures": failure_chart}
    drawn = set()
    with report_folder(out):
        for name, draw in charts.items():
            figure = draw(results)
            if figure is not None:
                save_figure(figure, out, name)
                drawn.add(name)
        with result_file(out, COMMAND, "report.md") as scratch:
            scratch.write_text(report_page(results, drawn), encoding="utf-8")


def save_figure(figure, out: Path, name: str) -> None:
    """Write ``out/figures/NAME.png`` atomically."""
    with result_file(out, COMMAND, f"figures/{name}.png") as scratch:
        figure.savefig(scratch, facecolor="white", bbox_inches="tight", pad_inches=0.1)


def score_chart(results: Mapping):
    """Draw figure 1, where the random network appears once: the mean over its seeds, with their standard deviation."""
    # the methods with runs on the main data set
    runs = {protocol: runs_of(results, MAIN, protocol) for protocol in ("modern", "paper")}
    methods = [m for m in STYLES if any(m in part for part in runs.values())]
    if not methods:
        return None
    scores = {p: np.full((len(methods), 2), np.nan) for p in ("", "modern", "paper")}
    spread = {"modern": np.full((len(methods), 2), np.nan)}
    # scores in percent, per protocol
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
    return plots.protocol_bars(methods, scores, spread, f"How well are masks propagated? {NAMES[MAIN]}, {count} videos", ["J", "F"])


def over_time_chart(results: Mapping):
    """Draw figure 2; None without runs."""
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
    """Draw figure 3; None without runs on keypoints."""
    panels = {}
    for dataset, name in NAMES.items():
        runs = {m: run for m, run in runs_of(results, dataset, "modern").items() if "pck" in run["summary"] and m in STYLES}
        if runs:
            count = next(iter(runs.values()))["summary"]["videos"]
            pseudo = ", pseudo ground truth" if dataset == "pose2sim" else ""
            title = f"{name} ({count} video{'s' if count > 1 else ''}{pseudo})"
            panels[title] = {m: [100 * v for v in runs[m]["summary"]["pck"]] for m in STYLES if m in runs}
    if not panels:
        return None
    return plots.pck_curves(panels, THRESHOLDS, "How well are keypoints propagated? Modern protocol; a lost keypoint counts as wrong")


def emergence_chart(results: Mapping):
    """Draw figure 4; None without scored checkpoints."""
    rows = results["emergence"]
    if not rows:
        return None
    runs = runs_of(results, MAIN, "modern")
    # scores and colour errors of the checkpoints
    levels = {m: 100 * runs[m]["summary"]["J"] for m in ("identity", "gray") if m in runs}
    summaries = [row["summary"] for row in rows]
    scores = {metric: [100 * s[metric] for s in summaries] for metric in ("J", "J&F")}
    names = {"everywhere": "color_error", "on the object": "object_color_error"}
    errors = {name: [s[key] for s in summaries] for name, key in names.items() if all(s.get(key) is not None for s in summaries)}
    # the loss, at the middle of the steps that each value averages
    training = results["training"]
    loss = None
    if training and training["loss"]:
        width = training["steps"] / len(training["loss"])
        loss = (width * (np.arange(len(training["loss"])) + 0.5), training["loss"])
    title = f"Does tracking emerge while the network only learns to colour? {NAMES[MAIN]}, {summaries[0]['videos']} videos, modern protocol"
    return plots.emergence([row["step"] for row in rows], scores, levels, errors, loss, title)


def failure_chart(results: Mapping):
    """Draw figure 5; None without colour errors."""
    numbers = results["failures"].get("object_color_error")
    if not numbers:
        return None
    # colour error and J of every frame, and their means per video
    videos = {name: record for name, record in results["runs"][OURS]["sequences"].items() if "object_color_error" in record}
    error = [np.array(record["object_color_error"], np.float64) for record in videos.values()]
    j = [100 * frame_scores(record) for record in videos.values()]
    valid = ~np.isnan(np.concatenate(error))
    means = ([np.nanmean(e) for e in error], [np.mean(v[~np.isnan(e)]) for e, v in zip(error, j, strict=True)])
    # the texts
    captions = (
        f"{numbers['videos']} videos, a dot each (means)\nrank correlation {correlation_text('over videos', numbers['per_video'])}",
        f"{numbers['frames']:,} frames, a dot each\nrank correlation {correlation_text('over frames', numbers['per_frame'])}\n"
        f"{correlation_text('within videos', numbers['within_videos'])}; {correlation_text('time removed', numbers['time_removed'])}",
    )
    title = f"Does tracking fail where colouring fails? {NAMES[MAIN]}, {label(OUR_METHOD)}, {100 * LEVEL:.0f} % intervals in brackets"
    frame = (np.concatenate(error)[valid], np.concatenate(j)[valid])
    return plots.failures(list(videos), means, frame, captions, title)
