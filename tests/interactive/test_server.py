"""The studio's page: the notebook that is served, where the token is stored, and the errors when the server does not start."""

import contextlib
import errno
import importlib.util
import json
import os
import signal
import socket
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from tests.support.helpers import assert_one_sentence
from tinytrack.errors import TinytrackError, VideoError
from tinytrack.interactive import server as page
from tinytrack.interactive.server import open_page, serving, write_page

TOKEN = "a-token-that-nobody-else-knows"


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


# ---- what is served


def test_the_page_is_a_notebook_with_one_cell(tmp_path):
    path = write_page(tmp_path, "carphone", TOKEN)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    (cell,) = notebook.cells
    assert cell.cell_type == "code"
    assert cell.outputs == []
    assert notebook.metadata.kernelspec.name == "python3"
    compile(cell.source, "cell", "exec")


@pytest.mark.parametrize("clip", [None, "carphone", 'it\'s a "film".mp4', "C:\\films\\new.mp4", "größe {0} %s.mp4", "two\nlines.mp4"])
@pytest.mark.parametrize("folder", ["plain", 'it\'s {a} "folder"', "größe"])
def test_the_cell_opens_the_clip_relative_to_the_folder_of_the_command(tmp_path, monkeypatch, clip, folder):
    here = tmp_path / folder
    here.mkdir()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.chdir(here)
    source = nbformat.read(write_page(scratch, clip, TOKEN), as_version=4).cells[0].source
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setitem(
        sys.modules, "tinytrack.interactive.gallery", SimpleNamespace(gallery=lambda name: asked.append((name, os.getcwd())))
    )
    exec(source, {})
    assert asked == [(clip, os.path.realpath(here))]


def test_the_token_is_stored_only_in_the_settings(tmp_path):
    write_page(tmp_path, None, TOKEN)
    files = files_of(tmp_path)
    assert [name for name, text in files.items() if TOKEN in text] == [os.path.join("config", "voila.json")]
    assert json.loads(files[os.path.join("config", "voila.json")])["Voila"] == {"token": TOKEN}


def test_an_unwatched_kernel_is_ended_soon_unless_it_is_busy(tmp_path):
    write_page(tmp_path, None, TOKEN)
    settings = json.loads((tmp_path / "config" / "voila.json").read_text())
    assert settings.keys() == {"Voila", "MappingKernelManager"}
    cull = settings["MappingKernelManager"]
    assert cull == {"cull_idle_timeout": 600, "cull_interval": 20, "cull_connected": False, "cull_busy": False}


def test_the_template_is_where_jupyter_looks_and_loads_nothing_from_other_machines(tmp_path):
    write_page(tmp_path, None, TOKEN)
    folder = tmp_path / "jupyter" / "voila" / "templates" / "tinytrack"
    assert json.loads((folder / "conf.json").read_text()) == {"base_template": "lab"}
    jinja2 = pytest.importorskip("jinja2")
    base = '<head>{% block notebook_css %}<link rel="stylesheet" href="https://elsewhere/icons.css"><style>a{}</style>{% endblock %}</head>'
    loader = jinja2.DictLoader({"voila/templates/lab/index.html.j2": base, "page": (folder / "index.html.j2").read_text()})
    shown = jinja2.Environment(loader=loader).get_template("page").render()
    assert "stylesheet" not in shown
    assert "<style>a{}</style>" in shown


# ---- when the server does not start


@pytest.fixture
def server(tmp_path, monkeypatch):
    """``server("echo ...")`` replaces Python and voila with this shell script, which finds its own path in ``$0``."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(name=name))
    monkeypatch.setattr(page, "PATIENCE", 20.0)

    def fake(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(page, "sys", SimpleNamespace(executable=str(path), exit=sys.exit))
        return path

    return fake


def started(*args, **kwargs):
    with serving(*args, **kwargs):
        raise AssertionError("it says that it has started")


def test_without_voila_the_error_names_the_missing_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "voila" else SimpleNamespace())
    monkeypatch.setattr(page.subprocess, "Popen", lambda *args, **kwargs: pytest.fail("it was started"))
    with pytest.raises(TinytrackError) as error:
        started()
    assert_one_sentence(error, "voila", "pip install voila")


def test_the_last_output_of_a_dying_server_is_reported(server):
    server("echo starting; echo 'ERROR: Port is taken ' >&2; echo; exit 1")
    with pytest.raises(TinytrackError) as error:
        started()
    assert_one_sentence(error, "did not start: ERROR: Port is taken")


@pytest.mark.parametrize("status", [0, 1])
def test_a_server_that_dies_silently_is_reported(server, status):
    server(f"exit {status}")
    with pytest.raises(TinytrackError) as error:
        started()
    assert_one_sentence(error, "did not start: it said nothing")


def test_last_output_that_is_not_valid_text_is_harmless(server):
    server(r"printf 'bad \377\376 bytes\n'; exit 1")
    with pytest.raises(TinytrackError) as error:
        started()
    assert_one_sentence(error, "did not start: bad ")


def test_a_server_that_does_not_answer_is_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PATIENCE", 0.6)
    server('echo $$ > "$(dirname "$0")/pid"; echo "loading"; exec sleep 60')
    with pytest.raises(TinytrackError) as error:
        started()
    assert_one_sentence(error, "did not start: loading")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_token_is_in_the_settings_of_the_server_and_not_in_its_arguments(server, tmp_path, monkeypatch):
    """Other users of the machine can see the arguments. The settings hold the token and are deleted when the server ends."""
    monkeypatch.setenv("JUPYTER_PATH", "elsewhere")
    server(
        'd="$(dirname "$0")"; echo "$@" > "$d/args"; echo "$JUPYTER_PATH" > "$d/jupyter"; echo "$JUPYTER_CONFIG_DIR" > "$d/config";'
        ' cat "$JUPYTER_CONFIG_DIR/voila.json" > "$d/settings"; exit 1'
    )
    port = page.free_port(None)
    with pytest.raises(TinytrackError):
        started("carphone", port)
    args = (tmp_path / "args").read_text()
    token = json.loads((tmp_path / "settings").read_text())["Voila"]["token"]
    assert len(token) >= 24
    assert token not in args
    assert args.startswith("-m voila ")
    assert "--Voila.ip=127.0.0.1" in args
    assert f"--port={port}" in args
    jupyter, config = (Path((tmp_path / name).read_text().strip()) for name in ("jupyter", "config"))
    assert str(jupyter).endswith(f"{os.pathsep}elsewhere")
    assert not config.exists()
    assert not config.parent.exists()


@pytest.fixture
def taken():
    """A port on this machine that another program is listening on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_reported_before_the_server_is_started(server, taken, monkeypatch):
    monkeypatch.setattr(page.subprocess, "Popen", lambda *args, **kwargs: pytest.fail("it was started"))
    with pytest.raises(TinytrackError) as error:
        started(port=taken)
    assert_one_sentence(error, f"the port {taken}", "another program is using it", "--port")


@pytest.mark.parametrize("code, words", [(errno.EACCES, "permission is denied"), (errno.EADDRNOTAVAIL, "assign")])
def test_an_unavailable_port_is_reported_with_the_reason(server, monkeypatch, code, words):
    class Forbidden(socket.socket):
        def bind(self, address):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(page, "socket", SimpleNamespace(**{**vars(socket), "socket": Forbidden}))
    with pytest.raises(TinytrackError) as error:
        started(port=80)
    assert_one_sentence(error, "the port 80", words, "--port")


def test_a_port_can_be_reused_right_after_a_page_has_ended():
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # web servers set this option
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as visitor:
            listener.accept()[0].close()  # the server closes first, so its side stays in TIME_WAIT
            assert visitor.recv(1) == b""
    assert page.free_port(port) == port


# A page that answers immediately, in place of voila. It writes the requested path into the file `asked`.
PAGE = """import http.server, pathlib, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pathlib.Path(sys.argv[1], "asked").write_text(self.path)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Page).serve_forever()
"""


@pytest.fixture
def page_server(server, tmp_path):
    """A server that answers, in place of voila."""
    (tmp_path / "page.py").write_text(PAGE)
    script = 'for a in "$@"; do case "$a" in --port=*) p="${a#--port=}";; esac; done'
    server(f'{script}; exec "{sys.executable}" "$(dirname "$0")/page.py" "$(dirname "$0")" "$p"')


@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:1"], ids=["no proxy", "a proxy"])
def test_a_proxy_in_the_environment_is_ignored(page_server, tmp_path, monkeypatch, proxy):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    if proxy:
        monkeypatch.setenv("http_proxy", proxy)
    urllib.request.install_opener(None)  # an opener from an earlier test would use the old environment
    with serving() as (url, process):
        assert (tmp_path / "asked").read_text() == "/login"
        assert process.poll() is None
        address = urllib.parse.urlsplit(url)
        assert address.scheme == "http"
        assert address.hostname == "127.0.0.1"
        assert len(address.query) > len("token=") + 24
    assert process.poll() is not None, "the server ends with the block"


def test_the_answer_of_another_server_is_not_mistaken_for_ours(taken, tmp_path, monkeypatch):
    """Another program took the port after the check and before the start, so the answer does not come from our page."""
    log = tmp_path / "voila.log"
    log.write_text("the port is in use\n")
    polls = iter([None, 1, 1, 1])  # the process is alive at first and dead when the answer arrives
    monkeypatch.setattr(page, "PATIENCE", 5.0)
    monkeypatch.setattr(page.urllib.request.OpenerDirector, "open", lambda *args, **kwargs: SimpleNamespace(close=lambda: None))
    with pytest.raises(TinytrackError) as error:
        page._wait(f"http://127.0.0.1:{taken}/login", SimpleNamespace(poll=lambda: next(polls)), log)
    assert_one_sentence(error, "did not start: the port is in use")


# ---- the command


@pytest.fixture(autouse=True)
def _own_signals():
    """``open_page`` changes how this process handles signals, so restore the handlers after each test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_clip_that_cannot_be_opened_is_reported_before_the_server_is_started(monkeypatch, here):
    monkeypatch.setattr(page, "serving", lambda *args: pytest.fail("it was started"))
    with pytest.raises(VideoError) as error:
        open_page("missing.mp4")
    assert_one_sentence(error, "missing.mp4")


@pytest.mark.parametrize("browser", [True, False])
def test_the_address_is_printed_and_opened_until_the_server_ends(monkeypatch, capsys, make_video, browser):
    import webbrowser

    path, asked, opened, events = str(make_video("clip.mp4", 3)), [], [], []
    url = "http://127.0.0.1:1/?token=x"

    @contextlib.contextmanager
    def fake(clip, port):
        asked.append((clip, port))
        yield url, SimpleNamespace(wait=lambda: events.append("waited"))
        events.append("left")

    def look(address):
        file = Path(urllib.request.url2pathname(urllib.parse.urlsplit(address).path))
        opened.append((address, file, file.read_text(), file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777))

    monkeypatch.setattr(page, "serving", fake)
    monkeypatch.setattr(webbrowser, "open", look)
    with pytest.raises(TinytrackError) as error:
        open_page(path, 5, browser)
    assert_one_sentence(error, "ended by itself")
    assert asked == [(path, 5)]
    assert events == ["waited", "left"]
    assert url in capsys.readouterr().out
    assert len(opened) == browser
    for address, file, text, *modes in opened:
        assert address.startswith("file://")
        assert "token" not in address, "other users can see the arguments of a browser"
        assert f"url={url}" in text
        assert modes == [0o600, 0o700], "only the owner can read the file"
        assert not file.parent.exists(), "the file is removed"


def test_the_file_with_the_token_is_removed_while_the_page_is_still_open(monkeypatch):
    import webbrowser

    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(page, "REDIRECT_STAYS", 0.05)
    with page.shown_in_browser("http://127.0.0.1:1/?token=x&y"):
        file = Path(urllib.request.url2pathname(urllib.parse.urlsplit(opened[0]).path))
        deadline = time.monotonic() + 5
        while file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not file.exists()


def signalled(monkeypatch, number):
    """Open a page and send this process a signal while the page is shown."""
    import webbrowser

    real, servers = page.serving, []

    @contextlib.contextmanager
    def watched(*args):
        with real(*args) as (url, server):
            servers.append(server)
            yield url, server

    def look(url):
        assert signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN, None), "the signal would end these tests"
        signal.raise_signal(number)

    monkeypatch.setattr(page, "serving", watched)
    monkeypatch.setattr(webbrowser, "open", look)
    try:
        open_page()
    finally:
        assert len(servers) == 1, "the server ends with the page"
        assert servers[0].poll() is not None, "the server ends with the page"


def test_ctrl_c_closes_the_page_with_a_message(page_server, monkeypatch, capsys):
    signalled(monkeypatch, signal.SIGINT)
    assert capsys.readouterr().out.splitlines()[-1] == "the studio is closed; what was exported is kept"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_page_also_ends_its_server_and_leaves_no_files(page_server, monkeypatch, tmp_path, number):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with pytest.raises(SystemExit) as end:
        signalled(monkeypatch, number)
    assert end.value.code == 0
    assert list(scratch.iterdir()) == []


def test_the_studio_command_reports_errors_in_one_sentence(cli, monkeypatch):
    asked = []

    def fail(*args):
        asked.append(args)
        raise TinytrackError("the studio's page did not start: it said nothing")

    monkeypatch.setattr(page, "open_page", fail)
    result = cli("studio", "clip.mp4", "--port", "8000", "--no-browser")
    assert result.status == 2
    assert result.said == ["tinytrack: the studio's page did not start: it said nothing"]
    assert result.out == ""
    assert cli("studio").status == 2
    assert asked == [("clip.mp4", 8000, False), (None, None, True)]
    assert cli("studio", "--port", "99999").status == 2
    assert len(asked) == 2
