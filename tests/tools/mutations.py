"""Run the command line on many damaged files: python -m tests.tools.mutations [--only A,B] [--count N] [--seed N].

Every command must end within a minute, below 4 GB, with status 0 or 2, at most three lines and no traceback. A short run of this is
in ``tests/cli/test_mutations.py``.
"""

import argparse
import collections
import dataclasses
import tempfile
from pathlib import Path

import torch

from tests.support.mutate import READERS, run_mutations
from tests.support.small import H
from tinytrack import propagate, recipe


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.mutations", description="Feed damaged files to every reader.")
    parser.add_argument("--only", metavar="A,B", help=f"of {', '.join(READERS)} (default: all)")
    parser.add_argument("--count", type=int, default=300, metavar="N", help="damaged files for each reader (default: 300)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(default: 0)")
    args = parser.parse_args(argv)
    # small frames and one thread make a run fast, and let it be forked
    propagate.PROTOCOLS["modern"] = dataclasses.replace(propagate.MODERN, size=H)
    recipe.PRESETS["tiny"] = dataclasses.replace(recipe.TINY, height=32, crop=32, batch=1, steps=2)
    torch.set_num_threads(1)
    bad = 0
    for name in args.only.split(",") if args.only else READERS:
        outcomes = []
        with tempfile.TemporaryDirectory() as folder:
            faults = run_mutations(name, args.count, args.seed, Path(folder), lambda n, source, outcome, to=outcomes: to.append(outcome))
        statuses = dict(sorted(collections.Counter(outcome.status for outcome in outcomes).items()))
        slowest, largest = max(o.seconds for o in outcomes), max(o.megabytes for o in outcomes)
        needed = f"at most {slowest:.1f} s and {largest:.0f} MB"
        print(f"{name:<11}{len(outcomes)} files, status {statuses}, {needed}, faults: {len(faults)}", flush=True)
        for fault in faults:
            print(f"  {fault}", flush=True)
        bad += len(faults)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
