"""Download DAVIS 2017 on demand: 833 MB, checked, unpacked whole or not at all."""

import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import ClipError, OutputError
from ..io.atomic import making, staged_folder
from ..io.paths import cache_folder, user_path
from .davis import Davis

TIMEOUT = 30  # seconds without a byte after which a connection counts as broken
LICENCE = "CC BY-NC 4.0"
COMMAND = "python -m tinytrack data fetch davis"
FOLDERS = ("JPEGImages", "Annotations", "ImageSets")


@dataclass(frozen=True)
class Archive:
    """A zip file on the web that never changes: its address, its length in bytes and its checksum."""

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


def davis_folder() -> Path:
    """Return where the downloaded DAVIS is kept, whether it is there or not."""
    return cache_folder() / "DAVIS"


def davis_root(name: str | os.PathLike) -> Path:
    """Find the DAVIS folder that a user means: a path, or "davis" for the downloaded one if no file or folder has that name.

    Raises:
        ClipError: if "davis" is asked for and has not been downloaded.
    """
    path = user_path(name)
    if str(name) != "davis" or os.path.lexists(path):
        return path
    if not _is_there(davis_folder()):
        raise ClipError(f"DAVIS is not on this machine yet: fetch it with '{COMMAND}'")
    return davis_folder()


def davis_command(action: str) -> str:
    """Run ``data ACTION davis``; returns the line to print at the end. "fetch" also prints one line before it begins.

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
        if not _archive_path(target).exists():
            raise
        raise ClipError(f"interrupted: the downloaded archive is kept, unpack it with '{COMMAND}'") from None


def announcement(target: Path, archive: Archive) -> str:
    """Say in one line what fetching to ``target`` will download, and how much disk it needs."""
    return (
        f"fetching DAVIS 2017: {_megabytes(archive.size)} from {archive.url} to '{target}';"
        f" needs {_megabytes(_needed(target, archive))} of free disk; licence {LICENCE} (not for commercial use)"
    )


def fetch_davis(out: str | os.PathLike | None = None, archive: Archive = DAVIS_ARCHIVE, progress: bool = True) -> Path:
    """Download and unpack DAVIS 2017 (train and val, 480p), unless it is there already.

    The folder appears complete or not at all. A broken download starts over; a complete one is kept until it is unpacked.

    Args:
        out: the folder to make, which will hold ``JPEGImages``; None: "DAVIS" in the cache folder.
        archive: what to download.
        progress: show progress bars.

    Returns:
        The folder, for :class:`tinytrack.datasets.davis.Davis`.

    Raises:
        ClipError: if the archive cannot be downloaded or is not the expected one.
        OutputError: if the disk is too small or the folder cannot be written.
    """
    target = Path(os.path.abspath(davis_folder() if out is None else user_path(out)))
    if _is_there(target):
        return target
    _check_free(target)
    path = _archive_path(target)
    with making(target.parent, f"'{target}'"):
        free, needed = shutil.disk_usage(target.parent).free, _needed(target, archive)
        if free < needed:
            raise OutputError(f"'{target.parent}' has {_megabytes(free)} of free disk: expected {_megabytes(needed)} for DAVIS")
        _download(archive, path, progress)
        _unpack(path, target, archive, progress)
        path.unlink(missing_ok=True)
    return target


def verify_davis(root: str | os.PathLike | None = None) -> str:
    """Check that every frame of every listed sequence has its mask; returns "ok", "not fetched" or raises.

    Args:
        root: the folder that holds ``JPEGImages``; None: the downloaded one.

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


def _check_free(target: Path) -> None:
    """Make sure that unpacking replaces nothing."""
    if os.path.lexists(target) and (target.is_symlink() or not target.is_dir() or any(target.iterdir())):
        raise ClipError(f"cannot fetch DAVIS to '{target}': it exists and holds no JPEGImages, expected a new or an empty folder")


def _archive_path(target: Path) -> Path:
    """Return where the complete archive is kept until it is unpacked."""
    return target.with_name(f".{target.name.lower()}.zip")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def _needed(target: Path, archive: Archive) -> int:
    """Estimate the bytes of free disk that are needed: for the archive, and for its content, which is hardly compressed."""
    return (0 if _archive_path(target).exists() else archive.size) + archive.size * 11 // 10


def _download(archive: Archive, path: Path, progress: bool) -> None:
    """Download the archive to ``path``, unless the right file is there already."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT)
    try:
        pooch.retrieve(archive.url, f"sha256:{archive.sha256}", path.name, path.parent, downloader=downloader)
    except requests.HTTPError as error:
        answer = f"{error.response.status_code} ({error.response.reason})"
        raise ClipError(f"{archive.host} answered {answer} for {archive.url}: expected the file, try again later") from error
    except requests.RequestException as error:
        why = _innermost_reason(error)
        raise ClipError(f"cannot fetch DAVIS from {archive.host}: {why}; expected a connection, run the same command again") from error
    # Some errors of requests are ValueErrors too, so this clause comes last: pooch found the wrong checksum and removed the file.
    except ValueError as error:
        raise ClipError(f"the file from {archive.url} is not the expected one (sha256 differs): it was removed, fetch it again") from error


def _innermost_reason(error: BaseException) -> str:
    """Return the reason inside the nested errors of requests and urllib3, such as "Connection refused"."""
    inner = error
    while inner is not None:
        error = inner
        inner = error.__cause__ or next((arg for arg in error.args if isinstance(arg, BaseException)), None)
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()).rstrip(".") or "no answer came"


def _unpack(path: Path, target: Path, archive: Archive, progress: bool) -> None:
    """Unpack the folder DAVIS of the zip file to ``target``, in a scratch folder first: it takes its name when it is complete."""
    from tqdm import tqdm

    try:
        with staged_folder(target.parent) as scratch, zipfile.ZipFile(path) as content:
            names = [name for name in content.namelist() if name.startswith("DAVIS/")]
            for folder in FOLDERS:
                if not any(name.startswith(f"DAVIS/{folder}/") for name in names):
                    raise zipfile.BadZipFile(f"it has no folder DAVIS/{folder}")
            for name in tqdm(names, desc="unpacking", unit=" files", disable=not progress):
                content.extract(name, scratch)  # zipfile itself keeps every name inside the folder, and writes links as plain files
            _check_free(target)  # again, because unpacking takes minutes
            (scratch / "DAVIS").rename(scratch / target.name)
    # Damaged data raise zlib's errors, unknown compression and encryption a RuntimeError.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        path.unlink(missing_ok=True)
        raise ClipError(f"the file from {archive.url} is no readable archive of DAVIS ({error}): it was removed, fetch it again") from error
