"""Serve a folder on this machine, for the tests of the web page."""

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}  # browsers then allow threads


@contextlib.contextmanager
def static_host(folder: Path, headers: dict[str, str] | None = None) -> Iterator[str]:
    """Serve the files of a folder with extra headers; yield the address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self):
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
