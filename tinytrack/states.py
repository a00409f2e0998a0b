"""The state of an unfinished training run on disk: held by one run at a time, kept twice, never half-written."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import ModelError, OutputError, TinytrackError
from .files import first_missing, making, remove_empty, save_tensors, user_path


class DamagedState(ModelError):
    """A file that is not the whole state of a training run."""


def state_path(out: str | Path) -> Path:
    """Where the unfinished run that will become the model ``out`` is kept."""
    return _beside(out, ".unfinished.pt")


def previous_path(out: str | Path) -> Path:
    """Where the state before the last one is kept: should the last be damaged, little is lost."""
    return _beside(out, ".unfinished.old.pt")


def _beside(out: str | Path, ending: str) -> Path:
    path = user_path(out)
    return path.with_name((path.stem if path.suffix == ".pt" else path.name) + ending)


def kept(out: str | Path) -> list[Path]:
    """The states of an unfinished run that there are, the newest first."""
    return [path for path in (state_path(out), previous_path(out)) if path.exists()]


@contextlib.contextmanager
def held(out: str | Path) -> Iterator[None]:
    """Keep other runs from writing to ``out`` meanwhile; clear away what a killed run left half-written.

    Raises:
        OutputError: if another run holds it, or its folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    state = state_path(out)
    path = state.with_suffix(".lock")  # a file of its own: the state is replaced again and again. The system frees it when we die
    created = first_missing(state.parent)
    with making(state.parent, f"'{out}'"):
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise OutputError(f"another run is training '{out}': wait for it, or give another name with --out") from error
    try:
        for name in (state.name, previous_path(out).name, user_path(out).name):
            for leftover in state.parent.glob(f".unfinished-*-{name}"):
                leftover.unlink(missing_ok=True)
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()
        if created is not None:
            remove_empty(state.parent, created)


def refuse_to_overwrite(out: str | Path) -> None:
    """Let no new run take the place of an interrupted one.

    Raises:
        TinytrackError: if there is one.
    """
    if kept(out):
        raise TinytrackError(
            f"'{kept(out)[0]}' holds an interrupted run: go on with it by --resume, delete it to start over, or give another --out"
        )


def keep(content: dict, out: str | Path) -> None:
    """Save a state; the one before it stays beside it.

    Raises:
        OutputError: if it cannot be written; both states are then as before.
    """
    save_tensors(content, state_path(out), aside=previous_path(out))


def newest(out: str | Path, read: Callable[[Path], dict], warn: Callable[[str], None] = print) -> dict:
    """The newest state that is whole; a damaged one gives way to it.

    Args:
        read: the content of a state file; raises DamagedState if it is not whole.
        warn: told, in a sentence, if the newest was not whole.

    Raises:
        TinytrackError: if there is no state.
        ModelError: if none is whole, or the run is another one.
    """
    paths = kept(out)
    if not paths:
        done = f"'{out}' is finished" if Path(out).exists() else f"there is no '{state_path(out)}'"
        raise TinytrackError(f"nothing to resume: {done}")
    for path in paths:
        try:
            content = read(path)
        except DamagedState as error:
            damage = error
            continue
        if path != paths[0]:
            warn(f"'{paths[0]}' is damaged: going on from the state before it, of step {content['count']}")
            path.replace(paths[0])  # now, or the next state that is saved would put the damaged one in the place of the whole one
        return content
    raise damage


def length(out: str | Path) -> tuple[int, float | None] | None:
    """(steps, minutes) that an unfinished run was to last, if there is one that can be read."""
    import torch

    for path in kept(out):
        with contextlib.suppress(Exception):  # torch raises a different class for each way a file can be junk
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            return content["config"]["steps"], content["minutes"]
    return None


def clear(out: str | Path) -> None:
    """Remove the states of a run that is finished."""
    for path in kept(out):
        path.unlink(missing_ok=True)
