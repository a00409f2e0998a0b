"""Write and read the stored results of a report, and look up single values in them."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import TinytrackError
from ...io.atomic import json_text
from ...io.paths import user_path
from ...io.results import growing_results, read_list, result_file
from ..baselines import random_seed

FORMAT = "tinytrack report 1"
BY = "python -m tinytrack evaluate report"
COMMAND = "evaluate report"  # the name under which the folder's list of results knows what a report has made
FIGURES = ("table1", "j_over_time", "pck", "emergence", "failures", "embeddings", "pointer", "dissolve", "overlays")
MAIN = "davis2016"
OUR_METHOD = "tiny-gray"  # our method where a figure has room for only one: it sees what the paper's network sees
OURS = f"{MAIN}-{OUR_METHOD}-modern"  # the run that the failure analysis and the pictures show
NAMES = {
    "davis2016": "DAVIS-2016 val",
    "davis2017": "DAVIS-2017 val",
    "badja": "BADJA",
    "pose2sim": "pose2sim",
    "carphone": "carphone",
    "synth": "synthetic scenes",
}


def report_folder(out: Path) -> contextlib.AbstractContextManager:
    """Check that the files of a report may be written into ``out``, and let the block write them.

    Raises:
        OutputError: if the folder cannot be written, or if one of the files would replace something that no report made.
    """
    files = ["report.md", *(f"figures/{name}.png" for name in FIGURES)]
    # a results.json of a report is ours, and so is the folder if it has no list, because an older version made it or git brought it
    known = []
    with contextlib.suppress(TinytrackError):
        read_report(out / "results.json")
        known = ["results.json"] if "results.json" in read_list(out) else ["results.json", "figures", *files]
    return growing_results(out, COMMAND, ["figures"], ["results.json", *files], known)


def write_report(results: Mapping, out: Path) -> None:
    """Write ``out/results.json``.

    Raises:
        OutputError: if it cannot be written; see :func:`report_folder`.
    """
    with report_folder(out), result_file(out, COMMAND, "results.json") as scratch:
        scratch.write_text(json_text(results), encoding="utf-8")


def read_report(path: str | os.PathLike) -> dict:
    """Read the ``results.json`` of a report, to draw it again with :func:`~tinytrack.evaluation.report.charts.draw_report`.

    Raises:
        TinytrackError: if it is not a report's results file.
    """
    try:
        content = json.loads(user_path(path).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError("format")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TinytrackError(f"'{path}' is not a report's results file: expected one written by '{BY}'") from error
    return content


def key_of(run: Mapping) -> str:
    """Return the data set of a stored run, such as "davis2016" or "badja"."""
    return f"{run['dataset']['name']}{run['dataset'].get('year', '')}"


def runs_of(results: Mapping, dataset: str, protocol: str | None = None) -> dict[str, dict]:
    """Select the runs on one data set, by name of the run.

    With ``protocol``, select only those of this protocol and of methods without one, by name of the method.
    """
    runs = {name: run for name, run in results["runs"].items() if key_of(run) == dataset}
    if protocol is None:
        return runs
    return {run["method"]["name"]: run for run in runs.values() if run["method"]["protocol"] in (None, protocol)}


def seeds(runs: Mapping[str, dict], metric: str) -> np.ndarray:
    """Collect a metric of the random network that sees gray over all its seeds, in percent."""
    return np.array([100 * run["summary"][metric] for name, run in runs.items() if random_seed(name) is not None])


def correlation_text(name: str, answer: Mapping) -> str:
    """Format one rank correlation, such as "over videos -0.52 [-0.80, -0.10]"."""
    if answer["rho"] is None:
        return f"{name}: too few to say"
    ends = answer["interval"] and f" [{answer['interval'][0]:+.2f}, {answer['interval'][1]:+.2f}]"
    return f"{name} {answer['rho']:+.2f}{ends or ''}"
