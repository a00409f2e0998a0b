"""Solutions of the exercises of notebooks/02_embedding_net.ipynb."""


def my_cell_center(index, stride):
    first = index * stride
    last = first + stride - 1  # with stride 4, cell 0 ends at pixel 3, not at 4
    return (first + last) / 2


def my_receptive_field(layers):
    field, step = 1, 1  # without any layer, a cell is one pixel
    for kernel, stride, dilation in layers:
        field += (kernel - 1) * dilation * step
        step *= stride  # after the field, because a stride only spreads the taps of later layers
    return field


def my_layers():
    # Two 2x2 kernels are the smallest stem that skips no pixel with stride 2. They have 8 taps and see 1 + 1 + 2 = 4 pixels.
    # The other 52 taps pay for five 3x3 layers (45 taps), each of which adds 2 * dilation * 4 pixels.
    # The missing 136 pixels are 8 times the sum of the dilations, which must therefore be 17.
    # The first 3x3 layer covers 3 cells, then 3 + 2 * 2 = 7, then 7 + 2 * 3 = 13, then 23, so no dilation is too large.
    stem = [(2, 2, 1), (2, 2, 1)]
    return stem + [(3, 1, dilation) for dilation in (1, 2, 3, 5, 6)]
