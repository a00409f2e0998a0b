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
        ("only.png",),
    ],
    ids=lambda names: names[0],
)
def test_frames_are_in_natural_order(tmp_path, names):
    assert names_in(tmp_path, *names) == list(names)


def test_sixty_seconds_of_two_minutes_are_one_series(tmp_path):
    names = [f"{minute:02d}-{second:02d}.png" for minute in (7, 8) for second in range(60)]
    assert names_in(tmp_path, *names) == names


@pytest.mark.parametrize(
    "one, other",
    [
        (("00000.jpg", "00001.jpg", "00002.jpg"), ("00000.png", "00001.png")),
        (("left_000.png", "left_001.png"), ("right_000.png", "right_001.png")),
        (("cam1_000.png", "cam1_001.png"), ("cam2_000.png", "cam2_001.png")),
        (("000_cam1.png", "001_cam1.png", "002_cam1.png"), ("000_cam2.png", "001_cam2.png", "002_cam2.png")),
        (("000.png", "001.png", "002.png"), ("000_mask.png", "001_mask.png")),
        (("0.png", "1.png", "2.png"), ("cover.jpg",)),
    ],
    ids=["masks", "left and right", "cameras", "cameras at the end", "masks by name", "a cover"],
)
def test_a_folder_with_two_series_is_refused_and_both_are_named(tmp_path, one, other):
    with pytest.raises(VideoError) as error:
        names_in(tmp_path, *one, *other)
    assert_one_sentence(error, tmp_path, f"'{one[0]}' ({len(one)}", f"'{other[0]}' ({len(other)}", "2 series")


def test_what_systems_leave_in_folders_is_no_frame(tmp_path):
    (tmp_path / "thumbs.png").mkdir()
    assert names_in(tmp_path, "0.png", "1.png", "._0.png", ".DS_Store", "Thumbs.db", "desktop.ini") == ["0.png", "1.png"]


def test_a_link_to_a_missing_picture_stays_a_frame(tmp_path):
    # Leaving it out would shift the numbers of all later frames without a word. Reading it fails with a sentence.
    (tmp_path / "1.png").symlink_to(tmp_path / "gone.png")
    assert names_in(tmp_path, "0.png", "2.png") == ["0.png", "1.png", "2.png"]
