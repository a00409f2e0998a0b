"""Run a local JupyterLab and a headless browser, for the widget tests and the table of latencies."""

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse

import nbformat

from tinytrack.interactive.server import free_port, running

TOKEN = "test"
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
HARMLESS = ("ResizeObserver loop",)  # Chromium reports this harmless notice as an error

# Script that records the time of the first user input since ``window.firstInput`` was last reset.
NOTE_INPUTS = """
window.firstInput = 0;
for (const kind of ['pointerdown', 'pointermove', 'pointerup', 'keydown', 'change'])
  document.addEventListener(kind, () => { window.firstInput ||= performance.now(); }, true);
"""


def why_no_browser() -> str:
    """Explain why browser tests cannot run here; return an empty string if they can."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return "" if shutil.which("chromium") else "chromium is not installed"


def write_notebook(path: Path, *cells: str) -> Path:
    """Write a notebook with these code cells."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)
    return path


@contextlib.contextmanager
def jupyterlab(folder: Path, theme: str = "JupyterLab Light") -> Iterator[str]:
    """Run a JupyterLab with its own settings that serves ``folder`` (which gets a notebooks/ subfolder); yield its address."""
    own = folder / ".server"  # the server's settings, logs and runtime files
    settings = own / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))
    (settings / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    (folder / "notebooks").mkdir(exist_ok=True)
    port = free_port()
    env = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTER_DATA_DIR": str(own / "data"),
    }
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    command += ["--allow-root", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"]
    command += ["--expose-app-in-browser", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with running(command, f"http://127.0.0.1:{port}/api", own / "jupyter.log", env, "JupyterLab"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def chromium() -> Iterator:
    """Start headless Chromium, with a camera that shows a test picture; yield the browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", *CAMERA])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A browser page: the errors that it reported, and the actions of a user."""

    page: object
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)  # requested addresses outside this machine

    # ---- what a user sees

    def stage(self, n: int = 0):
        """The n-th picture on the page."""
        return self.page.locator(".tinytrack-stage").nth(n)

    def painted(self, n: int = 0) -> int:
        """How many times the n-th picture has been painted."""
        return int(self.stage(n).get_attribute("data-painted") or 0)

    def pixels(self, n: int = 0) -> str:
        """A checksum of the n-th picture's current pixels."""
        script = """async e => { const c = e.querySelector('canvas');
            const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            return [...new Uint8Array(await crypto.subtle.digest('SHA-256', data))].join(); }"""
        return self.stage(n).evaluate(script)

    def found(self, pattern: str) -> str:
        """Search the text of the page for a regular expression and return its first group."""
        text = self.page.evaluate("document.body.innerText")
        match = re.search(pattern, text)
        assert match, f"'{pattern}' is not in the page: {text[-1500:]}"
        return match[1]

    def pixel(self, x: float, y: float, n: int = 0) -> tuple[int, int, int]:
        """The colour at a position given as fractions of the width and height."""
        script = """(e, [x, y]) => { const c = e.querySelector('canvas');
            return [...c.getContext('2d').getImageData(Math.floor(x * c.width), Math.floor(y * c.height), 1, 1).data].slice(0, 3); }"""
        return tuple(self.stage(n).evaluate(script, [x, y]))

    # ---- what a user does

    def at(self, x: float, y: float, n: int = 0) -> tuple[float, float]:
        """Convert fractions of a picture's width and height to a position on the page."""
        self.stage(n).scroll_into_view_if_needed()
        box = self.stage(n).bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def click(self, x: float, y: float, n: int = 0) -> None:
        self.page.mouse.click(*self.at(x, y, n))

    def drag(self, points: list[tuple[float, float]], n: int = 0) -> None:
        """Press at the first point, move along the others and release."""
        self.page.mouse.move(*self.at(*points[0], n))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point, n), steps=4)
        self.page.mouse.up()

    def button(self, text: str):
        return self.page.locator("button.jupyter-button", has_text=text).first

    def slider(self, text: str):
        """The handle of the slider with this description; arrow keys move it."""
        return self.page.locator(".widget-slider, .widget-hslider", has=self.page.get_by_text(text, exact=True)).first.get_by_role("slider")

    def waits(self, condition: str, argument=None, seconds: float = 30.0):
        """Wait until a JavaScript condition holds on the page."""
        return self.page.wait_for_function(condition, arg=argument, timeout=1000 * seconds)

    def reads(self, text: str, seconds: float = 30.0) -> None:
        """Wait until this text appears on the page."""
        from playwright.sync_api import TimeoutError as Late

        try:
            self.waits("text => document.body.innerText.includes(text)", text, seconds)
        except Late:
            now = self.page.evaluate("document.body.innerText")
            raise AssertionError(f"'{text}' was never read; after {seconds:g} s the page ends: {now[-1500:]}") from None

    def repainted(self, before: int, n: int = 0, seconds: float = 30.0) -> None:
        """Wait until the n-th picture has been painted more than ``before`` times."""
        script = "([n, before]) => Number(document.querySelectorAll('.tinytrack-stage')[n]?.dataset.painted || 0) > before"
        self.waits(script, [n, before], seconds)

    def latency(self, act: Callable[[], object]) -> float:
        """Milliseconds, by the browser's clock, from the first input in ``act()`` to the last picture painted because of it."""
        count = "[...document.querySelectorAll('.tinytrack-stage')].reduce((sum, e) => sum + Number(e.dataset.painted || 0), 0)"
        before = self.page.evaluate(f"window.firstInput = 0; {count}")
        act()
        self.waits(f"before => {count} > before", before)
        self.page.wait_for_timeout(100)  # for the remaining pictures: one action may change several
        last = "Math.max(...[...document.querySelectorAll('.tinytrack-stage')].map(e => Number(e.dataset.paintedAt || 0)))"
        return self.page.evaluate(f"{last} - window.firstInput")

    def kernel_answers(self) -> float:
        """Milliseconds that the notebook's kernel takes to compute ``1 + 1``."""
        return self.page.evaluate("""async () => {
            const start = performance.now();
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const reply = await kernel.requestExecute({ code: '1 + 1' }).done;
            if (reply.content.status !== 'ok') throw new Error(`the kernel answers ${reply.content.status}`);
            return performance.now() - start;
        }""")

    def shows_no_error(self) -> None:
        assert not self.errors, self.errors
        assert not self.strangers, self.strangers


@contextlib.contextmanager
def visit(browser, width: int = 1600, height: int = 1000) -> Iterator[Visit]:
    """Open a new page in a browser; requests that would leave this machine are recorded and blocked."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    result = Visit(page)

    def route(route, request):
        if urlparse(request.url).hostname in ("127.0.0.1", None):
            route.continue_()
        else:
            result.strangers.append(request.url)
            route.abort()

    def console(message):
        if message.type == "error" and not any(text in message.text for text in HARMLESS):
            result.errors.append(f"{message.text} {message.location.get('url', '')}")

    page.route("**/*", route)
    page.on("console", console)
    page.on("pageerror", lambda error: result.errors.append(str(error)))
    page.add_init_script(NOTE_INPUTS)
    try:
        yield result
    finally:
        context.close()


def open_notebook(visitor: Visit, server: str, name: str) -> None:
    """Open notebooks/NAME in JupyterLab, hide the side bar and wait until the kernel is ready."""
    page = visitor.page
    page.goto(f"{server}/lab/tree/notebooks/{name}?token={TOKEN}&reset")
    page.wait_for_selector(".jp-Notebook", timeout=60_000)
    page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    ready = "() => { const w = window.jupyterapp.shell.currentWidget; return w?.sessionContext?.session?.kernel?.status === 'idle'; }"
    visitor.waits(ready, seconds=60)


def run_cells(visitor: Visit, seconds: float = 120.0) -> None:
    """Run all cells and wait until the last one has finished."""
    visitor.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.ran = true; })")
    visitor.waits("() => window.ran === true", seconds=seconds)


def kernel_is_alive(visitor: Visit) -> bool:
    """Whether the kernel of the open notebook still responds."""
    return visitor.kernel_answers() >= 0
