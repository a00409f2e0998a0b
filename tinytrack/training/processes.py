"""Coordinate the ranks of a distributed training run.

torchrun starts the processes and gives each its rank; torch.distributed moves numbers between them. A single process is a run with a
world size of one, for which every function here returns at once.
"""

import contextlib
import datetime
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist

from ..errors import TinytrackError
from ..recipe import TrainConfig

T = TypeVar("T")

_store: dist.Store | None = None  # torchrun's key-value store, while this process is in a group


@contextlib.contextmanager
def safe_fork() -> Iterator[None]:
    """Make processes that are forked in the block leave this process's garbage alone.

    A video that was open here has decoder threads, which do not exist in the fork. If the fork's garbage collector closed such a
    video, it would wait for these threads for ever.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def launched_by_torchrun() -> bool:
    """Tell whether torchrun started this process."""
    return dist.is_available() and dist.is_torchelastic_launched()


def restart_count() -> int:
    """Return how often torchrun has restarted the run (``--max-restarts``) because one of its processes had ended."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


@contextlib.contextmanager
def process_group(minutes: float = 30) -> Iterator[None]:
    """Join the other processes that torchrun started: NCCL between GPUs, gloo between CPUs. A single process just runs the block.

    An error that ends all ranks is reported once: the first rank to leave with a TinytrackError raises it, the others end silently
    with ``SystemExit``.

    Args:
        minutes: a rank that does not answer for this long counts as dead.
    """
    global _store
    if not launched_by_torchrun() or dist.is_initialized():
        yield
        return
    # join the group; each restart by torchrun gets a key prefix of its own
    backend = "cpu:gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank())
        backend += ",cuda:nccl"
    # torchrun itself hosts the store, so it survives a dead rank, and so do the flags that earlier attempts left in it.
    _store, number, size = next(dist.rendezvous("env://"))
    store = dist.PrefixStore(f"attempt {restart_count()}", _store)
    dist.init_process_group(backend, timeout=datetime.timedelta(minutes=minutes), store=store, rank=number, world_size=size)
    try:
        yield
    except (TinytrackError, OSError, RuntimeError) as error:
        lost = is_lost_rank(error)
        if not lost and isinstance(error, RuntimeError):
            raise
        # Decide who reports before the connections are closed, because closing them is an error for the other ranks.
        if not _is_first_to_report(store):
            raise SystemExit(2) from None
        ignore_sigterm()
        if lost:
            raise TinytrackError("another process of this run has ended") from error
        raise
    finally:
        _store = None
        gc.collect()  # whatever still holds a connection must release it now: gloo aborts the process if that happens at exit
        dist.destroy_process_group()


def _is_first_to_report(store: dist.Store) -> bool:
    """Tell whether no other rank has called this before."""
    try:
        return store.add("tinytrack: said", 1) == 1
    except RuntimeError:  # torchrun is gone: reporting twice is better than not at all
        return True


def world_size() -> int:
    """Return the number of processes in this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the rank of this process, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def local_rank() -> int:
    """Return the rank of this process on its machine, which is also the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_world_size() -> int:
    """Return the number of this run's processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if world_size() > 1 else 1


def own_gpu(device: str) -> str:
    """Turn the device "cuda" into this process's own GPU, if torchrun started it; other devices stay as they are."""
    return f"cuda:{local_rank()}" if device == "cuda" and "LOCAL_RANK" in os.environ else device


def clips_of_rank(config: TrainConfig) -> np.ndarray:
    """Return the numbers of a step's clips that this rank takes, micro-batch by micro-batch.

    Every micro-batch is shared evenly, so it holds the same clips whatever the world size.

    Raises:
        TinytrackError: if the clips cannot be shared evenly.
    """
    if config.batch % (config.accumulate * world_size()):
        raise TinytrackError(
            f"a batch of {config.batch} clips cannot be shared evenly: expected a multiple of {config.accumulate * world_size()}, "
            f"the number of processes ({world_size()}) times --accumulate ({config.accumulate})"
        )
    return np.arange(config.batch).reshape(config.accumulate, world_size(), -1)[:, rank()].ravel()


def set_flag(name: str) -> None:
    """Leave a flag for processes that torchrun restarts later; it disappears together with torchrun."""
    if _store is not None:
        _store.set(f"tinytrack: {name}", "")


def has_flag(name: str) -> bool:
    """Tell whether a process of this run has set a flag, before or after a restart."""
    return _store is not None and _store.check([f"tinytrack: {name}"])


def on_all_ranks(function: Callable[[], T], first_only: bool = False) -> T:
    """Call ``function()`` on every rank, or only on rank 0, whose result is sent to all. If it fails on one rank, all of them stop.

    The first rank on which it failed raises the error, the others end silently with ``SystemExit``.
    """
    if world_size() == 1:
        return function()
    result = error = None
    if not first_only or rank() == 0:
        try:
            result = function()
        except (TinytrackError, OSError) as caught:
            error = caught
    # agree on whether it worked
    failed: list = [None] * world_size()
    dist.all_gather_object(failed, error is not None)
    if any(failed):
        if rank() == failed.index(True):
            raise error
        raise SystemExit(2)
    # hand out rank 0's result
    if first_only:
        box = [result]
        dist.broadcast_object_list(box, 0)
        result = box[0]
    return result


def sum_over_ranks(values: Sequence[float]) -> list[float]:
    """Add up numbers over all ranks."""
    if world_size() == 1:
        return list(values)
    numbers = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(numbers)
    return numbers.tolist()


def mean_over_ranks(value: float) -> float:
    """Average a number over all ranks."""
    return sum_over_ranks([value])[0] / world_size()


def gather(item: T) -> list[T]:
    """Collect one item per rank, in rank order, on every rank."""
    items: list = [item] * world_size()
    if world_size() > 1:
        dist.all_gather_object(items, item)
    return items


def is_lost_rank(error: BaseException) -> bool:
    """Tell whether an error of torch means that another rank is gone."""
    words = ("connection closed", "connection reset", "broken pipe", "socket", "gloo", "nccl", "timed out")
    return world_size() > 1 and isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)


def ignore_sigterm() -> None:
    """Let this process finish its last sentence when torchrun ends all ranks because one has ended."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
