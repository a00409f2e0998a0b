"""The page, built once for all tests of this folder."""

import json
import re

import pytest

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
