"""Solutions of the exercises of notebooks/03_pointer_copy.ipynb."""

import torch


def my_affinity(f_j, f_i, temperature):
    logits = f_j @ f_i.mT / temperature  # (B, M, D) @ (B, D, N) -> (B, M, N)
    return logits.softmax(dim=-1)  # over the references, so that the attention of each target pixel sums to one


def my_temperature(f_j, f_i, on_object):
    products = f_i @ f_j  # (N,)
    low, high = 1e-4, 1e4  # the object gets more than 90 % at low, and less at high
    for _ in range(60):
        middle = (low * high) ** 0.5  # the middle on a logarithmic scale, because τ may have any order of magnitude
        share = (products / middle).softmax(dim=0)[on_object].sum()
        if share > 0.9:
            low = middle  # still too sharp
        else:
            high = middle
    return low


def my_window(h, w, radius):
    pixel = torch.arange(h * w)
    row, column = pixel // w, pixel % w  # pixels are numbered row by row
    near_row = (row[:, None] - row[None, :]).abs() <= radius  # (M, M): all pairs
    near_column = (column[:, None] - column[None, :]).abs() <= radius
    return near_row & near_column


def my_keep_top_k(logits, k):
    values, places = logits.topk(k, dim=-1)
    # topk returns exactly k places, even if there are ties. A comparison with the k-th value would keep all equal ones.
    return torch.full_like(logits, float("-inf")).scatter(-1, places, values)


def my_overflow_temperature(products):
    temperature = products.max() / 88.72  # here the largest term reaches the limit of float32 by itself
    # The other terms add to the sum, so it overflows at a slightly higher temperature. We approach it in steps of 0.1 per cent.
    while torch.exp(products / temperature).sum().isinf():
        temperature = 1.001 * temperature
    return temperature
