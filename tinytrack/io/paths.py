"""Where files are: paths as users type them, the files that come with tinytrack, the cache of downloads."""

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..errors import ModelError

PACKAGE = Path(__file__).resolve().parents[1]
# The files that come with tinytrack: weights, masks, keypoints. In a wheel they are inside the package, in a checkout next to it.
DATA = PACKAGE / "data" if (PACKAGE / "data").is_dir() else PACKAGE.parent / "data"
SHIPPED = ("tiny-gray", "tiny-lab", "single")  # weights in DATA: a tracker that sees gray, one that sees colour, the paper's control


def user_path(path: str | os.PathLike) -> Path:
    """Turn a path as a user types it into a ``Path``; a leading ``~`` is the home folder."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises where there is no such user


def typed_path(text: str) -> str:
    """Clean a path as users paste it: without spaces and quotes around it, and from a ``file://`` address its path."""
    text = text.strip()
    if os.path.exists(user_path(text)):
        return text  # a file may really have quotes in its name
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    if text.lower().startswith("file://"):
        text = url2pathname(urlsplit(text).path)
    return text


def av_name(path: str | os.PathLike) -> str:
    """Name a file for PyAV, which would take a name such as ``http:clip.mp4`` or ``concat:a.mp4`` for an address."""
    return f"file:{os.fspath(path)}"


def find_weights(name: str | os.PathLike) -> Path:
    """Find the weights file behind ``--model``: a shipped name such as "tiny-gray", or a path.

    Raises:
        ModelError: if there is no such file.
    """
    if str(name) in SHIPPED:
        path = DATA / f"{name}.pt"
        if not path.is_file():
            raise ModelError(f"the shipped weights '{path.name}' are missing from the installation: install tinytrack again")
        return path
    path = user_path(name)
    if not path.is_file():
        raise ModelError(f"no model '{name}': expected a weights file written by 'tinytrack train' or one of: {', '.join(SHIPPED)}")
    return path


def cache_folder() -> Path:
    """Return the folder of downloaded clips and data sets: ``TINYTRACK_CACHE``, or the user's cache folder."""
    if os.environ.get("TINYTRACK_CACHE"):
        return user_path(os.environ["TINYTRACK_CACHE"])
    import pooch

    return Path(pooch.os_cache("tinytrack"))


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file in hexadecimal."""
    import pooch

    return pooch.file_hash(str(path), alg="sha256")
