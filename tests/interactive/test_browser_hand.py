"""Browser tests of the studio's picture and controls: mouse, fingers, keyboard and screen readers, in small studios."""

import io
import os
import re
import signal

import numpy as np
import pytest
from PIL import Image

from tests.support.browser import chromium, jupyterlab, open_notebook, run_cells, visit, why_no_browser, write_notebook

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "there is a browser")

STUDIO = """\
from tinytrack.interactive.studio import studio
demo = studio("carphone", device="cpu")
demo"""


def open_studio(v, server: str, path, *cells: str) -> None:
    """Write a notebook with a studio of carphone, and further cells, and run it."""
    write_notebook(path, STUDIO, *cells)
    open_notebook(v, server, path.name)
    run_cells(v)
    v.reads("carphone: 120 frames of 176x144", 60)
    v.repainted(0)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Start a JupyterLab and a browser for this file, and yield (browser, server, folder that it serves)."""
    folder = tmp_path_factory.mktemp("lab")
    with jupyterlab(folder) as server, chromium() as browser:
        yield browser, server, folder / "notebooks"


@pytest.fixture(scope="module")
def page(lab):
    """One studio with carphone for all tests of this file."""
    browser, server, folder = lab
    with visit(browser) as v:
        open_studio(v, server, folder / "hand.ipynb")
        yield v


@pytest.fixture
def v(page):
    """The studio without marks, on frame 0, with the mask panel."""
    assert evaluate(page, "demo.session.keys.clear(); demo.session._history.past.clear(); demo.eraser.value = False") == "None"
    evaluate(page, "demo.kind.value = 'masks'; demo.radius.value = 4; demo.frame.value = 0; demo.look()")
    yield page
    page.shows_no_error()


def evaluate(v, code: str) -> str:
    """Run statements in the kernel and return the repr of the last expression."""
    script = """async code => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        const reply = await kernel.requestExecute({ code: 'pass', user_expressions: {}, silent: false, store_history: false,
            ...code }).done;
        if (reply.content.status !== 'ok') throw new Error(reply.content.evalue);
        return reply.content.user_expressions.value?.data['text/plain'] ?? 'None'; }"""
    *statements, last = code.split("; ")
    is_expression = not re.search(r"(?<![=!<>])=(?!=)", last.split("(")[0])
    body = {"code": "\n".join(statements if is_expression else [*statements, last]) or "pass"}
    body["user_expressions"] = {"value": last} if is_expression else {}
    return v.page.evaluate(script, body)


def until(v, expression: str, expected: str) -> None:
    """Wait until an expression in the kernel has a value."""
    for _ in range(50):
        found = evaluate(v, expression)
        if found == expected:
            return
        v.page.wait_for_timeout(100)
    raise AssertionError(f"{expression} is {found}: expected {expected}")


PAINTED = "int(demo.session.marks(0).ids.any(axis=1).sum()), int(demo.session.marks(0).ids.any(axis=0).sum())"
STEPS = "len(demo.session._history.past)"


def test_ctrl_z_undoes_and_ctrl_shift_z_or_ctrl_y_redoes(v):
    for x in (0.2, 0.5, 0.8):
        v.drag([(x, 0.3), (x, 0.5)])
    until(v, STEPS, "3")
    for keys, count in (("Control+z", 2), ("Control+z", 1), ("Control+Shift+z", 2), ("Control+y", 3), ("z", 2)):
        v.page.keyboard.press(keys)
        until(v, STEPS, str(count))
    for _ in range(3):
        v.page.keyboard.press("Control+z")
    v.reads("there is nothing left to undo")


def test_the_mouse_paints_after_space_put_the_brush_down(v):
    v.click(0.2, 0.2)
    until(v, STEPS, "1")
    v.page.keyboard.press(" ")  # the keyboard's brush is down
    v.drag([(0.3, 0.6), (0.7, 0.6)])
    until(v, STEPS, "3")  # the keyboard's dab and the whole stroke of the mouse
    assert eval(evaluate(v, PAINTED))[1] > 0.35 * 176
    v.drag([(0.8, 0.2), (0.8, 0.8)])
    until(v, STEPS, "4")
    assert eval(evaluate(v, PAINTED))[0] > 0.55 * 144


def pointer(v, kind: str, number: int, x: float, y: float, device: str = "touch") -> None:
    """Dispatch a pointer event of a finger at fractions of the picture."""
    script = """(e, [kind, id, x, y, device]) => { const r = e.getBoundingClientRect();
        e.setPointerCapture = () => {}; // there is no real finger to capture
        e.dispatchEvent(new PointerEvent(kind, { pointerId: id, pointerType: device, isPrimary: id === 1, bubbles: true, cancelable: true,
            clientX: r.left + x * r.width, clientY: r.top + y * r.height }));
        delete e.setPointerCapture; }"""
    v.stage().evaluate(script, [kind, number, x, y, device])


def test_a_pinch_paints_nothing(v):
    v.stage().scroll_into_view_if_needed()
    pointer(v, "pointerdown", 1, 0.3, 0.5)
    pointer(v, "pointermove", 1, 0.35, 0.5)
    pointer(v, "pointerdown", 2, 0.7, 0.5)
    for step in range(3):
        pointer(v, "pointermove", 1, 0.3 - 0.05 * step, 0.5)
        pointer(v, "pointermove", 2, 0.7 + 0.05 * step, 0.5)
    pointer(v, "pointerup", 2, 0.9, 0.5)
    pointer(v, "pointerup", 1, 0.1, 0.5)
    v.page.wait_for_timeout(300)
    assert evaluate(v, STEPS) == "0"
    v.stage().focus()
    v.page.keyboard.press("0")  # the pinch has zoomed
    # one finger paints, and a resting hand does not draw along with a pen
    pointer(v, "pointerdown", 1, 0.3, 0.3, "pen")
    pointer(v, "pointermove", 1, 0.4, 0.3, "pen")
    pointer(v, "pointerdown", 2, 0.9, 0.9)
    pointer(v, "pointermove", 2, 0.8, 0.9)
    pointer(v, "pointerup", 2, 0.8, 0.9)
    pointer(v, "pointermove", 1, 0.5, 0.3, "pen")
    pointer(v, "pointerup", 1, 0.5, 0.3, "pen")
    until(v, STEPS, "1")
    rows, columns = eval(evaluate(v, PAINTED))
    assert rows < 15
    assert 0.15 * 176 < columns < 0.3 * 176


def test_a_stroke_outside_the_picture_does_not_paint_along_its_rim(v):
    x, y = v.at(0.95, 0.2)
    _, bottom = v.at(0.95, 0.8)
    v.page.mouse.move(x, y)
    v.page.mouse.down()
    v.page.mouse.move(x + 150, y, steps=4)
    v.page.mouse.move(x + 150, bottom, steps=4)
    v.page.mouse.up()
    until(v, STEPS, "1")
    assert eval(evaluate(v, PAINTED))[0] < 15


def test_the_focus_ring_is_visible_on_all_four_sides(v):
    v.stage().scroll_into_view_if_needed()
    v.click(0.5, 0.5)
    v.page.keyboard.press("ArrowRight")
    v.page.wait_for_timeout(300)
    box = v.stage().bounding_box()
    clip = {key: box[key] for key in ("x", "y", "width", "height")}
    picture = np.array(Image.open(io.BytesIO(v.page.screenshot(clip=clip))).convert("RGB")).astype(int)
    blue = np.abs(picture - (33, 150, 243)).max(axis=-1) < 40
    height, width = blue.shape
    for name, edge in {"top": blue[:4], "bottom": blue[-4:], "left": blue[:, :4].T, "right": blue[:, -4:].T}.items():
        assert edge.any(axis=0).mean() > 0.9, name


def test_controls_have_names_and_states_for_screen_readers(v):
    page = v.page
    for name in ("frame", "brush", "overlay"):
        assert page.get_by_role("slider", name=name, exact=True).count() == 1, name
    for name in ("name", "folder", "or path"):
        assert page.get_by_role("textbox", name=name, exact=True).count() == 1, name
    eraser = v.button("Eraser")
    assert eraser.get_attribute("aria-pressed") == "false"
    eraser.click()
    v.waits("() => [...document.querySelectorAll('button')].find(b => b.innerText.includes('Eraser')).ariaPressed === 'true'")
    assert page.get_by_role("button", name="masks", exact=True).get_attribute("aria-pressed") == "true"
    assert page.locator(".tinytrack-studio [title='null']").count() == 0
    v.button("Export").click()
    v.waits("() => document.querySelector('[role=status]').textContent.includes('frames are not tracked yet')")


def test_enter_presses_the_button_of_a_box(v):
    box = v.page.get_by_role("textbox", name="or path")
    box.fill("no/such.mp4")
    box.press("Enter")
    v.reads("no such video: 'no/such.mp4'")
    name = v.page.get_by_placeholder("name", exact=True)
    name.fill("dog")
    name.press("Enter")
    until(v, "demo.session.objects", "['object 1', 'dog']")
    v.button("Delete").click()
    until(v, "demo.session.numbers", "[1]")


def test_at_phone_width_an_error_is_next_to_the_button(v):
    try:
        v.page.set_viewport_size({"width": 430, "height": 900})
        v.button("Export").scroll_into_view_if_needed()
        v.button("Export").click()
        note = v.page.locator(".tinytrack-near", has_text="frames are not tracked yet")
        note.wait_for(state="visible")
        button, shown = v.button("Export").bounding_box(), note.bounding_box()
        assert 0 <= shown["y"] - button["y"] < 120
    finally:
        v.page.set_viewport_size({"width": 1600, "height": 1000})
    note.wait_for(state="hidden")


def test_the_page_warns_only_about_marks_that_are_not_exported(v):
    asked = "() => { const e = new Event('beforeunload', { cancelable: true }); window.dispatchEvent(e); return e.defaultPrevented; }"
    assert not v.page.evaluate(asked)
    v.drag([(0.3, 0.3), (0.5, 0.5)])
    until(v, "demo.access.unsaved", "True")
    v.waits(asked)


def test_a_banner_says_when_python_does_not_answer_and_when_it_was_restarted(v):
    """The last test of this file, because it restarts the kernel."""
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    number = int(evaluate(v, "__import__('os').getpid()"))
    os.kill(number, signal.SIGSTOP)
    try:
        v.drag([(0.3, 0.3), (0.5, 0.5)])
        v.reads("Python has not answered for some seconds")
    finally:
        os.kill(number, signal.SIGCONT)
    v.waits("() => document.querySelector('.tinytrack-banner').hidden")
    until(v, STEPS, "1")
    v.page.evaluate(f"{kernel}.restart()")
    v.waits(f"() => {kernel}.status === 'idle'")
    v.page.wait_for_timeout(500)
    v.drag([(0.3, 0.6), (0.5, 0.6)])
    v.reads("Python has ended or was restarted")
    v.button("Track").click()
    v.page.wait_for_timeout(300)
