"""Animations: what a reader of the file sees, how they show themselves in a notebook, and which arguments they refuse."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tinytrack.draw.animation import COLORS, TOLERANCE, animation


def moving_square(count: int = 5) -> list[np.ndarray]:
    """Pictures with two colours: a yellow square moves over a gray ground."""
    pictures = [np.full((30, 50, 3), 120, np.uint8) for _ in range(count)]
    for n, picture in enumerate(pictures):
        picture[10:20, 5 * n : 5 * n + 10] = (255, 200, 40)
    return pictures


def photographs(count: int = 4) -> list[np.ndarray]:
    """Pictures with many colours: two gradients with noise, brighter from one to the next, and a small red mark."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:60, 0:80]
    ground = np.stack([3 * y, 2 * x, y + x], axis=-1)
    pictures = [np.clip(ground + 3 * n + rng.integers(-2, 3, ground.shape), 0, 255).astype(np.uint8) for n in range(count)]
    for picture in pictures:
        picture[30:36, 40:46] = (255, 0, 0)
    return pictures


def read(png: bytes) -> tuple[list[np.ndarray], list[float], Image.Image]:
    """The pictures as a viewer shows them, their durations in milliseconds, and the file."""
    image = Image.open(io.BytesIO(png))
    pictures, durations = [], []
    for n in range(image.n_frames):
        image.seek(n)
        pictures.append(np.asarray(image.convert("RGB")))
        durations.append(image.info["duration"])
    return pictures, durations, image


def test_few_colours_come_back_exactly_in_order_and_in_time():
    pictures = moving_square()
    shown, durations, image = read(animation(pictures, fps=8).png)
    assert image.format == "PNG"
    assert image.info["loop"] == 0  # endlessly
    np.testing.assert_array_equal(shown, pictures)
    assert durations == [125] * 5


def test_small_steps_of_few_colours_are_not_swallowed_by_the_tolerance():
    pictures = [np.full((8, 8, 3), 100 + n, np.uint8) for n in range(TOLERANCE)]
    np.testing.assert_array_equal(read(animation(pictures).png)[0], pictures)


def test_many_colours_share_one_palette_and_stay_close():
    pictures = photographs()
    made = animation(pictures)
    shown, _, image = read(made.png)
    assert image.mode == "P"
    assert made.png.count(b"PLTE") == 1
    assert len(np.unique(np.concatenate(pictures).reshape(-1, 3), axis=0)) > 1000
    assert len(np.unique(np.concatenate(shown).reshape(-1, 3), axis=0)) <= COLORS
    off = np.abs(np.array(shown, int) - pictures)
    assert off.mean() < 5
    assert off[:, 30:36, 40:46].max() <= 20  # a small mark keeps its colour
    assert len(made.png) < 0.5 * np.prod(np.shape(pictures)[:3])  # half a byte per pixel


def test_pixels_that_hardly_change_are_stored_once():
    first = photographs(1)[0]
    rng = np.random.default_rng(1)
    still = [first] + [np.clip(first.astype(int) + rng.integers(-1, 2, first.shape), 0, 255).astype(np.uint8) for _ in range(9)]
    assert len(animation(still).png) < 2 * len(animation(still[:1]).png)


def test_the_same_picture_twice_lasts_as_long_as_two():
    pictures = moving_square(2)
    _, durations, _ = read(animation([pictures[0], pictures[0], pictures[1]], fps=10).png)
    assert sum(durations) == 300


def test_one_picture_is_enough():
    pictures = moving_square(1)
    image = Image.open(io.BytesIO(animation(pictures).png))
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pictures[0])


def test_a_notebook_gets_the_bytes_and_the_alt_text():
    made = animation(moving_square(), alt="  A square\n moves. ")
    data, metadata = made._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert base64.b64decode(data["image/png"]) == made.png
    assert data["text/plain"] == "A square moves."
    assert metadata == {"image/png": {"alt": "A square moves."}}
    assert made.alt == "A square moves."
    assert len(repr(made)) < 200


def test_an_animation_can_be_saved(tmp_path):
    made = animation(moving_square())
    made.save(tmp_path / "square.png")
    assert (tmp_path / "square.png").read_bytes() == made.png


def test_the_pictures_are_kept_in_all_their_colours():
    pictures = photographs()
    made = animation(iter(pictures), fps=3)
    np.testing.assert_array_equal(made.pictures, pictures)
    assert made.fps == 3


def test_the_pictures_given_are_left_alone():
    pictures = photographs()
    before = [picture.copy() for picture in pictures]
    animation(pictures)
    np.testing.assert_array_equal(pictures, before)


def test_an_array_of_pictures_and_an_iterator_do_as_well_as_a_list():
    pictures = moving_square()
    assert animation(np.stack(pictures)).png == animation(iter(pictures)).png == animation(pictures).png


@pytest.mark.parametrize(
    "pictures, fps, message",
    [
        ([], 6, "an animation needs at least one picture, got none"),
        (
            [np.zeros((4, 6, 3), np.uint8), np.zeros((4, 7, 3), np.uint8)],
            6,
            r"pictures must have the same size, but picture 1 is \(4, 7, 3\) and picture 0 \(4, 6, 3\)",
        ),
        ([np.zeros((4, 6, 3))], 6, r"pictures must be uint8 arrays \(H, W, 3\), but picture 0 is float64 \(4, 6, 3\)"),
        ([np.zeros((4, 6), np.uint8)], 6, r"but picture 0 is uint8 \(4, 6\)"),
        (moving_square(), 0, "fps must be a positive number, got 0"),
        (moving_square(), -2, "fps must be a positive number, got -2"),
        (moving_square(), float("nan"), "fps must be a positive number, got nan"),
        (moving_square(), float("inf"), "fps must be a positive number, got inf"),
    ],
)
def test_wrong_arguments_are_named_in_one_sentence(pictures, fps, message):
    with pytest.raises(ValueError, match=message) as caught:
        animation(pictures, fps)
    assert "\n" not in str(caught.value)
