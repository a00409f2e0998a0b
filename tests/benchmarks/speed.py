"""How fast are the parts, each as a ratio to a reference that runs in the same process, medians over interleaved rounds.

python tests/benchmarks/speed.py
"""

import statistics
import time

import torch

from tinytrack.embed import TinyNet
from tinytrack.pointer import affinity, copy, pixels, point_and_copy, window
from tinytrack.synth import moving_shapes
from tinytrack.train import TINY, Trainer


def ratio(reference, candidate, rounds: int = 7) -> tuple[float, float]:
    """Median seconds of the reference, and median of reference time / candidate time over interleaved rounds."""
    times = []
    for turn in range(rounds + 1):
        pair = []
        for function in (reference, candidate):
            began = time.perf_counter()
            function()
            pair.append(time.perf_counter() - began)
        if turn:  # the first round warms up
            times.append(pair)
    return statistics.median(a for a, _ in times), statistics.median(a / b for a, b in times)


def with_threads(n: int, function):
    def run():
        torch.set_num_threads(n)
        function()

    return run


def main() -> None:
    g = torch.Generator().manual_seed(0)
    threads = torch.get_num_threads()
    net = TinyNet().eval()
    # 240 pixels high video, first + 7 recent frames: the modern protocol on DAVIS.
    target = torch.nn.functional.normalize(torch.randn(1, 64, 60, 107, generator=g), dim=1)
    reference = torch.nn.functional.normalize(torch.randn(1, 8, 64, 60, 107, generator=g), dim=2)
    labels = torch.rand(1, 8, 2, 60, 107, generator=g)
    allowed = window(60, 107, 12, 8)
    frame = torch.rand(1, 1, 240, 428, generator=g)
    trainer = Trainer([moving_shapes(0, frames=12, height=160, width=200).frames], TINY)

    def whole():
        A = affinity(pixels(target), pixels(reference), 0.07, allowed=allowed, top_k=10)
        copy(A, pixels(labels))

    def local():
        point_and_copy(target, reference, labels, 0.07, radius=12, top_k=10)

    def embed():
        net(frame)

    with torch.inference_mode():
        seconds, faster = ratio(whole, local, rounds=3)
        print(f"pointer, 60x107 grid, 8 references: the local path is {faster:.1f}x as fast as the full matrix ({seconds * 1e3:.0f} ms)")
        for name, function in (("local pointer", local), ("embedding a 240x428 frame", embed)):
            seconds, faster = ratio(with_threads(1, function), with_threads(2, function))
            print(f"{name}: two threads are {faster:.2f}x as fast as one ({seconds * 1e3:.0f} ms)")
    seconds, faster = ratio(with_threads(1, trainer.step), with_threads(2, trainer.step))
    print(f"a training step: two threads are {faster:.2f}x as fast as one ({seconds * 1e3:.0f} ms)")
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
