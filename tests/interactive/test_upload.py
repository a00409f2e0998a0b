"""Uploads in pieces: files arrive complete and in order, their names cannot escape the folder, and errors are one sentence."""

import builtins
import errno
from pathlib import Path

import numpy as np
import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.errors import OutputError, VideoError
from tinytrack.interactive import upload
from tinytrack.interactive.upload import LIMIT, Upload

PIECE = 1000


class Browser:
    """A simulated browser that offers files and sends the requested pieces, as ``upload.js`` does."""

    def __init__(self, monkeypatch):
        monkeypatch.setattr(upload, "PIECE", PIECE)
        self.files, self.errors, self.shares, self.asked = [], [], [], []
        self.widget = Upload(self.files.append, self.errors.append, self.shares.append)
        monkeypatch.setattr(self.widget, "send", self.asked.append)

    def tell(self, kind, *pieces, **message):
        self.widget.hear({"kind": kind, **message}, [memoryview(piece) for piece in pieces])

    def begin(self, name, size):
        self.tell("begin", name=name, size=size)

    def answer(self, content, request=None):
        """Send the piece that the last message, or an earlier one, requests."""
        request = request or self.asked[-1]
        assert request["kind"] == "more"
        self.tell("piece", content[request["start"] : request["stop"]], number=request["number"], start=request["start"])

    def send(self, name, content):
        """Send a whole file."""
        self.begin(name, len(content))
        while self.asked[-1]["kind"] == "more":
            self.answer(content)

    @property
    def error(self):
        """The only error. Also checks that no file arrived and that the browser received the message to stop."""
        (error,) = self.errors
        assert self.files == []
        assert self.asked[-1] == {"kind": "end"}
        return error

    @property
    def kept(self) -> list[Path]:
        """All files on disk."""
        folder = self.widget._folder
        return [] if folder is None else [p for p in Path(folder.name).rglob("*") if p.is_file()]


@pytest.fixture
def browser(monkeypatch):
    return Browser(monkeypatch)


def content_of(size, seed=0) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7])
def test_a_file_arrives_piece_by_piece_in_order(browser, size):
    content = content_of(size)
    browser.send("clip.mp4", content)
    (path,) = browser.files
    assert path.name == "clip.mp4"
    assert path.read_bytes() == content
    starts = list(range(0, size, PIECE))
    asked = [{"kind": "more", "number": 1, "start": start, "stop": min(start + PIECE, size)} for start in starts]
    assert browser.asked == [*asked, {"kind": "end"}]
    assert browser.errors == []
    assert browser.shares == pytest.approx([min(start + PIECE, size) / size for start in starts])


def test_a_file_is_not_reported_before_it_is_complete(browser):
    content = content_of(2 * PIECE)
    browser.begin("clip.mp4", len(content))
    browser.answer(content)
    assert browser.files == []
    browser.answer(content)
    assert len(browser.files) == 1


def test_messages_from_the_page_arrive(browser):
    """The messages take the same path as from a real page, through the widget's own dispatch."""
    browser.widget._handle_custom_msg({"kind": "begin", "name": "clip.mp4", "size": 3}, [])
    browser.widget._handle_custom_msg({"kind": "piece", "number": 1, "start": 0}, [memoryview(b"abc")])
    assert browser.files[0].read_bytes() == b"abc"


def test_each_upload_has_its_own_number(browser):
    browser.send("one.mp4", b"one")
    browser.send("two.mp4", b"two")
    browser.begin("none.mp4", 0)
    browser.send("three.mp4", b"three")
    assert [message["number"] for message in browser.asked if message["kind"] == "more"] == [1, 2, 4]


@pytest.mark.parametrize("same", [True, False], ids=["the very piece that is asked for now", "a later piece"])
def test_a_late_piece_of_an_abandoned_upload_is_ignored(browser, same):
    first, second = content_of(3 * PIECE, 1), content_of(3 * PIECE, 2)
    browser.begin("first.mp4", len(first))
    if not same:
        browser.answer(first)
    late = browser.asked[-1]
    browser.begin("second.mp4", len(second))
    count = len(browser.asked)
    browser.answer(first, late)
    assert len(browser.asked) == count, "the late piece is neither stored nor answered"
    assert browser.kept[0].read_bytes() == b"", "the late piece is neither stored nor answered"
    browser.answer(second)
    browser.answer(first, late)
    while browser.asked[-1]["kind"] == "more":
        browser.answer(second)
    (path,) = browser.files
    assert path.name == "second.mp4"
    assert path.read_bytes() == second
    assert browser.errors == []


def test_a_late_piece_of_a_refused_upload_is_ignored(browser):
    content = content_of(2 * PIECE)
    browser.begin("clip.mp4", len(content))
    late = browser.asked[-1]
    browser.begin("nothing.mp4", 0)
    browser.answer(content, late)
    browser.tell("failed", number=late["number"])
    assert_one_sentence(browser.error, "'nothing.mp4'")
    assert browser.kept == []


def test_the_partial_file_of_an_abandoned_upload_is_removed(browser):
    content = content_of(3 * PIECE)
    browser.begin("first.mp4", len(content))
    browser.answer(content)
    assert [p.name for p in browser.kept] == ["first.mp4"]
    browser.begin("second.mp4", len(content))
    assert [p.name for p in browser.kept] == ["second.mp4"]
    browser.begin("nothing.mp4", 0)
    assert browser.kept == []
    browser.send("third.mp4", content)
    browser.begin("fourth.mp4", len(content))
    assert browser.files[0].read_bytes() == content, "a complete file is kept"


def test_a_failure_of_an_abandoned_upload_is_ignored(browser):
    browser.begin("first.mp4", PIECE)
    browser.begin("second.mp4", 3)
    browser.tell("failed", number=1)
    assert browser.errors == []
    browser.answer(b"abc")
    assert browser.files[0].read_bytes() == b"abc"


def test_a_piece_that_arrives_twice_counts_once(browser):
    content = content_of(3 * PIECE)
    browser.begin("clip.mp4", len(content))
    asked = browser.asked[-1]
    browser.answer(content)
    browser.answer(content, asked)
    while browser.asked[-1]["kind"] == "more":
        browser.answer(content)
    browser.answer(content, asked)
    assert browser.files[0].read_bytes() == content
    assert len(browser.files) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_a_piece_without_an_upload_is_ignored(browser, number):
    browser.tell("piece", b"abc", number=number, start=0)
    assert browser.asked == browser.files == browser.errors == browser.kept == []


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(browser):
    browser.begin("long.mp4", LIMIT + 50_000_000)
    assert isinstance(browser.error, VideoError)
    assert_one_sentence(browser.error, "'long.mp4'", "250.0 MB", "200 MB", "path")
    assert browser.kept == []


def test_the_message_shows_that_a_slightly_too_large_file_exceeds_the_limit(browser):
    browser.begin("long.mp4", LIMIT + 60_000)
    assert_one_sentence(browser.error, "200.1 MB", "at most 200 MB")


def test_a_file_of_the_maximum_size_is_accepted(browser):
    browser.begin("long.mp4", LIMIT)
    assert browser.errors == []
    assert browser.asked == [{"kind": "more", "number": 1, "start": 0, "stop": PIECE}]


def test_an_empty_file_is_refused(browser):
    browser.begin("nothing.mp4", 0)
    assert isinstance(browser.error, VideoError)
    assert_one_sentence(browser.error, "'nothing.mp4'", "empty")


def test_a_file_that_the_browser_can_no_longer_read_is_named_and_discarded(browser):
    content = content_of(2 * PIECE)
    browser.begin("clip.mp4", len(content))
    browser.answer(content)
    asked = browser.asked[-1]
    browser.tell("failed", number=asked["number"])
    assert isinstance(browser.error, VideoError)
    assert_one_sentence(browser.error, "'clip.mp4'", "browser")
    assert browser.kept == []
    browser.answer(content, asked)
    assert browser.files == []
    assert browser.kept == []


def test_the_next_file_is_accepted_after_a_refusal(browser):
    browser.begin("nothing.mp4", 0)
    browser.send("clip.mp4", b"abc")
    assert browser.files[0].read_bytes() == b"abc"
    assert len(browser.errors) == 1


def test_two_files_with_the_same_name_do_not_overwrite_each_other(browser):
    browser.send("clip.mp4", b"one")
    browser.send("clip.mp4", b"two")
    first, second = browser.files
    assert first != second
    assert first.name == second.name == "clip.mp4"
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")


NAMES = {
    "clip.mp4": "clip.mp4",
    "a/b.mp4": "b.mp4",
    "/b.mp4": "b.mp4",
    "../../b.mp4": "b.mp4",
    "C:\\x\\y.mp4": "y.mp4",
    "..\\y.mp4": "y.mp4",
    "..": "video",
    ".": "video",
    "": "video",
    "/": "video",
    "a/..": "video",
    "a\\..": "video",
    "~": "~",
    "-rf": "-rf",
    "my film (größe) 100%.mp4": "my film (größe) 100%.mp4",
    "two\nlines.mp4": "two\nlines.mp4",
}


@pytest.mark.parametrize("name", NAMES)
def test_file_names_cannot_lead_out_of_the_folder(browser, name):
    browser.send(name, b"abc")
    (path,) = browser.files
    assert path.name == NAMES[name]
    assert path.read_bytes() == b"abc"
    assert path.resolve().parent.parent == Path(browser.widget._folder.name).resolve()
    assert browser.kept == [path]


def test_a_name_too_long_for_the_disk_is_reported(browser):
    browser.begin("x" * 300 + ".mp4", 3)
    assert isinstance(browser.error, OutputError)
    assert_one_sentence(browser.error, "cannot keep", "name is too long")


@pytest.mark.parametrize("code, words", [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "quota"), (errno.EACCES, "permission")])
def test_a_write_error_is_reported_and_the_partial_file_is_removed(browser, monkeypatch, code, words):
    content = content_of(3 * PIECE)
    browser.begin("clip.mp4", len(content))
    browser.answer(content)
    assert [p.read_bytes() for p in browser.kept] == [content[:PIECE]]

    def full(*args, **kwargs):
        raise OSError(code, "no room")

    monkeypatch.setattr(upload, "open", full, raising=False)
    asked = browser.asked[-1]
    browser.answer(content)
    assert isinstance(browser.error, OutputError)
    assert_one_sentence(browser.error, "cannot keep the uploaded file", words)
    assert browser.kept == []
    monkeypatch.setattr(upload, "open", builtins.open, raising=False)
    browser.answer(content, asked)
    assert browser.kept == []
    assert len(browser.errors) == 1
    browser.send("clip.mp4", content)
    assert browser.files[0].read_bytes() == content


def test_an_upload_folder_that_cannot_be_created_is_reported(browser, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(upload.tempfile, "mkdtemp", full)
    browser.begin("clip.mp4", 3)
    assert isinstance(browser.error, OutputError)
    assert_one_sentence(browser.error, "the disk is full")


def test_a_name_with_a_nul_is_kept_without_it_and_later_uploads_work(browser):
    browser.send("cl\0ip.mp4", b"one")
    browser.send("next.mp4", b"two")
    assert [path.name for path in browser.files] == ["clip.mp4", "next.mp4"]
    assert browser.errors == []


def test_paths_of_uploads_are_shortened_to_names(browser):
    assert browser.widget.shorten("no '/x/clip.mp4'") == "no '/x/clip.mp4'"
    browser.send("clip.mp4", b"one")
    (path,) = browser.files
    assert browser.widget.shorten(f"no '{path}', no '{path}': /other") == "no 'clip.mp4', no 'clip.mp4': /other"
