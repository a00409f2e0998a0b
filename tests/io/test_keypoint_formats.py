"""Test keypoint files of other tools: COCO, OpenPose, labelme and DeepLabCut."""

import copy
import json

import numpy as np
import pytest

from tests.support.helpers import assert_one_sentence, changed
from tinytrack.errors import JointsError
from tinytrack.io.joints import read_joints
from tinytrack.io.keypoint_formats import COCO_PERSON, COCO_PERSON_EDGES, OPENPOSE, OPENPOSE_EDGES, picture_number

SIZE = (96, 128)
NAN = [np.nan, np.nan]
DEEP = json.loads("[" * 500 + "]" * 500)

COCO = {
    "images": [{"id": 1, "file_name": "a.png", "height": 96, "width": 128}],
    "annotations": [{"id": 5, "image_id": 1, "category_id": 3, "keypoints": [38, 53, 2, 30.5, 53, 1, 0, 0, 0], "num_keypoints": 2}],
    "categories": [{"id": 3, "name": "disk", "keypoints": ["disk", "left", "tail"], "skeleton": [[1, 2], [3, 2]]}],
}
RESULTS = [{"image_id": 139, "category_id": 1, "keypoints": [value for n in range(17) for value in (10 + n, 20, 0.5)], "score": 0.9}]
LABELME = {
    "version": "5.0",
    "flags": {},
    "shapes": [
        {"label": "disk", "points": [[38, 53]], "shape_type": "point", "group_id": None, "flags": {}},
        {"label": "outline", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon", "group_id": None, "flags": {}},
        {"label": "left", "points": [[30.5, 53]], "shape_type": "point", "group_id": 1, "flags": {}},
    ],
    "imagePath": "a.png",
    "imageData": None,
    "imageHeight": 96,
    "imageWidth": 128,
}
DLC = """scorer,me,me,me,me,me,me
bodyparts,disk,disk,disk,left,left,left
coords,x,y,likelihood,x,y,likelihood
0,38,53,0.9,30,53,0.8
1,40.5,53,0.9,,,0.1
"""


def openpose(*people):
    """OpenPose's file for people, each {number of a keypoint: (x, y, confidence)}, with 25 keypoints each."""
    poses = [[value for n in range(25) for value in person.get(n, (0, 0, 0))] for person in people]
    return {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": pose, "face_keypoints_2d": []} for pose in poses]}


def write(folder, content, name="labels.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def without(content, *place):
    content = copy.deepcopy(content)
    at = content
    for key in place[:-1]:
        at = at[key]
    del at[place[-1]]
    return content


def present(joints):
    """Name -> [x, y] of the keypoints that are present."""
    return {name: place.tolist() for name, place in zip(joints.names, joints.xy, strict=True) if not np.isnan(place).any()}


# ---- COCO


def test_coco_annotations_are_read_with_names_and_skeleton(tmp_path):
    joints = read_joints(write(tmp_path, COCO), SIZE)
    assert joints.names == ("disk", "left", "tail")
    assert joints.xy.dtype == np.float64
    np.testing.assert_array_equal(joints.xy, [[38, 53], [30.5, 53], NAN])
    assert joints.edges == ((0, 1), (2, 1))


@pytest.mark.parametrize(
    "content",
    [
        changed(COCO, "images", to=[]),
        without(COCO, "images"),
        without(COCO, "annotations", 0, "image_id"),
        without(COCO, "annotations", 0, "category_id"),
        without(COCO, "categories", 0, "id"),
        without(COCO, "images", 0, "id"),
        changed(COCO, "images", 0, to={"id": 1, "file_name": "a.png", "height": None, "width": None}),
    ],
    ids=["no image listed", "no images", "no image_id", "no category_id", "category without id", "image without id", "null as size"],
)
def test_a_coco_file_of_one_image_and_one_category_needs_no_ids(tmp_path, content):
    for frame in (None, 0, 4):
        assert present(read_joints(write(tmp_path, content), SIZE, frame)) == {"disk": [38, 53], "left": [30.5, 53]}


@pytest.mark.parametrize("content", [changed(COCO, "categories", 0, "skeleton", to=None), without(COCO, "categories", 0, "skeleton")])
def test_a_coco_category_needs_no_skeleton(tmp_path, content):
    assert read_joints(write(tmp_path, content)).edges == ()


def test_a_skeleton_with_a_0_counts_from_0(tmp_path):
    for skeleton, edges in (([[1, 2], [0, 1]], ((1, 2), (0, 1))), ([[1, 2], [2, 3]], ((0, 1), (1, 2)))):
        assert read_joints(write(tmp_path, changed(COCO, "categories", 0, "skeleton", to=skeleton))).edges == edges


def test_a_size_can_be_written_with_a_decimal_point(tmp_path):
    for content, place in ((COCO, ("images", 0, "width")), (LABELME, ("imageWidth",))):
        path = write(tmp_path, changed(content, *place, to=128.0))
        assert present(read_joints(path, SIZE)) == {"disk": [38, 53], "left": [30.5, 53]}
        with pytest.raises(JointsError) as error:
            read_joints(path, (96, 120))
        assert_one_sentence(error, path, "about a 128x96 picture")


def test_every_further_person_gets_a_number_and_edges_of_its_own(tmp_path):
    people = [
        {"image_id": 1, "category_id": 3, "keypoints": values}
        for values in ([1, 1, 2, 2, 2, 2, 3, 3, 2], [0] * 9, [4, 4, 2, 5, 5, 2, 0, 0, 0], [7, 7, 1, 8, 8, 1, 9, 9, 1])
    ]
    boxes = [{"image_id": 1, "category_id": 3, "bbox": [1, 1, 5, 5]}, {"image_id": 1, "category_id": 3, "keypoints": []}]
    joints = read_joints(write(tmp_path, changed(COCO, "annotations", to=[*boxes, *people])), SIZE)
    assert joints.names == ("disk", "left", "tail", "disk 2", "left 2", "tail 2", "disk 3", "left 3", "tail 3")
    np.testing.assert_array_equal(joints.xy, [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5], NAN, [7, 7], [8, 8], [9, 9]])
    assert joints.edges == ((0, 1), (2, 1), (3, 4), (5, 4), (6, 7), (8, 7))


def test_a_number_behind_a_name_is_skipped_if_it_is_another_name(tmp_path):
    content = changed(LABELME, "shapes", to=[{**LABELME["shapes"][0], "label": name} for name in ("a", "a 2", "a", "a", "a 2")])
    assert read_joints(write(tmp_path, content)).names == ("a", "a 2", "a 3", "a 4", "a 2 2")


def coco_of(images):
    """A COCO file with one keypoint in each image, whose x is the number of the image in the list."""
    return {
        "images": images,
        "annotations": [{"image_id": image["id"], "category_id": 1, "keypoints": [n, 1, 2]} for n, image in enumerate(images)],
        "categories": [{"id": 1, "keypoints": ["nose"]}],
    }


@pytest.mark.parametrize(
    "images, order",
    [
        ([{"id": 1, "file_name": "c.png"}, {"id": 2, "file_name": "b.png"}, {"id": 3, "file_name": "a.png"}], [2, 1, 0]),
        ([{"id": 1, "file_name": "f10_1.png"}, {"id": 2, "file_name": "f9_1.png"}, {"id": 3, "file_name": "f1_1.png"}], [2, 1, 0]),
        ([{"id": 10}, {"id": 9}, {"id": 100}], [1, 0, 2]),
        ([{"id": "f10"}, {"id": "f9"}, {"id": 7}], [2, 1, 0]),
        ([{"id": 10, "file_name": "a.png"}, {"id": 9}], [1, 0]),
    ],
    ids=["file names", "file names with the same number", "ids", "ids that are texts", "not all have a file name"],
)
def test_the_images_of_a_coco_file_are_in_order(tmp_path, images, order):
    path = write(tmp_path, coco_of(images))
    assert [read_joints(path, SIZE, frame).xy[0, 0] for frame in range(len(images))] == order
    assert read_joints(path, SIZE).xy[0, 0] == order[0]
    for frame in (len(images), -1):
        with pytest.raises(JointsError) as error:
            read_joints(path, SIZE, frame)
        assert_one_sentence(error, path, f"no image {frame}", f"{len(images)} images")


def test_an_image_is_chosen_by_the_number_in_its_file_name(tmp_path):
    names = ["v1/frame_000010.png", "v2/frame_000000.png", "v3/frame_000007.png"]
    path = write(tmp_path, coco_of([{"id": n, "file_name": name} for n, name in enumerate(names)]))
    assert [read_joints(path, SIZE, frame).xy[0, 0] for frame in (10, 0, 7, None)] == [0, 1, 2, 1]
    for frame in (1, 2, -1):
        with pytest.raises(JointsError) as error:
            read_joints(path, SIZE, frame)
        assert_one_sentence(error, path, f"no frame {frame} in it", "expected one of the frames 0, 7, 10")


def test_only_a_few_of_many_frames_are_listed(tmp_path):
    path = write(tmp_path, coco_of([{"id": n, "file_name": f"{10 * n}.png"} for n in range(100)]))
    with pytest.raises(JointsError) as error:
        read_joints(path, SIZE, 5)
    assert str(error.value).endswith("expected one of the frames 0, 10, 20, 30 ... 990")


def test_the_only_image_is_used_for_every_frame(tmp_path):
    path = write(tmp_path, coco_of([{"id": 1, "file_name": "frame_000010.png"}]))
    assert [read_joints(path, SIZE, frame).xy[0, 0] for frame in (None, 0, 5, 10)] == [0] * 4


@pytest.mark.parametrize(
    "name, number",
    [
        ("frame_000010.png", 10),
        ("7.JPG", 7),
        ("12", 12),
        ("take2/img.0034.jp2", 34),
        ("take2\\clip.mp4_frame_5.jpeg", 5),
        ("2024-05-01 s3.png", 3),
        ("frame_0004_jpg.rf.0123abc9.jpg", 4),
        ("frame.000008", 8),
        ("take2/a.png", None),
        ("", None),
        ("a.mp4", None),
        ("1" * 19 + ".png", None),
        (3, None),
        (None, None),
    ],
)
def test_the_number_of_a_picture_is_the_last_one_in_its_name(name, number):
    assert picture_number(name) == number


def test_images_that_are_not_listed_are_ordered_by_id(tmp_path):
    path = write(tmp_path, changed(coco_of([{"id": 5}, {"id": 3}]), "images", to=[]))
    assert [read_joints(path, SIZE, frame).xy[0, 0] for frame in (0, 1)] == [1, 0]


def test_an_image_without_keypoints_is_refused_by_name(tmp_path):
    content = coco_of([{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}])
    path = write(tmp_path, without(content, "annotations", 1))
    with pytest.raises(JointsError) as error:
        read_joints(path, SIZE, 1)
    assert_one_sentence(error, path, "at least one keypoint", "b.png")


def test_coco_results_are_read_as_people(tmp_path):
    path = write(tmp_path, RESULTS)
    joints = read_joints(path, SIZE)
    assert joints.names == COCO_PERSON
    np.testing.assert_array_equal(joints.xy, [[10 + n, 20] for n in range(17)])
    assert joints.edges == COCO_PERSON_EDGES
    assert {(joints.names[a], joints.names[b]) for a, b in joints.edges} >= {("nose", "left_eye"), ("left_ankle", "left_knee")}


def test_detections_with_score_0_or_at_the_origin_are_absent(tmp_path):
    values = [0, 0, 0.7, 5, 0, 0.7, 5, 6, 0, 7, 8, -0.1, *[9, 9, 0.1] * 13]
    joints = read_joints(write(tmp_path, changed(RESULTS, 0, "keypoints", to=values)), SIZE)
    np.testing.assert_array_equal(joints.xy[:5], [NAN, [5, 0], NAN, NAN, [9, 9]])


def test_the_images_of_coco_results_are_ordered_by_id(tmp_path):
    people = [changed(RESULTS, 0, "image_id", to=number)[0] for number in (20, 3, 20)]
    path = write(tmp_path, people)
    assert len(read_joints(path, SIZE, 0).names) == 17
    assert read_joints(path, SIZE, 1).names[17:19] == ("nose 2", "left_eye 2")


# ---- OpenPose


def test_openpose_files_are_read_with_the_names_of_body_25(tmp_path):
    path = write(tmp_path, openpose({0: (38, 53, 0.9), 8: (0, 0, 0.3), 24: (30, 53.5, 0.1)}))
    joints = read_joints(path, SIZE, 6)
    assert len(joints.names) == 25
    assert present(joints) == {"Nose": [38, 53], "MidHip": [0, 0], "RHeel": [30, 53.5]}
    assert joints.edges == OPENPOSE_EDGES[25]
    assert ("LAnkle", "LHeel") in {(joints.names[a], joints.names[b]) for a, b in joints.edges}


def test_openpose_files_with_18_keypoints_are_read(tmp_path):
    values = [value for n in range(18) for value in (n, 2 * n, 0.5)]
    joints = read_joints(write(tmp_path, {"people": [{"pose_keypoints_2d": values}]}), SIZE)
    assert joints.names == OPENPOSE[18]
    assert (joints.names[8], joints.names[17]) == ("RHip", "LEar")
    np.testing.assert_array_equal(joints.xy, [[n, 2 * n] for n in range(18)])
    assert ("LEye", "LEar") in {(joints.names[a], joints.names[b]) for a, b in joints.edges}


def test_openpose_files_of_version_1_0_are_read(tmp_path):
    person = {"pose_keypoints": [38, 53, 0.9] + [0] * 51, "face_keypoints": [], "hand_left_keypoints": [1, 2, 0.5]}
    path = write(tmp_path, {"version": 1.0, "people": [person, {"pose_keypoints": []}]})
    joints = read_joints(path, SIZE)
    assert joints.names == OPENPOSE[18]
    assert present(joints) == {"Nose": [38, 53]}
    path = write(tmp_path, {"people": [{"pose_keypoints": [1] * 53}]})
    with pytest.raises(JointsError) as error:
        read_joints(path, SIZE)
    assert_one_sentence(error, path, "75 or 54 numbers in 'pose_keypoints'")


def test_further_people_of_openpose_get_numbers_and_people_without_a_pose_are_left_out(tmp_path):
    content = openpose({0: (1, 1, 0.9)}, {}, {0: (2, 2, 0.9)})
    content["people"].insert(0, {"pose_keypoints_2d": [], "hand_left_keypoints_2d": [1, 2, 0.5]})
    assert present(read_joints(write(tmp_path, content), SIZE)) == {"Nose": [1, 1], "Nose 2": [2, 2]}


@pytest.mark.parametrize("count", OPENPOSE)
def test_the_edges_of_openpose_connect_the_whole_body(count):
    assert len(OPENPOSE[count]) == len(set(OPENPOSE[count])) == count
    assert len(OPENPOSE_EDGES[count]) == count - 1
    reached = {0}
    for _ in range(count):
        reached |= {end for edge in OPENPOSE_EDGES[count] if reached & set(edge) for end in edge}
    assert reached == set(range(count))


# ---- labelme


def test_the_points_of_labelme_are_read_and_other_shapes_are_not(tmp_path):
    joints = read_joints(write(tmp_path, LABELME), SIZE, 3)
    assert joints.names == ("disk", "left")
    assert joints.xy.tolist() == [[38, 53], [30.5, 53]]
    assert joints.edges == ()


def test_the_same_label_twice_gets_a_number(tmp_path):
    content = changed(LABELME, "shapes", to=[{**LABELME["shapes"][0], "points": [[n, n]]} for n in range(3)])
    assert present(read_joints(write(tmp_path, content), SIZE)) == {"disk": [0, 0], "disk 2": [1, 1], "disk 3": [2, 2]}


def test_labels_of_a_picture_of_another_size_are_refused(tmp_path):
    for content in (LABELME, COCO):
        path = write(tmp_path, content)
        assert read_joints(path).xy[0].tolist() == [38, 53]
        with pytest.raises(JointsError) as error:
            read_joints(path, (128, 96))
        assert_one_sentence(error, path, "128x96", "expected 96x128 like the video")


def test_keypoints_in_the_last_half_pixel_are_moved_to_the_last_pixel(tmp_path):
    def labelme(x, y):
        return write(tmp_path, changed(LABELME, "shapes", 0, "points", to=[[x, y]]))

    def deeplabcut(x, y):
        return write(tmp_path, DLC.replace("0,38,53", f"0,{x},{y}"), "dlc.csv")

    places = {(127.5, 95.5): [127.5, 95.5], (127.6, 95.6): [127, 95], (128, 96): [127, 95], (128, 3): [127, 3], (-0.5, 95.7): [-0.5, 95]}
    for make in (labelme, deeplabcut):
        for place, expected in places.items():
            assert read_joints(make(*place), SIZE).xy[0].tolist() == expected
        for place in ((128.1, 5), (5, 96.1), (-0.6, 5), (5, -0.6)):
            with pytest.raises(JointsError) as error:
                read_joints(make(*place), SIZE)
            assert_one_sentence(error, "'disk'", "outside the 128x96 video")
    # without a known size, the size in the file counts
    assert read_joints(labelme(128, 96)).xy[0].tolist() == [127, 95]
    assert read_joints(deeplabcut(128, 96)).xy[0].tolist() == [128, 96]


def test_our_own_files_must_be_inside_the_frame_exactly(tmp_path):
    for name, content in (("j.json", {"joints": {"disk": [127.6, 5]}}), ("j.csv", "frame,joint,x,y,confidence\n0,disk,127.6,5,1\n")):
        with pytest.raises(JointsError) as error:
            read_joints(write(tmp_path, content, name), SIZE)
        assert_one_sentence(error, "'disk'", "outside the 128x96 video")


def test_a_labelme_file_need_not_have_a_size(tmp_path):
    content = without(without(LABELME, "imageHeight"), "imageWidth")
    assert present(read_joints(write(tmp_path, content), (60, 50))) == {"disk": [38, 53], "left": [30.5, 53]}


# ---- DeepLabCut

THREE_INDEX_COLUMNS = """scorer,,,me,me,me,me
bodyparts,,,disk,disk,left,left
coords,,,x,y,x,y
labeled-data,video,img003.png,38,53,30,53
labeled-data,video,img007.png,40.5,53,,
"""
ONE_PATH_COLUMN = THREE_INDEX_COLUMNS.replace(",,,me", ",me").replace(",,,disk", ",disk").replace(",,,x", ",x")
ONE_PATH_COLUMN = ONE_PATH_COLUMN.replace("labeled-data,video,", "labeled-data/video/")


NO_NUMBERS = ONE_PATH_COLUMN.replace("img003", "a").replace("img007", "b")
SAME_NUMBERS = ONE_PATH_COLUMN.replace("img003", "one_1").replace("img007", "two_1")


@pytest.mark.parametrize(
    "text, numbers",
    [
        (DLC, (0, 1)),
        (THREE_INDEX_COLUMNS, (3, 7)),
        (ONE_PATH_COLUMN, (3, 7)),
        (NO_NUMBERS, None),
        (SAME_NUMBERS, None),
        ("\ufeff" + DLC.replace("\n", "\r\n"), (0, 1)),
        (DLC.replace(",,,0.1", ",NaN,nan,0.1"), (0, 1)),
        (DLC + "\n\n", (0, 1)),
    ],
    ids=["frames", "three index columns", "paths", "no numbers", "same numbers", "from a spreadsheet", "NaN", "empty lines at the end"],
)
def test_tables_by_deeplabcut_are_read(tmp_path, text, numbers):
    path = write(tmp_path, text, "CollectedData_me.CSV")
    first, second = numbers or (0, 1)
    for frame in (None, first):
        joints = read_joints(path, SIZE, frame)
        assert (joints.names, joints.xy.tolist(), joints.edges) == (("disk", "left"), [[38, 53], [30, 53]], ())
    joints = read_joints(path, SIZE, second)
    assert joints.names == ("disk", "left")
    np.testing.assert_array_equal(joints.xy, [[40.5, 53], NAN])
    for frame in (2, -1):
        with pytest.raises(JointsError) as error:
            read_joints(path, SIZE, frame)
        if numbers:
            assert_one_sentence(error, path, f"no frame {frame} in it", f"frames {first}, {second}")
        else:
            assert_one_sentence(error, path, f"no row {frame}", "2 rows")


def test_a_row_by_deeplabcut_is_found_by_its_number(tmp_path):
    path = write(tmp_path, DLC.replace("\n0,", "\n40,").replace("\n1,", "\n7,"), "dlc.csv")
    assert read_joints(path, SIZE, 7).xy[0].tolist() == [40.5, 53]
    assert read_joints(path, SIZE, 40).xy[0].tolist() == [38, 53]
    with pytest.raises(JointsError) as error:
        read_joints(path, SIZE, 1)
    assert_one_sentence(error, path, "no frame 1 in it", "frames 7, 40")


def test_a_row_by_deeplabcut_is_found_by_the_number_of_its_picture_in_any_order(tmp_path):
    text = THREE_INDEX_COLUMNS.replace("img007", "img0")
    path = write(tmp_path, text, "dlc.csv")
    for frame, x in ((0, 40.5), (3, 38), (None, 40.5)):
        assert read_joints(path, SIZE, frame).xy[0, 0] == x
    # the only picture is used for every frame
    path = write(tmp_path, text.split("labeled-data,video,img0.png")[0], "dlc.csv")
    for frame in (None, 0, 3):
        assert read_joints(path, SIZE, frame).xy[0, 0] == 38


def test_a_path_after_numbers_is_refused(tmp_path):
    path = write(tmp_path, DLC.replace("\n1,", "\nimg1.png,"), "dlc.csv")
    with pytest.raises(JointsError) as error:
        read_joints(path, SIZE, 1)
    assert_one_sentence(error, path, "first cell of every row")


def test_keypoints_of_deeplabcut_with_a_low_likelihood_are_absent(tmp_path):
    for likelihood, there in ((0, False), (0.049, False), ("1e-7", False), (0.05, True), ("", True), ("nan", True)):
        joints = read_joints(write(tmp_path, DLC.replace("30,53,0.8", f"30,53,{likelihood}"), "dlc.csv"), SIZE)
        np.testing.assert_array_equal(joints.xy, [[38, 53], [30, 53] if there else NAN])
    path = write(tmp_path, DLC.replace("0.9,30,53,0.8", "0.01,30,53,0.01"), "dlc.csv")
    with pytest.raises(JointsError) as error:
        read_joints(path, SIZE)
    assert_one_sentence(error, path, "at least one keypoint that is present in row 0", "a likelihood of at least 0.05")


def test_the_individuals_of_deeplabcut_are_numbered_by_their_columns(tmp_path):
    text = (
        "scorer,me,me,me,me,me,me,me,me\nindividuals,anna,anna,anna,anna,bert,bert,single,single\n"
        "bodyparts,nose,nose,tail,tail,nose,nose,corner,corner\ncoords,x,y,x,y,x,y,x,y\n0,,,,,3,4,5,6\n"
    )
    joints = read_joints(write(tmp_path, text, "dlc.csv"), SIZE)
    assert joints.names == ("nose", "tail", "nose 2", "corner")
    np.testing.assert_array_equal(joints.xy, [NAN, NAN, [3, 4], [5, 6]])


def test_x_without_y_is_absent(tmp_path):
    joints = read_joints(write(tmp_path, DLC.replace("0,38,53", "0,38,"), "dlc.csv"), SIZE)
    np.testing.assert_array_equal(joints.xy, [NAN, [30, 53]])


BAD_DLC = {
    "only the scorer": "scorer,me,me\n",
    "no body parts": DLC.replace("bodyparts,disk,disk,disk,left,left,left\n", ""),
    "no coords": DLC.replace("coords,x,y,likelihood,x,y,likelihood\n", ""),
    "no rows": DLC.split("0,38")[0],
    "coords too short": DLC.replace("x,y,likelihood\n", "x,y\n"),
    "an unknown coordinate": DLC.replace("coords,x,y,likelihood", "coords,x,y,z"),
    "x twice": DLC.replace("coords,x,y", "coords,x,x"),
    "no y": DLC.replace("coords,x,y,likelihood", "coords,x,likelihood,likelihood"),
    "no x at all": "scorer,me\nbodyparts,nose\ncoords,y\n0,1\n",
    "a row too short": DLC.replace("0,38,53,0.9,30,53,0.8", "0,38,53"),
    "words for numbers": DLC.replace("0,38", "0,left"),
    "infinite": DLC.replace("0,38", "0,inf"),
    "1e999": DLC.replace("0,38", "0,1e999"),
    "no keypoint present": DLC.replace("0,38,53,0.9,30,53,0.8", "0,,,,NaN,NaN,"),
    "a likelihood in words": DLC.replace("0.9", "sure", 1),
    "an infinite likelihood": DLC.replace("0.9", "inf", 1),
    "semicolons": DLC.replace(",", ";"),
    "a zero byte": DLC.replace("38", "\0"),
    "a huge cell": DLC.replace("0.9", "9" * 200_000),
    "outside": DLC.replace("0,38", "0,138"),
    "too many": "\n".join(f"{head}{cells}" for head, cells in (
        ("scorer", ",me" * 130), ("bodyparts", "".join(f",p{n},p{n}" for n in range(65))), ("coords", ",x,y" * 65), ("0", ",1" * 130),
    )),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_DLC)
def test_a_malformed_table_by_deeplabcut_is_refused_in_one_sentence(tmp_path, kind):
    path = write(tmp_path, BAD_DLC[kind], "dlc.csv")
    with pytest.raises(JointsError) as error:
        read_joints(path, SIZE)
    assert_one_sentence(error, path)
    assert len(str(error.value)) < 400


def test_a_table_by_deeplabcut_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / "dlc.csv").write_bytes(DLC.replace("left", "lèft").encode("latin-1"))
    with pytest.raises(JointsError) as error:
        read_joints(tmp_path / "dlc.csv", SIZE)
    assert_one_sentence(error, tmp_path, "UTF-8")


# ---- malformed JSON files

ANNOTATION, POSE = ("annotations", 0, "keypoints"), ("people", 0, "pose_keypoints_2d")
PERSON = openpose({0: (1, 1, 1)})
TWO_IMAGES = coco_of([{"id": 1}, {"id": 2}])
BAD = {
    "COCO: annotations not a list": (changed(COCO, "annotations", to={"0": {}}), "'annotations'"),
    "COCO: annotations null": (changed(COCO, "annotations", to=None), "at least one keypoint"),
    "COCO: an annotation is a list": (changed(COCO, "annotations", 0, to=[1]), "'annotations'"),
    "COCO: no annotation": (changed(COCO, "annotations", to=[]), "at least one keypoint"),
    "COCO: images a number": (changed(COCO, "images", to=3), "'images'"),
    "COCO: categories a text": (changed(COCO, "categories", to="x"), "'categories'"),
    "COCO: no categories": (without(COCO, "categories"), "category of annotation 0"),
    "COCO: unknown category": (changed(COCO, "annotations", 0, "category_id", to=7), "category of annotation 0"),
    "COCO: category without names": (without(COCO, "categories", 0, "keypoints"), "names"),
    "COCO: names are numbers": (changed(COCO, "categories", 0, "keypoints", to=[1, 2, 3]), "names"),
    "COCO: names are lists": (changed(COCO, "categories", 0, "keypoints", 1, to=["a"]), "names"),
    "COCO: a name is null": (changed(COCO, "categories", 0, "keypoints", 1, to=None), "names"),
    "COCO: a name that is half a character": (changed(COCO, "categories", 0, "keypoints", 1, to="\ud800"), "Unicode"),
    "COCO: a name too many": (changed(COCO, "categories", 0, "keypoints", to=["a", "b", "c", "d"]), "12 finite numbers"),
    "COCO: edge from 0 to 3": (changed(COCO, "categories", 0, "skeleton", to=[[0, 1], [2, 3]]), "from 0 to 2"),
    "COCO: edge from -1": (changed(COCO, "categories", 0, "skeleton", to=[[-1, 1]]), "from 1 to 3"),
    "COCO: edge of false": (changed(COCO, "categories", 0, "skeleton", to=[[False, 1]]), "from 1 to 3"),
    "COCO: edge out of range": (changed(COCO, "categories", 0, "skeleton", to=[[1, 4]]), "from 1 to 3"),
    "COCO: edge of three": (changed(COCO, "categories", 0, "skeleton", to=[[1, 2, 3]]), "from 1 to 3"),
    "COCO: edge of names": (changed(COCO, "categories", 0, "skeleton", to=[["disk", "left"]]), "from 1 to 3"),
    "COCO: edge of booleans": (changed(COCO, "categories", 0, "skeleton", to=[[True, True]]), "from 1 to 3"),
    "COCO: edge of fractions": (changed(COCO, "categories", 0, "skeleton", to=[[1.0, 2.0]]), "from 1 to 3"),
    "COCO: edge nested deeply": (changed(COCO, "categories", 0, "skeleton", to=[DEEP]), "from 1 to 3"),
    "COCO: skeleton a number": (changed(COCO, "categories", 0, "skeleton", to=1), "from 1 to 3"),
    "COCO: pairs instead of triples": (changed(COCO, *ANNOTATION, to=[38, 53, 30, 53, 1, 1]), "9 finite numbers"),
    "COCO: a list of triples": (changed(COCO, *ANNOTATION, to=[[38, 53, 2]] * 3), "9 finite numbers"),
    "COCO: keypoints a text": (changed(COCO, *ANNOTATION, to="1,2,3"), "9 finite numbers"),
    "COCO: keypoints an object": (changed(COCO, *ANNOTATION, to={"disk": [1, 2]}), "9 finite numbers"),
    "COCO: keypoints nested deeply": (changed(COCO, *ANNOTATION, to=DEEP), "9 finite numbers"),
    "COCO: texts for numbers": (changed(COCO, *ANNOTATION, 0, to="38"), "9 finite numbers"),
    "COCO: null for a number": (changed(COCO, *ANNOTATION, 0, to=None), "9 finite numbers"),
    "COCO: boolean for a number": (changed(COCO, *ANNOTATION, 2, to=True), "9 finite numbers"),
    "COCO: NaN": (changed(COCO, *ANNOTATION, 0, to=np.nan), "9 finite numbers"),
    "COCO: infinite visibility": (changed(COCO, *ANNOTATION, 2, to=np.inf), "9 finite numbers"),
    "COCO: 400 digits": (changed(COCO, *ANNOTATION, 0, to=10**400), "9 finite numbers"),
    "COCO: all absent": (changed(COCO, *ANNOTATION, to=[5, 5, 0] * 3), "at least one keypoint"),
    "COCO: outside": (changed(COCO, *ANNOTATION, 0, to=128.1), "outside the 128x96"),
    "COCO: image_id a list": (changed(COCO, "annotations", 0, "image_id", to=[1]), "'image_id'"),
    "COCO: image_id a boolean": (changed(COCO, "annotations", 0, "image_id", to=True), "'image_id'"),
    "COCO: category_id an object": (changed(COCO, "annotations", 0, "category_id", to={}), "'category_id'"),
    "COCO: id of an image a fraction": (changed(COCO, "images", 0, "id", to=1.5), "'id'"),
    "COCO: another image": (changed(COCO, "annotations", 0, "image_id", to=2), "a.png"),
    "COCO: two images, one without id": (without(TWO_IMAGES, "images", 0, "id"), "several images"),
    "COCO: two images, annotation without image_id": (without(TWO_IMAGES, "annotations", 1, "image_id"), "several images"),
    "COCO: width a text": (changed(COCO, "images", 0, "width", to="128"), "'width'"),
    "COCO: width without height": (without(COCO, "images", 0, "height"), "'height'"),
    "COCO: 65 keypoints": (
        changed(COCO, *ANNOTATION, to=[1, 1, 2] * 65) | {"categories": [{"id": 3, "keypoints": [str(n) for n in range(65)]}]},
        "65 joints",
    ),
    "results: an entry is a number": ([*RESULTS, 3], "list of JSON objects"),
    "results: an entry without keypoints": ([*RESULTS, {"image_id": 139, "score": 1}], "entry 1"),
    "results: 16 keypoints": (changed(RESULTS, 0, "keypoints", to=[1] * 48), "51 finite numbers"),
    "results: scores missing": (changed(RESULTS, 0, "keypoints", to=[1] * 34), "51 finite numbers"),
    "results: image_id null": ([*RESULTS, changed(RESULTS, 0, "image_id", to=None)[0]], "several images"),
    "results: all absent": (changed(RESULTS, 0, "keypoints", to=[0, 0, 1] * 17), "at least one keypoint"),
    "OpenPose: nobody": ({"people": []}, "at least one keypoint"),
    "OpenPose: only a hand": ({"people": [{"pose_keypoints_2d": [], "hand_left_keypoints_2d": [1, 2, 1]}]}, "holds no body keypoints"),
    "OpenPose: only a face": ({"people": [{"face_keypoints": [1, 2, 1]}]}, "holds no body keypoints"),
    "OpenPose: people an object": ({"people": {"a": {}}}, "'people'"),
    "OpenPose: people numbers": ({"people": [1]}, "'people'"),
    "OpenPose: 24 keypoints": (changed(PERSON, *POSE, to=[1] * 72), "75 or 54"),
    "OpenPose: 76 numbers": (changed(PERSON, *POSE, to=[1] * 76), "75 finite numbers"),
    "OpenPose: a text": (changed(PERSON, *POSE, to="1" * 75), "75 finite numbers"),
    "OpenPose: texts": (changed(PERSON, *POSE, to=["1"] * 75), "75 finite numbers"),
    "OpenPose: a number": (changed(PERSON, *POSE, to=75), "75 finite numbers"),
    "OpenPose: infinite": (changed(PERSON, *POSE, 1, to=-np.inf), "75 finite numbers"),
    "OpenPose: all absent": (openpose({}), "at least one keypoint"),
    "OpenPose: three people": (openpose(*[{0: (1, 1, 1)}] * 3), "75 joints"),
    "OpenPose: outside": (openpose({0: (-1, 5, 0.5)}), "outside the 128x96"),
    "labelme: shapes null": (changed(LABELME, "shapes", to=None), "'point'"),
    "labelme: shapes an object": (changed(LABELME, "shapes", to={"0": {}}), "'shapes'"),
    "labelme: a shape is null": (changed(LABELME, "shapes", 0, to=None), "'shapes'"),
    "labelme: only polygons": (changed(LABELME, "shapes", to=LABELME["shapes"][1:2]), "'point'"),
    "labelme: no label": (without(LABELME, "shapes", 0, "label"), "shape 0"),
    "labelme: label a list": (changed(LABELME, "shapes", 0, "label", to=["a"]), "shape 0"),
    "labelme: no points": (without(LABELME, "shapes", 0, "points"), "shape 0"),
    "labelme: points empty": (changed(LABELME, "shapes", 0, "points", to=[]), "'disk'"),
    "labelme: two points": (changed(LABELME, "shapes", 0, "points", to=[[1, 2], [3, 4]]), "'disk'"),
    "labelme: one number": (changed(LABELME, "shapes", 0, "points", to=[[1]]), "'disk'"),
    "labelme: not nested": (changed(LABELME, "shapes", 0, "points", to=[38, 53]), "'disk'"),
    "labelme: texts": (changed(LABELME, "shapes", 0, "points", to=[["1", "2"]]), "'disk'"),
    "labelme: nested deeply": (changed(LABELME, "shapes", 0, "points", to=DEEP), "'disk'"),
    "labelme: booleans": (changed(LABELME, "shapes", 0, "points", to=[[True, 2]]), "'disk'"),
    "labelme: a name of many lines": (changed(LABELME, "shapes", 0, to={"label": "a\nb" * 999, "shape_type": "point"}), "a b"),
    "labelme: outside": (changed(LABELME, "shapes", 0, "points", to=[[1, 96.1]]), "outside the 128x96"),
    "labelme: width negative": (changed(LABELME, "imageWidth", to=-128), "'imageWidth'"),
    "labelme: height a fraction": (changed(LABELME, "imageHeight", to=96.5), "'imageHeight'"),
    "labelme: width true": (changed(LABELME, "imageWidth", to=True), "'imageWidth'"),
    "labelme: height a list": (changed(LABELME, "imageHeight", to=DEEP), "'imageHeight'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_malformed_keypoints_are_refused_in_one_sentence(tmp_path, kind):
    content, words = BAD[kind]
    path = write(tmp_path, content)
    with pytest.raises(JointsError) as error:
        read_joints(path, SIZE)
    assert_one_sentence(error, path, words)
    assert len(str(error.value)) < 400
