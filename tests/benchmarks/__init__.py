"""Measure the speed of the package. Run the benchmarks by hand from the repository: ``python -m tests.benchmarks``.

The test suite asserts no times. Each module has a function ``measure(rounds) -> {key: value}`` and a dictionary ``ABOUT`` with a goal
and an explanation for each key. Where possible, a benchmark reports the ratio of two functions that are timed alternately in one
process, because ratios are comparable between machines and seconds are not.
"""

import contextlib
import io
import statistics
import time
from collections.abc import Callable


def ratio(reference: Callable, candidate: Callable, rounds: int = 7) -> tuple[float, float]:
    """Time two functions in interleaved rounds.

    Returns:
        The candidate's median seconds, and the median of reference time / candidate time. A larger ratio means a faster candidate.
    """
    times = []
    for turn in range(rounds + 1):
        pair = []
        for function in (reference, candidate):
            began = time.perf_counter()
            function()
            pair.append(time.perf_counter() - began)
        if turn:  # the first round warms up
            times.append(pair)
    return statistics.median(b for _, b in times), statistics.median(a / b for a, b in times)


def with_threads(n: int, function: Callable) -> Callable:
    """Wrap a function so that it runs with n torch threads."""
    import torch

    def run():
        before = torch.get_num_threads()
        torch.set_num_threads(n)
        try:
            function()
        finally:
            torch.set_num_threads(before)

    return run


def quietly(function: Callable) -> Callable:
    """Wrap a function so that it prints no progress bar."""

    def run():
        with contextlib.redirect_stderr(io.StringIO()):
            return function()

    return run
