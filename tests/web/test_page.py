"""The page in a browser: its pointer agrees with Python, and it answers to mouse, touch, keyboard and address."""

import base64
import shutil

import numpy as np
import pytest
import torch

from tests.support.browser import why_no_browser
from tests.support.host import static_host
from tinytrack.evaluation.baselines import RawPatches
from tinytrack.pointer import attention

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "there is a browser")


def goes(page, hash, part="point"):
    """Follow an address within the page, and wait until it is shown."""
    script = "hash => { if (location.hash === hash) return; delete document.body.dataset.ready; location.hash = hash; }"
    page.evaluate(script, hash)
    page.wait_for_selector(f'body[data-ready="{part}"]', timeout=60_000)


def plain(text):
    return text.replace("\u00a0", " ")  # the page uses spaces at which no line breaks


def text(page, name):
    return plain(page.locator(f"#point-{name}").inner_text())


def embeddings(stored, clip, net):
    """The embeddings (T, D, h, w) that the page uses, in double precision."""
    content = stored(clip)
    frames, (h, w) = len(content["frames"]), content["grid"]
    if net == "patches":
        levels = np.frombuffer(base64.b64decode(content["gray"]), np.uint8).reshape(frames, 1, 4 * h, 4 * w)
        return RawPatches().double()(torch.tensor(levels.astype(np.float64)) / 127.5 - 1)
    packed = stored(f"{clip}-{net}")
    values = np.frombuffer(base64.b64decode(packed["values"]), np.uint8).reshape(frames, h, w, -1)
    return torch.tensor(np.array(packed["low"]) + np.array(packed["step"]) * values).movedim(-1, 1)


# ---- the same answers as Python


SETTINGS = [
    ("carphone", 60, (37, 35), {"top": 10}),
    ("carphone", 20, (0, 0), {"top": 0, "window": 4}),
    ("carphone", 100, (58, 47), {"top": 0, "t": 0.5}),
    ("bikes", 136, (60, 18), {"top": 7, "window": 9}),
    ("bikes", 96, (93, 12), {"top": 0}),
]


@pytest.mark.parametrize("net", ["trained", "random", "patches"])
def test_attention_and_copied_label_are_those_of_python(visit, stored, net):
    page = visit(f"#part=point&net={net}")
    for clip, frame, cell, given in SETTINGS:
        extra = "".join(f"&{name}={value}" for name, value in given.items())
        goes(page, f"#part=point&clip={clip}&frame={frame}&cell={cell[0]},{cell[1]}&net={net}{extra}")
        found = page.evaluate("({weights: [...tinytrack.point.weights], shares: [...tinytrack.point.shares], ab: tinytrack.point.ab})")
        # the same in Python, on the same stored values
        content, f = stored(clip), embeddings(stored, clip, net)
        at, (h, w) = content["frames"].index(frame), content["grid"]
        temperature = given.get("t") or (content["patchTemperature"] if net == "patches" else 0.07)
        expected = attention(f[: at + 1], range(at), [cell], temperature, given.get("window") or None, given.get("top") or None)[0].numpy()
        weights = np.array(found["weights"]).reshape(at, h, w)
        np.testing.assert_allclose(weights.sum(), 1, atol=1e-9)
        np.testing.assert_allclose(weights, expected, atol=1e-4)
        # the copied label and colour
        labels = np.frombuffer(base64.b64decode(content["labels"]), np.uint8).reshape(len(content["frames"]), -1, h, w) / 255
        shares = np.einsum("rhw,rkhw->k", expected, labels[:at])
        np.testing.assert_allclose(found["shares"], shares / shares.sum(), atol=1e-4)
        lab = np.frombuffer(base64.b64decode(content["lab"]), np.int8).reshape(len(content["frames"]), h, w, 3)
        np.testing.assert_allclose(found["ab"], np.einsum("rhw,rhwc->c", expected, lab[:at, ..., 1:]), atol=1e-2)


def test_ties_still_leave_exactly_k(visit):
    page = visit()
    script = """([k]) => [...tinytrack.pointer.attention(Float64Array.of(1, 1), [Float64Array.of(2, 3), Float64Array.of(3, 3)],
        {h: 1, w: 2, column: 0, row: 0, temperature: 1, topK: k})]"""
    np.testing.assert_allclose(page.evaluate(script, [2]), [0, 0.5, 0.5, 0])
    np.testing.assert_allclose(page.evaluate(script, [9]), np.exp([2, 3, 3, 3]) / np.exp([2, 3, 3, 3]).sum())


def test_every_link_of_what_to_try_shows_what_the_text_says(visit):
    page = visit()
    links = page.locator('section[data-part="point"] .try a')
    assert links.count() >= 8
    for n in range(links.count()):
        link = links.nth(n)
        says = link.get_attribute("data-says")
        item = link.evaluate("e => e.closest('li').textContent.replace(/\\s+/g, ' ')")
        assert says in item
        goes(page, link.get_attribute("href"))
        assert says in text(page, "label")
    # the frame in which the cyclist is hidden
    assert page.evaluate("tinytrack.point.perFrame[1]") < 0.02


# ---- mouse, touch and keyboard


def middle(page, x, y):
    """The position on the screen of a point of the target frame, given as fractions of its width and height."""
    page.locator("#point-target").scroll_into_view_if_needed()
    box = page.locator("#point-target").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def cell(page):
    return page.evaluate("tinytrack.point.state.cell")


def test_the_mouse_moves_the_cell_and_a_click_holds_it(visit):
    page = visit()
    page.mouse.move(*middle(page, 0.5, 0.5))
    assert cell(page) == [29, 24]
    before = page.locator("#point-references canvas").first.evaluate("c => c.toDataURL()")
    page.mouse.move(*middle(page, 0.25, 0.75))
    assert cell(page) == [14, 36]
    assert page.locator("#point-references canvas").first.evaluate("c => c.toDataURL()") != before
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(*middle(page, 0.9, 0.9))
    assert cell(page) == [14, 36]
    assert "(held)" in text(page, "where")
    page.mouse.move(1, 1)
    page.mouse.move(*middle(page, 0.5, 0.5))
    assert cell(page) == [29, 24]


def test_a_finger_chooses_a_cell(visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.touchscreen.tap(*middle(page, 0.25, 0.5))
    assert cell(page) == [14, 24]
    page.touchscreen.tap(*middle(page, 0.75, 0.25))
    assert cell(page) == [44, 12]
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_arrow_keys_move_the_cell_and_the_live_region_tells(visit):
    page = visit("#part=point&clip=carphone&frame=60&cell=37,35")
    page.locator("#point-target").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    assert cell(page) == [36, 30]
    for _ in range(20):
        page.keyboard.press("Shift+ArrowRight")
    assert cell(page) == [58, 30]
    page.wait_for_function("document.getElementById('point-live').textContent.startsWith('Column 58, row 30. Copied label: ')")


def test_the_controls_work_from_the_keyboard(visit):
    page = visit()
    page.locator("#point-top").focus()
    page.keyboard.press("Home")
    assert text(page, "top-value") == "off"
    assert page.evaluate("tinytrack.point.weights.every(weight => weight > 0)")
    page.locator("#point-window").focus()
    page.keyboard.press("ArrowRight")
    assert text(page, "window-value") == "±1 cells"
    assert page.evaluate("tinytrack.point.weights.filter(weight => weight > 0).length") == 3 * 9
    page.locator("[name=point-net]:checked").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("tinytrack.point.state.net === 'random'")
    page.locator("[name=point-clip]:checked").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("tinytrack.point.state.clip === 'bikes'")
    assert page.locator("#point-references figcaption").all_inner_texts()[1].endswith("(no mask)")


# ---- the second part


def test_the_checkpoints_can_be_gone_through(visit, stored):
    steps = [checkpoint["step"] for checkpoint in stored("emergence")["checkpoints"]]
    page = visit("#part=emerge&step=0&frame=20")
    assert not page.locator('section[data-part="point"]').is_visible()
    before = page.locator("#emerge-masks").evaluate("c => c.toDataURL()")
    page.locator("#emerge-step").focus()
    page.keyboard.press("End")
    assert page.locator("#emerge-step-value").inner_text() == f"step {steps[-1]} of {steps[-1]}"
    assert page.locator("#emerge-masks").evaluate("c => c.toDataURL()") != before
    assert f"Step {steps[-1]}: loss " in page.locator("#emerge-said").inner_text()
    # a click at the left end of a chart goes back to the first step
    page.locator("#emerge-j svg").click(position={"x": 46, "y": 60})
    assert page.evaluate("tinytrack.emerge.step") == 0
    page.locator("#emerge-play").click()
    page.wait_for_function("tinytrack.emerge.step > 0")
    page.locator("#emerge-play").click()
    assert page.locator("#emerge-rows tr").count() == len(steps) + 2


def test_what_the_second_part_says_is_in_the_numbers(visit):
    page = visit("#part=emerge")
    links = page.locator('section[data-part="emerge"] .try a')
    assert links.count() >= 4
    for n in range(links.count()):
        says = links.nth(n).get_attribute("data-says")
        assert says in links.nth(n).evaluate("e => e.closest('li').textContent.replace(/\\s+/g, ' ')")
        goes(page, links.nth(n).get_attribute("href"), "emerge")
        assert says in plain(page.locator("#emerge-said").inner_text())
    # the numbers of the last item, and of the first frame held still
    rows = page.locator("#emerge-rows tr").evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent))")
    scores = {row[0]: plain(row[-1]) for row in rows}
    told = plain(page.locator('section[data-part="emerge"] .try').evaluate("list => list.textContent"))
    for name in ("step 0", "step 10", "first frame held still", "raw gray patches"):
        assert f"J {scores[name]}" in told, name


# ---- the address


def test_the_address_holds_what_is_shown(visit):
    asked = "#part=point&clip=bikes&frame=116&cell=12,30&net=random&t=0.2&window=6&top=3&masks=1"
    page = visit(asked)
    page.wait_for_timeout(400)
    assert page.evaluate("location.hash") == asked
    state = page.evaluate("tinytrack.point.state")
    assert state == {
        "clip": "bikes", "frame": 116, "cell": [12, 30], "net": "random", "t": 0.2, "window": 6, "top": 3, "masks": True,
    }  # fmt: skip
    # a change is written into the address, and the same address shows the same
    page.locator("#point-target").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_function("location.hash.includes('cell=12,29')")
    again = visit(page.evaluate("location.hash"))
    assert again.evaluate("[...tinytrack.point.shares]") == page.evaluate("[...tinytrack.point.shares]")
    # the other part and back again
    page.locator('nav a[data-part="emerge"]').click()
    page.wait_for_function("location.hash.startsWith('#part=emerge&step=0')")
    page.locator('nav a[data-part="point"]').click()
    page.wait_for_function("location.hash.includes('cell=12,29')")


@pytest.mark.parametrize(
    "hash", ["#", "#nonsense", "#part=toString", "#part=point&clip=nobody&frame=7&cell=999,-1&net=x&t=-3&window=1e9&top=abc"]
)
def test_an_address_without_sense_shows_the_start(visit, hash):
    page = visit(hash)
    state = page.evaluate("tinytrack.point.state")
    assert state == {"clip": "carphone", "frame": 60, "cell": [37, 35], "net": "trained", "t": None, "window": 0, "top": 10, "masks": False}


def test_a_cell_outside_the_frame_is_moved_to_its_edge(visit):
    assert cell(visit("#part=point&cell=999,999")) == [58, 47]


def test_a_static_host_works_too(visit, site):
    with static_host(site) as address:
        page = visit("#part=point&clip=bikes", address)
        assert text(page, "label").startswith("cyclist")


def test_a_missing_file_is_said_in_one_sentence(browser, site, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    for path in site.glob("*.*"):
        (alone / path.name).write_bytes(path.read_bytes())
    page = browser.new_page()
    page.goto(alone.as_uri() + "/index.html")
    page.wait_for_selector("#alert:not([hidden])")
    assert "data/carphone.js cannot be read: expected the whole folder" in page.locator("#alert").inner_text()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_follows_the_theme(visit, scheme):
    for part in ("point", "emerge", "yours"):
        page = visit(f"#part={part}", viewport={"width": 390, "height": 844}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        red = page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
        assert (red > 200) == (scheme == "light")


def test_changes_that_overtake_each_other_are_all_shown(visit):
    page = visit()
    script = """() => { document.querySelector('[name=point-net][value=random]').click();
        document.querySelector('[name=point-clip][value=bikes]').click();
        document.querySelector('[name=point-net][value=patches]').click(); }"""
    page.evaluate(script)
    page.wait_for_function("tinytrack.point.state.clip === 'bikes' && tinytrack.point.state.net === 'patches'")
    assert page.evaluate("tinytrack.point.weights.length") == 3 * 40 * 94


def test_a_network_that_cannot_be_loaded_leaves_the_last_one(browser, site, tmp_path):
    part = tmp_path / "part"
    shutil.copytree(site, part)
    (part / "data" / "carphone-random.js").unlink()
    page = browser.new_page()
    page.goto(part.as_uri() + "/index.html")
    page.wait_for_selector("body[data-ready]")
    page.locator("[name=point-net][value=random]").check()
    page.wait_for_selector("#alert:not([hidden])")
    page.locator("#point-target").focus()
    page.keyboard.press("ArrowUp")
    state = page.evaluate("tinytrack.point.state")
    assert (state["net"], state["cell"]) == ("trained", [37, 34])
    page.close()
