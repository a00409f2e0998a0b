"""Serve the demos as a page of their own: voila, on this machine only, behind a token."""

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from ..errors import TinytrackError, describe_os_error

PATIENCE = 60.0  # Seconds that the server may take to start.
CELL = """\
import os
os.chdir({folder!r})  # where the command was typed: paths and exports are relative to it
from tinytrack.gallery import gallery
gallery({clip!r})"""
# Voila's own page asks another machine for icons that it has anyway; here no page leaves this machine.
TEMPLATE = """\
{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}
{{ super() | replace('<link rel="stylesheet" href="https://', '<meta name="not-loaded" content="') }}
{%- endblock -%}
"""


def write_page(folder: Path, clip: str | None, token: str) -> Path:
    """The notebook that voila shows, its template, and its settings (the token is in none of its arguments, which others could see)."""
    cell = {"cell_type": "code", "id": "page", "metadata": {}, "execution_count": None, "outputs": []}
    cell["source"] = CELL.format(folder=os.getcwd(), clip=clip)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = folder / "tinytrack.ipynb"
    notebook.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    template = folder / "jupyter" / "voila" / "templates" / "tinytrack"
    template.mkdir(parents=True)
    (template / "conf.json").write_text(json.dumps({"base_template": "lab"}))
    (template / "index.html.j2").write_text(TEMPLATE)
    (folder / "config").mkdir()
    # A page that is closed or loaded anew leaves its kernel behind: it ends when nobody has been connected for a minute.
    cull = {"cull_idle_timeout": 60, "cull_interval": 20, "cull_connected": False, "cull_busy": False}
    (folder / "config" / "voila.json").write_text(json.dumps({"Voila": {"token": token}, "MappingKernelManager": cull}))
    return notebook


def free_port(wanted: int | None = None) -> int:
    """The wanted port if nobody has it, or a free one."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: a page that ended a moment ago is no hindrance
        try:
            listener.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            raise TinytrackError(f"the port {wanted} cannot be had: {describe_os_error(error)}; name another with --port") from error
        return listener.getsockname()[1]


@contextlib.contextmanager
def serving(clip: str | None = None, port: int | None = None) -> Iterator[tuple[str, subprocess.Popen]]:
    """The page while the block lasts; yields its address, token included, and the server.

    Args:
        clip: a clip's name or a path, which the studio opens at once.
        port: default: a free one.

    Raises:
        TinytrackError: if voila is not installed or does not start, or the port is taken.
    """
    if importlib.util.find_spec("voila") is None:
        raise TinytrackError("the studio's page needs voila: expected it to be installed, 'pip install voila' (notebook 09 works without)")
    port, token = free_port(port), secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="tinytrack-page-") as scratch:
        folder = Path(scratch)
        notebook = write_page(folder, clip, token)
        paths = [str(folder / "jupyter"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
        env = {
            **os.environ,
            "JUPYTER_PATH": os.pathsep.join(paths),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        command = [sys.executable, "-m", "voila", "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}", "--Voila.port_retries=0"]
        command += ["--template=tinytrack", "--show_tracebacks=False", str(notebook)]
        with running(command, f"http://127.0.0.1:{port}/login", folder / "voila.log", env) as server:
            yield f"http://127.0.0.1:{port}/?token={token}", server


@contextlib.contextmanager
def running(command: list[str], url: str, log: Path, env: dict[str, str], what: str = "the studio's page") -> Iterator[subprocess.Popen]:
    """A server of this machine, from when ``url`` answers to the end of the block; it works, and writes its log, in the log's folder.

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
    deadline = time.monotonic() + PATIENCE
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not know this machine's own pages
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            direct.open(url, timeout=2).close()
            if server.poll() is None:
                return
        time.sleep(0.1)
    last = ([line for line in log.read_text(errors="replace").splitlines() if line.strip()] or ["it said nothing"])[-1]
    raise TinytrackError(f"{what} did not start: {last.strip()}")


def open_page(clip: str | None = None, port: int | None = None, browser: bool = True) -> None:
    """Serve the page, show it in a browser, until Ctrl-C."""
    import webbrowser

    if clip is not None:
        from ..datasets.clips import open_clip

        open_clip(clip)  # what is wrong with it is said here, and not on the page
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # or the server and its kernels would outlive this process
        with serving(clip, port) as (url, server):
            print(f"the studio is at {url}\nonly this machine can reach it; Ctrl-C ends it", flush=True)
            if browser:
                webbrowser.open(url)
            server.wait()
    except KeyboardInterrupt:
        print("the studio is closed; what was exported is kept")
        return
    raise TinytrackError("the studio's page ended by itself: start it again")
