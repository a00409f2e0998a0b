"""Write the model card of a weights file from the facts inside it: FILE.md and FILE_loss.png next to it.

python tests/experiments/card.py data/tiny-gray.pt
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from tinytrack.embed import count_parameters
from tinytrack.model import load_model

TEXT = """---
license: cc-by-nc-4.0
library_name: tinytrack
tags: [self-supervised-learning, video, {task}]
datasets: [DAVIS 2016 train]
metrics: [J (region similarity), F (boundary accuracy), PCK]
---

# Model card: {name}

Written by `python tests/experiments/card.py data/{file}` from the facts stored in the weights file.

| | |
|---|---|
| network | {network}, {parameters:,} weights, {sees}; fingerprint `{fingerprint}` |
| trained on | {sources}: {frames:,} frames in {shots} shots, {learns}; no mask, keypoint or other label was read |
| command | `{command}` |
| recipe | preset `{preset}`, seed {seed}, {steps:,} steps of {batch} clips |
| took | {minutes:.0f} minutes on {machine}, on a machine that was doing other work too; torch {torch} |
| loss | {first:.2f} at the start, {last:.2f} at the end (nats per pixel, {classes}, averaged over each hundredth of the run) |
| licence | CC BY-NC 4.0, because the training frames are DAVIS 2016 (CC BY-NC 4.0); the code is MIT |

![colour loss against training step]({curve})

{use}

- **Scores.** The network saw the 30 DAVIS *train* sequences, without labels. Report scores on *val*. When you score it on BADJA, say that
  bear, dog-agility and horsejump-low were among the training frames.
- **Limits.** It follows appearance, not identity. It drifts when two things look alike, when an object leaves and comes back, and where
  newly revealed background has no true source in the reference frames.
- **Licence.** Keep these weights to non-commercial use, as their training frames are.
"""

USE = {
    "copy": "Use it for tracking, for teaching, for reading along with the paper, and as a baseline.",
    "classify": "Use it as the paper's control and for nothing else: it learned to colour single images, without pointing.",
}


def main(path: Path) -> None:
    model = load_model(path)
    card = model.card
    task = card["config"].get("task", "copy")
    # the loss curve
    curve = path.with_name(path.stem + "_loss.png")
    figure = Figure(figsize=(6, 3), dpi=120)
    axis = figure.subplots()
    step = card["steps"] / len(card["loss"])
    axis.plot([(i + 0.5) * step for i in range(len(card["loss"]))], card["loss"], color="#3c96ff")
    axis.set(xlabel="step", ylabel="colour loss (nats)", ylim=(0, None))
    axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(curve)
    # the card
    facts = card | {
        "name": path.stem,
        "file": path.name,
        "curve": curve.name,
        "network": model.name,
        "parameters": count_parameters(model.net),
        "fingerprint": model.fingerprint(),
        "sources": ", ".join(card["sources"]),
        "task": "single-image-colorization" if task == "classify" else "colorization-by-copying",
        "use": USE[task],
        "sees": "sees Lab, colour included" if model.sees_color else "sees gray only",
        "learns": "by predicting the channel of Lab that each network cannot see" if model.sees_color else "by predicting colours",
        "seed": card["config"]["seed"],
        "batch": card["config"]["batch"],
        "classes": f"{card['config']['colors']} classes " + ("of each channel" if model.sees_color else "of colour"),
        "first": card["loss"][0],
        "last": card["loss"][-1],
    }
    path.with_suffix(".md").write_text(TEXT.format(**facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
