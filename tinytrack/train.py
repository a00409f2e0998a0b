"""Training: Eq. 3 on unlabelled video, nothing else.

Each step is a pure function of (weights, optimiser state, seed, step number): no random state is carried from step to step,
so a run that was stopped anywhere continues to the same weights.
"""

import contextlib
import dataclasses
import math
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .clips import split_shots
from .color import Palette, frames_to_lab, network_input
from .errors import ModelError, TinytrackError, VideoError
from .files import save_tensors
from .loss import clip_loss, single_image_loss
from .model import Model, make_network
from .video import Video, fit_size

STATE_FORMAT = "tinytrack training 2"


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run; defaults are the tiny recipe, comments give the paper's value."""

    network: str = "TinyNet"  # PaperNet
    channels: int = 1  # what it sees: 1 gray, as in the paper; 3 Lab, of which one channel a step is hidden from it, and is copied
    task: str = "copy"  # paper: "copy"; its control is "classify": each frame's colours from that frame alone, no pointing
    height: int = 160  # pixels of the shorter side of a training frame; paper: 256
    crop: int = 128  # side of the square that is cut out of it; paper: the whole 256x256
    jitter: int = 16  # frames of a clip are cut out up to so many pixels apart; paper: 0, the whole frame
    references: int = 3  # reference frames a clip; paper: 3
    gap: tuple[int, int] = (1, 8)  # frames between neighbours of a clip, drawn evenly; paper: about 5 (6 frames a second)
    colors: int = 16  # clusters of the palette; paper: 16
    temperature: float = 0.07  # of Eq. 2; paper: 1, on embeddings without a norm
    batch: int = 4  # clips a step; paper: 32
    optimizer: str = "adamw"  # paper: Adam
    learning_rate: float = 2e-3  # paper: 1e-3, a tenth of it after 60,000 steps
    schedule: str = "cosine"  # paper: "drop"
    drop_at: int = 60_000  # paper: 60,000; only for the schedule "drop"
    warmup: int = 20  # steps of linear warm-up; paper: none
    weight_decay: float = 1e-4  # paper: none
    steps: int = 2000  # paper: 400,000
    seed: int = 0


TINY = TrainConfig()
PAPER = TrainConfig(
    network="PaperNet",
    height=256,
    crop=256,
    jitter=0,
    gap=(5, 5),
    temperature=1.0,
    batch=32,
    optimizer="adam",
    learning_rate=1e-3,
    schedule="drop",
    warmup=0,
    weight_decay=0.0,
    steps=400_000,
)
LAB = TrainConfig(channels=3)
"""The tiny recipe for a network that sees colour, but never the channel that it must predict: channel dropout, after CorrFlow and MAST."""
SINGLE = TrainConfig(task="classify", steps=1000)
"""The paper's control: the tiny recipe, but colorization of single images. If colours alone were enough, this would track too."""
PRESETS = {"tiny": TINY, "lab": LAB, "paper": PAPER, "single": SINGLE}


def sample_clips(shots: Sequence[np.ndarray], config: TrainConfig, step: int) -> np.ndarray:
    """The training clips of one step, uint8 (B, T, crop, crop, 3): a function of config.seed and step alone.

    Each shot is drawn in proportion to its length; the frames of a clip are cut out near one another; half are mirrored.
    """
    rng = np.random.default_rng([config.seed, step])
    length = np.array([len(s) for s in shots], dtype=np.float64)
    clips = []
    for _ in range(config.batch):
        frames = shots[rng.choice(len(shots), p=length / length.sum())]
        gap = int(rng.integers(config.gap[0], config.gap[1] + 1))
        gap = max(1, min(gap, (len(frames) - 1) // config.references))
        span = min(gap * config.references, len(frames) - 1)
        first = int(rng.integers(0, len(frames) - span))
        # A shot shorter than a clip repeats its last frame.
        index = np.minimum(first + gap * np.arange(config.references + 1), len(frames) - 1)
        h, w = frames.shape[1:3]
        room = np.array([h, w]) - config.crop
        corner = rng.integers(0, room + 1)
        # Cut out at one place, neighbouring frames would differ so little that "the same place" is nearly always right,
        # and zero padding lets a network know its place. Shaking the camera leaves only appearance to point with.
        corners = np.clip(corner + rng.integers(-config.jitter, config.jitter + 1, (len(index), 2)), 0, room)
        clip = np.stack([frames[t, y : y + config.crop, x : x + config.crop] for t, (y, x) in zip(index, corners, strict=True)])
        clips.append(clip[:, :, ::-1] if rng.random() < 0.5 else clip)
    return np.stack(clips)


def load_shots(videos: Sequence[Video], config: TrainConfig, megabytes: int = 4000) -> list[np.ndarray]:
    """Decode training videos at the working size, split at their cuts: uint8 (T, H, W, 3) each.

    Raises:
        VideoError: if a video cannot be read, if none has two frames, or if the frames would need more memory than allowed.
    """
    found = []
    used = 0
    for video in videos:
        if config.crop == config.height:
            size = (config.crop, config.crop)  # the paper squeezes the whole frame into a square
        else:
            size = fit_size(video.height, video.width, max(config.height, config.crop))
        frames = []
        for frame in video.frames(size):
            used += frame.nbytes
            if used > megabytes * 1e6:
                raise VideoError(f"the training videos need more than {megabytes} MB at {config.height} pixels: give fewer or shorter ones")
            frames.append(frame)
        if frames:
            found += split_shots(np.stack(frames))
    if not found:
        raise VideoError("the training videos have no shot of two or more frames: expected moving pictures")
    return found


COLORS = slice(1, 3)
"""Where (a, b) stand among the channels of Lab."""


def fit_palette(shots: Sequence[np.ndarray], config: TrainConfig, channels: slice = COLORS, frames: int = 200) -> Palette:
    """K-means on the ab colours, or other ``channels`` of Lab, of frames spread over all shots."""
    where = [(s, t) for s, shot in enumerate(shots) for t in range(len(shot))]
    chosen = [where[i] for i in np.unique(np.linspace(0, len(where) - 1, frames).astype(int))]
    rng = np.random.default_rng(config.seed)
    colors = []
    for s, t in chosen:
        rows = shots[s][t].reshape(-1, 3)
        rows = rows[rng.integers(0, len(rows), 250)]
        colors.append(frames_to_lab(rows[:, None])[channels, :, 0])
    return Palette.fit(torch.cat(colors, dim=1)[:, :, None], config.colors, config.seed)


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """The step size at ``step`` when ``progress`` (0..1) of the run is done."""
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "cosine":
        return config.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
    return config.learning_rate * warm * (0.1 if step >= config.drop_at else 1.0)


class Trainer:
    """One training run: ``step()`` until ``done``; can be saved at any step and resumed to the same weights.

    Args:
        shots: uint8 (T, H, W, 3) each; frames at least ``config.crop`` in both directions.
        config: the recipe.
        minutes: if given, the run is as long as this (the schedule follows the clock) instead of ``config.steps``.
        device: where to train.
    """

    def __init__(self, shots: Sequence[np.ndarray], config: TrainConfig = TINY, minutes: float | None = None, device: str = "cpu"):
        self.shots, self.config, self.minutes, self.device = list(shots), config, minutes, torch.device(device)
        small = [s.shape[1:3] for s in self.shots if min(s.shape[1:3]) < config.crop]
        if not self.shots or small:
            raise VideoError(f"training needs frames of at least {config.crop} pixels in both directions, got {small or 'none'}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.net = make_network(config.network, config.channels).to(self.device).train()
            self.palette = fit_palette(self.shots, config)
            # What a step may ask for: channels of Lab, and the palette of their classes.
            self.targets = [(COLORS, self.palette)]
            if config.channels == 3:
                one_by_one = [slice(c, c + 1) for c in range(3)]
                self.targets = [(channel, fit_palette(self.shots, config, channel)) for channel in one_by_one]
            trained = list(self.net.parameters())
            self.prototypes = None
            if config.task == "classify":
                self.prototypes = torch.nn.Parameter(F.normalize(torch.randn(len(self.palette), self.net.dim), dim=1).to(self.device))
                trained.append(self.prototypes)
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimizer]
        self.optimizer = kind(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.count = 0  # steps done
        self.seconds = 0.0  # spent in steps, over all sittings
        self.losses: list[float] = []

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0..1."""
        return self.seconds / (60 * self.minutes) if self.minutes else self.count / self.config.steps

    @property
    def done(self) -> bool:
        return self.progress >= 1

    def step(self) -> float:
        """One optimisation step; returns its loss.

        Raises:
            ModelError: if the loss is not finite.
        """
        began = time.perf_counter()
        loss = self.loss(*self.batch())
        value = loss.item()
        if not math.isfinite(value):
            raise ModelError(f"training diverged at step {self.count}: the loss is {value}; lower the learning rate")
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.count, self.progress)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.count += 1
        self.losses.append(value)
        self.seconds += time.perf_counter() - began
        return value

    def batch(self) -> tuple[Tensor, Tensor, int]:
        """What the next step sees (B, T, channels, H, W), the classes (B, T, h, w) that it must explain, and how many there are."""
        config, rng = self.config, np.random.default_rng([self.config.seed, self.count, 1])
        lab = frames_to_lab(sample_clips(self.shots, config, self.count), self.device)  # (B, T, 3, H, W)
        hidden, palette = self.targets[rng.integers(len(self.targets))]
        labels = palette.hard(F.avg_pool2d(lab[:, :, hidden].flatten(0, 1), self.net.stride).unflatten(0, lab.shape[:2]))
        picture = network_input(lab, config.channels)
        if config.channels == 3:
            picture[:, :, hidden] = 0
        return picture, labels, len(palette)

    def loss(self, picture: Tensor, labels: Tensor, classes: int) -> Tensor:
        """Eq. 3 of one :meth:`batch`."""
        embeddings = self.net(picture)
        if self.config.task == "classify":
            return single_image_loss(embeddings, labels, self.prototypes, self.config.temperature)
        return clip_loss(embeddings, labels, classes, self.config.temperature)

    def model(self, card: dict | None = None) -> Model:
        """The model as it stands, ready to track with (a copy: training can go on)."""
        net = make_network(self.config.network, self.config.channels)
        net.load_state_dict(self.net.state_dict())
        facts = {
            "config": {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self.config).items()},
            "steps": self.count,
            "minutes": round(self.seconds / 60, 2),
            "machine": f"{platform.machine()}, {torch.get_num_threads()} thread(s), {self.device.type}",
            "torch": str(torch.__version__),
            "loss": [round(v, 4) for v in _thin(self.losses)],
        }
        return Model(net.to(self.device).eval(), self.palette, self.config.temperature, facts | (card or {}))

    def save(self, path: str | os.PathLike) -> None:
        """Everything needed to go on, atomically."""
        content = {
            "format": STATE_FORMAT,
            "config": dataclasses.asdict(self.config),
            "minutes": self.minutes,
            "data": self._data(),
            "count": self.count,
            "seconds": self.seconds,
            "losses": torch.tensor(self.losses),
            "palette": self.palette.centers,
            "targets": [palette.centers for _, palette in self.targets],
            "weights": self.net.state_dict(),
            "prototypes": None if self.prototypes is None else self.prototypes.detach(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_tensors(content, path)

    def _data(self) -> list[int]:
        """A small fingerprint of the training frames, so that a run does not silently go on with others."""
        return [len(self.shots), sum(len(s) for s in self.shots), int(sum(int(s[0].sum()) + int(s[-1].sum()) for s in self.shots))]

    def load(self, path: str | os.PathLike) -> None:
        """Go on where :meth:`save` stopped.

        Raises:
            ModelError: if the file is not a training state, or of another recipe or other videos.
        """
        try:
            content = torch.load(path, map_location=self.device, weights_only=True)
            if content["format"] != STATE_FORMAT:
                raise KeyError("format")
        except Exception as error:  # torch raises a different class for each way a file can be junk
            raise ModelError(f"'{path}' cannot be resumed: expected the state of an interrupted training run") from error
        # The length of the run may change on resuming; what was trained, and on what, may not.
        theirs, ours = (dict(c) | {"steps": 0, "gap": list(c["gap"])} for c in (content["config"], dataclasses.asdict(self.config)))
        different = [k for k in ours if ours[k] != theirs.get(k)]
        if different:
            raise ModelError(f"'{path}' was trained with another recipe ({', '.join(different)} differ): expected the same to resume")
        if content["data"] != self._data():
            raise ModelError(f"'{path}' was trained on other videos: expected the same to resume")
        self.palette = Palette(content["palette"])
        self.targets = [(channels, Palette(c)) for (channels, _), c in zip(self.targets, content["targets"], strict=True)]
        self.net.load_state_dict(content["weights"])
        if self.prototypes is not None:
            self.prototypes.data.copy_(content["prototypes"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.count, self.seconds, self.losses = content["count"], content["seconds"], content["losses"].tolist()


def _thin(values: Sequence[float], points: int = 100) -> list[float]:
    """Means over at most ``points`` equal stretches: a curve short enough for a card."""
    if not values:
        return []
    return [float(part.mean()) for part in np.array_split(np.array(values), min(points, len(values)))]


@contextlib.contextmanager
def _patient_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back until the step under way is whole: weights, optimiser and step count must belong together."""
    pressed = []
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # no Ctrl-C arrives, or none is wanted
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def state_path(out: str | os.PathLike) -> Path:
    """Where the unfinished run that will become the model ``out`` is kept."""
    return Path(out).with_suffix(".unfinished.pt")


def checkpoint_steps(last: int) -> list[int]:
    """Steps 0, 1, 3, 10, 30, 100, ... up to ``last``, and ``last``: learning is fast at first, so the scale is a logarithmic one."""
    grid = [0, *(digit * 10**power for power in range(12) for digit in (1, 3))]
    return [step for step in grid if step < last] + [last]


def fit(
    shots: Sequence[np.ndarray],
    config: TrainConfig = TINY,
    minutes: float | None = None,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    device: str = "cpu",
    save_every: float = 30.0,
    progress: bool = True,
    on_step: Callable[[Trainer, float], None] | None = None,
    card: dict | None = None,
    checkpoints: str | os.PathLike | None = None,
) -> Model:
    """Train a model on shots (see :func:`load_shots`).

    Args:
        minutes: train so long instead of ``config.steps``.
        out: write the finished model here; until then the run's state stands beside it (:func:`state_path`).
        resume: go on from that state if there is one.
        save_every: seconds between saved states.
        progress: show loss and clips per second.
        on_step: called after every step with the trainer and the loss.
        card: facts to keep with the weights.
        checkpoints: a folder for the model as it was at :func:`checkpoint_steps`: ``step000000.pt``, ``step000001.pt`` ...

    Raises:
        VideoError, ModelError, OutputError: see :class:`Trainer`.
    """
    from tqdm import tqdm

    trainer = Trainer(shots, config, minutes, device)
    state = state_path(out) if out is not None else None
    if resume and state is not None:
        if state.exists():
            trainer.load(state)
        elif not Path(out).exists():
            raise TinytrackError(f"nothing to resume: there is no '{state}'")
        else:
            raise TinytrackError(f"nothing to resume: '{out}' is finished")
    kept = set(checkpoint_steps(10**9 if minutes else config.steps)) if checkpoints is not None else ()

    def keep() -> None:
        if trainer.count in kept:
            trainer.model(card).save(Path(checkpoints) / f"step{trainer.count:06d}.pt")

    keep()
    saved = time.monotonic()
    total = 100 if minutes else config.steps
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    smooth = None
    with tqdm(total=total, desc="training", bar_format=form, disable=not progress) as bar, _patient_interrupt() as interrupted:
        try:
            while not trainer.done:
                began = time.perf_counter()
                loss = trainer.step()
                smooth = loss if smooth is None else 0.97 * smooth + 0.03 * loss
                speed = config.batch / (time.perf_counter() - began)
                bar.n = min(total, trainer.progress * total)
                bar.set_postfix_str(f"step {trainer.count}, loss {smooth:.3f}, {speed:.1f} clips/s", refresh=False)
                bar.update(0)
                keep()
                if on_step is not None:
                    on_step(trainer, loss)
                if interrupted():
                    raise KeyboardInterrupt
                if state is not None and time.monotonic() - saved > save_every:
                    trainer.save(state)
                    saved = time.monotonic()
        except KeyboardInterrupt:
            if state is not None and trainer.count:
                trainer.save(state)
            raise
    model = trainer.model(card)
    if out is not None:
        trainer.save(state)  # so that nothing is lost if the very last write is what fails
        model.save(out)
        state.unlink(missing_ok=True)
    return model
