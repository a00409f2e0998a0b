"""Write results atomically: under a temporary name first, renamed only when they are complete."""

import contextlib
import io
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import OutputError, describe_os_error
from .paths import user_path


def first_missing(folder: Path) -> Path | None:
    """Return the topmost folder that making ``folder`` will create, to be removed again if the job fails; None if nothing is missing."""
    missing = None
    while not folder.exists():
        missing, folder = folder, folder.parent
    return missing


def remove_empty(folder: Path, top: Path | None) -> None:
    """Remove ``folder`` and its parents up to ``top``, as long as they are empty."""
    while top is not None:
        with contextlib.suppress(OSError):  # not empty, or never made because its name is too long
            folder.rmdir()
        if folder == top:
            return
        folder = folder.parent


@contextlib.contextmanager
def making(folder: Path, target: str) -> Iterator[None]:
    """Make ``folder`` for the block. If the block fails, the folders that were made are removed, and an OSError becomes an OutputError."""
    created = None
    try:
        created = first_missing(folder)
        folder.mkdir(parents=True, exist_ok=True)
        yield
        created = None
    except OSError as error:
        raise OutputError(f"cannot write {target}: {describe_os_error(error)}") from error
    finally:
        if created is not None:
            remove_empty(folder, created)


@contextlib.contextmanager
def staged_folder(out: str | os.PathLike) -> Iterator[Path]:
    """Yield a scratch folder inside ``out``; when the block succeeds, its contents move into ``out`` and replace items of the same name.

    On any error, including Ctrl-C, the scratch folder is removed, and so is every folder that was made to hold it.

    Raises:
        OutputError: if the folder cannot be made or the disk fills up.
    """
    out = user_path(out)
    with making(out, f"to '{out}'"):
        scratch = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=out))
        try:
            yield scratch
            # the block has succeeded: move its results into place
            for item in sorted(scratch.iterdir()):
                final = out / item.name
                aside = scratch / (item.name + ".old")
                try:
                    # Move the old item aside first, because a rename replaces neither a folder with files in it nor a file by a folder.
                    if os.path.lexists(final) and (item.is_dir() or (final.is_dir() and not final.is_symlink())):
                        final.rename(aside)
                    item.replace(final)
                except BaseException:
                    if os.path.lexists(aside) and not os.path.lexists(final):
                        aside.rename(final)
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def staged_file(path: str | os.PathLike, aside: str | os.PathLike | None = None) -> Iterator[Path]:
    """Yield a scratch file name next to ``path`` with the same ending; it is renamed to ``path`` if the block succeeds, else removed.

    Args:
        aside: if given, the previous file is kept under this name.

    Raises:
        OutputError: if it cannot be written.
    """
    path = user_path(path)
    scratch = path.with_name(f".unfinished-{os.getpid()}-{path.name}")
    with making(path.parent, f"'{path}'"):
        try:
            yield scratch
            if aside is not None and path.exists():
                path.replace(aside)
            scratch.replace(path)
        finally:
            with contextlib.suppress(OSError):
                scratch.unlink()


class _Enough(Exception):
    """Raised to end a rehearsal before anything is replaced."""


def check_writable(path: str | os.PathLike) -> None:
    """Rehearse writing ``path``, for jobs that write only at the end; leaves nothing behind.

    Raises:
        OutputError: if it cannot be written.
    """
    with contextlib.suppress(_Enough), staged_file(path) as scratch:
        scratch.touch()
        raise _Enough


def _without_nan(value):
    """Replace numbers that are not finite by None, because JSON does not have them."""
    if isinstance(value, dict):
        return {key: _without_nan(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value  # numpy's float64 is a float


def write_json(path: str | os.PathLike, content: dict) -> None:
    """Write plain values as JSON, all or nothing; NaN becomes null, and a list of numbers takes one line.

    Raises:
        OutputError: if it cannot be written.
    """
    text = json.dumps(_without_nan(content), indent=1, allow_nan=False)
    # Put lists of plain values on one line; strings are safe, because JSON strings contain no line breaks.
    text = re.sub(r"\[\n\s*([^][{}]*?)\n\s*\]", lambda m: "[" + re.sub(r"\n\s*", " ", m[1]) + "]", text)
    with staged_file(path) as scratch:
        scratch.write_text(text + "\n", encoding="utf-8")


def save_tensors(content: dict, path: str | os.PathLike, aside: str | os.PathLike | None = None) -> None:
    """Save with ``torch.save``, all or nothing.

    The content is serialized in memory first, because torch's own writer does not say why a file cannot be written.

    Args:
        aside: see :func:`staged_file`.

    Raises:
        OutputError: if it cannot be written.
    """
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    with staged_file(path, aside) as scratch:
        with open(scratch, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())  # before the rename, or a power cut could leave an empty file with the final name
