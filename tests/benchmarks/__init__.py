"""How fast is it? Run by hand, from the repository: ``python -m tests.benchmarks``. The test suite asserts no times.

Each module measures one thing: ``measure(rounds) -> {key: value}``, and says in ``ABOUT`` what each key is and what it should be.
What can be a ratio is one, of two functions timed in turn in one process: seconds are this machine's, ratios travel.
"""

import contextlib
import io
import statistics
import time
from collections.abc import Callable


def ratio(reference: Callable, candidate: Callable, rounds: int = 7) -> tuple[float, float]:
    """Median seconds of the candidate, and median of reference time / candidate time over interleaved rounds: more is faster."""
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
    """The function on n of torch's threads."""
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
    """The function without its progress bar."""

    def run():
        with contextlib.redirect_stderr(io.StringIO()):
            return function()

    return run
