"""Build the page: copy its files, and write the data next to them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ..io.results import results_folder
from .emergence_data import emergence_script
from .engine_data import engine_script
from .pointer_data import pointer_names, pointer_scripts
from .sample_data import sample_scripts

STATIC = Path(__file__).parent / "static"
DATA_FOLDER = "data"


def static_names() -> list[str]:
    """List the files of the page itself."""
    return sorted(path.name for path in STATIC.iterdir() if path.suffix in {".html", ".js", ".css", ".txt"})


def build_page(out: str | os.PathLike, tell: Callable[[str], None] = lambda text: None) -> tuple[Path, int]:
    """Write the page into the folder ``out``, which is made if it is missing.

    Args:
        out: the folder.
        tell: is called with a sentence about each step.

    Returns:
        The file to open, and the bytes of everything that was written.

    Raises:
        OutputError: if a result would replace a file that this command did not make.
        ClipError: if a clip is not installed. Nothing is written in that case.
    """
    with results_folder(out, "web", [*static_names(), DATA_FOLDER]) as scratch:
        # the page
        for name in static_names():
            shutil.copyfile(STATIC / name, scratch / name)
        # its data, one script at a time
        (scratch / DATA_FOLDER).mkdir()
        names = pointer_names()
        for count, (name, text) in enumerate(pointer_scripts(), start=1):
            _write(scratch, name, text)
            tell(f"embedded {name} ({count} of {len(names)})")
        _write(scratch, *emergence_script())
        _write(scratch, *engine_script())
        for name, text in sample_scripts():
            _write(scratch, name, text)
        size = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
    return Path(out) / "index.html", size


def _write(folder: Path, name: str, text: str) -> None:
    (folder / DATA_FOLDER / f"{name}.js").write_text(text, encoding="ascii")
