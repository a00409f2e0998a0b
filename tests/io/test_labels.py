"""Test mask and joint files: how each kind is read and written, which files are refused, and how the error is reported."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from tests.support.helpers import assert_one_sentence
from tinytrack.errors import JointsError, MaskError
from tinytrack.io.joints import COLUMNS, read_joint_truth, read_joints, read_joints_csv, write_joints_csv
from tinytrack.io.masks import MAX_OBJECTS, davis_palette, read_mask, write_mask

IDS = np.array([[0, 1, 3], [7, 254, 0]])


def save(path, array, mode=None):
    picture = Image.fromarray(np.asarray(array))
    assert mode is None or picture.mode == mode
    picture.save(path)
    return path


# ---- masks


def test_the_palette_starts_with_the_colours_of_davis():
    palette = davis_palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert palette[:9].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [0, 0, 128],
        [128, 0, 128],
        [0, 128, 128],
        [128, 128, 128],
        [64, 0, 0],
    ]
    assert palette[255].tolist() == [224, 224, 192], "id 255 (void) must have the colour that DAVIS gives it"
    assert len(np.unique(palette, axis=0)) == 256


def test_written_masks_keep_their_ids_and_use_the_palette(tmp_path):
    write_mask(tmp_path / "m.png", IDS)
    back = read_mask(tmp_path / "m.png")
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, IDS)
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.format == "PNG"
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.array(picture), IDS)
        np.testing.assert_array_equal(np.array(picture.convert("RGB")), davis_palette()[IDS])


def test_ids_of_a_palette_image_do_not_depend_on_its_colours(tmp_path):
    picture = Image.fromarray(np.array([[0, 2], [5, 5]], np.uint8))
    picture.putpalette([255, 255, 255] * 256)
    picture.save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == [[0, 2], [5, 5]]


@pytest.mark.parametrize(
    "array, mode, expected",
    [
        (np.array([[0, 255], [255, 0]], np.uint8), "L", [[0, 1], [1, 0]]),
        (np.array([[0, 9], [200, 9]], np.uint8), "L", [[0, 1], [2, 1]]),
        (np.array([[7, 9], [200, 9]], np.uint8), "L", [[1, 2], [3, 2]]),  # no background
        (np.array([[False, True]]), "1", [[0, 1]]),
        (np.array([[0, 300], [65535, 300]], np.uint16), "I;16", [[0, 1], [2, 1]]),
        (np.array([[[0, 255], [255, 255]]], np.uint8), "LA", [[0, 1]]),
        (np.array([[[0, 0], [255, 0]]], np.uint8), "LA", [[0, 1]]),  # alpha is 0 everywhere and must be ignored
    ],
    ids=["0/255", "gray levels", "no black", "1 bit", "16 bit", "gray with alpha", "gray with empty alpha"],
)
def test_each_gray_value_is_an_object(tmp_path, array, mode, expected):
    assert read_mask(save(tmp_path / "m.png", array, mode)).tolist() == expected


def test_each_colour_is_an_object_in_ascending_order(tmp_path):
    # Colours are ordered as 0xRRGGBB: blue 0x0000ff < green 0x00ff00 < dark red 0x800000 < red 0xff0000.
    array = np.array([[[0, 0, 0], [255, 0, 0], [0, 255, 0]], [[0, 0, 255], [128, 0, 0], [255, 0, 0]]], np.uint8)
    assert read_mask(save(tmp_path / "m.png", array, "RGB")).tolist() == [[0, 4, 2], [1, 3, 4]]


def test_transparent_pixels_are_background(tmp_path):
    array = np.array([[[255, 0, 0, 255], [0, 255, 0, 0], [0, 0, 255, 128], [0, 0, 0, 255]]], np.uint8)
    assert read_mask(save(tmp_path / "m.png", array, "RGBA")).tolist() == [[2, 0, 1, 0]]


def test_a_mask_must_have_the_size_of_the_frame(tmp_path):
    path = save(tmp_path / "m.png", np.ones((4, 6), np.uint8))
    assert read_mask(path, (4, 6)).shape == (4, 6)
    with pytest.raises(MaskError) as error:
        read_mask(path, (6, 4))
    assert_one_sentence(error, path, "6x4", "expected 4x6")


def test_64_objects_are_allowed_and_65_are_not(tmp_path):
    ids = np.arange(65, dtype=np.uint8)[None]
    assert read_mask(save(tmp_path / "m.png", ids)).max() == 64
    path = save(tmp_path / "n.png", np.arange(66, dtype=np.uint8)[None])
    with pytest.raises(MaskError) as error:
        read_mask(path)
    assert_one_sentence(error, path, "65 objects", "at most 64")


def test_a_photo_is_refused_as_a_mask(tmp_path):
    shades = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)  # about 90,000 colours, more than 16-bit ids can hold
    with pytest.raises(MaskError) as error:
        read_mask(save(tmp_path / "m.png", shades))
    assert_one_sentence(error, "at most 64", "JPEG")


def test_bad_masks_are_refused_in_one_sentence(tmp_path):
    png = save(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 2, (64, 64), dtype=np.uint8)).read_bytes()
    cases = {
        "empty.png": (b"", "cannot be read"),
        "text.png": (b"no picture", "cannot be read"),
        "cut.png": (png[: len(png) // 2], "cannot be read"),
        "missing.png": (None, "no such mask"),
        "x" * 300 + ".png": (None, "no such mask"),
    }
    for name, (content, words) in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(MaskError) as error:
            read_mask(path)
        assert_one_sentence(error, path, words)
    with pytest.raises(MaskError) as error:
        read_mask(tmp_path)
    assert_one_sentence(error, tmp_path)


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "RGBA", "1"])
def test_a_black_mask_is_refused_as_empty(tmp_path, mode):
    path = tmp_path / "m.png"
    Image.new("L", (4, 4)).convert(mode).save(path)
    with pytest.raises(MaskError) as error:
        read_mask(path)
    assert_one_sentence(error, path, "empty")


# ---- joints


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_joints_keep_their_order_positions_and_edges(tmp_path):
    joints = {"nose": [3, 4.5], "ear": [-0.5, 0], "toe": [9.5, 7.5]}
    path = write(tmp_path / "j.json", {"joints": joints, "edges": [["toe", "nose"], ["nose", "ear"]]})
    joints = read_joints(path, (8, 10))
    assert joints.names == ("nose", "ear", "toe")
    assert joints.xy.dtype == np.float64
    assert joints.xy.tolist() == [[3, 4.5], [-0.5, 0], [9.5, 7.5]]
    assert joints.edges == ((2, 0), (0, 1))


def test_null_means_that_a_joint_is_absent(tmp_path):
    content = {"joints": {"nose": [3, 4], "toe": None, "corner": [0, 0]}, "edges": [["nose", "toe"]]}
    joints = read_joints(write(tmp_path / "j.json", content), (8, 10))
    assert joints.names == ("nose", "toe", "corner")
    assert joints.xy.dtype == np.float64
    np.testing.assert_array_equal(joints.xy, [[3, 4], [np.nan, np.nan], [0, 0]])
    assert joints.edges == ((0, 1),)


def test_the_frame_does_not_matter_for_our_json(tmp_path):
    path = write(tmp_path / "j.json", {"joints": {"nose": [3, 4]}})
    assert read_joints(path, frame=7).xy.tolist() == [[3, 4]]


def test_edges_are_optional(tmp_path):
    assert read_joints(write(tmp_path / "j.json", {"joints": {"größe": [1, 2]}})).edges == ()


DIGITS = "1" + "0" * 5000
BAD_JOINTS = {
    "nothing": ("", "not JSON"),
    "not JSON": ('{"joints": ', "not JSON"),
    "deep": ("[" * 100_000, "not JSON"),
    "a list": ("[[1, 2]]", "no joints"),
    "a number": ("3", "no joints"),
    "no joints": ('{"points": {}}', "no joints"),
    "joints in a list": ('{"joints": [[1, 2]]}', "no joints"),
    "none": ('{"joints": {}}', "names no joint"),
    "too many": (json.dumps({"joints": {str(n): [1, 1] for n in range(65)}}), "65 joints"),
    "NaN": ('{"joints": {"nose": [NaN, 1]}}', "'nose'"),
    "Infinity": ('{"joints": {"nose": [1, -Infinity]}}', "'nose'"),
    "1e999": ('{"joints": {"nose": [1e999, 1]}}', "'nose'"),
    "400 digits": (f'{{"joints": {{"nose": [{DIGITS[:400]}, 1]}}}}', "'nose'"),
    "5000 digits": (f'{{"joints": {{"nose": [{DIGITS}, 1]}}}}', "expected"),
    "strings": ('{"joints": {"nose": ["1", "2"]}}', "'nose'"),
    "booleans": ('{"joints": {"nose": [true, 2]}}', "'nose'"),
    "only null": ('{"joints": {"nose": null}}', "at least one with a position"),
    "a null coordinate": ('{"joints": {"nose": [null, 2]}}', "'nose'"),
    "a name with a line break": ('{"joints": {"the\\nnose": [1]}}', "'the nose'"),
    "a name that is half a character": ('{"joints": {"\\ud800": [1, 2]}}', "Unicode"),
    "one number": ('{"joints": {"nose": [1]}}', "'nose'"),
    "three numbers": ('{"joints": {"nose": [1, 2, 3]}}', "'nose'"),
    "an object": ('{"joints": {"nose": {"x": 1, "y": 2}}}', "'nose'"),
    "left of it": ('{"joints": {"nose": [-0.6, 2]}}', "outside the 10x8"),
    "right of it": ('{"joints": {"nose": [9.6, 2]}}', "outside the 10x8"),
    "above it": ('{"joints": {"nose": [1, -0.6]}}', "outside the 10x8"),
    "below it": ('{"joints": {"nose": [1, 7.6]}}', "outside the 10x8"),
    "unknown in edge": ('{"joints": {"nose": [1, 2]}, "edges": [["nose", "ear"]]}', "'ear'"),
    "edge of one": ('{"joints": {"nose": [1, 2]}, "edges": [["nose"]]}', "edges"),
    "edge of three": ('{"joints": {"nose": [1, 2]}, "edges": [["nose", "nose", "nose"]]}', "edges"),
    "edge of numbers": ('{"joints": {"nose": [1, 2]}, "edges": [[0, 0]]}', "edges"),
    "edge a text": ('{"joints": {"nose": [1, 2]}, "edges": ["no"]}', "edges"),
    "edges an object": ('{"joints": {"nose": [1, 2]}, "edges": {"nose": "nose"}}', "edges"),
    "edges null": ('{"joints": {"nose": [1, 2]}, "edges": null}', "edges"),
}


@pytest.mark.parametrize("content", ["{}", "[]", "null", '{"points": {}}'])
def test_a_json_file_of_no_known_kind_is_refused_with_our_own_form_first(tmp_path, content):
    with pytest.raises(JointsError) as error:
        read_joints(write(tmp_path / "j.json", content))
    assert_one_sentence(error, '{"joints": {"name": [x, y], ...}', "COCO, OpenPose, labelme or DeepLabCut")
    assert str(error.value).index('"joints"') < str(error.value).index("COCO")


@pytest.mark.parametrize("kind", BAD_JOINTS)
def test_bad_joints_are_refused_in_one_sentence(tmp_path, kind):
    content, words = BAD_JOINTS[kind]
    path = write(tmp_path / "j.json", content)
    with pytest.raises(JointsError) as error:
        read_joints(path, (8, 10))
    assert_one_sentence(error, path, words)
    assert len(str(error.value)) < 500


def test_a_binary_or_missing_joints_file_is_refused(tmp_path):
    (tmp_path / "j.json").write_bytes(b"\xff\xfe\x00binary")
    for path in (tmp_path / "j.json", tmp_path / "missing.json", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(JointsError) as error:
            read_joints(path)
        assert_one_sentence(error, path)


def test_joints_of_later_frames_follow_the_given_names_and_null_means_absent(tmp_path):
    path = write(tmp_path / "t.json", {"8": {"b": [3, 4], "a": [1, 2]}, "16": {"a": None}})
    truth = read_joint_truth(path, ("a", "b"))
    assert sorted(truth) == [8, 16]
    np.testing.assert_array_equal(truth[8], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(truth[16], np.full((2, 2), np.nan))


@pytest.mark.parametrize("content", ["", "[1]", '{"first": {}}', '{"1": [1, 2]}', '{"1": {"a": ["x", "y"]}}'])
def test_bad_joints_of_later_frames_are_refused(tmp_path, content):
    path = write(tmp_path / "t.json", content)
    with pytest.raises(JointsError) as error:
        read_joint_truth(path, ("a", "b"))
    assert_one_sentence(error, path)


# ---- tracked joints


def test_each_tracked_joint_gets_one_row_and_lost_joints_have_empty_cells(tmp_path):
    path = tmp_path / "joints.csv"
    rows = [
        (np.array([[1.0, 2.5], [3.14159, 4.0]]), np.array([1.0, 0.5])),
        (np.array([[np.nan, np.nan], [-0.25, 7.996]]), np.array([0.0, 0.12345])),
    ]
    assert write_joints_csv(path, ("nose, left", "toe"), iter(rows)) == 2
    with open(path, newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["frame", "joint", "x", "y", "confidence"],
            ["0", "nose, left", "1.00", "2.50", "1.000"],
            ["0", "toe", "3.14", "4.00", "0.500"],
            ["1", "nose, left", "", "", "0.000"],
            ["1", "toe", "-0.25", "8.00", "0.123"],
        ]


def test_times_and_pictures_get_columns_and_frames_can_start_at_any_number(tmp_path):
    path = tmp_path / "joints.csv"
    rows = [(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones(2))] * 2
    assert write_joints_csv(path, ("a", "b"), rows, seconds=[0.04, 1 / 3, 9], pictures=["p 7.png", "p,8.png", "unused"], first=7) == 2
    with open(path, newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["frame", "joint", "x", "y", "confidence", "seconds", "picture"],
            ["7", "a", "1.00", "2.00", "1.000", "0.040", "p 7.png"],
            ["7", "b", "3.00", "4.00", "1.000", "0.040", "p 7.png"],
            ["8", "a", "1.00", "2.00", "1.000", "0.333333", "p,8.png"],
            ["8", "b", "3.00", "4.00", "1.000", "0.333333", "p,8.png"],
        ]


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0.000"),
        (0.04, "0.040"),
        (1 / 30, "0.033333"),
        (12.5, "12.500"),
        (86400.00001, "86400.00001"),
        (1e-6, "0.000001"),
        (-0.5, "-0.500"),
    ],
)
def test_times_have_three_decimals_or_more_if_needed(tmp_path, seconds, text):
    write_joints_csv(tmp_path / "joints.csv", ("a",), [(np.ones((1, 2)), np.ones(1))], seconds=[seconds])
    assert (tmp_path / "joints.csv").read_text().splitlines() == ["frame,joint,x,y,confidence,seconds", f"0,a,1.00,1.00,1.000,{text}"]


def test_times_may_arrive_together_with_the_rows(tmp_path):
    seconds, pictures = [], []

    def rows():
        for t in range(3):
            seconds.append(t / 4)
            pictures.append(f"{t}.png")
            yield np.ones((1, 2)), np.ones(1)

    assert write_joints_csv(tmp_path / "joints.csv", ("a",), rows(), seconds, pictures) == 3
    lines = (tmp_path / "joints.csv").read_text().splitlines()
    assert [line.split(",")[5:] for line in lines[1:]] == [["0.000", "0.png"], ["0.250", "1.png"], ["0.500", "2.png"]]


def test_a_picture_whose_name_is_not_valid_text_does_not_stop_the_writer(tmp_path):
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")  # as os.listdir gives it on Linux
    write_joints_csv(tmp_path / "joints.csv", ("a",), [(np.ones((1, 2)), np.ones(1))], pictures=[name])
    assert "caf\\udce9.png" in (tmp_path / "joints.csv").read_text(encoding="utf-8")
    assert read_joints_csv(tmp_path / "joints.csv")[0] == ("a",)


def test_a_table_without_frames_has_only_the_header(tmp_path):
    assert write_joints_csv(tmp_path / "joints.csv", ("nose",), []) == 0
    assert (tmp_path / "joints.csv").read_text().split() == ["frame,joint,x,y,confidence"]


def test_a_frame_with_too_few_joints_is_refused(tmp_path):
    with pytest.raises(ValueError):
        write_joints_csv(tmp_path / "joints.csv", ("a", "b"), [(np.zeros((1, 2)), np.zeros(1))])


# ---- reading tables of joints

HEAD = ",".join(COLUMNS)
TWO = f"{HEAD}\n0,nose,3.00,4.50,1.000\n0,toe,,,0.000\n1,nose,3.25,4.00,0.750\n1,toe,9.50,7.50,0.100\n"


def test_a_written_table_can_be_read_back(tmp_path):
    rng = np.random.default_rng(0)
    names = ("nose, left", 'the "toe"', "größe", "two\nlines", " spaces ", "")
    xy, confidence = rng.uniform(-0.5, 2000, (5, 6, 2)), rng.uniform(0, 1, (5, 6))
    xy[1, 2], xy[4] = np.nan, np.nan
    write_joints_csv(tmp_path / "joints.csv", names, zip(xy, confidence, strict=True))
    known, places, sure = read_joints_csv(tmp_path / "joints.csv")
    assert known == names
    assert places.dtype == sure.dtype == np.float64
    np.testing.assert_allclose(places, xy, atol=0.005001)
    np.testing.assert_allclose(sure, confidence, atol=0.0005001)


def test_a_handwritten_table_is_read(tmp_path):
    names, xy, confidence = read_joints_csv(write(tmp_path / "j.csv", TWO))
    assert names == ("nose", "toe")
    np.testing.assert_array_equal(xy, [[[3, 4.5], [np.nan, np.nan]], [[3.25, 4], [9.5, 7.5]]])
    np.testing.assert_array_equal(confidence, [[1, 0], [0.75, 0.1]])


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path):
    (tmp_path / "j.csv").write_bytes(b"\xef\xbb\xbf" + TWO.replace("\n", "\r\n").encode())
    assert read_joints_csv(tmp_path / "j.csv")[0] == ("nose", "toe")


@pytest.mark.parametrize("first", [0, 1, 120])
@pytest.mark.parametrize("extra", [{}, {"seconds": [0, 0.5]}, {"pictures": ["a", "b"]}, {"seconds": [0, 0.5], "pictures": ["a", "b"]}])
def test_extra_columns_and_a_later_first_frame_do_not_change_what_is_read(tmp_path, extra, first):
    xy, confidence = np.array([[[1.0, 2], [np.nan, np.nan]], [[3, 4], [5, 6]]]), np.array([[1.0, 0], [0.5, 0.25]])
    write_joints_csv(tmp_path / "j.csv", ("a", "b"), zip(xy, confidence, strict=True), first=first, **extra)
    names, places, sure = read_joints_csv(tmp_path / "j.csv")
    assert names == ("a", "b")
    np.testing.assert_array_equal(places, xy)
    np.testing.assert_array_equal(sure, confidence)


def test_a_frame_of_a_table_can_be_chosen_and_the_first_is_the_default(tmp_path):
    xy = np.array([[[1.0, 2], [np.nan, np.nan]], [[3, 4], [5, 6]]])
    write_joints_csv(tmp_path / "j.csv", ("a", "b"), zip(xy, np.ones((2, 2)), strict=True), first=7)
    for frame in (None, 7):
        joints = read_joints(tmp_path / "j.csv", (8, 10), frame)
        assert (joints.names, joints.xy.tolist()) == (("a",), [[1, 2]])
    joints = read_joints(tmp_path / "j.csv", (8, 10), 8)
    assert (joints.names, joints.xy.tolist()) == (("a", "b"), [[3, 4], [5, 6]])
    for frame in (0, 6, 9, -1):
        with pytest.raises(JointsError) as error:
            read_joints(tmp_path / "j.csv", frame=frame)
        assert_one_sentence(error, tmp_path, f"no frame {frame}", "frames 7 to 8")


BAD_TABLES = {
    "nothing": "",
    "no rows": HEAD + "\n",
    "JSON": '{"joints": {"nose": [1, 2]}}',
    "no heading": TWO.split("\n", 1)[1],
    "another heading": TWO.replace("confidence", "certainty"),
    "columns in another order": TWO.replace("x,y", "y,x"),
    "a row too short": f"{HEAD}\n0,nose,1,2\n",
    "rows too short": f"{HEAD}\n0,nose,1,2\n1,nose,1,2\n2,nose,1,2\n",
    "a joint missing in frame 1": TWO.rsplit("1,toe", 1)[0],
    "a joint too many in frame 1": TWO + "1,ear,1.00,1.00,1.000\n",
    "joints in another order": f"{HEAD}\n0,a,1,1,1\n0,b,1,1,1\n1,b,1,1,1\n1,a,1,1,1\n",
    "another joint": TWO.replace("1,toe", "1,ear"),
    "a frame left out": TWO.replace("\n1,", "\n2,"),
    "frames in another order": f"{HEAD}\n1,a,1,1,1\n0,a,1,1,1\n",
    "frames from -1": f"{HEAD}\n-1,a,1,1,1\n0,a,1,1,1\n",
    "frames from 1 with one left out": f"{HEAD}\n1,a,1,1,1\n3,a,1,1,1\n",
    "an unknown sixth column": f"{HEAD},speed\n0,a,1,1,1,1\n",
    "pictures before seconds": f"{HEAD},picture,seconds\n0,a,1,1,1,p,0\n",
    "seconds in words": f"{HEAD},seconds\n0,a,1,1,1,soon\n",
    "seconds without end": f"{HEAD},seconds\n0,a,1,1,1,inf\n",
    "seconds missing": f"{HEAD},seconds\n0,a,1,1,1\n",
    "pictures missing": f"{HEAD},seconds,picture\n0,a,1,1,1,0.5\n",
    "frames by name": TWO.replace("\n0,", "\nfirst,"),
    "frames in halves": TWO.replace("\n1,", "\n0.5,"),
    "words for numbers": TWO.replace("3.25", "left"),
    "infinite": TWO.replace("3.25", "inf"),
    "1e999": TWO.replace("3.25", "1e999"),
    "5000 digits": TWO.replace("\n1,", f"\n{DIGITS},"),
    "semicolons": TWO.replace(",", ";"),
}


@pytest.mark.parametrize("content", BAD_TABLES.values(), ids=BAD_TABLES)
def test_an_invalid_table_of_joints_is_refused_in_one_sentence(tmp_path, content):
    path = write(tmp_path / "j.csv", content)
    for read in (read_joints_csv, read_joints):
        with pytest.raises(JointsError) as error:
            read(path)
        assert_one_sentence(error, path, "columns frame, joint, x, y, confidence")


@pytest.mark.parametrize("names", [[f"joint {n}" for n in range(MAX_OBJECTS + 1)], ["nose", "nose"]], ids=["too many", "twice"])
def test_a_table_with_too_many_joints_or_duplicate_names_is_refused(tmp_path, names):
    write_joints_csv(tmp_path / "j.csv", names, [(np.ones((len(names), 2)), np.ones(len(names)))] * 2)
    with pytest.raises(JointsError) as error:
        read_joints_csv(tmp_path / "j.csv")
    assert_one_sentence(error, tmp_path / "j.csv", f"{len(names)} joints", MAX_OBJECTS)


def test_a_binary_or_missing_table_is_refused(tmp_path):
    (tmp_path / "j.csv").write_bytes(b"\xff\xfe\x00binary")
    (tmp_path / "folder.csv").mkdir()
    for path in (tmp_path / "j.csv", tmp_path / "missing.csv", tmp_path / "folder.csv", tmp_path / ("x" * 300 + ".csv")):
        for read in (read_joints_csv, read_joints):
            with pytest.raises(JointsError) as error:
                read(path)
            assert_one_sentence(error, path)


@pytest.mark.parametrize("name", ["j.csv", "J.CSV"])
def test_joints_from_a_table_are_those_of_frame_0(tmp_path, name):
    joints = read_joints(write(tmp_path / name, TWO), (8, 10))
    assert joints.names == ("nose",), "toe must be missing because it is lost in frame 0"
    assert joints.xy.tolist() == [[3, 4.5]]
    assert joints.edges == ()


def test_joints_from_a_table_keep_their_order_and_must_lie_inside_the_frame(tmp_path):
    path = tmp_path / "j.csv"
    place = np.array([[9.5, 7.5], [np.nan, np.nan], [-0.5, -0.5], [4, 4]])
    later = np.where([[False], [False], [True], [False]], np.nan, place + 100)  # lost or outside in later frames, which is allowed
    write_joints_csv(path, ("d", "lost", "a", "c"), [(place, np.ones(4)), (later, np.ones(4))])
    joints = read_joints(path, (8, 10))
    assert joints.names == ("d", "a", "c")
    assert joints.xy.tolist() == [[9.5, 7.5], [-0.5, -0.5], [4, 4]]
    assert read_joints(path).names == joints.names
    with pytest.raises(JointsError) as error:
        read_joints(path, (7, 10))
    assert_one_sentence(error, path, "'d'", "(9.5, 7.5)", "outside the 10x7")


def test_a_table_without_a_joint_in_frame_0_is_refused(tmp_path):
    path = tmp_path / "j.csv"
    lost = np.full((2, 2), np.nan)
    write_joints_csv(path, ("a", "b"), [(lost, np.zeros(2)), (np.ones((2, 2)), np.ones(2))])
    with pytest.raises(JointsError) as error:
        read_joints(path)
    assert_one_sentence(error, path, "no joint in frame 0")
