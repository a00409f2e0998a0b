"""Compare one propagation step with the textbook method: seconds, memory, and the ratio to a lower bound on the time.

python -m tests.benchmarks --only propagate

The references are the first frame and five more, with radius 12 and joint top-10. The grids are those of 480p video at stride 8 (60x107)
and stride 4 (120x214).
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from tinytrack.coarse import point_and_copy_finely, shrink
from tinytrack.fast import point_and_copy

ROOT = Path(__file__).resolve().parent.parent.parent
GRIDS = {8: (60, 107), 4: (120, 214)}  # stride on 480x856 pixels -> grid
REFERENCES, RADIUS, TOP_K, TEMPERATURE = 6, 12, 10, 0.07
GOALS = {"propagate_speedup_s4": ">= 10", "propagate_memory_ratio_s4": ">= 10"}
WORDS = {
    "textbook_mb": "MB beyond the inputs, textbook method (dense matrix, mask, joint top-k)",
    "ours_mb": "MB beyond the inputs, our method (tiles)",
    "memory_ratio": "memory of the textbook method / ours",
    "textbook": "seconds per frame, textbook method",
    "ours": "seconds per frame, our method (tiles)",
    "floor": "seconds per frame that the multiply-adds inside the windows alone take at the speed of a large matrix product",
    "speedup": "seconds of the textbook method / ours, median of the ratios",
    "over_floor": "our seconds / floor",
    "finely": "seconds per frame, our method from coarse to fine: squares of 2x2 cells first, not exact",
    "finely_speedup": "seconds of the textbook method / coarse to fine, median of the ratios",
    "difference": "largest difference between the two results",
}
ABOUT = {
    (key := f"propagate_{what}_s{stride}"): (GOALS.get(key, ""), f"{words}; {h}x{w} grid")
    for stride, (h, w) in GRIDS.items()
    for what, words in WORDS.items()
}


def make_inputs(stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings (D, h, w) of a target frame, of 6 references (R, D, h, w), and their soft masks (R, 2, h, w).

    The shipped network embeds a synthetic video with moving objects. Its cells are 4x4 pixels, so the video has 4 times the grid's size.
    """
    from tinytrack.color import frames_to_lab, network_input
    from tinytrack.datasets.synth import moving_shapes
    from tinytrack.label_maps import mask_labels
    from tinytrack.model import load_model

    h, w = GRIDS[stride]
    model = load_model()
    scene = moving_shapes(0, frames=REFERENCES + 1, height=4 * h, width=4 * w)
    ids = scene.masks[0].max(keepdims=True).reshape(1)
    with torch.inference_mode():
        f = torch.cat([model.net(network_input(frames_to_lab(frame), model.net.channels)[None]) for frame in scene.frames])
        c = torch.stack([mask_labels(mask, ids, (h, w)) for mask in scene.masks])
    f = f.movedim(1, -1).contiguous().movedim(-1, 1)  # the memory layout in which propagate keeps embeddings
    return f[-1].clone(), f[:-1].clone(), c[:-1].clone()


def room_for_textbook(h: int, w: int) -> tuple[Tensor, Tensor]:
    """The buffers that public scripts allocate once, both (M, N): a bool mask of the cells outside the window, and the similarities."""
    y, x = torch.arange(h), torch.arange(w)
    near_y, near_x = (y[:, None] - y).abs() <= RADIUS, (x[:, None] - x).abs() <= RADIUS
    far = (near_y[:, None, :, None] & near_x[None, :, None, :]).logical_not_().reshape(h * w, h * w)
    return far, torch.empty(h * w, h * w)


def textbook(target: Tensor, reference: Tensor, labels: Tensor, far: Tensor, similarity: Tensor) -> Tensor:
    """Propagate labels as the evaluation scripts of DINO and CRW do: dense similarities, mask, joint top-k, softmax, weighted sum.

    Only one reference's matrix is in memory at a time, because all six would take 16 GB at stride 4. The k best cells of each reference
    are kept, and then the k best of all. The result is the same, with less memory and no more time.
    """
    f_j = target.flatten(1).T / TEMPERATURE
    values, copies = [], []
    for f_i, c_i in zip(reference, labels, strict=True):
        torch.mm(f_j, f_i.flatten(1), out=similarity).masked_fill_(far, float("-inf"))
        value, index = similarity.topk(TOP_K)
        values.append(value)
        copies.append(c_i.flatten(1).T[index])
    value, index = torch.cat(values, 1).topk(TOP_K)
    c = torch.cat(copies, 1).gather(1, index[..., None].expand(-1, -1, labels.shape[1]))
    return (value.softmax(1)[..., None] * c).sum(1).T.unflatten(1, target.shape[1:])


def ours(target: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
    return point_and_copy(target[None], reference[None], labels[None], TEMPERATURE, radius=RADIUS, top_k=TOP_K)[0]


def finely(target: Tensor, reference: Tensor, labels: Tensor, small: Tensor) -> Tensor:
    return point_and_copy_finely(target, reference, labels, small, 2, TEMPERATURE, RADIUS, TOP_K)


def whole_squares(target: Tensor, reference: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What :func:`finely` takes: embeddings with channels last, without an odd row or column, and the small reference frames."""
    h, w = (n - n % 2 for n in target.shape[-2:])
    target, reference = (f[..., :h, :w].movedim(-3, -1).contiguous() for f in (target, reference))
    return target, reference, labels[..., :h, :w], torch.stack([shrink(f, 2) for f in reference])


def needed(h: int, w: int, d: int) -> int:
    """Multiply-adds for all similarities inside the windows, clipped at the borders. A method that computes all of them needs no fewer."""

    def pairs(length: int) -> int:
        return sum(min(i + RADIUS, length - 1) - max(i - RADIUS, 0) + 1 for i in range(length))

    return pairs(h) * pairs(w) * REFERENCES * d


def seconds(function) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def compare(stride: int, rounds: int) -> dict[str, float]:
    """Time both methods in interleaved rounds and return medians. Ratios are computed within each round."""
    h, w = GRIDS[stride]
    inputs = make_inputs(stride)
    room, squares = room_for_textbook(h, w), whole_squares(*inputs)
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    product = torch.empty(1024, 1024)
    with torch.inference_mode():
        worst = (textbook(*inputs, *room) - ours(*inputs)).abs().max().item()  # this call also warms up both methods
        times = []
        for _ in range(rounds):
            slow = seconds(lambda: textbook(*inputs, *room))
            fast = statistics.median(seconds(lambda: ours(*inputs)) for _ in range(3))
            faster = statistics.median(seconds(lambda: finely(*squares)) for _ in range(3))
            rate = 1024**3 / statistics.median(seconds(lambda: torch.mm(a, b, out=product)) for _ in range(15))
            times.append((slow, fast, needed(h, w, len(inputs[0])) / rate, faster))
    median = statistics.median
    return {
        f"propagate_textbook_s{stride}": median(t[0] for t in times),
        f"propagate_ours_s{stride}": median(t[1] for t in times),
        f"propagate_floor_s{stride}": median(t[2] for t in times),
        f"propagate_speedup_s{stride}": median(t[0] / t[1] for t in times),
        f"propagate_over_floor_s{stride}": median(t[1] / t[2] for t in times),
        f"propagate_finely_s{stride}": median(t[3] for t in times),
        f"propagate_finely_speedup_s{stride}": median(t[0] / t[3] for t in times),
        f"propagate_difference_s{stride}": worst,
    }


def peak() -> float:
    """This process's peak memory in MB. (``ru_maxrss`` would include the parent's peak.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def memory(what: str, stride: int) -> float:
    """Peak MB beyond the inputs while one frame is propagated by "textbook" or "ours", measured in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        torch.save(make_inputs(stride), Path(folder) / "inputs.pt")
        command = [sys.executable, "-m", "tests.benchmarks.propagate", what, str(Path(folder) / "inputs.pt"), str(torch.get_num_threads())]
        return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()[-1])


def memory_job(what: str, file: str, threads: str) -> None:
    """Measure the peak memory of one method in the fresh process and print it."""
    torch.set_num_threads(int(threads))
    inputs = torch.load(file)
    with torch.inference_mode():
        ours(*(item[..., :20, :20] for item in inputs))  # a first call loads libraries, which must not count
        before = peak()
        if what == "textbook":
            textbook(*inputs, *room_for_textbook(*inputs[0].shape[1:]))
        else:
            ours(*inputs)
    print(peak() - before)


def measure(rounds: int = 2) -> dict[str, float]:
    """Seconds per frame, MB, and their ratios, with keys such as ``propagate_speedup_s4``, where the number after ``_s`` is the stride."""
    result = {}
    for stride in GRIDS:
        result |= {f"propagate_{what}_mb_s{stride}": memory(what, stride) for what in ("textbook", "ours")}
        result[f"propagate_memory_ratio_s{stride}"] = result[f"propagate_textbook_mb_s{stride}"] / result[f"propagate_ours_mb_s{stride}"]
        result |= compare(stride, rounds)
    return result


if __name__ == "__main__":
    memory_job(*sys.argv[1:])
