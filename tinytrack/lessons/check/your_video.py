"""The exercises of notebooks/09_your_video.ipynb."""

from ..exercise import Exercise


def _pixel(x: float, y: float, shown: tuple[int, int], size: tuple[int, int]) -> tuple[float, float]:
    """Turn a click on a picture of size ``shown`` into a pixel of a frame of size ``size``."""
    return (x * size[1] / shown[1] - 0.5, y * size[0] / shown[0] - 0.5)


click_to_pixel = Exercise(
    "click_to_pixel",
    _pixel,
    lambda: [(100.0, 30.0, (240, 427), (480, 854)), (7.5, 90.0, (300, 200), (144, 176))],
    [
        ("The scale is upside down: multiply by size / shown, not by shown / size", lambda x, y, s, z: _pixel(x, y, z, s)),
        (
            "The height and the width are swapped: sizes are (height, width), so x goes with the width",
            lambda x, y, s, z: _pixel(x, y, s[::-1], z[::-1]),
        ),
        (
            "Your result is half a pixel off:"
            " clicks count from the picture's edge and frame pixels from the first centre, so subtract 0.5 at the end",
            lambda x, y, s, z: tuple(v + 0.5 for v in _pixel(x, y, s, z)),
            lambda x, y, s, z: _pixel(x + 0.5, y + 0.5, s, z),
        ),
        ("Your function returns (y, x): return x first", lambda x, y, s, z: _pixel(x, y, s, z)[::-1]),
    ],
)
splice = Exercise(
    "splice",
    lambda before, after, frame: [*before[:frame], *after],
    lambda: [(list("abcdef"), list("XYZ"), 3), (list("abcd"), list("XYZ"), 1), (list("abcde"), list("X"), 4)],
    [
        (
            "The corrected frame appears twice, once wrong and once right: keep only the frames before it from the first track",
            lambda b, a, n: [*b[: n + 1], *a],
        ),
        (
            "The frame before the correction is lost: keep all frames of the first track that come before the corrected one",
            lambda b, a, n: [*b[: n - 1], *a],
        ),
        (
            "The beginning of the second track is cut off, although its item 0 belongs to the corrected frame: take all of it",
            lambda b, a, n: [*b[:n], *a[n:]],
        ),
        (
            "The frames after the correction come from the old track: take them from the second track",
            lambda b, a, n: [*b[:n], a[0], *b[n + 1 :]],
        ),
    ],
)
