"""Serve the demos as a web page with voila, reachable from this machine only and protected by a token."""

import contextlib
import html
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from ..errors import TinytrackError, describe_os_error

PATIENCE = 60.0  # seconds that the server may take to start
CELL = """\
import os
os.chdir({folder!r})  # where the command was typed: paths and exports are relative to it
from tinytrack.interactive.gallery import gallery
gallery({clip!r})"""
# Voila's own page loads icons from another machine although it has them itself; this page loads nothing from elsewhere.
TEMPLATE = """\
{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}
{{ super() | replace('<link rel="stylesheet" href="https://', '<meta name="not-loaded" content="') }}
<style>
@media (prefers-color-scheme: dark) {
  html { color-scheme: dark; background: #111; }
  body, body [data-jp-theme-light] {
    --jp-layout-color0: #111; --jp-layout-color1: #212121; --jp-layout-color2: #424242; --jp-layout-color3: #616161;
    --jp-ui-font-color0: #fff; --jp-ui-font-color1: rgba(255, 255, 255, .87); --jp-ui-font-color2: rgba(255, 255, 255, .7);
    --jp-content-font-color0: #fff; --jp-content-font-color1: rgba(255, 255, 255, .87); --jp-content-font-color2: rgba(255, 255, 255, .7);
    --jp-border-color0: #616161; --jp-border-color1: #616161; --jp-border-color2: #424242; --jp-border-color3: #212121;
    --jp-input-border-color: #616161; --jp-inverse-layout-color1: #fff; --jp-inverse-layout-color4: #bdbdbd;
    --jp-widgets-color: rgba(255, 255, 255, .87); --jp-widgets-label-color: rgba(255, 255, 255, .87);
    --jp-widgets-readout-color: rgba(255, 255, 255, .87); --jp-widgets-input-color: rgba(255, 255, 255, .87);
    --jp-widgets-input-background-color: #212121; --jp-widgets-input-border-color: #616161;
  }
}
</style>
<script>
// Access in access.py knows by this attribute that the page is dark.
const dark = matchMedia("(prefers-color-scheme: dark)");
const look = () => { if (document.body) document.body.dataset.jpThemeLight = String(!dark.matches); };
addEventListener("DOMContentLoaded", look);
dark.addEventListener("change", look);
// Voila's own request to end the kernel lacks the key that the server wants, and every reload would leave a kernel behind.
addEventListener("pagehide", event => {
  const config = document.getElementById("jupyter-config-data");
  if (event.persisted || !config) return;
  const { baseUrl, kernelId } = JSON.parse(config.textContent), end = `${baseUrl}voila/api/shutdown/`;
  // The server wants the same key in a cookie and in a header, which only a page of its own can send.
  let key = document.cookie.match(/(?:^|; )_xsrf=([^;]+)/)?.[1];
  if (!key) {
    key = Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
    document.cookie = `_xsrf=${key}; path=${end}; SameSite=Strict`;
  }
  fetch(end + kernelId, { method: "POST", keepalive: true, headers: { "X-XSRFToken": key } });
});
</script>
{%- endblock -%}
"""
# The browser gets the address with the token from a private file, because other users of the machine can see its arguments.
REDIRECT = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<title>tinytrack studio</title>
<meta http-equiv="refresh" content="0; url={url}">
<p>Opening <a href="{url}">the studio</a></p>
"""
REDIRECT_STAYS = 20.0  # seconds until the file is removed; a browser that has to start first needs some of them


def write_page(folder: Path, clip: str | None, token: str) -> Path:
    """Write the notebook that voila shows, its template and its settings; return the path of the notebook.

    The token is in the settings and not among voila's arguments, which other users of the machine could see.
    """
    # the notebook: one cell that opens the gallery
    cell = {"cell_type": "code", "id": "page", "metadata": {}, "execution_count": None, "outputs": []}
    cell["source"] = CELL.format(folder=os.getcwd(), clip=clip)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = folder / "tinytrack.ipynb"
    notebook.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    # the template
    template = folder / "jupyter" / "voila" / "templates" / "tinytrack"
    template.mkdir(parents=True)
    (template / "conf.json").write_text(json.dumps({"base_template": "lab"}))
    (template / "index.html.j2").write_text(TEMPLATE)
    # the settings; a page that loses its connection finds its kernel again for ten minutes, and one that is closed ends it
    (folder / "config").mkdir()
    cull = {"cull_idle_timeout": 600, "cull_interval": 20, "cull_connected": False, "cull_busy": False}
    (folder / "config" / "voila.json").write_text(json.dumps({"Voila": {"token": token}, "MappingKernelManager": cull}))
    return notebook


def free_port(wanted: int | None = None) -> int:
    """Return the wanted port if it is free, or any free port if none is wanted.

    Raises:
        TinytrackError: if the wanted port cannot be used.
    """
    with socket.socket() as listener:
        # as the server does, so that the port of a page that ended a moment ago counts as free
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            raise TinytrackError(f"the port {wanted} cannot be used: {describe_os_error(error)}; choose another with --port") from error
        return listener.getsockname()[1]


@contextlib.contextmanager
def serving(clip: str | None = None, port: int | None = None) -> Iterator[tuple[str, subprocess.Popen]]:
    """Serve the page during the block; yields its address, including the token, and the server process.

    Args:
        clip: a clip's name or a path, which the studio opens at once.
        port: default: a free one.

    Raises:
        TinytrackError: if voila is not installed or does not start, or the port is taken.
    """
    if importlib.util.find_spec("voila") is None:
        raise TinytrackError("the studio's page needs voila: install it with 'pip install voila' (notebook 09 works without it)")
    port, token = free_port(port), secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="tinytrack-page-") as scratch:
        # its own configuration in place of the user's
        folder = Path(scratch)
        notebook = write_page(folder, clip, token)
        paths = [str(folder / "jupyter"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
        env = {
            **os.environ,
            "JUPYTER_PATH": os.pathsep.join(paths),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        # the server
        command = [sys.executable, "-m", "voila", "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}", "--Voila.port_retries=0"]
        command += ["--template=tinytrack", "--show_tracebacks=False", str(notebook)]
        with running(command, f"http://127.0.0.1:{port}/login", folder / "voila.log", env) as server:
            yield f"http://127.0.0.1:{port}/?token={token}", server


@contextlib.contextmanager
def running(command: list[str], url: str, log: Path, env: dict[str, str], what: str = "the studio's page") -> Iterator[subprocess.Popen]:
    """Run a server on this machine; the block starts once ``url`` answers. The log's folder is the working directory.

    Raises:
        TinytrackError: with the last line of the log, if it does not start.
    """
    with open(log, "w") as file:
        server = subprocess.Popen(command, env=env, cwd=log.parent, stdout=file, stderr=subprocess.STDOUT)
    try:
        _wait(url, server, log, what)
        yield server
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(url: str, server: subprocess.Popen, log: Path, what: str = "the studio's page") -> None:
    """Wait until the server answers; raise with the last line of its log if it does not."""
    deadline = time.monotonic() + PATIENCE
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy, because it cannot reach this machine's own pages
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            direct.open(url, timeout=2).close()
            if server.poll() is None:
                return
        time.sleep(0.1)
    last = ([line for line in log.read_text(errors="replace").splitlines() if line.strip()] or ["it said nothing"])[-1]
    raise TinytrackError(f"{what} did not start: {last.strip()}")


@contextlib.contextmanager
def shown_in_browser(url: str) -> Iterator[None]:
    """Open a page in the user's browser by way of a private file, which is removed after a while, at the latest with the block.

    Raises:
        TinytrackError: if the file cannot be written.
    """
    import webbrowser

    try:
        folder = tempfile.TemporaryDirectory(prefix="tinytrack-open-")  # only its owner can read it
    except OSError as error:
        raise TinytrackError(f"cannot open the browser: {describe_os_error(error)}") from error
    with folder as name:
        page = Path(name) / "studio.html"
        page.touch(mode=0o600)
        page.write_text(REDIRECT.format(url=html.escape(url)))
        timer = threading.Timer(REDIRECT_STAYS, lambda: page.unlink(missing_ok=True))
        timer.daemon = True
        timer.start()
        try:
            webbrowser.open(page.as_uri())
            yield
        finally:
            timer.cancel()


def open_page(clip: str | None = None, port: int | None = None, browser: bool = True) -> None:
    """Serve the page and show it in a browser until Ctrl-C."""
    if clip is not None:
        from ..datasets.clips import open_clip

        open_clip(clip)  # a bad path is reported here rather than on the page
    try:
        for name in ("SIGTERM", "SIGHUP"):  # otherwise the server, its kernels and its files would outlive this process
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: sys.exit(0))
        with serving(clip, port) as (url, server):
            print(f"the studio is at {url}\nonly this machine can reach it; Ctrl-C ends it", flush=True)
            with shown_in_browser(url) if browser else contextlib.nullcontext():
                server.wait()
    except KeyboardInterrupt:
        print("the studio is closed; what was exported is kept")
        return
    raise TinytrackError("the studio's page ended by itself: start it again")
