"""The errors that a user can meet: each is one sentence that names the thing and says what was expected."""

import errno


class TinytrackError(Exception):
    """Base of all errors that the command line prints as one sentence (exit status 2)."""


class VideoError(TinytrackError):
    """A video or a folder of frames cannot be read or written."""


class ClipError(TinytrackError):
    """A named clip or a data set is missing, or is not what its name promises."""


class MaskError(TinytrackError):
    """A mask does not fit the video."""


class JointsError(TinytrackError):
    """A joints file or an array of joints does not fit the video."""


class ModelError(TinytrackError):
    """A weights file is missing, damaged or of the wrong kind, or training has diverged."""


class ProjectError(TinytrackError):
    """A project file of the studio is missing or damaged, or its video is."""


class OutputError(TinytrackError):
    """A result cannot be written to its place."""


def describe_os_error(error: OSError) -> str:
    """Say the reason for an ``OSError`` in plain words, such as "the disk is full"."""
    return {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file would be larger than the system allows",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission is denied",
        errno.EPERM: "permission is denied",
        errno.EADDRINUSE: "another program is using it",
        errno.EEXIST: "a part of the path is a file, not a folder",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.EISDIR: "it is a folder, not a file",
        errno.ENOENT: "it does not exist",
        errno.ENAMETOOLONG: "the name is too long",
    }.get(error.errno, error.strerror or str(error))
