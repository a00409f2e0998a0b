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
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import TinytrackError

T = TypeVar("T")


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
    if not launched() or dist.is_initialized():
        yield
        return
    backend = "cpu:gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(local())
        backend += ",cuda:nccl"
    # torchrun itself keeps the store: it is there even when a process is not, and so is what those wrote who had to start anew.
    store, number, of = next(dist.rendezvous("env://"))
    store = dist.PrefixStore(f"attempt {restarts()}", store)
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


class _NormOverAll(torch.autograd.Function):
    """Batch normalisation over the clips of all processes, who talk once on the way there and once on the way back."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        own = torch.stack(torch.batch_norm_update_stats(x.to(weight.dtype), None, None, 0.0))  # many times as fast as torch.var_mean
        of_all = [torch.empty_like(own) for _ in range(count())]
        dist.all_gather(of_all, own)
        means, variances = torch.stack(of_all, 1)
        # Not the mean square minus the squared mean, by which half of the digits would be lost.
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx, slope: Tensor, *_) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, variance = ctx.saved_tensors
        scale = (variance + ctx.eps).rsqrt()
        # The slopes of weight and bias are the only sums that the slope of x needs, too: there over all processes.
        known = (None, None, mean, scale, True, ctx.eps)
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(slope, x, weight, *known, [False, True, True])
        sums = torch.stack([of_weight, of_bias])
        dist.all_reduce(sums)
        along, level = sums / (count() * x.numel() / x.shape[1])
        shape = (1, -1) + (1,) * (x.dim() - 2)
        by_x = -along * scale
        of_x = torch.addcmul((-level - by_x * mean).view(shape), x, by_x.view(shape)).add_(slope).mul_((weight * scale).view(shape))
        return of_x.to(x.dtype), of_weight, of_bias, None


class SharedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation whose mean and variance are those of the clips of *all* processes: ``nn.SyncBatchNorm``, for processors.

    (torch's own refuses tensors that are not on a GPU.) Every process must hold equally many clips.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        y, mean, variance = _NormOverAll.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            n = count() * x.numel() / x.shape[1]
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (n / (n - 1)), self.momentum)
        return y


def share_norms(net: nn.Module, device: torch.device) -> nn.Module:
    """Make every batch normalisation in ``net`` one over all processes, so that a run does not depend on how many there are.

    Parameters and buffers keep their names. Returns the network.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(net)
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                shared = SharedNorm(child.num_features, child.eps, child.momentum)
                for key, value in (*child.named_parameters(), *child.named_buffers()):
                    setattr(shared, key, value)
                setattr(module, name, shared.train(child.training))
    return net
