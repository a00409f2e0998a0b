"""Projects: what the studio saves in one file comes back from it, and whatever is wrong with such a file is said in one sentence."""

import html
import io
import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.helpers import assert_one_sentence
from tinytrack.datasets.clips import open_clip
from tinytrack.datasets.synth import moving_shapes
from tinytrack.draw.style import object_color
from tinytrack.errors import OutputError, ProjectError
from tinytrack.interactive import project_file, saving
from tinytrack.interactive import studio as looks
from tinytrack.interactive.project import Project, VideoFacts
from tinytrack.interactive.project_file import ENDING, read_project, write_project
from tinytrack.interactive.session import Session
from tinytrack.interactive.skeletons import SKELETONS
from tinytrack.interactive.studio import studio
from tinytrack.io.masks import read_mask
from tinytrack.model import random_model

H, W, FRAMES = 48, 64, 6
SCENE = moving_shapes(1, frames=FRAMES, height=H, width=W).frames
NAMES = ['größe "1"', "Hund's 犬"]
RED = 'class="tinytrack-wrong"'


@pytest.fixture
def path(make_video):
    return make_video("given/shapes.mp4", SCENE)


@pytest.fixture
def demo(path, here):
    return marked(studio(str(path), device="cpu"))


def marked(demo):
    """Two objects with difficult names on frames 0 and 4, joints of two skeletons on frames 0, 2 and 3; frame 5 was erased."""
    demo.name.value = NAMES[0]
    demo.rename.click()
    demo.name.value = NAMES[1]
    demo.add.click()
    stroke(demo, 0, (45, 30))
    demo.which.value = 1
    stroke(demo, 0, (20, 20)), stroke(demo, 4, (30, 30))
    demo.kind.value = "joints"
    place(demo, "human", 3, (7, 8.25))
    place(demo, "face", 0, (50.5, 11)), place(demo, "face", 2, (30, 12))
    demo.frame.value = 4
    demo.clear.click()
    stroke(demo, 5, (30, 30))
    demo.frame.value = 5
    demo.clear.click()
    stroke(demo, 4, (31, 30))
    return demo


def stroke(demo, frame, *points):
    demo.kind.value, demo.frame.value = "masks", frame
    demo.stage.hear({"kind": "stroke", "points": [list(p) for p in points]})


def place(demo, skeleton, frame, xy):
    demo.kind.value, demo.skeleton.value, demo.frame.value, demo.joint.value = "joints", skeleton, frame, 1
    for phase in ("down", "up"):
        demo.stage.hear({"kind": "point", "phase": phase, "place": list(xy)})


def said(demo) -> str:
    return html.unescape(re.sub("<[^>]*>", "", demo.status.value))


def complaint(demo, *parts) -> str:
    assert RED in demo.status.value, demo.status.value
    assert_one_sentence(said(demo), *parts)
    return said(demo)


def save(demo, name="mine"):
    """Save under this name and return the path of the file."""
    demo.project.value = name
    demo.save.click()
    assert said(demo).startswith("saved the project"), said(demo)
    return demo.project.value


def reopen(demo, name):
    demo.project.value = str(name)
    demo.reopen.click()


def same_marks(a, b) -> bool:
    """Whether two sessions have the same pixels, joints of all skeletons and names."""
    keys = a.keys.keys() == b.keys.keys() and all(
        np.array_equal(a.keys[t].ids, b.keys[t].ids) and np.array_equal(a.keys[t].xy, b.keys[t].xy, equal_nan=True) for t in a.keys
    )
    places = [{names: {t: xy.tolist() for t, xy in p.items()} for names, p in s.aside.items() if p} for s in (a, b)]
    return keys and str(places[0]) == str(places[1]) and a.objects == b.objects and a.joints is b.joints


# ---- saving and opening


def test_a_project_brings_everything_back(demo, path, here):
    demo.model.value = "tiny-gray"
    demo.detail.value = next(text for text in demo.detail.options if text.startswith("quick"))
    assert demo.access.unsaved
    file = save(demo)
    assert file == "mine" + ENDING
    assert said(demo) == f"saved the project {file} ({here / file}); marked frames: 0, 2, 4, 5"
    assert not demo.access.unsaved
    assert os.listdir(here) == [file], "no temporary file is left"
    other = studio(device="cpu")
    reopen(other, "mine")  # the ending may be left out
    assert said(other).startswith(f"opened the project {file} with shapes.mp4; marked frames: 0, 2, 3, 4, 5."), said(other)
    assert same_marks(other.session, demo.session)
    assert other.session.objects == NAMES
    assert other.which.options == ((NAMES[0], 1), (NAMES[1], 2))
    assert (other.model.value, other.detail.value, other.skeleton.value, other.colors.value) == (
        "tiny-gray",
        demo.detail.value,
        "face",
        False,
    )
    assert not other.access.unsaved
    for name in ("human", "face"):
        demo.skeleton.value = other.skeleton.value = name
        assert same_marks(other.session, demo.session)


def test_undo_works_after_opening(demo):
    file = save(demo)
    other = studio(device="cpu")
    reopen(other, file)
    stroke(other, 1, (10, 10))
    other.undo.click()
    assert same_marks(other.session, demo.session)
    other.undo.click()
    assert other.session.keys == {}
    other.redo.click()
    assert same_marks(other.session, demo.session)


def test_the_colours_and_their_network_come_back(demo):
    demo.colors.value = True
    file = save(demo)
    other = studio(device="cpu")
    reopen(other, file)
    assert other.session.colors
    assert other.model.value == "tiny-gray"


def test_a_deleted_object_stays_deleted(demo):
    demo.which.value = 1
    demo.delete.click()
    other = studio(device="cpu")
    reopen(other, save(demo))
    assert other.session.objects == [None, NAMES[1]]
    assert same_marks(other.session, demo.session)


def test_a_project_without_marks_keeps_the_names(path, here):
    demo = studio(str(path), device="cpu")
    demo.name.value = "dog"
    demo.rename.click()
    other = studio(device="cpu")
    reopen(other, save(demo))
    assert other.session.objects == ["dog"]
    assert other.session.keys == {}


def test_a_project_can_be_tracked_and_exported(demo, here, monkeypatch):
    monkeypatch.setattr(looks, "load_model", lambda name, device: random_model("LabNet" if "lab" in name else "TinyNet", device=device))
    other = studio(device="cpu")
    reopen(other, save(demo))
    other.track.click()
    assert said(other).startswith("tracked "), said(other)
    other.export.click()
    assert said(other).startswith("wrote "), said(other)
    assert np.array_equal(read_mask(here / "tinytrack-out" / "masks" / "00000.png"), demo.session.keys[0].ids)


def test_people_and_other_programs_can_read_a_project(demo, path, tmp_path):
    with zipfile.ZipFile(save(demo)) as file:
        file.extractall(tmp_path / "unpacked")
    content = json.loads((tmp_path / "unpacked" / "project.json").read_text())
    assert content["video"] | {"fingerprint": ""} == {
        "source": str(path), "title": "shapes.mp4", "size": [H, W], "frames": FRAMES, "fingerprint": "",
    }  # fmt: skip
    assert [item["name"] for item in content["objects"]] == NAMES
    assert [tuple(bytes.fromhex(item["color"][1:])) for item in content["objects"]] == [tuple(object_color(n)) for n in (1, 2)]
    assert content["masks"] == {"0": "masks/00000.png", "4": "masks/00004.png", "5": None}
    assert content["joints"] == {
        "face": {"0": {"right_eye": [50.5, 11.0]}, "2": {"right_eye": [30.0, 12.0]}},
        "human": {"3": {"neck": [7.0, 8.25]}},
    }
    assert np.array_equal(read_mask(tmp_path / "unpacked" / "masks" / "00000.png"), demo.session.keys[0].ids)


def test_a_sample_is_found_by_its_name(here):
    demo = studio("bikes-1", device="cpu")
    assert demo.project.value == "bikes-1" + ENDING
    stroke(demo, 3, (100, 100))
    file = save(demo, demo.project.value)
    other = studio(device="cpu")
    reopen(other, file)
    assert other.session.video.title == "bikes-1"
    assert same_marks(other.session, demo.session)


# ---- what saving may replace


def test_a_project_is_saved_again_and_again(demo):
    file = save(demo)
    stroke(demo, 1, (10, 10))
    assert save(demo, file) == file
    assert sorted(read_project(file).keys) == [0, 1, 2, 4, 5]


def test_a_project_that_was_opened_may_be_replaced(demo):
    file = save(demo)
    other = studio(device="cpu")
    reopen(other, file)
    stroke(other, 1, (10, 10))
    assert save(other, file) == file
    assert 1 in read_project(file).keys


@pytest.mark.parametrize("kind", ["a project", "another file", "a folder", "a link"])
def test_a_file_of_someone_else_is_not_replaced(demo, here, kind):
    target = here / f"other{ENDING}"
    if kind == "a folder":
        target.mkdir()
    elif kind == "a link":
        target.symlink_to(here / save(demo, "original"))
    else:
        target.write_bytes(b"mine" if kind == "another file" else (here / save(demo, "original")).read_bytes())
    before = sorted((p.name, p.is_dir() or p.read_bytes()) for p in here.iterdir())
    demo.project.value = "other"
    demo.save.click()
    complaint(demo, f"'other{ENDING}' exists, and was neither saved nor opened here with this video: choose another name")
    assert sorted((p.name, p.is_dir() or p.read_bytes()) for p in here.iterdir()) == before


def test_a_project_that_changed_meanwhile_is_not_replaced(demo):
    file = save(demo)
    with open(file, "ab") as other:
        other.write(b"!")
    demo.save.click()
    complaint(demo, f"'{file}' has changed since it was saved or opened here: choose another name")


def test_the_project_of_one_video_does_not_replace_that_of_another(demo, make_video):
    file = save(demo, "shapes")
    demo.load(str(make_video("other.mp4", SCENE[:3])))
    assert demo.project.value == "other" + ENDING
    demo.project.value = file
    demo.save.click()
    complaint(demo, "was neither saved nor opened here with this video")
    assert read_project(file).video.title == "shapes.mp4"


def test_the_suggested_name_is_free(path, here):
    (here / f"shapes{ENDING}").touch(), (here / f"shapes-2{ENDING}").touch()
    assert studio(str(path), device="cpu").project.value == f"shapes-3{ENDING}"


def test_a_full_disk_is_reported_and_nothing_counts_as_saved(demo, here, monkeypatch):
    monkeypatch.setattr(saving, "write_project", lambda *args: (_ for _ in ()).throw(OutputError("cannot write 'x': the disk is full")))
    demo.save.click()
    complaint(demo, "the disk is full")
    assert demo.access.unsaved


def test_an_error_while_writing_leaves_the_earlier_file(demo, monkeypatch):
    file = save(demo)
    before = Path(file).read_bytes()
    stroke(demo, 1, (10, 10))
    monkeypatch.setattr(project_file, "json_text", lambda *args: (_ for _ in ()).throw(OSError(28, "full")))
    demo.save.click()
    complaint(demo, "the disk is full")
    assert Path(file).read_bytes() == before
    assert os.listdir() == [file]


def test_without_a_name_nothing_is_saved(demo, here):
    demo.project.value = "  "
    for button in (demo.save, demo.reopen):
        button.click()
        complaint(demo, f"type a name for the project: NAME{ENDING}")
    assert os.listdir(here) == []


def test_opening_forgets_marks_only_if_they_are_saved_or_after_a_second_press(demo, make_video):
    file = save(demo)
    demo.load(str(make_video("other.mp4", SCENE[:3])))
    assert said(demo).startswith("other.mp4: 3 frames"), "the marks are saved"
    stroke(demo, 1, (10, 10))
    reopen(demo, file)
    complaint(demo, "this forgets your marks on other.mp4", "save the project or export them first", "press the same button again")
    assert demo.session.video.title == "other.mp4"
    demo.reopen.click()
    assert said(demo).startswith("opened the project")
    demo.name.value = "renamed"
    demo.rename.click()
    reopen(demo, file)
    complaint(demo, "this forgets your marks on shapes.mp4")


# ---- uploads, and videos that are gone


def upload(demo, name, content):
    demo.upload.hear({"kind": "begin", "name": name, "size": len(content)}, [])
    demo.upload.hear({"kind": "piece", "number": demo.upload._number, "start": 0}, [memoryview(content)])


def test_a_project_can_be_uploaded(demo, here):
    content = Path(save(demo)).read_bytes()
    other = studio(device="cpu")
    upload(other, "mine.tinytrack (1).zip", content)
    assert said(other).startswith("opened the project mine.tinytrack (1).zip with shapes.mp4"), said(other)
    assert same_marks(other.session, demo.session)
    assert other.project.value == f"mine-2{ENDING}", "a file of the working folder is not replaced"
    assert "tinytrack-upload" not in other.status.value


def test_the_project_of_an_upload_asks_for_the_video(path, here):
    demo = studio(device="cpu")
    upload(demo, "mine.mp4", path.read_bytes())
    marked(demo)
    file = save(demo)
    assert read_project(file).video.source is None
    other = studio(device="cpu")
    reopen(other, file)
    complaint(other, "the video 'mine.mp4' of this project was uploaded", "open the video by hand, then open the project again")
    assert other.session is None
    upload(other, "mine.mp4", path.read_bytes())
    reopen(other, file)
    assert same_marks(other.session, demo.session)


def test_a_video_that_is_gone_is_asked_for(demo, path, tmp_path):
    file = save(demo)
    moved = path.rename(tmp_path / "elsewhere.mp4")
    other = studio(device="cpu")
    reopen(other, file)
    complaint(other, f"the video '{path}' of this project is not there any more: open the video by hand, then open the project again")
    other.load(str(moved))
    session = other.session
    reopen(other, file)
    assert said(other).startswith(f"opened the project {file} with elsewhere.mp4"), said(other)
    assert "Note" not in said(other)
    assert same_marks(other.session, demo.session)
    assert other.session is not session
    assert len(other.session) == FRAMES


def test_a_video_that_moved_with_its_project_is_found(demo, path, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.move(save(demo), moved / f"mine{ENDING}")
    shutil.move(path, moved)
    other = studio(device="cpu")
    reopen(other, moved / "mine")
    assert same_marks(other.session, demo.session)
    assert other.session.video.path == moved / "shapes.mp4"


def test_a_similar_video_is_taken_with_a_note_and_an_unlike_one_is_not(demo, path, make_video):
    file = save(demo)
    path.unlink()
    other = studio(str(make_video("mirrored.mp4", SCENE[:, :, ::-1])), device="cpu")
    reopen(other, file)
    assert "Note: the frames differ from those that were marked" in said(other)
    assert same_marks(other.session, demo.session)
    for name, scene in (("short.mp4", SCENE[:4]), ("small.mp4", SCENE[:, :, :48])):
        other = studio(str(make_video(name, scene)), device="cpu")
        session = other.session
        reopen(other, file)
        complaint(other, "is not there any more")
        assert other.session is session
        shutil.copy(session.video.path, path)
        reopen(studio(device="cpu"), file)
        other = studio(device="cpu")
        reopen(other, file)
        found = "4 frames of 64x48" if name == "short.mp4" else "frames of 48x48"
        complaint(other, f"'{path}' is not the video of this project any more: it has {found}, expected 6 frames of 64x48")
        path.unlink()


def test_a_damaged_video_is_reported(demo, path):
    file = save(demo)
    path.write_bytes(b"no video")
    other = studio(device="cpu")
    reopen(other, file)
    complaint(other, "cannot open the video of this project", str(path), "open the video by hand")


def test_reading_the_video_can_be_cancelled(demo, make_video, monkeypatch):
    file = save(demo)
    other = marked(studio(str(make_video("other.mp4", SCENE[:6, ::-1])), device="cpu"))
    session, read = other.session, Session.read
    monkeypatch.setattr(Session, "read", lambda self: (other.cancel.click() or n for n in read(self)))
    reopen(other, file)
    other.reopen.click()
    assert said(other) == "cancelled; nothing was opened"
    assert other.session is session


# ---- damaged and foreign files


def rewritten(file, change=None, **entries):
    """Change the content of project.json, and replace or add entries of the zip; None leaves one out."""
    with zipfile.ZipFile(file) as old:
        data = {name: old.read(name) for name in old.namelist()}
    if change:
        content = json.loads(data["project.json"])
        data["project.json"] = json.dumps(change(content) or content).encode()
    data |= entries
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name, value in data.items():
            if value is not None:
                new.writestr(name, value)


def png(size=(W, H), mode="P", value=1):
    buffer = io.BytesIO()
    Image.new(mode, size, value).save(buffer, "PNG")
    return buffer.getvalue()


def setting(*where, to):
    """Return a change that sets one value deep in project.json."""

    def change(content):
        for name in where[:-1]:
            content = content[name]
        content[where[-1]] = to

    return change


def without(name):
    return lambda file: rewritten(file, lambda content: content.pop(name) and None)


def changed(*where, to):
    return lambda file: rewritten(file, setting(*where, to=to))


def entries(**new):
    return lambda file: rewritten(file, **new)


def written(data):
    return lambda file: Path(file).write_bytes(data)


DAMAGE = {
    # no project at all
    "no zip": (written(b"no zip at all"), "it is damaged, or no zip file that the studio saved"),
    "empty": (written(b""), "it is damaged, or no zip file"),
    "cut off": (lambda f: os.truncate(f, os.path.getsize(f) - 40), "it is damaged, or no zip file"),
    "foreign zip": (entries(**{"project.json": None}), "it lacks project.json"),
    "no JSON": (entries(**{"project.json": b"{"}), "its project.json is damaged"),
    "not UTF-8": (entries(**{"project.json": b"\xff"}), "its project.json is damaged"),
    "nested": (entries(**{"project.json": b'{"a":' * 100_000}), "its project.json is damaged"),
    "a list": (entries(**{"project.json": b"[]"}), "its project.json is damaged"),
    "foreign JSON": (entries(**{"project.json": b'{"format": "geo"}'}), "not from the studio: expected the format 'tinytrack project 1'"),
    "future": (changed("format", to="tinytrack project 2"), "a newer version of tinytrack saved it: update tinytrack"),
    # missing and wrong parts
    **{f"no {name}": (without(name), f"lacks '{name}'") for name in ("video", "objects", "skeleton", "joints", "masks")},
    "no size": (lambda f: rewritten(f, lambda c: c["video"].pop("size") and None), "lacks 'size'"),
    "video": (changed("video", to=3), "'video' in its project.json is not what the studio writes"),
    "size": (changed("video", "size", to=[0, 5]), "not those of a video"),
    "huge size": (changed("video", "size", to=[10**9, 10**9]), "not those of a video"),
    "frames": (changed("video", "frames", to=True), "'frames' in its project.json"),
    "source": (changed("video", "source", to="a\0b"), "the path of its video is not a text"),
    "objects": (changed("objects", to=[3]), "'objects' are not what"),
    "no object": (changed("objects", to=[None]), "it has no object"),
    "no name": (changed("objects", 0, "name", to=" "), "the name of an object is not a text"),
    "half a character": (changed("objects", 0, "name", to="\ud800"), "the name of an object is not a text"),
    "two names": (changed("objects", to=2 * [{"name": "dog"}]), "two of its objects have the same name"),
    "too many": (changed("objects", to=[{"name": str(n)} for n in range(300)]), "it has 300 objects: expected at most"),
    "unnamed": (changed("objects", to=[{"name": "dog"}]), "masks/00000.png in it has an object 2, which has no name"),
    "skeleton": (changed("skeleton", to="spider"), "there is no skeleton 'spider': expected one of human, face, four-legged"),
    "joints of a spider": (changed("joints", "spider", to={}), "there is no skeleton 'spider'"),
    "unknown joint": (changed("joints", "face", "0", "ear", to=[1, 2]), "the skeleton 'face' has no joint 'ear'"),
    "one number": (changed("joints", "face", "0", "nose", to=[1]), "the joint 'nose' on frame 0 is not a pair of numbers inside"),
    "no number": (changed("joints", "face", "0", "nose", to=["1", True]), "the joint 'nose' on frame 0"),
    "not finite": (changed("joints", "face", "0", "nose", to=[float("nan"), 1]), "the joint 'nose' on frame 0"),
    "outside": (changed("joints", "human", "3", "neck", to=[64.5, 1]), "the joint 'neck' on frame 3"),
    "joints of nothing": (changed("joints", "face", to=[]), "the joints of 'face'"),
    "a list of joints": (changed("joints", "face", "0", to=[]), "the joints on frame 0"),
    "frame after the end": (changed("masks", "6", to=None), "it has marks on frame '6': expected a frame from 0 to 5"),
    "frame -1": (changed("joints", "human", "-1", to={}), "it has marks on frame '-1'"),
    "part": (changed("part", to=[2, 6]), "its part is not [first, last] of frames 0 to 5"),
    "empty part": (changed("part", to=[3, 2]), "its part is not"),
    "settings": (changed("settings", to=[]), "its 'settings' are not"),
    "network": (changed("settings", "network", to="huge"), "its network is 'huge', expected one of tiny-lab, tiny-gray"),
    "colours": (changed("settings", "colours", to="red"), "its colours is 'red'"),
    # masks
    "missing mask": (entries(**{"masks/00004.png": None}), "it lacks masks/00004.png"),
    "mask of another size": (entries(**{"masks/00000.png": png((9, 9))}), "masks/00000.png in it is 9x9: expected 64x48 like the video"),
    "photo": (entries(**{"masks/00000.png": png(mode="RGB", value=(1, 2, 3))}), "masks/00000.png in it is not a mask"),
    "no picture": (entries(**{"masks/00000.png": b"AAAA"}), "masks/00000.png in it is damaged"),
    "half a picture": (entries(**{"masks/00000.png": png()[:60]}), "masks/00000.png in it is damaged"),
    "no name of a mask": (changed("masks", "0", to=[1]), "the mask of frame 0 is not the name of a PNG"),
    # attacks
    "path up": (entries(**{"../evil.png": png()}), "the entry '../evil.png' leads out of the zip file"),
    "path up in the middle": (entries(**{"masks/../../evil": b""}), "leads out of the zip file"),
    "path of Windows": (entries(**{"masks\\..\\evil": b""}), "leads out of the zip file"),
    "absolute path": (entries(**{"/etc/evil": b""}), "the entry '/etc/evil' leads out of the zip file"),
    "drive": (entries(**{"C:evil": b""}), "leads out of the zip file"),
    "mask up": (changed("masks", "0", to="../../secret.png"), "it lacks ../../secret.png"),
    "bomb of JSON": (entries(**{"project.json": b" " * 60_000_000}), "project.json in it is larger than 50 MB"),
    "bomb of a mask": (entries(**{"masks/00000.png": bytes(60_000_000)}), "masks/00000.png in it is larger than 50 MB"),
    "bomb of pixels": (entries(**{"masks/00000.png": png((12_000, 7_000), "1", 0)}), "masks/00000.png in it is 12000x7000"),
    "larger bomb": (entries(**{"masks/00000.png": png((20_000, 10_000), "1", 0)}), "masks/00000.png in it is damaged"),
    "many pixels": (
        lambda f: rewritten(f, lambda c: c["video"].update(size=[60_000, 60_000]) or c["masks"].update({"1": None, "2": None}) or None),
        "million pixels: expected at most 4000",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """A project file that nothing is wrong with; tests copy it."""
    import av

    folder = tmp_path_factory.mktemp("intact")
    with av.open(str(folder / "shapes.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = H, W, "yuv420p"
        for frame in SCENE:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    demo = marked(studio(str(folder / "shapes.mp4"), device="cpu"))
    demo.project.value = str(folder / "intact")
    demo.save.click()
    return folder / f"intact{ENDING}"


def test_the_intact_file_opens(intact):
    demo = studio(device="cpu")
    reopen(demo, intact)
    assert said(demo).startswith("opened the project")


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_whatever_is_wrong_is_said_in_one_sentence_and_nothing_changes(intact, here, damage):
    file = shutil.copy(intact, here / f"bad{ENDING}")
    spoil, words = damage
    spoil(file)
    demo = studio(str(intact.parent / "shapes.mp4"), device="cpu")
    stroke(demo, 1, (10, 10))
    before = demo.session, dict(demo.session.keys), demo.model.value, demo.skeleton.value, len(demo.session._history.past)
    for _ in range(2):  # also instead of the warning about the marks
        reopen(demo, file)
        complaint(demo, f"cannot open the project '{file}': ", words)
    assert (demo.session, dict(demo.session.keys), demo.model.value, demo.skeleton.value, len(demo.session._history.past)) == before
    assert os.listdir(here) == [f"bad{ENDING}"]


def test_a_project_that_is_missing_or_a_folder_is_reported(here):
    demo = studio(device="cpu")
    reopen(demo, "none")
    complaint(demo, f"no such project: 'none{ENDING}'")
    (here / f"folder{ENDING}").mkdir()
    reopen(demo, "folder")
    complaint(demo, "cannot open the project", "it is a folder, not a file")


def test_a_folder_of_frames_may_be_called_zip(make_folder):
    demo = studio(device="cpu")
    demo.load(str(make_folder("frames.zip", SCENE)))
    assert said(demo).startswith("frames.zip: 6 frames")


def test_an_encrypted_entry_is_reported(intact, tmp_path):
    data = bytearray(intact.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1  # the flag of encrypted entries
    (tmp_path / "bad.zip").write_bytes(data)
    with pytest.raises(ProjectError) as error:
        read_project(tmp_path / "bad.zip")
    assert_one_sentence(error, "its content cannot be unpacked")


def test_random_damage_never_raises_another_error(intact, tmp_path):
    """Each file has some bytes changed; it opens with the same marks, or says that it is damaged."""
    data, random, refused = intact.read_bytes(), np.random.default_rng(0), 0
    for _ in range(300):
        spoiled = bytearray(data)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            spoiled[place] = random.integers(0, 256)
        (tmp_path / "bad.zip").write_bytes(spoiled)
        try:
            read_project(tmp_path / "bad.zip")
        except ProjectError as error:
            assert_one_sentence(error)
            refused += 1
    assert refused > 200


def test_a_file_that_lies_about_its_sizes_takes_little_memory(intact, tmp_path):
    """The directory of the zip says that project.json is small, but it unpacks to 100 MB."""
    file = tmp_path / "bad.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("project.json", b" " * 100_000_000)
    data = file.read_bytes()
    file.write_bytes(data.replace((100_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with pytest.raises(ProjectError) as error:
        read_project(file)
    assert_one_sentence(error, "damaged")


def test_a_project_without_settings_leaves_them_as_they_are(path, tmp_path):
    session = Session(open_clip(path))
    list(session.read())
    session.choose(SKELETONS["face"])
    write_project(tmp_path / "x.zip", Project.of(session, VideoFacts.of(session)))
    demo = studio(device="cpu")
    demo.detail.value = demo.detail.options[-1]
    demo.load(str(tmp_path / "x.zip"))  # the box for paths of videos takes projects too
    assert said(demo).startswith("opened the project x.zip")
    assert demo.detail.value == demo.detail.options[-1]
    assert demo.skeleton.value == "face"
