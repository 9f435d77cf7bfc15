"""Make the picture of the page of `partwise serve`: a rendered street, and a click on a car. It needs Chromium.

python docs/pictures/make_page.py
"""

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from partwise import load
from partwise.data.streets import Streets
from partwise.serve.app import Site, make_app
from partwise.serve.server import open_port, run_in_thread

SEED, SIZE = 11, (512, 1024)
CLICK = (0.25, 0.62)  # share of the width and of the height
VIEWPORT = {"width": 1400, "height": 880}

if __name__ == "__main__":
    buffer = io.BytesIO()
    Image.fromarray(Streets(1, SIZE, seed=SEED)[0].image_HW3).save(buffer, "PNG")
    with open_port(0) as port, run_in_thread(make_app(Site(load())), port), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport=VIEWPORT)
        page.goto(f"http://127.0.0.1:{port.getsockname()[1]}")
        page.set_input_files("#file", {"name": "street.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
        page.wait_for_selector("#work:not([hidden])")
        box = page.locator("#stage").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + CLICK[0] * box["width"], box["y"] + CLICK[1] * box["height"])
        page.wait_for_selector("#panel .headline")
        page.mouse.move(5, 5)
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    shot.resize((1260, 792), Image.Resampling.LANCZOS).save(
        Path(__file__).parent / "page.jpg", quality=86, optimize=True
    )
