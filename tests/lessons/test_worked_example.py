"""The small worked example has the properties that the notebooks describe."""

import numpy as np
import torch

from tinytrack.color import Palette, frames_to_lab
from tinytrack.lessons.worked_example import worked_example
from tinytrack.pointer import affinity, copy, pixels


def test_two_objects_of_two_cells_move_over_three_frames():
    example = worked_example()
    assert example.frames.shape == (3, 4, 4, 3)
    assert example.frames.dtype == np.uint8
    assert example.embeddings.shape == (3, 2, 4, 4)
    assert example.embeddings.dtype == torch.float32
    for t in range(3):
        assert np.bincount(example.masks[t].ravel()).tolist() == [12, 2, 2]
        for n, (x, y) in enumerate(example.joints[t].astype(int), start=1):
            assert example.masks[t][y, x] == n
    assert len({example.masks[t].tobytes() for t in range(3)}) == 3


def test_both_lightness_and_colour_tell_the_objects_apart():
    example = worked_example()
    lab = frames_to_lab(example.frames)
    lightness = [[lab[t, 0][torch.tensor(example.masks[t] == n)].mean() for n in range(3)] for t in range(3)]
    np.testing.assert_allclose(lightness, np.tile([50, 80, 20], (3, 1)), atol=1)
    classes = Palette.fit(lab[:, 1:], 3).hard(lab[:, 1:]).numpy()
    assert all(len(np.unique(classes[example.masks == n])) == 1 for n in range(3))
    assert len(np.unique(classes)) == 3


def test_embeddings_have_length_one_and_point_at_the_same_object_and_cell():
    example = worked_example()
    f = example.embeddings
    torch.testing.assert_close(f.norm(dim=1), torch.ones(3, 4, 4))
    masks = torch.tensor(example.masks, dtype=torch.long)
    for t in (1, 2):
        A = affinity(pixels(f[t : t + 1]), pixels(f[:1]), 0.01)
        labels = torch.nn.functional.one_hot(masks[:1].flatten(1), 3).float()
        assert torch.equal(copy(A, labels)[0].argmax(1).view(4, 4), masks[t])
        for n, (x, y) in enumerate(example.joints[t].astype(int)):
            assert divmod(int(A[0, 4 * y + x].argmax()), 4) == tuple(example.joints[0, n, ::-1].astype(int))
