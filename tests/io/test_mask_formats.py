"""Test mask files of other tools: the shapes of labelme and the segmentations of COCO."""

import base64
import io
import json
import tracemalloc

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from PIL import Image

from tests.support.helpers import assert_one_sentence, changed
from tinytrack.errors import MaskError
from tinytrack.io import masks
from tinytrack.io.mask_formats import MAX_OBJECTS, fill_polygon, read_annotated_mask

SIZE = (12, 16)
DEEP = json.loads("[" * 500 + "]" * 500)


def write(folder, content):
    path = folder / "labels.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def png(array, format="PNG"):
    """A picture in base64, as labelme stores masks."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, format)
    return base64.b64encode(file.getvalue()).decode()


def shape(label, kind, points, group=None, **more):
    return {"label": label, "shape_type": kind, "points": points, "group_id": group, "description": "", "flags": {}, **more}


def labelme(*shapes, **more):
    return {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imageData": None, "imageHeight": 12, "imageWidth": 16, **more}


def coco(*segmentations, **more):
    """A COCO file of one image; each segmentation gets an annotation, in turn of the categories cat and dog."""
    return {
        "images": [{"id": 1, "file_name": "a.png", "height": 12, "width": 16}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": n % 2, "segmentation": segmentation, "iscrowd": int(isinstance(segmentation, dict))}
            for n, segmentation in enumerate(segmentations)
        ],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
    } | more


def box(top, bottom, left, right, value=1):
    """A mask of one box, its last row and column included."""
    ids = np.zeros(SIZE, np.uint8)
    ids[top : bottom + 1, left : right + 1] = value
    return ids


def runs(mask):
    """The run lengths of a mask (H, W), column by column, starting with the zeros."""
    flat = np.concatenate([[0], mask.T.ravel(), [0]])
    ends = np.flatnonzero(np.diff(flat[:-1])).tolist()
    return np.diff([0, *ends, mask.size]).tolist()


SQUARE = shape("cat", "polygon", [[2, 3], [6, 3], [6, 8], [2, 8]])
SQUARE_COCO = [[2, 3, 7, 3, 7, 9, 2, 9]]


def test_the_limit_is_that_of_mask_pictures():
    assert MAX_OBJECTS == masks.MAX_OBJECTS


# ---- labelme


@pytest.mark.parametrize(
    "content, expected",
    [
        (SQUARE, box(3, 8, 2, 6)),
        ({"label": "cat", "points": SQUARE["points"]}, box(3, 8, 2, 6)),
        (shape("cat", "oriented_rectangle", SQUARE["points"]), box(3, 8, 2, 6)),
        (shape("cat", "rectangle", [[2, 3], [6, 8]]), box(3, 8, 2, 6)),
        (shape("cat", "rectangle", [[6, 3], [2, 8]]), box(3, 8, 2, 6)),
        (shape("cat", "rectangle", SQUARE["points"]), box(3, 8, 2, 6)),
        (shape("cat", "rectangle", [[-3, 3], [6, 20]]), box(3, 11, 0, 6)),
    ],
    ids=["polygon", "no shape_type", "oriented", "rectangle", "other corners", "four corners", "beyond the edges"],
)
def test_the_shapes_of_labelme_include_their_edges(tmp_path, content, expected):
    ids, names = read_annotated_mask(write(tmp_path, labelme(content)), SIZE)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, expected)
    assert names == {1: "cat"}


def test_a_circle_is_its_centre_and_a_point_on_its_edge(tmp_path):
    path = write(tmp_path, labelme(shape("ball", "circle", [[50, 40], [50, 60]]), imageHeight=90, imageWidth=110))
    ids, _ = read_annotated_mask(path)
    y, x = np.mgrid[:90, :110]
    distance = np.hypot(x - 50, y - 40)
    assert (ids[distance < 19.4] == 1).all()
    assert (ids[distance > 21] == 0).all()


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_a_mask_of_labelme_is_placed_into_its_box(tmp_path, dtype):
    part = np.array([[1, 0, 1], [0, 1, 1]]).astype(dtype)
    ids, names = read_annotated_mask(write(tmp_path, labelme(shape("cat", "mask", [[4.0, 6.0], [6.0, 7.0]], mask=png(part)))))
    expected = np.zeros(SIZE, np.uint8)
    expected[6:8, 4:7] = part
    np.testing.assert_array_equal(ids, expected)
    assert names == {1: "cat"}


def test_shapes_of_one_group_are_one_object_and_later_shapes_cover_earlier_ones(tmp_path):
    content = labelme(
        shape("nose", "point", [[1, 1]]),
        shape("cat", "rectangle", [[0, 0], [3, 3]], group=1),
        shape("cat", "rectangle", [[8, 0], [11, 3]]),
        shape("stick", "line", [[0, 0], [9, 9]]),
        shape("dog", "rectangle", [[2, 2], [5, 5]], group=1),
        shape("cat", "rectangle", [[5, 5], [6, 6]], group=1),
        shape("cat", "rectangle", [[8, 8], [9, 9]]),
        shape("stick", "linestrip", [[0, 0], [9, 9], [3, 3]]),
    )
    ids, names = read_annotated_mask(write(tmp_path, content), SIZE)
    expected = box(0, 3, 0, 3)
    expected[0:4, 8:12] = 2
    expected[2:6, 2:6] = 3
    expected[5:7, 5:7] = 1
    expected[8:10, 8:10] = 4
    np.testing.assert_array_equal(ids, expected)
    assert names == {1: "cat", 2: "cat", 3: "dog", 4: "cat"}


def test_an_object_without_pixels_keeps_its_number_but_has_no_name(tmp_path):
    below = shape("hidden", "rectangle", [[2, 3], [3, 4]])
    ids, names = read_annotated_mask(write(tmp_path, labelme(below, SQUARE)), SIZE)
    np.testing.assert_array_equal(ids, box(3, 8, 2, 6, value=2))
    assert names == {2: "cat"}


def test_the_size_comes_from_the_file_or_from_the_video(tmp_path):
    without = labelme(SQUARE, imageHeight=None, imageWidth=None)
    assert read_annotated_mask(write(tmp_path, without), (20, 30))[0].shape == (20, 30)
    assert read_annotated_mask(write(tmp_path, labelme(SQUARE)))[0].shape == SIZE
    with pytest.raises(MaskError) as error:
        read_annotated_mask(write(tmp_path, without))
    assert_one_sentence(error, tmp_path, "how high and how wide")


@pytest.mark.parametrize("content", [labelme(SQUARE), coco(SQUARE_COCO)], ids=["labelme", "COCO"])
def test_a_mask_of_another_size_is_refused_like_a_mask_picture(tmp_path, content):
    path = write(tmp_path, content)
    with pytest.raises(MaskError) as error:
        read_annotated_mask(path, (16, 12))
    assert str(error.value) == f"the mask '{path}' is 16x12: expected 12x16 like the video"


# ---- COCO


@pytest.mark.parametrize(
    "segmentation",
    [
        SQUARE_COCO,
        SQUARE_COCO[0],
        [[2.2, 3.4, 6.8, 3.3, 6.9, 9.2, 1.9, 9.1]],
        [[2, 3, 7, 3, 7, 6, 2, 6], [2, 6, 7, 6, 7, 9, 2, 9]],
        [[], *SQUARE_COCO],
        {"size": [12, 16], "counts": runs(box(3, 8, 2, 6))},
        {"size": [12.0, 16.0], "counts": [float(count) for count in runs(box(3, 8, 2, 6))]},
        {"size": [12, 16], "counts": "k0660000000Y3"},
    ],
    ids=["polygon", "not nested", "fractions", "two polygons", "an empty polygon", "run lengths", "as floats", "compressed run lengths"],
)
def test_the_segmentations_of_coco_are_read(tmp_path, segmentation):
    ids, names = read_annotated_mask(write(tmp_path, coco(segmentation)), SIZE)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, box(3, 8, 2, 6))
    assert names == {1: "cat"}


def test_a_size_can_be_written_with_a_decimal_point(tmp_path):
    for content in (coco(SQUARE_COCO, images=[{"id": 1, "height": 12.0, "width": 16.0}]), labelme(SQUARE, imageHeight=12.0)):
        for size in (None, SIZE):
            np.testing.assert_array_equal(read_annotated_mask(write(tmp_path, content), size)[0], box(3, 8, 2, 6))


def test_later_annotations_cover_earlier_ones_and_boxes_are_skipped(tmp_path):
    content = coco([[0, 0, 4, 0, 4, 4, 0, 4]], None, [], {"size": [12, 16], "counts": runs(box(2, 5, 2, 5))}, [[3, 3, 9, 3, 9, 5, 3, 5]])
    del content["annotations"][1]["segmentation"]
    content["annotations"].append({"image_id": 2, "category_id": 0, "segmentation": SQUARE_COCO})  # of an image that is not in the file
    ids, names = read_annotated_mask(write(tmp_path, content), SIZE)
    expected = box(0, 3, 0, 3)
    expected[2:6, 2:6] = 2
    expected[3:5, 3:9] = 3
    np.testing.assert_array_equal(ids, expected)
    assert names == {1: "cat", 2: "dog", 3: "cat"}


def two_images(first, second):
    """A COCO file of two images with these names: one of SIZE with a square, and one of 20x30 pixels that is an object as a whole."""
    return {
        "images": [{"id": 1, "file_name": first, "height": 12, "width": 16}, {"id": 2, "file_name": second, "height": 30, "width": 20}],
        "annotations": [{"image_id": 1, "segmentation": SQUARE_COCO}, {"image_id": 2, "segmentation": [[0, 0, 20, 0, 20, 30, 0, 30]]}],
        "categories": [{"id": 1, "name": "cat"}],
    }


def test_an_image_of_several_is_chosen_by_the_number_in_its_name(tmp_path):
    path = write(tmp_path, two_images("frame_000010.png", "frame_000000.png"))
    np.testing.assert_array_equal(read_annotated_mask(path, SIZE, 10)[0], box(3, 8, 2, 6))
    for frame in ({}, {"frame": None}, {"frame": 0}):
        np.testing.assert_array_equal(read_annotated_mask(path, **frame)[0], np.ones((30, 20)))
    for frame in (1, -1):
        with pytest.raises(MaskError) as error:
            read_annotated_mask(path, frame=frame)
        assert_one_sentence(error, path, f"no frame {frame} in it", "expected one of the frames 0, 10")


@pytest.mark.parametrize("names", [("b.png", "a.png"), ("b_1.png", "a_1.png"), ("f10_a1.png", "f9_a1.png"), ("b.png", "a1.png")])
def test_images_without_numbers_of_their_own_are_counted(tmp_path, names):
    path = write(tmp_path, two_images(*names))
    np.testing.assert_array_equal(read_annotated_mask(path, SIZE, 1)[0], box(3, 8, 2, 6))
    for frame in ({}, {"frame": None}, {"frame": 0}):
        np.testing.assert_array_equal(read_annotated_mask(path, **frame)[0], np.ones((30, 20)))
    for frame in (2, -1):
        with pytest.raises(MaskError) as error:
            read_annotated_mask(path, frame=frame)
        assert_one_sentence(error, path, f"no image {frame}", "2 images")


@pytest.mark.parametrize(
    "corners",
    [[[1, 2], [5, 2], [5, 4]], [[3, 3], [3, 9], [8, 9]], [[-5, -5], [30, -5], [30, 20], [-5, 20]], [[2, 2], [9, 2], [2, 9], [9, 9]]],
    ids=["triangle", "another triangle", "around the picture", "crossing itself"],
)
def test_polygons_fill_the_pixels_whose_centres_are_inside(corners):
    corners = np.array(corners) + [1e-6, 2e-6]  # no edge goes exactly through a centre
    fill_polygon(ids := np.zeros(SIZE, np.uint8), corners, 7)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    outline = Outline([*corners, corners[0]])
    np.testing.assert_array_equal(ids, 7 * outline.contains_points(np.stack([x.ravel(), y.ravel()], 1)).reshape(SIZE))


def test_a_polygon_between_pixel_centres_fills_nothing():
    ids = np.zeros(SIZE, np.uint8)
    fill_polygon(ids, np.array([[2.1, 2.6], [9.0, 2.6], [9.0, 3.4]]), 7)
    fill_polygon(ids, np.array([[2.6, 2], [2.7, 9], [3.4, 9]]), 7)
    assert not ids.any()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_polygons_and_compressed_run_lengths_agree_with_pycocotools(tmp_path):
    coco_mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    wrong = total = 0
    for _ in range(30):
        height, width = rng.integers(1, 90, 2).tolist()
        content = coco([[]], images=[{"id": 1, "height": height, "width": width}])
        # run lengths: exactly the same
        mask = np.asfortranarray(rng.random((height, width)) < rng.uniform(0.01, 1), np.uint8)
        mask[0, 0] = 1
        counts = coco_mask.encode(mask)["counts"].decode()
        path = write(tmp_path, changed(content, "annotations", 0, "segmentation", to={"size": [height, width], "counts": counts}))
        np.testing.assert_array_equal(read_annotated_mask(path)[0], mask)
        # polygons: the same up to roundings at the edge, which go both ways
        angle = np.sort(rng.uniform(0, 2 * np.pi, 20))
        points = np.stack([60 + 50 * np.cos(angle), 40 + rng.uniform(20, 35) * np.sin(angle)], 1)
        theirs = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([points.ravel().tolist()], 80, 120)))
        fill_polygon(ours := np.zeros((80, 120), np.uint8), points, 1)
        wrong += np.count_nonzero(ours != theirs)
        total += np.count_nonzero(theirs)
    assert wrong < 0.02 * total


# ---- what is refused


@pytest.mark.parametrize(
    "content",
    [
        labelme(),
        labelme(shape("nose", "point", [[1, 1]])),
        labelme(shape("far", "rectangle", [[17, 1], [18, 2]])),
        labelme(shape("cat", "mask", [[4, 6], [6, 7]], mask=png(np.zeros((2, 3), np.uint8)))),
        coco(),
        coco([], None, [[]]),
        coco([[1, 1, 1, 1, 1, 1]]),
        coco({"size": [12, 16], "counts": [192]}),
        coco(SQUARE_COCO, annotations=None),
        changed(coco(SQUARE_COCO), "annotations", 0, "image_id", to=2),
    ],
    ids=["nothing", "points", "next to it", "black", "no annotation", "boxes", "no area", "zeros", "annotations null", "another image"],
)
def test_a_file_without_any_pixel_of_an_object_is_refused_as_empty(tmp_path, content):
    path = write(tmp_path, content)
    with pytest.raises(MaskError) as error:
        read_annotated_mask(path, SIZE)
    assert_one_sentence(error, path, "is empty")


@pytest.mark.parametrize("make", [lambda n: labelme(*[SQUARE] * n), lambda n: coco(*[SQUARE_COCO] * n)], ids=["labelme", "COCO"])
def test_64_objects_are_allowed_and_65_are_not(tmp_path, make):
    assert read_annotated_mask(write(tmp_path, make(64)))[0].max() == 64
    path = write(tmp_path, make(65))
    with pytest.raises(MaskError) as error:
        read_annotated_mask(path)
    assert_one_sentence(error, path, "65 objects", "at most 64")


SIDES = [0, -12, 10**9, 10**30, 1e30, 12.5, "12", True, [12], DEEP, float("inf"), float("nan")]
SIDE_NAMES = [
    "0",
    "negative",
    "1e9",
    "1e30",
    "1e30 as a float",
    "a fraction",
    "a text",
    "true",
    "a list",
    "nested deeply",
    "infinite",
    "NaN",
]


@pytest.mark.parametrize("side", SIDES, ids=SIDE_NAMES)
@pytest.mark.parametrize("kind", ["labelme", "COCO"])
@pytest.mark.parametrize("size", [None, SIZE], ids=["any size", "known size"])
def test_absurd_sizes_are_refused_without_allocating(tmp_path, side, kind, size):
    places = {"labelme": (["imageHeight"], ["imageWidth"]), "COCO": (["images", 0, "height"], ["images", 0, "width"])}[kind]
    for place in places:
        content = changed(labelme(SQUARE) if kind == "labelme" else coco(SQUARE_COCO), *place, to=side)
        path = write(tmp_path, content)
        tracemalloc.start()
        try:
            with pytest.raises(MaskError) as error:
                read_annotated_mask(path, size)
            assert tracemalloc.get_traced_memory()[1] < 3e6
        finally:
            tracemalloc.stop()
        assert_one_sentence(error, path, place[-1], "100,000,000")


def test_a_large_file_for_a_small_video_is_refused_without_allocating(tmp_path):
    path = write(tmp_path, labelme(SQUARE, imageHeight=10_000, imageWidth=10_000))
    tracemalloc.start()
    try:
        with pytest.raises(MaskError) as error:
            read_annotated_mask(path, SIZE)
        assert tracemalloc.get_traced_memory()[1] < 3e6
    finally:
        tracemalloc.stop()
    assert_one_sentence(error, path, "10000x10000", "expected 16x12")


MASK = shape("cat", "mask", [[4, 6], [6, 7]], mask=png(np.ones((2, 3), np.uint8)))
RLE = {"size": [12, 16], "counts": runs(box(3, 8, 2, 6))}
SHAPE, SEGMENTATION = ("shapes", 0), ("annotations", 0, "segmentation")
BAD = {
    "nothing": ("", "not JSON"),
    "deep": ("[" * 100_000, "not JSON"),
    "5000 digits": ('{"shapes": [' + "1" * 5000 + "]}", "not JSON"),
    "a number": ("3", "'shapes'"),
    "a list": ("[]", "'shapes'"),
    "our keypoints": ('{"joints": {"nose": [1, 2]}}', "'annotations'"),
    "labelme: shapes a text": (labelme() | {"shapes": "x"}, "'shapes'"),
    "labelme: a shape is a list": (labelme([1]), "'shapes'"),
    "labelme: unknown shape": (labelme(shape("cat", "spiral", [[1, 1]])), "shape 0"),
    "labelme: shape_type a list": (labelme(shape("cat", ["polygon"], [[1, 1]])), "shape 0"),
    "labelme: no label": (labelme({"shape_type": "polygon", "points": [[1, 1], [2, 2], [3, 1]]}), "'label'"),
    "labelme: label a number": (changed(labelme(SQUARE), *SHAPE, "label", to=3), "'label'"),
    "labelme: group_id a list": (changed(labelme(SQUARE), *SHAPE, "group_id", to=[1]), "'group_id'"),
    "labelme: group_id true": (changed(labelme(SQUARE), *SHAPE, "group_id", to=True), "'group_id'"),
    "labelme: points null": (changed(labelme(SQUARE), *SHAPE, "points", to=None), "'points'"),
    "labelme: points texts": (changed(labelme(SQUARE), *SHAPE, "points", to=[["1", "2"]] * 3), "'points'"),
    "labelme: points triples": (changed(labelme(SQUARE), *SHAPE, "points", to=[[1, 2, 3]] * 3), "'points'"),
    "labelme: points nested deeply": (changed(labelme(SQUARE), *SHAPE, "points", to=DEEP), "'points'"),
    "labelme: a point is NaN": (changed(labelme(SQUARE), *SHAPE, "points", 0, 0, to=np.nan), "'points'"),
    "labelme: a point of 400 digits": (changed(labelme(SQUARE), *SHAPE, "points", 0, 0, to=10**400), "'points'"),
    "labelme: a point far outside": (changed(labelme(SQUARE), *SHAPE, "points", 0, 0, to=1e9), "16x12 picture"),
    "labelme: a line as polygon": (changed(labelme(SQUARE), *SHAPE, "points", to=[[1, 1], [2, 2]]), "three points"),
    "labelme: a corner as rectangle": (labelme(shape("cat", "rectangle", [[1, 1]])), "two opposite corners"),
    "labelme: a centre as circle": (labelme(shape("cat", "circle", [[1, 1]])), "centre"),
    "labelme: a mask without picture": (changed(labelme(MASK), *SHAPE, "mask", to=None), "PNG"),
    "labelme: a mask without corner": (changed(labelme(MASK), *SHAPE, "points", to=[[4, 6]]), "two corners"),
    "labelme: a mask not base64": (changed(labelme(MASK), *SHAPE, "mask", to="öäü"), "PNG"),
    "labelme: a mask not a picture": (changed(labelme(MASK), *SHAPE, "mask", to="AAAA"), "PNG"),
    "labelme: a mask cut off": (changed(labelme(MASK), *SHAPE, "mask", to=MASK["mask"][:60]), "PNG"),
    "labelme: a mask of another kind": (changed(labelme(MASK), *SHAPE, "mask", to=png(np.ones((2, 3), np.uint8), "BMP")), "PNG"),
    "labelme: a mask larger than its box": (changed(labelme(MASK), *SHAPE, "points", to=[[4, 6], [6, 6]]), "as large as its box"),
    "labelme: a mask outside": (changed(labelme(MASK), *SHAPE, "points", to=[[14, 6], [16, 7]]), "inside its 16x12 picture"),
    "COCO: annotations a text": (coco() | {"annotations": "x"}, "'annotations'"),
    "COCO: an annotation is null": (coco() | {"annotations": [None]}, "'annotations'"),
    "COCO: images a number": (coco(SQUARE_COCO, images=1), "'images'"),
    "COCO: image_id a list": (changed(coco(SQUARE_COCO), "annotations", 0, "image_id", to=[]), "'image_id'"),
    "COCO: no categories": (coco(SQUARE_COCO, categories=[]), "category of annotation 0"),
    "COCO: unknown category": (changed(coco(SQUARE_COCO), "annotations", 0, "category_id", to=9), "category of annotation 0"),
    "COCO: category without name": (coco(SQUARE_COCO, categories=[{"id": 0}]), "'name'"),
    "COCO: name a list": (coco(SQUARE_COCO, categories=[{"id": 0, "name": ["x"]}]), "'name'"),
    "COCO: segmentation a number": (coco(3), "annotation 0"),
    "COCO: segmentation a text": (coco("polygon"), "annotation 0"),
    "COCO: polygon not nested, of two points": (coco([1, 1, 9, 1]), "three or more pairs"),
    "COCO: polygon not nested, of booleans": (coco([True] * 6), "annotation 0"),
    "COCO: polygon not nested, with NaN": (coco([1, 1, 9, 1, 9, np.nan]), "three or more pairs"),
    "COCO: a number between polygons": (coco([*SQUARE_COCO, 1]), "annotation 0"),
    "COCO: polygon of pairs": (coco([[[1, 1], [9, 1], [9, 9]]]), "annotation 0"),
    "COCO: polygon nested deeply": (coco(DEEP), "annotation 0"),
    "COCO: polygon of two points": (coco([[1, 1, 9, 1]]), "three or more pairs"),
    "COCO: half a point": (coco([[1, 1, 9, 1, 9, 9, 5]]), "three or more pairs"),
    "COCO: polygon of texts": (coco([["1"] * 6]), "three or more pairs"),
    "COCO: polygon of booleans": (coco([[True] * 6]), "three or more pairs"),
    "COCO: polygon with NaN": (coco([[1, 1, 9, 1, 9, np.nan]]), "three or more pairs"),
    "COCO: polygon with infinity": (coco([[1, 1, 9, 1, 9, -np.inf]]), "three or more pairs"),
    "COCO: polygon with 400 digits": (coco([[1, 1, 9, 1, 9, 10**400]]), "three or more pairs"),
    "COCO: polygon far outside": (coco([[1, 1, 9, 1, 9, 1e300]]), "16x12 picture"),
    "COCO: runs without size": (coco({"counts": RLE["counts"]}), "size of the picture"),
    "COCO: runs of another size": (coco(RLE | {"size": [16, 12]}), "[12, 16]"),
    "COCO: size a text": (coco(RLE | {"size": "12x16"}), "[12, 16]"),
    "COCO: size nested deeply": (coco(RLE | {"size": DEEP}), "[12, 16]"),
    "COCO: runs without counts": (coco({"size": [12, 16]}), "run lengths"),
    "COCO: runs too short": (coco(RLE | {"counts": [5, 5]}), "run lengths"),
    "COCO: runs too long": (coco(RLE | {"counts": [100, 10**12]}), "run lengths"),
    "COCO: a run of 400 digits": (coco(RLE | {"counts": [100, 10**400]}), "run lengths"),
    "COCO: a negative run": (coco(RLE | {"counts": [200, -8]}), "run lengths"),
    "COCO: runs of fractions": (coco(RLE | {"counts": [95.5, 96.5]}), "run lengths"),
    "COCO: an infinite run": (coco(RLE | {"counts": [96, np.inf]}), "run lengths"),
    "COCO: runs of texts": (coco(RLE | {"counts": ["96", "96"]}), "run lengths"),
    "COCO: runs of booleans": (coco(RLE | {"counts": [191, True]}), "run lengths"),
    "COCO: counts nested deeply": (coco(RLE | {"counts": DEEP}), "run lengths"),
    "COCO: compressed runs empty": (coco(RLE | {"counts": ""}), "run lengths"),
    "COCO: compressed runs cut off": (coco(RLE | {"counts": "k0660000000"}), "run lengths"),
    "COCO: compressed runs end in a number": (coco(RLE | {"counts": "k"}), "run lengths"),
    "COCO: compressed runs of other characters": (coco(RLE | {"counts": "k0 66\xff"}), "run lengths"),
    "COCO: compressed runs without end": (coco(RLE | {"counts": "o" * 100_000}), "run lengths"),
    "COCO: compressed runs negative": (coco(RLE | {"counts": "5O5"}), "run lengths"),
}


@pytest.mark.parametrize("kind", BAD)
def test_malformed_masks_are_refused_in_one_sentence(tmp_path, kind):
    content, words = BAD[kind]
    path = write(tmp_path, content)
    with pytest.raises(MaskError) as error:
        read_annotated_mask(path, SIZE)
    assert_one_sentence(error, path, words)
    assert len(str(error.value)) < 400


def test_a_polygon_that_needs_much_memory_is_refused(tmp_path):
    zigzag = [value for n in range(3000) for value in (n % 2, 4000 * (n % 2))]
    path = write(tmp_path, coco([zigzag], images=[{"id": 1, "height": 4000, "width": 2}]))
    with pytest.raises(MaskError) as error:
        read_annotated_mask(path)
    assert_one_sentence(error, path, "fewer points")


def test_a_binary_or_missing_file_is_refused(tmp_path):
    (tmp_path / "m.json").write_bytes(b"\xff\xfe\x00binary")
    for path in (tmp_path / "m.json", tmp_path / "missing.json", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(MaskError) as error:
            read_annotated_mask(path, SIZE)
        assert_one_sentence(error, path)
