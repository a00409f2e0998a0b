"""Marks are kept while a person works, and a later session with the same video can bring them back."""

import os
import time

import numpy as np
import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.datasets.clips import open_clip
from tinytrack.datasets.synth import moving_shapes
from tinytrack.errors import OutputError
from tinytrack.interactive.autosave import Autosave
from tinytrack.interactive.project import fingerprint
from tinytrack.interactive.project_file import ENDING
from tinytrack.interactive.session import Session
from tinytrack.interactive.skeletons import SKELETONS
from tinytrack.interactive.studio import studio

H, W, FRAMES = 48, 64, 4
SCENE = moving_shapes(1, frames=FRAMES, height=H, width=W).frames


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder for each test."""
    monkeypatch.setenv("TINYTRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "studio"


@pytest.fixture
def path(make_video):
    return make_video("shapes.mp4", SCENE)


def opened(path) -> Session:
    session = Session(open_clip(path))
    list(session.read())
    return session


def marked(session) -> Session:
    """Two objects on frame 0, joints on frames 0 and 2."""
    session.choose(SKELETONS["face"])
    session.rename_object(1, 'größe "1"')
    session.add_object("dog")
    session.paint(0, [[20, 20]], 5, 1), session.paint(0, [[45, 30]], 5, 2)
    session.place(0, 0, (10.25, 11)), session.place(2, 3, (30, 12))
    return session


def same(a: dict, b: dict) -> bool:
    """Whether two dictionaries of marks hold the same pixels and joints."""
    return a.keys() == b.keys() and all(np.array_equal(a[t].ids, b[t].ids) and np.array_equal(a[t].xy, b[t].xy, equal_nan=True) for t in a)


def test_a_later_session_brings_everything_back(path):
    first = marked(opened(path))
    Autosave(first).save()
    second = opened(path)
    saved = Autosave(second).read()
    assert saved.skeleton == "face"
    second.choose(SKELETONS["face"])
    saved.restore(second)
    assert same(second.keys, first.keys)
    assert second.objects == ['größe "1"', "dog"]
    assert second.undo() == 0
    assert second.keys == {}
    assert second.objects[0] == "object 1"
    second.redo()
    assert same(second.keys, first.keys)


def test_marks_made_before_the_old_ones_come_back_are_kept(path):
    Autosave(marked(opened(path))).save()
    second = opened(path)
    second.choose(SKELETONS["face"])
    second.paint(3, [[20, 20]], 5, 1)
    Autosave(second).read().restore(second)
    assert sorted(second.keys) == [0, 2, 3]


def test_a_deleted_object_stays_deleted(path):
    first = marked(opened(path))
    first.delete_object(1)
    Autosave(first).save()
    second = opened(path)
    second.choose(SKELETONS["face"])
    Autosave(second).read().restore(second)
    assert second.objects[1] == "dog"
    assert np.unique(second.keys[0].ids).tolist() == [0, 2]


def test_no_session_writes_into_the_file_of_another(path, cache):
    Autosave(marked(opened(path))).save()
    (file,) = cache.iterdir()
    before = file.read_bytes()
    second = opened(path)
    autosave = Autosave(second)
    autosave.save()
    assert list(cache.iterdir()) == [file], "without marks there is nothing to keep"
    second.paint(1, [[20, 20]], 5, 1)
    autosave.save()
    assert len(list(cache.iterdir())) == 2
    assert file.read_bytes() == before


def test_the_newest_marks_are_offered(path, cache):
    for n, frame in enumerate((1, 3, 2)):
        session = opened(path)
        session.paint(frame, [[20, 20]], 5, 1)
        autosave = Autosave(session)
        autosave.save()
        os.utime(autosave._path, (1000 + n, 1000 + n))
    assert sorted(Autosave(opened(path)).read().keys) == [2]


def test_a_video_is_recognised_by_its_frames(path, make_video, tmp_path):
    copy = tmp_path / "elsewhere.mp4"
    copy.write_bytes(path.read_bytes())
    assert fingerprint(opened(path)) == fingerprint(opened(copy))
    assert fingerprint(opened(path)) != fingerprint(opened(make_video("other.mp4", SCENE[:3])))
    assert fingerprint(opened(path)) != fingerprint(opened(make_video("turned.mp4", SCENE[:, ::-1])))


def test_the_joints_of_all_skeletons_come_back(path):
    first = marked(opened(path))
    first.choose(SKELETONS["human"])
    first.place(3, 2, (7, 8))
    Autosave(first).save()
    second = opened(path)
    Autosave(second).read().restore(second)
    assert same(second.keys, first.keys)
    for session in (first, second):
        session.choose(SKELETONS["face"])
    assert same(second.keys, first.keys)
    assert second.keys[2].xy[3].tolist() == [30, 12]


def test_a_frame_whose_marks_were_erased_comes_back_as_such(path):
    first = opened(path)
    first.paint(0, [[20, 20]], 5, 1), first.clear(2)
    Autosave(first).save()
    second = opened(path)
    Autosave(second).read().restore(second)
    assert sorted(second.key_frames) == [0, 2]
    assert second.keys[2].empty


@pytest.mark.parametrize("damage", [lambda data: data[:-30], lambda data: b"", lambda data: data.replace(b"project.json", b"project.jsOn")])
def test_a_damaged_file_is_not_offered_and_stays(path, cache, damage):
    Autosave(marked(opened(path))).save()
    (file,) = cache.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert Autosave(opened(path)).earlier is None
    assert list(cache.iterdir()) == [file]


def test_marks_of_a_video_of_another_length_are_not_offered(path, cache, make_video):
    short, long = opened(make_video("short.mp4", SCENE[:3])), opened(path)
    Autosave(marked(long)).save()
    (file,) = cache.iterdir()
    file.rename(cache / file.name.replace(fingerprint(long), fingerprint(short)))
    assert Autosave(short).earlier is None


# ---- old files


def left_behind(cache, count, pid=2**22 + 1, days=1.0):
    """Files of sessions that ended; no process can have this number."""
    cache.mkdir(parents=True, exist_ok=True)
    files = [cache / f"{0:024x}-{pid}-{n:08x}{ENDING}" for n in range(count)]
    for n, file in enumerate(files):
        file.write_bytes(b"old")
        os.utime(file, (time.time() - 86400 * days - n,) * 2)
    return files


def test_files_older_than_90_days_are_removed(path, cache):
    (old,), other = left_behind(cache, 1, days=91), cache / "mine.txt"
    earlier = cache / f"{0:024x}-{2**22 + 1}-00000001.json"  # of a version that wrote another format
    for file in (other, earlier):
        file.write_bytes(b"old")
        os.utime(file, (0, 0))
    (new,) = left_behind(cache, 1, pid=2**22 + 2, days=89)
    Autosave(opened(path))
    assert set(cache.iterdir()) == {new, other}
    assert not old.exists()


def test_only_the_newest_50_files_are_kept(path, cache):
    files = left_behind(cache, 53)
    Autosave(opened(path))
    assert {file for file in files if file.exists()} == set(files[:50])


def test_a_file_of_a_running_session_is_never_removed(path, cache):
    running = left_behind(cache, 52, pid=os.getpid(), days=200)
    Autosave(opened(path))
    assert all(file.exists() for file in running)


def test_a_file_that_disappears_is_named_in_the_error(path, cache):
    Autosave(marked(opened(path))).save()
    autosave = Autosave(opened(path))
    autosave.earlier.unlink()
    with pytest.raises(OutputError) as error:
        autosave.read()
    assert_one_sentence(error, "cannot read the marks", str(cache))


# ---- in the studio


def test_the_studio_offers_the_marks_of_a_session_that_ended(path, cache):
    first = studio(str(path), device="cpu")
    assert first.restore.layout.display == "none"
    first.skeleton.value = "face"
    first.kind.value = "joints"
    for phase, x in (("down", 10), ("drag", 12), ("drag", 14)):
        first.stage.hear({"kind": "point", "phase": phase, "place": [x, 20]})
        assert not cache.exists(), "nothing is written during a drag"
    first.stage.hear({"kind": "point", "phase": "up", "place": [14, 20]})
    first.kind.value = "masks"
    first.frame.value = 2
    first.stage.hear({"kind": "stroke", "points": [[20, 20]]})
    first.name.value = "dog"
    first.rename.click()
    second = studio(str(path), device="cpu")
    assert "Restore brings back the marks of an earlier session." in second.status.value
    assert second.restore.layout.display is None
    second.restore.click()
    assert "brought back the marks of an earlier session, on frames 0, 2; Undo takes them away again" in second.status.value
    assert same(second.session.keys, first.session.keys)
    assert second.which.options == (("dog", 1),)
    assert second.restore.layout.display == "none"
    second.undo.click()
    assert second.session.keys == {}
    assert len(list(cache.iterdir())) == 2, "the file of the first session is kept"


def test_a_full_disk_does_not_stop_the_work(path, monkeypatch):
    from tinytrack.interactive import autosave

    def full(*args):
        raise OutputError("cannot write 'x.tinytrack.zip': the disk is full")

    monkeypatch.setattr(autosave, "write_project", full)
    demo = studio(str(path), device="cpu")
    demo.stage.hear({"kind": "stroke", "points": [[20, 20]]})
    assert "the disk is full" in demo.status.value
    assert demo.session.keys[0].ids.any()
