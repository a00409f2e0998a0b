"""Inputs for the exercises. They are mostly not square, because a wrong axis often goes unnoticed on a square."""

import numpy as np
import torch
from torch import Tensor


def random_values(*shape: int, seed: int = 0) -> Tensor:
    """Draw normally distributed values, float64."""
    return torch.randn(*shape, generator=torch.manual_seed(seed), dtype=torch.float64)


def distributions(*shape: int, seed: int = 0) -> Tensor:
    """Make random rows that sum to one and have no tiny entries."""
    return (0.7 * random_values(*shape, seed=seed)).softmax(-1)


def random_frame(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Make a colourful picture, uint8 (H, W, 3)."""
    return np.random.default_rng(seed).integers(20, 236, (height, width, 3), dtype=np.uint8)
