"""Mean J on DAVIS-2016 sequences for a model, beside identity and a random network.

python tests/benchmarks/davis_j.py ROOT [--model M] [--sequences a,b | --split val] [--protocol modern|paper] [--size N] [--random SEEDS]

Scored at the annotations' own size; first and last frame dropped; mean over frames, then over sequences.
"""

import argparse
import dataclasses
import time

import numpy as np

from tinytrack.clips import Davis
from tinytrack.metrics import region_j
from tinytrack.model import load_model, random_model
from tinytrack.track import PROTOCOLS, track_masks


def sequence_j(davis: Davis, sequence: str, model, protocol) -> float:
    """Mean J of one sequence; ``model`` None holds the first mask still."""
    true = list(davis.masks(sequence))
    video = davis.video(sequence)
    tracked = [true[0]] * len(true) if model is None else track_masks(video.frames(), true[0], model, protocol)
    return float(np.mean([region_j(p, t) for p, t in zip(tracked, true, strict=True)][1:-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--split", default="val")
    parser.add_argument("--sequences")
    parser.add_argument("--protocol", default="modern", choices=PROTOCOLS)
    parser.add_argument("--size", type=int, help="shorter side of the network's input")
    parser.add_argument("--random", type=int, default=0, help="also so many random networks")
    args = parser.parse_args()
    davis = Davis(args.root)
    protocol = PROTOCOLS[args.protocol]
    if args.size:
        protocol = dataclasses.replace(protocol, size=args.size)
    names = args.sequences.split(",") if args.sequences else davis.sequences(args.split)
    methods = {"identity": None, args.model: load_model(args.model)}
    methods |= {f"random {seed}": random_model(seed=seed) for seed in range(args.random)}
    print(f"protocol {protocol.name}, input {protocol.size}")
    print(f"{'':<20}" + "".join(f"{name[-14:]:>15}" for name in methods))
    scores = {name: [] for name in methods}
    began = time.perf_counter()
    for sequence in names:
        for name, model in methods.items():
            scores[name].append(100 * sequence_j(davis, sequence, model, protocol))
        print(f"{sequence:<20}" + "".join(f"{s[-1]:>15.1f}" for s in scores.values()), flush=True)
    print(f"{'mean J':<20}" + "".join(f"{np.mean(s):>15.1f}" for s in scores.values()))
    print(f"{(time.perf_counter() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
