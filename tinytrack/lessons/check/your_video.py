"""The exercises of notebooks/09_your_video.ipynb."""

from ..exercise import Exercise


def _pixel(x: float, y: float, shown: tuple[int, int], size: tuple[int, int]) -> tuple[float, float]:
    return (x * size[1] / shown[1] - 0.5, y * size[0] / shown[0] - 0.5)


click_to_pixel = Exercise(
    "click_to_pixel",
    _pixel,
    lambda: [(100.0, 30.0, (240, 427), (480, 854)), (7.5, 90.0, (300, 200), (144, 176))],
    [
        ("the scale is upside down: shown / size instead of size / shown", lambda x, y, s, z: _pixel(x, y, z, s)),
        ("sizes are (height, width): x goes with the width", lambda x, y, s, z: _pixel(x, y, s[::-1], z[::-1])),
        (
            "half a pixel off: a picture begins at 0, but the centre of its first pixel is called 0, so take off 0.5",
            lambda x, y, s, z: tuple(v + 0.5 for v in _pixel(x, y, s, z)),
            lambda x, y, s, z: _pixel(x + 0.5, y + 0.5, s, z),
        ),
        ("the result is (y, x): x first", lambda x, y, s, z: _pixel(x, y, s, z)[::-1]),
    ],
)
splice = Exercise(
    "splice",
    lambda before, after, frame: [*before[:frame], *after],
    lambda: [(list("abcdef"), list("XYZ"), 3), (list("abcd"), list("XYZ"), 1), (list("abcde"), list("X"), 4)],
    [
        ("the corrected frame stands there twice, wrong and right: keep only the frames before it", lambda b, a, n: [*b[: n + 1], *a]),
        ("the frame before the correction is lost", lambda b, a, n: [*b[: n - 1], *a]),
        ("the second track starts at the corrected frame, its frame 0 is video frame n: take all of it", lambda b, a, n: [*b[:n], *a[n:]]),
        ("frames after the correction come from the old track", lambda b, a, n: [*b[:n], a[0], *b[n + 1 :]]),
    ],
)
