"""Training: batch -> loss -> step. The loss is Eq. 3 on unlabelled video, and nothing else.

Each step is a pure function of (weights, optimiser state, seed, step number). No random state is carried from step to step, so a run
that was interrupted anywhere resumes to the same weights. ``training/`` runs the same steps on several processes, from checkpoints,
in lower precision and on more video than fits in memory.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .batches import COLORS, ClipSource, Shots, fit_palette
from .color import Palette, frames_to_lab, network_input
from .errors import ModelError
from .loss import clip_loss, single_image_loss
from .model import Model, make_network
from .recipe import TINY, TrainConfig, learning_rate

PALETTE_FRAMES = 200  # frames that the palette is fitted to


class Trainer:
    """Train one network in one process: call :meth:`step` until :attr:`done`.

    Args:
        source: decoded shots, uint8 (T, H, W, 3) each, or any other :class:`~tinytrack.batches.ClipSource`.
        config: the recipe.
        device: where to train.

    Raises:
        VideoError: if there is nothing to train on, or it cannot be read.

    Explained in notebooks/04_training.ipynb.
    """

    def __init__(self, source: Sequence[np.ndarray] | ClipSource, config: TrainConfig = TINY, device: torch.device | str = "cpu"):
        self.source = Shots(source, config) if isinstance(source, Sequence) else source
        self.config, self.device = config, torch.device(device)
        # what is predicted: (channels of Lab, the palette of their classes); each of LabNet's networks predicts the channel it cannot see
        hidden = [slice(c, c + 1) for c in range(3)] if config.network == "LabNet" else []
        self.palette, *palettes = self.fit_palettes(COLORS, *hidden)
        self.targets = list(zip(hidden, palettes, strict=True)) or [(COLORS, self.palette)]
        # weights from the seed, without touching the global generator
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.net = make_network(config.network, **config.shape).to(self.device).train()
            self.prototypes = None
            if config.task == "classify":
                self.prototypes = nn.Parameter(F.normalize(torch.randn(len(self.palette), self.net.dim), dim=1).to(self.device))
        self.trained = [*self.net.parameters(), *([] if self.prototypes is None else [self.prototypes])]
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimizer]
        fused = self.device.type == "cuda"
        self.optimizer = kind(self.trained, lr=config.learning_rate, weight_decay=config.weight_decay, fused=fused)
        self.count = 0  # steps done
        self.losses: list[float] = []  # one per step

    def fit_palettes(self, *channels: slice) -> list[Palette]:
        """Fit one palette to each of these ranges of Lab channels."""
        frames = list(self.source.some_frames(PALETTE_FRAMES))  # decoded once for all palettes
        return [fit_palette(frames, self.config, which) for which in channels]

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return self.count / self.config.steps

    @property
    def done(self) -> bool:
        return self.progress >= 1

    def step(self) -> float:
        """Take one optimisation step and return its loss.

        Raises:
            ModelError: if the loss is not finite.
        """
        # this step's learning rate
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.count, self.progress)
        # forward and backward
        self.optimizer.zero_grad(set_to_none=True)
        value = self.backward()
        if not math.isfinite(value):
            raise ModelError(f"training diverged at step {self.count}: the loss is {value}; lower the learning rate")
        # one update
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.trained, self.config.clip_norm)
        self.optimizer.step()
        self.count += 1
        self.losses.append(value)
        return value

    def backward(self) -> float:
        """Compute the loss of the next step and its gradients; return the loss."""
        loss = self.loss(*self.batch())
        loss.backward()
        return loss.item()

    def clips(self) -> Tensor:
        """Return the clips of the next step: uint8 (B, T, crop, crop, 3)."""
        return self.source.clips(self.count)

    def batch(self, clips: Tensor | None = None) -> tuple[Tensor, Tensor, int]:
        """Turn clips, by default those of the next step, into what the network sees and what it must predict.

        Args:
            clips: uint8 (B, T, crop, crop, 3).

        Returns:
            Network input (B, T, channels, H, W); true classes (V, B, T, h, w), one set for a network that sees gray and one for each of
            LabNet's three; and the number of classes.
        """
        lab = frames_to_lab(self.clips() if clips is None else clips, self.device)  # (B, T, 3, H, W)
        cells = F.avg_pool2d(lab.flatten(0, 1), self.net.stride)  # (B * T, 3, h, w)
        labels = [palette.hard(cells[:, channels]).unflatten(0, lab.shape[:2]) for channels, palette in self.targets]
        return network_input(lab, self.net.channels), torch.stack(labels), max(len(palette) for _, palette in self.targets)

    def embed(self, picture: Tensor) -> Tensor:
        """Run the network on a batch."""
        return self.net(picture)

    def loss(self, picture: Tensor, labels: Tensor, classes: int) -> Tensor:
        """Compute Eq. 3 of one :meth:`batch`, averaged over what is predicted."""
        embeddings = self.embed(picture)
        if self.config.task == "classify":
            return single_image_loss(embeddings, labels[0], self.prototypes, self.config.temperature)
        views = embeddings.chunk(len(labels), dim=2)  # each of unit length, once the scale of LabNet's concatenation is undone
        losses = [clip_loss(f * len(labels) ** 0.5, y, classes, self.config.temperature) for f, y in zip(views, labels, strict=True)]
        return torch.stack(losses).mean()

    def model(self, card: dict | None = None) -> Model:
        """Return a copy of the network as it is now, ready to track with.

        Args:
            card: facts to keep with the weights.
        """
        net = make_network(self.config.network, **self.config.shape)
        net.load_state_dict(self.net.state_dict())
        return Model(net.to(self.device).eval(), self.palette, self.config.temperature, card or {})
