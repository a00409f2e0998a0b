"""Test which pictures of a folder are the frames of a video, and in what order."""

import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.errors import VideoError
from tinytrack.io.series import list_images


def names_in(folder, *names):
    """Make empty files of these names, in reverse, and return what the folder lists as frames."""
    for name in reversed(names):
        (folder / name).write_bytes(b"")
    return [path.name for path in list_images(folder)]


@pytest.mark.parametrize(
    "names",
    [
        ("img_8.png", "img_9.png", "img_10.png", "img_100.png"),
        ("img_100.png", "img_110.png", "img_120.png"),
        ("0.25.png", "0.5.png", "0.75.png", "2.0.png", "10.0.png"),
        ("frame.0.04.jpg", "frame.0.08.jpg", "frame.0.1.jpg", "frame.0.12.jpg"),
        ("v1.8.png", "v1.9.png", "v1.10.png"),
        ("a.png", "B.png", "c.png"),
        ("0001.jpg", "0002.JPG", "0003.jpeg"),
        ("1.jpg", "2.jpg", "3.png", "4.png"),
        ("2024-01-02_10-00-58.jpg", "2024-01-02_10-00-59.jpg", "2024-01-02_10-01-00.jpg", "2024-01-02_10-01-01.jpg"),
        ("²0.png", "²1.png", "²10.png"),
        ("cam_000.png", "cam_001.png", "cam_002.png", "cam_003.png"),
        ("1_cam_000.png", "1_cam_001.png", "1_cam_002.png", "2_cam_000.png", "2_cam_001.png", "2_cam_002.png"),
        ("branch1_000.png", "branch1_001.png", "branch2_000.png", "branch2_001.png"),
        ("shot_0001_17.png", "shot_0002_35.png", "shot_0003_52.png", "shot_0004_70.png"),
        ("only.png",),
    ],
    ids=lambda names: names[0],
)
def test_frames_are_in_natural_order(tmp_path, names):
    assert names_in(tmp_path, *names) == list(names)


def test_sixty_seconds_of_two_minutes_are_one_series(tmp_path):
    names = [f"{minute:02d}-{second:02d}.png" for minute in (7, 8) for second in range(60)]
    assert names_in(tmp_path, *names) == names


TIME_LAPSES = {
    "ten minutes": [f"{hour:02d}-{minute:02d}.png" for hour in (8, 9, 10) for minute in range(0, 60, 10)],
    "days": [f"day{day}_{hour:02d}.png" for day in range(4) for hour in range(24)],
    "five seconds": [f"{minute:02d}m{second:02d}s.png" for minute in range(3) for second in range(0, 60, 5)],
}


@pytest.mark.parametrize("names", TIME_LAPSES.values(), ids=TIME_LAPSES)
def test_a_time_lapse_is_one_series(tmp_path, names):
    assert names_in(tmp_path, *names) == names


@pytest.mark.parametrize(
    "one, other",
    [
        (("00000.jpg", "00001.jpg", "00002.jpg"), ("00000.png", "00001.png")),
        (("left_000.png", "left_001.png"), ("right_000.png", "right_001.png")),
        (("cam1_000.png", "cam1_001.png"), ("cam2_000.png", "cam2_001.png")),
        (("000_cam1.png", "001_cam1.png", "002_cam1.png"), ("000_cam2.png", "001_cam2.png", "002_cam2.png")),
        (("000_cam_1.png", "001_cam_1.png"), ("000_cam_2.png", "001_cam_2.png")),
        ([f"cam0_{n:05d}.png" for n in range(7)], [f"cam1_{n:05d}.png" for n in range(6)]),
        ([f"Camera 1 {n:03d}.png" for n in (0, 2, 4)], [f"Camera 2 {n:03d}.png" for n in (1, 3)]),
        ([f"take1_{n}.png" for n in range(9)], [f"take2_{n}.png" for n in range(5)]),
        ([f"leftCam1-{n}.png" for n in range(3)], [f"leftCam2-{n}.png" for n in range(3)]),
        ([f"GoPro1_{n}.png" for n in range(3)], [f"GoPro2_{n}.png" for n in range(3)]),
        (("000.png", "001.png", "002.png"), ("000_mask.png", "001_mask.png")),
        (("0.png", "1.png", "2.png"), ("cover.jpg",)),
    ],
    ids=["masks", "left and right", "cameras", "cameras at the end", "cam_1", "different counts", "even and odd", "takes", "a hump"]
    + ["gopro", "masks by name", "a cover"],
)
def test_a_folder_with_two_series_is_refused_and_both_are_named(tmp_path, one, other):
    with pytest.raises(VideoError) as error:
        names_in(tmp_path, *one, *other)
    assert_one_sentence(error, tmp_path, f"'{one[0]}' ({len(one)}", f"'{other[0]}' ({len(other)}", "2 series")


def test_ten_cameras_are_refused(tmp_path):
    with pytest.raises(VideoError) as error:
        names_in(tmp_path, *[f"view-{camera}_{frame}.png" for camera in range(10) for frame in range(3)])
    assert_one_sentence(error, tmp_path, "10 series", "'view-0_0.png' (3", "'view-1_0.png' (3")


@pytest.mark.parametrize("one, other", [("1.PNG", "1.png"), ("1.jpeg", "1.jpg"), ("1.tif", "1.tiff")])
def test_pictures_whose_results_would_have_the_same_name_are_refused(tmp_path, one, other):
    (tmp_path / one).write_bytes(b"")
    if (tmp_path / other).exists():
        pytest.skip("this file system takes both names for the same file")
    with pytest.raises(VideoError) as error:
        names_in(tmp_path, "0" + one[1:], one, other)
    assert_one_sentence(error, tmp_path, f"'{one}' and '{other}'", "same name")


def test_what_systems_leave_in_folders_is_no_frame(tmp_path):
    (tmp_path / "thumbs.png").mkdir()
    assert names_in(tmp_path, "0.png", "1.png", "._0.png", ".DS_Store", "Thumbs.db", "desktop.ini") == ["0.png", "1.png"]


def test_a_link_to_a_missing_picture_stays_a_frame(tmp_path):
    # Leaving it out would shift the numbers of all later frames without a word. Reading it fails with a sentence.
    (tmp_path / "1.png").symlink_to(tmp_path / "gone.png")
    assert names_in(tmp_path, "0.png", "2.png") == ["0.png", "1.png", "2.png"]
