"""Test that results replace only earlier results of the same command: every refusal leaves the folder exactly as it was."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.errors import OutputError
from tinytrack.io import results
from tinytrack.io.results import LIST, check_file, growing_results, made_by, read_list, recorded, result_file, results_folder, stamp

NAMES = ("masks", "overlay.mp4")


def snapshot(folder):
    """Everything below a folder with its modification time; links with their target and not followed."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        info = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (content, info.st_mtime_ns, info.st_mode, info.st_ino)
    return found


def texts(folder):
    """The files and links below a folder, except the list: relative path -> text."""
    paths = [p for p in sorted(Path(folder).rglob("*")) if (p.is_symlink() or not p.is_dir()) and p.name != LIST]
    return {str(p.relative_to(folder)): f"-> {os.readlink(p)}" if p.is_symlink() else p.read_text() for p in paths}


def track(text="new", out="out", command="track", inputs=(), names=NAMES):
    """Write a folder ``masks`` and a file ``overlay.mp4`` that contain a text."""
    with results_folder(out, command, names, inputs) as scratch:
        (scratch / "masks").mkdir()
        (scratch / "masks" / "00000.png").write_text(text)
        (scratch / "overlay.mp4").write_text(text)


def result(text):
    return {"masks/00000.png": text, "overlay.mp4": text}


def refused(here, *parts, **options):
    """Check that :func:`track` refuses, before its block starts, and leaves everything below ``here`` as it was."""
    before = snapshot(here)
    with pytest.raises(OutputError) as error:
        with results_folder(options.pop("out", "out"), options.pop("command", "track"), NAMES, options.pop("inputs", ())):
            pytest.fail("the block must not start")
    assert not options
    assert_one_sentence(error, *parts)
    assert snapshot(here) == before
    return str(error.value)


# ---- own results


def test_a_second_run_replaces_the_results_of_the_first_and_nothing_else(here):
    track("old")
    Path("out/notes.txt").write_text("mine")
    track("new")
    assert texts("out") == {**result("new"), "notes.txt": "mine"}
    track("again")
    assert texts("out") == {**result("again"), "notes.txt": "mine"}


def test_the_list_names_each_result_once(here):
    for text in ("one", "two", "three"):
        track(text)
    content = json.loads(Path("out", LIST).read_text())
    assert content["format"] == results.FORMAT
    assert content["results"] == {name: {"command": "track", "stamps": [stamp(Path("out", name))]} for name in NAMES}
    assert made_by("out", "track") == set(NAMES)
    assert made_by("out", "pose") == set()


def test_results_that_are_not_written_again_are_kept(here):
    track("old")
    with results_folder("out", "track", NAMES) as scratch:
        (scratch / "overlay.mp4").write_text("new")
    assert texts("out") == {"masks/00000.png": "old", "overlay.mp4": "new"}
    track("third")
    assert texts("out") == result("third")


def test_a_folder_that_was_moved_is_still_known(here):
    track("old")
    Path("out").rename("moved")
    track("new", out="moved")
    assert texts("moved") == result("new")


def test_a_result_that_was_deleted_is_written_again(here):
    track("old")
    Path("out/overlay.mp4").unlink()
    track("new")
    assert texts("out") == result("new")


def test_files_that_the_system_puts_into_a_folder_are_no_change(here):
    track("old")
    Path("out/masks/.DS_Store").write_text("the Finder")
    track("new")
    assert texts("out") == result("new")


def test_a_block_may_write_only_what_it_has_announced(here):
    with pytest.raises(ValueError, match="other"), results_folder("out", "track", NAMES) as scratch:
        (scratch / "other").touch()
    assert not Path("out").exists()


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("old", [False, True])
def test_a_failing_run_leaves_everything_as_it_was(here, failure, old):
    if old:
        track("old", out="new/out")
    before = snapshot(here)
    with pytest.raises(OutputError if failure is OSError else failure), results_folder("new/out", "track", NAMES) as scratch:
        (scratch / "overlay.mp4").write_text("half")
        raise failure()
    after = snapshot(here)
    assert {name: state for name, state in after.items() if name != "new/out"} == {n: s for n, s in before.items() if n != "new/out"}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("failing", ["masks", "overlay.mp4", LIST])
def test_a_failing_move_keeps_old_results_and_a_list_that_fits(here, monkeypatch, failing, old):
    if old:
        track("old")
    replace = Path.replace

    def full(self, target):
        if Path(target).name == failing:
            raise OSError(errno.ENOSPC, "full")
        return replace(self, target)

    with monkeypatch.context() as patch, pytest.raises(OutputError) as error:
        patch.setattr(Path, "replace", full)
        track("new")
    assert_one_sentence(error, "the disk is full")
    if failing == "overlay.mp4":
        assert texts("out") == {"masks/00000.png": "new"} | ({"overlay.mp4": "old"} if old else {})
        assert read_list(Path("out"))["masks"]["stamps"] == [stamp(Path("out/masks"))]
    elif old:
        assert texts("out") == result("old")
    else:
        assert not Path("out").exists()
    track("third")
    assert texts("out") == result("third")


# ---- what a user made


def foreign(kind):
    """Put something in the place of the result ``masks``."""
    place = Path("out/masks")
    place.parent.mkdir(exist_ok=True)
    if kind == "folder":
        place.mkdir()
        (place / "notes.txt").write_text("mine")
    elif kind == "file":
        place.write_text("mine")
    elif kind == "empty folder":
        place.mkdir()
    elif kind == "link":
        Path("data").mkdir()
        Path("data/notes.txt").write_text("mine")
        place.symlink_to("../data")
    elif kind == "broken link":
        place.symlink_to("gone")
    elif kind == "pipe":
        os.mkfifo(place)


@pytest.mark.parametrize("kind", ["folder", "file", "empty folder", "link", "broken link", "pipe"])
def test_what_tinytrack_did_not_make_is_not_replaced(here, kind):
    foreign(kind)
    refused(here, "out/masks", "was not made by tinytrack", "--out")


def test_a_link_in_the_place_of_a_result_is_foreign(here):
    track("old")
    Path("out/masks").rename("elsewhere")
    Path("out/masks").symlink_to("../elsewhere")
    refused(here, "out/masks", "was not made by tinytrack")
    Path("out/masks").unlink()
    Path("elsewhere").rename("out/masks")
    track("new")


def test_the_studio_has_no_options(here):
    foreign("file")
    assert "--out" not in refused(here, "choose another folder", command="studio")


def test_results_of_another_command_are_not_replaced(here):
    track("old")
    refused(here, "out/masks", "was made by 'track'", "--out", command="pose")


def edit(kind):
    mask = Path("out/masks/00000.png")
    if kind == "mask":
        mask.write_text("old, corrected")
    elif kind == "mask of the same size":
        mask.write_text("OLD")
    elif kind == "more":
        Path("out/masks/notes.txt").write_text("mine")
    elif kind == "below":
        Path("out/masks/sub").mkdir()
    elif kind == "fewer":
        mask.unlink()
    elif kind == "renamed":
        mask.rename("out/masks/00001.png")
    elif kind == "linked":
        mask.unlink()
        mask.symlink_to("../../mine.png")
    elif kind == "folder":
        mask.unlink()
        mask.parent.rmdir()
        mask.parent.write_text("old")


@pytest.mark.parametrize("kind", ["mask", "mask of the same size", "more", "below", "fewer", "renamed", "linked", "folder"])
def test_a_result_that_was_edited_is_not_replaced(here, kind):
    track("old")
    edit(kind)
    refused(here, "out/masks", "has changed since 'track' made it", "--out")


def test_an_edited_file_is_not_replaced(here):
    track("old")
    Path("out/overlay.mp4").write_text("cut by hand")
    refused(here, "out/overlay.mp4", "has changed since")


def test_what_appears_during_the_run_is_not_replaced(here):
    Path("out").mkdir()
    with pytest.raises(OutputError) as error, results_folder("out", "track", NAMES) as scratch:
        (scratch / "overlay.mp4").write_text("new")
        Path("out/overlay.mp4").write_text("mine")
    assert_one_sentence(error, "out/overlay.mp4", "was not made by tinytrack")
    assert texts("out") == {"overlay.mp4": "mine"}
    assert not Path("out", LIST).exists()


def test_the_later_of_two_runs_at_the_same_time_wins(here):
    with results_folder("out", "track", NAMES) as scratch:
        (scratch / "overlay.mp4").write_text("later")
        track("earlier")
    assert texts("out") == {"masks/00000.png": "earlier", "overlay.mp4": "later"}
    track("third")
    assert texts("out") == result("third")


# ---- the list itself

LISTS = {
    "text": b"my notes",
    "empty": b"",
    "not UTF-8": b"\xff\xfe\x00",
    "another format": b'{"format": "mine"}',
    "a list": b"[1, 2]",
    "a number": b"3",
    "deep": b"[" * 100_000,
    "truncated": b'{"format": "tinytrack results list 1", "resul',
    "no results": b'{"format": "tinytrack results list 1"}',
    "wrong results": b'{"format": "tinytrack results list 1", "results": {"masks": 3}}',
    "wrong stamps": b'{"format": "tinytrack results list 1", "results": {"masks": {"command": "track", "stamps": "all"}}}',
}


@pytest.mark.parametrize("kind", [*LISTS, "folder", "link", "broken link"])
@pytest.mark.parametrize("old", [False, True])
def test_a_file_that_is_no_list_is_kept(here, kind, old):
    if old:
        track("old")
        Path("out", LIST).rename("good")
    Path("out").mkdir(exist_ok=True)
    path = Path("out", LIST)
    if kind == "folder":
        path.mkdir()
        (path / "notes.txt").write_text("mine")
    elif "link" in kind:
        path.symlink_to("../good" if kind == "link" else "gone")
    else:
        path.write_bytes(LISTS[kind])
    refused(here, path)


def test_a_list_without_a_usable_stamp_makes_nothing_replaceable(here):
    foreign("pipe")
    entry = {"command": "track", "stamps": [None, 3, {}]}
    Path("out", LIST).write_text(json.dumps({"format": results.FORMAT, "results": {"masks": entry}}))
    refused(here, "out/masks", "has changed")


def test_the_list_cannot_be_an_input(here):
    track("old")
    refused(here, LIST, "input", inputs=[Path("out", LIST)])


# ---- inputs


def ways(here, kind):
    """A path to ``out/masks/00000.png`` or ``out/overlay.mp4`` as a user may type it, and the result that is in danger."""
    mask, overlay = Path("out/masks/00000.png"), Path("out/overlay.mp4")
    if kind == "file":
        return overlay, overlay
    if kind == "in a folder":
        return mask, mask.parent
    if kind == "folder":
        return mask.parent, mask.parent
    if kind == "deep":
        return Path("out/masks/a/b/c.png"), mask.parent
    if kind == "absolute":
        return here / mask, mask.parent
    if kind == "dots":
        return Path("out/../out/masks/../masks/00000.png"), mask.parent
    if kind == "linked file":
        Path("link.png").symlink_to(mask)
        return Path("link.png"), mask.parent
    if kind == "linked folder":
        Path("frames").symlink_to("out/masks")
        return Path("frames/00000.png"), mask.parent
    if kind == "linked output":
        Path("also").symlink_to("out")
        return Path("also/overlay.mp4"), overlay
    if kind == "links in a row":
        Path("first.png").symlink_to("out/masks/00000.png")
        Path("second.png").symlink_to(here / "first.png")
        return Path("second.png"), mask.parent
    if kind == "hard link":
        os.link(overlay, "clip.mp4")
        return Path("clip.mp4"), overlay
    raise AssertionError(kind)


WAYS = [
    "file",
    "in a folder",
    "folder",
    "deep",
    "absolute",
    "dots",
    "linked file",
    "linked folder",
    "linked output",
    "links in a row",
    "hard link",
]


@pytest.mark.parametrize("kind", WAYS)
def test_an_own_result_that_is_an_input_is_not_replaced(here, kind):
    track("old")
    given, danger = ways(here, kind)
    refused(here, f"the result '{danger}' would replace the input '{given}'", "--out", inputs=["missing.png", None, given])


def test_a_link_in_a_result_on_the_way_to_an_input_is_not_replaced(here):
    """The input itself is elsewhere, but the user reaches it through a link within the old result."""
    Path("data.png").write_text("mine")
    with results_folder("out", "track", NAMES) as scratch:
        (scratch / "masks").mkdir()
        (scratch / "masks" / "link.png").symlink_to("../../data.png")
    Path("short.png").symlink_to("out/masks/link.png")
    for given in ("out/masks/link.png", "short.png"):
        refused(here, "out/masks", given, "input", inputs=[given])


@pytest.mark.parametrize("out", ["out", "out/../out", "link", "out/.", "{here}/out"])
def test_the_output_folder_may_be_written_in_many_ways(here, out):
    track("old")
    Path("link").symlink_to("out")
    out = out.format(here=here)
    refused(here, "input 'out/overlay.mp4'", out=out, inputs=["out/overlay.mp4"])
    track("new", out=out)
    assert texts("out") == result("new")
    assert Path("link").is_symlink()


def test_the_home_folder_may_be_short(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    track("old", out="~/out")
    refused(here, "input", out=here / "out", inputs=["~/out/overlay.mp4"])


def test_the_video_of_the_bug_report_is_kept(here):
    """``track overlay.mp4 --mask masks/00000.png --out .`` once replaced the video and the masks, and deleted the notes."""
    Path("masks").mkdir()
    Path("masks/00000.png").write_text("mine")
    Path("masks/notes.txt").write_text("mine")
    refused(here, "'masks'", "input 'masks/00000.png'", out=".", inputs=["clip.mp4", "masks/00000.png"])
    Path("overlay.mp4").write_text("mine")
    refused(here, "'overlay.mp4'", "input 'overlay.mp4'", out=".", inputs=["overlay.mp4", "elsewhere.png"])


def test_results_may_go_next_to_the_inputs_and_among_input_frames(here):
    Path("frames").mkdir()
    Path("frames/00000.png").write_text("mine")
    Path("mask.png").write_text("mine")
    for text in ("first", "second"):
        track(text, out="frames", inputs=["frames", "mask.png"])
        assert texts("frames") == {**result(text), "00000.png": "mine"}
        track(text, out=".", inputs=["frames", "mask.png"])
    assert Path("mask.png").read_text() == "mine"


def test_an_entry_of_an_input_folder_is_not_replaced(here):
    Path("frames/masks").mkdir(parents=True)
    refused(here, "'frames/masks'", "a part of the input 'frames'", out="frames", inputs=["frames"])
    refused(here, "'frames/masks'", "a part of the input '.'", out="frames", inputs=["."])


# ---- killed runs

KILL = """
import os, signal, sys
from pathlib import Path
from tinytrack.io.results import results_folder

count = 0

def deadly(name):
    whole = getattr(Path, name)

    def method(self, *arguments):
        global count
        count += 1
        if count == {at}:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, *arguments)

    setattr(Path, name, method)

for name in ("rename", "replace"):
    deadly(name)
with results_folder("out", "track", ["masks", "overlay.mp4"]) as scratch:
    (scratch / "masks").mkdir()
    (scratch / "masks" / "00000.png").write_text("new")
    (scratch / "overlay.mp4").write_text("new")
"""


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_run_killed_between_its_moves_loses_nothing_and_can_be_repeated(here, at):
    """The moves: the list, the old masks aside, the new masks, the overlay, and the shorter list."""
    track("old")
    Path("out/notes.txt").write_text("mine")
    ended = subprocess.run([sys.executable, "-c", KILL.format(at=at)], env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert ended.returncode == -signal.SIGKILL
    left = [p for p in Path("out").iterdir() if p.name.startswith(".unfinished-")]
    assert left, "the run was killed too early or too late"
    assert Path("out/notes.txt").read_text() == "mine"
    assert Path("out/overlay.mp4").read_text() == ("old" if at < 5 else "new")
    # a run that fails brings back what was aside, and a run that succeeds replaces everything
    with pytest.raises(RuntimeError), results_folder("out", "track", NAMES):
        raise RuntimeError
    assert Path("out/masks/00000.png").read_text() == ("old" if at < 4 else "new")
    track("third")
    assert texts("out") == {**result("third"), "notes.txt": "mine"}


def test_after_a_killed_run_edits_are_still_noticed(here):
    track("old")
    subprocess.run([sys.executable, "-c", KILL.format(at=4)], env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert len(read_list(Path("out"))["masks"]["stamps"]) == 2
    edit("mask")
    refused(here, "out/masks", "has changed")


# ---- single files


def is_ours(path):
    return path.read_text().startswith("ours")


@pytest.mark.parametrize("kind", ["text", "folder", "link", "broken link", "pipe"])
def test_a_single_file_of_another_kind_is_not_replaced(here, kind):
    Path("good").write_text("ours")
    path = Path("result.txt")
    if kind == "text":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("good" if kind == "link" else "gone")
    before = snapshot(here)
    with pytest.raises(OutputError) as error:
        check_file(path, "one of ours", is_ours)
    assert_one_sentence(error, path, "is a link" if "link" in kind else "exists and is not one of ours", "--out")
    assert snapshot(here) == before


def test_a_single_file_of_ours_may_be_replaced_unless_it_is_an_input(here):
    check_file("result.txt", "one of ours", is_ours, ["clip.mp4"])
    Path("result.txt").write_text("ours")
    check_file("result.txt", "one of ours", is_ours, ["clip.mp4"])
    os.link("result.txt", "clip.mp4")
    for given in ("./result.txt", "clip.mp4"):
        with pytest.raises(OutputError) as error:
            check_file("result.txt", "one of ours", is_ours, [given], "--index")
        assert_one_sentence(error, "would replace the input", "--index")


def test_one_file_in_a_folder_of_results(here):
    for text in ("old", "new"):
        with result_file("out", "report", "figures/one.png") as scratch:
            scratch.write_text(text)
        assert texts("out") == {"figures/one.png": text}
    Path("out/figures/one.png").write_text("mine")
    with pytest.raises(OutputError) as error, result_file("out", "report", "figures/one.png") as scratch:
        scratch.write_text("third")
    assert_one_sentence(error, "out/figures/one.png", "has changed since 'report' made it")
    assert texts("out") == {"figures/one.png": "mine"}


# ---- results one after the other


def write_one(name, text="new"):
    """Write one result as evaluate does."""
    scratch, path = Path("scratch"), Path("out", name)
    scratch.write_text(text)
    with recorded("out", "evaluate", {name: scratch}):
        path.parent.mkdir(exist_ok=True)
        scratch.replace(path)


def growing(names=("masks/a", "masks/b", "table.txt"), known=()):
    return growing_results("out", "evaluate", ["masks", "joints"], names, known)


def test_a_folder_grows_and_is_known_again(here):
    with pytest.raises(KeyboardInterrupt), growing():
        assert set(read_list(Path("out"))) == {"masks", "joints"}, "the list must come before the first result"
        write_one("masks/a")
        raise KeyboardInterrupt
    assert set(read_list(Path("out"))) == {"masks", "masks/a"}
    with growing():
        write_one("masks/b")
        write_one("masks/a", "newer")
    assert texts("out") == {"masks/a": "newer", "masks/b": "new"}


def test_a_block_that_fails_at_once_leaves_no_trace(here):
    with pytest.raises(RuntimeError), growing():
        raise RuntimeError
    assert snapshot(here) == {}


@pytest.mark.parametrize("name", ["masks", "joints", "table.txt"])
def test_a_growing_folder_does_not_start_in_a_users_folder(here, name):
    Path("out").mkdir()
    Path("out", name).mkdir() if name != "table.txt" else Path("out", name).write_text("mine")
    before = snapshot(here)
    with pytest.raises(OutputError) as error, growing():
        pytest.fail("the block must not start")
    assert_one_sentence(error, Path("out", name), "was not made by tinytrack")
    assert snapshot(here) == before
    with growing(known=[name]):
        write_one("masks/a")
    assert made_by("out", "evaluate") == {"masks", "masks/a", name}


def test_a_users_result_in_a_growing_folder_is_not_replaced(here):
    with growing():
        write_one("masks/a")
    Path("out/masks/b").write_text("mine")
    before = snapshot(here)
    with pytest.raises(OutputError) as error, growing():
        pytest.fail("the block must not start")
    assert_one_sentence(error, "out/masks/b", "was not made by tinytrack")
    assert snapshot(here) == before
    with growing(["masks/c"]):
        with pytest.raises(OutputError):
            write_one("masks/b")
        write_one("masks/c")
    assert texts("out") == {"masks/a": "new", "masks/b": "mine", "masks/c": "new"}


def test_a_growing_folder_of_another_command_is_refused(here):
    track("old")
    before = snapshot(here)
    with pytest.raises(OutputError) as error, growing():
        pytest.fail("the block must not start")
    assert_one_sentence(error, "out/masks", "was made by 'track'")
    assert snapshot(here) == before
