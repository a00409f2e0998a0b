"""Upload a file from the browser to the kernel in pieces.

The usual upload widget sends the file as one message, which a server drops silently if it is larger than about 10 MB.
"""

import contextlib
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets

from ..errors import OutputError, TinytrackError, VideoError, describe_os_error

PIECE = 1_000_000  # bytes per message
# The largest file, in bytes: it passes through the browser's memory and a server's, and its copy stays on disk while the kernel runs.
LIMIT = 200_000_000


class Upload(anywidget.AnyWidget):
    """A button that uploads one file of at most :data:`LIMIT` bytes.

    Args:
        on_file: called with the path of the copy once the file is complete.
        on_error: called with the error, for example for a file that is too large or empty, or a full disk.
        on_progress: called with the share that has arrived, 0 to 1.
    """

    _esm = Path(__file__).with_name("upload.js")
    _css = ".tinytrack-upload { display: inline-block; line-height: 28px; } .tinytrack-upload input { max-width: 200px; }"
    accept = traitlets.Unicode("video/*,.gif,.zip").tag(sync=True)  # zip: a project of the studio

    def __init__(
        self,
        on_file: Callable[[Path], None] = lambda path: None,
        on_error: Callable[[TinytrackError], None] = lambda error: None,
        on_progress: Callable[[float], None] = lambda share: None,
        **traits,
    ):
        super().__init__(**traits)
        self.on_file, self.on_error, self.on_progress = on_file, on_error, on_progress
        self._folder = None
        self._path, self._size, self._have = None, 0, 0
        self._number = 0  # number of the current upload: pieces of an abandoned one may still arrive
        self.on_msg(lambda _, message, buffers: self.hear(message, buffers))

    def hear(self, message: dict, buffers: list) -> None:
        """Handle a message from the browser: it offers a file, sends a piece of it, or can no longer read it."""
        try:
            # take the message
            if message["kind"] == "begin":
                self._begin(message["name"], int(message["size"]))
            elif message["number"] != self._number:
                return
            elif message["kind"] == "failed":
                raise VideoError(
                    f"'{self._path.name if self._path else 'the file'}' could not be read by the browser: it was changed or removed"
                )
            elif self._path is None or message["start"] != self._have:
                return  # a piece that was not requested
            else:
                with open(self._path, "ab") as file:
                    file.write(buffers[0])
                self._have += len(buffers[0])
                self.on_progress(self._have / self._size)
            # request the next piece, or hand over the complete file
            if self._have < self._size:
                self.send({"kind": "more", "number": self._number, "start": self._have, "stop": min(self._have + PIECE, self._size)})
                return
            path, self._path = self._path, None
            self.send({"kind": "end"})
            self.on_file(path)
        except OSError as error:
            self._give_up()
            self.on_error(OutputError(f"cannot keep the uploaded file: {describe_os_error(error)}"))
        except TinytrackError as error:
            self._give_up()
            self.on_error(error)

    def _begin(self, name: str, size: int) -> None:
        """Prepare an empty copy for a file that the browser offers, or refuse the file."""
        self._drop()
        self._number += 1
        name = Path(name.replace("\\", "/").replace("\0", "")).name  # no file's name may contain a NUL
        name = "video" if name in ("", ".", "..") else name
        if size > LIMIT:
            raise VideoError(
                f"'{name}' is {size / 1e6:.1f} MB: uploads take at most {LIMIT / 1e6:.0f} MB; type its path instead, which allows any size"
            )
        if size == 0:
            raise VideoError(f"'{name}' is empty: expected a video")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="tinytrack-upload-")
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))  # a new folder each time: an earlier file of this name may still be open
        self._path, self._size, self._have = folder / name, size, 0
        self._path.write_bytes(b"")

    def owns(self, path: Path) -> bool:
        """Tell whether a file was uploaded here: it is a copy, which disappears with the kernel."""
        return self.shorten(str(path)) != str(path)

    def shorten(self, text: str) -> str:
        """Replace the paths of uploaded files in a text by their names, which are all that the user knows of them."""
        return text if self._folder is None else re.sub(re.escape(self._folder.name) + r"/[^/]+/", "", text)

    def _drop(self) -> None:
        """Remove the part of an unfinished file that has arrived."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
        self._path, self._size, self._have = None, 0, 0

    def _give_up(self) -> None:
        """Abandon the upload, and tell the browser."""
        self._drop()
        self.send({"kind": "end"})
