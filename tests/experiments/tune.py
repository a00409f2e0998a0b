"""Show how the tracking protocol was chosen: J on masks of DAVIS *train* sequences, with one change at a time.

python tests/experiments/tune.py DAVIS [--model M] [--frames 50] [--sequences a,b] [--raw]

The script varies whether the first frame is searched within the window or everywhere, how a pixel's class is decoded from the soft maps,
and how much of the prior is removed. With --raw, it varies the temperature of raw patches instead. Masks are scored at the size of the
annotations, without the first and the last frame. J is averaged over frames, then over sequences.
"""

import argparse
import dataclasses

import numpy as np
import torch

from tinytrack.color import Palette
from tinytrack.datasets.davis import Davis
from tinytrack.evaluation.baselines import RawPatches
from tinytrack.evaluation.metrics import region_j
from tinytrack.label_maps import BALANCE, mask_labels, read_masks
from tinytrack.model import Model, load_model
from tinytrack.propagate import MODERN, Protocol, propagate
from tinytrack.track import embed_frames, label_grid

SEQUENCES = "bmx-bumps,breakdance-flare,dance-jump,drift-turn,rollerblade,soccerball,tennis"
BALANCES = (0.1, 0.15, 0.2, 0.25, 0.3)


@torch.inference_mode()
def scores(davis: Davis, sequence: str, model: Model, protocol: Protocol, readings: dict, frames: int) -> dict[str, float]:
    """Mean J in percent for each way of decoding the same soft maps."""
    masks = [mask for mask, _ in zip(davis.masks(sequence), range(frames), strict=False)]
    ids, size = np.array([1]), masks[0].shape
    labels = mask_labels(masks[0], ids, label_grid(*size, model, protocol), model.device)
    embeddings = embed_frames(davis.video(sequence).frames(max_frames=frames), model, protocol)
    maps = list(propagate(embeddings, labels, protocol, model.temperature))
    found = {}
    for name, (read, balance) in readings.items():
        pairs = zip(maps, masks, strict=True)
        found[name] = 100 * np.mean([region_j(read_masks(m, ids, size, read, balance), true) for m, true in pairs][1:-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("davis")
    parser.add_argument("--model", default="tiny-gray")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--sequences", default=SEQUENCES)
    parser.add_argument("--raw", action="store_true")
    args = parser.parse_args()
    davis, names = Davis(args.davis), args.sequences.split(",")
    readings = {"argmax": ("argmax", 0), "min_max": ("min_max", 0)} | {f"balanced, {b}": ("balanced", b) for b in BALANCES}
    if args.raw:
        readings = {"balanced": ("balanced", BALANCE)}
        setups = {
            f"{kind} {t}": (Model(RawPatches(n).eval(), Palette(torch.zeros(1, 2)), t), MODERN)
            for kind, n in (("gray", 1), ("lab", 3))
            for t in (0.00025, 0.0005, 0.001, 0.002, 0.005)
        }
    else:
        model = load_model(args.model)
        setups = {
            "first frame in window": (model, dataclasses.replace(MODERN, first_anywhere=False)),
            "first frame anywhere": (model, MODERN),
        }
    print(f"| mean J over {len(names)} train sequences | " + " | ".join(readings) + " |")
    print("| --- |" + " --- |" * len(readings))
    for setup, (model, protocol) in setups.items():
        rows = [scores(davis, name, model, protocol, readings, args.frames) for name in names]
        print(f"| {setup} | " + " | ".join(f"{np.mean([row[r] for row in rows]):.1f}" for r in readings) + " |", flush=True)


if __name__ == "__main__":
    main()
