"""Run notebooks in fresh kernels and write them back with their outputs: python -m tests.tools.record [NOTEBOOK ...]."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import nbformat

from tinytrack.io.atomic import staged_file

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TIMEOUT = 600  # seconds per cell
VIEW = "application/vnd.jupyter.widget-view+json"
CHECK = "check"  # tag of the cells that only assert what the text claims
INSTALL = "install"  # tag of the first code cell, which is the same in every notebook
INSTALL_SOURCE = """from importlib.util import find_spec
from pathlib import Path

if not find_spec("tinytrack"):  # as on Colab: upload its wheel next to this notebook, then run this cell
    wheel = max(Path().glob("tinytrack-*.whl"), default="tinytrack-....whl is missing: upload it first")
    get_ipython().run_line_magic("pip", f"install --quiet '{wheel}[notebooks]'")"""


class RecordError(Exception):
    """A notebook failed or wrote to stderr; the message names the cell."""


def kernel_environment() -> dict[str, str]:
    """Environment variables for the kernel: one thread, so that sums have a fixed order, and no data sets that a reader may not have."""
    env = {name: value for name, value in os.environ.items() if name != "TINYTRACK_DATA"}
    return env | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def clean(notebook: dict, stem: str) -> dict:
    """Remove everything from a notebook that differs between runs or machines, and give each cell a unique id."""
    taken = set()
    for index, cell in enumerate(notebook["cells"]):
        name = cell.get("id")
        if not name or name in taken:
            name = f"{stem}-{index:02d}"
            while name in taken or any(other.get("id") == name for other in notebook["cells"][index + 1 :]):
                name += "x"
        cell["id"] = name
        taken.add(name)
        tags = cell.get("metadata", {}).get("tags")
        cell["metadata"] = {"tags": tags} if tags else {}
        if {CHECK, INSTALL} & set(tags or []):
            cell["metadata"]["jupyter"] = {"source_hidden": True}  # JupyterLab shows the cell folded
        for output in cell.get("outputs", []):
            # A widget view refers to a random model id. Without the saved widget state, it would show an error.
            if len(output.get("data", {})) > 1:
                output["data"].pop(VIEW, None)
                output["metadata"].pop(VIEW, None)
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    return notebook


def put_install_cell(notebook: dict) -> dict:
    """Put the cell that installs tinytrack where it is missing before the other code cells, in place of the one that may be there."""
    cells = [cell for cell in notebook["cells"] if INSTALL not in cell["metadata"].get("tags", [])]
    first = next(n for n, cell in enumerate(cells) if cell["cell_type"] == "code")
    install = {"cell_type": "code", "metadata": {"tags": [INSTALL]}, "execution_count": None, "outputs": [], "source": INSTALL_SOURCE}
    notebook["cells"] = [*cells[:first], install | {"id": INSTALL}, *cells[first:]]
    return notebook


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in a fresh kernel that starts in ``folder``, and fill in outputs and execution counts.

    Raises:
        RecordError: if a cell raises an error, writes to stderr, takes too long or kills the kernel.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,  # printed text is split into messages at random
        force_raise_errors=True,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],  # hide the kernel's warning that other users of this machine might connect
    )
    client.reset_execution_trackers()
    with client.setup_kernel(env=kernel_environment()):
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            cell.outputs, cell.execution_count = [], None
            name = f"cell {index} (id {cell.id})"
            try:
                client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
            except CellExecutionError as error:
                raise RecordError(f"{name} raises {error.ename}: {_last_line(error.evalue)}") from None
            except CellTimeoutError:
                raise RecordError(f"{name} takes more than {TIMEOUT} s") from None
            except DeadKernelError:
                raise RecordError(f"{name}: the kernel died") from None
            said = "".join(output.text for output in cell.outputs if output.get("name") == "stderr")
            if said:
                raise RecordError(f"{name} writes to stderr: {' '.join(said.split())[:300]}")


def _last_line(text: str) -> str:
    return ([line.strip() for line in text.splitlines() if line.strip()] or ["(no message)"])[-1]


def record(path: Path, folder: Path = NOTEBOOKS) -> str:
    """Run a notebook, write it back and return a one-line summary. If an error occurs, the file is not changed."""
    start = time.monotonic()
    content = put_install_cell(json.loads(path.read_text(encoding="utf-8")))
    content = clean(content, path.stem)  # set ids first, because nbformat would choose random ones
    notebook = nbformat.reads(json.dumps(content), as_version=4)
    run(notebook, folder)
    notebook = clean(notebook, path.stem)
    nbformat.validate(notebook)
    text = nbformat.writes(nbformat.from_dict(notebook), version=4).rstrip("\n") + "\n"  # indented by one space, sorted keys, no \u escapes
    with staged_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8")
    return f"{path.name}: {time.monotonic() - start:.0f} s, {len(notebook.cells)} cells, {path.stat().st_size / 1000:.0f} KB"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.record", description="Run notebooks in fresh kernels and write them back.")
    parser.add_argument("notebook", nargs="*", type=Path, metavar="NOTEBOOK", help="files (default: all in notebooks/)")
    paths = parser.parse_args(argv).notebook or sorted(NOTEBOOKS.glob("[!.]*.ipynb"))
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        parser.error(f"there is no notebook '{missing[0]}'")
    failed = False
    for path in paths:
        try:
            print(record(path), flush=True)
        except RecordError as error:
            failed = True
            print(f"{path.name}: {error}; the file stays as it was", file=sys.stderr, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
