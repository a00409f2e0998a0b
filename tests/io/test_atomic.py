"""Test that results are written completely or not at all: what staged folders and files leave behind, and how failures are reported."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.errors import OutputError
from tinytrack.io import atomic
from tinytrack.io.atomic import REPLACED, TEMPORARY, check_writable, staged_file, staged_folder


def tree(folder):
    """Everything below a folder, including hidden files, as a dictionary: path -> text, or None for a folder."""
    return {str(p.relative_to(folder)): None if p.is_dir() else p.read_text() for p in sorted(folder.rglob("*"))}


def fill(scratch, text):
    """Write both kinds of result: a file, and a folder that contains a file."""
    (scratch / "video.mp4").write_text(text)
    (scratch / "masks").mkdir()
    (scratch / "masks" / f"{text}.png").write_text(text)


def result(text, under=""):
    return {f"{under}video.mp4": text, f"{under}masks": None, f"{under}masks/{text}.png": text}


FAILURES = [RuntimeError, KeyboardInterrupt, SystemExit, OSError, OutputError]


# ---- folders


def test_a_folder_is_made_with_its_parents_and_filled_at_the_end(tmp_path):
    out = tmp_path / "a" / "b" / "out"
    with staged_folder(out) as scratch:
        fill(scratch, "new")
        assert not (out / "video.mp4").exists()
        assert not (out / "masks").exists()
    assert tree(out) == result("new")


def test_only_entries_with_the_same_name_are_replaced(tmp_path):
    with staged_folder(tmp_path) as scratch:
        fill(scratch, "old")
    (tmp_path / "notes.txt").write_text("mine")
    with staged_folder(tmp_path) as scratch:
        fill(scratch, "new")
    assert tree(tmp_path) == {**result("new"), "notes.txt": "mine"}, "masks must be replaced as a whole, and the notes must be kept"


def test_a_folder_and_a_file_may_replace_each_other(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "old").write_text("old")
    (tmp_path / "two").write_text("old")
    with staged_folder(tmp_path) as scratch:
        (scratch / "one").write_text("new")
        (scratch / "two").mkdir()
        (scratch / "two" / "new").write_text("new")
    assert tree(tmp_path) == {"one": "new", "two": None, "two/new": "new"}


def test_a_link_is_replaced_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("kept")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "masks").symlink_to(tmp_path / "elsewhere")
    with staged_folder(tmp_path / "out") as scratch:
        fill(scratch, "new")
    assert not (tmp_path / "out" / "masks").is_symlink()
    assert tree(tmp_path / "out") == result("new")
    assert tree(tmp_path / "elsewhere") == {"kept": "kept"}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_job_keeps_the_earlier_result(tmp_path, failure):
    with staged_folder(tmp_path) as scratch:
        fill(scratch, "old")
    with pytest.raises(OutputError if failure is OSError else failure):
        with staged_folder(tmp_path) as scratch:
            fill(scratch, "new")
            raise failure()
    assert tree(tmp_path) == result("old")


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_job_removes_the_folders_that_it_made(tmp_path, failure):
    (tmp_path / "mine").mkdir()
    with pytest.raises(OutputError if failure is OSError else failure):
        with staged_folder(tmp_path / "mine" / "a" / "b") as scratch:
            fill(scratch, "new")
            raise failure()
    assert tree(tmp_path) == {"mine": None}


def test_a_failing_job_keeps_a_folder_that_was_empty_before(tmp_path):
    with pytest.raises(RuntimeError):
        with staged_folder(tmp_path):
            raise RuntimeError
    assert tmp_path.is_dir()
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_failure_while_replacing_a_folder_restores_the_old_one(tmp_path, monkeypatch, failure):
    with staged_folder(tmp_path) as scratch:
        (scratch / "masks").mkdir()
        (scratch / "masks" / "old.png").write_text("old")

    def refuse(self, target):
        raise failure

    with pytest.raises((OutputError, KeyboardInterrupt)):
        with staged_folder(tmp_path) as scratch:
            fill(scratch, "new")
            (scratch / "video.mp4").unlink()
            monkeypatch.setattr(Path, "replace", refuse)
    assert tree(tmp_path) == {"masks": None, "masks/old.png": "old"}


# ---- files


def test_a_file_appears_at_its_path_only_when_it_is_complete(tmp_path):
    path = tmp_path / "a" / "b" / "out.mp4"
    with staged_file(path) as scratch:
        assert scratch.parent == path.parent, "the temporary file must be on the same disk"
        assert scratch.suffix == ".mp4", "the temporary file must have the same suffix"
        scratch.write_text("new")
        assert not path.exists()
    assert tree(tmp_path / "a" / "b") == {"out.mp4": "new"}


def test_a_file_replaces_the_earlier_one(tmp_path):
    (tmp_path / "out.mp4").write_text("old")
    with staged_file(tmp_path / "out.mp4") as scratch:
        scratch.write_text("new")
    assert tree(tmp_path) == {"out.mp4": "new"}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("written", [False, True])
def test_a_failing_writer_keeps_the_earlier_file(tmp_path, failure, written):
    (tmp_path / "out.mp4").write_text("old")
    with pytest.raises(OutputError if failure is OSError else failure):
        with staged_file(tmp_path / "out.mp4") as scratch:
            if written:
                scratch.write_text("half of the new")
            raise failure()
    assert tree(tmp_path) == {"out.mp4": "old"}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_writer_removes_the_folders_that_it_made(tmp_path, failure):
    with pytest.raises(OutputError if failure is OSError else failure):
        with staged_file(tmp_path / "a" / "b" / "out.mp4") as scratch:
            scratch.write_text("half of it")
            raise failure()
    assert tree(tmp_path) == {}


def test_a_file_does_not_replace_a_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(OutputError) as error:
        with staged_file(tmp_path / "out") as scratch:
            scratch.write_text("new")
    assert_one_sentence(error, tmp_path / "out")
    assert tree(tmp_path) == {"out": None, "out/mine": "mine"}


# ---- both


@pytest.mark.parametrize("stage", [staged_folder, staged_file])
@pytest.mark.parametrize(
    "code, words",
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "the file system is read-only"), (errno.EACCES, "permission is denied")],
)
def test_system_errors_are_explained_in_words(tmp_path, stage, code, words):
    with pytest.raises(OutputError) as error:
        with stage(tmp_path / "out.mp4"):
            raise OSError(code, "untranslated")
    assert_one_sentence(error, tmp_path / "out.mp4", words)


@pytest.mark.parametrize("stage", [staged_folder, staged_file])
@pytest.mark.parametrize("below", ["out", "a/b/out"])
def test_a_path_below_a_file_is_refused(tmp_path, stage, below):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError) as error:
        with stage(tmp_path / "file" / below):
            pytest.fail("there is nowhere to write")
    assert_one_sentence(error, tmp_path / "file" / below)
    assert tree(tmp_path) == {"file": "mine"}


@pytest.mark.parametrize("stage", [staged_folder, staged_file])
def test_a_name_that_is_too_long_is_refused(tmp_path, stage):
    with pytest.raises(OutputError) as error:
        with stage(tmp_path / "new" / ("x" * 300) / "out"):
            pytest.fail("there is nowhere to write")
    assert_one_sentence(error, "the name is too long")
    assert tree(tmp_path) == {}


def test_a_folder_cannot_take_the_place_of_a_file(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError) as error:
        with staged_folder(tmp_path / "out"):
            pytest.fail("there is nowhere to write")
    assert_one_sentence(error, tmp_path / "out")
    assert tree(tmp_path) == {"out": "mine"}


# ---- what killed processes leave behind

LONG = "ä" * 125 + ".mp4"  # 254 bytes, one less than the longest name
PAUSE = """
import sys, time
from pathlib import Path
from tinytrack.io.atomic import staged_file, staged_folder
with staged_folder(sys.argv[1]) as folder, staged_file(Path(sys.argv[1], sys.argv[2])) as file:
    (folder / "masks").mkdir()
    (folder / "masks" / "half.png").write_text("half")
    file.write_text("half")
    print("written", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def running(out, name="video.mp4"):
    """A process that is writing into a folder, and to a file in it; yields the process and the two temporary paths."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with subprocess.Popen([sys.executable, "-c", PAUSE, out, name], stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout.readline() == b"written\n"
            left = {p.is_dir(): p for p in out.iterdir() if TEMPORARY.fullmatch(p.name)}
            yield process, left[True], left[False]
        finally:
            process.kill()


@pytest.fixture
def left(tmp_path):
    """What a killed process has left in a folder: a folder and a file."""
    with running(tmp_path) as (process, folder, file):
        process.send_signal(signal.SIGKILL)
    return folder, file


def write(out, name="video.mp4"):
    """Write a folder and a file in the same place."""
    with staged_folder(out):
        pass
    with staged_file(out / name) as scratch:
        scratch.write_text("new")


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path, left):
    folder, file = left
    assert file.suffix == ".mp4"
    with staged_folder(tmp_path):
        assert not folder.exists()
        assert file.exists(), "a folder must not remove files, which may belong to any result"
    with staged_file(tmp_path / "other.mp4") as scratch:
        scratch.touch()
    assert file.exists(), "only the file of the same name must be removed"
    with staged_file(tmp_path / "video.mp4") as scratch:
        assert not file.exists()
        scratch.write_text("new")
    assert tree(tmp_path) == {"video.mp4": "new", "other.mp4": ""}


def test_a_rehearsal_also_removes_what_a_killed_process_left(tmp_path, left):
    check_writable(tmp_path / "video.mp4")
    assert not left[1].exists()


def test_what_a_running_process_is_writing_is_kept(tmp_path):
    with running(tmp_path) as (_, folder, file):
        write(tmp_path)
        assert (folder / "masks" / "half.png").read_text() == file.read_text() == "half"


def test_what_this_process_is_writing_is_kept(tmp_path):
    with staged_folder(tmp_path) as first, staged_file(tmp_path / "video.mp4") as second:
        fill(first, "new")
        second.write_text("new")
        write(tmp_path)
    assert tree(tmp_path) == result("new")


def test_what_another_computer_is_writing_is_kept(tmp_path, left, monkeypatch):
    """Its process numbers say nothing here."""
    monkeypatch.setattr(atomic.platform, "node", lambda: "another")
    atomic._host.cache_clear()
    try:
        write(tmp_path)
        assert [path.exists() for path in left] == [True, True]
    finally:
        monkeypatch.undo()
        atomic._host.cache_clear()


def test_what_only_looks_like_a_leftover_is_kept(tmp_path, left):
    folder, file = left
    host = atomic._host()
    pid = TEMPORARY.fullmatch(folder.name)["pid"]
    key = TEMPORARY.fullmatch(file.name)["key"]
    similar = [
        ".unfinished-notes.txt",
        ".unfinished-",
        ".unfinished-1-video.mp4",
        f".unfinished-{host}-{pid}",
        f".unfinished-{host}-{pid}-abcd123",
        f".unfinished-{host}-{pid}-abcd1234-notes",
        f".unfinished-{host}-{pid}-abcd1234.txt",
        f".unfinished-{host}-{pid}-abcd1234-{key}",
        f".unfinished-{host}-{pid}-abcd1234-{key}-",
        f"x.unfinished-{host}-{pid}-abcd1234-{key}-video.mp4",
        f".unfinished-{host}-0-abcd1234-{key}-video.mp4",
        f".unfinished-{host}-{'9' * 30}-abcd1234-{key}-video.mp4",
        f".unfinished-{host}-{os.getpid()}-abcd1234-{key}-video.mp4",
    ]
    for name in similar:
        (tmp_path / name).write_text("mine")
        (tmp_path / f"{name}.d").mkdir()
    # a file with the name of a folder, and the reverse; and links to things that must not be followed
    (tmp_path / f".unfinished-{host}-{pid}-aaaaaaaa").write_text("mine")
    (tmp_path / f".unfinished-{host}-{pid}-aaaaaaaa-{key}-video.mp4").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / f".unfinished-{host}-{pid}-bbbbbbbb").symlink_to("data")
    (tmp_path / f".unfinished-{host}-{pid}-bbbbbbbb-{key}-video.mp4").symlink_to("data")
    before = {p.name for p in tmp_path.iterdir()}
    write(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == before - {folder.name, file.name} | {"video.mp4"}


def test_an_old_result_that_was_moved_aside_comes_back(tmp_path, left):
    folder, _ = left
    (folder / REPLACED).mkdir()
    for name in ("masks", "joints.csv"):
        (folder / REPLACED / name).write_text("old")
    (tmp_path / "joints.csv").write_text("new")
    with staged_folder(tmp_path):
        pass
    assert not folder.exists()
    assert (tmp_path / "masks").read_text() == "old"
    assert (tmp_path / "joints.csv").read_text() == "new", "the killed process had already replaced this one"


@pytest.mark.parametrize("name", [LONG, "x" * 255, "x" * 200 + "." + "y" * 54, "a\nb.mp4", "-", ".hidden", "a-1-b.mp4"])
def test_any_name_that_the_system_allows_can_be_written(tmp_path, name):
    with running(tmp_path, name) as (process, _, file):
        process.kill()
        process.wait()
        with staged_file(tmp_path / name) as scratch:
            assert not file.exists()
            assert len(os.fsencode(scratch.name)) <= 255
            assert scratch.name.endswith(name[-20:])
            scratch.write_text("new")
    assert (tmp_path / name).read_text() == "new"


def test_a_file_name_that_is_too_long_is_refused_at_once(tmp_path):
    for refuse in (check_writable, lambda path: staged_file(path).__enter__()):
        with pytest.raises(OutputError) as error:
            refuse(tmp_path / "new" / ("x" * 252 + ".mp4"))
        assert_one_sentence(error, "the name is too long")
        assert tree(tmp_path) == {}
