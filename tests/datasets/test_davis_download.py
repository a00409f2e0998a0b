"""Download DAVIS from a server on this machine that fails in many ways: the folder appears complete or not at all."""

import contextlib
import errno
import hashlib
import io
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack import __main__ as program
from tinytrack.datasets import davis_download
from tinytrack.datasets.clips import CLIPS
from tinytrack.datasets.davis import SPLITS_2016, Davis
from tinytrack.datasets.davis_download import Archive, announcement, davis_folder, fetch_davis, verify_davis
from tinytrack.errors import ClipError, OutputError
from tinytrack.io.paths import cache_folder

SPLITS_2017 = {split: [*names, extra] for (split, names), extra in zip(SPLITS_2016.items(), ("dog-gooses", "bike-packing"), strict=True)}


@pytest.fixture(scope="module")
def files():
    """Make the files of a DAVIS 2017 archive as {name: bytes}, with the official names, no real pictures and no lists for 2016."""
    made = {f"DAVIS/ImageSets/2017/{split}.txt": "\n".join(names).encode() + b"\n" for split, names in SPLITS_2017.items()}
    for name in sum(SPLITS_2017.values(), []):
        for n in range(2):
            made[f"DAVIS/JPEGImages/480p/{name}/{n:05d}.jpg"] = f"frame {n} of {name}".encode()
            made[f"DAVIS/Annotations/480p/{name}/{n:05d}.png"] = f"mask {n} of {name}".encode()
    return made


def packed(files):
    """Pack files into a zip file and return its bytes; a name may also be a ZipInfo."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answer a request with the server's file, or fail in the way that ``server.fault`` names."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        site, fault, body = self.server, self.server.fault, self.server.body
        site.requests += 1
        if fault == "hang up":
            return
        self.send_response(fault if isinstance(fault, int) else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the program may close the connection before everything is sent
            self.wfile.write(body[: len(body) // 2] if fault else body)
        if fault == "Ctrl-C":
            time.sleep(0.2)  # let the program read the first half
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        if fault in ("stall", "Ctrl-C"):
            site.released.wait(20)


@pytest.fixture
def site(files, monkeypatch):
    """Start the server with a valid archive; ``site.archive`` describes what the program expects to get from it."""
    for name in ("no_proxy", "NO_PROXY"):  # a proxy would look for the server on the proxy's own machine
        monkeypatch.setenv(name, "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.fault, server.requests, server.released = "", 0, threading.Event()
    expect(server, packed(files), monkeypatch)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def expect(site, body, monkeypatch):
    """Let the site serve ``body`` and let the program expect exactly these bytes."""
    site.body = body
    site.archive = Archive(f"http://127.0.0.1:{site.server_port}/davis.zip", len(body), hashlib.sha256(body).hexdigest())
    monkeypatch.setattr(davis_download, "DAVIS_ARCHIVE", site.archive)


@pytest.fixture(autouse=True)
def cache(here, tmp_path, monkeypatch):
    """Name a cache folder that does not exist yet, outside the working folder."""
    monkeypatch.setenv("TINYTRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fetched(site, out=None):
    """Fetch from the site without progress bars."""
    return fetch_davis(out, site.archive, progress=False)


def refused(site, *parts, error=ClipError, out=None, left=()):
    """Fetch, expect one sentence as the error, and check that nothing but ``left`` is in the cache folder afterwards."""
    with pytest.raises(error) as caught:
        fetched(site, out)
    assert_one_sentence(caught, *parts)
    assert_left(*left)


def assert_failed(result, *parts):
    """Check that a command ended with status 2 and one sentence on the error stream, next to progress bars."""
    assert result.status == 2
    (sentence,) = result.said
    assert_one_sentence(sentence, "tinytrack: ", *parts)


def keep_archive(site, cache):
    """Put the complete archive where a run leaves it if it ends before unpacking."""
    cache.mkdir()
    (cache / ".davis.zip").write_bytes(site.body)


def assert_left(*names):
    """Check that the cache folder holds exactly these names; without names it must not exist."""
    folder = cache_folder()
    assert folder.exists() == bool(names)
    assert sorted(os.listdir(folder) if names else ()) == sorted(names)


def assert_complete(root, files):
    """Check that the folder holds every file of the archive with the right bytes, and no other file."""
    found = {f"DAVIS/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert found == files


def test_a_good_archive_becomes_a_davis_tree(site, cache, files):
    root = fetched(site)
    assert root == cache / "DAVIS"
    assert_complete(root, files)
    assert_left("DAVIS")
    assert verify_davis() == "ok"
    assert {split: len(names) for split, names in SPLITS_2016.items()} == {"train": 30, "val": 20}
    for year, splits in ((2016, SPLITS_2016), (2017, SPLITS_2017)):
        assert {split: Davis(root, year).sequences(split) for split in splits} == splits
    (root / "mine.txt").write_text("kept")
    assert fetched(site) == root
    assert site.requests == 1, "a folder that already exists must not be fetched again"
    assert (root / "mine.txt").read_text() == "kept"


@pytest.mark.parametrize("name", ["new/folder", "empty"])
def test_the_folder_may_be_a_new_or_an_empty_one(site, tmp_path, files, name):
    (tmp_path / "empty").mkdir()
    target = tmp_path / name
    assert fetched(site, target) == target
    assert_complete(target, files)
    assert set(os.listdir(target.parent)) <= {"empty", "folder", "here"}
    assert_left()


@pytest.mark.parametrize("name", ["mine/thesis.txt", "mine"], ids=["folder", "file"])
def test_a_folder_or_a_file_of_the_user_is_refused_and_untouched(site, tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("the only copy")
    refused(site, tmp_path / "mine", "an empty folder", out=tmp_path / "mine")
    assert site.requests == 0
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")} == {"here", "mine", name}
    assert path.read_text() == "the only copy"


def test_a_leftover_archive_with_other_content_is_replaced(site, cache, files):
    cache.mkdir()
    (cache / ".davis.zip").write_bytes(b"another archive")
    assert_complete(fetched(site), files)
    assert_left("DAVIS")


def test_the_announcement_names_the_official_archive_and_the_disk_space(cache):
    archive = davis_download.DAVIS_ARCHIVE
    assert archive.url == "https://data.vision.ee.ethz.ch/csergi/share/davis/DAVIS-2017-trainval-480p.zip"
    assert archive.size == 832_766_765
    line = announcement(davis_folder(), archive)
    for part in ("833 MB", archive.url, davis_folder(), "CC BY-NC 4.0", "1,749 MB of free disk"):
        assert str(part) in line
    cache.mkdir()
    (cache / ".davis.zip").touch()
    assert "916 MB of free disk" in announcement(davis_folder(), archive)


def test_davis_means_the_fetched_data_unless_a_folder_has_that_name(site, tmp_path):
    with pytest.raises(ClipError) as error:
        davis_download.davis_root("davis")
    assert_one_sentence(error, "python -m tinytrack data fetch davis")
    root = fetched(site)
    assert davis_download.davis_root("davis") == root
    assert davis_download.davis_root(tmp_path / "x") == tmp_path / "x"
    assert str(davis_download.davis_root("./davis")) == "davis", "a path with a separator must never mean the fetched data"
    os.mkdir("davis")
    assert str(davis_download.davis_root("davis")) == "davis"


def test_the_official_splits_match_the_real_data(davis_root):
    lists = {split: (davis_root / "ImageSets" / "2016" / f"{split}.txt").read_text().split() for split in ("train", "val")}
    assert lists["train"] == SPLITS_2016["train"]
    assert set(lists["val"]) <= set(SPLITS_2016["val"])


@pytest.mark.parametrize("year, resolution, lost", [(2016, None, "cows"), (2017, None, None), (2016, "1080p", None)])
def test_the_official_splits_are_used_only_if_all_sequences_exist(site, year, resolution, lost):
    root = fetched(site)
    shutil.rmtree(root / "ImageSets")
    if lost:
        shutil.rmtree(root / "JPEGImages" / "480p" / lost)
    with pytest.raises(ClipError) as error:
        Davis(root, year, resolution).sequences("val")
    assert_one_sentence(error, f"expected ImageSets/{year}/val.txt")
    assert Davis(root).sequences("train") == SPLITS_2016["train"]
    (root / "ImageSets" / "2016").mkdir(parents=True)
    (root / "ImageSets" / "2016" / "val.txt").write_text("goat\n")
    assert Davis(root).sequences("val") == ["goat"], "an existing list must take precedence over the official one"


CHANGES = {"changed": lambda body: b"x" + body[1:], "longer": lambda body: body + b"x", "shorter": lambda body: body[:-9]}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_with_the_wrong_checksum_is_removed_and_can_be_fetched_again(site, files, change):
    right = site.body
    site.body = change(right)
    refused(site, site.archive.url, "sha256 differs", "fetch it again")
    site.body = right
    assert_complete(fetched(site), files)


def test_no_member_of_the_archive_is_written_outside_the_folder(site, cache, files, monkeypatch, tmp_path):
    """Names that lead out of the folder DAVIS lose their dots or are skipped, and links become plain files."""
    link = zipfile.ZipInfo("DAVIS/JPEGImages/480p/evil-link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    outside = f"{tmp_path}/evil.txt"
    names = ["evil.txt", "../evil.txt", "DAVIS/../../evil.txt", "DAVIS\\..\\..\\evil.txt", outside, f"DAVIS/{outside}", link]
    expect(site, packed({**files, **dict.fromkeys(names, "../../..")}), monkeypatch)
    root = fetched(site)
    assert root == cache / "DAVIS"
    assert_left("DAVIS")
    assert [path for path in tmp_path.rglob("*evil*") if root not in path.parents] == []
    assert [path for path in root.rglob("*") if path.is_symlink()] == []


@pytest.mark.parametrize("folder", ["JPEGImages", "Annotations", "ImageSets"])
def test_an_archive_without_a_folder_of_davis_is_refused(site, files, monkeypatch, folder):
    expect(site, packed({name: content for name, content in files.items() if folder not in name}), monkeypatch)
    refused(site, site.archive.url, f"DAVIS/{folder}", "archive of DAVIS")


@pytest.mark.parametrize("damage", ["changed member", "cut", "no zip", "unknown compression", "encrypted"])
def test_a_damaged_zip_with_the_right_checksum_is_removed(site, monkeypatch, damage):
    body = bytearray(site.body)
    name = b"DAVIS/JPEGImages/480p/goat/00001.jpg"
    local, central = body.index(name) - 30, body.rindex(name) - 46  # start of this member's local and central header
    if damage == "changed member":
        body[local + 30 + len(name)] ^= 255
    elif damage == "cut":
        del body[-10:]
    elif damage == "no zip":
        body = b"<html>sign in</html>"
    elif damage == "unknown compression":
        body[local + 8] = body[central + 10] = 77
    else:
        body[local + 6] = body[central + 8] = 1
    expect(site, bytes(body), monkeypatch)
    refused(site, "no readable archive of DAVIS", site.archive.url, "fetch it again")


FAULTS = {404: "404 (Not Found)", 500: "500 (Internal", "hang up": "without response", "break off": "more expected", "stall": "timed out"}


@pytest.mark.parametrize("fault, part", FAULTS.items())
def test_a_failed_download_leaves_no_files_and_the_next_one_starts_over(site, cli, files, fault, part, monkeypatch):
    monkeypatch.setattr(davis_download, "TIMEOUT", 0.5 if fault == "stall" else 30)
    site.fault = fault
    assert_failed(cli("data", "fetch", "davis"), "127.0.0.1", part, "again")
    assert_left()
    site.fault = ""
    assert_complete(fetched(site), files)
    assert site.requests == 2
    assert_left("DAVIS")


def test_an_unreachable_server_is_reported(site, monkeypatch):
    with socket.socket() as taken:  # the socket has a port but does not listen, so connections are refused
        taken.bind(("127.0.0.1", 0))
        site.archive = Archive(f"http://127.0.0.1:{taken.getsockname()[1]}/davis.zip", 5, "")
        refused(site, "127.0.0.1", "Connection refused", "expected a connection")
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", Mock(side_effect=error))
    site.archive = Archive("http://davis.invalid/davis.zip", 5, "")
    refused(site, "davis.invalid", "Name or service not known")


def test_a_malformed_proxy_is_not_taken_for_a_wrong_checksum(site, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("http_proxy", "http://:80")
    refused(site, "proxy", "expected a connection")


def test_a_small_disk_is_noticed_before_the_download(site, cache, files, monkeypatch):
    def disk(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    unpacked = len(site.body) * 11 // 10
    disk(len(site.body) + unpacked - 1)
    refused(site, "of free disk", cache, "MB", error=OutputError)
    assert site.requests == 0
    keep_archive(site, cache)
    disk(unpacked - 1)
    refused(site, "of free disk", error=OutputError, left=[".davis.zip"])
    disk(unpacked)  # the existing archive needs no more space
    assert_complete(fetched(site), files)


def test_a_disk_that_fills_up_while_downloading_leaves_no_files(site, cache, files):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(site.body) // 3, limits[1]))
    try:
        refused(site, cache / "DAVIS", "larger than the system allows", error=OutputError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_complete(fetched(site), files)


def test_a_folder_that_cannot_be_created_is_reported(site, cache):
    cache.write_text("a file")
    with pytest.raises(OutputError) as error:
        fetched(site)
    assert_one_sentence(error, cache, "not a folder")
    assert cache.read_text() == "a file"
    assert site.requests == 0


def test_ctrl_c_while_downloading_leaves_no_files(site, cache, files, cli):
    """Send a real signal while the program waits for a server that has stopped sending."""
    site.fault = "Ctrl-C"
    assert_failed(cli("data", "fetch", "davis"), program.INTERRUPTED)
    assert_left()
    site.fault = ""
    assert cli("data", "fetch", "davis").status == 0
    assert_complete(cache / "DAVIS", files)


@pytest.mark.parametrize("error, part", [(KeyboardInterrupt(), "archive is kept"), (OSError(errno.ENOSPC, ""), "the disk is full")])
def test_ctrl_c_or_a_full_disk_while_unpacking_keeps_the_archive(site, cache, files, cli, monkeypatch, error, part):
    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extract", Mock(side_effect=error))
        assert_failed(cli("data", "fetch", "davis"), part)
    assert_left(".davis.zip")
    assert cli("data", "fetch", "davis").status == 0
    assert_complete(cache / "DAVIS", files)
    assert_left("DAVIS")
    assert site.requests == 1, "the kept archive must not be downloaded again"


def test_a_run_that_is_killed_while_unpacking_never_looks_finished(site, cache, files):
    """Unpack 20 files in another process, which then ends at once without cleaning up."""
    keep_archive(site, cache)
    script = (
        "import itertools, os, zipfile; from tinytrack.datasets.davis_download import Archive, fetch_davis\n"
        "extract, count = zipfile.ZipFile.extract, itertools.count()\n"
        "zipfile.ZipFile.extract = lambda *args: extract(*args) if next(count) < 20 else os._exit(9)\n"
        f"fetch_davis(archive={site.archive!r}, progress=False)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(davis_download.__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", script], env=environment).returncode == 9
    assert verify_davis() == "not fetched"
    assert not (cache / "DAVIS").exists()
    assert_complete(fetched(site), files)
    assert site.requests == 0
    assert_left("DAVIS")


def test_a_folder_that_appears_while_unpacking_is_not_replaced(site, cache, monkeypatch):
    extract = zipfile.ZipFile.extract

    def meanwhile(*arguments):
        (cache / "DAVIS").mkdir(exist_ok=True)
        (cache / "DAVIS" / "thesis.txt").write_text("the only copy")
        return extract(*arguments)

    monkeypatch.setattr(zipfile.ZipFile, "extract", meanwhile)
    refused(site, cache / "DAVIS", "an empty folder", left=[".davis.zip", "DAVIS"])
    assert [(p.name, p.read_text()) for p in (cache / "DAVIS").iterdir()] == [("thesis.txt", "the only copy")]


def test_the_command_announces_fetches_and_verifies(site, cache, cli, files):
    listed, verified = (cli("data", action, "davis") for action in ("list", "verify"))
    assert listed.out.startswith("davis ")
    assert listed.out.endswith(": not fetched\n")
    assert "0 MB); CC BY-NC 4.0, from 127.0.0.1" in listed.out
    assert verified.out.split() == ["davis", "not", "fetched"]
    assert (listed.status, verified.status, site.requests) == (0, 0, 0)
    assert_left()
    done = cli("data", "fetch", "davis")
    assert (done.status, done.said) == (0, [])
    announced, result = done.out.splitlines()
    assert announced.startswith("fetching DAVIS 2017")
    assert result.split() == ["davis", str(cache / "DAVIS")]
    assert_complete(cache / "DAVIS", files)
    assert cli("data", "list", "davis").out.endswith(": here\n")
    assert cli("data", "verify", "davis").out.split() == ["davis", "ok"]
    assert cli("data", "fetch", "davis").out.split() == ["davis", str(cache / "DAVIS")]
    assert site.requests == 1


def test_davis_is_fetched_only_when_it_is_named(site, cli, monkeypatch):
    monkeypatch.setattr("tinytrack.datasets.clips.CLIPS", {"carphone": CLIPS["carphone"]})
    monkeypatch.setattr("tinytrack.datasets.clips.fetch_clip", lambda name: f"{name}'s file")
    result = cli("data", "fetch")
    assert (result.status, result.out) == (0, "carphone   carphone's file\n")
    assert site.requests == 0
    assert_left()


@pytest.mark.parametrize("lost", ["Annotations/480p/goat/00001.png", "JPEGImages/480p/bear/00000.jpg", "JPEGImages/480p/bike-packing"])
def test_verify_notices_every_missing_file(site, cli, lost):
    path = fetched(site) / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert_failed(cli("data", "verify", "davis"), f"'{lost.split('/')[2]}'", "expected", "fetch it again")


def test_verify_notices_missing_and_empty_lists(site):
    root = fetched(site)
    lists = [root / "ImageSets" / "2017" / f"{split}.txt" for split in SPLITS_2017]
    for path in lists:
        path.write_text("\n")
    with pytest.raises(ClipError) as error:
        verify_davis(root)
    assert_one_sentence(error, root, "name no sequences")
    lists[1].unlink()
    with pytest.raises(ClipError) as error:
        verify_davis(root)
    assert_one_sentence(error, "val.txt")
