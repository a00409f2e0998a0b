"""The pointer: it agrees with a plain loop in float64 on odd shapes, and it has the properties that the method needs."""

import math

import pytest
import torch

from tinytrack.fast import AXES, BLOCK, TILE, _pruner, _top_k, point_and_copy
from tinytrack.pointer import affinity, attention, copy, keep_top_k, pixels, similarity, window


def naive(target, reference, labels, temperature=1.0, radius=None, top_k=None):
    """Eq. 2 and Eq. 1, pixel by pixel: target (D, h, w), reference (R, D, h, w), labels (R, K, h, w) -> (K, h, w)."""
    r, _, h, w = reference.shape
    out = torch.zeros(labels.shape[1], h, w, dtype=torch.float64)
    for y in range(h):
        for x in range(w):
            found = []
            for n in range(r):
                for v in range(h):
                    for u in range(w):
                        if radius is not None and max(abs(v - y), abs(u - x)) > radius:
                            continue
                        a, b = target[:, y, x], reference[n, :, v, u]
                        score = (a * b).sum()
                        found.append((score.item() / temperature, labels[n, :, v, u]))
            found.sort(key=lambda item: -item[0])
            found = found[:top_k]
            total = sum(math.exp(s - found[0][0]) for s, _ in found)
            for s, c in found:
                out[:, y, x] += math.exp(s - found[0][0]) / total * c
    return out


def random_maps(b, r, d, k, h, w, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    shapes = (b, d, h, w), (b, r, d, h, w), (b, r, k, h, w)
    return tuple(torch.randn(s, generator=g, dtype=dtype) for s in shapes)


CASES = [
    # h, w, R, radius, top_k, temperature
    (3, 5, 2, None, None, 1.0),
    (3, 5, 2, None, None, 0.5),
    (4, 3, 3, None, 5, 0.07),
    (5, 7, 2, 1, None, 1.0),
    (7, 5, 1, 0, None, 1.0),
    (9, 4, 3, 2, 4, 0.3),
    (1, 9, 2, 2, 3, 1.0),
    (11, 13, 1, 3, 7, 0.5),
    (6, 6, 2, 5, None, 1.0),
    (6, 5, 2, 40, 3, 1.0),
]


@pytest.mark.parametrize("h,w,r,radius,top_k,temperature", CASES)
def test_fast_pointer_equals_the_plain_loop(h, w, r, radius, top_k, temperature, device):
    target, reference, labels = random_maps(2, r, 6, 3, h, w)
    options = {"temperature": temperature, "radius": radius, "top_k": top_k}
    fast = point_and_copy(target.to(device), reference.to(device), labels.to(device), **options).cpu()
    slow = torch.stack([naive(target[b], reference[b], labels[b], **options) for b in range(2)])
    assert fast.shape == (2, 3, h, w)
    assert (fast - slow).abs().max() < 1e-12


@pytest.mark.parametrize("h,w,r,radius,top_k,temperature", CASES)
def test_equations_as_written_equal_the_plain_loop(h, w, r, radius, top_k, temperature):
    target, reference, labels = random_maps(1, r, 4, 2, h, w, seed=1)
    allowed = None if radius is None else window(h, w, radius, r)
    A = affinity(pixels(target), pixels(reference), temperature, allowed=allowed, top_k=top_k)
    y = copy(A, pixels(labels)).mT.reshape(1, 2, h, w)
    assert (y[0] - naive(target[0], reference[0], labels[0], temperature, radius, top_k)).abs().max() < 1e-12


def test_a_small_example_computed_by_hand():
    """The target has dot products ln 3 and 0 with the two references, so their weights are three quarters and one quarter."""
    target = torch.tensor([[[1.0, 0.0]]])
    reference = torch.tensor([[[math.log(3), 5.0], [0.0, -2.0]]])
    A = affinity(target, reference)
    assert torch.allclose(A, torch.tensor([[[0.75, 0.25]]]))
    assert torch.allclose(copy(A, torch.tensor([[[8.0, 0.0], [0.0, 4.0]]])), torch.tensor([[[6.0, 1.0]]]))


@pytest.mark.parametrize("radius", [None, 2])
@pytest.mark.parametrize("top_k", [None, 3])
def test_rows_sum_to_one_and_columns_do_not(radius, top_k):
    """With N = M, a softmax over the wrong axis would not even change the shape."""
    target, reference, _ = random_maps(2, 1, 5, 1, 4, 6)
    allowed = None if radius is None else window(4, 6, radius)
    A = affinity(pixels(target), pixels(reference), 0.5, allowed=allowed, top_k=top_k)
    assert A.shape == (2, 24, 24)
    assert (A >= 0).all()
    assert torch.allclose(A.sum(-1), torch.ones(2, 24, dtype=torch.float64))
    assert not torch.allclose(A.sum(-2), torch.ones(2, 24, dtype=torch.float64), atol=1e-2)
    if top_k:
        assert ((A > 0).sum(-1) == top_k).all()


def test_constant_labels_stay_constant():
    """Copying averages labels, so ones stay ones everywhere, even in the corners and at the borders of the tiles."""
    target, reference, labels = random_maps(1, 2, 4, 1, 19, 21)
    for radius in (1, 3, 8, 11):
        assert torch.allclose(point_and_copy(target, reference, torch.ones_like(labels), radius=radius), torch.ones(1, 1, 19, 21).double())


def test_nothing_outside_the_frame_is_copied_even_if_all_similarities_are_negative():
    """Padding with a similarity of zero would win here."""
    h, w = 9, 10
    target = torch.ones(1, 2, h, w, dtype=torch.float64)
    reference = -5 * torch.ones(1, 1, 2, h, w, dtype=torch.float64)
    labels = torch.arange(1.0, h * w + 1, dtype=torch.float64).reshape(1, 1, 1, h, w)
    y = point_and_copy(target, reference, labels, radius=1)[0, 0]
    assert y[0, 0] == pytest.approx((1 + 2 + 11 + 12) / 4)
    assert y[-1, -1] == pytest.approx((79 + 80 + 89 + 90) / 4)


def test_temperature_divides_once():
    target, reference, _ = random_maps(1, 1, 4, 1, 3, 4)
    f_j, f_i = pixels(target), pixels(reference)
    assert torch.allclose(similarity(f_j, f_i, 0.25), 4 * f_j @ f_i.mT)
    assert torch.allclose(affinity(f_j, f_i, 0.25), affinity(4 * f_j, f_i))


@pytest.mark.parametrize("radius", [None, 2])
def test_a_tiny_temperature_gives_the_nearest_neighbour(radius):
    target, reference, labels = random_maps(1, 2, 4, 3, 5, 6)
    cold = point_and_copy(target, reference, labels, temperature=1e-6, radius=radius)
    nearest = naive(target[0], reference[0], labels[0], radius=radius, top_k=1)
    assert torch.allclose(cold[0], nearest)


def test_top_k_is_a_softmax_over_the_k_kept_logits_jointly():
    """A softmax before top-k gives the same only if you renormalise; keeping k pixels per frame gives a different result."""
    logits = torch.tensor([[[3.0, 1.0, 2.0, 0.0]]])
    kept = keep_top_k(logits, 2)
    assert torch.equal(kept, torch.tensor([[[3.0, -math.inf, 2.0, -math.inf]]]))
    e = math.e
    assert torch.allclose(kept.softmax(-1), torch.tensor([[[e / (e + 1), 0, 1 / (e + 1), 0]]]))
    # The k pixels are chosen from all frames jointly, so both may be in the same frame.
    target = torch.tensor([1.0])[None, :, None, None]
    reference = torch.tensor([3.0, 2.0, 1.0, 0.0]).reshape(1, 2, 1, 1, 2)
    labels = torch.tensor([1.0, 0.0, 50.0, 50.0]).reshape(1, 2, 1, 1, 2)
    y = point_and_copy(target.expand(1, 1, 1, 2), reference, labels, top_k=2)
    assert torch.allclose(y.flatten(), torch.tensor([e / (e + 1)] * 2))


def test_ties_keep_exactly_k():
    assert (keep_top_k(torch.zeros(1, 1, 6), 2) == 0).sum() == 2
    assert torch.equal(keep_top_k(torch.zeros(1, 1, 3), 5), torch.zeros(1, 1, 3))


@pytest.mark.parametrize("bad", [{"temperature": 0.0}, {"temperature": -1.0}, {"top_k": 0}])
def test_meaningless_settings_are_refused(bad):
    target, reference, _ = random_maps(1, 1, 4, 1, 3, 4)
    with pytest.raises(ValueError):
        affinity(pixels(target), pixels(reference), **bad)


def test_window_is_a_square_around_the_target():
    near = window(4, 5, 1, frames=2).reshape(4, 5, 2, 4, 5)
    assert near[0, 0].sum() == 2 * 4
    assert near[1, 1].sum() == 2 * 9
    assert near[3, 2].sum() == 2 * 6
    assert near[1, 1, 0, 0, 0]
    assert near[1, 1, 1, 2, 2]
    assert not near[1, 1, 0, 3, 1]


def test_labels_and_embeddings_are_not_modified():
    maps = random_maps(1, 2, 4, 3, 9, 9)
    before = [m.clone() for m in maps]
    for radius in (None, 2):
        point_and_copy(*maps, temperature=0.1, radius=radius, top_k=4)
    assert all(torch.equal(a, b) for a, b in zip(maps, before, strict=True))


@pytest.mark.parametrize("radius", [None, 1])
@pytest.mark.parametrize("top_k", [None, 3])
def test_gradients_flow_through_both_paths(radius, top_k):
    target, reference, labels = random_maps(1, 2, 2, 2, 3, 4)
    inputs = [m.requires_grad_() for m in (target, reference, labels)]
    assert torch.autograd.gradcheck(lambda *m: point_and_copy(*m, temperature=0.5, radius=radius, top_k=top_k), inputs)


def test_local_path_never_builds_the_whole_matrix():
    """The full matrix of this grid has 1.6e9 entries; every tensor of the local path must be far smaller."""
    from torch.utils._python_dispatch import TorchDispatchMode

    h, w, r, radius = 100, 100, 16, 3
    biggest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal biggest
            result = function(*args, **(kwargs or {}))
            for item in result if isinstance(result, (tuple, list)) else [result]:
                if isinstance(item, torch.Tensor):
                    biggest = max(biggest, item.numel())
            return result

    target, reference, labels = random_maps(1, r, 2, 1, h, w, dtype=torch.float32)
    with Watch(), torch.enable_grad():  # with gradients enabled, all work stays in this thread, which is the one that Watch sees
        y = point_and_copy(target, reference, labels, radius=radius, top_k=5)
    assert y.shape == (1, 1, h, w)
    assert biggest < (h * w) * (r * h * w) / 500


@pytest.mark.parametrize("top_k", [None, 1, 4, 500])
@pytest.mark.parametrize("anywhere", [1, 2, 3])
def test_references_with_and_without_a_window_share_one_softmax(anywhere, top_k, device):
    g = torch.Generator().manual_seed(anywhere)
    f = torch.randn(2, 4, 6, 9, 11, generator=g).to(device)
    c = torch.rand(2, 3, 5, 9, 11, generator=g).to(device)
    target, reference = f[:, -1], f[:, :-1]
    allowed = window(9, 11, 2, 3, device)
    allowed[:, : anywhere * 99] = True
    A = affinity(pixels(target), pixels(reference), 0.5, allowed=allowed, top_k=top_k)
    expected = copy(A, pixels(c)).mT.reshape(2, 5, 9, 11)
    found = point_and_copy(target, reference, c, 0.5, radius=2, top_k=top_k, anywhere=anywhere)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("top_k", [None, 3])
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 1])
def test_only_the_chosen_cells_are_computed(share, top_k, device):
    target, reference, labels = (x.to(device) for x in random_maps(2, 3, 6, 2, 2 * TILE + 3, TILE + 5))
    cells = torch.rand(2, *target.shape[2:], generator=torch.Generator().manual_seed(1)).to(device) < share
    cells[:, :TILE, :TILE] = False  # a tile without any
    options = {"temperature": 0.5, "radius": 4, "top_k": top_k, "anywhere": 1}
    everything = point_and_copy(target, reference, labels, **options)
    assert torch.allclose(point_and_copy(target, reference, labels, **options, cells=cells), everything * cells[:, None], atol=1e-12)


def oracle(target, reference, labels, temperature=1.0, radius=None, top_k=None, anywhere=0):
    """Apply the equations exactly as written to maps."""
    r, h, w = reference.shape[1], *reference.shape[3:]
    allowed = window(h, w, max(h, w) if radius is None else radius, r, target.device)
    allowed[:, : anywhere * h * w] = True
    A = affinity(pixels(target), pixels(reference), temperature, allowed=allowed, top_k=top_k)
    return copy(A, pixels(labels)).mT.reshape(len(target), -1, h, w)


def smooth_maps(b, r, d, k, h, w, seed=0, dtype=torch.float32):
    """Maps similar to a network's embeddings: unit length, nearly low-rank, smooth in space and similar from frame to frame."""
    g = torch.Generator().manual_seed(seed)
    scene = torch.nn.functional.interpolate(torch.randn(1, 8, 6, 7, generator=g), (h, w), mode="bilinear")
    f = torch.einsum("dc,nchw->ndhw", torch.randn(d, 8, generator=g), scene) + 0.3 * torch.randn(b * (r + 1), d, h, w, generator=g)
    f = torch.nn.functional.normalize(f, dim=1).unflatten(0, (b, r + 1)).to(dtype)
    return f[:, -1], f[:, :-1], torch.rand(b, r, k, h, w, generator=g).to(dtype)


GRIDS = [
    # B, R, D, K, h, w, radius, top_k, anywhere
    (1, 3, 40, 2, 27, 31, 12, 10, 1),  # as in tracking: no window in the first frame, windows in the others
    (1, 8, 64, 2, 25, 29, 5, 10, 0),
    (2, 3, 40, 5, 17, 9, 4, 3, 2),
    (1, 1, 40, 1, 23, 26, 9, 10, 0),  # one reference, one class
    (1, 1, 40, 1, 23, 26, 9, 10, 1),
    (1, 2, 40, 2, 23, 26, None, 10, 0),
    (1, 2, 40, 2, 13, 26, 99, 10, 1),  # the radius is larger than the grid
    (1, 2, 40, 2, 5, 33, 12, 10, 1),  # the radius is larger than the height only
    (1, 2, 40, 2, 1, 41, 3, 10, 1),
    (1, 2, 40, 2, 8, 8, 3, 98, 1),  # k is larger than the number of candidates in the corners
    (1, 2, 40, 2, 16, 24, 7, 1, 1),
    (1, 2, 40, 2, 17, 25, 7, None, 1),
    (1, 2, 193, 30, 17, 25, 7, 10, 1),
]


@pytest.mark.parametrize("dtype,close", [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("b,r,d,k,h,w,radius,top_k,anywhere", GRIDS)
def test_fast_pointer_equals_the_equations(b, r, d, k, h, w, radius, top_k, anywhere, dtype, close, device):
    maps = [m.to(device) for m in smooth_maps(b, r, d, k, h, w, dtype=dtype)]
    options = {"temperature": 0.07, "radius": radius, "top_k": top_k, "anywhere": anywhere}
    with torch.inference_mode():
        wrong = (point_and_copy(*maps, **options) - oracle(*maps, **options)).abs().amax(1) > close
    # In single precision, rounding may swap two nearly equal logits at rank k.
    assert wrong.sum() <= (0.002 * wrong.numel() if top_k is not None and dtype == torch.float32 else 0)


@pytest.mark.parametrize("anywhere", [0, 1, 2])
@pytest.mark.parametrize("top_k", [None, 3, 10])
def test_fast_pointer_weights_equal_the_affinity_matrix(top_k, anywhere):
    """If the labels are one-hot pixel numbers, the copied labels are the matrix A itself."""
    h, w, r, radius = 9, 10, 2, 2
    target, reference, _ = smooth_maps(1, r, 30, 1, h, w, dtype=torch.float64)
    labels = torch.eye(r * h * w, dtype=torch.float64).reshape(1, r, h, w, -1).movedim(-1, 2)
    A = point_and_copy(target, reference, labels, 0.1, radius=radius, top_k=top_k, anywhere=anywhere)
    assert torch.allclose(A, oracle(target, reference, labels, 0.1, radius=radius, top_k=top_k, anywhere=anywhere), atol=1e-12)


@pytest.mark.parametrize("anywhere", [0, 1, 2])
def test_exactly_k_of_the_tied_pixels_are_copied_and_none_from_outside_the_window(anywhere):
    h, w, r, radius, k = 19, 21, 2, 3, 7
    labels = torch.eye(r * h * w).reshape(1, r, h, w, -1).movedim(-1, 2)
    A = point_and_copy(torch.ones(1, 30, h, w), torch.ones(1, r, 30, h, w), labels, radius=radius, top_k=k, anywhere=anywhere)
    A = A[0].flatten(1).T  # (M, N)
    assert torch.allclose(A[A > 0], torch.tensor(1 / k))
    assert ((A > 0).sum(1) == k).all()
    assert (A[:, anywhere * h * w :][~window(h, w, radius, r - anywhere)] == 0).all()


@pytest.mark.parametrize("anywhere", [0, 1, 2])
@pytest.mark.parametrize("top_k", [None, 10])
def test_background_labels_stay_exact_beyond_the_reach_of_the_window(top_k, anywhere):
    """The labels are background except in one corner; pixels whose windows do not reach it must stay exactly background."""
    target, reference, _ = smooth_maps(1, 2, 40, 2, 30, 33)
    labels = torch.zeros(1, 2, 2, 30, 33)
    labels[:, :, 0] = 1
    labels[:, anywhere:, :, :4, :4] = torch.tensor([0.25, 0.75])[:, None, None]
    y = point_and_copy(target, reference, labels, 0.07, radius=5, top_k=top_k, anywhere=anywhere)[0]
    assert torch.allclose(y.sum(0), torch.ones(30, 33))
    assert torch.allclose(y[0, 9:], torch.ones(21, 33))
    assert (y[1, 9:] == 0).all()
    assert (y[1, :, 9:] == 0).all()
    assert (y[1] > 0).any() == (anywhere < 2)


@pytest.mark.parametrize("radius", [None, 14])
def test_single_precision_is_enough_for_a_sum_over_many_pixels(radius):
    """A softmax along the wrong axis adds the values one by one, and over 20,000 pixels its rounding error exceeds 1e-5.

    The error that remains depends on the processor: it was below 3e-6 on one and 7e-6 on another.
    """
    target, reference, labels = smooth_maps(1, 24, 8, 1, 30, 31)
    y = point_and_copy(target, reference, torch.ones_like(labels), 0.07, radius=radius, anywhere=23)
    assert (y - 1).abs().max() < 1e-5


@pytest.mark.parametrize("n", [1, 3, 2 * BLOCK * 3, 2 * BLOCK * 3 + 1, 401, 5000])
def test_block_wise_top_k_equals_a_full_sort(n):
    g = torch.Generator().manual_seed(n)
    logits = torch.randint(0, 2000, (n, 5), generator=g).double()  # with ties
    logits[torch.rand(n, 5, generator=g) < 0.3] = -math.inf
    value, at = _top_k(logits, 3)
    assert torch.equal(value, logits.sort(0, descending=True).values[:3])
    assert torch.equal(logits.gather(0, at), value)
    assert all(len(set(column)) == min(3, n) for column in at.T.tolist())


@pytest.mark.parametrize("d", [3, AXES, AXES + 1, 64])
def test_pruning_keeps_every_possible_winner_and_discards_other_pixels(d):
    target, reference, _ = smooth_maps(1, 1, d, 1, 30, 33)
    f_j, far = pixels(target)[0][:64] / 0.07, pixels(reference)[0]
    logits = far @ f_j.T
    for rank in (1, 20):
        least = logits.topk(rank, dim=0).values
        chosen = _pruner(far, rank)(f_j, least)
        assert set((logits >= least[-1]).any(1).nonzero()[:, 0].tolist()) <= set(chosen.tolist())
        assert len(chosen) < 0.9 * len(far)
        assert len(_pruner(far, rank + 1)(f_j, least)) == len(far)  # fewer than k candidates so far, so no pixel can be discarded


@pytest.mark.parametrize("top_k", [None, 5])
def test_the_thread_count_does_not_change_the_result_and_is_restored(top_k):
    before = torch.get_num_threads()
    maps = smooth_maps(1, 3, 40, 2, 3 * TILE + 1, 5 * TILE + 2)
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            for mode in (torch.inference_mode, torch.no_grad, torch.enable_grad):
                with mode():
                    found.append(point_and_copy(*maps, 0.07, radius=6, top_k=top_k, anywhere=1).clone())
                assert torch.get_num_threads() == threads
            with torch.no_grad(), pytest.raises(RuntimeError):
                point_and_copy(maps[0], maps[1][:, :, 1:], maps[2], radius=6, top_k=top_k)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(torch.allclose(y, found[0], atol=1e-6) for y in found)


# ---- attention: a few rows of the affinity, for display

CELLS = [(0, 0), (6, 4), (3, 2), (6, 0), (0, 4), (3, 2)]  # (column, row) of four corners and of one cell inside, twice


def frames_of(t=5, d=8, h=5, w=7, device="cpu"):
    return torch.nn.functional.normalize(torch.randn(t, d, h, w, generator=torch.Generator().manual_seed(0)), dim=1).to(device)


@pytest.mark.parametrize("top_k", [None, 1, 4, 9, 500])
@pytest.mark.parametrize("radius", [None, 0, 1, 3, 40])
def test_attention_equals_the_requested_rows_of_the_full_affinity(radius, top_k, device):
    f = frames_of(device=device)
    references = [0, 2, 3]
    allowed = None if radius is None else window(5, 7, radius, len(references), device)
    whole = affinity(pixels(f[-1:]), pixels(f[references][None]), 0.3, allowed=allowed, top_k=top_k)[0]
    A = attention(f, references, CELLS, 0.3, radius, top_k)
    assert A.shape == (len(CELLS), 3, 5, 7)
    assert A.device == f.device
    for (column, row), found in zip(CELLS, A, strict=True):
        assert torch.allclose(found.flatten(), whole[row * 7 + column], atol=1e-6)
    assert torch.allclose(A.sum((1, 2, 3)), torch.ones(len(CELLS), device=device), atol=1e-5)


def test_attention_stays_inside_its_window_in_every_reference():
    A = attention(frames_of(), [0, 1], [(1, 3)], 0.3, radius=2)[0]
    inside = torch.zeros(5, 7, dtype=torch.bool)
    inside[1:, :4] = True  # rows 1 to 5 and columns -1 to 3, clipped to the grid
    assert ((A > 0) == inside).all()


@pytest.mark.parametrize("radius", [None, 1])
def test_attention_keeps_the_best_of_all_references_together(radius):
    f = frames_of()
    f[1] = f[-1]  # so the best matches are all in this frame
    A = attention(f, [0, 1], [(3, 2)], 0.01, radius, top_k=3)[0]
    assert (A > 0).sum() == 3
    assert A[1].max() == A.max()
    assert A[1, 2, 3] == A.max()
    free = attention(f, [0, 1], [(3, 2)], 0.01, radius)[0]
    kept = free.flatten().topk(3).values
    assert torch.allclose(A[A > 0].sort().values, (kept / kept.sum()).sort().values, atol=1e-6)


def test_attention_uses_the_last_frame_and_accepts_cells_as_list_tensor_or_array():
    f = frames_of()
    f[2, :, 4, 6] = f[-1, :, 1, 5]
    forms = ([[5, 1]], torch.tensor([[5, 1]]), torch.tensor([[5, 1]]).numpy())
    found = [attention(f, (2,), cells, 0.01, radius=3, top_k=5) for cells in forms]
    assert all(torch.equal(A, found[0]) for A in found)
    assert divmod(int(found[0][0, 0].argmax()), 7) == (4, 6)
