"""Compare the speed of the boundary score with its definition, dilation by a disk, on pairs of masks at 480x854 in one process.

OMP_NUM_THREADS=1 python tests/benchmarks/boundary.py
"""

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import ratio
from tinytrack.evaluation.metrics import boundary_f

H, W, RADIUS = 480, 854, 8


def dilated_f(predicted: np.ndarray, true: np.ndarray) -> float:
    """Boundary F computed literally from its definition, for two masks that both have a boundary."""
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    disk = x**2 + y**2 <= RADIUS**2
    maps = []
    for mask in (predicted, true):
        next_to = np.pad(mask, (0, 1), mode="edge")
        maps.append((mask != next_to[:-1, 1:]) | (mask != next_to[1:, :-1]) | (mask != next_to[1:, 1:]))
    ours, theirs = maps
    precision = ndimage.binary_dilation(theirs, disk)[ours].mean()
    recall = ndimage.binary_dilation(ours, disk)[theirs].mean()
    return 2 * precision * recall / (precision + recall)


def main() -> None:
    y, x = np.mgrid[:H, :W]
    noise = np.random.default_rng(0).random((2, H, W)) < 0.5

    def ellipse(size: float) -> np.ndarray:
        return ((y - H / 2) / (size * H / 2)) ** 2 + ((x - W / 2) / (size * W / 2)) ** 2 < 1

    pairs = {"an object": (ellipse(0.35), ellipse(0.37)), "as large as the frame": (ellipse(0.95), ellipse(0.98)), "noise": noise}
    for name, (predicted, true) in pairs.items():
        assert abs(boundary_f(predicted, true) - dilated_f(predicted, true)) < 1e-6
        seconds, faster = ratio(lambda p=predicted, t=true: dilated_f(p, t), lambda p=predicted, t=true: boundary_f(p, t))
        print(f"{name}: boundary_f is {faster:.0f}x as fast as dilation ({seconds * 1e3:.0f} ms, so {seconds * 1e3 / faster:.1f} ms)")


if __name__ == "__main__":
    main()
