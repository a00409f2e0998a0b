"""Training: Eq. 3 on unlabelled video, nothing else.

Each step is a pure function of (weights, optimiser state, seed, step number): no random state is carried from step to step,
so a run that was stopped anywhere continues to the same weights. It is one of all clips of the step together, too, so it does not
matter (but for rounding) how many processes share them.
"""

import contextlib
import dataclasses
import math
import os
import platform
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from . import processes
from .batches import COLORS, Shots, fit_palette
from .color import Palette, frames_to_lab, network_input
from .errors import ModelError
from .files import save_tensors
from .loss import clip_loss, single_image_loss
from .model import Model, make_network
from .norms import share_norms
from .recipe import TINY, TrainConfig, learning_rate
from .states import DamagedState
from .stream import Stream

STATE_FORMAT = "tinytrack training 3"
PALETTE_FRAMES = 200


class _Engine(nn.Module):
    """Computes a loss, and holds all that is trained for it: what torch's distributed engine wants to wrap."""

    def __init__(self, net: nn.Module, prototypes: nn.Parameter | None):
        super().__init__()
        self.net, self.prototypes = net, prototypes

    def forward(self, loss: Callable[..., Tensor], *batch) -> Tensor:
        # The loss is not kept: a trainer that is part of a circle lives on after its run, and with it connections to other processes.
        return loss(*batch)


class Trainer:
    """One training run: ``step()`` until ``done``; can be saved at any step and resumed to the same weights.

    Within several processes (``processes.joined``) each makes one of its own, and takes its share of every step's clips.

    Args:
        source: where clips come from: decoded shots, uint8 (T, H, W, 3) each, or a :class:`~tinytrack.stream.Stream`.
        config: the recipe.
        minutes: if given, the run is as long as this (the schedule follows the clock) instead of ``config.steps``.
        device: where to train.
        bf16: whether the network computes in bfloat16 (weights, loss and optimiser stay float32). None: on a GPU that can.
        compiled: whether torch.compile makes the network faster first, which takes a minute or more.

    Raises:
        VideoError: if there is nothing to train on, or it cannot be read.
        TinytrackError: if the clips of a step cannot be shared evenly.
    """

    def __init__(
        self,
        source: Sequence[np.ndarray] | Shots | Stream,
        config: TrainConfig = TINY,
        minutes: float | None = None,
        device: torch.device | str = "cpu",
        bf16: bool | None = None,
        compiled: bool = False,
    ):
        self.source = source if isinstance(source, Shots | Stream) else Shots(source, config)
        self.config, self.minutes, self.device = config, minutes, torch.device(device)
        self.on_gpu = self.device.type == "cuda"
        self.bf16 = self.on_gpu and torch.cuda.is_bf16_supported() if bf16 is None else bf16
        # What a step may ask for: channels of Lab, and the palette of their classes.
        asked = [COLORS] if config.channels == 1 else [slice(c, c + 1) for c in range(3)]
        palettes = processes.together(lambda: self._palettes(COLORS, *asked), first_only=True)
        self.palette, self.targets = palettes[0], list(zip(asked, palettes[1:], strict=True))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.net = make_network(config.network, config.channels).to(self.device).train()
            self.prototypes = None
            if config.task == "classify":
                self.prototypes = nn.Parameter(F.normalize(torch.randn(len(self.palette), self.net.dim), dim=1).to(self.device))
        self.trained = [*self.net.parameters(), *([] if self.prototypes is None else [self.prototypes])]
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimizer]
        self.optimizer = kind(self.trained, lr=config.learning_rate, weight_decay=config.weight_decay, fused=self.on_gpu)
        if processes.count() > 1:
            self.net = share_norms(self.net, self.device)
        if compiled:
            self.net.compile()
        self.engine = _Engine(self.net, self.prototypes)
        if processes.count() > 1:
            devices = [self.device] if self.on_gpu else None
            self.engine = DistributedDataParallel(self.engine, devices, forward_sync_buffers=False, gradient_as_bucket_view=True)
        self.count = 0  # steps done
        self.seconds = 0.0  # spent in steps, over all sittings
        self.waited = 0.0  # of these in this sitting, until clips came
        self.losses: list[float] = []
        self._ahead: tuple[int, Tensor] | None = None  # the next step's clips, under way to a GPU

    def _palettes(self, *channels: slice) -> list[Palette]:
        return [fit_palette(self.source.some_frames(PALETTE_FRAMES), self.config, which) for which in channels]

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0..1."""
        return self.seconds / (60 * self.minutes) if self.minutes else self.count / self.config.steps

    @property
    def done(self) -> bool:
        return self.progress >= 1

    def step(self) -> float:
        """One optimisation step; returns its loss, the mean over the clips of all processes.

        Raises:
            ModelError: if the loss is not finite.
        """
        began = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.count, self.progress)
        self.optimizer.zero_grad(set_to_none=True)
        value = self.backward()
        if not math.isfinite(value):
            raise ModelError(f"training diverged at step {self.count}: the loss is {value}; lower the learning rate")
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.trained, self.config.clip_norm)
        self.optimizer.step()
        self.count += 1
        self.losses.append(value)
        # By one clock: all processes must agree on when the run is over.
        self.seconds += processes.mean(time.perf_counter() - began)
        return value

    def backward(self) -> float:
        """Forward and backward, the clips of one part at a time; gradients add up over parts, and are averaged over processes."""
        parts, losses = self.config.accumulate, []
        for part in range(parts):
            # Gradients travel between processes once a step, while the last part's are being computed.
            alone = self.engine.no_sync() if part < parts - 1 and processes.count() > 1 else contextlib.nullcontext()
            with alone:
                loss = self.engine(self.loss, *self.batch(part)) / parts
                loss.backward()
            losses.append(loss.detach())
        if self.on_gpu:  # while it computes
            self._ahead = self.count + 1, self._to_device(self.source.clips(self.count + 1))
        return processes.mean(torch.stack(losses).sum().item())

    def clips(self) -> Tensor:
        """This process's clips of the next step, on the device: uint8 (b, T, crop, crop, 3)."""
        began = time.perf_counter()
        if self._ahead is None or self._ahead[0] != self.count:
            self._ahead = self.count, self._to_device(self.source.clips(self.count))
        self.waited += time.perf_counter() - began
        return self._ahead[1]

    def _to_device(self, clips: Tensor) -> Tensor:
        return clips.pin_memory().to(self.device, non_blocking=True) if self.on_gpu else clips

    def batch(self, part: int = 0) -> tuple[Tensor, Tensor, int]:
        """What the next step sees (b, T, channels, H, W), the classes (b, T, h, w) that it must explain, and how many there are."""
        config, rng = self.config, np.random.default_rng([self.config.seed, self.count, 1])
        lab = frames_to_lab(self.clips().chunk(config.accumulate)[part], self.device)  # (b, T, 3, H, W)
        hidden, palette = self.targets[rng.integers(len(self.targets))]
        labels = palette.hard(F.avg_pool2d(lab[:, :, hidden].flatten(0, 1), self.net.stride).unflatten(0, lab.shape[:2]))
        picture = network_input(lab, config.channels)
        if config.channels == 3:
            picture[:, :, hidden] = 0
        return picture, labels, len(palette)

    def loss(self, picture: Tensor, labels: Tensor, classes: int) -> Tensor:
        """Eq. 3 of one :meth:`batch`."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            embeddings = self.net(picture)
        if self.config.task == "classify":
            return single_image_loss(embeddings.float(), labels, self.prototypes, self.config.temperature)
        return clip_loss(embeddings.float(), labels, classes, self.config.temperature)

    def model(self, card: dict | None = None) -> Model:
        """The model as it stands, ready to track with (a copy: training can go on)."""
        net = make_network(self.config.network, self.config.channels)
        net.load_state_dict(self.net.state_dict())
        facts = {
            "config": {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self.config).items()},
            "steps": self.count,
            "minutes": round(self.seconds / 60, 2),
            "machine": f"{platform.machine()}, {torch.get_num_threads()} thread(s), {self.device.type}"
            + (f", {processes.count()} processes" if processes.count() > 1 else ""),
            "torch": str(torch.__version__),
            "loss": [round(v, 4) for v in _thin(self.losses)],
        }
        return Model(net.to(self.device).eval(), self.palette, self.config.temperature, facts | (card or {}))

    def state(self) -> dict:
        """Everything needed to go on."""
        return {
            "format": STATE_FORMAT,
            "config": dataclasses.asdict(self.config),
            "minutes": self.minutes,
            "data": self.source.fingerprint(),
            "count": self.count,
            "seconds": self.seconds,
            "losses": torch.tensor(self.losses),
            "palette": self.palette.centers,
            "targets": [palette.centers for _, palette in self.targets],
            "weights": self.net.state_dict(),
            "prototypes": None if self.prototypes is None else self.prototypes.detach(),
            "optimizer": self.optimizer.state_dict(),
        }

    def save(self, path: str | os.PathLike) -> None:
        """Write :meth:`state`, atomically."""
        save_tensors(self.state(), path)

    def read(self, path: str | os.PathLike) -> dict:
        """The state in a file, if it is one of this run.

        Raises:
            ModelError: if the file is not a training state, or of another recipe or other videos.
        """
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            if content["format"] != STATE_FORMAT:
                raise KeyError("format")
        except Exception as error:  # torch raises a different class for each way a file can be junk
            raise DamagedState(f"'{path}' cannot be resumed: expected the state of an interrupted training run") from error
        # The length of the run may change on resuming; what was trained, and on what, may not.
        theirs, ours = (dict(c) | {"steps": 0, "gap": list(c["gap"])} for c in (content["config"], dataclasses.asdict(self.config)))
        different = [k for k in ours if ours[k] != theirs.get(k)]
        if different:
            raise ModelError(f"'{path}' was trained with another recipe ({', '.join(different)} differ): expected the same to resume")
        if content["data"] != self.source.fingerprint():
            raise ModelError(f"'{path}' was trained on other videos: expected the same to resume")
        return content

    def go_on(self, content: dict) -> None:
        """Take up a :meth:`state`."""
        self.palette = Palette(content["palette"])
        self.targets = [(channels, Palette(c)) for (channels, _), c in zip(self.targets, content["targets"], strict=True)]
        self.net.load_state_dict(content["weights"])
        if self.prototypes is not None:
            self.prototypes.data.copy_(content["prototypes"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.count, self.seconds, self.losses = content["count"], content["seconds"], content["losses"].tolist()

    def load(self, path: str | os.PathLike) -> None:
        """Go on where :meth:`save` stopped. Raises as :meth:`read`."""
        self.go_on(self.read(path))


def _thin(values: Sequence[float], points: int = 100) -> list[float]:
    """Means over at most ``points`` equal stretches: a curve short enough for a card."""
    if not values:
        return []
    return [float(part.mean()) for part in np.array_split(np.array(values), min(points, len(values)))]
