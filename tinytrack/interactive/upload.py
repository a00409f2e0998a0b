"""Upload a file from the browser to the kernel in pieces.

The usual upload widget sends the file as one message, which a server drops silently if it is larger than about 10 MB.
"""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets

from ..errors import OutputError, TinytrackError, VideoError, describe_os_error

PIECE = 1_000_000  # Bytes a message.
# Bytes a file may have: it goes through the browser's memory and a server's, and its copy stays on disk while the kernel lives.
LIMIT = 200_000_000


class Upload(anywidget.AnyWidget):
    """A button that takes one file of at most :data:`LIMIT` bytes.

    Args:
        on_file: is given the path of the copy when the file is whole.
        on_error: is given what is wrong: a file too large or empty, a disk that is full.
        on_progress: is given the share that has come, 0 to 1.
    """

    _esm = Path(__file__).with_name("upload.js")
    _css = ".tinytrack-upload { display: inline-block; line-height: 28px; } .tinytrack-upload input { max-width: 200px; }"
    accept = traitlets.Unicode("video/*,.gif").tag(sync=True)

    def __init__(
        self,
        on_file: Callable[[Path], None],
        on_error: Callable[[TinytrackError], None],
        on_progress: Callable[[float], None] = lambda share: None,
        **traits,
    ):
        super().__init__(**traits)
        self._told = on_file, on_error, on_progress
        self._folder = None
        self._path, self._size, self._have = None, 0, 0
        self._number = 0  # of the upload that is going on: pieces of one that was given up may still come
        self.on_msg(lambda _, message, buffers: self.hear(message, buffers))

    def hear(self, message: dict, buffers: list) -> None:
        """A message of the browser: a file is offered, a piece of it comes, or it cannot be read any more."""
        on_file, on_error, on_progress = self._told
        try:
            if message["kind"] == "begin":
                self._begin(message["name"], int(message["size"]))
            elif message["number"] != self._number:
                return
            elif message["kind"] == "failed":
                raise VideoError(
                    f"'{self._path.name if self._path else 'the file'}' could not be read by the browser: it changed or went away"
                )
            elif self._path is None or message["start"] != self._have:
                return  # a piece that nobody asked for
            else:
                with open(self._path, "ab") as file:
                    file.write(buffers[0])
                self._have += len(buffers[0])
                on_progress(self._have / self._size)
            if self._have < self._size:
                self.send({"kind": "more", "number": self._number, "start": self._have, "stop": min(self._have + PIECE, self._size)})
                return
            path, self._path = self._path, None
            self.send({"kind": "end"})
            on_file(path)
        except OSError as error:
            self._give_up()
            on_error(OutputError(f"cannot keep the uploaded file: {describe_os_error(error)}"))
        except TinytrackError as error:
            self._give_up()
            on_error(error)

    def _begin(self, name: str, size: int) -> None:
        self._drop()
        self._number += 1
        name = Path(name.replace("\\", "/")).name
        name = "video" if name in ("", ".", "..") else name
        if size > LIMIT:
            raise VideoError(
                f"'{name}' has {size / 1e6:.1f} MB: uploads take at most {LIMIT / 1e6:.0f} MB; type its path instead, which takes any size"
            )
        if size == 0:
            raise VideoError(f"'{name}' is empty: expected a video")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="tinytrack-upload-")
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))  # of its own: an earlier file of this name may be open
        self._path, self._size, self._have = folder / name, size, 0
        self._path.write_bytes(b"")

    def _drop(self) -> None:
        """Remove what has come of an unfinished file."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
        self._path, self._size, self._have = None, 0, 0

    def _give_up(self) -> None:
        self._drop()
        self.send({"kind": "end"})
