"""The trainer for long runs: the same steps as :class:`tinytrack.train.Trainer`, on one process or many.

What it adds changes how a step is computed, not what it computes: ranks that share a step's clips, micro-batches, bfloat16,
torch.compile, clips that travel to the GPU in advance, and a clock. A step is a function of all of its clips, so up to rounding the
weights do not depend on how many ranks share them.
"""

import contextlib
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..batches import ClipSource
from ..color import Palette
from ..recipe import TINY, TrainConfig
from ..train import Trainer
from .processes import clips_of_rank, mean_over_ranks, on_all_ranks, world_size
from .shared_norm import share_norms


class _Engine(nn.Module):
    """Compute a loss, and hold everything that is trained for it: the module that DistributedDataParallel wraps."""

    def __init__(self, net: nn.Module, prototypes: nn.Parameter | None):
        super().__init__()
        self.net, self.prototypes = net, prototypes

    def forward(self, loss: Callable[..., Tensor], *batch) -> Tensor:
        # The loss is an argument, not an attribute: a trainer in a reference cycle would outlive its run and keep connections open.
        return loss(*batch)


class ParallelTrainer(Trainer):
    """Train one network on every rank of a process group (see ``processes.process_group``), or on a single process.

    Args:
        source, config, device: see :class:`~tinytrack.train.Trainer`.
        minutes: the length of the run by the clock, which the schedule then follows, instead of ``config.steps``.
        bf16: whether the network computes in bfloat16; weights, loss and optimiser stay float32. None: on a GPU that supports it.
        compiled: whether torch.compile first makes the network faster, which takes a minute or more.

    Raises:
        VideoError: if there is nothing to train on, or it cannot be read.
        TinytrackError: if the clips of a step cannot be shared evenly.
    """

    def __init__(
        self,
        source: Sequence[np.ndarray] | ClipSource,
        config: TrainConfig = TINY,
        minutes: float | None = None,
        device: torch.device | str = "cpu",
        bf16: bool | None = None,
        compiled: bool = False,
    ):
        self.which = clips_of_rank(config)
        super().__init__(source, config, device)
        self.minutes = minutes
        self.on_gpu = self.device.type == "cuda"
        self.bf16 = self.on_gpu and torch.cuda.is_bf16_supported() if bf16 is None else bf16
        # wrap the network: batch normalisation over all ranks, then compilation, then gradients averaged over ranks
        if world_size() > 1:
            self.net = share_norms(self.net, self.device)
        if compiled:
            self.net.compile()
        self.engine = _Engine(self.net, self.prototypes)
        if world_size() > 1:
            devices = [self.device] if self.on_gpu else None
            self.engine = DistributedDataParallel(self.engine, devices, forward_sync_buffers=False, gradient_as_bucket_view=True)
        self.seconds = 0.0  # spent in steps, including those before a resume
        self.waited = 0.0  # of these, since the run started or resumed, waiting for clips
        self._prefetched: tuple[int, Tensor] | None = None  # the next step's clips, on their way to a GPU

    def fit_palettes(self, *channels: slice) -> list[Palette]:
        """Fit the palettes on rank 0 and send them to all."""
        return on_all_ranks(lambda: super(ParallelTrainer, self).fit_palettes(*channels), first_only=True)

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return self.seconds / (60 * self.minutes) if self.minutes else super().progress

    def step(self) -> float:
        """Take one optimisation step; returns its loss, averaged over the clips of all ranks. Raises as the one-process step."""
        began = time.perf_counter()
        value = super().step()
        self.seconds += mean_over_ranks(time.perf_counter() - began)  # one clock: all ranks must agree on when the run is over
        return value

    def backward(self) -> float:
        """Compute loss and gradients, one micro-batch at a time; gradients add up over micro-batches and are averaged over ranks."""
        parts, losses = self.config.accumulate, []
        for n, clips in enumerate(self.clips().chunk(parts)):
            # Gradients travel between ranks once per step, while those of the last micro-batch are computed.
            local = self.engine.no_sync() if n < parts - 1 and world_size() > 1 else contextlib.nullcontext()
            with local:
                loss = self.engine(self.loss, *self.batch(clips)) / parts
                loss.backward()
            losses.append(loss.detach())
        if self.on_gpu:  # fetch the next clips while the GPU is still busy
            self._prefetched = self.count + 1, self._to_device(self.source.clips(self.count + 1, self.which))
        return mean_over_ranks(torch.stack(losses).sum().item())

    def clips(self) -> Tensor:
        """Return this rank's clips of the next step, on the device: uint8 (b, T, crop, crop, 3)."""
        began = time.perf_counter()
        if self._prefetched is None or self._prefetched[0] != self.count:
            self._prefetched = self.count, self._to_device(self.source.clips(self.count, self.which))
        self.waited += time.perf_counter() - began
        return self._prefetched[1]

    def _to_device(self, clips: Tensor) -> Tensor:
        return clips.pin_memory().to(self.device, non_blocking=True) if self.on_gpu else clips

    def embed(self, picture: Tensor) -> Tensor:
        """Run the network on a batch, in bfloat16 if that is on; the embeddings are float32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return self.net(picture).float()
