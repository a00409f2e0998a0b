"""Test what the pixels of people's masks mean: soft edges, lossy files, palettes, transparency, void, white paper."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.support.helpers import assert_one_sentence
from tinytrack.errors import MaskError
from tinytrack.io.masks import davis_palette, describe_objects, read_mask, read_mask_files, write_mask

H, W = 96, 128
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (128, 128, 128), (255, 255, 255), (128, 0, 0), (0, 128, 128)]
RESAMPLING = {name.lower(): getattr(Image.Resampling, name) for name in ("BOX", "BILINEAR", "BICUBIC", "LANCZOS")}


def drawing(colors, scale=1, background=(0, 0, 0)):
    """One ellipse per colour, side by side."""
    picture = Image.new("RGB", (W * scale, H * scale), background)
    for n, color in enumerate(colors):
        center = (n + 0.5) * W / len(colors)
        half = W / len(colors) * 0.4
        ImageDraw.Draw(picture).ellipse([v * scale for v in (center - half, 20, center + half, 75)], fill=color)
    return picture


def assert_objects(path, colors):
    """Check that the mask holds one object for each ellipse, within two pixels of its outline, numbered by ascending colour."""
    ids = read_mask(path)
    order = sorted(colors)
    truth = np.array(drawing(colors))
    for number, color in enumerate(order, start=1):
        there = (truth == color).all(axis=2)
        assert (there & (ids == number)).sum() > 0.85 * (there | (ids == number)).sum(), f"{color}: {describe_objects(ids)}"
    assert set(np.unique(ids)) == set(range(len(colors) + 1)), describe_objects(ids)


SETS = [COLORS[5:6], COLORS[:1], COLORS[:2], COLORS[4:7:2], COLORS[1:4]]
SET_NAMES = ["white", "red", "red and green", "gray and dark red", "three"]


# ---- soft edges


@pytest.mark.parametrize("filter", RESAMPLING)
@pytest.mark.parametrize("colors", SETS, ids=SET_NAMES)
def test_shades_at_the_edge_of_a_shrunk_drawing_join_the_nearest_colour(tmp_path, colors, filter):
    small = drawing(colors, 4).resize((W, H), RESAMPLING[filter])
    small.save(tmp_path / "rgb.png")
    assert_objects(tmp_path / "rgb.png", colors)
    small.quantize(256).save(tmp_path / "palette.png")
    ids = read_mask(tmp_path / "palette.png")
    assert len(np.unique(ids)) == len(colors) + 1, describe_objects(ids)


@pytest.mark.parametrize("colors", SETS, ids=SET_NAMES)
@pytest.mark.parametrize("sigma", [1, 2])
def test_a_blurred_mask_keeps_its_objects(tmp_path, colors, sigma):
    drawing(colors).filter(ImageFilter.GaussianBlur(sigma)).save(tmp_path / "m.png")
    assert_objects(tmp_path / "m.png", colors)


@pytest.mark.parametrize("colors", SETS, ids=SET_NAMES)
def test_an_enlarged_mask_keeps_its_objects(tmp_path, colors):
    drawing(colors).resize((W // 2, H // 2)).resize((W, H), Image.Resampling.BILINEAR).save(tmp_path / "m.png")
    assert_objects(tmp_path / "m.png", colors)


def test_a_soft_brush_on_transparent_ground_is_one_object(tmp_path):
    soft = drawing([(255, 255, 255)]).convert("L").filter(ImageFilter.GaussianBlur(2))
    Image.merge("RGBA", [Image.new("L", (W, H), v) for v in (255, 40, 0)] + [soft]).save(tmp_path / "m.png")
    ids = read_mask(tmp_path / "m.png")
    assert np.unique(ids).tolist() == [0, 1]
    assert 0.9 < (ids > 0).sum() / (np.array(drawing([(255, 255, 255)])) > 0)[..., 0].sum() < 1.1


def small(radius, filter, shift=0.3, color=(255, 255, 255)):
    """A disk of a few pixels, shrunk from eight times its size."""
    center = np.array([W // 2 + shift, H // 2 + 0.7 * shift]) * 8
    picture = Image.new("RGB", (W * 8, H * 8))
    ImageDraw.Draw(picture).ellipse([*(center - radius * 8), *(center + radius * 8)], fill=color)
    return picture.resize((W, H), RESAMPLING[filter])


@pytest.mark.parametrize("filter", RESAMPLING)
@pytest.mark.parametrize("radius", [1, 1.5, 2, 2.5, 3, 4, 6])
@pytest.mark.parametrize("color", [(255, 255, 255), (255, 0, 0), (128, 128, 128)], ids=["white", "red", "gray"])
def test_a_small_soft_disk_is_one_object(tmp_path, radius, filter, color):
    small(radius, filter, color=color).save(tmp_path / "m.png")
    ids = read_mask(tmp_path / "m.png")
    assert np.unique(ids).tolist() == [0, 1]
    assert abs((ids > 0).sum() - np.pi * radius**2) < max(3, 0.2 * np.pi * radius**2)


@pytest.mark.parametrize("filter", RESAMPLING)
@pytest.mark.parametrize("angle", [0.1, 0.2, 0.7])
@pytest.mark.parametrize("width", [2, 3])
def test_a_thin_soft_line_is_one_object(tmp_path, width, angle, filter):
    step = np.array([np.cos(angle), np.sin(angle)]) * 300
    center = np.array([W * 4 + 3, H * 4 + 3])
    picture = Image.new("L", (W * 8, H * 8))
    ImageDraw.Draw(picture).line([*(center - step), *(center + step)], fill=255, width=width * 8)
    picture.resize((W, H), RESAMPLING[filter]).save(tmp_path / "m.png")
    ids = read_mask(tmp_path / "m.png")
    assert np.unique(ids).tolist() == [0, 1]
    assert 0.75 < ids.sum() / (75 * width) < 1.25


@pytest.mark.parametrize("seed", range(20))
def test_thin_hard_objects_of_several_grays_are_kept_to_the_pixel(tmp_path, seed):
    random = np.random.default_rng(seed)
    ids = np.zeros((40, 50), np.uint8)
    for n in range(1, 8):
        y, x, length, thick = *random.integers(0, 40, 2), *random.integers((5, 1), (25, 3))
        there = (slice(y, y + thick), slice(x, x + length))
        ids[there if n % 2 else there[::-1]] = n
    values = np.concatenate([[0], random.choice(np.arange(21, 256), 7, replace=False)]).astype(np.uint8)
    Image.fromarray(values[ids]).save(tmp_path / "m.png")
    gray = values[ids]
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), np.searchsorted(np.unique(gray), gray))


@pytest.mark.parametrize("peak", [1, 255])
def test_a_soft_mask_of_floats_keeps_its_object(tmp_path, peak):
    soft = np.array(drawing([(255, 255, 255)]).convert("L").filter(ImageFilter.GaussianBlur(2))).astype(np.float32)
    Image.fromarray(soft * (peak / 255)).save(tmp_path / "m.tif")
    assert_objects(tmp_path / "m.tif", [(255, 255, 255)])


def test_hard_floats_from_0_to_1_are_kept_to_the_pixel(tmp_path):
    floats = np.zeros((H, W), np.float32)
    floats[10:40, 10:40], floats[10:40, 41], floats[50:80, 10:40] = 0.25, 0.5, 0.75
    Image.fromarray(floats).save(tmp_path / "m.tif")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.tif"), floats * 4)


def test_hard_edges_are_kept_to_the_pixel(tmp_path):
    # One pixel wide, between two others, and lighter than one and darker than the other: yet an object, because edges are hard.
    gray = np.zeros((H, W), np.uint8)
    gray[20:60, 10:60], gray[20:60, 60], gray[20:60, 61:100], gray[80, 20:40] = 60, 130, 200, 90
    Image.fromarray(gray).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), np.searchsorted([0, 60, 90, 130, 200], gray))


@pytest.mark.parametrize("seed", range(20))
def test_random_hard_masks_are_kept_to_the_pixel(tmp_path, seed):
    random = np.random.default_rng(seed)
    values = np.concatenate([[0], np.sort(random.choice(np.arange(21, 256), 6, replace=False))]).astype(np.uint8)
    ids = np.zeros((50, 50), np.uint8)
    for n in range(1, 7):
        y, x = random.integers(0, 45, 2)
        h, w = random.integers(1, 15, 2)
        ids[y : y + h, x : x + w] = n
    Image.fromarray(values[ids]).save(tmp_path / "m.png")
    used = np.unique(ids)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), np.searchsorted(used, ids))


# ---- lossy pictures


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("colors", SETS[:3], ids=SET_NAMES[:3])
def test_a_jpeg_keeps_its_objects(tmp_path, colors, quality):
    drawing(colors).save(tmp_path / "m.jpg", quality=quality)
    assert_objects(tmp_path / "m.jpg", colors)
    with Image.open(tmp_path / "m.jpg") as picture:
        picture.save(tmp_path / "m.png")
    assert_objects(tmp_path / "m.png", colors)


def test_a_lossy_webp_keeps_its_objects(tmp_path):
    drawing(COLORS[:2]).save(tmp_path / "m.webp", quality=80)
    assert_objects(tmp_path / "m.webp", COLORS[:2])


@pytest.mark.parametrize("name", ["m.jpg", "m.png"])
def test_a_photo_is_refused(tmp_path, name):
    smooth = np.random.default_rng(0).integers(0, 255, (8, 10, 3), dtype=np.uint8)
    Image.fromarray(smooth).resize((W, H), Image.Resampling.BICUBIC).save(tmp_path / name)
    with pytest.raises(MaskError) as error:
        read_mask(tmp_path / name)
    assert_one_sentence(error, name, "objects: expected at most 64", "hard edges")


# ---- palettes


def palette_picture(ids, colors):
    picture = Image.fromarray(np.asarray(ids, np.uint8))
    picture.putpalette([channel for color in colors for channel in color])
    return picture


DISK = (np.array(drawing([(255, 255, 255)])) > 0).all(axis=2)


@pytest.mark.parametrize("colors", [[(255, 0, 0), (0, 0, 0)], [(0, 0, 255), (0, 0, 0)]], ids=["red", "blue"])
def test_black_is_the_background_of_a_palette_picture_whatever_its_number(tmp_path, colors):
    palette_picture(np.where(DISK, 0, 1), colors).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), DISK)


def test_a_transparent_palette_colour_is_the_background(tmp_path):
    picture = palette_picture(np.where(DISK, 2, 1), [(9, 9, 9), (255, 255, 255), (255, 0, 0)])
    picture.save(tmp_path / "m.png", transparency=1)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), DISK)


def test_a_transparent_palette_colour_is_the_background_beside_ids(tmp_path):
    picture = palette_picture(np.where(DISK, 2, 3), [(0, 0, 0), (0, 255, 0), (255, 0, 0), (200, 200, 200)])
    picture.save(tmp_path / "m.png", transparency=bytes([255, 255, 255, 0]))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), DISK * 2)


def test_a_palette_picture_with_black_first_keeps_its_ids(tmp_path):
    ids = np.zeros((H, W), np.uint8)
    ids[10:30, 10:30], ids[50:80, 50:80], ids[30, 5:60] = 3, 7, 200
    write_mask(tmp_path / "m.png", ids)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), ids)


# ---- void, white paper, transparency


@pytest.mark.parametrize("kind", ["palette", "gray"])
def test_the_id_255_is_void_beside_other_ids(tmp_path, kind):
    ids = np.where(DISK, 1, 0).astype(np.uint8)
    ids[40:44] = 255
    write_mask(tmp_path / "m.png", ids) if kind == "palette" else Image.fromarray(ids).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), ids == 1)


def test_255_alone_is_an_object(tmp_path):
    Image.fromarray(DISK.astype(np.uint8) * 255).convert("P").save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "palette.png") > 0, DISK)
    Image.fromarray(DISK.astype(np.uint8) * 255).save(tmp_path / "gray.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "gray.png"), DISK)


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 0, 0)], ids=["black", "red"])
@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_white_paper_is_refused(tmp_path, color, mode):
    drawing([color], background=(255, 255, 255)).convert(mode).save(tmp_path / "m.png")
    with pytest.raises(MaskError) as error:
        read_mask(tmp_path / "m.png")
    assert_one_sentence(error, "m.png", "white background", "black or transparent")


def test_a_mask_that_is_all_object_is_accepted(tmp_path):
    Image.new("L", (W, H), 255).save(tmp_path / "m.png")
    assert (read_mask(tmp_path / "m.png") == 1).all()


def test_black_ink_on_transparent_ground_is_the_object(tmp_path):
    Image.fromarray(np.dstack([np.zeros((H, W, 3), np.uint8), DISK.astype(np.uint8) * 255])).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), DISK)


@pytest.mark.parametrize("gray", [255, 0], ids=["white", "black"])
def test_the_alpha_of_a_gray_picture_is_the_object_if_it_varies(tmp_path, gray):
    Image.merge("LA", [Image.new("L", (W, H), gray), Image.fromarray(DISK.astype(np.uint8) * 255)]).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), DISK)


@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_a_constant_alpha_of_a_gray_picture_means_nothing(tmp_path, alpha):
    for value in (3, 200):
        picture = Image.fromarray(DISK.astype(np.uint8) * value)
        Image.merge("LA", [picture, Image.new("L", (W, H), alpha)]).save(tmp_path / "m.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), DISK)


def test_transparent_ids_of_a_gray_picture_are_background(tmp_path):
    ids = np.full((H, W), 1, np.uint8)
    ids[:40] = 2
    Image.merge("LA", [Image.fromarray(ids), Image.fromarray(DISK.astype(np.uint8) * 255)]).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), ids * DISK)


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("orientation, quarters", [(3, 2), (6, 1), (8, 3)])
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_mask_of_a_turned_phone_picture_is_turned(tmp_path, ending, orientation, quarters, mode):
    tags = Image.Exif()
    tags[0x0112] = orientation
    corner = DISK & (np.arange(W) < W // 2)
    Image.fromarray(np.rot90(corner, quarters).astype(np.uint8) * 255).convert(mode).save(tmp_path / f"m.{ending}", exif=tags)
    np.testing.assert_array_equal(read_mask(tmp_path / f"m.{ending}", (H, W)) > 0, corner)


# ---- several masks, sizes, descriptions


def test_the_same_colour_is_the_same_object_in_all_masks(tmp_path):
    drawing([(255, 0, 0)]).save(tmp_path / "a.png")
    drawing([(255, 0, 0), (0, 0, 255)]).save(tmp_path / "b.png")
    a, b = read_mask_files([tmp_path / "a.png", tmp_path / "b.png"])
    assert np.unique(a).tolist() == [0, 2]
    assert np.unique(b).tolist() == [0, 1, 2]
    assert b[48, 32] == a[48, 64] == 2, "red is object 2 in both, because blue comes first"


def test_the_same_colour_is_the_same_object_in_all_jpegs(tmp_path):
    colors = [(200, 30, 30), (40, 90, 220)]
    drawing(colors).save(tmp_path / "a.jpg", quality=95)
    drawing(colors[:1]).save(tmp_path / "b.jpg", quality=40)
    drawing(colors[::-1]).save(tmp_path / "c.jpg", quality=70)
    drawing(colors).save(tmp_path / "d.png")
    a, b, c, d = read_mask_files([tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg", "d.png")])
    assert np.unique(a).tolist() == np.unique(c).tolist() == np.unique(d).tolist() == [0, 1, 2]
    assert np.unique(b).tolist() == [0, 2]
    assert a[48, 32] == b[48, 64] == c[48, 96] == d[48, 32] == 2
    assert a[48, 96] == c[48, 32] == d[48, 96] == 1


def test_similar_colours_of_lossless_masks_are_different_objects(tmp_path):
    for name, color in (("a.png", (200, 30, 30)), ("b.png", (202, 30, 30))):
        drawing([color]).save(tmp_path / name)
    a, b = read_mask_files([tmp_path / "a.png", tmp_path / "b.png"])
    assert (a.max(), b.max()) == (1, 2)


def test_the_size_is_compared_before_a_mask_is_decoded(tmp_path, monkeypatch):
    Image.new("L", (5000, 5000)).save(tmp_path / "m.png")
    monkeypatch.setattr("tinytrack.io.pictures.PictureFile.pixels", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(MaskError) as error:
        read_mask(tmp_path / "m.png", (H, W))
    assert_one_sentence(error, "5000x5000", f"{W}x{H}")


def test_objects_are_described_with_their_sizes():
    ids = np.zeros((50, 50), np.uint8)
    ids[:40, :40], ids[45, :7] = 1, 5
    assert describe_objects(ids) == "1 (1,600 pixels), 5 (7 pixels)"


def test_a_written_mask_has_the_colours_of_davis(tmp_path):
    write_mask(tmp_path / "m.png", DISK.astype(np.uint8) * 3)
    with Image.open(tmp_path / "m.png") as picture:
        np.testing.assert_array_equal(np.array(picture.convert("RGB"))[DISK][0], davis_palette()[3])
