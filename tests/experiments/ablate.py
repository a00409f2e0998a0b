"""Ablation: change one setting at a time and score the result on masks of held-out DAVIS *train* sequences.

python tests/experiments/ablate.py DAVIS [--out FILE.json] [--steps 300] [--frames 25] [--only "ROW;ROW"] [--part train|track]
                                        [--weights ROW]

The network trains on twenty-two of the thirty train sequences, without their masks. The masks of the other eight are used for scoring.
Each row is a whole training run or, with --part track, one way to track with the weights of one of these runs, --weights, which is "base"
unless you say otherwise. All rows together take hours, so rows that FILE.json already contains are not run again, and several processes
can share the work with --only. The tables give each row's difference to the base with a 90 % interval, from a bootstrap over the eight
sequences: a difference whose interval contains 0 may be noise. Variants that did not improve the result exist only in this file.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tinytrack.batches import sample_clips
from tinytrack.datasets.davis import Davis
from tinytrack.embed import TinyNet
from tinytrack.evaluation.metrics import boundary_f, region_j
from tinytrack.evaluation.statistics import bootstrap
from tinytrack.fast import attend
from tinytrack.io.atomic import write_json
from tinytrack.loss import color_loss
from tinytrack.model import Model, load_model
from tinytrack.pointer import affinity, copy, pixels, window
from tinytrack.propagate import FINE, MODERN, PAPER, REFINED, Protocol
from tinytrack.recipe import LAB, TINY, TrainConfig
from tinytrack.track import carry
from tinytrack.train import Trainer
from tinytrack.training.sources import load_shots

HELD_OUT = ("bmx-bumps", "breakdance-flare", "dance-jump", "horsejump-low", "kite-walk", "rollerblade", "soccerball", "tennis")


class Variant(Trainer):
    """A trainer with another loss: :meth:`compare` takes embeddings (B, T, D, h, w), classes (B, T, h, w) and their number."""

    def loss(self, picture: Tensor, labels: Tensor, classes: int) -> Tensor:
        return self.compare(self.net(picture), labels[0], classes)


class RareColors(Variant):
    """Weights each pixel by 1 / sqrt(frequency of its colour class), so that gray walls do not outweigh a red bow tie."""

    def compare(self, f: Tensor, labels: Tensor, classes: int) -> Tensor:
        truth = labels[:, -1].flatten(1)
        A = affinity(pixels(f[:, -1]), pixels(f[:, :-1]), self.config.temperature)
        y = copy(A, F.one_hot(labels[:, :-1].flatten(1), classes).to(A.dtype))
        weight = (1 / (1 + torch.bincount(truth.flatten(), minlength=classes)).sqrt())[truth]
        return -(y.gather(-1, truth[..., None])[..., 0].clamp(1e-4, 1).log() * weight).mean() / weight.mean()


class Regression(Variant):
    """Copies the mean (a, b) itself instead of colour classes, with a Huber loss in units of 10 Lab."""

    def compare(self, f: Tensor, labels: Tensor, classes: int) -> Tensor:
        ab = self.palette.decode(labels) / 10  # (B, T, 2, h, w), the centre of the nearest of many clusters
        A = affinity(pixels(f[:, -1]), pixels(f[:, :-1]), self.config.temperature)
        return F.smooth_l1_loss(copy(A, pixels(ab[:, :-1])), pixels(ab[:, -1]))


class Windowed(Variant):
    """Restricts the pointer to +-12 cells in training too."""

    def compare(self, f: Tensor, labels: Tensor, classes: int) -> Tensor:
        allowed = window(*f.shape[-2:], 12, f.shape[1] - 1)
        A = affinity(pixels(f[:, -1]), pixels(f[:, :-1]), self.config.temperature, allowed=allowed)
        return color_loss(copy(A, F.one_hot(labels[:, :-1].flatten(1), classes).to(A.dtype)), labels[:, -1].flatten(1))


class Cycle(Variant):
    """Adds cycle consistency: pointing to the references and back should lead to the same cell or one of its neighbours."""

    def compare(self, f: Tensor, labels: Tensor, classes: int) -> Tensor:
        there = affinity(pixels(f[:, -1]), pixels(f[:, :-1]), self.config.temperature)
        back = affinity(pixels(f[:, :-1]), pixels(f[:, -1]), self.config.temperature)
        home = ((there @ back) * window(*f.shape[-2:], 1)).sum(-1).clamp(1e-6, 1)
        y = copy(there, F.one_hot(labels[:, :-1].flatten(1), classes).to(f.dtype))
        return color_loss(y, labels[:, -1].flatten(1)) - 0.1 * home.log().mean()


class Tinted(Trainer):
    """Scales each channel of each frame by a random factor of 0.8 to 1.2, so that the network cannot rely on absolute values."""

    def batch(self, *args) -> tuple[Tensor, Tensor, int]:
        picture, labels, classes = super().batch(*args)
        scale = np.random.default_rng([self.config.seed, self.count, 3]).uniform(0.8, 1.2, (*picture.shape[:3], 1, 1))
        return picture * torch.as_tensor(scale, dtype=picture.dtype), labels, classes


class Averaged(Trainer):
    """Keeps an exponential moving average (EMA) of the weights and tracks with it; the step size is constant."""

    def step(self) -> float:
        value = super().step()
        now = {k: v.clone() for k, v in self.net.state_dict().items()}
        share = max(0.01, 9 / (9 + self.count))
        before = getattr(self, "mean", now)
        self.mean = {k: before[k].lerp(v, share) if v.is_floating_point() else v for k, v in now.items()}
        return value

    def model(self, card: dict | None = None) -> Model:
        now, model = self.net.state_dict(), super().model(card)
        model.net.load_state_dict(getattr(self, "mean", now))
        return model


class AllFrames(Variant):
    """Predicts every frame of a clip from the three others, instead of only the last one."""

    def compare(self, f: Tensor, labels: Tensor, classes: int) -> Tensor:
        c = F.one_hot(labels.flatten(2), classes).to(f)  # (B, T, M, K)
        losses = []
        for t in range(f.shape[1]):
            others = [i for i in range(f.shape[1]) if i != t]
            y = attend(pixels(f[:, t]), pixels(f[:, others]), c[:, others].flatten(1, 2), self.config.temperature)
            losses.append(color_loss(y, labels[:, t].flatten(1)))
        return torch.stack(losses).mean()


class Warped(Trainer):
    """Zooms (by a factor of 0.78 to 1.28) and turns (by up to 11 degrees) each frame of a clip on its own."""

    def clips(self) -> Tensor:
        clips = super().clips()
        rng = np.random.default_rng([self.config.seed, self.count, 4])
        zoom, angle = np.exp(rng.uniform(-0.25, 0.25, clips.shape[:2])), rng.uniform(-0.2, 0.2, clips.shape[:2])
        turn = np.stack([np.cos(angle), -np.sin(angle), 0 * angle, np.sin(angle), np.cos(angle), 0 * angle], axis=-1)
        matrix = torch.as_tensor((turn * zoom[..., None]).reshape(-1, 2, 3), dtype=torch.float32)
        frames = clips.flatten(0, 1).movedim(-1, 1).float()
        grid = F.affine_grid(matrix, list(frames.shape), align_corners=False)
        frames = F.grid_sample(frames, grid, padding_mode="reflection", align_corners=False)
        return frames.round().clamp(0, 255).to(torch.uint8).movedim(1, -1).unflatten(0, clips.shape[:2])


class Hiding(TinyNet):
    """Sees all three channels of Lab, of which training hides one; tracking embeds a frame three times, without each channel once."""

    def forward(self, picture: Tensor) -> Tensor:
        if self.training:
            return super().forward(picture)
        shown = 1 - torch.eye(3)[..., None, None]  # of each view, (3, 1, 1)
        return torch.cat([super(Hiding, self).forward(picture * which) for which in shown], dim=-3) / 3**0.5


class OneNetwork(Trainer):
    """One network learns to predict all three channels: each clip of a batch hides another one (CorrFlow's idea)."""

    def __init__(self, source, config: TrainConfig = TINY):
        super().__init__(source, config)
        self.targets = [(slice(c, c + 1), palette) for c, palette in enumerate(self.fit_palettes(*(slice(c, c + 1) for c in range(3))))]

    def batch(self, *args) -> tuple[Tensor, Tensor, int]:
        picture, labels, classes = super().batch(*args)
        hidden = [(self.count + clip) % 3 for clip in range(len(picture))]
        for clip, channel in enumerate(hidden):
            picture[clip, :, channel] = 0
        return picture, torch.stack([labels[channel, clip] for clip, channel in enumerate(hidden)])[None], classes


class NoUnitLength(TinyNet):
    """Embeddings are not normalized to unit length. As in the paper, Eq. 2 uses the plain inner product."""

    def forward(self, picture: Tensor) -> Tensor:
        x = picture.flatten(0, -4).contiguous(memory_format=torch.channels_last)
        return self.head(self.blocks(self.stem(x))).unflatten(0, picture.shape[:-3])


class OverTime(TinyNet):
    """Adds a convolution over time before the last layer, as in the paper's 3-D head. An embedding depends on its clip of four frames."""

    clip_frames = 4

    def __init__(self, **shape):
        super().__init__(**shape)
        self.time = torch.nn.Conv3d(64, 64, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.norm = torch.nn.BatchNorm3d(64)

    def forward(self, picture: Tensor) -> Tensor:
        clips = picture if picture.dim() == 5 else picture[None]
        x = clips.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        x = self.blocks(self.stem(x)).unflatten(0, clips.shape[:2]).transpose(1, 2)  # (B, C, T, h, w)
        x = (x + self.norm(self.time(x))).relu().transpose(1, 2)
        f = F.normalize(self.head(x.flatten(0, 1)), dim=1).unflatten(0, clips.shape[:2])
        return f if picture.dim() == 5 else f[0]


class Coarse(TinyNet):
    """Has stride 8, like the paper's grid, because the stem halves the resolution once more."""

    stride = 8

    def __init__(self, **shape):
        super().__init__(**shape)
        self.stem.extend([torch.nn.Conv2d(64, 64, 4, 2, 1, bias=False), torch.nn.BatchNorm2d(64), torch.nn.ReLU(inplace=True)])


def zoomed(shots: list[np.ndarray], config: TrainConfig, step: int, which=None) -> np.ndarray:
    """Crop clips of 85 to 192 pixels from larger frames and scale them to the crop size, so that objects appear near or far."""
    side = int(config.crop * 1.5 ** np.random.default_rng([config.seed, step, 2]).uniform(-1, 1))
    clips = torch.as_tensor(sample_clips(shots, dataclasses.replace(config, crop=side), step, which).copy())
    small = F.interpolate(clips.flatten(0, 1).movedim(-1, 1).float(), (config.crop, config.crop), mode="bilinear", antialias=True)
    return small.round().to(torch.uint8).movedim(1, -1).unflatten(0, clips.shape[:2]).numpy()


def both_ways(shots: list[np.ndarray], config: TrainConfig, step: int, which=None) -> np.ndarray:
    """Reverse the clips of every second step in time."""
    clips = sample_clips(shots, config, step, which)
    return clips[:, ::-1].copy() if step % 2 else clips


def network(kind: type[TinyNet] = TinyNet, **changes) -> Callable:
    """A patch that makes the trainer use another shape or kind of TinyNet."""
    return lambda: mock.patch("tinytrack.train.make_network", lambda name, **shape: kind(**shape | changes))


def clips(how: Callable) -> Callable:
    return lambda: mock.patch("tinytrack.batches.sample_clips", how)


LAB_SHAPE = {"network": LAB.network, "width": LAB.width, "dim": LAB.dim, "dilations": LAB.dilations}
FOUR_BLOCKS = LAB_SHAPE | {"dilations": TINY.dilations}
# name -> (changes to the recipe TINY, trainer, patch). "base" comes first, and all other rows are compared with it.
TRAINING = {
    "base": ({}, Trainer, None),
    "base, another seed": ({"seed": 1}, Trainer, None),
    "100 steps": ({"steps": 100}, Trainer, None),
    "1,000 steps": ({"steps": 1000}, Trainer, None),
    "width 32": ({"width": 32}, Trainer, None),
    "width 96": ({"width": 96}, Trainer, None),
    "width 128": ({"width": 128}, Trainer, None),
    "32 dimensions": ({"dim": 32}, Trainer, None),
    "128 dimensions": ({"dim": 128}, Trainer, None),
    "one block": ({"dilations": (1,)}, Trainer, None),
    "two blocks": ({"dilations": (1, 2)}, Trainer, None),
    "two blocks, another seed": ({"dilations": (1, 2), "seed": 1}, Trainer, None),
    "two blocks, 1,000 steps": ({"dilations": (1, 2), "steps": 1000}, Trainer, None),
    "two blocks, no dilation": ({"dilations": (1, 1)}, Trainer, None),
    "two blocks, dilations 2 and 4": ({"dilations": (2, 4)}, Trainer, None),
    "seven blocks": ({"dilations": (1, 2, 4, 1, 2, 4, 1)}, Trainer, None),
    "no dilation": ({"dilations": (1, 1, 1, 1)}, Trainer, None),
    "dilations up to 8": ({"dilations": (1, 4, 8, 1)}, Trainer, None),
    "8 colours": ({"colors": 8}, Trainer, None),
    "64 colours": ({"colors": 64}, Trainer, None),
    "regression instead of classes": ({"colors": 256}, Regression, None),
    "rare colours weigh more": ({}, RareColors, None),
    "temperature 0.04": ({"temperature": 0.04}, Trainer, None),
    "temperature 0.14": ({"temperature": 0.14}, Trainer, None),
    "temperature 1": ({"temperature": 1.0}, Trainer, None),
    "no unit length, temperature 1": ({"temperature": 1.0}, Trainer, network(NoUnitLength)),
    "no unit length, temperature 8": ({"temperature": 8.0}, Trainer, network(NoUnitLength)),
    "convolution over time": ({}, Trainer, network(OverTime)),
    "stride 8": ({}, Trainer, network(Coarse)),
    "window of 12 in training": ({}, Windowed, None),
    "no jitter of the crop": ({"jitter": 0}, Trainer, None),
    "gap 1-3 frames": ({"gap": (1, 3)}, Trainer, None),
    "gap 1-16 frames": ({"gap": (1, 16)}, Trainer, None),
    "1 reference": ({"references": 1}, Trainer, None),
    "5 references": ({"references": 5}, Trainer, None),
    "crop 96, batch 7": ({"crop": 96, "batch": 7}, Trainer, None),
    "frames 240 high": ({"height": 240}, Trainer, None),
    "frames 240 high, crop 192, batch 2": ({"height": 240, "crop": 192, "jitter": 24, "batch": 2}, Trainer, None),
    "every frame is a target": ({}, AllFrames, None),
    "each frame zoomed and turned": ({}, Warped, None),
    "zoom 0.67-1.5": ({"height": 240}, Trainer, clips(zoomed)),
    "tint 0.2": ({}, Tinted, None),
    "cycle consistency": ({}, Cycle, None),
    "constant step size, EMA": ({"schedule": "drop"}, Averaged, None),
    "half backwards": ({}, Trainer, clips(both_ways)),
    "Lab": (LAB_SHAPE, Trainer, None),
    "Lab, another seed": (LAB_SHAPE | {"seed": 1}, Trainer, None),
    "Lab, width 32": (LAB_SHAPE | {"width": 32}, Trainer, None),
    "Lab, width 64, dim 48": (LAB_SHAPE | {"width": 64, "dim": 48}, Trainer, None),
    "Lab, four blocks": (FOUR_BLOCKS, Trainer, None),
    "Lab, four blocks, another seed": (FOUR_BLOCKS | {"seed": 1}, Trainer, None),
    "Lab, one block": (LAB_SHAPE | {"dilations": (1,)}, Trainer, None),
    "Lab, one block, dilation 2": (LAB_SHAPE | {"dilations": (2,)}, Trainer, None),
    "Lab, dilations 2 and 4": (LAB_SHAPE | {"dilations": (2, 4)}, Trainer, None),
    "Lab, one network": ({}, OneNetwork, network(Hiding, channels=3)),
}

TRACKING = {
    "base": {},
    "input 160 high, radius 8": {"size": 160, "radius": 8},
    "input 360 high": {"size": 360},
    "input 480 high": {"size": 480},
    "the last 3 frames": {"back": (1, 2, 3)},
    "the last 15 frames": {"back": tuple(range(1, 16))},
    "1, 2, 3, 5, 8, 13, 21 back": {"back": (1, 2, 3, 5, 8, 13, 21)},
    "cells of 8 pixels, radius 6": {"grid": (30, 53), "radius": 6},  # for frames of 427x240, the size of all DAVIS sequences at 240p
    "radius 6": {"radius": 6},
    "radius 20": {"radius": 20},
    "no window": {"radius": None},
    "first frame in the window": {"first_anywhere": False},
    "no first frame": {"keep_first": False, "first_anywhere": False},
    "top 5": {"top_k": 5},
    "top 20": {"top_k": 20},
    "no top-k, half the temperature": {"top_k": None, "sharpen": 0.5},
    "0.7 of the temperature": {"sharpen": 0.7},
    "1.4 of the temperature": {"sharpen": 1.4},
    "argmax": {"read": "argmax"},
    "min-max": {"read": "min_max"},
    "protocol of the paper": dataclasses.asdict(PAPER),
    "gate of 4": {"gate": 4},
    "gate of 8": {"gate": 8},
    "gate of 12": {"gate": 12},
    "guided": {"read": "guided"},
    "gate of 8, guided": {"gate": 8, "read": "guided"},
    "refined": dataclasses.asdict(REFINED),
    "refined, input 360 high": dataclasses.asdict(REFINED.at_rows(360)),
    "refined, input 360 high, radius 12": dataclasses.asdict(REFINED.at_rows(360)) | {"radius": 12},
    "refined, input 360 high, radius 24": dataclasses.asdict(REFINED.at_rows(360)) | {"radius": 24},
    "refined, input 480 high": dataclasses.asdict(FINE) | {"coarse": 1},
    "refined, input 480 high, coarse to fine": dataclasses.asdict(FINE),
    "refined, input 480 high, coarse to fine, squares of 3x3": dataclasses.asdict(FINE) | {"coarse": 3},
}


def judge(davis: Davis, model: Model, protocol: Protocol, frames: int) -> dict:
    """Mean J and F in percent over the first ``frames`` frames of the held-out sequences, without the first and the last of them."""
    found = []
    for name in HELD_OUT:
        truth = [mask for mask, _ in zip(davis.masks(name), range(frames), strict=False)]
        tracked = carry(davis.video(name).frames(max_frames=frames), truth[0], model=model, protocol=protocol)
        pairs = [(item.ids, mask) for item, mask in zip(tracked, truth, strict=True)][1:-1]
        found.append([100 * np.mean([score(*pair) for pair in pairs]) for score in (region_j, boundary_f)])
    return dict(zip("JF", np.mean(found, axis=0).round(2).tolist(), strict=True)) | {"videos": np.round(found, 1).tolist()}


def trained(davis: Davis, name: str, steps: int, folder: Path) -> tuple[Model, float]:
    """Train the row's model; return it with its seconds per step. Its weights stay in the folder."""
    changes, trainer, patch = TRAINING[name]
    config = dataclasses.replace(TINY, **({"steps": steps} | changes))
    with patch() if patch else contextlib.nullcontext():
        run = trainer(load_shots([davis.video(s) for s in davis.sequences("train") if s not in HELD_OUT], config), config)
        began = time.perf_counter()
        while not run.done:
            run.step()
        seconds = (time.perf_counter() - began) / run.count
        model = run.model()
    model.save(weights_file(folder, name))
    return model, seconds


def weights_file(folder: Path, name: str) -> Path:
    return folder / f"{name.replace(' ', '-').replace(',', '')}.pt"


def interval(row: dict, base: dict) -> np.ndarray:
    """The 90 % bootstrap interval of the difference in J&F of a row to the base: the sequences are drawn anew, the same for both."""
    difference = np.mean(row["videos"], axis=1) - np.mean(base["videos"], axis=1)  # J&F per sequence
    return bootstrap(len(difference), lambda drawn: difference[drawn].mean())


def table(rows: dict, kind: str) -> str:
    """The rows as a Markdown table, each with its difference to the base and the interval of that difference."""
    lines = [f"| {kind} | J | F | J&F | against base | 90 % interval | seconds |", "| --- | --- | --- | --- | --- | --- | --- |"]
    base = rows["base"]
    for name, row in rows.items():
        both = (row["J"] + row["F"]) / 2
        against = "" if row is base else f"{both - (base['J'] + base['F']) / 2:+.1f}"
        between = "" if row is base else "{:+.1f} to {:+.1f}".format(*interval(row, base))
        lines.append(f"| {name} | {row['J']:.1f} | {row['F']:.1f} | {both:.1f} | {against} | {between} | {row['seconds']:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("davis")
    parser.add_argument("--out", default="ablation.json", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--only")
    parser.add_argument("--part", choices=("train", "track"), default="train")
    parser.add_argument("--weights", default="base", choices=TRAINING, metavar="ROW")
    args = parser.parse_args()
    davis = Davis(args.davis)
    names = args.only.split(";") if args.only else list(TRAINING if args.part == "train" else TRACKING)
    part = args.part if args.part == "train" or args.weights == "base" else f"track {args.weights}"

    def rows() -> dict:
        return json.loads(args.out.read_text()) if args.out.exists() else {}

    weights = functools.cache(lambda: load_model(weights_file(args.out.parent, args.weights)))
    for name in names:
        if name in rows().get(part, {}):
            continue
        began = time.perf_counter()
        if args.part == "train":
            model, seconds = trained(davis, name, args.steps, args.out.parent)
            row = judge(davis, model, MODERN, args.frames) | {"seconds": round(seconds, 3)}
        else:
            row = judge(davis, weights(), dataclasses.replace(MODERN, **TRACKING[name]), args.frames)
            row["seconds"] = round((time.perf_counter() - began) / (len(HELD_OUT) * args.frames), 3)
        content = rows()
        content.setdefault(part, {})[name] = row
        write_json(args.out, content)
        print(f"{name}: J {row['J']:.1f}, F {row['F']:.1f}", flush=True)
    for part, found in rows().items():
        order = TRAINING if part == "train" else TRACKING
        found = {name: found[name] for name in order if name in found}
        if "base" in found:
            kind = "training (seconds a step)" if part == "train" else f"tracking{part.removeprefix('track')} (seconds a frame)"
            print("\n" + table(found, kind))


if __name__ == "__main__":
    main()
