"""A part of the video is chosen: only that is tracked and exported, and everything outside stays as it is."""

import csv
import re
from dataclasses import replace

import numpy as np
import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.datasets.clips import open_clip
from tinytrack.datasets.synth import moving_shapes
from tinytrack.errors import MaskError
from tinytrack.interactive import studio as looks
from tinytrack.interactive.export import export
from tinytrack.interactive.project_file import read_project
from tinytrack.interactive.session import Session
from tinytrack.interactive.studio import studio
from tinytrack.io.decode import FrameLog
from tinytrack.io.joints import read_joints
from tinytrack.io.masks import read_mask
from tinytrack.io.video import open_video
from tinytrack.model import random_model
from tinytrack.propagate import MODERN

H, W, FRAMES = 48, 64, 8
SCENE = moving_shapes(1, frames=FRAMES, height=H, width=W).frames
SMALL = replace(MODERN, size=H, radius=4)
MODEL = random_model()

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def path(make_video):
    return make_video("given/shapes.mp4", SCENE, fps=10)


@pytest.fixture
def session(path):
    session = Session(open_clip(path))
    list(session.read())
    return session


def run(session, **options):
    return list(session.track(MODEL, SMALL, **options))


def dot(session, frame, x=20):
    session.paint(frame, [[x, 20]], 9, 1)


def test_only_the_part_is_tracked_in_both_directions(session):
    dot(session, 3)
    session.cut = (2, 5)
    assert run(session)[-1] == (3, 3)
    assert session.tracked == {2, 4, 5}
    assert session.stale == set()


def test_marks_outside_stay_but_are_no_start(session):
    dot(session, 0), dot(session, 4, x=40)
    session.cut = (3, 5)
    run(session)
    assert session.tracked == {3, 5}
    assert sorted(session.key_frames) == [0, 4]
    session.cut = (1, 2)
    with pytest.raises(MaskError) as error:
        run(session)
    assert_one_sentence(error, "nothing is marked on any of the frames 1 to 2, which are chosen for tracking: mark one of them")


def test_what_was_tracked_outside_stays_and_is_not_flagged(session):
    dot(session, 0)
    run(session)
    before = {t: session.carried(t).ids for t in (1, 2)}
    session.cut = (3, 6)
    dot(session, 4, x=40)
    assert session.stale == {3, 5, 6}, "those that come from another frame now"
    run(session)
    assert session.stale == set()
    assert all(np.array_equal(session.carried(t).ids, ids) for t, ids in before.items())
    assert session.tracked >= {1, 2, 7}
    session.cut = None
    assert session.stale == {3, 7}, "in the whole video, they come from another frame again"


def test_a_track_that_was_stopped_goes_on_within_a_larger_part(session):
    dot(session, 0)
    session.cut = (0, 3)
    run(session)
    session.cut = (0, 5)
    run(session)
    assert session.tracked == {1, 2, 3, 4, 5}
    assert session.stale == set()


def test_colours_start_from_a_frame_of_the_part(session):
    session.colors, session.cut = True, (2, 4)
    with pytest.raises(MaskError) as error:
        run(session, reference=0)
    assert_one_sentence(error, "frame 0 is none of the frames 2 to 4")
    run(session, reference=3)
    assert session.tracked == {2, 4}


def test_the_part_is_exported_with_the_frame_numbers_of_the_video(session, path, tmp_path):
    dot(session, 3), session.place(3, 0, (20, 20)), dot(session, 7)
    session.cut = (2, 5)
    run(session)
    told = []
    names = export(session, tmp_path / "out", lambda *numbers: told.append(numbers))
    assert names == ["joints.csv", "joints.json", "masks", "objects.json", "overlay.mp4"]
    assert told == [(n, 4) for n in range(1, 5)]
    masks = sorted((tmp_path / "out" / "masks").iterdir())
    assert [p.name for p in masks] == [f"0000{t}.png" for t in range(2, 6)]
    assert np.array_equal(read_mask(masks[1]), session.keys[3].ids)
    with open(tmp_path / "out" / "joints.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["joint"] == "head"]
    assert [(int(row["frame"]), float(row["seconds"])) for row in rows] == [(2, 0.2), (3, 0.3), (4, 0.4), (5, 0.5)]
    assert rows[1]["x"] == "20.00"
    assert np.allclose(read_joints(tmp_path / "out" / "joints.json").xy, session.carried(2).xy[:1], atol=0.01)
    log = FrameLog()
    frames = list(open_video(tmp_path / "out" / "overlay.mp4").frames(log=log))
    assert len(frames) == 4
    background = np.abs(frames[0][:, 50:].astype(int) - SCENE[2][:, 50:]).mean()
    assert background < np.abs(frames[0][:, 50:].astype(int) - SCENE[5][:, 50:]).mean()


def test_the_part_of_a_folder_keeps_the_names_of_its_pictures(make_folder, tmp_path):
    session = Session(open_clip(make_folder("frames", SCENE, form="img_{}0.png")))
    list(session.read())
    session.cut = (1, 2)
    dot(session, 1), session.place(1, 0, (20, 20))
    run(session)
    export(session, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out" / "masks").iterdir()) == ["img_10.png", "img_20.png"]
    with open(tmp_path / "out" / "joints.csv", newline="") as file:
        assert {(row["frame"], row["picture"]) for row in csv.DictReader(file)} == {("1", "img_10"), ("2", "img_20")}


def test_an_export_needs_tracks_of_the_part_only(session, tmp_path):
    dot(session, 3)
    session.cut = (2, 4)
    run(session)
    session.cut = (2, 6)
    with pytest.raises(MaskError) as error:
        export(session, tmp_path / "out")
    assert_one_sentence(error, "2 of 5 frames are not tracked yet, the first is frame 5")
    session.cut = (3, 4)
    assert "masks" in export(session, tmp_path / "out")


# ---- in the studio


@pytest.fixture
def demo(path, here, monkeypatch):
    monkeypatch.setattr(looks, "load_model", lambda name, device: random_model("LabNet" if "lab" in name else "TinyNet", device=device))
    for name in looks.DETAIL:
        monkeypatch.setitem(looks.DETAIL, name, H)
    return studio(str(path), device="cpu")


def shown(demo):
    return re.sub(r"<[^>]*>", "", demo.shown.value)


def test_the_boxes_choose_the_part(demo):
    assert (demo.first.value, demo.last.value, demo.last.max, demo.session.cut) == (0, 7, 7, None)
    demo.first.value, demo.last.value = 2, 5
    assert demo.session.cut == (2, 5)
    assert shown(demo).startswith("frame 0 of 8: not chosen for tracking")
    demo.frame.value = 3
    demo.stage.hear({"kind": "stroke", "points": [[20, 20]]})
    demo.track.click()
    assert "tracked 3 frames from 1 marked frame(s)" in demo.status.value
    demo.export.click()
    assert "wrote " in demo.status.value
    demo.first.value, demo.last.value = 0, 7
    assert demo.session.cut is None


def test_the_other_box_gives_way(demo):
    demo.last.value = 3
    demo.first.value = 6
    assert (demo.first.value, demo.last.value, demo.session.cut) == (6, 6, (6, 6))
    demo.last.value = 1
    assert (demo.first.value, demo.last.value, demo.session.cut) == (1, 1, (1, 1))


def test_the_part_is_saved_with_the_project_and_forgotten_with_another_video(demo, make_video):
    demo.first.value, demo.last.value = 2, 5
    demo.save.click()
    assert read_project(demo.project.value).part == (2, 5)
    file = demo.project.value
    demo.load(str(make_video("short.mp4", SCENE[:3])))
    assert (demo.first.value, demo.last.value, demo.session.cut) == (0, 2, None)
    demo.project.value = file
    demo.reopen.click()
    assert (demo.first.value, demo.last.value, demo.session.cut) == (2, 5, (2, 5))
