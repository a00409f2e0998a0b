"""Several processes, one run: who am I, and how do we agree?

torchrun starts the processes and tells each its number; torch.distributed carries the numbers between them. One process by itself is
a run of one, to which all of this answers at once.
"""

import contextlib
import datetime
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist

from .errors import TinytrackError

T = TypeVar("T")

_store: dist.Store | None = None
"""Of torchrun, while this process is joined to others."""


def launched() -> bool:
    """Whether torchrun started this process."""
    return dist.is_available() and dist.is_torchelastic_launched()


def restarts() -> int:
    """How often torchrun started the run anew (``--max-restarts``), because one of its processes had ended."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


@contextlib.contextmanager
def joined(minutes: float = 30) -> Iterator[None]:
    """Join the other processes that torchrun started: NCCL between GPUs, gloo between processors. Alone, nothing happens.

    What ends them all is said once: the first to leave by a TinytrackError raises it, the others end without a word (``SystemExit``).

    Args:
        minutes: a process that does not answer for so long counts as dead.
    """
    global _store
    if not launched() or dist.is_initialized():
        yield
        return
    backend = "cpu:gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(local())
        backend += ",cuda:nccl"
    # torchrun itself keeps the store: it is there even when a process is not, and so is what those wrote who had to start anew.
    _store, number, of = next(dist.rendezvous("env://"))
    store = dist.PrefixStore(f"attempt {restarts()}", _store)
    dist.init_process_group(backend, timeout=datetime.timedelta(minutes=minutes), store=store, rank=number, world_size=of)
    try:
        yield
    except (TinytrackError, OSError, RuntimeError) as error:
        lost = lost_another(error)
        if not lost and isinstance(error, RuntimeError):
            raise
        # Asked before the connections are closed, which is an error to the others.
        if not _is_first(store):
            raise SystemExit(2) from None
        outlive()
        if lost:
            raise TinytrackError("another process of this run has ended") from error
        raise
    finally:
        _store = None
        gc.collect()  # what still holds a connection must let go of it now: torn down at the very end, gloo aborts the process
        dist.destroy_process_group()


def _is_first(store: dist.Store) -> bool:
    """Whether no process of this run has asked before."""
    try:
        return store.add("tinytrack: said", 1) == 1
    except RuntimeError:  # torchrun is gone: better said twice than never
        return True


def count() -> int:
    """How many processes take part in this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if count() > 1 else 0


def local() -> int:
    """The number of this process on its machine: its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def neighbours() -> int:
    """How many processes of this run there are on this machine, this one included."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if count() > 1 else 1


def note(word: str) -> None:
    """Leave a word for those who come after a restart by torchrun. It is gone with torchrun."""
    if _store is not None:
        _store.set(f"tinytrack: {word}", "")


def noted(word: str) -> bool:
    """Whether a process of this run left the word, before or after a restart."""
    return _store is not None and _store.check([f"tinytrack: {word}"])


def together(function: Callable[[], T], first_only: bool = False) -> T:
    """``function()`` on every process, or on the first only, whose result all get. If it fails on one, none goes on.

    The first process on which it failed raises the error; the others end without a word (``SystemExit``).
    """
    if count() == 1:
        return function()
    result = error = None
    if not first_only or rank() == 0:
        try:
            result = function()
        except (TinytrackError, OSError) as caught:
            error = caught
    failed: list = [None] * count()
    dist.all_gather_object(failed, error is not None)
    if any(failed):
        if rank() == failed.index(True):
            raise error
        raise SystemExit(2)
    if first_only:
        box = [result]
        dist.broadcast_object_list(box, 0)
        result = box[0]
    return result


def total(values: Sequence[float]) -> list[float]:
    """The sums of some numbers over all processes."""
    if count() == 1:
        return list(values)
    numbers = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(numbers)
    return numbers.tolist()


def mean(value: float) -> float:
    """The mean of a number over all processes."""
    return total([value])[0] / count()


def gathered(item: T) -> list[T]:
    """Everybody's item, in the order of the processes."""
    items: list = [item] * count()
    if count() > 1:
        dist.all_gather_object(items, item)
    return items


def lost_another(error: BaseException) -> bool:
    """Whether an error of torch means that another process is gone."""
    words = ("connection closed", "connection reset", "broken pipe", "socket", "gloo", "nccl", "timed out")
    return count() > 1 and isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)


def outlive() -> None:
    """End when there is nothing more to say, and not when torchrun ends all processes because one has ended."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
