"""Evaluate a method on a data set: track every sequence, write the predictions, score the written files.

Predictions are scored from their files, so that anybody's predictions can be scored in the same way. A frame without a file scores 0.
"""

import contextlib
import itertools
import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..color import chroma, frames_to_lab, has_color
from ..datasets.truth import Dataset, Truth
from ..errors import MaskError, TinytrackError
from ..io.atomic import json_text, staged_file, staged_folder
from ..io.joints import write_joints_csv
from ..io.masks import write_mask
from ..io.paths import user_path
from ..io.results import growing_results, read_list, recorded
from ..model import Model
from ..track import split_first
from .methods import Method, run_name
from .metrics import THRESHOLDS, boundary_f, mean_pck, region_j, statistics

FORMAT = "tinytrack results 1"
COMMAND = "evaluate"
VOID = 255  # pixels with this id in the truth are not scored


def evaluate(method: Method, dataset: Dataset, out: str | os.PathLike, progress: bool = True) -> dict:
    """Track every sequence, write the predictions, and score them.

    Writes ``out/masks/SEQUENCE/00000.png`` ... (palette PNGs at the size of the annotations), ``out/joints/SEQUENCE.csv``,
    ``out/results.json`` and ``out/table.txt``. A run that was stopped resumes after the last complete sequence.

    Args:
        method: from :func:`tinytrack.evaluation.methods.find_method`.
        dataset: from :func:`tinytrack.datasets.truth.open_dataset`.
        out: the folder for the results.
        progress: show a progress bar.

    Returns:
        The content of ``results.json``.

    Raises:
        TinytrackError: if ``out`` holds results of another data set, method or version. Errors of the tracker are passed on.
        OutputError: if the folder cannot be written, or if a result would replace something that no evaluation made.
    """
    from tqdm import tqdm

    out = user_path(out)
    results = _begin(out / "results.json", method, dataset.facts)
    bar = tqdm(total=len(dataset.facts["sequences"]), desc=run_name(dataset, method), unit=" videos", disable=not progress)
    with bar, _results_of(out, [name for name in dataset.facts["sequences"] if name not in results["sequences"]]):
        for truth in dataset.truths:
            if truth.name not in results["sequences"]:
                results["sequences"][truth.name] = _sequence(method, truth, out)
                results["summary"] = summarize(results["sequences"].values())
                _write(out, results)
            bar.update()
    return results


def _begin(path: Path, method: Method, dataset: dict) -> dict:
    """Return an empty record, or the record of the run that was stopped."""
    # a new record
    fresh = {
        "format": FORMAT,
        "dataset": dataset,
        "method": method.facts(),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("tinytrack", "torch", "numpy", "scipy", "av", "pillow")},
        "machine": f"{platform.machine()}, {torch.get_num_threads()} thread(s)",
        "summary": {},
        "sequences": {},
    }
    if not path.exists():
        return fresh
    # the existing one, if it belongs to the same run
    found = read_results(path)
    for key, what in (("dataset", "another data set"), ("method", "another method or protocol"), ("versions", "other versions")):
        if found.get(key) != fresh[key]:
            raise TinytrackError(f"'{path}' holds results of {what}: expected the same, or an empty folder for --out")
    return found


def _results_of(out: Path, sequences: Sequence[str]) -> contextlib.AbstractContextManager:
    """Check that the results of these sequences may be written into ``out``, and let the block write them."""
    if not sequences:
        return contextlib.nullcontext()
    names = [name for sequence in sequences for name in (f"masks/{sequence}", f"joints/{sequence}.csv")]
    # a results.json that has been accepted is ours, and so is the folder if an older version made it, which kept no list
    known = []
    if (out / "results.json").exists():
        known = ["results.json"] if "results.json" in read_list(out) else ["results.json", "table.txt", "masks", "joints"]
    return growing_results(out, COMMAND, ["masks", "joints"], [*names, "table.txt", "results.json"], known)


def read_results(path: str | os.PathLike) -> dict:
    """Read a ``results.json``.

    Raises:
        TinytrackError: if it is not a results file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["format"] != FORMAT or not isinstance(content["sequences"], dict):
            raise ValueError("format")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TinytrackError(f"'{path}' is not a results file: expected one written by 'tinytrack evaluate'") from error
    return content


def _write(out: Path, results: dict) -> None:
    """Write ``table.txt`` and ``results.json``."""
    # results.json is moved into place last, because sequences that it lists are not evaluated again
    with contextlib.ExitStack() as moves, staged_file(out / "results.json") as record:
        record.write_text(json_text(results), encoding="utf-8")
        with staged_file(out / "table.txt") as text:
            text.write_text(table(results), encoding="utf-8")
            moves.enter_context(recorded(out, COMMAND, {"results.json": record, "table.txt": text}))


def _sequence(method: Method, truth: Truth, out: Path) -> dict:
    """Track one sequence, write its predictions, and score them."""
    mask = given = xy = None
    rows, colors, made = [], [], {}
    with contextlib.ExitStack() as moves, contextlib.ExitStack() as stack:
        # what the tracker is given, and the files it writes
        if truth.masks:
            mask = truth.masks[0]()
            given = np.where(mask == VOID, 0, mask).astype(np.uint8)
            folder = stack.enter_context(staged_folder(out / "masks")) / truth.name
            folder.mkdir()
            made[f"masks/{truth.name}"] = folder
        if truth.joints:
            xy = truth.joints[0]
            sheet = stack.enter_context(staged_file(out / "joints" / f"{truth.name}.csv"))
            made[f"joints/{truth.name}.csv"] = sheet
        first, frames = split_first(truth.frames())
        # propagate colours too, if masks tell which of them belong to objects, the frame has any, and the model does not see them
        blind = method.model is not None and not method.model.sees_color
        colored = blind and mask is not None and has_color(first)
        tracked = method.run(frames, given, xy, first if colored else None)
        # track, and write each frame's predictions; only tracking (and decoding) is timed
        seconds = 0.0
        for t in itertools.count():
            began = time.perf_counter()
            carried = next(tracked, None)
            seconds += time.perf_counter() - began
            if carried is None:
                break
            if mask is not None:
                write_mask(folder / f"{t:05d}.png", carried.ids)
            if xy is not None:
                rows.append((carried.xy, carried.confidence))
            if carried.ab is not None and t in truth.scored:
                colors.append(_color_scores(carried.ab, carried.frame, truth.masks[t](), method.model))
        if xy is not None:
            write_joints_csv(sheet, truth.joint_names, rows)
        moves.enter_context(recorded(out, COMMAND, made))  # ends after the results have been moved
    # score what was written
    record = {"size": list(first.shape[:2]), "frames": t, "seconds_per_frame": round(seconds / t, 4)}
    if mask is not None:
        record["scored"] = list(truth.scored)
        record["objects"] = score_masks(out / "masks" / truth.name, truth)
    if colors:
        record |= {key: _round(c[key] for c in colors) for key in colors[0]}
    if xy is not None:
        record["pck"] = _round(score_joints([place for place, _ in rows], truth))
    return record


def _color_scores(ab: torch.Tensor, frame: np.ndarray, mask: np.ndarray, model: Model) -> dict[str, float]:
    """Compare copied with true colours on the label grid: ab distance everywhere and on the objects, and the share of wrong clusters."""
    true = F.adaptive_avg_pool2d(frames_to_lab(frame, ab.device)[1:], ab.shape[1:])
    on = torch.as_tensor((mask > 0) & (mask != VOID), dtype=torch.float32, device=ab.device)
    on = F.adaptive_avg_pool2d(on[None], ab.shape[1:])[0] > 0.5
    distance = chroma(ab - true)
    scores = {"color_error": float(distance.mean()), "object_color_error": float(distance[on].mean()) if on.any() else float("nan")}
    if len(model.palette) > 1:
        wrong = (model.palette.hard(ab) != model.palette.hard(true)).float()
        scores["wrong_cluster"] = float(wrong.mean())
    return scores


def score_masks(folder: str | os.PathLike, truth: Truth) -> dict[str, dict[str, list[float]]]:
    """Score a folder of predicted masks against the truth.

    Args:
        folder: palette PNGs ``00000.png`` ...; a frame without a file scores 0, even if no object is visible in it.
        truth: with masks.

    Returns:
        Object id -> {"J": one value per frame of ``truth.scored``, "F": likewise}.

    Raises:
        MaskError: if a prediction is not a picture, or has another size.
    """
    first = truth.masks[0]()
    ids = [int(n) for n in np.unique(first) if n not in (0, VOID)]
    scores = {str(n): {"J": [], "F": []} for n in ids}
    for t in truth.scored:
        true = truth.masks[t]()
        predicted = _read_prediction(Path(folder) / f"{t:05d}.png", true.shape)
        for n in ids:
            for metric, score in (("J", region_j), ("F", boundary_f)):
                value = 0.0 if predicted is None else score((predicted == n) & (true != VOID), true == n)
                scores[str(n)][metric].append(round(value, 4))
    return scores


def _read_prediction(path: Path, size: tuple[int, int]) -> np.ndarray | None:
    """Read the object ids of one frame; None if there is no file."""
    from PIL import Image

    if not path.is_file():
        return None
    try:
        with Image.open(path) as picture:
            ids = np.array(picture)
    except Exception as error:  # Pillow raises many different classes for damaged pictures
        raise MaskError(f"'{path}' cannot be read as a picture: expected a palette PNG of object ids") from error
    if ids.ndim != 2:
        raise MaskError(f"the prediction '{path}' is in true colour: expected a palette PNG of object ids")
    if ids.shape != size:
        raise MaskError(f"the prediction '{path}' is {ids.shape[1]}x{ids.shape[0]}: expected {size[1]}x{size[0]} like the annotation")
    return ids


def score_joints(places: Sequence[np.ndarray], truth: Truth) -> np.ndarray:
    """Compute PCK at the default :data:`~tinytrack.evaluation.metrics.THRESHOLDS` over the labelled frames except the first.

    Lost and missing keypoints count as wrong.

    Args:
        places: (J, 2) per frame, starting with the first one tracked.
        truth: with joints.
    """
    asked = ~np.isnan(truth.joints[0]).any(axis=1)
    frames = [t for t in truth.joints if t > 0]
    missing = np.full_like(truth.joints[0], np.nan)
    predicted = np.stack([places[t] if t < len(places) else missing for t in frames])
    return mean_pck(predicted, np.stack([truth.joints[t] for t in frames]), asked=asked)


def summarize(sequences: Iterable[dict]) -> dict:
    """Average in the data set's own way: J and F over objects, PCK over sequences, seconds over frames."""
    sequences = list(sequences)
    summary = {"videos": len(sequences)}
    # masks
    objects = [scores for s in sequences for scores in s.get("objects", {}).values()]
    if objects:
        summary["objects"] = len(objects)
        for metric in ("J", "F"):
            parts = [statistics(np.array(scores[metric])) for scores in objects]
            summary |= {metric: np.mean([p.mean for p in parts])}
            summary |= {f"{metric}_recall": np.mean([p.recall for p in parts]), f"{metric}_decay": np.mean([p.decay for p in parts])}
        summary["J&F"] = (summary["J"] + summary["F"]) / 2
    # colours
    for key in ("color_error", "object_color_error", "wrong_cluster"):
        lists = [np.array(s[key], dtype=float) for s in sequences if key in s]  # a null in a stored file becomes NaN
        values = [np.nanmean(found) for found in lists if not np.isnan(found).all()]
        if values:
            summary[key] = np.mean(values)
    # keypoints
    if any("pck" in s for s in sequences):
        summary["pck"] = np.mean([s["pck"] for s in sequences if "pck" in s], axis=0).tolist()
    # seconds
    frames = sum(s["frames"] for s in sequences)
    summary["seconds_per_frame"] = sum(s["seconds_per_frame"] * s["frames"] for s in sequences) / frames
    return {key: _round(v) if isinstance(v, list) else v if isinstance(v, int) else round(float(v), 4) for key, v in summary.items()}


def table(results: dict) -> str:
    """Format ``results.json`` as text: one line per sequence, the means below."""
    method, dataset = results["method"], results["dataset"]
    features = f", {method['protocol']} protocol, weights {method['model']['fingerprint']}" if method["model"] else ""
    lines = [f"{dataset['name']}{' ' + str(dataset['year']) if 'year' in dataset else ''}: {method['name']}{features}"]
    sequences = {name: summarize([record]) for name, record in results["sequences"].items()} | {"mean": results["summary"]}
    metrics = [m for m in ("J", "F", "J_recall", "F_recall", "J_decay", "F_decay") if m in results["summary"]]
    with_joints = "pck" in results["summary"]
    header = [f"{m:>9}" for m in metrics] + [f"{f'PCK@{t}':>9}" for t in THRESHOLDS if with_joints] + [f"{'s/frame':>9}"]
    lines.append(f"{'':<20}" + "".join(header))
    for name, summary in sequences.items():
        cells = [100 * summary[m] for m in metrics] + [100 * v for v in summary.get("pck", ())]
        lines.append(f"{name:<20}" + "".join(f"{v:>9.1f}" for v in cells) + f"{summary['seconds_per_frame']:>9.3f}")
    if len(results["sequences"]) < len(dataset["sequences"]):
        lines.append(f"unfinished: {len(results['sequences'])} of {len(dataset['sequences'])} videos")
    if dataset.get("note"):
        lines.append(f"note: {dataset['note']}")
    return "\n".join(lines) + "\n"


def _round(values: Iterable[float]) -> list[float]:
    """Round to the four digits that are stored."""
    return [round(float(v), 4) for v in values]
