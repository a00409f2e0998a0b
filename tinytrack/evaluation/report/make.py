"""Make the whole report: evaluate every method on every data set on this machine, train a network, draw the tables and figures."""

import functools
import importlib.util
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...datasets.clips import CLIPS
from ...datasets.davis_download import davis_root
from ...datasets.folders import training_videos
from ...datasets.truth import Dataset, Truth, open_dataset
from ...errors import ClipError, ModelError, TinytrackError
from ...io.paths import SHIPPED, user_path
from ...model import Model, load_model
from ...propagate import FINE, MODERN, PROTOCOLS
from ...recipe import TINY
from ...training.checkpoint import checkpoint_path
from ...training.fit import fit
from ...training.sources import load_shots
from ..baselines import FOLLOWERS, baseline_model
from ..methods import Method, find_method, model_method, run_name
from ..scoring import evaluate, read_results
from ..statistics import failures, frame_scores
from .charts import draw_report, save_figure
from .pictures import dissolve_figure, embedding_figure, overlay_figure, pointer_figure
from .results import BY, FORMAT, MAIN, OUR_METHOD, OURS, report_folder, write_report
from .tables import summary_text

# Data set -> (methods, protocols).
PLAN = {
    "davis2016": ("identity flow gray lab random random-1 random-2 random-lab single tiny-gray tiny-lab", "modern paper"),
    "davis2017": ("identity flow gray lab random random-lab tiny-gray tiny-lab", "modern paper"),
    "badja": ("identity flow gray lab random random-lab single tiny-gray tiny-lab", "modern"),
    "pose2sim": ("identity flow gray lab random random-lab single tiny-gray tiny-lab", "modern"),
    "carphone": ("identity flow gray lab random random-lab single tiny-gray tiny-lab", "modern"),
    "synth": ("identity flow gray lab random random-lab single tiny-gray tiny-lab", "modern"),
}
# Methods that are not run with the paper's protocol: further seeds, and networks that see colour, unlike the paper's.
MODERN_ONLY = ("random-1", "random-2", "random-lab", "tiny-lab")
# Data set -> further protocols -> methods. "windowed" shows what searching the first frame without a window changes, "refined" what the
# gate and the guided filter change, and FINE what finer cells do, in videos that are large enough for them.
BOTH_SIGHTS = ("gray", "lab", "random", "random-lab", "tiny-gray", "tiny-lab")
MORE_PROTOCOLS = {
    "davis2016": {"refined": BOTH_SIGHTS, FINE.name: BOTH_SIGHTS, "windowed": ("gray", "tiny-gray")},
    "badja": {FINE.name: BOTH_SIGHTS},
    "pose2sim": {FINE.name: BOTH_SIGHTS},
}
# Checkpoints of a training run that are scored, besides its last one. Each takes minutes, and these are enough to show the curve.
SCORED_STEPS = (0, 10, 30, 100, 300, 1000, 3000, 10_000)


@dataclass(frozen=True)
class Run:
    """One data set, one method, one protocol (None for methods without a pointer)."""

    dataset: str
    method: str
    protocol: str | None


def plan_runs(datasets: Iterable[str], missing: Iterable[str] = ()) -> list[Run]:
    """List what to evaluate, in order.

    Args:
        datasets: keys of :data:`PLAN` that are on this machine.
        missing: methods that cannot run on it.
    """
    missing = set(missing)
    plan = []
    for dataset in datasets:
        methods, protocols = (words.split() for words in PLAN[dataset])
        for method in methods:
            if method in missing:
                continue
            if method in FOLLOWERS:
                plan.append(Run(dataset, method, None))
            else:
                plan += [Run(dataset, method, p) for p in protocols if p == "modern" or method not in MODERN_ONLY]
            plan += [Run(dataset, method, p) for p, methods in MORE_PROTOCOLS.get(dataset, {}).items() if method in methods]
    return plan


def find_data(data: str | os.PathLike | None) -> tuple[dict[str, dict], list[str]]:
    """Find the data sets on this machine.

    Args:
        data: a folder that contains any of davis, badja, pose2sim; None: the folder that ``TINYTRACK_DATA`` names, if any. If it has
            no davis, the fetched DAVIS is used.

    Returns:
        Key of :data:`PLAN` -> arguments of :func:`tinytrack.datasets.truth.open_dataset`; and one text per data set that is missing.

    Raises:
        TinytrackError: if ``data`` is given but is not a folder.
    """
    # the folders
    data = data or os.environ.get("TINYTRACK_DATA")
    root = user_path(data) if data else None
    if root is not None and not root.is_dir():
        raise TinytrackError(f"'{data}' is not a folder: expected one with davis, badja, pose2sim in it")
    why = {name: f"no folder {name} in the data" if root else "no data folder was given" for name in ("davis", "badja", "pose2sim")}
    folder = {name: root / name for name in why if root is not None and (root / name).is_dir()}
    if "davis" not in folder:
        try:
            folder["davis"] = davis_root("davis")
        except ClipError:
            why["davis"] += ", and it was not fetched"
    # the data sets that they are enough for
    found, left_out = {}, [f"{name} ({why[name]})" for name in why if name not in folder]
    if "davis" in folder:
        found["davis2016"] = {"name": "davis", "root": folder["davis"], "year": 2016}
        if (folder["davis"] / "ImageSets" / "2017" / "val.txt").is_file():
            found["davis2017"] = found["davis2016"] | {"year": 2017}
        else:
            left_out.append("davis 2017 (the DAVIS folder has no list of its val split)")
    if "badja" in folder and "davis" in folder:
        found["badja"] = {"name": "badja", "root": folder["badja"], "davis": folder["davis"]}
    elif "badja" in folder:
        left_out.append("badja (its frames are those of DAVIS, which is missing)")
    if "pose2sim" in folder:
        found["pose2sim"] = {"name": "pose2sim", "root": folder["pose2sim"]}
    if CLIPS["carphone"].file.is_file():
        found["carphone"] = {"name": "carphone"}
    else:
        left_out.append(f"carphone (install it with 'pip install {CLIPS['carphone'].package}')")
    return found | {"synth": {"name": "synth"}}, left_out


def missing_methods() -> dict[str, str]:
    """List the methods that cannot run on this machine: name -> why."""
    missing = {}
    if importlib.util.find_spec("cv2") is None:
        missing["flow"] = "OpenCV is not installed"
    try:
        baseline_model("single")
    except ModelError:
        missing["single"] = "its weights are not here"
    return missing


def make_report(data: str | None, out: str, device: str = "cpu") -> str:
    """Evaluate everything that the available data allow, then make all tables and figures; a stopped report resumes where it was.

    Writes ``out/RUN/`` for each run as the command ``evaluate`` does, ``out/emergence/``, ``out/results.json``, ``out/figures/`` and
    ``out/report.md``.

    Args:
        data: see :func:`find_data`.
        out: the folder of the report.
        device: where networks run.

    Returns:
        The scores, what was left out and where everything is, as text.

    Raises:
        TinytrackError: if ``out`` holds results of another data set, method or version. Errors of data sets and the tracker are passed on.
        OutputError: if the report would replace something in ``out`` that no report made.
    """
    try:
        return _make_report(data, out, device)
    except KeyboardInterrupt:
        if not user_path(out).exists():
            raise
        raise TinytrackError(f"interrupted: finished parts are kept in '{out}', the same command continues with the others") from None


def _make_report(data: str | None, out: str, device: str) -> str:
    """Like :func:`make_report`, but without turning an interruption into an error."""
    folder = user_path(out)
    # find data sets and methods on this machine
    sources, left_out = find_data(data)
    missing = missing_methods()
    left_out += [f"the method {name} ({why})" for name, why in missing.items()]
    for source in sources.values():
        open_dataset(**source)  # report broken data now, not after hours
    with report_folder(folder):
        # evaluate every method on every data set
        load = functools.cache(lambda name: load_model(name, device) if name in SHIPPED else baseline_model(name, device))
        runs = {}
        for run in plan_runs(sources, missing):
            dataset, method = open_dataset(**sources[run.dataset]), _method(run, load)
            name = run_name(dataset, method)
            runs[name] = _track(method, dataset, folder / name)
        checkpoints, training, notes = emergence(sources.get(MAIN), folder / "emergence", device)
        # store and draw
        results = {
            "format": FORMAT,
            "runs": {name: {k: v for k, v in run.items() if k != "format"} for name, run in runs.items()},
            "emergence": checkpoints,
            "training": training,
            "failures": failure_numbers(runs),
            "pictures": draw_pictures(runs, sources, load, folder),
            "left_out": left_out + notes,
        }
        write_report(results, folder)
        draw_report(results, folder)
    return summary_text(results, out)


def _method(run: Run, load: Callable[[str], Model]) -> Method:
    """Make the method of a run; ``load`` is cached, so that the runs of a network load it once."""
    if run.protocol is None:
        return find_method(None, run.method, MODERN)
    return model_method(run.method, load(run.method), ({FINE.name: FINE} | PROTOCOLS)[run.protocol])


def _track(method: Method, dataset: Dataset, out: Path) -> dict:
    """Like :func:`tinytrack.evaluation.scoring.evaluate`, but without opening the videos if nothing is left to do."""
    path = out / "results.json"
    done = path.exists() and set(dataset.facts["sequences"]) <= set(read_results(path)["sequences"])
    return evaluate(method, replace(dataset, truths=iter(())) if done else dataset, out, progress=not done)


def emergence(source: Mapping | None, out: Path, device: str = "cpu") -> tuple[list[dict], dict, list[str]]:
    """Score a training run's checkpoints on DAVIS val; if there are none, train with the shipped recipe first.

    Args:
        source: arguments of ``open_dataset`` for DAVIS 2016; None if there is no DAVIS.
        out: checkpoints ``out/checkpoints/step000010.pt`` ... are used if they exist; the scores go to ``out/step000010/`` ...

    Returns:
        One row {"step", "minutes", "fingerprint", "summary"} per checkpoint at :data:`SCORED_STEPS`, and for the last checkpoint, where
        "minutes" is the training time so far; {"steps", "loss", "command", "machine"} of the run, with the loss as at most 100 means
        over stretches of equal length; and notes on what was left out.
    """
    # the checkpoints
    if source is None:
        return [], {}, ["tracking emerges, figure 4 (no DAVIS to score checkpoints on)"]
    note = _train_checkpoints(source["root"], out, device)
    if note:
        return [], {}, [f"tracking emerges, figure 4 ({note})"]
    # their scores
    rows = []
    paths = sorted((out / "checkpoints").glob("step*.pt"))
    for path in paths:
        model = load_model(path, device)
        if model.card["steps"] not in SCORED_STEPS and path != paths[-1]:
            continue
        scores = _track(model_method(path.stem, model, MODERN), open_dataset(**source), out / path.stem)
        facts = {"step": int(model.card["steps"]), "minutes": model.card.get("minutes"), "fingerprint": model.fingerprint()}
        rows.append(facts | {"summary": scores["summary"]})
    return rows, {key: model.card.get(key) for key in ("steps", "loss", "command", "machine")}, []


def _train_checkpoints(davis: Path, out: Path, device: str) -> str:
    """Make sure that ``out/checkpoints`` holds those of a complete run; returns why it cannot, or ""."""
    # nothing to train if the checkpoints are complete
    model, checkpoints = out / "model.pt", out / "checkpoints"
    found = sorted(checkpoints.glob("step*.pt"))
    resume = checkpoint_path(model).exists()
    if found and not resume:
        card = load_model(found[-1]).card
        # A run of ours that was killed before its first resumable checkpoint starts again; checkpoints of others are used as they are.
        if card.get("command") != BY or card["steps"] >= card["config"]["steps"]:
            return ""
    # train, or resume
    try:
        videos = training_videos([str(davis)])
    except ClipError:
        return "" if found else "no DAVIS train split to train on"
    shots = load_shots(videos, TINY)
    card = {"command": BY, "sources": ["davis"], "preset": "tiny", "shots": len(shots), "frames": sum(len(s) for s in shots)}
    fit(shots, TINY, out=model, resume=resume, device=device, card=card, checkpoints=checkpoints)
    return ""


def failure_numbers(runs: Mapping[str, Mapping]) -> dict:
    """Correlate colour errors of our model on DAVIS, on the object and everywhere, with its J; {} without that run.

    See :func:`tinytrack.evaluation.statistics.failures`.
    """
    numbers = {}
    for key in ("object_color_error", "color_error"):
        videos = {name: record for name, record in runs.get(OURS, {}).get("sequences", {}).items() if key in record}
        if videos:
            numbers[key] = failures(videos, key)
    return numbers


def draw_pictures(runs: Mapping[str, Mapping], sources: Mapping[str, Mapping], load: Callable[[str], Model], out: Path) -> dict[str, str]:
    """Draw figures 6 to 9, from DAVIS if it was evaluated, otherwise from carphone.

    Returns:
        Name of the figure -> the videos in it, for the captions.
    """
    # the run
    name = next((n for n in (OURS, f"carphone-{OUR_METHOD}-modern") if n in runs), None)
    if name is None:
        return {}
    key, records = name.split("-")[0], runs[name]["sequences"]
    # its videos: the best, the median and the worst by J
    ranked = sorted(records, key=lambda video: frame_scores(records[video]).mean(), reverse=True)
    picked = ranked if len(ranked) < 5 else ranked[:2] + ranked[-2:]
    truths = {video: _truth(sources[key], video) for video in picked}
    median = ranked[len(ranked) // 2]
    one = truths.get(median) or _truth(sources[key], median)
    # the figures
    models = {method: load(method) for method in (OUR_METHOD, "random", "gray")}
    save_figure(embedding_figure(one, models, MODERN), out, "embeddings")
    save_figure(pointer_figure(one, models[OUR_METHOD], MODERN), out, "pointer")
    longest = max(records, key=lambda video: records[video]["frames"])
    save_figure(dissolve_figure(truths.get(longest) or _truth(sources[key], longest), models[OUR_METHOD], MODERN), out, "dissolve")
    save_figure(overlay_figure(list(truths.values()), records, out / name, OUR_METHOD), out, "overlays")
    return {"embeddings": median, "pointer": median, "dissolve": longest, "overlays": ", ".join(picked)}


def _truth(source: Mapping, video: str) -> Truth:
    """Open one video of a data set."""
    return next(iter(open_dataset(**source, sequences=[video]).truths))
