"""The studio, driven through its widgets as a user would: every button, key and stroke, the messages, and the errors."""

import asyncio
import errno
import html
import re
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.helpers import assert_one_sentence
from tinytrack.datasets.clips import open_clip
from tinytrack.datasets.synth import moving_shapes
from tinytrack.draw.style import object_color
from tinytrack.errors import TinytrackError
from tinytrack.interactive import background, clicks, follow, pace
from tinytrack.interactive import studio as looks
from tinytrack.interactive.canvas import picture_bytes
from tinytrack.interactive.marking import GRASP
from tinytrack.interactive.marks import brush
from tinytrack.interactive.session import Session
from tinytrack.interactive.skeletons import SKELETONS
from tinytrack.interactive.studio import studio
from tinytrack.interactive.timeline_rows import FULL, MARKED, TRACKED
from tinytrack.interactive.upload import LIMIT
from tinytrack.io.joints import read_joints_csv
from tinytrack.io.masks import read_mask
from tinytrack.io.video import open_video
from tinytrack.model import random_model
from tinytrack.propagate import FINE, REFINED

H, W, FRAMES = 48, 64, 8
SCENE = moving_shapes(1, frames=FRAMES, height=H, width=W).frames
RED = 'class="tinytrack-wrong"'


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Use an untrained network on small frames, because the quality of the tracks does not matter here."""
    monkeypatch.setattr(looks, "load_model", lambda name, device: random_model("LabNet" if "lab" in name else "TinyNet", device=device))
    for name in looks.DETAIL:
        monkeypatch.setitem(looks.DETAIL, name, H)


@pytest.fixture
def path(make_video):
    return make_video("given/shapes.mp4", SCENE, fps=12)


@pytest.fixture
def demo(path, here):
    """A studio with a video of 8 frames, in its own folder."""
    return studio(str(path), device="cpu")


def said(demo) -> str:
    """The text of the status line. Also checks that it contains no foreign HTML."""
    text = re.fullmatch(r"<span(?: class=\"tinytrack-wrong\")?>([^<>]*)</span>", demo.status.value)
    assert text, demo.status.value
    return html.unescape(text[1])


def complaint(demo, *parts) -> str:
    """The error in the status line: one sentence, shown in red."""
    assert RED in demo.status.value, demo.status.value
    assert_one_sentence(said(demo), *parts)
    return said(demo)


def shown(demo) -> str:
    return re.sub(r"<[^>]*>", "", demo.shown.value)


def stroke(demo, *points):
    demo.stage.hear({"kind": "stroke", "points": [list(p) for p in points]})


def point(demo, phase, x, y):
    demo.stage.hear({"kind": "point", "phase": phase, "place": [x, y]})


def click(demo, x, y):
    point(demo, "down", x, y)
    point(demo, "up", x, y)


def key(demo, *names):
    for name in names:
        demo.stage.hear({"kind": "key", "key": name})


def joints(demo):
    """The joints of the displayed frame."""
    return demo.session.marks(demo.frame.value).xy


def placing(demo, skeleton="face"):
    """Switch from masks to joints."""
    demo.skeleton.value = skeleton
    demo.kind.value = "joints"
    return demo


def during(monkeypatch, look, at=3):
    """Call ``look`` while frame number ``at`` of a track is being computed."""
    track = Session.track

    def patched(session, *args, **kwargs):
        for number, told in enumerate(track(session, *args, **kwargs), start=1):
            if number == at:
                look()
            yield told

    monkeypatch.setattr(Session, "track", patched)


READY = (
    "add", "rename", "delete", "delete_joints", "undo", "redo", "clear", "absent", "track", "first", "last", "export", "save", "colors",
    "skeleton",
)  # fmt: skip
ALWAYS = ("open_clip", "open_path", "reopen", "model", "detail")


def disabled(demo):
    return {name for name in (*READY, *ALWAYS, "cancel") if getattr(demo, name).disabled}


# ---- opening


def test_without_a_video_only_opening_one_is_possible():
    demo = studio(device="cpu")
    assert demo.session is None
    assert demo.still is None
    assert disabled(demo) == {*READY, "cancel"}
    assert not demo.stage.active
    assert demo.stage.label == "No video yet"
    assert demo.stage.data == b""
    assert demo.status.value == "Choose a video and open it."


def test_a_studio_opens_the_given_clip(demo):
    assert len(demo.session) == FRAMES
    assert disabled(demo) == {"cancel"}
    assert demo.stage.active
    assert said(demo) == "shapes.mp4: 8 frames of 64x48. Mark something on the frame from which to start."
    assert (demo.frame.value, demo.frame.max, demo.playback.fps) == (0, 7, 12)
    assert demo.stage.size == (W, H)
    assert demo.stage.data == picture_bytes(demo.session.picture(0, 0.5, demo.stage.width))
    assert demo.stage.label == "Frame 0 of shapes.mp4"
    assert shown(demo) == "frame 0 of 8: nothing here yet; marked frames: none"
    assert "The studio with shapes.mp4, frame 0" in demo.still.alt


@pytest.mark.parametrize("clip", ["missing.mp4", "carphone-2", "bikes-9"])
def test_a_given_clip_that_cannot_be_opened_is_an_error(clip):
    with pytest.raises(TinytrackError) as error:
        studio(clip, device="cpu")
    assert_one_sentence(error, clip)


def test_a_sample_can_be_opened():
    demo = studio(device="cpu")
    assert {"carphone", *(f"bikes-{n}" for n in range(1, 7))} <= set(demo.clip.options)
    assert "bikes" not in demo.clip.options
    demo.clip.value = "carphone"
    demo.open_clip.click()
    assert said(demo).startswith("carphone: 120 frames of 176x144.")
    assert demo.frame.max == 119
    assert disabled(demo) == {"cancel"}
    assert demo.stage.size == (176, 144)
    assert demo.stage.width == 636
    assert demo.work is None


def test_a_shot_of_a_sample_can_be_opened():
    demo = studio(device="cpu")
    demo.clip.value = "bikes-6"
    demo.open_clip.click()
    assert said(demo).startswith("bikes-6: 8 frames of 640x272.")
    assert demo.stage.width == 640


def test_a_path_may_have_spaces_around_it(path):
    demo = studio(device="cpu")
    demo.path.value = f"  {path} "
    demo.open_path.click()
    assert said(demo).startswith("shapes.mp4: 8 frames of 64x48.")
    assert demo.stage.data


@pytest.mark.parametrize("form", ["'{}'", '"{}"', ' "{}" ', "file://{}", "'file://{}'"])
def test_a_path_may_be_quoted_or_a_file_address(make_video, form):
    demo = studio(device="cpu")
    path = make_video("with space.mp4", 3)
    demo.path.value = form.format(str(path).replace(" ", "%20") if "file" in form else path)
    demo.open_path.click()
    assert said(demo).startswith("with space.mp4: 3 frames")


def test_a_folder_of_frames_can_be_opened(make_folder):
    demo = studio(device="cpu")
    demo.path.value = str(make_folder("my frames", 5))
    demo.open_path.click()
    assert said(demo).startswith("my frames: 5 frames of 64x48.")


def test_reading_is_reported(path, monkeypatch):
    demo = studio(device="cpu")
    heard = []
    demo.status.observe(lambda change: heard.append(said(demo)), "value")
    demo.load(str(path))
    assert f"reading shapes.mp4: {FRAMES} frames" in heard
    assert heard[-1].startswith("shapes.mp4: ")


def test_reading_a_long_video_says_how_much_memory_it_takes(path, monkeypatch):
    demo = studio(device="cpu")
    heard = []
    demo.status.observe(lambda change: heard.append(said(demo)), "value")
    monkeypatch.setattr(looks, "MUCH", 1)
    demo.load(str(path))
    assert any(f"reading shapes.mp4: {FRAMES} frames, 0 MB of memory; Cancel keeps" in text for text in heard)


def test_reading_can_be_cancelled_and_the_old_video_stays(demo, make_video, monkeypatch):
    read, session = Session.read, demo.session

    def patched(other):
        for count in read(other):
            if count == 2:
                demo.cancel.click()
            yield count

    monkeypatch.setattr(Session, "read", patched)
    demo.load(str(make_video("other.mp4", 6)))
    assert said(demo).startswith("cancelled")
    assert demo.session is session
    assert disabled(demo) == {"cancel"}
    assert demo.stage.active


BAD = {
    "nothing typed": ("   ", ["type the path"]),
    "not there": ("no/such.mp4", ["no such video", "'no/such.mp4'"]),
    "no clip": ("bikes-9", ["'bikes-9'"]),
    "a tag": ("<b>bold</b>.mp4", ["'<b>bold</b>.mp4'"]),
    "two lines": ("two\nlines.mp4", ["no such video"]),
    "too long": ("x" * 300 + ".mp4", ["no such video"]),
}


@pytest.mark.parametrize("name, parts", BAD.values(), ids=BAD)
def test_a_path_that_cannot_be_opened_is_reported_and_the_old_video_stays(demo, name, parts):
    stroke(demo, (20, 20))
    session, picture = demo.session, demo.stage.data
    demo.path.value = name
    demo.open_path.click()
    complaint(demo, *parts)
    assert demo.session is session
    assert sorted(session.keys) == [0]
    assert demo.stage.data == picture
    assert demo.work is None
    assert disabled(demo) == {"cancel"}
    assert demo.stage.active


def test_a_file_that_is_not_a_video_is_reported(demo, make_video, tmp_path):
    (tmp_path / "notes.mp4").write_text("no video")
    one = make_video("one.mp4", 1)
    for file, parts in {tmp_path / "notes.mp4": ["notes.mp4"], one: ["one.mp4", "at least two"], tmp_path: []}.items():
        demo.path.value = str(file)
        demo.open_path.click()
        complaint(demo, *parts)
        assert demo.session.video.title == "shapes.mp4"


def test_the_name_of_a_video_is_shown_as_text_and_not_as_html(make_video):
    demo = studio(device="cpu")
    demo.path.value = str(make_video("<b>a & b<b>.mp4", 3))
    demo.open_path.click()
    assert said(demo).startswith("<b>a & b<b>.mp4: 3 frames")
    assert "&lt;b&gt;a &amp; b&lt;b&gt;.mp4" in demo.status.value
    assert demo.stage.label == "Frame 0 of <b>a & b<b>.mp4", "the label for screen readers is plain text"


def test_opening_another_video_resets_the_studio(demo, make_video):
    demo.name.value = "dog"
    demo.add.click()
    demo.frame.value = 6
    stroke(demo, (20, 20))
    demo.colors.value = True
    demo.path.value = str(make_video("other.mp4", 3, height=180, width=120))
    demo.open_path.click(), demo.open_path.click()
    assert not demo.colors.value
    assert not demo.session.colors
    assert demo.session.keys == {}
    assert demo.session.objects == ["object 1"]
    assert demo.which.options == (("object 1", 1),)
    assert (demo.frame.value, demo.frame.max) == (0, 2)
    assert demo.stage.size == (120, 180)
    assert demo.stage.width == 347
    assert (demo.radius.max, demo.radius.value) == (30, 7) == (demo.radius.max, demo.stage.brush)
    demo.undo.click()
    complaint(demo, "there is nothing left to undo")


def test_a_skeleton_chosen_before_a_video_is_used_for_it(path):
    demo = placing(studio(device="cpu"), "four-legged")
    demo.load(str(path))
    assert demo.session.joints is SKELETONS["four-legged"]
    assert len(demo.joint.options) == 12


def test_marks_are_discarded_only_after_a_second_press(demo, make_video):
    stroke(demo, (20, 20))
    session, words = demo.session, ("this forgets your marks on shapes.mp4", "export them first", "press the same button again")
    demo.path.value = "no/such.mp4"
    for _ in range(2):
        demo.open_path.click()
        complaint(demo, "no such video", "'no/such.mp4'")
    demo.path.value = str(make_video("other.mp4", 3))
    demo.clip.value = "carphone"
    for button in (demo.open_path, demo.open_clip, demo.open_path):
        button.click()
        complaint(demo, *words)
        assert demo.session is session
        assert session.keys[0].ids.any()
        assert demo.work is None
    demo.open_path.click()
    assert said(demo).startswith("other.mp4: 3 frames")
    assert demo.session.keys == {}
    demo.open_clip.click()
    assert said(demo).startswith("carphone: "), "without marks there is nothing to discard"
    stroke(demo, (20, 20))
    demo.open_path.click()
    complaint(demo, "this forgets your marks on carphone")


# ---- masks


def test_a_stroke_paints_a_mask_with_the_brush(demo):
    picture = demo.stage.data
    demo.radius.value = 5
    demo.frame.value = 2
    stroke(demo, (10, 10), (30, 12.5))
    ids = demo.session.keys[2].ids
    np.testing.assert_array_equal(ids, brush(np.zeros((H, W), np.uint8), [[10, 10], [30, 12.5]], 5, 1))
    assert sorted(demo.session.keys) == [2]
    assert demo.stage.data != picture
    assert demo.stage.data == picture_bytes(demo.session.picture(2, 0.5, demo.stage.width))
    assert shown(demo) == "frame 2 of 8: marked by you; marked frames: 2"
    stroke(demo, (40, 40))
    np.testing.assert_array_equal(demo.session.keys[2].ids, brush(ids, [[40, 40]], 5, 1))


def test_the_browser_draws_with_the_chosen_brush(demo):
    assert demo.stage.brush == demo.radius.value == 3
    assert demo.stage.ink == "rgb(230,60,60)"
    demo.radius.value = 7.5
    assert demo.stage.brush == 7.5
    demo.name.value = "second"
    demo.add.click()
    assert demo.stage.ink == "rgb({},{},{})".format(*object_color(2))
    demo.eraser.value = True
    assert demo.stage.ink == "rgb(255,255,255)"
    demo.kind.value = "joints"
    assert demo.stage.brush == 0


def test_each_object_is_painted_with_its_own_number(demo):
    demo.name.value = "  dog "
    demo.add.click()
    assert demo.session.objects == ["object 1", "dog"]
    assert demo.which.options == (("object 1", 1), ("dog", 2))
    assert demo.which.value == 2
    assert demo.name.value == ""
    stroke(demo, (50, 30))
    demo.which.value = 1
    stroke(demo, (10, 10))
    ids = demo.session.keys[0].ids
    assert ids[30, 50] == 2
    assert ids[10, 10] == 1
    assert set(np.unique(ids)) == {0, 1, 2}


def test_the_eraser_removes_pixels(demo):
    demo.radius.value = 8
    stroke(demo, (20, 20))
    demo.eraser.value, demo.radius.value = True, 3
    stroke(demo, (20, 20))
    ids = demo.session.keys[0].ids
    assert ids[20, 20] == 0
    assert ids[20, 26] == 1
    demo.eraser.value = False
    stroke(demo, (20, 20))
    assert demo.session.keys[0].ids[20, 20] == 1


def test_clicks_select_the_chosen_object(demo, monkeypatch):
    asked = []

    def found(frame, inside, outside, model):
        asked.append((np.round(inside).tolist(), np.round(outside).tolist()))
        mask = np.zeros(frame.shape[:2], bool)
        mask[10:20, 10:30] = True
        return mask

    monkeypatch.setattr(clicks, "select", found)
    demo.click.value = True
    assert demo.stage.brush == 0  # a press is a click, not a stroke
    click(demo, 15, 12)
    assert said(demo).startswith("selected with 1 click;")
    assert demo.session.marks(0).ids[10:20, 10:30].all()
    assert demo.session.marks(0).ids.sum() == 200
    key(demo, "x")
    click(demo, 40, 30)
    assert said(demo).startswith("selected with 2 clicks;")
    assert asked == [([[15, 12]], []), ([[15, 12]], [[40, 30]])]
    demo.undo.click()
    demo.undo.click()
    assert demo.session.key_frames == {}
    click(demo, 40, 30)
    complaint(demo, "there is nothing to remove", "click on the object first")
    # one way to draw at a time
    demo.polygon.value = True
    assert not demo.click.value
    demo.click.value = True
    assert not demo.polygon.value
    demo.click.value = False
    assert demo.stage.brush > 0


def test_objects_can_be_renamed(demo):
    demo.name.value = "dog"
    demo.add.click()
    demo.name.value = "cat"
    demo.rename.click()
    assert demo.session.objects == ["object 1", "cat"]
    assert demo.which.options[1] == ("cat", 2)
    assert demo.which.value == 2
    demo.name.value = " cat "
    demo.rename.click()
    assert demo.session.objects == ["object 1", "cat"], "an object may keep its own name"
    assert RED not in demo.status.value, "an object may keep its own name"
    for name, words in {"": "type a name for the object", "object 1": "there is an object 'object 1' already"}.items():
        for button in (demo.rename, demo.add):
            demo.name.value = name
            button.click()
            complaint(demo, words)
    assert demo.session.objects == ["object 1", "cat"], "the typed name stays, so that it can be corrected"
    assert demo.which.value == 2, "the typed name stays, so that it can be corrected"
    assert demo.name.value == "object 1", "the typed name stays, so that it can be corrected"


def test_undo_jumps_to_the_frame_whose_mark_it_removes(demo):
    stroke(demo, (20, 20))
    demo.frame.value = 4
    stroke(demo, (20, 20))
    demo.frame.value = 6
    demo.undo.click()
    assert demo.frame.value == 4
    assert sorted(demo.session.keys) == [0]
    assert said(demo) == "took back the last change, on frame 4"
    assert shown(demo) == "frame 4 of 8: nothing here yet; marked frames: 0"
    key(demo, "z")
    assert demo.frame.value == 0
    assert demo.session.keys == {}
    key(demo, "Z")
    complaint(demo, "there is nothing left to undo")


def test_an_error_message_disappears_after_the_next_success(demo):
    demo.undo.click()
    complaint(demo, "there is nothing left to undo")
    demo.undo.click()
    complaint(demo, "there is nothing left to undo")
    stroke(demo, (20, 20))
    assert said(demo) == ""
    assert RED not in demo.status.value
    demo.undo.click()
    demo.frame.value = 3
    assert said(demo) == "took back the last change, on frame 0", "only error messages disappear by themselves"
    stroke(demo, (20, 20))
    assert said(demo) == "", "the message was about other marks"


def test_a_frame_can_be_cleared(demo):
    stroke(demo, (20, 20))
    before = demo.stage.data
    demo.clear.click()
    assert demo.session.keys[0].empty
    assert demo.stage.data != before
    demo.undo.click()
    assert demo.session.keys[0].ids.any()
    assert demo.stage.data == before


def test_an_empty_frame_cannot_be_cleared(demo):
    demo.frame.value = 3
    demo.clear.click()
    complaint(demo, "there is nothing on frame 3")
    assert demo.session.keys == {}
    stroke(demo, (20, 20))
    demo.track.click()
    demo.frame.value = 5
    demo.clear.click()
    assert demo.session.keys[5].empty, "a tracked frame can be cleared"
    assert RED not in demo.status.value, "a tracked frame can be cleared"


def test_the_overlay_has_the_requested_strength(demo):
    stroke(demo, (20, 20))
    pictures = set()
    for strength in (0, 0.3, 1):
        demo.strength.value = strength
        assert demo.stage.data == picture_bytes(demo.session.picture(0, strength, demo.stage.width))
        pictures.add(demo.stage.data)
    assert len(pictures) == 3


def test_undone_marks_can_be_made_again(demo):
    stroke(demo, (20, 20))
    demo.frame.value = 4
    stroke(demo, (40, 20))
    marks = dict(demo.session.keys)
    demo.undo.click(), demo.undo.click(), demo.undo.click()
    complaint(demo, "there is nothing left to undo", "the last 30 marks")
    demo.redo.click()
    assert said(demo) == "made the change on frame 0 again"
    assert demo.frame.value == 0
    key(demo, "redo")
    assert demo.session.keys == marks
    assert demo.frame.value == 4
    demo.redo.click()
    complaint(demo, "there is nothing to redo")
    key(demo, "undo")
    assert sorted(demo.session.keys) == [0]


def test_an_object_can_be_deleted_and_brought_back(demo):
    stroke(demo, (20, 20))
    demo.name.value = "dog"
    demo.add.click()
    stroke(demo, (50, 30))
    demo.frame.value = 5
    stroke(demo, (50, 30))
    demo.delete.click()
    assert said(demo) == "deleted dog and its marks on all frames; Undo brings them back"
    assert demo.which.options == (("object 1", 1),)
    assert demo.which.value == 1
    assert demo.stage.ink == "rgb({},{},{})".format(*object_color(1))
    assert sorted(demo.session.keys) == [0]
    demo.undo.click()
    assert demo.which.options == (("object 1", 1), ("dog", 2))
    assert sorted(demo.session.keys) == [0, 5]
    demo.which.value = 1
    demo.delete.click()
    assert demo.which.options == (("dog", 2),)
    assert demo.which.value == 2
    stroke(demo, (10, 10))
    demo.delete.click()
    assert demo.which.options == (("object 2", 2),), "the only object stays"
    assert demo.session.keys == {}


def test_all_joints_can_be_deleted_and_brought_back(demo):
    placing(demo)
    demo.delete_joints.click()
    complaint(demo, "there is no joint to delete")
    click(demo, 10, 10), click(demo, 20, 10)
    demo.delete_joints.click()
    assert said(demo) == "removed all joints from all frames; Undo brings them back"
    assert demo.session.keys == {}
    assert demo.joint.value == 0
    demo.undo.click()
    assert joints(demo)[1].tolist() == [20, 10]


def test_stale_tracks_are_flagged_and_not_exported(demo, here):
    stroke(demo, (20, 20))
    demo.track.click()
    demo.undo.click()
    stroke(demo, (50, 30))
    assert shown(demo) == "frame 0 of 8: marked by you; marked frames: 0; 7 frames are out of date: press Track"
    demo.frame.value = 5
    assert shown(demo).startswith("frame 5 of 8: out of date, the marks have changed since it was tracked; ")
    assert demo.stage.label == "Frame 5 of shapes.mp4, out of date"
    assert demo.stage.data == picture_bytes(demo.session.picture(5, 0.25, demo.stage.width)), "what is out of date is drawn faintly"
    demo.export.click()
    complaint(demo, "7 of 8 frames were tracked from marks that have changed since", "press Track")
    assert list(here.iterdir()) == []
    demo.track.click()
    assert "out of date" not in shown(demo)
    demo.export.click()
    assert said(demo).startswith("wrote ")


def test_the_message_of_an_export_disappears_when_the_marks_change(demo):
    stroke(demo, (20, 20))
    demo.track.click()
    demo.export.click()
    assert said(demo).startswith("wrote ")
    demo.clear.click()
    assert said(demo) == "took all marks off frame 0; Undo brings them back"


def test_the_browser_warns_before_marks_are_lost(demo):
    assert not demo.access.unsaved
    stroke(demo, (20, 20))
    assert demo.access.unsaved
    demo.track.click()
    demo.export.click()
    assert not demo.access.unsaved
    stroke(demo, (20, 20))
    assert demo.access.unsaved
    demo.undo.click()
    assert not demo.access.unsaved


def test_an_error_is_repeated_next_to_the_control_that_was_used(demo):
    near = lambda: {step for step, note in demo.near.items() if note.value}  # noqa: E731
    demo.export.click()
    assert near() == {"export"}
    assert demo.near["export"].value == demo.status.value
    demo.undo.click()
    assert near() == {"mark"}
    demo.open_path.click()
    assert near() == {"open"}
    demo.upload.hear({"kind": "begin", "name": "long.mp4", "size": LIMIT + 1}, [])
    assert near() == {"open"}
    demo.track.click()
    assert near() == {"track"}
    stroke(demo, (20, 20))
    assert near() == set()


def test_messages_are_read_aloud_as_plain_text(demo):
    demo.path.value = "<b>no</b>.mp4"
    demo.open_path.click()
    assert demo.access.text.startswith("no such video: '<b>no</b>.mp4'")


@pytest.mark.parametrize("box, button", [("path", "open_path"), ("name", "add"), ("folder", "export"), ("project", "save")])
def test_enter_in_a_box_presses_its_button(demo, box, button):
    pressed = []
    boxes = {"path": demo.path, "name": demo.name, "folder": demo.out, "project": demo.project}
    getattr(demo, button).on_click(lambda _: pressed.append(boxes[box].value))
    demo.access.hear({"kind": "enter", "box": box, "text": "typed"})
    assert pressed in (["typed"], [""], ["typed.tinytrack.zip"]), "a name that was used is removed from its box, or completed"
    getattr(demo, button).disabled = True
    demo.access.hear({"kind": "enter", "box": box, "text": "again"})
    demo.access.hear({"kind": "enter", "box": "other", "text": "again"})
    assert len(pressed) == 1


# ---- keys


def test_comma_and_full_stop_step_through_the_frames(demo):
    key(demo, ",")
    assert demo.frame.value == 0
    key(demo, ".", ".")
    assert demo.frame.value == 2
    assert shown(demo).startswith("frame 2 of 8")
    key(demo, ",")
    assert demo.frame.value == 1
    assert demo.stage.label == "Frame 1 of shapes.mp4"
    demo.frame.value = 7
    key(demo, ".")
    assert demo.frame.value == 7


def test_brackets_change_the_brush_within_its_limits(demo):
    key(demo, "]", "]")
    assert demo.radius.value == demo.stage.brush == 5
    key(demo, "[")
    assert demo.radius.value == 4
    key(demo, *"[" * 9)
    assert demo.radius.value == demo.radius.min == 1
    key(demo, *"]" * 40)
    assert demo.radius.value == demo.radius.max == 20


def test_x_switches_the_eraser(demo):
    key(demo, "x")
    assert demo.eraser.value
    key(demo, "x")
    assert not demo.eraser.value


@pytest.mark.parametrize("name", ["Delete", "Backspace"])
def test_delete_makes_a_joint_absent_and_leaves_masks_alone(demo, name):
    stroke(demo, (20, 20))
    key(demo, name)
    assert demo.session.keys[0].ids.any()
    assert demo.session.undo() == 0, "one mark was made"
    assert demo.session.redo() == 0
    placing(demo)
    click(demo, 30, 20)
    demo.joint.value = 0
    key(demo, name)
    assert np.isnan(joints(demo)).all()
    assert demo.joint.value == 1


def test_digits_choose_an_object(demo):
    demo.name.value = "dog"
    demo.add.click()
    key(demo, "1")
    assert demo.which.value == 1
    key(demo, "2")
    assert demo.which.value == 2
    assert said(demo) == "painting dog"
    assert demo.stage.ink == "rgb({},{},{})".format(*object_color(2))
    key(demo, "3")
    complaint(demo, "there is no object 3", "one of 1, 2")
    assert demo.which.value == 2
    demo.kind.value = "joints"
    key(demo, "1")
    assert demo.which.value == 2, "joints belong to no object"


# ---- the timeline, and what is hidden


def test_the_timeline_goes_to_a_frame_and_shows_what_is_known(demo):
    assert [name for name, _ in demo.timeline.rows] == ["object 1"]
    demo.timeline.hear({"kind": "frame", "frame": 5})
    assert demo.frame.value == demo.timeline.frame == 5
    stroke(demo, (20, 20))
    assert demo.timeline.label == "Timeline of 8 frames. object 1: marked on 5"
    demo.frame.value = 2
    assert demo.timeline.frame == 2
    demo.track.click()
    assert [code >> 4 for code in demo.timeline.cells] == [TRACKED] * 5 + [MARKED] + [TRACKED] * 2
    demo.kind.value = "joints"
    assert [name for name, _ in demo.timeline.rows] == ["object 1", "joints"]
    demo.kind.value = "masks"
    demo.colors.value = True
    assert [name for name, _ in demo.timeline.rows] == ["object 1", "colours"]


def test_an_object_can_be_hidden_without_any_effect_on_tracking_and_export(demo, here):
    plain = demo.stage.data
    stroke(demo, (20, 20))
    marked = demo.stage.data
    demo.which.children[0].eye.value = True
    assert demo.stage.data == plain
    demo.track.click()
    demo.export.click()
    np.testing.assert_array_equal(read_mask(here / "tinytrack-out" / "masks" / "00000.png"), demo.session.keys[0].ids)
    assert demo.session.carried(1).ids is not None
    demo.which.children[0].eye.value = False
    assert demo.stage.data == marked


def test_painting_a_hidden_object_shows_it(demo):
    demo.name.value = "dog"
    demo.add.click()
    demo.which.hidden = frozenset({1, 2})
    demo.eraser.value = True
    stroke(demo, (20, 20))
    assert demo.which.hidden == {1, 2}, "the eraser paints nothing"
    demo.eraser.value = False
    stroke(demo, (20, 20))
    assert demo.which.hidden == {1}


def test_another_video_hides_nothing(demo, make_video):
    demo.which.hidden = frozenset({1})
    demo.load(str(make_video("other.mp4", 3)))
    assert demo.which.hidden == frozenset()
    assert demo.timeline.count == 3


# ---- joints


def test_the_panel_follows_the_kind_of_mark(demo):
    assert (demo.mask_panel.layout.display, demo.joint_panel.layout.display) == (None, "none")
    demo.kind.value = "joints"
    assert (demo.mask_panel.layout.display, demo.joint_panel.layout.display) == ("none", None)


def test_each_click_places_a_joint_and_names_the_next(demo):
    placing(demo)
    assert demo.joint.options[0] == ("left eye", 0)
    assert demo.joint.value == 0
    for n, (x, y, following) in enumerate([(10, 12, "right eye"), (20.5, 12, "nose"), (15, 20, "mouth left")]):
        click(demo, x, y)
        assert joints(demo)[n].tolist() == [x, y]
        assert said(demo) == f"next: {following}"
        assert demo.joint.value == n + 1
    assert shown(demo) == "frame 0 of 8: marked by you; marked frames: 0"
    assert demo.stage.data == picture_bytes(demo.session.picture(0, 0.5, demo.stage.width))


def test_the_next_joint_is_one_that_the_frame_lacks(demo):
    placing(demo)
    demo.joint.value = 3
    click(demo, 10, 10), click(demo, 20, 10)
    assert demo.joint.value == 5
    end = "that was the last joint of the list; drag a dot to move it, or choose a joint and click"
    click(demo, 30, 10)
    assert said(demo) == end, "the list does not start again"
    assert demo.joint.value is None, "the list does not start again"
    demo.joint.value = 5
    demo.absent.click()
    assert said(demo) == end
    assert np.isnan(joints(demo)[5]).all()
    demo.joint.value = 5
    click(demo, 30, 10)
    demo.joint.value = 0
    for x in (10, 20):
        click(demo, x, 30)
    assert said(demo) == "next: nose"
    click(demo, 30, 30)
    assert said(demo) == end, "all later joints are already placed"
    demo.joint.value = 2
    click(demo, 35, 40)
    assert joints(demo)[2].tolist() == [35, 40]
    demo.frame.value = 3
    click(demo, 5, 5)
    assert demo.session.keys[3].xy[0].tolist() == [5, 5], "the other frame has no joints yet, so the list starts again"
    assert said(demo) == "next: right eye"


def test_a_stray_click_after_the_last_joint_moves_nothing(demo):
    placing(demo)
    for n in range(6):
        click(demo, 5 + 10 * n, 10)
    before = demo.session.keys[0]
    click(demo, 30, 40)
    complaint(demo, "the list of joints is done", "drag a dot", "choose a joint")
    demo.absent.click()
    complaint(demo, "the list of joints is done")
    assert demo.session.keys[0] is before
    assert demo.held is None or demo.held == 0
    point(demo, "down", 15, 10), point(demo, "drag", 15, 20), point(demo, "up", 15, 20)
    assert joints(demo)[1].tolist() == [15, 20], "a dot can still be dragged"
    click(demo, 30, 40)
    complaint(demo, "the list of joints is done")


def test_a_joint_can_be_marked_absent(demo):
    placing(demo)
    click(demo, 10, 10)
    demo.joint.value = 0
    demo.absent.click()
    assert np.isnan(joints(demo)[0]).all()
    assert said(demo) == "next: right eye"
    assert demo.joint.value == 1


def test_a_drag_is_a_single_undo_step(demo):
    placing(demo)
    click(demo, 50, 40)
    point(demo, "down", 10, 10)
    for x in (11, 12.5, 14):
        point(demo, "drag", x, 10 + x / 10)
        assert joints(demo)[1].tolist() == [x, 10 + x / 10], "the joint follows the mouse"
        assert demo.joint.value == 1, "the next joint is selected only when the mouse is released"
    point(demo, "up", 14, 11.4)
    assert joints(demo)[1].tolist() == [14, 11.4]
    assert demo.joint.value == 2
    demo.undo.click()
    assert np.isnan(joints(demo)[1]).all()
    assert joints(demo)[0].tolist() == [50, 40]
    demo.undo.click()
    assert demo.session.keys == {}


def test_pressing_on_a_dot_selects_its_joint(demo):
    placing(demo)
    for x in (10, 20, 30):
        click(demo, x, 10)
    reach = GRASP * W / demo.stage.width  # pixels of the page, converted to pixels of the video
    assert demo.joint.value == 3
    assert demo.joint_at(10, 10 + 0.95 * reach) == 0
    assert demo.joint_at(10, 10 + 1.05 * reach) is None
    point(demo, "down", 20, 10 + 0.9 * reach)
    assert demo.joint.value == 1
    assert joints(demo)[1].tolist() == [20, 10 + 0.9 * reach]
    point(demo, "drag", 25, 30)
    point(demo, "up", 25, 30)
    assert joints(demo)[1].tolist() == [25, 30]
    assert said(demo) == "next: mouth left"
    assert np.isnan(joints(demo)[3:]).all()
    click(demo, 30 + 1.1 * reach, 10)
    assert joints(demo)[2].tolist() == [30, 10], "a click next to the dot places a new joint"
    assert joints(demo)[3].tolist() == [30 + 1.1 * reach, 10], "a click next to the dot places a new joint"
    assert demo.joint_at(30 + 0.5 * reach, 10) == 2, "the nearest joint is chosen"
    assert demo.joint_at(30 + 0.6 * reach, 10) == 3, "the nearest joint is chosen"
    demo.frame.value = 2
    click(demo, 10, 10)
    assert demo.session.keys[2].xy[4].tolist() == [10, 10], "dots of another frame do not count here"


def test_an_undone_joint_is_the_next_to_be_placed(demo):
    placing(demo)
    click(demo, 10, 10), click(demo, 20, 10), click(demo, 30, 10)
    demo.frame.value = 5
    demo.undo.click()
    assert demo.joint.value == 2
    assert demo.frame.value == 0
    assert said(demo) == "took back the last change, on frame 0"
    demo.undo.click()
    assert demo.joint.value == 1
    assert joints(demo)[0].tolist() == [10, 10]
    stroke(demo, (20, 20))
    demo.joint.value = 4
    demo.undo.click()
    assert demo.joint.value == 4, "undoing a mask does not select a joint"


def test_a_drag_during_playback_stays_on_its_frame(demo):
    placing(demo)
    point(demo, "down", 10, 10)
    demo.frame.value = 3  # as during playback
    point(demo, "drag", 11, 10)
    assert sorted(demo.session.keys) == [0]
    assert demo.session.keys[0].xy[0].tolist() == [10, 10]


def test_moving_the_mouse_without_pressing_places_nothing(demo):
    placing(demo)
    for phase in ("hover", "drag", "up"):
        point(demo, phase, 10, 10)
    assert demo.session.keys == {}
    assert demo.joint.value == 0
    click(demo, 10, 10)
    point(demo, "drag", 40, 40)
    assert joints(demo)[0].tolist() == [10, 10], "the mouse button is up again"


def test_clicks_place_no_joints_while_masks_are_painted(demo):
    click(demo, 10, 10)
    assert demo.session.keys == {}


@pytest.mark.parametrize("name", SKELETONS)
def test_a_skeleton_can_be_chosen_by_name(demo, name):
    stroke(demo, (20, 20))
    placing(demo, next(n for n in SKELETONS if n != name))
    click(demo, 10, 10)
    demo.skeleton.value = name
    assert demo.session.joints is SKELETONS[name]
    assert demo.joint.value == 0
    assert [label for label, _ in demo.joint.options] == [n.replace("_", " ") for n in SKELETONS[name].names]
    assert demo.session.keys[0].ids.any(), "masks stay and joints are stored for later"
    assert np.isnan(demo.session.keys[0].xy).all(), "masks stay and joints are stored for later"
    assert demo.session.keys[0].xy.shape == (len(SKELETONS[name].names), 2)
    demo.undo.click()
    complaint(demo, "there is nothing left to undo")


def test_joints_return_with_their_skeleton(demo):
    placing(demo)
    click(demo, 10, 10)
    picture = demo.stage.data
    demo.skeleton.value = "four-legged"
    assert demo.session.keys == {}
    assert demo.stage.data != picture
    assert shown(demo) == "frame 0 of 8: nothing here yet; marked frames: none"
    demo.skeleton.value = "face"
    assert joints(demo)[0].tolist() == [10, 10]
    assert demo.stage.data == picture
    assert demo.joint.options[0] == ("left eye", 0)


# ---- tracking


def test_track_correct_and_track_again(demo):
    stroke(demo, (20, 20))
    demo.track.click()
    assert said(demo) == "tracked 7 frames from 1 marked frame(s). Look for errors, correct one, track again."
    assert demo.session.tracked == set(range(1, FRAMES))
    assert demo.work is None
    assert demo.bar.value == 0
    demo.frame.value = 5
    assert shown(demo) == "frame 5 of 8: tracked; marked frames: 0"
    assert demo.stage.data == picture_bytes(demo.session.picture(5, 0.5, demo.stage.width))
    tracked = demo.session.carried(5).ids
    stroke(demo, (40, 40))
    np.testing.assert_array_equal(demo.session.keys[5].ids, brush(tracked, [[40, 40]], demo.radius.value, 1))
    demo.track.click()
    assert said(demo).startswith("tracked 2 frames from 2 marked frame(s).")
    demo.track.click()
    assert said(demo) == "there was nothing to track: a mark counts for the frames after it, and nothing has changed there"


def test_without_marks_there_is_nothing_to_track(demo):
    demo.track.click()
    complaint(demo, "nothing is marked")
    assert disabled(demo) == {"cancel"}
    assert demo.work is None


def test_tracking_starts_at_the_marked_frame(demo):
    demo.frame.value = 3
    stroke(demo, (20, 20))
    demo.frame.value = 6
    demo.track.click()
    assert demo.session.plan((random_model("LabNet").fingerprint(), demo.protocol())) == []
    assert demo.session.tracked == set(range(FRAMES)) - {3}


def test_colours_alone_come_from_the_displayed_frame(demo):
    demo.colors.value = True
    assert demo.session.colors
    demo.frame.value = 4
    demo.track.click()
    assert said(demo).startswith("tracked 7 frames from the colours of frame 4.")
    assert demo.session.tracked == set(range(FRAMES)) - {4}
    assert demo.session.carried(2).ab is not None
    assert shown(demo) == "frame 4 of 8: gives the colours; marked frames: none"
    demo.clear.click()
    complaint(demo, "there is nothing on frame 4")
    stroke(demo, (20, 20))
    assert shown(demo) == "frame 4 of 8: marked by you; marked frames: 4; 7 frames are out of date: press Track"
    demo.colors.value = False
    assert not demo.session.colors


def test_a_network_that_sees_colour_cannot_colour(demo):
    demo.model.value = "tiny-lab"
    stroke(demo, (20, 20))
    demo.track.click()
    assert said(demo).startswith("tracked 7 frames")
    demo.colors.value = True
    assert demo.model.value == "tiny-gray", "a network that can colour must be chosen with the colours"
    demo.track.click()
    assert said(demo).startswith("tracked 7 frames")
    assert sorted(demo.models) == ["tiny-gray", "tiny-lab"]
    demo.model.value = "tiny-lab"
    demo.track.click()
    complaint(demo, "sees colour")
    demo.colors.value = False
    assert demo.model.value == "tiny-lab"


def test_each_network_is_loaded_once(demo, monkeypatch):
    asked = []
    monkeypatch.setattr(looks, "load_model", lambda *args: asked.append(args) or random_model())
    for x in (20, 40):
        stroke(demo, (x, 20))
        demo.track.click()
    assert asked == [("tiny-lab", "cpu")]


def test_detail_sets_the_frame_height_of_the_network(monkeypatch):
    monkeypatch.undo()
    demo = studio(device="cpu")
    assert demo.protocol() == replace(REFINED, size=160)
    assert demo.detail.options == ("quick (112 rows)", "half (160 rows)", "full (240 rows)", "fine (480 rows)")
    protocols = []
    for name in demo.detail.options:
        demo.detail.value = name
        protocols.append(demo.protocol())
    assert protocols == [replace(REFINED, size=112), replace(REFINED, size=160), REFINED, FINE]


def test_the_networks_shipped_with_tinytrack_can_be_used(path, monkeypatch, device):
    monkeypatch.undo()
    demo = studio(str(path), device=str(device))
    demo.detail.value = "quick (112 rows)"
    stroke(demo, (20, 20))
    for _, name in demo.model.options:
        demo.model.value = name
        demo.track.click()
        assert said(demo).startswith("tracked 7 frames")
        assert demo.models[name].device.type == device.type
    assert demo.models["tiny-lab"].sees_color
    assert not demo.models["tiny-gray"].sees_color


def test_cancel_keeps_finished_frames_and_track_resumes(demo, monkeypatch):
    stroke(demo, (20, 20))
    with monkeypatch.context() as patch:
        during(patch, demo.cancel.click)
        demo.track.click()
    assert said(demo) == "cancelled; the frames that were tracked are kept, and Track goes on from there"
    assert demo.session.tracked == {1, 2, 3}
    assert disabled(demo) == {"cancel"}
    assert demo.work is None
    assert demo.bar.value == 0
    assert demo.stage.active
    demo.track.click()
    assert said(demo).startswith("tracked 4 frames")
    assert demo.session.tracked == set(range(1, FRAMES))


def test_cancel_without_work_is_harmless(demo):
    before = demo.status.value
    demo.cancel.click()
    assert demo.status.value == before


def test_other_controls_are_disabled_while_work_runs(demo, monkeypatch):
    stroke(demo, (20, 20))
    seen = []
    during(monkeypatch, lambda: seen.append((disabled(demo), demo.stage.active, demo.work.total)))
    demo.track.click()
    assert seen == [({*READY, *ALWAYS}, False, 7)]
    assert disabled(demo) == {"cancel"}
    assert demo.stage.active


def test_a_second_job_is_refused_while_one_runs(demo, monkeypatch):
    stroke(demo, (20, 20))
    session, heard = demo.session, []
    monkeypatch.setattr(background, "EVERY", 60)  # the progress must not replace the text that is checked

    def press():
        for button in (demo.open_clip, demo.track, demo.export):
            button.click()
            heard.append(complaint(demo, "something is running", "Cancel"))

    during(monkeypatch, press)
    demo.track.click()
    assert len(heard) == 3
    assert demo.session is session
    assert said(demo).startswith("tracked 7 frames")


def test_in_a_live_kernel_buttons_return_immediately_and_the_work_continues(demo, monkeypatch):
    async def page():
        stroke(demo, (20, 20))
        demo.track.click()
        assert demo.session.tracked == set(), "the work has not started yet"
        await asyncio.sleep(0)
        assert demo.work is not None
        assert "track" in disabled(demo)
        assert "cancel" not in disabled(demo)
        demo.export.click()
        complaint(demo, "something is running")
        demo.frame.value = 2  # moving through the frames is allowed
        while demo.work is not None:
            await asyncio.sleep(0.01)
        assert said(demo).startswith("tracked 7 frames")
        assert disabled(demo) == {"cancel"}

    asyncio.run(page())


def test_two_quick_clicks_start_only_one_job(demo):
    async def page():
        stroke(demo, (20, 20))
        demo.track.click(), demo.track.click()
        complaint(demo, "something is running")
        while demo.work is not None:
            await asyncio.sleep(0.01)
        assert said(demo).startswith("tracked 7 frames")
        assert disabled(demo) == {"cancel"}

    asyncio.run(page())


def slowly(monkeypatch, seconds=0.05):
    """Let each frame of a track take this long, and the studio look as often as it can."""
    monkeypatch.setattr(follow, "EVERY", 0)
    monkeypatch.setattr(follow, "SHARE", 100)
    monkeypatch.setattr(background, "EVERY", 0.01)
    monkeypatch.setattr(pace, "SETTLE", 0)
    track = Session.track

    def patched(*args, **kwargs):
        for told in track(*args, **kwargs):
            time.sleep(seconds)
            yield told

    monkeypatch.setattr(Session, "track", patched)


def test_the_picture_follows_the_frame_that_is_tracked_and_returns(demo, monkeypatch):
    slowly(monkeypatch)
    demo.frame.value = 3
    stroke(demo, (20, 20))
    seen, heard = [], []
    demo.frame.observe(lambda change: seen.append((change["new"], demo.timeline.cells.count(16 * TRACKED + FULL))), "value")
    demo.status.observe(lambda change: heard.append(said(demo)), "value")
    demo.track.click()
    frames = [frame for frame, _ in seen]
    assert frames[-1] == demo.frame.value == 3
    order = [4, 5, 6, 7, 2, 1, 0]
    assert len(frames) > 4
    assert [order.index(frame) for frame in frames[:-1]] == sorted({order.index(frame) for frame in frames[:-1]})
    assert [count for _, count in seen] == sorted(count for _, count in seen), "the timeline fills"
    assert any(re.fullmatch(r"tracking: \d of 7 frames, [\d.]+ frames per second, a few seconds left", text) for text in heard), heard


def test_the_picture_stays_where_the_person_goes_while_tracking_runs(demo, monkeypatch):
    slowly(monkeypatch)
    stroke(demo, (20, 20))

    async def page():
        demo.track.click()
        while demo.frame.value == 0:
            await asyncio.sleep(0.005)
        demo.timeline.hear({"kind": "frame", "frame": 7})
        while demo.work is not None:
            assert demo.frame.value == 7
            await asyncio.sleep(0.005)

    asyncio.run(page())
    assert demo.frame.value == demo.timeline.frame == 7
    assert demo.session.tracked == set(range(1, FRAMES))


def test_an_error_while_tracking_returns_to_the_frame_too(demo, monkeypatch):
    slowly(monkeypatch)
    stroke(demo, (20, 20))

    def fail():
        time.sleep(0.1)
        raise TinytrackError("it failed")

    during(monkeypatch, fail, at=4)
    demo.track.click()
    complaint(demo, "it failed")
    assert demo.frame.value == 0


def test_progress_is_reported_in_frames(demo):
    show = demo.progress("tracking")
    show(3, 7)
    assert said(demo) == "tracking: 3 of 7 frames"
    assert (demo.bar.value, demo.bar.max) == (3, 7)
    show(0, 0)
    assert said(demo) == "tracking ..."
    assert demo.bar.value == 0


WRONG = {
    "a full disk": (OSError(errno.ENOSPC, "no"), "cannot go on: the disk is full"),
    "no memory": (MemoryError(), "not enough memory"),
    "no memory on the GPU": (torch.OutOfMemoryError("CUDA out of memory.\nTried"), "not enough memory"),
    "an error of ours": (TinytrackError("it is <i>odd</i>,\nreally"), "it is <i>odd</i>, really"),
}


@pytest.mark.parametrize("error, words", WRONG.values(), ids=WRONG)
def test_any_error_during_the_work_is_reported_in_one_sentence(demo, monkeypatch, error, words):
    stroke(demo, (20, 20))

    def fail():
        raise error

    with monkeypatch.context() as patch:
        during(patch, fail)
        demo.track.click()
    complaint(demo, words)
    assert demo.session.tracked == {1, 2, 3}
    assert disabled(demo) == {"cancel"}
    assert demo.work is None
    demo.track.click()
    assert said(demo).startswith("tracked 4 frames")


def test_a_missing_video_is_reported(demo, path):
    stroke(demo, (20, 20))
    path.unlink()
    demo.track.click()
    complaint(demo, "shapes.mp4")
    assert demo.session.keys[0].ids.any()
    assert len(demo.session) == FRAMES


# ---- export


def test_tracks_are_exported_and_can_be_read_back(demo, here):
    demo.name.value = "shape"
    demo.rename.click()
    stroke(demo, (20, 20))
    placing(demo)
    click(demo, 30.5, 20)
    demo.track.click()
    demo.out.value = "results/first"
    demo.export.click()
    out = here / "results" / "first"
    assert said(demo) == f"wrote joints.csv, joints.json, masks, objects.json, overlay.mp4 into results/first ({out})"
    np.testing.assert_array_equal(read_mask(out / "masks" / "00000.png", (H, W)), demo.session.keys[0].ids)
    assert len(list((out / "masks").iterdir())) == FRAMES
    names, xy, _ = read_joints_csv(out / "joints.csv")
    assert names == SKELETONS["face"].names
    assert xy[0, 0].tolist() == [30.5, 20]
    assert '"1": "shape"' in (out / "objects.json").read_text()
    assert len(open_video(out / "overlay.mp4").read()) == FRAMES


def test_colours_can_be_exported(demo, here):
    demo.colors.value = True
    demo.track.click()
    demo.export.click()
    out = here / "tinytrack-out"
    assert said(demo) == f"wrote colorized.mp4 into tinytrack-out ({out})"
    assert (out / "colorized.mp4").is_file()


def test_files_left_by_an_earlier_export_are_listed(demo, here):
    out = here / "tinytrack-out"
    stroke(demo, (20, 20))
    for _ in range(2):
        demo.track.click()
        demo.export.click()
        assert said(demo) == f"wrote masks, objects.json, overlay.mp4 into tinytrack-out ({out})", "nothing is left from before"
    (out / "notes.txt").write_text("mine")
    demo.undo.click()
    demo.colors.value = True
    demo.track.click()
    demo.export.click()
    left = "from an earlier export there are still overlay.mp4, masks, objects.json"
    assert said(demo) == f"wrote colorized.mp4 into tinytrack-out ({out}); {left}"


def test_an_empty_folder_name_falls_back_to_the_default(demo, here, tmp_path):
    stroke(demo, (20, 20))
    demo.track.click()
    demo.out.value = "  "
    demo.export.click()
    out = here / "tinytrack-out"
    assert said(demo).endswith(f"into tinytrack-out ({out})")
    assert (out / "overlay.mp4").is_file()
    out = tmp_path / "elsewhere"
    demo.out.value = str(out)
    demo.export.click()
    assert said(demo).endswith(f"into {out} ({out})")
    assert (out / "overlay.mp4").is_file()


def test_an_impossible_export_is_reported(demo, here):
    demo.export.click()
    complaint(demo, "8 of 8 frames are not tracked yet")
    stroke(demo, (20, 20))
    demo.track.click()
    (here / "file").write_text("mine")
    demo.out.value = "file"
    demo.export.click()
    complaint(demo, "'file'")
    assert [p.name for p in here.iterdir()] == ["file"]


def test_an_export_can_be_cancelled(demo, here, monkeypatch):
    stroke(demo, (20, 20))
    demo.track.click()
    export = looks.export

    def patched(session, out, tell):
        return export(session, out, lambda done, total: (done == 3 and demo.cancel.click(), tell(done, total)))

    monkeypatch.setattr(looks, "export", patched)
    demo.export.click()
    assert said(demo) == "cancelled; nothing was written"
    assert list(here.iterdir()) == []
    assert disabled(demo) == {"cancel"}


# ---- uploads


def upload(demo, name, content):
    """Send the messages that the browser sends when a file is chosen."""
    demo.upload.hear({"kind": "begin", "name": name, "size": len(content)}, [])
    demo.upload.hear({"kind": "piece", "number": demo.upload._number, "start": 0}, [memoryview(content)])


def test_an_upload_is_opened_and_its_path_can_be_opened_again(path):
    demo = studio(device="cpu")
    heard = []
    demo.status.observe(lambda change: heard.append(said(demo)), "value")
    upload(demo, "mine.mp4", path.read_bytes())
    assert said(demo).startswith("mine.mp4: 8 frames of 64x48.")
    assert heard[0] == "uploading: 100 %"
    assert demo.path.value.endswith("mine.mp4")
    assert len(open_clip(demo.path.value).read()) == FRAMES
    demo.frame.value = 3
    demo.open_path.click()
    assert said(demo).startswith("mine.mp4: 8 frames")
    assert demo.frame.value == 0


def test_an_upload_does_not_discard_marks_silently(demo, path):
    stroke(demo, (20, 20))
    upload(demo, "mine.mp4", path.read_bytes())
    complaint(demo, "this forgets your marks on shapes.mp4")
    assert demo.session.keys[0].ids.any()
    assert demo.path.value.endswith("mine.mp4")
    demo.open_path.click()
    assert said(demo).startswith("mine.mp4: 8 frames")
    assert demo.session.keys == {}


def test_the_same_upload_opens_after_one_warning(demo, path):
    stroke(demo, (20, 20))
    upload(demo, "mine.mp4", path.read_bytes())
    complaint(demo, "this forgets your marks on shapes.mp4", "press Open path, or upload mine.mp4 again")
    upload(demo, "mine.mp4", path.read_bytes())
    assert said(demo).startswith("mine.mp4: 8 frames")
    stroke(demo, (20, 20))
    upload(demo, "mine.mp4", path.read_bytes())
    complaint(demo, "this forgets your marks on mine.mp4")
    upload(demo, "other.mp4", path.read_bytes())
    complaint(demo, "this forgets your marks on mine.mp4")


def test_errors_of_uploads_name_the_file_and_no_folder(demo):
    upload(demo, "notes.mp4", b"no video at all")
    assert "tinytrack-upload" not in complaint(demo, "'notes.mp4'")


def test_an_unusable_upload_is_reported(demo):
    upload(demo, "<b>notes.mp4", b"no video at all")
    complaint(demo, "<b>notes.mp4")
    demo.upload.hear({"kind": "begin", "name": "long.mp4", "size": LIMIT + 1}, [])
    complaint(demo, "'long.mp4'", f"at most {LIMIT / 1e6:.0f} MB", "path")
    assert demo.session.video.title == "shapes.mp4"


def test_an_upload_during_work_is_kept_and_can_be_opened_by_its_path(demo, path, monkeypatch):
    stroke(demo, (20, 20))
    heard, session = [], demo.session
    content = path.read_bytes()
    during(monkeypatch, lambda: (upload(demo, "mine.mp4", content), heard.append(complaint(demo, "something is running"))))
    demo.track.click()
    assert len(heard) == 1
    assert demo.session is session
    assert said(demo).startswith("tracked 7 frames")
    demo.open_path.click()
    complaint(demo, "this forgets your marks on shapes.mp4")
    demo.open_path.click()
    assert said(demo).startswith("mine.mp4: 8 frames")


# ---- playing


def test_a_studio_plays_the_tracked_frames(demo):
    stroke(demo, (20, 20))
    demo.track.click()
    demo.stage.send = lambda message: "mark" in message and demo.stage.hear({"kind": "painted", "mark": message["mark"]})
    demo.playback.fps = 1000
    seen = []
    demo.stage.observe(lambda change: seen.append(change["new"]), "data")
    demo.playback.button.value = True
    assert demo.frame.value == 7
    assert seen == [picture_bytes(demo.session.picture(t, 0.5, demo.stage.width)) for t in range(1, FRAMES)]
