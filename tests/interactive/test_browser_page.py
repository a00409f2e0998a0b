"""Browser tests of the page that ``python -m tinytrack studio`` serves: dark mode, and what a reload leaves behind."""

import os
import subprocess
import time

import pytest

from tests.support.browser import chromium, visit, why_no_browser
from tinytrack.interactive.server import serving

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "there is a browser")

LIGHTNESS = """selector => {
    const style = getComputedStyle(document.querySelector(selector));
    const mean = color => { const [r, g, b, a] = color.match(/[\\d.]+/g).map(Number); return a === 0 ? null : (r + g + b) / 3; };
    return [mean(style.backgroundColor), mean(style.color)]; }"""


@pytest.fixture(scope="module")
def served():
    """A served page with carphone and a browser: (address, server process, browser)."""
    with serving("carphone") as (address, server), chromium() as browser:
        yield address, server, browser


def kernels(server) -> set[int]:
    """The process numbers of the server's kernels."""
    listed = subprocess.run(["ps", "--ppid", str(server.pid), "-o", "pid=,args="], capture_output=True, text=True).stdout
    return {int(line.split()[0]) for line in listed.splitlines() if "ipykernel" in line}


def test_a_reload_ends_the_kernel_of_the_old_page(served):
    address, server, browser = served
    with visit(browser) as v:
        v.page.goto(address, timeout=120_000)
        v.reads("carphone: 120 frames of 176x144", 60)
        (first,) = kernels(server)
        v.page.reload(timeout=120_000)
        v.reads("carphone: 120 frames of 176x144", 60)
        deadline = time.monotonic() + 20
        while first in kernels(server) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert first not in kernels(server)
        assert len(kernels(server)) == 1
        assert not os.path.exists(f"/proc/{first}")


def test_the_page_follows_the_dark_mode_of_the_operating_system(served):
    address, _, browser = served
    with visit(browser) as v:
        v.page.emulate_media(color_scheme="dark")
        v.page.goto(address, timeout=120_000)
        v.reads("carphone: 120 frames of 176x144", 60)
        texts = ("body", ".widget-label", ".tinytrack-studio .widget-html-content", "select", "input[type=text]", ".jupyter-button")
        for selector in texts:
            back, text = v.page.evaluate(LIGHTNESS, selector)
            assert text > 170, f"{selector}: {text}"
            assert back is None or back < 100, f"{selector}: {back}"
        assert v.page.evaluate("getComputedStyle(document.querySelector('select')).backgroundImage").count("e0e0e0"), "a light arrow"
        v.page.emulate_media(color_scheme="light")
        v.waits("() => document.body.dataset.jpThemeLight === 'true'")
        back, text = v.page.evaluate(LIGHTNESS, "select")
        assert text < 100
        assert back is None or back > 170
