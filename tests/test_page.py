"""The studio's page: the notebook that is served, where the token stands, and what is said when it does not start."""

import contextlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from conftest import assert_one_sentence

from tinytrack import page
from tinytrack.errors import TinytrackError, VideoError
from tinytrack.page import open_page, serving, write_page

TOKEN = "a-token-that-nobody-else-knows"


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


# ---- what is served


def test_the_page_is_a_notebook_of_one_cell(tmp_path):
    path = write_page(tmp_path, "carphone", TOKEN)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    (cell,) = notebook.cells
    assert cell.cell_type == "code" and cell.outputs == [] and notebook.metadata.kernelspec.name == "python3"
    compile(cell.source, "cell", "exec")


@pytest.mark.parametrize("clip", [None, "carphone", 'it\'s a "film".mp4', "C:\\films\\new.mp4", "größe {0} %s.mp4", "two\nlines.mp4"])
@pytest.mark.parametrize("folder", ["plain", 'it\'s {a} "folder"', "größe"])
def test_the_cell_opens_the_clip_from_where_the_command_was_typed(tmp_path, monkeypatch, clip, folder):
    here = tmp_path / folder
    here.mkdir()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.chdir(here)
    source = nbformat.read(write_page(scratch, clip, TOKEN), as_version=4).cells[0].source
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setitem(sys.modules, "tinytrack.gallery", SimpleNamespace(gallery=lambda name: asked.append((name, os.getcwd()))))
    exec(source, {})
    assert asked == [(clip, os.path.realpath(here))]


def test_the_token_stands_in_the_settings_only(tmp_path):
    write_page(tmp_path, None, TOKEN)
    files = files_of(tmp_path)
    assert [name for name, text in files.items() if TOKEN in text] == [os.path.join("config", "voila.json")]
    assert json.loads(files[os.path.join("config", "voila.json")]) == {"Voila": {"token": TOKEN}}


def test_the_template_stands_where_jupyter_looks_and_asks_no_other_machine(tmp_path):
    write_page(tmp_path, None, TOKEN)
    folder = tmp_path / "jupyter" / "voila" / "templates" / "tinytrack"
    assert json.loads((folder / "conf.json").read_text()) == {"base_template": "lab"}
    jinja2 = pytest.importorskip("jinja2")
    base = '<head>{% block notebook_css %}<link rel="stylesheet" href="https://elsewhere/icons.css"><style>a{}</style>{% endblock %}</head>'
    loader = jinja2.DictLoader({"voila/templates/lab/index.html.j2": base, "page": (folder / "index.html.j2").read_text()})
    shown = jinja2.Environment(loader=loader).get_template("page").render()
    assert "stylesheet" not in shown and "<style>a{}</style>" in shown


# ---- when it does not start


@pytest.fixture
def server(tmp_path, monkeypatch):
    """``server("echo ...")``: this shell script is started in place of Python and voila; it finds its own file at ``$0``."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(name=name))
    monkeypatch.setattr(page, "PATIENCE", 20.0)

    def fake(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(page, "sys", SimpleNamespace(executable=str(path)))
        return path

    return fake


def started(*args, **kwargs):
    with serving(*args, **kwargs):
        raise AssertionError("it says that it has started")


def test_without_voila_it_is_said_what_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "voila" else SimpleNamespace())
    monkeypatch.setattr(page.subprocess, "Popen", lambda *args, **kwargs: pytest.fail("it was started"))
    with pytest.raises(TinytrackError) as error:
        started()
    assert_one_sentence(error, "voila", "pip install voila")


def test_the_last_words_of_a_server_that_dies_are_passed_on(server):
    server("echo starting; echo 'ERROR: Port is taken ' >&2; echo; exit 1")
    with pytest.raises(TinytrackError) as error:
        started()
    assert_one_sentence(error, "did not start: ERROR: Port is taken")


@pytest.mark.parametrize("status", [0, 1])
def test_a_server_that_dies_in_silence(server, status):
    server(f"exit {status}")
    with pytest.raises(TinytrackError) as error:
        started()
    assert_one_sentence(error, "did not start: it said nothing")


def test_last_words_that_are_no_text_do_no_harm(server):
    server(r"printf 'bad \377\376 bytes\n'; exit 1")
    with pytest.raises(TinytrackError) as error:
        started()
    assert_one_sentence(error, "did not start: bad ")


def test_a_server_that_does_not_answer_is_given_up_and_ended(server, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PATIENCE", 0.6)
    server('echo $$ > "$(dirname "$0")/pid"; echo "loading"; exec sleep 60')
    with pytest.raises(TinytrackError) as error:
        started()
    assert_one_sentence(error, "did not start: loading")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_the_server_is_started_with(server, tmp_path, monkeypatch):
    """Its arguments, which other users of the machine can see, do not hold the token; its settings do, and they go with it."""
    monkeypatch.setenv("JUPYTER_PATH", "elsewhere")
    server(
        'd="$(dirname "$0")"; echo "$@" > "$d/args"; echo "$JUPYTER_PATH" > "$d/jupyter"; echo "$JUPYTER_CONFIG_DIR" > "$d/config";'
        ' cat "$JUPYTER_CONFIG_DIR/voila.json" > "$d/settings"; exit 1'
    )
    with pytest.raises(TinytrackError):
        started("carphone", 54321)
    args = (tmp_path / "args").read_text()
    token = json.loads((tmp_path / "settings").read_text())["Voila"]["token"]
    assert len(token) >= 24 and token not in args
    assert args.startswith("-m voila ") and "--Voila.ip=127.0.0.1" in args and "--port=54321" in args
    jupyter, config = (Path((tmp_path / name).read_text().strip()) for name in ("jupyter", "config"))
    assert str(jupyter).endswith(f"{os.pathsep}elsewhere") and not config.exists() and not config.parent.exists()


# ---- the command


def test_a_clip_that_cannot_be_opened_is_said_before_anything_is_started(monkeypatch, here):
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

    monkeypatch.setattr(page, "serving", fake)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    with pytest.raises(TinytrackError) as error:
        open_page(path, 5, browser)
    assert_one_sentence(error, "ended by itself")
    assert asked == [(path, 5)] and events == ["waited", "left"]
    assert url in capsys.readouterr().out and opened == [url] * browser


def test_the_command_studio_says_in_one_sentence_what_is_wrong(cli, monkeypatch):
    asked = []

    def fail(*args):
        asked.append(args)
        raise TinytrackError("the studio's page did not start: it said nothing")

    monkeypatch.setattr(page, "open_page", fail)
    result = cli("studio", "clip.mp4", "--port", "8000", "--no-browser")
    assert result.status == 2 and result.said == ["tinytrack: the studio's page did not start: it said nothing"] and result.out == ""
    assert cli("studio").status == 2
    assert asked == [("clip.mp4", 8000, False), (None, None, True)]
    assert cli("studio", "--port", "99999").status == 2 and len(asked) == 2
