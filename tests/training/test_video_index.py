"""The index of a folder of videos: its entries, what a second run probes again, and how it handles damage and interruptions."""

import csv
import faulthandler
import functools
import gc
import io
import multiprocessing
import os
import shutil
import signal
import sys
import time
import types

import numpy as np
import pytest
import tqdm

import tinytrack.__main__ as program
from tests.support.broken_files import RANDOM, TEXT, TURNS, alive, cut, damaged_between, needs_proc, noise, patch_matrix, sound
from tests.support.helpers import assert_one_sentence, index_frames, indices_of
from tinytrack.errors import ClipError, OutputError
from tinytrack.training.video_index import COLUMNS, FORMAT, NAME, Entry, VideoIndex, journal_path, make_index, probe

# ---- the entry of one video


def facts(entry):
    return round(entry.seconds, 3), entry.fps, entry.height, entry.width, entry.problem


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.webm", "a.gif", "a.avi"])
def test_length_rate_and_size_of_a_video(make_video, name):
    path = make_video(name, frames=20, fps=10)
    entry = probe(path, name)
    assert facts(entry) == (1.9, 10, 48, 64, ""), "the length must be the time from the first frame to the last"
    assert (entry.path, entry.bytes, entry.changed) == (name, path.stat().st_size, path.stat().st_mtime_ns)


def test_odd_sizes(make_video):
    assert facts(probe(make_video("odd.webm", height=47, width=63), "odd.webm"))[2:] == (47, 63, "")


def test_the_size_of_a_phone_video_is_that_of_upright_frames(make_video):
    path = make_video(height=48, width=64)
    patch_matrix(path, *TURNS["clockwise"][0])
    assert facts(probe(path, "clip.mp4"))[2:] == (64, 48, "")


def test_length_rate_and_size_of_a_folder_of_frames(make_folder):
    entry = probe(make_folder(frames=13), "frames")
    assert facts(entry) == (0.5, 24, 48, 64, ""), "a folder of frames must count as 24 frames per second"
    assert entry.bytes == 13, "the number of pictures must take the place of the bytes"


def test_two_frames_are_a_video(make_video, make_folder):
    for path in (make_video("two.mp4", frames=2), make_video("two.gif", frames=2), make_folder("two", frames=2)):
        entry = probe(path, path.name)
        assert not entry.problem
        assert entry.seconds == pytest.approx(1 / entry.fps)


def test_frames_are_counted_if_the_header_has_no_length(make_video, monkeypatch):
    monkeypatch.setattr("tinytrack.io.video.Video.seconds", None)
    assert facts(probe(make_video(frames=20, fps=10), "clip.mp4")) == (1.9, 10, 48, 64, "")


def written(path, content):
    path.write_bytes(content)
    return path


BAD = {
    "empty": (lambda tmp, make: written(tmp / "x.mp4", b""), "cannot be opened"),
    "text": (lambda tmp, make: written(tmp / "x.mp4", TEXT), "cannot be opened"),
    "noise": (lambda tmp, make: written(tmp / "x.mp4", RANDOM), "cannot be opened"),
    "noise as webm": (lambda tmp, make: written(tmp / "x.webm", RANDOM), "cannot be opened"),
    "only a header": (lambda tmp, make: written(tmp / "x.avi", make("a.avi").read_bytes()[:2000]), "cannot be opened"),
    "cut before its index": (lambda tmp, make: cut(make("x.mp4", noise()), 0.9), "cannot be opened"),
    "cut behind its index": (lambda tmp, make: cut(make("x.mp4", noise(), movflags="faststart"), 0.6), "breaks off"),
    "cut near its end": (lambda tmp, make: cut(make("x.mp4", noise(), movflags="faststart"), 0.9), "breaks off"),
    "a cut webm": (lambda tmp, make: cut(make("x.webm", noise()), 0.6), "breaks off"),
    "a damaged end": (lambda tmp, make: damaged_between(make("x.mp4", codec_options={"g": "4"}), 8, 23), "damaged"),
    "sound": (lambda tmp, make: sound(tmp / "x.mp4"), "only sound"),
    "one frame": (lambda tmp, make: make("x.mp4", frames=1), "one frame"),
    "a picture as gif": (lambda tmp, make: make("x.gif", frames=1), "one frame"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_video_is_reported_with_its_relative_path(tmp_path, make_video, kind):
    make, why = BAD[kind]
    path = make(tmp_path, make_video)
    entry = probe(path, f"some/{path.name}")
    assert_one_sentence(entry.problem, f"'some/{path.name}'", why)
    assert str(tmp_path) not in entry.problem
    assert (entry.seconds, entry.height, entry.width) == (0, 0, 0)
    assert (entry.bytes, entry.changed) == (path.stat().st_size, path.stat().st_mtime_ns), "needed to notice a repaired file"


def test_a_folder_with_one_picture_is_not_a_video(make_folder):
    entry = probe(make_folder("one", frames=1), "some/one")
    assert_one_sentence(entry.problem, "'some/one'", "one frame")


@pytest.mark.parametrize("which", ["00000.png", "00007.png"])
def test_a_folder_whose_first_or_last_picture_is_damaged_is_reported(make_folder, which):
    folder = make_folder(frames=8)
    (folder / which).write_bytes(RANDOM)
    entry = probe(folder, "some/frames")
    assert_one_sentence(entry.problem, f"'some/frames/{which}'", "cannot be read as a picture")


def test_a_vanished_file_is_not_a_video(tmp_path):
    entry = probe(tmp_path / "gone.mp4", "some/gone.mp4")
    assert_one_sentence(entry.problem, "it does not exist")
    assert entry.changed == 0, "the time must be 0, so that the file is probed again"


def test_a_vanished_file_is_reported_with_its_relative_path(tmp_path):
    assert_one_sentence(probe(tmp_path / "gone.mp4", "some/gone.mp4").problem, "'some/gone.mp4'")


def test_a_folder_without_pictures_is_reported_with_its_relative_path(make_folder):
    folder = make_folder("none", frames=0)
    problem = probe(folder, "some/none").problem
    assert "'some/none'" in problem
    assert str(folder) not in problem


# ---- the index file


def looked(log, path, name):
    """A replacement for :func:`probe` that logs the name and accepts any file as a video."""
    with open(log, "ab") as file:
        file.write(os.fsencode(name) + b"\n")
    return passed(path, name)


def passed(path, name):
    """The entry of a good video."""
    info = path.stat()
    return Entry(name, info.st_size, info.st_mtime_ns, 1.0, 10.0, 48, 64)


@pytest.fixture
def folder(tmp_path):
    """``folder("a.mp4", ...)`` makes a folder of files that ``looked`` accepts as videos."""

    def make(*names):
        root = tmp_path / "videos"
        for name in names:
            path = os.fsencode(root) + b"/" + os.fsencode(name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(os.fsencode(name))
        return root

    return make


@pytest.fixture
def index(tmp_path):
    """``index(root, ...)`` makes an index with ``looked`` and returns the probed names, the index file and its entries."""
    log = tmp_path / "log"

    def make(root, *args, look=looked, workers=2, **options):
        log.write_bytes(b"")
        out, entries = make_index(root, *args, look=functools.partial(look, log), workers=workers, progress=False, **options)
        return sorted(os.fsdecode(log.read_bytes()).split("\n")[:-1]), out, entries

    return make


def rows(path):
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


def test_the_index_is_a_table_with_one_line_per_video(make_video, make_folder, tmp_path):
    make_video("root/b/two.mp4", frames=20, fps=10)
    make_video("root/a/one.webm", frames=11, fps=25, height=47, width=63)
    make_folder("root/frames", frames=13)
    (tmp_path / "root" / "b" / "bad.mp4").write_bytes(b"")
    (tmp_path / "root" / "b" / "notes.txt").write_text("not a video")
    out, entries = make_index(tmp_path / "root", workers=2, progress=False)
    assert out == tmp_path / "root" / NAME
    head, columns, *table = rows(out)
    assert head == [FORMAT, "."]
    assert columns == list(COLUMNS)
    assert [[row[0], *row[3:7]] for row in table] == [
        ["a/one.webm", "0.400", "25.0000", "47", "63"],
        ["b/bad.mp4", "0.000", "0.0000", "0", "0"],
        ["b/two.mp4", "1.900", "10.0000", "48", "64"],
        ["frames", "0.500", "24.0000", "48", "64"],
    ]
    assert [bool(row[7]) for row in table] == [False, True, False, False]
    assert [row[0] for row in table] == [entry.path for entry in entries]
    assert sorted(p.name for p in (tmp_path / "root").iterdir()) == ["a", "b", "frames", NAME], "no other file may remain"


def test_spawned_processes_give_the_same_index_as_forked_ones(make_video, tmp_path, monkeypatch):
    make_video("root/a.mp4", frames=4)
    make_video("root/b.mp4", frames=5)
    (tmp_path / "root" / "c.mp4").write_bytes(b"no video")
    here = make_index(tmp_path / "root", tmp_path / "here.csv", workers=2, progress=False)[1]
    monkeypatch.setattr("tinytrack.training.video_index.START", "spawn")
    assert make_index(tmp_path / "root", tmp_path / "there.csv", workers=2, progress=False)[1] == here
    assert [bool(entry.problem) for entry in here] == [False, False, True]


def test_the_index_does_not_depend_on_the_number_of_processes(folder, index):
    root = folder(*(f"{i:03d}.mp4" for i in range(150)))  # more files than are handed out at once
    seen, out, entries = index(root, workers=1)
    one = out.read_bytes()
    out.unlink()
    assert index(root, workers=3)[0] == seen == [entry.path for entry in entries] == [f"{i:03d}.mp4" for i in range(150)]
    assert out.read_bytes() == one


def test_a_second_run_probes_no_unchanged_file(folder, index):
    root = folder("a.mp4", "b/b.mp4")
    seen, out, _ = index(root)
    before = out.read_bytes()
    assert seen == ["a.mp4", "b/b.mp4"]
    assert index(root)[0] == []
    assert out.read_bytes() == before


def test_a_second_run_probes_new_and_changed_files_and_drops_missing_ones(folder, index):
    root = folder("grown.mp4", "touched.mp4", "same.mp4", "gone.mp4")
    index(root)
    (root / "grown.mp4").write_bytes(b"now with more in it")
    os.utime(root / "touched.mp4", ns=(1, 1_000_000_007))
    (root / "gone.mp4").unlink()
    folder("new.mp4")
    seen, out, entries = index(root)
    assert seen == ["grown.mp4", "new.mp4", "touched.mp4"]
    assert [row[0] for row in rows(out)[2:]] == [e.path for e in entries] == ["grown.mp4", "new.mp4", "same.mp4", "touched.mp4"]


def test_a_change_that_keeps_the_time_or_the_size_is_noticed(folder, index):
    root = folder("size.mp4", "time.mp4")
    index(root)
    stamp = (root / "size.mp4").stat().st_mtime_ns
    (root / "size.mp4").write_bytes(b"longer than it was")
    os.utime(root / "size.mp4", ns=(stamp, stamp))
    (root / "time.mp4").write_bytes((root / "time.mp4").read_bytes())
    os.utime(root / "time.mp4", ns=(stamp + 1, stamp + 1))
    assert index(root)[0] == ["size.mp4", "time.mp4"]


def test_a_bad_file_is_probed_again_only_if_it_has_changed(make_video, tmp_path, index):
    good = make_video("root/a.mp4").read_bytes()
    bad = written(tmp_path / "root" / "bad.mp4", b"")
    _, entries = make_index(tmp_path / "root", workers=1, progress=False)
    assert [bool(entry.problem) for entry in entries] == [False, True]
    assert index(tmp_path / "root")[0] == []
    bad.write_bytes(good)
    assert index(tmp_path / "root")[0] == ["bad.mp4"]


def test_a_folder_of_frames_that_has_grown_is_probed_again(make_folder, tmp_path, index):
    frames = make_folder("root/frames", frames=3)
    stamp = frames.stat().st_mtime_ns

    def look():
        return index(tmp_path / "root", look=looked_at_folder)[0]

    assert look() == ["frames"]
    assert look() == []
    shutil.copy(frames / "00002.png", frames / "00003.png")
    os.utime(frames, ns=(stamp, stamp))
    assert look() == ["frames"]


def looked_at_folder(log, path, name):
    looked(log, path, name)
    return probe(path, name)


def test_a_folder_without_videos_is_reported(tmp_path):
    (tmp_path / "notes.txt").write_text("not a video")
    with pytest.raises(ClipError) as error:
        make_index(tmp_path, progress=False)
    assert_one_sentence(error, tmp_path, "holds no videos")
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("what", ["missing", "a file"])
def test_a_path_that_is_not_a_folder_is_reported(make_video, tmp_path, what):
    path = tmp_path / "missing" if what == "missing" else make_video()
    with pytest.raises(ClipError) as error:
        make_index(path, progress=False)
    assert_one_sentence(error, path, "no such folder")


NAMES = [
    "a, b.mp4",
    'qu"ote.mp4',
    "new\nline.mp4",
    "re\rturn.mp4",
    " space.mp4",
    "d, d/'e'.mp4",
    "caf\u00e9.mp4",
    os.fsdecode(b"\xff\xfe.mp4"),
]


def test_videos_with_any_file_name_can_be_indexed(make_video, tmp_path, index):
    video = make_video(frames=3)
    for name in NAMES:
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, path)
    out, entries = make_index(tmp_path / "root", workers=1, progress=False)
    assert sorted(entry.path for entry in entries) == sorted(NAMES)
    assert not any(entry.problem for entry in entries)
    found = VideoIndex(out)
    assert sorted(found.name(i) for i in range(len(found))) == sorted(NAMES)
    assert all(indices_of(found.video(i).read()) == [0, 1, 2] for i in range(len(found)))
    assert index(tmp_path / "root")[0] == [], "a second run must recognise all names"


def test_the_problem_of_a_bad_file_is_one_line_for_any_file_name(tmp_path, make_video):
    make_video("root/good.mp4", frames=3)
    for name in NAMES:
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    out, entries = make_index(tmp_path / "root", workers=1, progress=False)
    problems = [entry.problem for entry in entries if entry.problem]
    assert len(problems) == len(NAMES)
    assert sorted(VideoIndex(out).problems) == sorted(problems)
    for problem in problems:
        assert_one_sentence(problem, "cannot be opened")


def test_an_index_outside_the_folder_finds_its_videos_and_leaves_the_folder_unchanged(make_video, tmp_path):
    make_video("root/a.mp4", frames=3)
    before = (tmp_path / "root").stat().st_mtime_ns
    out, _ = make_index(tmp_path / "root", tmp_path / "new" / "deep" / "index.csv", workers=1, progress=False)
    assert out == tmp_path / "new" / "deep" / "index.csv"
    assert os.listdir(out.parent) == ["index.csv"]
    assert os.listdir(tmp_path / "root") == ["a.mp4"]
    assert (tmp_path / "root").stat().st_mtime_ns == before
    assert indices_of(VideoIndex(out).video(0).read()) == [0, 1, 2]


def test_an_index_can_be_moved_with_its_folder(make_video, tmp_path):
    make_video("root/deep/a.mp4", frames=3)
    make_index(tmp_path / "root", workers=1, progress=False)
    (tmp_path / "root").rename(tmp_path / "moved")
    video = VideoIndex(tmp_path / "moved" / NAME).video(0)
    assert video.title == "deep/a.mp4"
    assert indices_of(video.read()) == [0, 1, 2]


def test_an_open_index_does_not_depend_on_the_working_folder(make_video, here, monkeypatch, tmp_path):
    shutil.move(make_video("root/a.mp4", frames=3), here / "a.mp4")
    found = VideoIndex(make_index(".", workers=1, progress=False)[0])
    monkeypatch.chdir(tmp_path)
    assert indices_of(found.video(0).read()) == [0, 1, 2]


def test_an_index_behind_a_symbolic_link_finds_its_videos(make_video, tmp_path):
    make_video("root/a.mp4", frames=3)
    (tmp_path / "disk" / "mine").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "mine")
    out, _ = make_index(tmp_path / "root", tmp_path / "link" / "index.csv", workers=1, progress=False)
    assert indices_of(VideoIndex(out).video(0).read()) == [0, 1, 2]


def test_a_folder_that_cannot_be_written_to_is_reported(folder, index, tmp_path):
    root = folder("a.mp4")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError) as error:
        index(root, tmp_path / "file" / "index.csv")
    assert_one_sentence(error, "file/index.csv", "a part of the path is a file")


@pytest.mark.skipif(not os.path.exists("/proc") or os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_reported(folder, index):
    root = folder("a.mp4")
    root.chmod(0o555)
    try:
        with pytest.raises(OutputError) as error:
            index(root)
    finally:
        root.chmod(0o755)
    assert_one_sentence(error, NAME, "permission is denied")


# ---- interruptions


@pytest.fixture
def undisturbed(folder, index):
    """A folder of twelve files, and the bytes of the index that an uninterrupted run writes; the index itself is deleted."""
    root = folder(*(f"{i:02d}, a.mp4" for i in range(12)))
    out = index(root)[1]
    content = out.read_bytes()
    out.unlink()
    return root, content


def interrupted_after(n, whole=tqdm.tqdm):
    """A replacement for ``tqdm.tqdm`` that simulates Ctrl-C after n entries have been recorded."""

    def pressed(found, *args, **options):
        for number, entry in enumerate(whole(found, *args, **options), 1):
            yield entry
            if number == n:
                raise KeyboardInterrupt

    return pressed


def test_an_interrupted_run_resumes_where_it_stopped(undisturbed, index, monkeypatch):
    root, content = undisturbed
    whole = tqdm.tqdm
    monkeypatch.setattr(tqdm, "tqdm", interrupted_after(5))
    with pytest.raises(KeyboardInterrupt):
        index(root)
    assert not (root / NAME).exists()
    noted = {row[0] for row in rows(journal_path(root / NAME))[2:]}
    assert len(noted) == 5
    monkeypatch.setattr(tqdm, "tqdm", whole)
    seen, out, _ = index(root)
    assert set(seen) == {f"{i:02d}, a.mp4" for i in range(12)} - noted
    assert out.read_bytes() == content
    assert os.listdir(root).count(journal_path(out).name) == 0


def test_a_run_can_be_interrupted_more_than_once(undisturbed, index, monkeypatch):
    root, content = undisturbed
    for noted in (3, 6):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(tqdm, "tqdm", interrupted_after(3))
            index(root)
        assert len(rows(journal_path(root / NAME))) == 2 + noted
    seen, out, _ = index(root)
    assert len(seen) == 6
    assert out.read_bytes() == content


def test_an_interrupted_second_run_keeps_the_index_of_the_first(undisturbed, index, folder, monkeypatch):
    root, content = undisturbed
    (root / NAME).write_bytes(content)
    folder("new.mp4")

    def pressed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tqdm, "tqdm", pressed)
        with pytest.raises(KeyboardInterrupt):
            index(root)
    assert (root / NAME).read_bytes() == content
    assert index(root)[0] == ["new.mp4"]


def journal_of(root, content, length):
    """Write the first ``length`` bytes of a complete index as a journal."""
    journal_path(root / NAME).write_bytes(content[:length])


@pytest.mark.parametrize("lost", [1, 2, 3, 5, 8, 12, 30])
def test_a_run_resumes_from_a_journal_with_a_truncated_last_line(undisturbed, index, lost):
    root, content = undisturbed
    lines = content.splitlines(keepends=True)
    journal_of(root, content, sum(map(len, lines[:8])) - lost)
    seen, out, _ = index(root)
    assert set(seen) >= {f"{i:02d}, a.mp4" for i in range(6, 12)}, "all files that were not recorded must be probed"
    assert len(seen) <= 7, "besides them, only the truncated entry may be probed again"
    assert out.read_bytes() == content


def test_a_truncated_journal_line_about_a_bad_file_is_ignored(folder, index):
    root = folder("a.mp4", "bad.mp4")
    out = index(root, look=half_bad)[1]
    content = out.read_bytes()
    begin = content.index(b"bad.mp4,")
    assert content.endswith(b",0.000,0.0000,0,0,\"'bad.mp4' is no good, of no use\"\r\n")
    for length in range(len(content), begin, -4):
        out.unlink(missing_ok=True)
        journal_of(root, content, length)
        index(root, look=half_bad)
        assert out.read_bytes() == content, content[begin:length]


def half_bad(log, path, name):
    entry = looked(log, path, name)
    return Entry(name, entry.bytes, entry.changed, problem=f"'{name}' is no good, of no use") if "bad" in name else entry


FOREIGN = {
    "random bytes": RANDOM,
    "nothing": b"",
    "a table": b"video,seconds\r\na.mp4,3\r\n",
    "another version": b"tinytrack index 0,.\r\n",
    "a similar word": b"tinytrack index 10,.\r\n",
    "one long line": b"x" * 100_000,
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("place", [lambda path: path, journal_path], ids=["index", "journal"])
def test_a_file_that_is_no_index_is_not_replaced(folder, index, place, content):
    root = folder("a.mp4", "b.mp4")
    path = place(root / NAME)
    path.write_bytes(content)
    with pytest.raises(OutputError) as error:
        index(root)
    assert_one_sentence(error, path, "exists and is not an index", "--out")
    assert path.read_bytes() == content
    assert sorted(os.listdir(root)) == sorted(["a.mp4", "b.mp4", path.name])


def test_a_link_to_an_index_is_neither_replaced_nor_followed(folder, index, tmp_path):
    root = folder("a.mp4")
    out = index(root)[1]
    out.rename(tmp_path / "kept.csv")
    out.symlink_to(tmp_path / "kept.csv")
    before = (tmp_path / "kept.csv").read_bytes()
    folder("b.mp4")
    with pytest.raises(OutputError) as error:
        index(root)
    assert_one_sentence(error, out, "is a link")
    assert out.is_symlink()
    assert (tmp_path / "kept.csv").read_bytes() == before


def waiting(log, path, name):
    """Like :func:`looked`, but wait at the seventh file until a file "gate" exists, and record the process id."""
    (log.parent / f"process-{os.getpid()}").touch()
    while name.startswith("06") and not (log.parent / "gate").exists():
        time.sleep(0.01)
    return looked(log, path, name)


def index_in_a_process(root, log):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs pytest in the background ignores SIGINT
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # hide the traceback of the interruption
    make_index(root, look=functools.partial(waiting, log), workers=1, progress=False)


def until(condition, seconds=20):
    """Wait until a condition holds; return whether it did in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def half_done(undisturbed, tmp_path):
    """A separate process that has indexed six of twelve files and waits at the seventh: (process, its workers, root, content)."""
    root, content = undisturbed
    process = multiprocessing.get_context("fork").Process(target=index_in_a_process, args=(root, tmp_path / "log"))
    process.start()
    workers = []
    try:
        assert until(lambda: journal_path(root / NAME).exists() and len(rows(journal_path(root / NAME))) == 8)
        workers = [int(p.name.removeprefix("process-")) for p in tmp_path.glob("process-*")]
        assert workers
        yield process, workers, root, content
    finally:
        process.kill()
        process.join()
        (tmp_path / "gate").touch()
        for pid in filter(alive, workers):
            os.kill(pid, signal.SIGKILL)


@needs_proc
def test_a_killed_run_resumes_where_it_stopped(half_done, index):
    process, _, root, content = half_done
    process.kill()
    process.join()
    seen, out, _ = index(root)
    assert set(seen) == {f"{i:02d}, a.mp4" for i in range(6, 12)}
    assert out.read_bytes() == content


@needs_proc
def test_ctrl_c_ends_all_processes_and_the_run_resumes_where_it_stopped(half_done, index, tmp_path):
    process, workers, root, content = half_done
    for pid in [process.pid, *workers]:  # a terminal sends Ctrl-C to all of them
        os.kill(pid, signal.SIGINT)
    time.sleep(0.1)
    assert all(map(alive, workers)), "the workers must finish their current file"
    (tmp_path / "gate").touch()
    process.join(20)
    assert process.exitcode == 1
    assert until(lambda: not any(map(alive, workers)))
    seen, out, _ = index(root)
    assert set(seen) == {f"{i:02d}, a.mp4" for i in range(6, 12)}
    assert out.read_bytes() == content


@needs_proc
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_the_workers_of_a_terminated_run_end_too(half_done, tmp_path, by):
    process, workers, _, _ = half_done
    os.kill(process.pid, by)
    process.join()
    (tmp_path / "gate").touch()
    assert until(lambda: not any(map(alive, workers)), seconds=1.5)


def crashing(log, path, name):
    """Like :func:`looked`, but some files end the process that looks at them."""
    looked(log, path, name)
    if name.startswith("leave"):
        os._exit(1)
    if name.startswith("crash"):
        faulthandler.disable()  # pytest's handler would print a traceback
        os.kill(os.getpid(), signal.SIGSEGV)
    return passed(path, name)


def test_a_file_that_crashes_the_decoder_is_reported_and_the_run_continues(folder, index):
    root = folder("a.mp4", "b.mp4", "crash, 1.mp4", "leave.mp4", "y.mp4", "z.mp4")
    _, out, entries = index(root, look=crashing)
    assert [entry.path for entry in entries] == [row[0] for row in rows(out)[2:]]
    problems = {entry.path: entry.problem for entry in entries if entry.problem}
    assert set(problems) == {"crash, 1.mp4", "leave.mp4"}
    for name, problem in problems.items():
        assert_one_sentence(problem, f"'{name}'", "crashes the decoder")
    assert index(root, look=crashing)[0] == [], "the file must not be tried again"


# ---- reading an index


def test_several_indexes_can_be_read_as_one(make_video, tmp_path):
    make_video("one/a.mp4", frames=3)
    make_video("one/b.mp4", frames=4)
    make_video("two/a.mp4", frames=5, height=64, width=48, fps=5)
    paths = [make_index(tmp_path / name, workers=1, progress=False)[0] for name in ("one", "two")]
    both = VideoIndex(*paths)
    assert [both.name(i) for i in range(len(both))] == ["a.mp4", "b.mp4", "a.mp4"]
    assert [len(both.video(i).read()) for i in range(3)] == [3, 4, 5]
    assert both.seconds.tolist() == pytest.approx([0.2, 0.3, 0.8])
    assert both.fps.tolist() == [10, 10, 5]
    assert both.size.tolist() == [[48, 64], [48, 64], [64, 48]]
    assert both.video(0).title == "a.mp4"


def test_bad_videos_are_left_out_and_their_problems_kept(make_video, tmp_path):
    make_video("root/a.mp4", frames=3)
    for name in ("0.mp4", "b.mp4"):
        written(tmp_path / "root" / name, b"")
    found = VideoIndex(make_index(tmp_path / "root", workers=1, progress=False)[0])
    assert len(found) == 1
    assert found.name(0) == "a.mp4"
    assert len(found.video(0).read()) == 3
    assert [problem[:7] for problem in found.problems] == ["'0.mp4'", "'b.mp4'"]


def table(path, rows=(), head=(FORMAT, ".")):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([head, COLUMNS, *rows])
    return path


NO_INDEX = {
    "missing": (lambda path: path, "cannot be read"),
    "a folder": (lambda path: path.mkdir() or path, "cannot be read"),
    "empty": (lambda path: written(path, b""), "not an index"),
    "another table": (lambda path: written(path, b"name,age\nBert,7\n"), "not an index"),
    "another version": (lambda path: table(path, head=("tinytrack index 0", ".")), "not an index"),
    "noise": (lambda path: written(path, RANDOM), "not an index"),
    "a head alone": (lambda path: written(path, f"{FORMAT},.\n".encode()), "no video"),
    "no line": (lambda path: table(path), "names no video"),
    "bad videos only": (lambda path: table(path, [["a.mp4", 1, 1, 0, 0, 0, 0, "'a.mp4' is empty"]]), "no video"),
}


@pytest.mark.parametrize(
    "column, value",
    [(3, "nan"), (3, "-1"), (3, "1e999"), (3, "soon"), (4, "0"), (4, "inf"), (5, "0"), (6, "99999999999"), (6, "64.5"), (7, None)],
)
def test_a_line_edited_by_hand_is_reported_and_left_out(tmp_path, column, value):
    rows = [[f"{name}.mp4", 1, 1, 1, 10, 48, 64, ""] for name in "abc"]
    rows[1][column : column + 1] = [] if value is None else [value]
    found = VideoIndex(table(tmp_path / "index.csv", rows))
    assert [found.name(i) for i in range(len(found))] == ["a.mp4", "c.mp4"]
    assert len(found.problems) == 1
    assert_one_sentence(found.problems[0], "'b.mp4'", "not written by 'tinytrack data index'")


def test_a_video_whose_line_was_edited_by_hand_is_probed_again(folder, index):
    root = folder("a.mp4", "b.mp4")
    index(root)
    text = (root / NAME).read_text()
    (root / NAME).write_text(text.replace("1.000", "nan", 1))
    assert index(root)[0] == ["a.mp4"]
    assert (root / NAME).read_text() == text


@pytest.mark.parametrize("kind", NO_INDEX)
def test_a_file_that_is_not_an_index_is_reported(tmp_path, kind):
    make, why = NO_INDEX[kind]
    path = make(tmp_path / "index.csv")
    with pytest.raises(ClipError) as error:
        VideoIndex(path)
    assert_one_sentence(error, path, why)


def torn(path):
    """Write an index with an unmatched quotation mark, which makes a field longer than the csv module allows."""
    table(path, [["a.mp4", 1, 1, 1, 10, 48, 64, ""]])
    path.write_bytes(path.read_bytes() + b'b.mp4,1,1,1,10,48,64,"' + b"c.mp4,1,1,1,10,48,64,\r\n" * 10_000)
    return path


def test_a_torn_line_is_reported_and_the_lines_after_it_are_read(tmp_path):
    index = VideoIndex(torn(tmp_path / "index.csv"))
    assert len(index) == 1 + 9_999, "the videos before and after the torn line must be kept"
    assert [index.name(i) for i in (0, 1, 9_999)] == ["a.mp4", "c.mp4", "c.mp4"]
    assert len(index.damaged) == 1
    assert_one_sentence(index.damaged[0], "line 4 of 'index.csv'", "b.mp4")
    assert index.problems == index.damaged


def test_training_reports_a_torn_line(cli, make_video, tmp_path):
    root = tmp_path / "root"
    for name in "ab":
        make_video(f"root/{name}.mp4", frames=12, fps=10)
    assert cli("data", "index", root, "--workers", "1").status == 0
    lines = (root / NAME).read_bytes().split(b"\r\n")
    lines[2] = lines[2].replace(b",", b',"', 1)  # an unmatched quotation mark
    (root / NAME).write_bytes(b"\r\n".join(lines))
    trained = cli("train", root / NAME, "--steps", "1", "--workers", "1", "--out", "m.pt")
    assert trained.status == 0, trained.said
    assert "skipped: line 3 of 'tinytrack-index.csv'" in trained.out
    assert "1 videos" in trained.out


def test_a_torn_index_is_rebuilt(folder, index):
    root = folder("a.mp4", "b.mp4")
    torn(root / NAME)
    assert index(root)[0] == ["a.mp4", "b.mp4"]


def test_the_second_of_two_files_must_also_be_an_index(make_video, tmp_path):
    make_video("root/a.mp4", frames=3)
    good = make_index(tmp_path / "root", workers=1, progress=False)[0]
    with pytest.raises(ClipError) as error:
        VideoIndex(good, written(tmp_path / "other.csv", TEXT))
    assert_one_sentence(error, tmp_path / "other.csv", "not an index")


def test_the_fingerprint_changes_with_the_videos(tmp_path):
    rows = [["a.mp4", 1, 1, 10, 25, 48, 64, ""], ["b.mp4", 1, 1, 20, 25, 48, 64, ""]]
    print_of = VideoIndex(table(tmp_path / "a.csv", rows)).fingerprint()
    assert print_of == VideoIndex(table(tmp_path / "b.csv", rows)).fingerprint()
    assert len(print_of) == 3
    assert print_of != VideoIndex(table(tmp_path / "c.csv", rows[:1])).fingerprint()
    assert print_of != VideoIndex(table(tmp_path / "d.csv", [rows[0], ["b.mp4", 1, 1, 22, 25, 48, 64, ""]])).fingerprint()
    assert print_of != VideoIndex(table(tmp_path / "e.csv", [rows[0], ["c.mp4", 1, 1, 20, 25, 48, 64, ""]])).fingerprint()


def reached_from(thing):
    """All objects that ``thing`` keeps in memory, except classes, modules, functions and dtypes."""
    found, todo = {}, [thing]
    while todo:
        item = todo.pop()
        if id(item) in found or isinstance(item, type | types.ModuleType | types.FunctionType | np.dtype):
            continue
        found[id(item)] = item
        todo += gc.get_referents(item)
        if isinstance(item, np.ndarray) and item.base is not None:
            todo.append(item.base)
    return found.values()


def test_an_index_of_300_000_videos_is_small_and_holds_no_object_per_video(tmp_path):
    """Reading a Python object changes its reference count, which copies its page of memory in every forked worker."""
    n = 300_000
    with open(tmp_path / "index.csv", "w") as file:
        file.write(f"{FORMAT},.\n{','.join(COLUMNS)}\n")
        file.writelines(
            f"part{i // 1000:03d}/video{i:06d}-{i * 7919 % n:06d}.mp4,123456,1700000000000000000,{i % 100 / 10:.3f},25.0000,240,320,\n"
            for i in range(n)
        )
    index = VideoIndex(tmp_path / "index.csv")
    assert len(index) == n
    assert index.name(123_456) == f"part123/video123456-{123_456 * 7919 % n:06d}.mp4"
    assert index.seconds[17] == 1.7
    kept = reached_from(index)
    assert len(kept) < 100
    assert sum(item.nbytes if isinstance(item, np.ndarray) and item.base is None else sys.getsizeof(item) for item in kept) < 30e6


# ---- the command


def test_the_command_prints_totals_skipped_files_and_the_next_step(cli, make_video, tmp_path):
    make_video("root/a.mp4", frames=37, fps=1)
    make_video("root/b.mp4", frames=37, fps=1)
    written(tmp_path / "root" / "bad.mp4", b"")
    done = cli("data", "index", tmp_path / "root", "--workers", 1)
    assert done.status == 0
    assert done.said == []
    skipped, total, hint = done.out.splitlines()
    assert_one_sentence(skipped, "skipped: 'bad.mp4' cannot be opened")
    assert total == f"2 videos, 0.02 hours, 0.00 GB, 1 skipped: {tmp_path / 'root' / NAME}"
    assert f"train {tmp_path / 'root' / NAME}" in hint
    assert cli("data", "index", tmp_path / "root").out == done.out, "a second run must print the same"


def test_the_command_lists_twenty_skipped_files_and_counts_the_rest(cli, folder):
    root = folder(*(f"{i:02d}.mp4" for i in range(23)))
    done = cli("data", "index", root, "--workers", 2)
    lines = done.out.splitlines()
    assert done.status == 2, "an index without good videos must be an error"
    assert len(lines) == 22, "the command must not suggest training"
    assert_one_sentence(done.said[0], "no video", str(root), "can be trained on", "last column", NAME)
    assert [line[:17] for line in lines[:20]] == [f"skipped: '{i:02d}.mp4'" for i in range(20)]
    assert_one_sentence(lines[20], "3 more", "last column")
    assert lines[21].startswith("0 videos, 0.00 hours, 0.00 GB, 23 skipped")


def test_the_command_writes_to_the_requested_file(cli, make_video, tmp_path, here):
    make_video("root/a.mp4", frames=3)
    assert cli("data", "index", tmp_path / "root", "--out", "mine.csv").status == 0
    assert len(VideoIndex(here / "mine.csv")) == 1
    assert os.listdir(tmp_path / "root") == ["a.mp4"]


REFUSED = {
    "no folder": (["data", "index"], ["which folder?", "data index FOLDER"]),
    "a missing folder": (["data", "index", "missing"], ["no such folder", "'missing'"]),
    "a file": (["data", "index", "file.mp4"], ["no such folder", "'file.mp4'"]),
    "a folder without videos": (["data", "index", "empty"], ["'empty'", "holds no videos"]),
    "--out for another action": (["data", "list", "--out", "a.csv"], ["--out", "'data index'"]),
    "--workers for another action": (["data", "verify", "--workers", "2"], ["--workers", "'data index'"]),
    "no processes": (["data", "index", "empty", "--workers", "0"], ["--workers", "from 1 to 1024"]),
    "no table": (["data", "index", "full", "--out", "index.txt"], ["'index.txt'", "ends in .csv"]),
    "an unknown option": (["data", "index", "empty", "--fast"], ["unrecognized arguments: --fast"]),
    "a place that is a file": (["data", "index", "full", "--out", "file.mp4/a.csv"], ["file.mp4/a.csv", "a part of the path is a file"]),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_the_command_refuses_in_one_sentence(cli, here, kind):
    (here / "empty").mkdir()
    (here / "full").mkdir()
    written(here / "full" / "a.mp4", b"")
    written(here / "file.mp4", b"")
    args, parts = REFUSED[kind]
    done = cli(*args)
    assert done.status == 2
    assert done.out == ""
    assert len(done.said) == 1
    assert_one_sentence(done.said[0], *parts)


def test_an_interrupted_command_says_how_to_continue(cli, folder, monkeypatch):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinytrack.training.video_index.make_index", pressed)
    done = cli("data", "index", folder("a.mp4"))
    assert done.status == 2
    assert done.out == ""
    assert_one_sentence(done.said[0], "interrupted", "the same command continues")


def test_the_command_reports_a_bad_file_whose_name_is_not_valid_text(tmp_path, make_video, monkeypatch):
    make_video("root/a.mp4", frames=3)
    written(tmp_path / "root" / os.fsdecode(b"bad\xff.mp4"), b"")
    screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # as strict about encoding as the real stdout; pytest's is not
    monkeypatch.setattr(sys, "stdout", screen)
    assert program.main(["data", "index", str(tmp_path / "root")]) == 0
    screen.flush()
    assert screen.buffer.getvalue().startswith(b"skipped: 'bad")


def test_an_index_opens_the_videos_of_its_folder(make_video, tmp_path):
    frames = index_frames(6)
    make_video("root/a.mp4", frames=frames, fps=10)
    found = VideoIndex(make_index(tmp_path / "root", workers=1, progress=False)[0])
    assert indices_of(found.video(0).frames_at([0.0, float(found.seconds[0])])) == [0, 5]
