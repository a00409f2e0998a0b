"""Make the moving picture of the web page's third part for the README: python -m tests.tools.page_picture [FILE.webp].

A headless Chromium opens the page, selects the head of the clip ``carphone`` with three clicks, and tracks it.
"""

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image

from tests.support.browser import chromium, why_no_browser
from tests.tools.hero import save_animation
from tinytrack.io.paths import DATA
from tinytrack.web.build import build_page

WIDTH, HEIGHT, SHOWN = 1100, 1400, 760  # pixels: of the window, and the width of the picture
CLICKS = ((0.55, 0.55, False), (0.5, 0.18, False), (0.68, 0.2, True))  # place as shares of the frame, and whether Shift is held
STEP = 2  # every second frame is shown


def shots(page) -> list[tuple[Image.Image, int]]:
    """Use the page, and take pictures of it, each with the milliseconds for which it is shown."""
    found = []

    def look(milliseconds: int) -> None:
        picture = Image.open(io.BytesIO(page.locator("#yours-work").screenshot())).convert("RGB")
        found.append((picture.resize((SHOWN, round(picture.height * SHOWN / picture.width)), Image.Resampling.LANCZOS), milliseconds))

    page.locator("#yours-clear").click()
    for count, (x, y, shift) in enumerate(CLICKS, start=1):
        page.locator("#yours-work").screenshot()  # scrolls; the position on the screen stays the same from here on
        box = page.locator("#yours-stage").bounding_box()
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        look(900)
        if shift:
            page.keyboard.down("Shift")
        page.mouse.down()
        page.mouse.up()
        page.keyboard.up("Shift")
        page.wait_for_function("count => tinytrack.yours.marks.past.length > count", arg=count)  # one change was to clear the frame
        page.wait_for_selector("#yours-cancel[hidden]", state="attached")
        look(1200)
    page.locator("#yours-track").click()
    page.wait_for_function("document.getElementById('yours-said').textContent.startsWith('tracked ')", timeout=120_000)
    for frame in range(0, 40, STEP):
        page.locator("#yours-frame").fill(str(frame))
        look(140)
    found[-1] = (found[-1][0], 1500)
    height = min(picture.height for picture, _ in found)
    return [(picture.crop((0, 0, SHOWN, height)), time) for picture, time in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", default=DATA / "page.webp", type=Path)
    args = parser.parse_args()
    if why_no_browser():
        parser.error(why_no_browser())
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        site, _ = build_page(Path(scratch) / "page")
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(site.as_uri() + "#part=yours&video=carphone")
        page.wait_for_selector("body[data-ready]")
        pictures, times = zip(*shots(page), strict=True)
    save_animation(args.file, pictures, times)


if __name__ == "__main__":
    main()
