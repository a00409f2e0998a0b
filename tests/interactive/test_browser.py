"""Browser tests of the widgets: a real JupyterLab, a real browser, mouse and keyboard. They are skipped without a browser."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from tests.support.browser import chromium, jupyterlab, kernel_is_alive, open_notebook, run_cells, visit, why_no_browser, write_notebook
from tinytrack.datasets.clips import CLIPS
from tinytrack.evaluation.metrics import region_j
from tinytrack.interactive.server import serving
from tinytrack.io.joints import read_joints
from tinytrack.io.masks import read_mask
from tinytrack.io.video import read_video

NOTEBOOK_09 = Path(__file__).resolve().parents[2] / "notebooks" / "09_your_video.ipynb"

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "there is a browser")

CLIP = """\
from tinytrack.interactive.emergence import emergence
from tinytrack.interactive.palette_explorer import palette_explorer
from tinytrack.interactive.player import player
from tinytrack.interactive.pointer_explorer import pointer_explorer
from tinytrack.interactive.studio import studio
from tinytrack.evaluation.baselines import identity
from tinytrack.datasets.clips import CLIPS, open_clip
from tinytrack.io.masks import read_mask
clip = CLIPS["carphone"]
frames = open_clip("carphone").read()
truth = {t: read_mask(path) for t, path in clip.masks.items()}"""
PALETTE = "demo = palette_explorer(frames)\ndemo"
POINTER = "demo = pointer_explorer(frames, 20, (0, 10), truth, clip.objects, point=(92, 68))\ndemo"
PLAYER = """\
still = list(identity(frames, truth[0]))
scores = {"identity": {t: 1 - t / 200 for t in truth}}
demo = player(frames, {"identity": still, "lab": [None] * len(frames)}, scores)
demo"""
TRAINING = """\
from dataclasses import replace
from tinytrack.training.sources import load_shots
from tinytrack.recipe import TINY
small = replace(TINY, height=96, crop=64, batch=2, jitter=4)
shots = load_shots([open_clip("bikes-1")], small)
demo = emergence(shots, frames[:21], truth[0], {20: truth[20]}, small, at=(5, 20))
demo"""
STUDIO = "from tinytrack.interactive.studio import studio\ndemo = studio()\ndemo"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Start a JupyterLab and a browser for this file, and yield (browser, server, folder that it serves)."""
    folder = tmp_path_factory.mktemp("lab")
    with jupyterlab(folder) as server, chromium() as browser:
        yield browser, server, folder / "notebooks"


@pytest.fixture
def show(lab, request):
    """``show(cell, ...)`` opens a notebook with these cells, runs it and returns the visit.

    At the end the fixture checks that the kernel is alive, no error is shown and no request left this machine.
    """
    browser, server, folder = lab
    name = f"{request.node.name}.ipynb"
    with visit(browser) as visitor:

        def run(*cells):
            write_notebook(folder / name, *cells)
            open_notebook(visitor, server, name)
            run_cells(visitor)
            return visitor

        yield run
        assert kernel_is_alive(visitor)
        visitor.shows_no_error()


def test_palette_explorer_responds_to_its_sliders(show):
    v = show(CLIP, PALETTE)
    v.reads("16 colours: a pixel of frame 0")
    before, old = v.painted(), v.pixels()
    v.slider("colours K").press("Home")
    v.repainted(before)
    v.reads("2 colours: a pixel of frame 0")
    assert v.pixels() != old
    error = float(v.found(r"off by ([\d.]+)"))
    v.slider("colours K").press("End")
    v.reads("64 colours")
    assert float(v.found(r"off by ([\d.]+)")) < error / 3
    v.slider("frame").press("ArrowRight")
    v.reads("a pixel of frame 1 ")


def test_pointer_explorer_follows_clicks_keys_and_the_mouse(show):
    v = show(CLIP, POINTER)
    v.repainted(0, 2)
    v.reads("copied label: head")
    before, old = v.painted(1), v.pixels(1)
    v.click(112 / 176, 114 / 144)  # the bow tie
    v.repainted(before, 1)
    v.reads("copied label: bow tie")
    assert v.pixels(1) != old

    # The keyboard: the crosshair starts at the click and moves left onto the suit.
    v.stage().focus()
    for _ in range(4):
        v.page.keyboard.press("Shift+ArrowLeft")
    v.page.keyboard.press("Enter")
    v.reads("copied label: suit")

    # Choose another network that is sharper, with few candidates.
    v.page.locator("select").filter(has_text="random network").select_option("random network")
    v.reads("strongest cell has")
    share = float(v.found(r"ten have (\d+)"))
    v.slider("top-k (0: all)").press("ArrowRight")
    v.reads("strongest cell has 100 %")
    assert share < 100

    # Hovering changes nothing until the reader turns it on.
    v.page.wait_for_timeout(500)  # wait for pending repaints
    before = v.painted(1)
    v.page.mouse.move(*v.at(0.2, 0.4))
    v.page.wait_for_timeout(300)
    assert v.painted(1) == before
    v.page.get_by_text("follow the mouse").click()
    v.page.mouse.move(*v.at(0.2, 0.4))
    v.page.mouse.move(*v.at(0.21, 0.4), steps=3)
    v.repainted(before, 1)
    v.reads("copied label: window blind")


def test_player_plays_scrubs_hides_compares_and_jumps(show):
    v = show(CLIP, PLAYER)
    v.repainted(0, 2)
    head = (0.5, 0.45)
    tinted, plain = v.pixel(*head, n=0), v.pixel(*head, n=1)
    assert tinted[0] - tinted[1] > plain[0] - plain[1] + 20  # red is on the left only
    before = v.painted()
    v.page.get_by_title("Play or pause").click()
    v.repainted(before + 5)
    v.page.get_by_title("Play or pause").click()
    v.waits("() => !document.querySelector('[title=\"Play or pause\"]').classList.contains('mod-active')")
    v.page.wait_for_timeout(500)

    before = v.painted()
    v.page.get_by_text("overlay", exact=True).click()
    v.repainted(before)
    assert v.pixels(0) == v.pixels(1)
    before = v.painted()
    v.page.get_by_text("overlay", exact=True).click()
    v.repainted(before)
    before = v.painted()
    v.slider("opacity").press("End")
    v.repainted(before)
    assert np.abs(np.subtract(v.pixel(*head, n=0), (230, 60, 60))).max() < 12

    v.page.locator("select").filter(has_text="(nothing)").nth(1).select_option("identity")
    before, cursor = v.painted(2), v.pixels(2)
    v.click(0.65, 0.5, 2)  # on the curve
    v.repainted(before, 2)
    number = int(v.page.locator(".widget-readout").first.inner_text())
    assert 60 < number < 90
    assert v.pixels(2) != cursor


def test_training_can_be_stopped_and_resumed_and_keeps_its_checkpoints(show):
    v = show(CLIP, TRAINING, "print('answers')")
    assert v.page.get_by_text("random weights: press Train").count()
    v.button("Train").click()
    v.reads("clips/s", 60)
    # The kernel answers while it trains.
    assert kernel_is_alive(v)
    v.button("Stop").click()
    v.reads("stopped, and kept", 60)
    reached = int(v.found(r"step (\d+) of"))
    assert reached >= 1
    v.repainted(0, 1)
    before = v.pixels(1)
    v.slider("checkpoint").press("Home")
    v.reads("step 0: J")
    assert v.pixels(1) != before
    v.button("Train").click()
    v.waits("n => { const m = document.body.innerText.match(/step (\\d+) of/); return m && Number(m[1]) > n; }", reached, 60)
    v.button("Stop").click()
    v.reads("stopped, and kept", 60)


def test_studio_places_joints_by_mouse_and_keyboard(show, lab):
    v = show(STUDIO)
    v.button("Open sample").click()
    v.reads("120 frames of 176x144")
    v.page.get_by_role("button", name="joints", exact=True).click()
    v.page.locator("select").filter(has_text="four-legged").select_option("face")
    for x, y in ((76.5, 60.5), (97, 55), (90.5, 70.5)):
        before = v.painted()
        v.click((x + 0.5) / 176, (y + 0.5) / 144)
        v.repainted(before)
    v.reads("next: mouth left")
    v.stage().focus()
    for key in ["Shift+ArrowDown"] + 6 * ["ArrowLeft"] + ["Enter"]:
        v.page.keyboard.press(key)
    v.reads("next: mouth right")
    v.button("Absent").click()
    v.reads("next: chin")
    v.page.locator("select").filter(has_text="quick").select_option("quick (112 rows)")
    v.button("Track").click()
    v.reads("tracked 119 frames", 90)
    v.page.get_by_placeholder("path of a video").fill("")  # typing must not trigger the notebook's shortcuts
    v.page.get_by_role("textbox", name="folder").fill("pose")
    v.button("Export").click()
    v.reads("joints.json", 60)
    _, _, folder = lab
    joints = read_joints(folder / "pose" / "joints.json", (144, 176))
    assert joints.names == ("left_eye", "right_eye", "nose", "mouth_left")
    np.testing.assert_allclose(joints.xy[:3], [(76.5, 60.5), (97, 55), (90.5, 70.5)], atol=0.5)
    np.testing.assert_allclose(joints.xy[3], joints.xy[2] + (-6, 10), atol=1)


def test_studio_uploads_files_and_explains_what_is_wrong_with_them(show, tmp_path, make_video):
    v = show(STUDIO)
    upload = v.page.locator("input[type=file]")
    bad = tmp_path / "notes.mp4"
    bad.write_bytes(b"no video at all" * 100)
    upload.set_input_files(bad)
    v.reads("notes.mp4")
    assert "Traceback" not in v.page.content()
    empty = tmp_path / "empty.mp4"
    empty.touch()
    upload.set_input_files(empty)
    v.reads("'empty.mp4' is empty: expected a video")
    good = make_video("good.mp4")
    upload.set_input_files(good)
    v.reads("good.mp4:")
    v.repainted(0)
    v.page.get_by_placeholder("path of a video").fill("no/such.mp4")
    v.button("Open path").click()
    v.reads("no such video: 'no/such.mp4'")
    v.button("Track").click()
    v.reads("nothing is marked")
    assert v.painted() > 0
    large = "() => { const i = document.querySelector('input[type=file]'); const d = new DataTransfer();"
    large += (
        " d.items.add(new File([new Uint8Array(200_000_001)], 'holiday.mp4')); i.files = d.files; i.dispatchEvent(new Event('change')); }"
    )
    v.page.evaluate(large)
    v.reads("uploads take at most 200 MB; type its path instead")


def run_cell(v, index):
    """Run one cell of the open notebook and wait until it is done."""
    script = """async n => { const notebook = window.jupyterapp.shell.currentWidget.content; notebook.activeCellIndex = n;
        await window.jupyterapp.commands.execute('notebook:run-cell'); }"""
    v.page.evaluate(script, index)


def brush(v, frame_points, size=(176, 144)):
    """Draw a stroke along points given in pixels of the frame."""
    before = v.painted()
    v.drag([((x + 0.5) / size[0], (y + 0.5) / size[1]) for x, y in frame_points])
    v.repainted(before)


def test_the_workflow_of_notebook_09_in_the_browser(lab, tmp_path):
    """Open notebook 09, load carphone, brush the head, track, correct one frame, track again and export.

    The command line then reads the export.
    """
    browser, server, folder = lab
    shutil.copy(NOTEBOOK_09, folder / "story.ipynb")
    shutil.copytree(NOTEBOOK_09.parent.parent / "data", folder.parent / "data", ignore=shutil.ignore_patterns("*.pt", "report"))
    cells = nbformat.read(NOTEBOOK_09, as_version=4).cells
    code = [n for n, cell in enumerate(cells) if cell.cell_type == "code"]
    studio = next(n for n in code if "studio(" in cells[n].source)
    with visit(browser) as v:
        open_notebook(v, server, "story.ipynb")
        run_cell(v, code[1])  # the imports; the cell before them only installs tinytrack where it is missing
        run_cell(v, studio)
        v.reads("carphone: 120 frames of 176x144", 60)
        # Open another clip in between: the page must change, or a stroke could come before the clip has been opened again.
        for clip, facts in (("bikes-1", "bikes-1: 30 frames"), ("carphone", "carphone: 120 frames")):
            v.page.locator("select").filter(has_text="bikes-1").select_option(clip)
            v.button("Open sample").click()
            v.reads(facts)
        v.reads("nothing here yet")
        v.page.get_by_placeholder("name", exact=True).fill("head")
        v.button("Rename").click()

        # Brush the head, brush too far once, and undo that stroke.
        plain = v.pixel(0.5, 0.42)
        brush(v, [(76, 30), (100, 30), (102, 55), (78, 60), (84, 85), (98, 85), (90, 45), (90, 75), (80, 40)])
        v.reads("marked by you")
        red = v.pixel(0.5, 0.42)
        assert red[0] - red[1] > plain[0] - plain[1] + 20
        brush(v, [(150, 20), (170, 40)])
        before = v.painted()
        v.stage().focus()
        v.page.keyboard.press("z")
        v.repainted(before)

        # Mark a second object with the keyboard alone: put the brush down on the tie, move it and lift it.
        v.page.get_by_placeholder("name", exact=True).fill("bow tie")
        v.button("Add").click()
        for _ in range(6):
            v.slider("brush").press("ArrowLeft")
        v.click(104 / 176, 114 / 144)
        v.stage().focus()
        before = v.painted()
        for key in [" "] + 2 * ["Shift+ArrowRight"] + [" "]:
            v.page.keyboard.press(key)
        v.repainted(before)

        v.page.locator("select").filter(has_text="quick").select_option("quick (112 rows)")
        v.button("Track").click()
        v.reads("tracked 119 frames from 1 marked frame(s)", 120)

        # Erase a corner of the head on a late frame and track from there. Frames before it are not tracked again.
        v.slider("frame").press("End")
        v.reads("frame 119 of 120: tracked")
        for _ in range(10):
            v.slider("frame").press("ArrowLeft")
        v.reads("frame 109 of 120: tracked")
        v.button("Eraser").click()
        brush(v, [(60, 20), (60, 60)])
        v.reads("marked frames: 0, 109")
        v.button("Track").click()
        v.reads("tracked 10 frames from 2 marked frame(s)", 60)

        v.page.get_by_role("textbox", name="folder").fill("exported")
        v.button("Export").click()
        v.reads("wrote masks, objects.json, overlay.mp4 into exported", 60)
        assert kernel_is_alive(v)
        v.shows_no_error()

    out = folder / "exported"
    assert json.loads((out / "objects.json").read_text())["objects"] == {"1": "head", "2": "bow tie"}
    mask = read_mask(out / "masks" / "00000.png", (144, 176))
    truth = read_mask(CLIPS["carphone"].masks[0])
    assert set(np.unique(mask)) == {0, 1, 2}
    assert region_j(mask == 1, truth == 1) > 0.6
    late = read_mask(out / "masks" / "00119.png") == 1
    assert region_j(late, read_mask(CLIPS["carphone"].masks[119]) == 1) > 0.5
    assert len(read_video(out / "overlay.mp4")) == 120
    command = [sys.executable, "-m", "tinytrack", "track", "carphone", "--mask", str(out / "masks" / "00000.png"), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "tracked 2 object(s) through 120 frames" in done.stdout
    again = subprocess.run([*command[:3], "colorize", str(out / "overlay.mp4"), "--out", str(tmp_path)], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr


def test_the_studio_page_works_without_a_notebook(lab):
    """``python -m tinytrack studio`` serves a page with voila on loopback behind a token, and every tab works."""
    browser, _, _ = lab
    with serving("carphone") as (address, _), visit(browser) as v:
        v.page.goto(address.split("?")[0])
        assert "login" in v.page.url  # without the token only the login page is shown
        v.page.goto(address)
        v.reads("carphone: 120 frames of 176x144", 60)
        brush(v, [(80, 40), (100, 40), (90, 80)])
        v.reads("marked by you")
        shown = {
            "palette": "16 colours: a pixel of frame 0",
            "pointer": "copied label: head",
            "training": "random weights",
            "player": "tiny-gray",
        }
        for tab, text in shown.items():
            v.page.get_by_role("tab", name=tab).click()
            v.reads(text, 60)
        v.page.get_by_role("tab", name="your video").click()
        v.reads("marked frames: 0")
        v.shows_no_error()
