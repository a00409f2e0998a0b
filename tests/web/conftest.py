"""The page, built once for all tests of this folder."""

import contextlib
import json
import re
from types import SimpleNamespace

import pytest

from tests.support.browser import chromium
from tinytrack.datasets.clips import CLIPS
from tinytrack.web.build import build_page
from tinytrack.web.pointer_data import EXCERPTS


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the page; skipped where a clip is not installed."""
    for excerpt in EXCERPTS:
        if not CLIPS[excerpt.clip].file.is_file():
            pytest.skip(f"the clip {excerpt.clip} is not installed")
    folder = tmp_path_factory.mktemp("web") / "site"
    build_page(folder)
    return folder


@pytest.fixture(scope="session")
def stored(site):
    """``stored(name)`` reads what data/NAME.js puts on the page."""

    def read(name):
        text = (site / "data" / f"{name}.js").read_text()
        match = re.fullmatch(rf'tinytrack\.data\["{name}"\] = (.*);\n', text, re.DOTALL)
        assert match, text[:80]
        return json.loads(match[1])

    return read


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser, site):
    """``visit(hash)`` opens the page from its folder; at the end no error was reported and no request left the folder."""
    with contextlib.ExitStack() as closing:
        seen = SimpleNamespace(errors=[], requests=[])

        def open_page(hash="", address=None, **options):
            context = browser.new_context(**{"viewport": {"width": 1100, "height": 900}} | options)
            closing.callback(context.close)
            page = context.new_page()
            page.on("console", lambda message: seen.errors.append(message.text) if message.type in ("error", "warning") else None)
            page.on("pageerror", lambda error: seen.errors.append(str(error)))
            page.on("request", lambda request: seen.requests.append(request.url))
            page.goto((address or site.as_uri()) + "/index.html" + hash)
            page.wait_for_selector("body[data-ready]", timeout=60_000)
            return page

        yield open_page
        assert seen.errors == []
        assert [url for url in seen.requests if not url.startswith((site.as_uri(), "http://127.0.0.1:", "data:", "blob:"))] == []
