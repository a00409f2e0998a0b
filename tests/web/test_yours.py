"""The third part of the page: its worker tracks as Python does, and marks are made, tracked, corrected and saved in a browser."""

import base64
import csv

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from tests.support.browser import why_no_browser
from tests.support.host import ISOLATED, static_host
from tinytrack.datasets.clips import CLIPS, open_clip
from tinytrack.gate import Gate
from tinytrack.interactive.select import ROWS, select
from tinytrack.io.frames import resize
from tinytrack.io.masks import read_mask
from tinytrack.label_maps import color_labels, joint_maps, mask_labels, paint
from tinytrack.model import load_model
from tinytrack.propagate import MODERN, REFINED, propagate
from tinytrack.track import carry, embed_frames, working_size

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "there is a browser")

YOURS = "#part=yours"


@pytest.fixture
def page(visit):
    return visit(YOURS + "&detail=96")  # the fastest


def said(page):
    return page.locator("#yours-said").inner_text()


def wait_until_said(page, text, timeout=120_000):
    page.wait_for_function("text => document.getElementById('yours-said').textContent.startsWith(text)", arg=text, timeout=timeout)


def states(page):
    return page.evaluate("tinytrack.yours.states")


def track(page):
    page.locator("#yours-track").click()
    wait_until_said(page, "tracked ")


def on_stage(page, x, y):
    """The position on the screen of a place in the picture, given as fractions of its width and height."""
    page.locator("#yours-stage").scroll_into_view_if_needed()
    box = page.locator("#yours-stage").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def painted(page, t=0):
    """How many pixels of each object are marked in a frame."""
    ids = page.evaluate("t => [...(tinytrack.yours.marks.of(t)?.ids ?? [])]", t)
    return np.bincount(ids, minlength=6).tolist() if ids else None


# ---- the same answers as Python


def as_bytes(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def from_bytes(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def with_alpha(frame):
    return np.concatenate([frame, np.full((*frame.shape[:2], 1), 255, np.uint8)], axis=-1)


RUN = """async ([frames, mask, objects, joints, size, rows]) => {
    await tinytrack.engine.open();
    const { bytes, engine } = tinytrack, [first, ...rest] = frames.map(bytes);
    const given = { rgba: first, input: first, mask: bytes(mask), objects, joints, colors: true };
    const { grid } = await engine.ask('start', { size, rows, ...given });
    const { f } = await engine.ask('embed', { input: first, size }), found = [];
    const pack = array => {
        const raw = new Uint8Array(array.buffer, array.byteOffset, array.byteLength), parts = [];
        for (let i = 0; i < raw.length; i += 8192) parts.push(String.fromCharCode(...raw.subarray(i, i + 8192)));
        return btoa(parts.join(''));
    };
    for (const frame of rest) {
        const { ids, joints, painted, labels } = await engine.ask('next', { rgba: frame, input: frame });
        found.push({ ids: pack(ids), joints, painted: pack(painted), labels: pack(labels) });
    }
    return { grid, f: pack(f), found, working: await engine.ask('workingSize', { size, rows }) };
}"""


@pytest.mark.parametrize(("clip", "rows", "count"), [("carphone", 144, 10), ("bikes", 128, 10)])
def test_the_worker_tracks_as_python_does(page, clip, rows, count):
    # the frames at the size at which the network sees them, their first mask, and two keypoints
    model, protocol, start = load_model("tiny-gray"), REFINED.at_rows(rows), {"carphone": 0, "bikes": 76}[clip]
    frames = open_clip(clip).read(max_frames=start + count)[start:]
    size = working_size(*frames.shape[1:3], model, protocol)
    frames = np.stack([resize(frame, *size) for frame in frames])
    mask = read_mask(CLIPS[clip].masks[start])
    rows_, columns = (np.arange(n) * old // n for n, old in zip(size, mask.shape, strict=True))
    mask, joints = mask[np.ix_(rows_, columns)], np.array([[60.0, 50.0], [90.25, 70.5]])
    found = page.evaluate(
        RUN, [[as_bytes(with_alpha(f)) for f in frames], as_bytes(mask), int(mask.max()), joints.tolist(), list(size), rows]
    )
    assert found["working"] == list(size)
    # embeddings
    with torch.inference_mode():
        embedded = list(embed_frames(frames, model, protocol))
    np.testing.assert_allclose(from_bytes(found["f"], np.float32), embedded[0][0].movedim(0, -1).flatten(), atol=1e-4)
    # label maps of mask, keypoints and colours: an exact tie at the tenth place may fall either way, so a few cells may differ
    grid, ids = tuple(found["grid"]), np.arange(1, mask.max() + 1)
    parts = [mask_labels(mask, ids, grid), joint_maps(joints, size, grid), color_labels(frames[0], grid) / 100]
    gate = Gate(torch.cat(parts), len(ids) + 1, protocol.gate)
    with torch.inference_mode():
        expected = list(propagate(embedded, torch.cat(parts), protocol, model.temperature, gate))[1:]
    scale = np.array([1.0] * (len(ids) + 3) + [100.0] * 2)
    for here, there in zip(found["found"], expected, strict=True):
        off = np.abs(from_bytes(here["labels"], np.float32).reshape(*grid, -1) / scale - there.movedim(0, -1).numpy()).max(-1)
        assert (off > 1e-4).sum() <= 3
    # what is read out of them
    python = list(carry(frames, mask, joints, frames[0], model=model, protocol=protocol))[1:]
    for here, there in zip(found["found"], python, strict=True):
        assert (from_bytes(here["ids"], np.uint8).reshape(size) != there.ids).mean() < 1e-4
        np.testing.assert_allclose([joint["place"] for joint in here["joints"]], there.xy, atol=1e-2)
        np.testing.assert_allclose([joint["confidence"] for joint in here["joints"]], there.confidence, atol=1e-3)
        rgb = from_bytes(here["painted"], np.uint8).reshape(*size, 4)[..., :3].astype(int)
        assert (np.abs(rgb - paint(there.frame, there.ab).astype(int)) > 1).mean() < 1e-3


SELECT = """async ([frame, size, inside, outside]) => {
    await tinytrack.engine.open();
    const rgba = tinytrack.bytes(frame);
    return [...await tinytrack.engine.ask('select', { rgba, input: rgba, size, inside, outside })];
}"""


def test_clicks_select_the_same_as_in_python(page):
    model = load_model("tiny-gray")
    frame = open_clip("bikes").read(max_frames=77)[76]
    size = working_size(*frame.shape[:2], model, MODERN.at_rows(ROWS))
    frame = resize(frame, *size)
    clicks = [np.array([[259.0, 75.0], [258.5, 50.0]]), np.array([[240.0, 60.0]])]
    found = page.evaluate(SELECT, [as_bytes(with_alpha(frame)), list(size), *(c.tolist() for c in clicks)])
    expected = select(frame, *clicks, model)
    assert expected.sum() > 300
    assert (np.array(found).reshape(size) != expected).mean() < 1e-3


SIMILAR = """async ([frame, size]) => {
    await tinytrack.engine.open();
    const input = tinytrack.bytes(frame), { f } = await tinytrack.engine.ask('embed', { input, size });
    return { colors: [...await tinytrack.engine.ask('similar', { input, size, fresh: true })], f: [...f] };
}"""


def test_similar_cells_get_similar_colours(page):
    frame = open_clip("carphone").read(max_frames=1)[0]
    found = page.evaluate(SIMILAR, [as_bytes(with_alpha(frame)), [144, 176]])
    colors, f = np.array(found["colors"]).reshape(-1, 4), np.array(found["f"]).reshape(36 * 44, 64)
    assert (colors[:, 3] == 255).all()
    # the same three components as those of scikit-learn, whose signs are arbitrary
    components = PCA(3).fit_transform(f)
    low, high = np.quantile(components, [0.02, 0.98], axis=0)
    for n in range(3):
        middle = (colors[:, n] > 0) & (colors[:, n] < 255)
        assert middle.mean() > 0.9
        assert abs(np.corrcoef(colors[middle, n], components[middle, n])[0, 1]) > 0.999
        assert np.ptp(colors[middle, n]) > 240 and high[n] > low[n]
    # on the page: the cells of the frame, as squares of one colour
    page.locator("#yours-detail").select_option("144")
    page.locator("[name=yours-shows][value=similar]").check()
    page.wait_for_function("tinytrack.yours.similar[0]")
    shown = np.array(page.evaluate("[...tinytrack.yours.similar[0].data]")).reshape(144, 176, 4)
    np.testing.assert_array_equal(shown[:4, :4], np.broadcast_to(shown[0, 0], (4, 4, 4)))
    assert np.abs(shown[::4, ::4].reshape(-1, 4) - colors).mean() < 3  # the page has a JPEG of the frame
    page.locator("#yours-frame").fill("5")
    page.wait_for_function("tinytrack.yours.similar[5]")


def test_a_host_that_isolates_the_page_gives_it_threads(visit, site):
    with static_host(site, ISOLATED) as address:
        page = visit(YOURS, address)
        track(page)
        assert page.evaluate("tinytrack.pace.threads") == min(4, page.evaluate("navigator.hardwareConcurrency"))
        assert states(page) == ["marked"] + ["tracked"] * 39


# ---- mark, track, correct


def test_a_sample_is_tracked_with_one_click(page):
    assert "head, bow tie, window blind, suit" in said(page)
    track(page)
    assert states(page) == ["marked"] + ["tracked"] * 39
    found = np.array(page.evaluate("[...tinytrack.yours.tracks[39].ids]")).reshape(144, 176)
    assert set(np.unique(found)) == {0, 1, 2, 3, 4}
    truth = read_mask(CLIPS["carphone"].masks[60])
    found = np.array(page.evaluate("[...tinytrack.yours.tracks[20].ids]")).reshape(144, 176)
    assert (found == truth).mean() > 0.9


def test_clicks_select_an_object(page):
    page.locator("#yours-clear").click()
    page.locator("[name=yours-tool][value=click]").check()
    page.locator("[name=yours-way][value=remove]").check()
    page.mouse.click(*on_stage(page, 0.5, 0.5))
    wait_until_said(page, "There is nothing to remove: click on the object first")
    assert "wrong" in page.locator("#yours-said").get_attribute("class")
    page.locator("[name=yours-way][value=add]").check()
    page.mouse.click(*on_stage(page, 0.55, 0.57))
    wait_until_said(page, "Selected with 1 click.")
    face = painted(page)[1]
    assert 800 < face < 3000
    page.keyboard.down("Shift")
    page.mouse.click(*on_stage(page, 0.5, 0.65))
    page.keyboard.up("Shift")
    wait_until_said(page, "Selected with 2 clicks.")
    assert painted(page)[1] < face
    page.locator("#yours-undo").click()
    assert painted(page)[1] == face
    # another object takes nothing away from the first one
    page.locator("#yours-objects button").nth(1).click()
    page.mouse.click(*on_stage(page, 0.55, 0.55))
    wait_until_said(page, "Selected with 1 click.")
    assert painted(page)[1] == face
    # the keyboard clicks too
    page.locator("#yours-objects button").nth(2).click()
    page.locator("#yours-stage").focus()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("tinytrack.yours.marks.of(0).clicks[3]?.inside.length === 1")


def test_the_mouse_paints_and_everything_can_be_taken_back(page):
    before = painted(page)
    page.locator("[name=yours-tool][value=brush]").check()
    page.locator("#yours-objects button").nth(4).click()
    page.mouse.move(*on_stage(page, 0.4, 0.1))
    page.mouse.down()
    for x in np.linspace(0.4, 0.8, 60):  # more pieces than there are steps of undo
        page.mouse.move(*on_stage(page, x, 0.1))
    page.mouse.up()
    after = painted(page)
    assert after[5] > 500
    assert page.locator("#yours-objects button").nth(4).get_attribute("aria-pressed") == "true"
    page.locator("[name=yours-tool][value=eraser]").check()
    page.mouse.click(*on_stage(page, 0.6, 0.1))
    assert painted(page)[5] < after[5]
    page.keyboard.press("Control+z")
    assert painted(page) == after
    page.locator("#yours-undo").click()
    assert painted(page) == before
    assert page.locator("#yours-undo").is_disabled()
    page.keyboard.press("Control+Shift+z")
    assert painted(page) == after
    page.locator("#yours-clear").click()
    assert painted(page) is None
    page.locator("#yours-track").click()
    wait_until_said(page, "Nothing is marked: mark an object or a keypoint first.")


def test_a_finger_paints_and_places_keypoints(visit):
    page = visit(YOURS, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.locator("#yours-clear").click()
    page.locator("[name=yours-tool][value=brush]").check()
    page.touchscreen.tap(*on_stage(page, 0.5, 0.5))
    assert painted(page)[1] > 50
    page.locator("[name=yours-tool][value=joints]").check()
    page.touchscreen.tap(*on_stage(page, 0.25, 0.5))
    page.touchscreen.tap(*on_stage(page, 0.5, 0.25))
    assert np.allclose(page.evaluate("tinytrack.yours.marks.of(0).joints"), [[43.5, 71.5], [87.5, 35.5]], atol=1.5)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_keyboard_is_enough(page):
    page.locator("#yours-clear").click()
    page.locator("[name=yours-tool]:checked").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#yours-stage").focus()
    page.keyboard.press("2")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press(" ")
    assert painted(page)[2] > 50
    page.locator("[name=yours-tool]:checked").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.locator("#yours-stage").focus()
    page.keyboard.press("Enter")
    assert "placed keypoint 1" in said(page)
    page.keyboard.press(".")
    assert page.evaluate("tinytrack.yours.frame") == 1
    page.keyboard.press(",")
    assert page.evaluate("tinytrack.yours.frame") == 0
    page.locator("#yours-track").focus()
    page.keyboard.press("Enter")
    wait_until_said(page, "tracked 39 frames")


def test_cancel_keeps_what_was_tracked_and_track_goes_on(page):
    page.locator("#yours-track").click()
    page.wait_for_function("tinytrack.yours.states.filter(state => state === 'tracked').length >= 3", timeout=60_000)
    page.locator("#yours-cancel").click()
    wait_until_said(page, "cancelled after ")
    done = states(page).count("tracked")
    assert 3 <= done < 39
    assert f"cancelled after {done} of 39 frames; Track goes on from there" == said(page)
    page.locator("#yours-track").click()
    wait_until_said(page, "tracked 39 frames")
    # the same masks as in one go
    masks = page.evaluate("tinytrack.yours.tracks.map(track => track && [...track.ids].reduce((a, b) => a + b, 0))")
    page.locator("#yours-track").click()
    page.wait_for_function("!document.getElementById('yours-cancel').hidden")
    wait_until_said(page, "tracked 39 frames")
    assert page.evaluate("tinytrack.yours.tracks.map(track => track && [...track.ids].reduce((a, b) => a + b, 0))") == masks


def test_a_correction_makes_the_rest_stale_until_it_is_tracked_again(page):
    track(page)
    page.locator("#yours-frame").fill("20")
    page.locator("[name=yours-tool][value=eraser]").check()
    page.mouse.click(*on_stage(page, 0.5, 0.4))
    corrected = painted(page, 20)
    assert corrected[4] > 1000  # the correction begins with what was tracked
    assert states(page) == ["marked"] + ["stale"] * 19 + ["marked"] + ["stale"] * 19
    assert page.locator("#yours-save-video").is_disabled()
    page.locator("#yours-track").click()
    wait_until_said(page, "tracked 38 frames")
    assert states(page) == ["marked"] + ["tracked"] * 19 + ["marked"] + ["tracked"] * 19
    assert painted(page, 20) == corrected
    # a click on a tracked frame changes a part of its mask, and undo makes the tracks valid again
    page.locator("#yours-frame").fill("10")
    page.locator("[name=yours-tool][value=click]").check()
    page.keyboard.down("Shift")
    page.mouse.click(*on_stage(page, 0.5, 0.4))
    page.keyboard.up("Shift")
    wait_until_said(page, "removed what looks like the clicked place")
    after = painted(page, 10)
    assert after[4] > 1000
    assert states(page)[11:20] == ["stale"] * 9
    page.keyboard.press("Control+z")
    assert states(page) == ["marked"] + ["tracked"] * 19 + ["marked"] + ["tracked"] * 19


def test_marks_in_the_middle_are_tracked_to_both_ends(page):
    page.locator("#yours-clear").click()
    page.locator("#yours-frame").fill("10")
    page.locator("[name=yours-tool][value=brush]").check()
    page.locator("#yours-objects button").nth(1).click()
    page.mouse.click(*on_stage(page, 0.55, 0.75))
    track(page)
    assert states(page) == ["tracked"] * 10 + ["marked"] + ["tracked"] * 29
    assert set(page.evaluate("[...tinytrack.yours.tracks[0].ids]")) == {0, 2}  # the number of the object is kept


def test_a_grid_of_points_leaves_trails(page):
    page.locator("#yours-clear").click()
    page.locator("[name=yours-tool][value=joints]").check()
    page.locator("#yours-grid").click()
    assert page.locator("#yours-objects-name").inner_text() == "35 keypoints"
    first = page.evaluate("tinytrack.yours.marks.of(0).joints")
    np.testing.assert_allclose(first[0], [176 / 14 - 0.5, 144 / 10 - 0.5])
    assert len(first) == 35
    track(page)
    page.locator("#yours-frame").fill("30")
    with_trails = page.locator("#yours-stage").evaluate("c => c.toDataURL()")
    page.locator("#yours-trails").uncheck()
    assert page.locator("#yours-stage").evaluate("c => c.toDataURL()") != with_trails


def test_copied_colors_can_be_shown(page):
    page.locator("#yours-carry").check()
    track(page)
    page.locator("#yours-frame").fill("30")
    marked = page.locator("#yours-stage").evaluate("c => c.toDataURL()")
    page.locator("[name=yours-shows][value=colors]").check()
    assert page.locator("#yours-stage").evaluate("c => c.toDataURL()") != marked
    found, true = (
        np.array(page.evaluate(f"[...{what}]")).reshape(144, 176, 4)
        for what in ("tinytrack.yours.tracks[30].painted", "tinytrack.yours.video.frames[30].data")
    )
    assert np.abs(found - true).mean() < 8


# ---- open and save


def test_a_file_is_opened_tracked_and_saved(page, make_video, tmp_path):
    frames = np.full((20, 240, 320, 3), 60, np.uint8)
    for t in range(20):
        frames[t, 80:140, 40 + 6 * t : 100 + 6 * t] = (220, 60, 40)
    path = make_video("mine.webm", frames, fps=10)
    page.locator("#yours-file").set_input_files(path)
    wait_until_said(page, "mine.webm: 20 frames of 320×240")
    assert page.evaluate("location.hash").startswith(YOURS)
    page.locator("[name=yours-tool][value=brush]").check()
    page.locator("#yours-radius").fill("28")
    page.mouse.click(*on_stage(page, 70 / 320, 110 / 240))
    page.locator("[name=yours-tool][value=joints]").check()
    page.mouse.click(*on_stage(page, 40 / 320, 80 / 240))
    track(page)
    # the square has moved by 114 pixels
    ids = np.array(page.evaluate("[...tinytrack.yours.tracks[19].ids]")).reshape(240, 320)
    assert abs(np.argwhere(ids == 1).mean(0)[1] - 184) < 10
    with page.expect_download() as saved:
        page.locator("#yours-save-table").click()
    saved.value.save_as(tmp_path / "keypoints.csv")
    rows = list(csv.DictReader((tmp_path / "keypoints.csv").open()))
    assert len(rows) == 20
    assert abs(float(rows[-1]["x"]) - 154) < 10
    assert rows[-1]["seconds"] == "1.900"
    with page.expect_download() as saved:
        page.locator("#yours-save-video").click()
    saved.value.save_as(tmp_path / saved.value.suggested_filename)
    assert (tmp_path / saved.value.suggested_filename).stat().st_size > 1000
    assert saved.value.suggested_filename in ("mine-tracked.webm", "mine-tracked.mp4")


def test_a_file_that_is_no_video_leaves_the_last_one(page, tmp_path):
    (tmp_path / "notes.mp4").write_bytes(b"no video at all")
    page.locator("#yours-file").set_input_files(tmp_path / "notes.mp4")
    wait_until_said(page, "'notes.mp4' cannot be used, because it cannot be decoded: expected a video")
    assert page.evaluate("tinytrack.yours.video.name") == "carphone"
    page.locator("#yours-start").fill("1000")
    page.locator("#yours-sample-bikes").click()
    wait_until_said(page, "A cyclist waits at a crossing: 30 frames")
    assert "wrong" not in (page.locator("#yours-said").get_attribute("class") or "")


def test_marks_are_forgotten_only_if_the_user_agrees(page):
    asked, answer = [], [False]
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept() if answer[0] else dialog.dismiss()))
    page.locator("#yours-clear").click()
    page.locator("#yours-sample-bikes").click()
    assert asked == ["This forgets your marks on carphone. Open another video anyway?"]
    assert page.evaluate("tinytrack.yours.video.name") == "carphone"
    answer[0] = True
    page.locator("#yours-sample-bikes").click()
    wait_until_said(page, "A cyclist waits at a crossing")
    page.locator("#yours-sample-carphone").click()  # nothing was marked since
    wait_until_said(page, "A man talks in a moving car")
    assert len(asked) == 2


def test_the_camera_is_recorded(page):
    page.locator("#yours-fps").select_option("5")
    page.locator("#yours-camera").click()
    wait_until_said(page, "your recording: 25 frames")
    assert page.evaluate("tinytrack.yours.video.frames.length") == 25
    assert page.evaluate("new Set(tinytrack.yours.video.frames.map(frame => frame.data.slice(0, 40000).join())).size") > 10


def test_the_address_names_the_sample_and_the_frame(visit):
    page = visit("#part=yours&video=bikes&detail=96&frame=7")
    assert page.evaluate("[tinytrack.yours.video.name, tinytrack.yours.frame]") == ["bikes", 7]
    assert page.locator("#yours-detail").input_value() == "96"
    page.wait_for_function("location.hash === '#part=yours&video=bikes&detail=96&frame=7'")
    page.locator("#yours-frame").fill("9")
    page.wait_for_function("location.hash === '#part=yours&video=bikes&detail=96&frame=9'")


@pytest.mark.parametrize("hash", [YOURS + "&video=toString&detail=7&frame=-3", YOURS + "&video=carphone&frame=9999"])
def test_an_address_without_sense_shows_the_start(visit, hash):
    page = visit(hash)
    assert page.evaluate("tinytrack.yours.video.name") == "carphone"
    assert page.evaluate("tinytrack.yours.frame") in (0, 39)
