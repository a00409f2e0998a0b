"""Clicks: how much of an object does one click select, and do more clicks help?

python tests/experiments/clicks.py DAVIS [--split val] [--clicks 3] [--only "NAME;NAME"]

The first click is the point of the object that is farthest from its outline. Each further click is such a point of the largest mistake:
on the object where a part is missing, next to it where something else was selected. The score is J on the first frame of each sequence.
The trained networks have seen the frames of the train split without masks, but not those of the val split.
"""

import argparse

import numpy as np
from scipy import ndimage

from tinytrack.datasets.davis import Davis
from tinytrack.evaluation.baselines import baseline_model
from tinytrack.evaluation.metrics import region_j
from tinytrack.interactive.select import select
from tinytrack.model import Model, load_model

FEATURES = {
    "tiny-lab": lambda: load_model("tiny-lab"),
    "tiny-gray": lambda: load_model("tiny-gray"),
    "random Lab network": lambda: baseline_model("random-lab"),
    "random gray network": lambda: baseline_model("random"),
    "raw Lab patches": lambda: baseline_model("lab"),
    "raw gray patches": lambda: baseline_model("gray"),
}


def farthest_inside(region: np.ndarray) -> tuple[np.ndarray, float]:
    """The point (x, y) of a region (H, W) that is farthest from its outline, and its distance in pixels."""
    distance = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return np.array([x, y], float), float(distance[y, x])


def scores(frame: np.ndarray, truth: np.ndarray, model: Model, clicks: int) -> list[float]:
    """J in percent after one, two, ... clicks."""
    inside, outside, found = [farthest_inside(truth)[0]], [], []
    for _ in range(clicks):
        selected = select(frame, np.array(inside), np.array(outside), model)
        found.append(100 * region_j(selected, truth))
        (missing, depth), (wrong, wrong_depth) = farthest_inside(truth & ~selected), farthest_inside(selected & ~truth)
        if depth >= wrong_depth:
            inside.append(missing)
        else:
            outside.append(wrong)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("davis")
    parser.add_argument("--split", default="val", choices=("train", "val"))
    parser.add_argument("--clicks", type=int, default=3)
    parser.add_argument("--only")
    args = parser.parse_args()
    davis = Davis(args.davis)
    first = [(next(iter(davis.video(s).frames(max_frames=1))), next(iter(davis.masks(s))) > 0) for s in davis.sequences(args.split)]
    print(f"J in percent over {len(first)} frames\n")
    print("| clicks | " + " | ".join(map(str, range(1, args.clicks + 1))) + " |\n| --- |" + " ---: |" * args.clicks)
    for name in args.only.split(";") if args.only else FEATURES:
        model = FEATURES[name]()
        mean = np.mean([scores(frame, truth, model, args.clicks) for frame, truth in first], axis=0)
        print(f"| {name} | " + " | ".join(f"{j:.1f}" for j in mean) + " |", flush=True)


if __name__ == "__main__":
    main()
