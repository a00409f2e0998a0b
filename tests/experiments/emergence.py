"""Make ``data/emergence.npz``, what the web page shows as "Watch tracking emerge": ``python tests/experiments/emergence.py SCRATCH``.

As in notebook 04, a TinyNet learns to colour the clip bikes in 150 steps. Each of its checkpoints then propagates the colours and masks
of frame 0 through the clip carphone, which it has never seen. The folder SCRATCH keeps the checkpoints, so that an interrupted run
does not have to train again. On one idle core this takes about five minutes.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tinytrack.datasets.clips import CLIPS, open_clip
from tinytrack.evaluation.baselines import baseline_model
from tinytrack.evaluation.metrics import color_error, mean_j
from tinytrack.io.atomic import staged_file
from tinytrack.io.masks import read_mask
from tinytrack.io.paths import DATA
from tinytrack.label_maps import color_labels, paint
from tinytrack.loss import clip_loss
from tinytrack.model import Model, load_model
from tinytrack.propagate import MODERN, PAPER
from tinytrack.recipe import TINY
from tinytrack.track import carry, track_masks
from tinytrack.train import Trainer
from tinytrack.training.sources import load_shots

STEPS = (0, 1, 3, 5, 10, 20, 30, 50, 75, 100, 150)  # the checkpoints
SHOWN = tuple(range(0, 61, 5))  # the frames that the page shows
SCORED = (20, 40, 60)  # the frames that have a mask drawn by hand
OBJECTS = np.arange(1, 5)
QUICK = replace(MODERN, size=144)  # as small as the clip, as in notebook 04


def train(scratch: Path) -> dict:
    """Train, and save a checkpoint at each of :data:`STEPS`; returns the loss of every step, and that of an even pointer."""
    done = scratch / "losses.json"
    if done.exists():
        return json.loads(done.read_text())
    trainer = Trainer(load_shots([open_clip("bikes")], TINY), replace(TINY, steps=STEPS[-1]))
    # the loss of a pointer that attends evenly, on the clips of the first step
    _, [colors], k = trainer.batch()
    even = clip_loss(torch.zeros(*colors.shape[:2], 64, *colors.shape[2:]), colors, k, TINY.temperature).item()
    # the run itself
    trainer.model().save(scratch / "step0.pt")
    while not trainer.done:
        trainer.step()
        if trainer.count in STEPS:
            trainer.model().save(scratch / f"step{trainer.count}.pt")
            print(f"step {trainer.count}: loss {np.mean(trainer.losses[-20:]):.2f}", flush=True)
    losses = {"losses": trainer.losses, "even": even}
    done.write_text(json.dumps(losses))
    return losses


def score(tracked: list[np.ndarray], truth: dict) -> float:
    """Average J over the objects and the scored frames."""
    return float(np.mean([mean_j(tracked[t], truth[t], OBJECTS) for t in SCORED]))


def follow(model: Model, frames: np.ndarray, truth: dict) -> dict:
    """Propagate the masks and colours of frame 0 by the paper's protocol, and the masks once more by a better one."""
    results = list(carry(frames, truth[0], colors=frames[0], model=model, protocol=PAPER))
    return {
        "ids": np.stack([results[t].ids for t in SHOWN]),  # (F, H, W)
        "ab": torch.stack([results[t].ab for t in SHOWN]).numpy().round().astype(np.int8),  # (F, 2, 32, 32)
        "j": score([r.ids for r in results], truth),
        "j_modern": score(list(track_masks(frames, truth[0], model, QUICK)), truth),
        "color_error": float(np.mean([color_error(paint(frames[t], results[t].ab), frames[t]) for t in SCORED])),
    }


def main(scratch: Path) -> None:
    """Train, track with every checkpoint, and write the file."""
    torch.set_num_threads(1)  # gives the same result every time
    scratch.mkdir(parents=True, exist_ok=True)
    losses = train(scratch)
    # the checkpoints
    frames = open_clip("carphone").read(max_frames=SHOWN[-1] + 1)
    truth = {t: read_mask(CLIPS["carphone"].masks[t]) for t in (0, *SCORED)}
    made = []
    for step in STEPS:
        made.append(follow(load_model(scratch / f"step{step}.pt"), frames, truth))
        print(f"step {step}: J {100 * made[-1]['j']:.0f} %, modern {100 * made[-1]['j_modern']:.0f} %", flush=True)
    stacked = {name: np.stack([result[name] for result in made]) for name in made[0]}
    # two baselines that involve no training: the labels held still, and raw gray patches
    patches = follow(baseline_model("gray"), frames, truth)
    held = color_labels(frames[0], PAPER.grid)
    baselines = {
        "identity": score([truth[0]] * len(frames), truth),
        "gray": patches["j"],
        "gray_modern": patches["j_modern"],
        "identity_color_error": float(np.mean([color_error(paint(frames[t], held), frames[t]) for t in SCORED])),
    }
    print(baselines)
    facts = {"even": losses["even"], "scored": SCORED, **baselines}
    with staged_file(DATA / "emergence.npz") as path, open(path, "wb") as file:
        np.savez_compressed(
            file, steps=np.array(STEPS), frames=np.array(SHOWN), losses=np.array(losses["losses"]), facts=json.dumps(facts), **stacked
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
