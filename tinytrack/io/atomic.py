"""Write results atomically: under a temporary name first, renamed only when they are complete.

A temporary name tells which process made it: ``.unfinished-HOST-PID-RANDOM`` for folders, ``.unfinished-HOST-PID-RANDOM-KEY-NAME`` for
files. A process that is killed leaves such files and folders behind. The next one that writes to the same place removes them, if it
runs on the same computer and the process that made them is gone.
"""

import contextlib
import functools
import hashlib
import io
import json
import math
import os
import platform
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import OutputError, describe_os_error
from .paths import user_path

# What every temporary name looks like. Files also have a key, which is the same for all temporary names of one final name.
TEMPORARY = re.compile(r"\.unfinished-(?P<host>[\w.]+)-(?P<pid>[1-9]\d*)-[a-z0-9_]{8}(?:-(?P<key>[0-9a-f]{8})-.+)?", re.ASCII | re.DOTALL)
REPLACED = ".replaced"  # the folder within a scratch folder that keeps old results until the new ones are in place
VISIBLE = 100  # bytes of the final name that a temporary name repeats; 255 bytes are the most that a file system allows for a name


# ---- temporary names


@functools.cache
def _host() -> str:
    """Return the part of temporary names that identifies this computer, or this container, which has process numbers of its own."""
    try:
        numbers = os.readlink("/proc/self/ns/pid")
    except OSError:  # only Linux has containers of this kind
        numbers = ""
    digest = hashlib.sha256(f"{platform.node()} {numbers}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"{re.sub('[^A-Za-z0-9]', '_', platform.node())[:24]}.{digest[:8]}"


def _key(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]


def _temporary_name(name: str) -> str:
    """Return a new temporary name for the file ``name``, with the same ending."""
    visible = name
    while len(os.fsencode(visible)) > VISIBLE:
        visible = visible[1:]
    return f".unfinished-{_host()}-{os.getpid()}-{secrets.token_hex(4)}-{_key(name)}-{visible}"


def runs(pid: int) -> bool:
    """Tell whether a process of this computer is still running; True if in doubt."""
    if sys.platform == "win32":
        return _runs_on_windows(pid)
    try:
        os.kill(pid, 0)  # signal 0 only asks whether the process exists
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it belongs to another user, for example
        return True
    return True


def _runs_on_windows(pid: int) -> bool:
    """Like :func:`runs`; on Windows, ``os.kill`` would end the process."""
    import ctypes

    query_limited_information, invalid_parameter, still_active = 0x1000, 87, 259
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(query_limited_information, False, ctypes.c_uint32(pid))
    if not handle:
        return ctypes.get_last_error() != invalid_parameter  # that is the error for a number without a process
    code = ctypes.c_uint32()
    known = kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code))
    kernel.CloseHandle(ctypes.c_void_p(handle))
    return not known or code.value == still_active


def _leftovers(folder: Path, key: str | None) -> Iterator[Path]:
    """Yield what processes that are gone have left in ``folder``: temporary files with this key, or temporary folders if it is None."""
    for name in os.listdir(folder):
        found = TEMPORARY.fullmatch(name)
        if not found or found["key"] != key or found["host"] != _host():
            continue
        path = folder / name
        if not path.is_symlink() and (path.is_dir() if key is None else path.is_file()) and not runs(int(found["pid"])):
            yield path


def _sweep_folders(out: Path) -> None:
    """Remove scratch folders of processes that are gone. An old result that was moved aside, but not replaced yet, goes back first."""
    with contextlib.suppress(OSError):
        for scratch in _leftovers(out, None):
            replaced = scratch / REPLACED
            for old in sorted(replaced.iterdir()) if replaced.is_dir() else []:
                if not os.path.lexists(out / old.name):
                    old.rename(out / old.name)
            shutil.rmtree(scratch, ignore_errors=True)


def _sweep_files(path: Path) -> None:
    """Remove temporary files for ``path`` whose processes are gone."""
    with contextlib.suppress(OSError):
        for scratch in _leftovers(path.parent, _key(path.name)):
            scratch.unlink()


# ---- folders that are made for a job


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


# ---- all or nothing


@contextlib.contextmanager
def staged_folder(out: str | os.PathLike) -> Iterator[Path]:
    """Yield a scratch folder inside ``out``; when the block succeeds, its contents move into ``out`` and replace items of the same name.

    On any error, including Ctrl-C, the scratch folder is removed, and so is every folder that was made to hold it. This function replaces
    whatever has the name of a result: use :func:`tinytrack.io.results.results_folder` where a user chooses the folder.

    Raises:
        OutputError: if the folder cannot be made or the disk fills up.
    """
    out = user_path(out)
    with making(out, f"to '{out}'"):
        _sweep_folders(out)
        scratch = Path(tempfile.mkdtemp(prefix=f".unfinished-{_host()}-{os.getpid()}-", dir=out))
        try:
            yield scratch
            # the block has succeeded: move its results into place
            for item in sorted(scratch.iterdir()):
                _move_into_place(item, out / item.name, scratch / REPLACED)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _move_into_place(item: Path, final: Path, replaced: Path) -> None:
    """Rename ``item`` to ``final``; an old item is kept in the folder ``replaced`` until that has succeeded."""
    aside = replaced / final.name
    try:
        # Move the old item aside first, because a rename replaces neither a folder with files in it nor a file by a folder.
        if os.path.lexists(final) and (item.is_dir() or (final.is_dir() and not final.is_symlink())):
            replaced.mkdir(exist_ok=True)
            final.rename(aside)
        item.replace(final)
    except BaseException:
        if os.path.lexists(aside) and not os.path.lexists(final):
            aside.rename(final)
        raise


@contextlib.contextmanager
def staged_file(path: str | os.PathLike, aside: str | os.PathLike | None = None) -> Iterator[Path]:
    """Yield a scratch file name next to ``path`` with the same ending; it is renamed to ``path`` if the block succeeds, else removed.

    Args:
        aside: if given, the previous file is kept under this name.

    Raises:
        OutputError: if it cannot be written.
    """
    path = user_path(path)
    scratch = path.with_name(_temporary_name(path.name))
    with making(path.parent, f"'{path}'"):
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)  # refuses a name that is too long now, because only the temporary name is shortened
        _sweep_files(path)
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


def json_text(content: dict) -> str:
    """Format plain values as JSON; NaN becomes null, and a list of numbers takes one line."""
    text = json.dumps(_without_nan(content), indent=1, allow_nan=False)
    # Put lists of plain values on one line; strings are safe, because JSON strings contain no line breaks.
    return re.sub(r"\[\n\s*([^][{}]*?)\n\s*\]", lambda m: "[" + re.sub(r"\n\s*", " ", m[1]) + "]", text) + "\n"


def write_json(path: str | os.PathLike, content: dict) -> None:
    """Write plain values as JSON, all or nothing; see :func:`json_text`.

    Raises:
        OutputError: if it cannot be written.
    """
    with staged_file(path) as scratch:
        scratch.write_text(json_text(content), encoding="utf-8")


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
