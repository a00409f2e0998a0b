"""Browser tests of the studio's picture at close range: zoom, pan and the polygon tool by mouse, fingers and keyboard."""

import ast
import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.interactive.test_browser_hand import STEPS, evaluate, open_studio, until
from tests.support.browser import chromium, jupyterlab, visit, why_no_browser

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "there is a browser")

W, H = 176, 144
PLAIN = """\
import numpy as np
from tinytrack.interactive.canvas import Canvas
plain, heard = Canvas(width=300, size=(100, 50), active=True), []
plain.on_point(lambda *event: heard.append(event))
plain.show(np.full((50, 100, 3), 90, np.uint8))
plain"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """One studio with carphone, and below it a canvas as the other demos use it, for all tests of this file."""
    folder = tmp_path_factory.mktemp("lab")
    with jupyterlab(folder) as server, chromium() as browser, visit(browser) as v:
        open_studio(v, server, folder / "notebooks" / "zoom.ipynb", PLAIN)
        yield v


@pytest.fixture
def v(page):
    """The studio without marks, on frame 0, with a brush of 2 pixels, and the whole picture in view."""
    evaluate(page, "demo.session.keys.clear(); demo.session._history.past.clear(); demo.eraser.value = False; demo.polygon.value = False")
    evaluate(page, "demo.skeleton.value = 'face'; demo.joint.value = 0; demo.kind.value = 'masks'; demo.which.value = 1")
    evaluate(page, "demo.radius.value = 2; demo.frame.value = 0; demo.look()")
    page.stage().scroll_into_view_if_needed()
    button(page, "whole picture").click()
    page.page.mouse.move(2, 2)
    page.page.wait_for_timeout(150)
    yield page
    page.shows_no_error()


def button(v, text: str):
    return v.page.locator(".tinytrack-zoom:not([hidden]) button", has_text=text)


def zoom(v, n: int = 0) -> float:
    return float(v.stage(n).get_attribute("data-zoom") or 1)


def wheel(v, x: float, y: float, notches: int = 3, n: int = 0) -> None:
    """Turn the wheel towards the screen at fractions of the picture's box, with Ctrl."""
    v.page.mouse.move(*v.at(x, y, n))
    v.page.keyboard.down("Control")
    for _ in range(abs(notches)):
        v.page.mouse.wheel(0, -100 if notches > 0 else 100)
        v.page.wait_for_timeout(30)
    v.page.keyboard.up("Control")


def polygon_on(v) -> None:
    v.button("Polygon").click()
    v.page.wait_for_timeout(300)  # the browser hears of it by way of the kernel


def array(v, expression: str) -> np.ndarray:
    """The value of an array in the kernel; evaluate() alone would shorten it."""
    return np.array(json.loads(ast.literal_eval(evaluate(v, f"__import__('json').dumps({expression}.tolist())"))))


def marked(v) -> np.ndarray:
    """The pixels (y, x) of the frame that are marked."""
    return array(v, "np.argwhere(demo.session.marks(0).ids)").reshape(-1, 2)


def middle(v) -> tuple[float, float]:
    """The centre (x, y) of what is marked, in pixels of the frame."""
    return tuple(marked(v).mean(axis=0)[::-1])


def visible(v) -> tuple[float, float, float, float]:
    """The part of the frame that is shown, by the places of the picture and its box on the page: left, top, right, bottom in pixels."""
    script = """e => { const b = e.getBoundingClientRect(), p = e.querySelector('canvas').getBoundingClientRect();
        return [(b.left - p.left) / p.width, (b.top - p.top) / p.height, (b.right - p.left) / p.width, (b.bottom - p.top) / p.height]; }"""
    left, top, right, bottom = v.stage().evaluate(script)
    return left * W, top * H, right * W, bottom * H


def crop(v, x: float, y: float, size: int = 8) -> np.ndarray:
    """A square of the page around a place given as fractions of the picture's box: the mean colour."""
    left, top = v.at(x, y)
    clip = {"x": left - size / 2, "y": top - size / 2, "width": size, "height": size}
    return np.array(Image.open(io.BytesIO(v.page.screenshot(clip=clip))).convert("RGB")).astype(int).mean(axis=(0, 1))


# ---- zoom


def test_ctrl_and_the_wheel_zoom_around_the_pointer_and_a_dab_lands_there(v):
    wheel(v, 0.3, 0.4)
    assert zoom(v) == pytest.approx(np.exp(1.5), rel=0.01)
    v.click(0.3, 0.4)  # this place did not move
    until(v, STEPS, "1")
    assert middle(v) == pytest.approx((0.3 * W - 0.5, 0.4 * H - 0.5), abs=0.3)
    # any other place of the box is that much closer to it
    evaluate(v, "demo.session.keys.clear(); demo.look()")
    v.click(0.9, 0.1)
    until(v, STEPS, "2")
    x, y = 0.3 + 0.6 / zoom(v), 0.4 - 0.3 / zoom(v)
    assert middle(v) == pytest.approx((x * W - 0.5, y * H - 0.5), abs=0.3)


@pytest.mark.parametrize("notches", [0, 1, 2, 4, 9])
def test_paint_appears_under_the_pointer_at_every_zoom(v, notches):
    plain = {}
    wheel(v, 0.6, 0.5, notches)
    v.page.mouse.move(2, 2)
    v.page.wait_for_timeout(100)
    for place in ((0.25, 0.7), (0.75, 0.3)):
        plain[place] = crop(v, *place)
        v.click(*place)
    until(v, STEPS, "2")
    v.page.mouse.move(2, 2)
    v.page.wait_for_timeout(300)
    for place, before in plain.items():
        red = crop(v, *place)
        assert red[0] - red[1] > before[0] - before[1] + 20, place


def test_the_zoom_ends_at_the_whole_picture_and_at_large_pixels(v):
    wheel(v, 0.5, 0.5, 9)
    pixel = v.stage().bounding_box()["width"] * zoom(v) / W
    assert pixel == pytest.approx(32, abs=0.5)
    rendering = "e => e.querySelector('canvas').style.imageRendering"
    assert v.stage().evaluate(rendering) == "pixelated"
    wheel(v, 0.1, 0.9, -12)
    assert zoom(v) == 1
    assert visible(v) == pytest.approx((0, 0, W, H), abs=0.01)
    assert v.stage().evaluate(rendering) == "auto"


def test_the_wheel_without_ctrl_scrolls_the_page(v):
    v.page.set_viewport_size({"width": 1600, "height": 500})
    try:
        v.stage().scroll_into_view_if_needed()
        v.page.mouse.move(*v.at(0.5, 0.5))
        before = v.stage().bounding_box()["y"]
        v.page.mouse.wheel(0, 120)
        v.page.wait_for_timeout(400)
        assert v.stage().bounding_box()["y"] == pytest.approx(before - 120, abs=3)
        assert zoom(v) == 1
        wheel(v, 0.5, 0.5, 1)
        assert zoom(v) > 1
        assert v.stage().bounding_box()["y"] == pytest.approx(before - 120, abs=3), "with Ctrl the page stays"
    finally:
        v.page.set_viewport_size({"width": 1600, "height": 1000})


def test_buttons_and_keys_zoom_and_0_shows_everything(v):
    button(v, "+").click()
    button(v, "+").click()
    assert zoom(v) == pytest.approx(2.25)
    assert v.page.locator(".tinytrack-zoom span").first.inner_text() == "2.3×"
    assert visible(v) == pytest.approx((W * 5 / 18, H * 5 / 18, W * 13 / 18, H * 13 / 18), abs=0.2), "around the middle"
    button(v, "\u2212").click()
    assert zoom(v) == pytest.approx(1.5)
    button(v, "whole picture").click()
    assert zoom(v) == 1
    # the keys zoom around the pointer
    v.stage().focus()
    v.page.mouse.move(*v.at(0.2, 0.2))
    for key, expected in (("+", 1.5), ("=", 2.25), ("-", 1.5), ("+", 2.25)):
        v.page.keyboard.press(key)
        assert zoom(v) == pytest.approx(expected), key
    left, top, right, bottom = visible(v)
    assert (0.2 * W - left) / (right - left) == pytest.approx(0.2, abs=0.01)
    assert (0.2 * H - top) / (bottom - top) == pytest.approx(0.2, abs=0.01)
    v.page.keyboard.press("0")
    assert zoom(v) == 1
    assert evaluate(v, STEPS) == "0"


def test_the_buttons_have_names_and_titles(v):
    for name in ("Zoom in", "Zoom out", "whole picture"):
        found = v.page.get_by_role("button", name=name, exact=True)
        assert found.count() == 1, name
        assert "key" in found.get_attribute("title")


@pytest.mark.parametrize("how", ["middle", "shift"])
def test_the_middle_button_and_shift_move_the_picture_and_paint_nothing(v, how):
    wheel(v, 0.5, 0.5)
    before = visible(v)
    v.page.mouse.move(*v.at(0.5, 0.5))
    if how == "shift":
        v.page.keyboard.down("Shift")
    v.page.mouse.down(button="middle" if how == "middle" else "left")
    v.page.mouse.move(*v.at(0.7, 0.4), steps=5)
    v.page.mouse.up(button="middle" if how == "middle" else "left")
    v.page.keyboard.up("Shift")
    now = visible(v)
    assert now[0] - before[0] == pytest.approx(-0.2 * W / zoom(v), abs=0.3)
    assert now[1] - before[1] == pytest.approx(0.1 * H / zoom(v), abs=0.3)
    v.page.mouse.move(*v.at(0.2, 0.2))
    assert visible(v) == now, "released"
    v.page.wait_for_timeout(200)
    assert evaluate(v, STEPS) == "0"
    v.drag([(0.4, 0.4), (0.6, 0.4)])
    until(v, STEPS, "1")
    assert visible(v) == now, "a usual stroke moves nothing"


def test_the_crosshair_stays_in_view_and_dabs_where_it_is(v):
    wheel(v, 0.5, 0.5, 3)
    v.click(0.5, 0.5)
    until(v, STEPS, "1")
    for keys, count in ((["Shift+ArrowRight"] * 7, 2), (["Shift+ArrowUp"] * 9, 3), (["Shift+ArrowLeft"] * 20, 4)):
        evaluate(v, "demo.session.keys.clear(); demo.look()")
        for key in keys:
            v.page.keyboard.press(key)
        v.page.keyboard.press("Enter")
        until(v, STEPS, str(count))
        (x, y), (left, top, right, bottom) = middle(v), visible(v)
        assert left <= x <= right, keys[0]
        assert top <= y <= bottom, keys[0]
    assert x < 5, "it has reached the left rim"
    box, rect = v.stage().bounding_box(), visible(v)
    v.page.wait_for_timeout(300)
    red = crop(v, (x + 0.5 - rect[0]) / (rect[2] - rect[0]), (y + 0.5 - rect[1]) / (rect[3] - rect[1]), 4)
    assert red[0] > red[1] + 20
    assert box["width"] > 0


def test_the_focus_ring_is_visible_on_a_zoomed_picture(v):
    wheel(v, 0.5, 0.5, 3)
    v.click(0.5, 0.5)
    v.page.keyboard.press("ArrowRight")
    v.page.wait_for_timeout(300)
    box = v.stage().bounding_box()
    picture = np.array(Image.open(io.BytesIO(v.page.screenshot(clip=box))).convert("RGB")).astype(int)
    blue = np.abs(picture - (33, 150, 243)).max(axis=-1) < 40
    for name, edge in {"top": blue[:4], "bottom": blue[-4:], "left": blue[:, :4].T, "right": blue[:, -4:].T}.items():
        assert edge.any(axis=0).mean() > 0.9, name


def test_the_zoom_stays_when_the_frame_changes(v):
    wheel(v, 0.3, 0.3)
    v.click(0.5, 0.5)
    until(v, STEPS, "1")
    before, painted = visible(v), v.painted()
    v.page.keyboard.press(".")
    v.reads("frame 1 of 120")
    v.repainted(painted)
    assert visible(v) == before


def test_a_click_places_a_joint_at_the_right_pixel_of_a_zoomed_picture(v):
    evaluate(v, "demo.kind.value = 'joints'")
    v.page.wait_for_timeout(200)
    wheel(v, 0.4, 0.4)
    v.click(0.4, 0.4)
    until(v, STEPS, "1")
    until(v, f"abs(demo.stage.magnification * 636 / {v.stage().bounding_box()['width'] * zoom(v)} - 1) < 0.02", "True")
    v.click(0.42, 0.4)  # so close that it would grab the first dot in the whole picture
    until(v, STEPS, "2")
    places = array(v, "demo.session.marks(0).xy[:2]")
    expected = [(0.4 * W - 0.5, 0.4 * H - 0.5), ((0.4 + 0.02 / zoom(v)) * W - 0.5, 0.4 * H - 0.5)]
    np.testing.assert_allclose(places, expected, atol=0.2)


# ---- the width


def test_the_picture_takes_the_width_of_its_column(v):
    column = v.page.locator(".widget-vbox, .jupyter-widget-vbox", has=v.page.locator(".tinytrack-stage")).last.bounding_box()
    box = v.stage().bounding_box()
    assert box["width"] > 640
    assert box["width"] == pytest.approx(min(column["width"] - 4, 0.7 * 1000 * W / H), abs=8)
    try:
        v.page.set_viewport_size({"width": 1600, "height": 600})
        v.page.wait_for_timeout(300)
        assert v.stage().bounding_box()["width"] == pytest.approx(636, abs=2), "no wider than before in a low window"
    finally:
        v.page.set_viewport_size({"width": 1600, "height": 1000})
    evaluate(v, "demo.stage.grows = False")
    v.page.wait_for_timeout(200)
    assert v.stage().bounding_box()["width"] == pytest.approx(636, abs=1)
    evaluate(v, "demo.stage.grows = True")


# ---- fingers


@contextlib.contextmanager
def touch(v):
    """Yield a function that puts fingers on the picture: their places as fractions of the box, in one list after the other."""
    session = v.page.context.new_cdp_session(v.page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})

    def act(*moments):
        down = 0
        for moment in moments:
            points = [dict(zip("xy", v.at(*place), strict=True)) | {"id": n} for n, place in moment]
            kind = "touchStart" if len(points) > down else "touchEnd" if len(points) < down else "touchMove"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            down = len(points)
            v.page.wait_for_timeout(20)
        if down:
            session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        v.page.wait_for_timeout(100)

    try:
        yield act
    finally:
        session.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
        session.detach()


PINCH = (
    [(1, (0.4, 0.5))],
    [(1, (0.405, 0.5))],
    [(1, (0.405, 0.5)), (2, (0.6, 0.5))],
    *([(1, (0.4 - 0.05 * n, 0.5)), (2, (0.6 + 0.05 * n, 0.5))] for n in range(1, 5)),
    [(1, (0.2, 0.5))],  # the second finger lifts; the first one is dragged on
    [(1, (0.3, 0.7))],
)


@pytest.mark.parametrize("tool", ["brush", "polygon", "joints"])
def test_two_fingers_zoom_and_move_and_never_mark(v, tool):
    evaluate(v, f"demo.polygon.value = {tool == 'polygon'}; demo.kind.value = {'joints' if tool == 'joints' else 'masks'!r}")
    v.page.wait_for_timeout(200)
    with touch(v) as act:
        act(*PINCH)
        assert zoom(v) == pytest.approx(0.6 / 0.195, rel=0.02)
        before = visible(v)
        act(*([(1, (0.4 + 0.05 * n, 0.4)), (2, (0.6 + 0.05 * n, 0.4))] for n in range(5)))
        now = visible(v)
        assert zoom(v) == pytest.approx(0.6 / 0.195, rel=0.02), "fingers that move together only move the picture"
        assert now[0] - before[0] == pytest.approx(-0.2 * W / zoom(v), abs=1)
        assert now[1] == pytest.approx(before[1], abs=0.5)
        v.page.wait_for_timeout(300)
        assert evaluate(v, STEPS) == "0"
        # then a single finger marks, at the right place
        left, top, right, bottom = now
        if tool == "brush":
            act([(1, (0.5, 0.5))])
        elif tool == "joints":
            act([(1, (0.5, 0.5))])
        else:
            for place in ((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.3)):
                act([(1, place)])
        until(v, STEPS, "1")
        there = ((left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5)
        if tool == "joints":
            assert array(v, "demo.session.marks(0).xy[0]") == pytest.approx(there, abs=0.5)
        else:
            assert middle(v) == pytest.approx(there, abs=0.6)


def test_a_finger_drags_a_joint(v):
    evaluate(v, "demo.kind.value = 'joints'")
    v.page.wait_for_timeout(200)
    with touch(v) as act:
        act([(1, (0.3, 0.3))], *([(1, (0.3 + 0.05 * n, 0.3))] for n in range(1, 5)))
    until(v, "bool(abs(demo.session.marks(0).xy[0] - (0.5 * 176 - 0.5, 0.3 * 144 - 0.5)).max() < 0.6)", "True")
    assert evaluate(v, STEPS) == "1"


# ---- the polygon


def test_the_first_corner_closes_the_polygon(v):
    polygon_on(v)
    wheel(v, 0.5, 0.5, 2)
    left, top, right, bottom = visible(v)
    for place in ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)):
        v.click(*place)
    v.page.wait_for_timeout(200)
    assert evaluate(v, STEPS) == "0"
    v.click(0.252, 0.252)
    until(v, STEPS, "1")
    rows, columns = marked(v).T
    for found, low, high in ((columns, left, right), (rows, top, bottom)):
        assert found.min() == pytest.approx(low + (high - low) / 4, abs=0.8)
        assert found.max() == pytest.approx(high - (high - low) / 4 - 1, abs=0.8)
    assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1), "it is filled"
    v.page.keyboard.press("Control+z")
    until(v, STEPS, "0")
    assert len(marked(v)) == 0, "one step takes it back"


def test_a_double_click_closes_the_polygon_and_the_eraser_takes_it_away(v):
    polygon_on(v)
    for place in ((0.2, 0.2), (0.8, 0.2)):
        v.click(*place)
    v.page.mouse.dblclick(*v.at(0.8, 0.8))
    until(v, STEPS, "1")
    area = len(marked(v))
    assert area == pytest.approx(0.18 * W * H, rel=0.03)
    v.button("Eraser").click()
    v.page.wait_for_timeout(300)
    for place in ((0.5, 0.1), (0.9, 0.1), (0.9, 0.9)):
        v.click(*place)
    v.page.mouse.dblclick(*v.at(0.5, 0.9))
    until(v, STEPS, "2")
    assert len(marked(v)) == pytest.approx(0.045 * W * H, rel=0.06)


def test_keys_close_take_back_and_drop_a_polygon(v):
    polygon_on(v)
    v.click(0.3, 0.3)
    for place in ((0.6, 0.3), (0.6, 0.6), (0.9, 0.9)):
        v.click(*place)
    v.page.keyboard.press("Backspace")
    v.click(0.3, 0.6)
    v.click(0.1, 0.9)
    v.page.keyboard.press("Control+z")  # also takes back the corner, and no earlier mark
    v.page.keyboard.press("Enter")
    until(v, STEPS, "1")
    assert len(marked(v)) == pytest.approx(0.09 * W * H, rel=0.05)
    for place in ((0.1, 0.1), (0.2, 0.1), (0.2, 0.2)):
        v.click(*place)
    v.page.keyboard.press("Escape")
    v.page.keyboard.press("Enter")
    v.page.wait_for_timeout(300)
    assert evaluate(v, STEPS) == "1"
    v.page.keyboard.press("Control+z")
    until(v, STEPS, "0")


def test_a_polygon_can_be_drawn_with_the_keyboard_alone(v):
    evaluate(v, "demo.polygon.value = True")
    v.page.wait_for_timeout(200)
    v.stage().focus()
    v.page.keyboard.press("ArrowLeft")
    for move in ("Right", "Down", "Left"):
        v.page.keyboard.press(" ")
        for _ in range(2):
            v.page.keyboard.press(f"Shift+Arrow{move}")
    v.page.keyboard.press(" ")
    v.page.keyboard.press("Enter")
    until(v, STEPS, "1")
    assert np.ptp(marked(v), axis=0).tolist() == [19, 19]
    assert len(marked(v)) == 400


def test_switching_to_the_brush_drops_the_corners(v):
    polygon_on(v)
    for place in ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8)):
        v.click(*place)
    polygon_on(v)  # off
    v.drag([(0.3, 0.3), (0.5, 0.3)])
    until(v, STEPS, "1")
    polygon_on(v)
    v.stage().focus()
    v.page.keyboard.press("Enter")
    v.page.wait_for_timeout(300)
    assert evaluate(v, STEPS) == "1"


# ---- the other demos


def test_a_canvas_that_cannot_be_zoomed_stays_as_it_was(v):
    evaluate(v, "heard.clear()")
    v.stage(1).scroll_into_view_if_needed()
    assert v.stage(1).bounding_box()["width"] == pytest.approx(300, abs=1)
    assert v.page.locator(".tinytrack-zoom:not([hidden])").count() == 1, "only the studio has buttons"
    wheel(v, 0.3, 0.4, 3, n=1)
    v.stage(1).focus()
    v.page.keyboard.press("+")
    assert v.stage(1).evaluate("e => e.querySelector('canvas').style.transform") == ""
    v.page.keyboard.down("Shift")
    v.click(0.25, 0.5, n=1)
    v.page.keyboard.up("Shift")
    until(v, "[(phase, round(x, 1), round(y, 1)) for phase, x, y in heard]", "[('down', 24.5, 24.5), ('up', 24.5, 24.5)]")
    with touch(v):  # a finger marks at once
        place = dict(zip("xy", v.at(0.75, 0.5, 1), strict=True))
        session = v.page.context.new_cdp_session(v.page)
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
        until(v, "heard[-1][0], round(heard[-1][1], 1)", "('down', 74.5)")
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        until(v, "heard[-1][0]", "'up'")
