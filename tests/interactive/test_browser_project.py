"""Browser test of projects: saved with Enter, opened by keyboard in another studio, and opened as an upload in a third one."""

import pytest

from tests.support.browser import chromium, jupyterlab, open_notebook, run_cells, visit, why_no_browser, write_notebook

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "there is a browser")

STUDIO = """\
from tinytrack.interactive.studio import studio
demo = studio(device="cpu")
demo"""


@pytest.fixture
def show(tmp_path):
    """``show()`` opens a new studio in a JupyterLab that serves ``show.folder``, and returns the visit."""
    with jupyterlab(tmp_path) as server, chromium() as browser, visit(browser) as visitor:

        def run():
            write_notebook(run.folder / "project.ipynb", STUDIO)
            open_notebook(visitor, server, "project.ipynb")
            run_cells(visitor)
            return visitor

        run.folder = tmp_path / "notebooks"
        yield run
        visitor.shows_no_error()


def test_a_project_is_saved_and_opened_again(show):
    v = show()
    v.button("Open sample").click()
    v.reads("120 frames of 176x144")
    before = v.painted()
    v.drag([(0.43, 0.2), (0.57, 0.42)])
    v.repainted(before)
    v.page.get_by_label("to frame").fill("20")
    box = v.page.get_by_role("textbox", name="project")
    box.fill("mine")
    box.press("Enter")
    v.reads("saved the project mine.tinytrack.zip")
    marked = v.pixels()

    # Another studio, by keyboard alone; the name is still in its box after an error.
    v = show()
    box = v.page.get_by_role("textbox", name="project")
    box.fill("none")
    box.press("Tab")  # to Open project, because Save project needs a video
    v.page.keyboard.press("Enter")
    v.reads("no such project: 'none.tinytrack.zip'")
    box.fill("mine")
    v.button("Open project").press("Enter")
    v.reads("opened the project mine.tinytrack.zip with carphone; marked frames: 0. Press Track.")
    v.repainted(0)
    for _ in range(50):  # the picture without marks may be painted first, or be skipped
        if v.pixels() == marked:
            break
        v.page.wait_for_timeout(100)
    assert v.pixels() == marked
    v.page.locator("select").filter(has_text="quick").select_option("quick (112 rows)")
    v.button("Track").click()
    v.reads("tracked 20 frames from 1 marked frame(s)", 60)

    # A third one, which gets the file as an upload.
    v = show()
    v.page.locator("input[type=file]").set_input_files(show.folder / "mine.tinytrack.zip")
    v.reads("opened the project mine.tinytrack.zip with carphone")
