"""DAVIS from its home: 833 MB, fetched on demand. A download that breaks off is kept and goes on with the next call."""

import http.client
import os
import re
import shutil
import stat
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .clips import Davis, cache_folder, sha256_of
from .errors import ClipError, OutputError, describe_os_error
from .files import making, staged_folder, user_path

TIMEOUT = 30  # seconds without a byte until a connection counts as broken
BLOCK = 1 << 18
LICENCE = "CC BY-NC 4.0"
COMMAND = "python -m tinytrack data fetch davis"
FOLDERS = ("JPEGImages", "Annotations", "ImageSets")


@dataclass(frozen=True)
class Archive:
    """A zip file on the web, which is always the same: its address, its length in bytes and its checksum."""

    url: str
    size: int
    sha256: str

    @property
    def host(self) -> str:
        return self.url.split("/")[2]


DAVIS_ARCHIVE = Archive(
    "https://data.vision.ee.ethz.ch/csergi/share/davis/DAVIS-2017-trainval-480p.zip",
    832_766_765,
    "e3d0b5b77c3d031b000a19e0e25e3e2cac65d183755601bc2cf066df1a2aa492",
)


class _WrongArchive(ClipError):
    """What came can never become the archive, so that keeping it for the next call is no use."""


def davis_folder() -> Path:
    """Where the fetched DAVIS is on this machine, there or not."""
    return cache_folder() / "DAVIS"


def davis_root(name: str | os.PathLike) -> Path:
    """The DAVIS folder that a user means: a path, or "davis" for the fetched one where no file or folder has that name.

    Raises:
        ClipError: if "davis" is asked for and not fetched.
    """
    path = user_path(name)
    if str(name) != "davis" or os.path.lexists(path):
        return path
    if not _is_there(davis_folder()):
        raise ClipError(f"DAVIS is not on this machine yet: fetch it with '{COMMAND}'")
    return davis_folder()


def davis_command(action: str) -> str:
    """Do ``data ACTION davis``; returns what it has to say in the end, "fetch" prints one line before it begins.

    Args:
        action: "list", "fetch" or "verify".

    Raises:
        ClipError, OutputError: what is wrong.
    """
    target = davis_folder()
    if action == "list":
        there = "here" if _is_there(target) else "not fetched"
        size = _megabytes(DAVIS_ARCHIVE.size)
        return f"DAVIS 2017 train and val at 480p, videos with masks ({size}); {LICENCE}, from {DAVIS_ARCHIVE.host}: {there}"
    if action == "verify":
        return verify_davis()
    if not _is_there(target):
        print(announcement(target, DAVIS_ARCHIVE), flush=True)
    try:
        return str(fetch_davis(target, DAVIS_ARCHIVE))
    except KeyboardInterrupt:
        if not _part(target).exists():
            raise
        raise ClipError(f"interrupted: what has come is kept, go on with '{COMMAND}'") from None


def announcement(target: Path, archive: Archive) -> str:
    """What fetching to ``target`` will bring and take, in one line."""
    have = _size(_part(target))
    again = f", {_megabytes(have)} of it are here already" if have else ""
    return (
        f"fetching DAVIS 2017: {_megabytes(archive.size)} from {archive.url} to '{target}'{again};"
        f" needs {_megabytes(_needed(archive, have))} of free disk; licence {LICENCE} (not for commercial use)"
    )


def fetch_davis(out: str | os.PathLike | None = None, archive: Archive = DAVIS_ARCHIVE, progress: bool = True) -> Path:
    """Download and unpack DAVIS 2017 (train and val, 480p), unless it is there.

    The download is kept in a hidden file beside the result until all is done: after a broken connection or Ctrl-C
    the next call goes on where it stopped. The result appears whole or not at all.

    Args:
        out: the folder to make, which will hold ``JPEGImages``; None is "DAVIS" in the cache folder.
        archive: where it comes from and what it must be.
        progress: show progress bars.

    Returns:
        The folder, for :class:`tinytrack.clips.Davis`.

    Raises:
        ClipError: if the archive cannot be fetched or is not the expected one.
        OutputError: if the disk is too small or the folder cannot be written.
    """
    target = Path(os.path.abspath(davis_folder() if out is None else user_path(out)))
    if _is_there(target):
        return target
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise ClipError(f"cannot fetch DAVIS to '{target}': it is there and holds no JPEGImages, expected a new or an empty folder")
    part = _part(target)
    with making(target.parent, f"'{target}'"):
        try:
            if _size(part) > archive.size:
                part.unlink()  # another archive's: ours is never longer
            _check_disk(target.parent, _needed(archive, _size(part)))
            _download(archive, part, progress)
            if sha256_of(part) != archive.sha256:
                raise _WrongArchive(f"the file from {archive.url} is not the expected one (sha256 differs): it was removed, fetch it again")
            _unpack(part, target, archive, progress)
        except _WrongArchive:
            part.unlink(missing_ok=True)
            raise
        finally:
            if part.exists() and not _size(part):
                part.unlink()
    part.unlink(missing_ok=True)
    return target


def verify_davis(root: str | os.PathLike | None = None) -> str:
    """Check that every frame of every listed sequence has its mask; returns "ok", "not fetched" or raises.

    Args:
        root: the folder that holds ``JPEGImages``; None is the fetched one.

    Raises:
        ClipError: what is missing.
    """
    root = davis_folder() if root is None else user_path(root)
    if not _is_there(root):
        return "not fetched"
    davis = Davis(root, 2017)
    again = f"remove the folder '{root}' and fetch it again"
    names = [name for split in ("train", "val") for name in davis.sequences(split)]
    if not names:
        raise ClipError(f"the lists of DAVIS in '{root}' name no sequences: {again}")
    for name in names:
        frames, masks = (
            {path.stem for path in (root / kind / "480p" / name).glob(ending)}
            for kind, ending in (("JPEGImages", "*.jpg"), ("Annotations", "*.png"))
        )
        if not frames or frames != masks:
            wanted = "one mask for each frame" if frames else "at least one frame"
            raise ClipError(
                f"the sequence '{name}' of DAVIS in '{root}' has {len(frames)} frames and {len(masks)} masks: expected {wanted}, {again}"
            )
    return "ok"


def _is_there(target: Path) -> bool:
    return (target / "JPEGImages").is_dir()


def _part(target: Path) -> Path:
    """Where the download is kept until it is complete and unpacked."""
    return target.with_name(f".{target.name.lower()}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def _needed(archive: Archive, have: int) -> int:
    """Bytes of free disk: the rest of the archive and all that is in it, which is hardly compressed and takes up whole blocks."""
    return archive.size - have + archive.size * 11 // 10


def _check_disk(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(f"too little space on the disk of '{folder}' for DAVIS: {_megabytes(free)} free, expected {_megabytes(needed)}")


def _download(archive: Archive, part: Path, progress: bool) -> None:
    """Make ``part`` the whole archive, beginning after what it holds. The checksum is left to the caller."""
    from tqdm import tqdm

    if _size(part) == archive.size:
        return
    with open(part, "ab") as file:
        _lock(file, part)
        answer, have = _answer(archive, file.tell())
        file.truncate(have)
        with answer, tqdm(total=archive.size, initial=have, desc="downloading", unit="B", unit_scale=True, disable=not progress) as bar:
            for block in _blocks(answer, archive, have):
                file.write(block)
                bar.update(len(block))


def _lock(file, part: Path) -> None:
    """Two processes that add to one file would spoil it for both."""
    try:
        import fcntl
    except ImportError:  # Windows; there the checksum finds out
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ClipError(f"another process is fetching DAVIS to '{part}': wait for it to end") from error
    except OSError:  # a file system without locks
        pass


def _answer(archive: Archive, have: int) -> tuple[http.client.HTTPResponse, int]:
    """The server's answer with the rest of the archive, and the byte it begins with: ``have``, or 0 where the server knows no ranges."""
    answer = _ask(archive, have)
    if answer is None:
        answer = _ask(archive, 0)
    start = 0
    if answer.status == 206:
        found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        start = int(found[1]) if found else -1
    length = answer.headers.get("Content-Length", "")
    size = start + int(length) if length.isdecimal() else None
    if size != archive.size or start not in (0, have):
        answer.close()
        raise _WrongArchive(
            f"the server offers another file as {archive.url}: {'an unknown number of' if size is None else f'{size:,}'} bytes,"
            f" expected {archive.size:,}; nothing is kept, fetch it again later"
        )
    return answer, start


def _ask(archive: Archive, have: int) -> http.client.HTTPResponse | None:
    """Ask for the archive from byte ``have`` on; None if the server says that there is no such byte."""
    request = urllib.request.Request(archive.url, headers={"User-Agent": "tinytrack"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            return None
        raise ClipError(
            f"{archive.host} answered {error.code} ({error.reason}) for {archive.url}: expected the file, try again later"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        why = _reason(getattr(error, "reason", error))
        raise ClipError(
            f"cannot fetch DAVIS from {archive.host}: {why}; expected a connection to it, run the same command again"
        ) from error


def _reason(error: Exception | str) -> str:
    text = describe_os_error(error) if isinstance(error, OSError) else str(error)
    return " ".join(text.split()) or "no answer came"  # it may quote what the server said, line breaks included


def _blocks(answer: http.client.HTTPResponse, archive: Archive, have: int) -> Iterator[bytes]:
    """The rest of the archive as it comes in; its errors are the connection's, those of the disk are the reader's."""
    while have < archive.size:
        why = "the server closed it"
        try:
            block = answer.read1(min(BLOCK, archive.size - have))  # what there is: read() would wait for all, and lose it if it breaks off
        except (OSError, http.client.HTTPException) as error:
            block, why = b"", _reason(error)
        if not block:
            raise ClipError(
                f"the connection to {archive.host} broke off after {have:,} of {archive.size:,} bytes ({why}):"
                " what has come is kept, run the same command again to go on"
            )
        have += len(block)
        yield block


def _unpack(part: Path, target: Path, archive: Archive, progress: bool) -> None:
    """Make ``target`` of the folder DAVIS in the zip file ``part``."""
    from tqdm import tqdm

    try:
        with staged_folder(target.parent) as scratch, zipfile.ZipFile(part) as content:
            members = content.infolist()
            _check_members(members, archive)
            inside = [member for member in members if member.filename.startswith("DAVIS/")]
            for member in tqdm(inside, desc="unpacking", unit=" files", disable=not progress):
                content.extract(member, scratch)
            # What is in the scratch folder at the end of the block appears beside it under the same name, in one rename.
            (scratch / "DAVIS").rename(scratch / target.name)
    # Only the first is zipfile's own: damaged bytes come as zlib's errors, unknown compression and encryption as RuntimeError.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise _WrongArchive(f"the file from {archive.url} is no readable zip file ({error}): it was removed, fetch it again") from error


def _check_members(members: list[zipfile.ZipInfo], archive: Archive) -> None:
    """Nothing in the zip file may land outside its folder, and its folder must be a DAVIS tree."""
    for member in members:
        path, kind = PurePosixPath(member.filename), stat.S_IFMT(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or re.search(r"[\\:]", member.filename) or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _WrongArchive(
                f"the file from {archive.url} holds '{member.filename}': expected plain files that stay in their folder; it was removed"
            )
    for folder in FOLDERS:
        if not any(member.filename.startswith(f"DAVIS/{folder}/") for member in members):
            raise _WrongArchive(f"the file from {archive.url} has no folder DAVIS/{folder}: expected the archive of DAVIS; it was removed")
