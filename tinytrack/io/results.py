"""Write results without ever replacing what tinytrack did not make.

Each folder of results has a hidden list, ``.tinytrack.json``. It names every result, the command that made it, and a stamp that changes
when somebody edits the result. A later run replaces a result only if the same command made it and the stamp still fits. Everything else
in the folder belongs to the user, and so do the inputs of the run.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from ..errors import OutputError, describe_os_error
from .atomic import first_missing, making, remove_empty, staged_file, staged_folder, write_json
from .paths import user_path

LIST = ".tinytrack.json"
FORMAT = "tinytrack results list 1"
ABOUT = "tinytrack replaces only the results in this list, and only while nobody has changed them"
PUT_THERE_BY_SYSTEMS = {".DS_Store", "Thumbs.db", "desktop.ini"}  # appear in a folder when somebody looks at it

Inputs = Iterable[str | os.PathLike | None]
Entries = dict[str, dict]


# ---- whole folders of results


@contextlib.contextmanager
def results_folder(out: str | os.PathLike, command: str, names: Iterable[str], inputs: Inputs = ()) -> Iterator[Path]:
    """Yield a scratch folder inside ``out``; when the block succeeds, the results in it replace those of earlier runs.

    Nothing that a user made is replaced. Earlier results that the block does not write again are kept.

    Args:
        out: the folder, which is made if it is missing.
        command: what makes the results, for example "track".
        names: the files and folders that the block may write.
        inputs: the paths of everything that the command reads; None is skipped.

    Raises:
        OutputError: before the block starts, if a result would replace an input, or something that this command did not make or that
            has changed since; also if the folder cannot be written. ``out`` is then as before.
    """
    out, names = user_path(out), list(names)
    check_results(out, command, names, inputs)
    with making(out, f"to '{out}'"), contextlib.ExitStack() as moves:
        with staged_folder(out) as scratch:
            yield scratch
            made = {item.name: item for item in scratch.iterdir()}
            if not made.keys() <= set(names):
                raise ValueError(f"'{command}' wrote {sorted(made.keys() - set(names))}: expected only {names}")
            moves.enter_context(recorded(out, command, made))  # ends after the results have been moved


@contextlib.contextmanager
def result_file(out: str | os.PathLike, command: str, name: str) -> Iterator[Path]:
    """Like :func:`results_folder` for one file: yield a scratch file that becomes ``out/name``.

    Raises:
        OutputError: after the block, if there is a file of this name that this command did not make or that has changed since; also if
            it cannot be written.
    """
    out = user_path(out)
    with making(out, f"to '{out}'"), contextlib.ExitStack() as move:
        with staged_file(out / name) as scratch:
            yield scratch
            move.enter_context(recorded(out, command, {name: scratch}))


# ---- what a run may replace


def check_results(out: str | os.PathLike, command: str, names: Iterable[str], inputs: Inputs = ()) -> None:
    """Check that a command may write results; see :func:`results_folder`. Names may contain folders, such as "masks/bike".

    Raises:
        OutputError: one sentence that names what is in the way.
    """
    out, names = user_path(out), list(names)
    inputs = [user_path(path) for path in inputs if path is not None]
    for name in (*names, LIST):
        _check_inputs(out / name, inputs, _elsewhere(command))
    entries = read_list(out)
    for name in names:
        _check_existing(out, name, command, entries, inputs)


def check_file(path: str | os.PathLike, expected: str, is_ours: Callable[[Path], bool], inputs: Inputs = (), option: str = "--out") -> None:
    """Check that a command may write a single file whose content tells that tinytrack made it.

    Args:
        path: the file, which may be missing.
        expected: what the file has to be, for example "a weights file written by 'tinytrack train'".
        is_ours: tells whether an existing file is that.
        inputs: the paths of everything that the command reads; None is skipped.
        option: where the user can choose another name.

    Raises:
        OutputError: if the file is an input, a link, or something else than expected.
    """
    path, elsewhere = user_path(path), f"choose another place with {option}"
    _check_inputs(path, [user_path(given) for given in inputs if given is not None], elsewhere)
    if not os.path.lexists(path):
        return
    if path.is_symlink():
        raise OutputError(f"'{path}' is a link, which would be replaced: {elsewhere}")
    if not (path.is_file() and is_ours(path)):
        raise OutputError(f"'{path}' exists and is not {expected}: move it, or {elsewhere}")


def _elsewhere(command: str) -> str:
    """Say what to do if a folder cannot be used; the studio has no options."""
    return "choose another folder" if command == "studio" else "choose another folder with --out"


def _check_inputs(target: Path, inputs: Iterable[Path], elsewhere: str) -> None:
    """Refuse a result that would replace an input, or a folder or a link on the way to an input."""
    place = _place(target)
    for given in inputs:
        if any(place == step or _is_same(target, step) for step in _steps(given)):
            raise OutputError(f"the result '{target}' would replace the input '{given}': {elsewhere}")


def _check_existing(out: Path, name: str, command: str, entries: Entries, inputs: Iterable[Path] = ()) -> None:
    """Refuse to replace what the same command did not make, or what has changed since."""
    target, entry = out / name, entries.get(name)
    if not os.path.lexists(target):
        return
    if entry is None or target.is_symlink():
        for given in inputs:
            if os.path.isdir(given) and Path(_place(target)).is_relative_to(os.path.realpath(given)):
                raise OutputError(f"the result '{target}' would replace a part of the input '{given}': {_elsewhere(command)}")
        raise OutputError(f"'{target}' was not made by tinytrack and is in the way: move it, or {_elsewhere(command)}")
    if entry["command"] != command:
        raise OutputError(f"'{target}' was made by '{entry['command']}': {_elsewhere(command)}")
    found = stamp(target)
    if found is None or found not in entry["stamps"]:
        raise OutputError(f"'{target}' has changed since '{command}' made it: move it, or {_elsewhere(command)}")


def _place(path: Path) -> str:
    """Return where the entry ``path`` of a folder is, after all links on the way to it; a link at its end is not followed."""
    return os.path.join(os.path.realpath(path.parent), path.name)


def _steps(path: Path) -> set[str]:
    """Return the place of every file, folder and link that the system meets when it opens ``path``."""
    steps, todo = set(), [Path.cwd() / path]
    while todo:
        path = todo.pop()
        for part in (path, *path.parents):
            place = _place(part)
            if place in steps:
                continue
            steps.add(place)
            if os.path.islink(place):
                todo.append(Path(os.path.dirname(place), os.readlink(place)))
    return steps


def _is_same(target: Path, step: str) -> bool:
    """Tell whether two paths lead to the same file or folder: hard links, or names that differ in case only on some systems."""
    try:
        return os.path.samefile(target, step)
    except (OSError, ValueError):  # one of them does not exist
        return False


# ---- the list of results


def stamp(path: Path) -> str | None:
    """Return a text that changes when a file, or anything in a folder, changes; it stays the same if the file or folder is renamed.

    Returns:
        Sizes and modification times, of a folder as a checksum; None for what is neither a file nor a folder, such as a link.
    """
    try:
        info = os.lstat(path)
        if stat.S_ISREG(info.st_mode):
            return f"{info.st_size} bytes {info.st_mtime_ns} ns"
        if not stat.S_ISDIR(info.st_mode):
            return None
        digest, count = hashlib.sha256(), 0
        for name, state in _states(path):
            digest.update(os.fsencode(name) + b"\0" + state.encode("utf-8", "surrogateescape") + b"\0")
            count += 1
        return f"{count} items {digest.hexdigest()[:32]}"
    except OSError:
        return None


def _states(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (relative name, state) of everything in a folder, in a fixed order."""
    for path, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in sorted({*folders, *files} - PUT_THERE_BY_SYSTEMS):
            full = os.path.join(path, name)
            info = os.lstat(full)
            kind = stat.S_IFMT(info.st_mode)
            state = f"{kind}"
            if stat.S_ISREG(kind):
                state += f" {info.st_size} {info.st_mtime_ns}"
            elif stat.S_ISLNK(kind):
                state += f" {os.readlink(full)}"
            yield os.path.relpath(full, folder), state


def _raise(error: OSError) -> None:
    raise error


def made_by(out: str | os.PathLike, command: str) -> set[str]:
    """Return the names on the list of ``out`` that a command made, and that still exist.

    Raises:
        OutputError: see :func:`read_list`.
    """
    out = user_path(out)
    return {name for name, entry in read_list(out).items() if entry["command"] == command and os.path.lexists(out / name)}


def read_list(out: Path) -> Entries:
    """Read the list of results in ``out``: name -> {"command": ..., "stamps": [...]}; {} if there is none.

    Raises:
        OutputError: if a file or folder of this name is no such list. It is not replaced, because it may be the user's.
    """
    path = out / LIST
    if not os.path.lexists(path):
        return {}
    try:
        content = None if path.is_symlink() else json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OutputError(f"cannot read '{path}': {describe_os_error(error)}") from error
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested too deeply
        content = None
    if not _is_list(content):
        raise OutputError(
            f"'{path}' is not a list of results that tinytrack wrote, or it is damaged: move it, or choose another folder for the results"
        )
    return content["results"]


def _is_list(content) -> bool:
    """Tell whether the content of a file is a list of results."""
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("results"), dict):
        return False
    return all(
        isinstance(entry, dict) and isinstance(entry.get("command"), str) and isinstance(entry.get("stamps"), list)
        for entry in content["results"].values()
    )


def _write_list(out: Path, entries: Entries) -> None:
    """Write the list of results; a list of nothing is removed."""
    if entries:
        write_json(out / LIST, {"format": FORMAT, "about": ABOUT, "results": dict(sorted(entries.items()))})
    else:
        (out / LIST).unlink(missing_ok=True)


@contextlib.contextmanager
def recorded(out: str | os.PathLike, command: str, made: Mapping[str, Path]) -> Iterator[None]:
    """Put results on the list of ``out`` while the block moves them there.

    The list is written before the block, and holds the stamps of both the old and the new results. If the process is killed, whatever
    it has moved so far is therefore known as its own. After the block, only the stamps that are still needed are kept.

    Args:
        out: the folder, which must exist.
        command: what made the results.
        made: name below ``out`` -> where the finished result is now.

    Raises:
        OutputError: if something that this command did not make has taken the place of a result since the run began.
    """
    out = user_path(out)
    # has something taken their places?
    before = read_list(out)
    for name in made:
        _check_existing(out, name, command, before)
    # the list with old and new stamps, then the block
    new = {name: stamp(path) for name, path in made.items()}
    both = {name: {"command": command, "stamps": [text, *before.get(name, {}).get("stamps", [])]} for name, text in new.items()}
    try:
        _write_list(out, before | both)
        yield
    finally:
        # The list with the stamps of what is there now. It also works with stamps that are not needed, so no error matters here.
        with contextlib.suppress(OSError, OutputError):
            entries = read_list(out)
            for name, text in new.items():
                if stamp(out / name) == text:
                    entries[name] = {"command": command, "stamps": [text]}
                elif name in before:
                    entries[name] = before[name]
                else:
                    entries.pop(name, None)
            _write_list(out, entries)


@contextlib.contextmanager
def growing_results(
    out: str | os.PathLike, command: str, folders: Iterable[str], names: Iterable[str], known: Iterable[str] = ()
) -> Iterator[None]:
    """Check, like :func:`results_folder`, that a command may write results, and let the block write them one after the other.

    The block puts each result on the list with :func:`recorded` or :func:`result_file`. If it fails, what it has written is kept.

    Args:
        out: the folder of the results, which is made if it is missing.
        command: what makes the results.
        folders: names of folders in ``out`` that the block fills step by step; they go on the list before the block begins.
        names: the results that the block may write, such as "table.txt" or "masks/bike".
        known: results and folders in ``out`` that this command made even if the list does not say so, because their content tells.

    Raises:
        OutputError: see :func:`check_results`.
    """
    out, folders = user_path(out), list(folders)
    # the results that are there already
    before = read_list(out)
    stamps = {name: stamp(out / name) for name in known}
    entries = before | {name: {"command": command, "stamps": [text]} for name, text in stamps.items() if text is not None}
    for name in folders:
        if name not in entries or entries[name]["command"] != command or (out / name).is_symlink():
            _check_existing(out, name, command, entries)
    for name in names:
        _check_existing(out, name, command, entries)
    # the list, then the block, and then the list without the folders that the block did not make
    entries |= {name: {"command": command, "stamps": []} for name in folders}
    created = None
    with contextlib.suppress(OSError):  # making the folder raises it again
        created = first_missing(out)
    with making(out, f"to '{out}'"):
        if entries != before:
            _write_list(out, entries)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, OutputError):
            found = read_list(out)
            left = {name: entry for name, entry in found.items() if name not in folders or os.path.lexists(out / name)}
            if left != found:
                _write_list(out, left)
        remove_empty(out, created)
