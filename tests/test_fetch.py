"""DAVIS from a server on this machine that does everything wrong that a server can: what comes is whole, or kept, or gone."""

import contextlib
import errno
import hashlib
import io
import os
import re
import shutil
import signal
import socket
import stat
import struct
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import H, W, assert_one_sentence
from PIL import Image

from tinytrack import __main__ as program
from tinytrack import fetch
from tinytrack.clips import CLIPS, SPLITS_2016, Davis
from tinytrack.errors import ClipError, OutputError, TinytrackError
from tinytrack.fetch import Archive, fetch_davis, verify_davis
from tinytrack.labels import davis_palette

FRAMES = 2
SPLITS_2017 = {split: [*names, extra] for (split, names), extra in zip(SPLITS_2016.items(), ("dog-gooses", "bike-packing"), strict=True)}
MASK = np.zeros((H, W), np.uint8)
MASK[8:20, 8:40], MASK[24:40, 30:50] = 1, 2

# ------------------------------------------------------------------------------------------------------ a small archive, a server


def picture(frame, mask=False):
    """Frame or mask ``frame``, as bytes of a file."""
    file = io.BytesIO()
    if mask:
        image = Image.fromarray(np.roll(MASK, frame, axis=1))
        image.putpalette(davis_palette().tobytes())
        image.save(file, "PNG")
    else:
        Image.fromarray(np.random.default_rng(frame).integers(0, 256, (H, W, 3), dtype=np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def files():
    """Name -> bytes of a DAVIS 2017 archive: the official names, small pictures, and no lists of 2016."""
    made = {f"DAVIS/ImageSets/2017/{split}.txt": "\n".join(names).encode() + b"\n" for split, names in SPLITS_2017.items()}
    frames = [(picture(n), picture(n, mask=True)) for n in range(FRAMES)]
    for name in sum(SPLITS_2017.values(), []):
        for n, (frame, mask) in enumerate(frames):
            made[f"DAVIS/JPEGImages/480p/{name}/{n:05d}.jpg"] = frame
            made[f"DAVIS/Annotations/480p/{name}/{n:05d}.png"] = mask
    return made


def packed(files):
    """A zip file, as bytes; a name may be a ZipInfo."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture(scope="module")
def good(files):
    return packed(files)


class Site(ThreadingHTTPServer):
    """A server of one file. ``fault`` is how it fails; ``log`` has a line for each request: what range was asked, answer, bytes sent."""

    daemon_threads = True
    block_on_close = True

    def __init__(self, body):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.fault, self.log, self.errors = body, "", [], []
        self.released = threading.Event()

    def handle_error(self, *_):
        self.errors.append(sys.exc_info()[1])

    def url(self):
        return f"http://127.0.0.1:{self.server_port}/davis.zip"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        site, fault, body = self.server, self.server.fault, self.server.body
        asked = self.headers.get("Range")
        entry = SimpleNamespace(range=asked, status=200, sent=0)
        site.log.append(entry)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and fault != "no ranges" else 0
        if fault in (404, 503):
            entry.status = fault
        elif start >= len(body) or (start and fault == "always 416"):
            entry.status = 416
        elif start:
            entry.status = 206
        if fault == "hang up":
            return
        if fault == "no http":
            self.wfile.write(b"220 ready\r\n")
            return
        self.send_response(entry.status)
        if entry.status >= 400:
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if entry.status == 206:
            start += 100 if fault == "other range" else 0
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if fault != "no length":
            self.send_header("Content-Length", str(len(body) - start + {"longer": 7, "shorter": -7}.get(fault, 0)))
        self.end_headers()
        rest = body[start:] if fault not in ("truncate", "stall", "reset") else body[start : (start + len(body)) // 2]
        with contextlib.suppress(ConnectionError):  # who is here to be refused may leave before all is sent
            self.wfile.write(rest)
            entry.sent = len(rest)
        if fault == "stall":
            site.released.wait(20)
        if fault == "reset":
            time.sleep(0.2)  # a reset takes away what the other side has not read yet
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # so that closing resets
            self.connection.close()


@pytest.fixture
def site(good, monkeypatch):
    """The server with the good archive; ``site.archive`` is what the program expects to get from it."""
    monkeypatch.setenv("no_proxy", "*")
    server = Site(good)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    expect(server, monkeypatch)
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()
    assert not server.errors, "the test's server failed in a way that it should not"


def expect(site, monkeypatch, body=None):
    """The program expects this archive from the site, and the site has it."""
    site.body = site.body if body is None else body
    site.archive = Archive(site.url(), len(site.body), hashlib.sha256(site.body).hexdigest())
    monkeypatch.setattr(fetch, "DAVIS_ARCHIVE", site.archive)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder that is not there yet, and a working folder that has nothing to do with it."""
    monkeypatch.setenv("TINYTRACK_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "cache"


@pytest.fixture
def cli(capfd):
    """``cli("fetch", "davis")`` runs ``data fetch davis`` in this process; ``said`` is the error stream without progress bars."""

    def run(*args):
        capfd.readouterr()
        status = program.main(["data", *args])
        out, err = capfd.readouterr()
        said = [line for line in re.split(r"[\r\n]+", err) if line.strip() and not re.match(r"(downloading|unpacking) *:", line)]
        assert "Traceback" not in out + err
        return SimpleNamespace(status=status, out=out, said=said)

    return run


def fetched(site, **options):
    return fetch_davis(archive=site.archive, progress=False, **options)


def refused(site, *parts, error=ClipError, **options):
    with pytest.raises(error) as caught:
        fetched(site, **options)
    assert_one_sentence(caught, *parts)
    return str(caught.value)


def assert_whole(root, files):
    found = {f"DAVIS/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert found == files


def left_in(folder):
    return sorted(os.listdir(folder)) if folder.exists() else []


# -------------------------------------------------------------------------------------------------------------- a good archive


def test_a_good_archive_becomes_a_davis_tree(site, cache, files):
    root = fetched(site)
    assert root == cache / "DAVIS"
    assert_whole(root, files)
    assert left_in(cache) == ["DAVIS"], "no archive and nothing unfinished"
    assert [(entry.range, entry.status, entry.sent) for entry in site.log] == [(None, 200, len(site.body))]
    assert verify_davis() == "ok"
    davis = Davis(root, 2017)
    assert {split: davis.sequences(split) for split in SPLITS_2017} == SPLITS_2017
    assert np.array_equal(davis.mask("goat", 1), np.roll(MASK, 1, axis=1))
    old = Davis(root, 2016)
    assert {split: old.sequences(split) for split in SPLITS_2016} == SPLITS_2016
    assert old.video("goat").read().shape == (FRAMES, H, W, 3)
    assert np.array_equal(old.mask("goat", 1), np.roll(MASK, 1, axis=1) > 0)


def test_what_is_there_is_not_fetched_again(site):
    root = fetched(site)
    (root / "mine.txt").write_text("kept")
    site.log.clear()
    assert fetched(site) == root
    assert not site.log and (root / "mine.txt").exists()


def test_the_folder_may_be_another(site, tmp_path, files, cache):
    (tmp_path / "empty").mkdir()
    for name in ("new/folder", "empty"):
        assert fetched(site, out=tmp_path / name) == tmp_path / name
        assert_whole(tmp_path / name, files)
    assert left_in(tmp_path) == ["empty", "here", "new"] and left_in(tmp_path / "new") == ["folder"]


def test_a_folder_of_other_things_is_left_alone(site, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("the only copy")
    (tmp_path / "file").write_text("mine, too")
    refused(site, tmp_path / "mine", "an empty folder", out=tmp_path / "mine")
    refused(site, tmp_path / "file", "an empty folder", out=tmp_path / "file")
    assert not site.log and left_in(tmp_path / "mine") == ["thesis.txt"] and left_in(tmp_path) == ["file", "here", "mine"]


def test_the_official_archive_is_the_official_one():
    archive = fetch.DAVIS_ARCHIVE
    assert archive.host == "data.vision.ee.ethz.ch" and archive.url.endswith("/DAVIS-2017-trainval-480p.zip")
    assert archive.size == 832_766_765 and len(archive.sha256) == 64
    line = fetch.announcement(fetch.davis_folder(), archive)
    for part in ("833 MB", archive.url, str(fetch.davis_folder()), "CC BY-NC 4.0", "1,749 MB of free disk"):
        assert part in line


def test_the_official_splits_of_2016():
    assert [len(SPLITS_2016[split]) for split in ("train", "val")] == [30, 20]
    assert len({*SPLITS_2016["train"], *SPLITS_2016["val"]}) == 50


def test_the_official_splits_are_those_of_the_real_data(davis_root):
    lists = {split: (davis_root / "ImageSets" / "2016" / f"{split}.txt").read_text().split() for split in ("train", "val")}
    assert lists["train"] == SPLITS_2016["train"]
    assert set(lists["val"]) <= set(SPLITS_2016["val"])


@pytest.mark.parametrize("year, resolution, lost", [(2016, None, "cows"), (2017, None, None), (2016, "1080p", None)])
def test_official_splits_stand_in_only_for_all_their_sequences(site, year, resolution, lost):
    root = fetched(site)
    shutil.rmtree(root / "ImageSets")
    if lost:
        shutil.rmtree(root / "JPEGImages" / "480p" / lost)
    with pytest.raises(ClipError) as error:
        Davis(root, year, resolution).sequences("val")
    assert_one_sentence(error, f"expected ImageSets/{year}/val.txt")
    if lost:
        assert Davis(root).sequences("train") == SPLITS_2016["train"]
    with pytest.raises(ClipError):
        Davis(root).sequences("test-dev")


def test_a_list_that_is_there_wins_over_the_official_one(site):
    root = fetched(site)
    (root / "ImageSets" / "2016").mkdir()
    (root / "ImageSets" / "2016" / "val.txt").write_text("goat\n")
    assert Davis(root).sequences("val") == ["goat"]


def test_davis_is_a_name_unless_a_folder_has_it(site, tmp_path):
    with pytest.raises(ClipError) as error:
        fetch.davis_root("davis")
    assert_one_sentence(error, "python -m tinytrack data fetch davis")
    root = fetched(site)
    assert fetch.davis_root("davis") == root
    assert fetch.davis_root(tmp_path / "x") == tmp_path / "x" and str(fetch.davis_root("./davis")) == "davis", (
        "what is not the name is a path"
    )
    os.mkdir("davis")
    assert str(fetch.davis_root("davis")) == "davis"


# ------------------------------------------------------------------------------------------------ archives that are not the one


def test_a_damaged_archive_is_removed_and_can_be_fetched_again(site, cache, good, files):
    site.body = good[:5000] + bytes([good[5000] ^ 1]) + good[5001:]
    refused(site, site.archive.url, "sha256 differs", "fetch it again")
    assert not cache.exists()
    site.body = good
    assert_whole(fetched(site), files)


@pytest.mark.parametrize("change", [b"more", b""], ids=["longer", "shorter"])
@pytest.mark.parametrize("have", [0, 3000])
def test_a_file_of_another_length_is_not_downloaded(site, cache, good, change, have):
    site.body = good + change if change else good[:-100]
    if have:
        cache.mkdir()
        (cache / ".davis.part").write_bytes(good[:have])
    refused(site, f"{len(site.body):,} bytes", f"expected {len(good):,}")
    assert len(site.log) == 1 and left_in(cache) == []


@pytest.mark.parametrize("fault", ["longer", "shorter", "no length"])
def test_a_wrong_content_length_is_said(site, cache, fault):
    site.fault = fault
    refused(site, "offers another file", f"expected {len(site.body):,}", "unknown" if fault == "no length" else "bytes")
    assert not cache.exists()


@pytest.mark.parametrize("have", ["too much", "all"])
def test_an_old_part_of_another_archive_does_no_harm(site, cache, good, files, have):
    cache.mkdir()
    (cache / ".davis.part").write_bytes(b"x" * (len(good) + 5) if have == "too much" else b"x" * len(good))
    if have == "all":
        refused(site, "sha256 differs")
        assert left_in(cache) == [] and not site.log, "a complete download needs no request"
    assert_whole(fetched(site), files)
    assert [entry.range for entry in site.log] == [None]


def linked(name):
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "DAVIS/../../evil.txt",
        "/evil.txt",
        "DAVIS\\..\\..\\evil.txt",
        "C:/evil.txt",
        linked("DAVIS/JPEGImages/480p/evil.txt"),
    ],
    ids=lambda name: getattr(name, "filename", name),
)
def test_members_that_would_land_elsewhere_are_refused(site, cache, files, monkeypatch, tmp_path, name):
    expect(site, monkeypatch, packed({**files, name: "../../.."}))
    refused(site, "evil.txt", "expected plain files")
    assert not cache.exists() and not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("folder", ["JPEGImages", "Annotations", "ImageSets", ""])
def test_an_archive_of_another_layout_is_refused(site, cache, files, monkeypatch, folder):
    lacking = {name if folder else name.replace("DAVIS", "davis"): f for name, f in files.items() if not folder or folder not in name}
    expect(site, monkeypatch, packed(lacking))
    refused(site, f"DAVIS/{folder}", "expected the archive of DAVIS")
    assert not cache.exists()


def test_what_lies_beside_the_folder_is_not_unpacked(site, cache, files, monkeypatch):
    expect(site, monkeypatch, packed({**files, "__MACOSX/._DAVIS": b"", "README.txt": b"hello"}))
    assert_whole(fetched(site), files)
    assert left_in(cache) == ["DAVIS"]


@pytest.mark.parametrize("damage", ["crc", "cut", "no zip", "method", "locked"])
def test_a_corrupt_zip_with_the_right_checksum_leaves_nothing(site, cache, files, good, monkeypatch, damage):
    body = bytearray(good)
    name = b"DAVIS/JPEGImages/480p/goat/00001.jpg"
    local, central = good.index(name) - 30, good.rindex(name) - 46
    if damage == "crc":
        body[local + 30 + len(name) + 50] ^= 255
    elif damage == "cut":
        del body[-10:]
    elif damage == "no zip":
        body = bytearray(b"<html>sign in</html>")
    elif damage == "method":
        body[local + 8] = body[central + 10] = 77
    else:
        body[local + 6] |= 1
        body[central + 8] |= 1
    expect(site, monkeypatch, bytes(body))
    refused(site, "no readable zip file", site.archive.url)
    assert not cache.exists()


# --------------------------------------------------------------------------------------------------- connections that break off


@pytest.mark.parametrize("fault", ["truncate", "reset"])
def test_a_broken_download_goes_on_where_it_stopped(site, cache, good, files, fault):
    site.fault = fault
    half = len(good) // 2
    sentence = refused(site, "broke off after", "run the same command again")
    assert left_in(cache) == [".davis.part"]
    kept = (cache / ".davis.part").read_bytes()
    assert kept and good.startswith(kept) and f" {len(kept):,} of {len(good):,} bytes" in sentence
    assert len(kept) == half or fault == "reset"
    assert "MB of it are here already" in fetch.announcement(cache / "DAVIS", site.archive)
    site.fault = ""
    assert_whole(fetched(site), files)
    assert [(entry.range, entry.status, entry.sent) for entry in site.log] == [
        (None, 200, half),
        (f"bytes={len(kept)}-", 206, len(good) - len(kept)),
    ]
    assert left_in(cache) == ["DAVIS"]


def test_several_breaks_are_survived(site, good, files):
    site.fault = "truncate"
    for _ in range(3):
        refused(site, "broke off")
    site.fault = ""
    assert_whole(fetched(site), files)
    assert sum(entry.sent for entry in site.log) == len(good)


@pytest.mark.parametrize("fault, statuses", [("no ranges", [200]), ("always 416", [416, 200])])
def test_a_server_that_cannot_go_on_starts_again(site, cache, good, files, fault, statuses):
    cache.mkdir()
    (cache / ".davis.part").write_bytes(b"x" * 3000)  # not the archive's: it must not be in the result
    site.fault = fault
    assert_whole(fetched(site), files)
    assert [entry.status for entry in site.log] == statuses
    assert site.log[0].range == "bytes=3000-" and site.log[-1].sent == len(good)


def test_a_server_that_sends_another_range_is_not_believed(site, cache, good):
    cache.mkdir()
    (cache / ".davis.part").write_bytes(good[:3000])
    site.fault = "other range"
    refused(site, "offers another file")
    assert left_in(cache) == []


def test_a_stalled_connection_is_given_up(site, cache, good, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT", 0.3)
    site.fault = "stall"
    refused(site, "timed out", "run the same command again to go on")
    assert (cache / ".davis.part").read_bytes() == good[: len(good) // 2]


@pytest.mark.parametrize("have", [0, 3000])
@pytest.mark.parametrize("fault, part", [(404, "404 (Not Found)"), (503, "503 (Service Unavailable)"), ("hang up", ""), ("no http", "220")])
def test_a_server_in_trouble_costs_nothing(site, cache, good, fault, part, have):
    if have:
        cache.mkdir()
        (cache / ".davis.part").write_bytes(good[:have])
    site.fault = fault
    refused(site, "127.0.0.1", part, "again")
    assert left_in(cache) == ([".davis.part"] if have else []) and cache.exists() == bool(have)
    if have:
        assert (cache / ".davis.part").read_bytes() == good[:have]


def test_nobody_there_is_said(site, cache):
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        site.archive = Archive(f"http://127.0.0.1:{taken.getsockname()[1]}/davis.zip", 5, "")
        refused(site, "127.0.0.1", "refused", "expected a connection")
    assert not cache.exists()


def test_a_host_without_an_address_is_said(site, cache, monkeypatch):
    def nowhere(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    site.archive = Archive("http://davis.invalid/davis.zip", 5, "")
    refused(site, "davis.invalid", "Name or service not known")
    assert not cache.exists()


# ------------------------------------------------------------------------------------------------- disks, Ctrl-C, other processes


def test_a_small_disk_is_noticed_before_the_download(site, cache, good, monkeypatch):
    needed = len(good) + len(good) * 11 // 10

    def disk(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    disk(needed - 1)
    refused(site, "too little space", cache, "MB", error=OutputError)
    assert not cache.exists() and not site.log
    cache.mkdir()
    (cache / ".davis.part").write_bytes(good[:3000])
    disk(needed - 3001)
    refused(site, "too little space", error=OutputError)
    disk(needed - 3000)  # what is here already need not find room again
    fetched(site)


def test_a_disk_that_fills_up_while_downloading_keeps_what_has_come(site, cache, good, files):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(good) // 3, limits[1]))
    try:
        refused(site, cache / "DAVIS", "larger than the system allows", error=OutputError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert left_in(cache) == [".davis.part"] and (cache / ".davis.part").read_bytes() == good[: len(good) // 3]
    assert_whole(fetched(site), files)
    assert site.log[-1].range == f"bytes={len(good) // 3}-"


def test_a_disk_that_fills_up_while_unpacking_keeps_the_download(site, cache, files, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extract", full)
        refused(site, cache, "the disk is full", error=OutputError)
    assert left_in(cache) == [".davis.part"]
    site.log.clear()
    assert_whole(fetched(site), files)
    assert not site.log


def test_a_folder_that_cannot_be_written_is_said(site, cache):
    cache.write_text("a file")
    refused(site, cache, "not a folder", error=OutputError)
    assert cache.read_text() == "a file" and not site.log


@pytest.mark.skipif(os.name == "nt", reason="locks need POSIX")
def test_two_processes_do_not_write_one_file(site, cache, good):
    import fcntl

    cache.mkdir()
    (cache / ".davis.part").write_bytes(good[:3000])
    with open(cache / ".davis.part", "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        refused(site, "another process")
    assert (cache / ".davis.part").read_bytes() == good[:3000] and not site.log
    fetched(site)


def test_ctrl_c_keeps_what_has_come(site, cache, good, files, cli):
    """A real signal, while the program waits for a server that has stopped sending."""
    site.fault = "stall"

    def press():
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not (site.log and site.log[0].sent):
            time.sleep(0.01)
        time.sleep(0.3)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    result = cli("fetch", "davis")
    finger.join()
    assert result.status == 2 and len(result.said) == 1
    assert "interrupted: what has come is kept" in result.said[0] and "data fetch davis" in result.said[0]
    assert left_in(cache) == [".davis.part"]
    kept = (cache / ".davis.part").read_bytes()
    assert kept and good.startswith(kept) and len(kept) < len(good)
    site.fault = ""
    result = cli("fetch", "davis")
    assert result.status == 0 and site.log[-1].range == f"bytes={len(kept)}-" and "of it are here already" in result.out
    assert_whole(cache / "DAVIS", files)


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_ctrl_c_while_unpacking_leaves_the_whole_download(site, cache, good, files, cli, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extract", interrupt)
        result = cli("fetch", "davis")
    assert result.status == 2 and "what has come is kept" in result.said[0]
    assert left_in(cache) == [".davis.part"] and (cache / ".davis.part").read_bytes() == good
    site.log.clear()
    assert_whole(fetched(site), files)
    assert not site.log, "nothing was left to download"


def test_ctrl_c_before_the_first_byte_leaves_nothing(site, cache, cli, monkeypatch):
    monkeypatch.setattr(fetch, "_ask", interrupt)
    result = cli("fetch", "davis")
    assert result.status == 2 and result.said == [f"tinytrack: {program.INTERRUPTED}"]
    assert not cache.exists()


# ---------------------------------------------------------------------------------------------------------- the command line


def line_of(result, name="davis"):
    return next(line for line in result.out.splitlines() if line.startswith(name + " "))


def test_the_command_announces_fetches_and_verifies(site, cache, cli, files, monkeypatch):
    listed = cli("list", "davis")
    assert listed.status == 0 and line_of(listed).endswith(": not fetched") and "CC BY-NC 4.0" in line_of(listed)
    verified = cli("verify", "davis")
    assert verified.status == 0 and verified.out.split() == ["davis", "not", "fetched"]
    assert not cache.exists() and not site.log
    done = cli("fetch", "davis")
    assert done.status == 0 and not done.said
    announced, result = done.out.splitlines()
    for part in (site.archive.url, str(cache / "DAVIS"), "CC BY-NC 4.0", "MB of free disk"):
        assert part in announced
    assert result.split() == ["davis", str(cache / "DAVIS")]
    assert_whole(cache / "DAVIS", files)
    assert line_of(cli("list", "davis")).endswith(": here")
    assert cli("verify", "davis").out.split() == ["davis", "ok"]
    site.log.clear()
    again = cli("fetch", "davis")
    assert again.out.split() == ["davis", str(cache / "DAVIS")] and not site.log


def test_the_list_names_the_size(cli):
    line = line_of(cli("list", "davis"))
    assert "833 MB" in line and "CC BY-NC 4.0" in line


def test_it_is_fetched_only_by_name(site, cache, cli, monkeypatch):
    monkeypatch.setattr("tinytrack.clips.CLIPS", {"carphone": CLIPS["carphone"]})
    monkeypatch.setattr("tinytrack.clips.fetch_clip", lambda name: f"{name}'s file")
    result = cli("fetch")
    assert result.status == 0 and result.out == "carphone   carphone's file\n"
    assert not site.log and not cache.exists()


@pytest.mark.parametrize("fault, part", [(404, "404"), ("truncate", "broke off"), ("longer", "another file")])
def test_a_failed_fetch_is_one_sentence_and_status_2(site, cli, fault, part):
    site.fault = fault
    result = cli("fetch", "davis")
    assert result.status == 2 and len(result.said) == 1
    assert result.said[0].startswith("tinytrack: ") and part in result.said[0]
    assert_one_sentence(result.said[0])


@pytest.mark.parametrize("lost", ["Annotations/480p/goat/00001.png", "JPEGImages/480p/bear/00000.jpg", "JPEGImages/480p/bike-packing"])
def test_verify_misses_every_file(site, cli, lost):
    path = fetched(site) / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    result = cli("verify", "davis")
    assert result.status == 2 and len(result.said) == 1
    assert f"'{lost.split('/')[2]}'" in result.said[0] and "expected" in result.said[0] and "fetch it again" in result.said[0]


@pytest.mark.parametrize("split", ["train", "val"])
def test_verify_misses_a_list(site, split):
    root = fetched(site)
    (root / "ImageSets" / "2017" / f"{split}.txt").unlink()
    with pytest.raises(TinytrackError) as error:
        verify_davis(root)
    assert_one_sentence(error, f"{split}.txt")


def test_verify_is_not_content_with_nothing(site):
    root = fetched(site)
    for split in SPLITS_2017:
        (root / "ImageSets" / "2017" / f"{split}.txt").write_text("\n")
    with pytest.raises(ClipError) as error:
        verify_davis(root)
    assert_one_sentence(error, root, "name no sequences")
