"""Checkpoints of an unfinished training run: written atomically, kept twice, locked by one run at a time."""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ..color import Palette
from ..errors import ModelError, OutputError, TinytrackError
from ..io.atomic import first_missing, making, remove_empty, save_tensors
from ..io.paths import user_path
from ..io.results import Inputs, check_file
from ..model import FORMAT as MODEL_FORMAT
from .parallel import ParallelTrainer

FORMAT = "tinytrack training 3"


class DamagedCheckpoint(ModelError):
    """A file is not the complete checkpoint of a training run."""


# ---- a trainer <-> a checkpoint


def capture(trainer: ParallelTrainer) -> dict:
    """Collect everything that is needed to resume a run."""
    return {
        "format": FORMAT,
        "config": dataclasses.asdict(trainer.config),
        "minutes": trainer.minutes,
        "data": trainer.source.fingerprint(),
        "count": trainer.count,
        "seconds": trainer.seconds,
        "losses": torch.tensor(trainer.losses),
        "palette": trainer.palette.centers,
        "targets": [palette.centers for _, palette in trainer.targets],
        "weights": trainer.net.state_dict(),
        "prototypes": None if trainer.prototypes is None else trainer.prototypes.detach(),
        "optimizer": trainer.optimizer.state_dict(),
    }


def read(path: Path, trainer: ParallelTrainer) -> dict:
    """Read a checkpoint and make sure that ``trainer`` can resume from it.

    Raises:
        DamagedCheckpoint: if the file is not a checkpoint.
        ModelError: if it is one of another recipe or of other videos.
    """
    damaged = DamagedCheckpoint(f"'{path}' cannot be resumed: expected the checkpoint of an interrupted training run")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise KeyError("format")
        theirs, ours = (dict(c) | {"steps": 0, "gap": list(c["gap"])} for c in (content["config"], dataclasses.asdict(trainer.config)))
        data = content["data"]
    except Exception as error:  # torch raises a different class for each way a file can be junk
        raise damaged from error
    # The length of the run may change on resuming; what is trained, and on what, may not.
    different = [k for k in ours if ours[k] != theirs.get(k)]
    if different:
        raise ModelError(f"'{path}' was trained with another recipe ({', '.join(different)} differ): expected the same to resume")
    if data != trainer.source.fingerprint():
        raise ModelError(f"'{path}' was trained on other videos: expected the same to resume")
    # does it fit?
    try:
        restore(trainer, content)
    except Exception as error:  # a part is missing, or has another shape
        raise damaged from error
    return content


def restore(trainer: ParallelTrainer, content: dict) -> None:
    """Continue from a checkpoint that :func:`read` has accepted."""
    trainer.palette = Palette(content["palette"])
    trainer.targets = [(channels, Palette(c)) for (channels, _), c in zip(trainer.targets, content["targets"], strict=True)]
    trainer.net.load_state_dict(content["weights"])
    if trainer.prototypes is not None:
        trainer.prototypes.data.copy_(content["prototypes"])
    trainer.optimizer.load_state_dict(content["optimizer"])
    trainer.count, trainer.seconds, trainer.losses = content["count"], content["seconds"], content["losses"].tolist()


# ---- checkpoints on disk


def checkpoint_path(out: str | Path) -> Path:
    """Return where the checkpoint of the unfinished run that will become the model ``out`` is kept."""
    return _beside(out, ".unfinished.pt")


def previous_path(out: str | Path) -> Path:
    """Return where the checkpoint before the last one is kept, in case the last one gets damaged."""
    return _beside(out, ".unfinished.old.pt")


def _beside(out: str | Path, ending: str) -> Path:
    path = user_path(out)
    return path.with_name((path.stem if path.suffix == ".pt" else path.name) + ending)


def existing(out: str | Path) -> list[Path]:
    """List the checkpoints of an unfinished run, the newest first."""
    return [path for path in (checkpoint_path(out), previous_path(out)) if path.exists()]


def check_weights(path: str | Path, inputs: Inputs = (), option: str = "--out") -> None:
    """Check that training may write its weights to ``path``: if there is a file, it must hold weights that training wrote.

    Args:
        inputs, option: see :func:`tinytrack.io.results.check_file`.

    Raises:
        OutputError: if the file is something else.
    """
    check_file(path, "a weights file written by 'tinytrack train'", _is_weights, inputs, option)


def _is_weights(path: Path) -> bool:
    """Tell whether a file holds weights that training wrote, all of them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about odd pickles before it refuses them
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)["format"] == MODEL_FORMAT
    except Exception:  # torch raises a different class for each way a file can be junk
        return False


@contextlib.contextmanager
def locked(out: str | Path) -> Iterator[None]:
    """Keep other runs from writing to ``out`` during the block.

    Raises:
        OutputError: if another run holds the lock, if a file of this name was not written by training, or if the folder cannot be
            written to.
    """
    from filelock import FileLock, Timeout

    check_weights(out)
    checkpoint = checkpoint_path(out)
    path = checkpoint.with_suffix(".lock")  # a file of its own, because the checkpoint is replaced again and again
    check_file(path, "an empty file, as the locks of training are", lambda lock: lock.stat().st_size == 0)
    created = first_missing(checkpoint.parent)
    # take the lock; the system releases it if this process dies
    with making(checkpoint.parent, f"'{out}'"):
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise OutputError(f"another run is training '{out}': wait for it, or give another name with --out") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()
        if created is not None:
            remove_empty(checkpoint.parent, created)


def refuse_to_overwrite(out: str | Path) -> None:
    """Make sure that no new run replaces an interrupted one.

    Raises:
        TinytrackError: if there is an interrupted run.
    """
    if existing(out):
        raise TinytrackError(
            f"'{existing(out)[0]}' holds an interrupted run: resume it with --resume, delete it to start over, or give another --out"
        )


def save(content: dict, out: str | Path) -> None:
    """Save a checkpoint, and keep the one before it.

    Raises:
        OutputError: if it cannot be written; both checkpoints are then as before.
    """
    save_tensors(content, checkpoint_path(out), aside=previous_path(out))


def load_newest(out: str | Path, read: Callable[[Path], dict], warn: Callable[[str], None] = print) -> dict:
    """Load the newest intact checkpoint.

    Args:
        out: the model that the run will become.
        read: reads one file; raises DamagedCheckpoint if it is not intact.
        warn: called with one sentence if the newest checkpoint is damaged.

    Raises:
        TinytrackError: if there is no checkpoint.
        ModelError: if none is intact, or it belongs to another run.
    """
    paths = existing(out)
    if not paths:
        done = f"'{out}' is finished" if Path(out).exists() else f"there is no '{checkpoint_path(out)}'"
        raise TinytrackError(f"nothing to resume: {done}")
    for path in paths:
        try:
            content = read(path)
        except DamagedCheckpoint as error:
            damage = error
            continue
        if path != paths[0]:
            warn(f"'{paths[0]}' is damaged: resuming from the checkpoint before it, of step {content['count']}")
            path.replace(paths[0])  # at once, or the next save would overwrite the intact checkpoint with the damaged one
        return content
    raise damage


def run_length(out: str | Path) -> tuple[int, float | None] | None:
    """Return the (steps, minutes) that an unfinished run was to last; None if there is no readable checkpoint."""
    for path in existing(out):
        with contextlib.suppress(Exception):  # torch raises a different class for each way a file can be junk
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            return content["config"]["steps"], content["minutes"]
    return None


def remove(out: str | Path) -> None:
    """Remove the checkpoints of a finished run."""
    for path in existing(out):
        path.unlink(missing_ok=True)
