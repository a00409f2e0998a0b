"""Write the card of a weights file from the facts inside it: FILE.md and FILE_loss.png beside it.

python tests/benchmarks/card.py data/tiny-gray.pt
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from tinytrack.embed import count_parameters
from tinytrack.model import load_model

TEXT = """# Model card: {name}

Written by `python tests/benchmarks/card.py data/{file}` from the facts stored in the weights file.

| | |
|---|---|
| network | {network}, {parameters:,} weights, {sees}; fingerprint `{fingerprint}` |
| trained on | {sources}: {frames:,} frames in {shots} shots, {learns}; no mask, joint or other label was read |
| command | `{command}` |
| recipe | preset `{preset}`, seed {seed}, {steps:,} steps of {batch} clips |
| took | {minutes:.0f} minutes on {machine}, busy with other work too; torch {torch} |
| loss | {first:.2f} at the start, {last:.2f} at the end (nats a pixel, {classes}, mean over each hundredth of the run) |

![colour loss against training step]({curve})

{use} The frames it was trained on are DAVIS 2016
(CC BY-NC 4.0, non-commercial), so keep these weights to non-commercial use too. It saw the 30 DAVIS *train* sequences, unlabelled: report
scores on *val*, and when you score it on BADJA say that bear, dog-agility and horsejump-low were among the training frames. It follows
appearance, not identity: it drifts when things look alike, when they leave and come back, and where a newly revealed background has no
true source in the reference frames.
"""

USE = {
    "copy": "What it may be used for: teaching, reading along with the paper, and as a baseline.",
    "classify": "What it may be used for: as the paper's control and nothing else. It learnt to colour single images, without pointing.",
}


def main(path: Path) -> None:
    model = load_model(path)
    card = model.card
    curve = path.with_name(path.stem + "_loss.png")
    figure = Figure(figsize=(6, 3), dpi=120)
    axis = figure.subplots()
    step = card["steps"] / len(card["loss"])
    axis.plot([(i + 0.5) * step for i in range(len(card["loss"]))], card["loss"], color="#3c96ff")
    axis.set(xlabel="step", ylabel="colour loss (nats)", ylim=(0, None))
    axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(curve)
    facts = card | {
        "name": path.stem,
        "file": path.name,
        "curve": curve.name,
        "network": model.name,
        "parameters": count_parameters(model.net),
        "fingerprint": model.fingerprint(),
        "sources": ", ".join(card["sources"]),
        "use": USE[card["config"].get("task", "copy")],
        "sees": "sees Lab: colour too" if model.sees_color else "gray input only",
        "learns": "one hidden channel of Lab at a time" if model.sees_color else "colours only",
        "seed": card["config"]["seed"],
        "batch": card["config"]["batch"],
        "classes": f"{card['config']['colors']} classes " + ("of the hidden channel" if model.sees_color else "of colour"),
        "first": card["loss"][0],
        "last": card["loss"][-1],
    }
    path.with_suffix(".md").write_text(TEXT.format(**facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
