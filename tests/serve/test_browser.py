"""The page in a real browser. In CI (PARTWISE_CI=1) a missing Chromium is a failure, elsewhere a reason to skip."""

import os
import re
import shutil
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image
from serve_photos import png_of, shown_of
from tiny_networks import tiny_model

from partwise.data.source import DataSource
from partwise.segmenter import load
from partwise.serve.app import Site, make_app
from partwise.serve.server import open_port, run_in_thread
from partwise.serve.single_file import explain_in_file
from partwise.serve.truth import Truth

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 60_000


@dataclass
class Browser:
    """A page of the browser, with everything that went wrong in it and every address that it asked."""

    page: object
    address: str
    faults: list = field(default_factory=list)
    asked: list = field(default_factory=list)


@pytest.fixture(scope="module")
def browser(site, tmp_path_factory):
    if not os.access(CHROMIUM, os.X_OK):
        if os.environ.get("PARTWISE_CI") == "1":
            pytest.fail("no Chromium: apt-get install -y chromium")
        pytest.skip("needs Chromium: apt-get install -y chromium")
    from playwright.sync_api import sync_playwright

    with open_port(0) as port, run_in_thread(make_app(site), port), sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport={"width": 1300, "height": 900},
            accept_downloads=True,
        )
        context.set_default_timeout(WAIT_MS)
        one = Browser(context.new_page(), f"http://127.0.0.1:{port.getsockname()[1]}")
        one.page.on("pageerror", lambda error: one.faults.append(str(error)))
        one.page.on("console", lambda message: one.faults.append(message.text) if message.type == "error" else None)
        one.page.on("request", lambda request: one.asked.append(request.url))
        yield one
        context.close()


@pytest.fixture
def page(browser):
    """The page of the browser; whatever a test does, nothing goes wrong in it and nothing is asked elsewhere."""
    browser.faults.clear()
    browser.asked.clear()
    yield browser.page
    assert browser.faults == []
    own = (browser.address, "data:", "blob:", "file:")
    assert [url for url in browser.asked if not url.startswith(own)] == []


@pytest.fixture(scope="module")
def photo(street, tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "my street.png"
    path.write_bytes(png_of(street))
    return path


def opened(page, browser, photo):
    page.goto(browser.address)
    page.set_input_files("#file", photo)
    page.wait_for_selector("#work:not([hidden])")
    page.fill("#score", "0")
    return page


def count(page) -> int:
    return int(page.inner_text("#controls .row > b"))


def colours(page) -> np.ndarray:
    """The colours of the canvas of masks."""
    import io

    picture = page.locator("#stage canvas").screenshot()
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


def test_a_photo_is_seen_and_every_control_acts_at_once(page, browser, photo, web, street, segment):
    opened(page, browser, photo)
    assert page.inner_text("#name").startswith("my street.png")
    told = web.done(street)["result"]["instances"]
    assert count(page) == len(shown_of(told, 0)) > 0
    browser.asked.clear()
    least = round(float(np.median([one["score"] for one in told])) + 0.005, 2)
    page.fill("#score", str(least))
    assert count(page) == len(shown_of(told, least))
    page.fill("#score", "0")
    page.uncheck("#distinct")
    assert count(page) == len(shown_of(told, 0, distinct=False))
    name = page.locator(".classes input:checked").first.get_attribute("name")
    page.uncheck(f".classes input[name='{name}']")
    label = segment.method.label_set[name].id
    others = {one["label"] for one in told} - {label}
    assert count(page) == len(shown_of(told, 0, others, distinct=False))
    with_masks = colours(page)
    page.click("#controls button:has-text('none')")
    assert count(page) == 0 and (colours(page) != with_masks).any()
    page.click("button[name=semantic]")
    assert page.get_attribute("button[name=semantic]", "aria-pressed") == "true"
    ids = {segment.method.label_set[name].id for name in page.locator("#legend span").all_inner_texts()}
    assert ids and ids <= set(np.unique(segment(street).semantic_HW).tolist())
    page.click("button[name=photo]")
    plain = colours(page)
    page.click("button[name=semantic]")
    assert (colours(page) != plain).mean() > 0.5
    watched = f"{browser.address}/api/about"  # asked every two seconds, whether the server is there
    assert set(browser.asked) <= {watched}  # all of it in the browser alone


def test_a_click_shows_why(page, browser, photo):
    opened(page, browser, photo)
    box = page.locator("#stage").bounding_box()
    begin = time.perf_counter()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"])
    page.wait_for_selector("#panel .headline")
    assert time.perf_counter() - begin < 5  # `partwise bench clicks` measures it; here others use the processor, too
    assert re.search(r"pixel 12\d, 7\d", page.inner_text("#panel .headline p"))
    assert page.locator("#stage .marks .window").count() == 1 and page.locator("#stage .marks .cross").count() == 1
    assert page.locator("#panel .maps canvas").count() >= 10  # 9 parts and a mask
    assert page.locator("#panel .counts tr").count() >= 1 and page.locator("#panel .bars b").count() >= 2
    before = page.get_attribute("#stage .marks .window", "x")
    options = page.locator("#panel .tabs button")
    places = set()
    for n in range(options.count()):
        options.nth(n).click()
        assert options.nth(n).get_attribute("aria-selected") == "true"
        places.add((page.get_attribute("#stage .marks .window", "x"), page.get_attribute("#stage .marks .window", "y")))
    assert len(places) > 1 and before is not None
    page.locator(".found button").first.click()
    page.wait_for_selector("#panel .product")
    shown = [float(text) for text in page.locator("#panel .product").first.locator(".factor b").all_inner_texts()]
    assert shown[-1] == pytest.approx(np.prod(shown[:-1]), abs=0.003)
    page.fill("#score", "1")
    assert "below the minimum score" in page.inner_text("#panel .hint")


def test_a_pixel_is_chosen_with_the_keyboard_alone(page, browser, photo):
    """The mark begins in the middle, goes as far as the keys say, stays in the photo, and Enter explains its pixel."""
    opened(page, browser, photo)
    mark = page.locator("#stage .cursor")
    page.focus("#stage")
    assert mark.get_attribute("visibility") == "hidden"
    for key in ("ArrowDown", "ArrowRight", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    assert mark.get_attribute("visibility") == "visible"
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel .headline")
    assert "pixel 131, 68" in page.inner_text("#panel .headline p")  # 256 x 128 px: steps of 4 px, and one of 1 px
    for _ in range(40):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel .headline p:has-text('pixel 131, 0')")
    page.keyboard.press("Escape")
    assert mark.get_attribute("visibility") == "hidden"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    assert mark.get_attribute("visibility") == "hidden"


def test_downloads_follow_what_is_shown(page, browser, photo):
    opened(page, browser, photo)
    page.click("summary")
    for link, name in (
        ("#get-overlay", "overlay.png"),
        ("#get-coco", "coco.json"),
        ("#get-cityscapes", "cityscapes.zip"),
    ):
        with page.expect_download() as download:
            page.click(link)
        assert download.value.suggested_filename == f"my_street_{name}" and download.value.path().stat().st_size > 100


def test_mistakes_are_one_line_in_the_page(page, browser, photo, tmp_path):
    page.goto(browser.address)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image at all")
    page.set_input_files("#file", bad)
    page.wait_for_selector("#alert:not([hidden])")
    assert "not an image" in page.inner_text("#alert") and page.is_visible("#welcome")
    browser.faults[:] = [one for one in browser.faults if "422" not in one]  # what the browser says of a refusal
    large = tmp_path / "large.png"
    large.write_bytes(b"\0" * (2 << 20))
    page.set_input_files("#file", large)
    page.get_by_text("has more than 1 MiB").wait_for()
    page.set_input_files("#file", photo)
    page.wait_for_selector("#work:not([hidden])")
    assert not page.is_visible("#alert")


def test_the_page_says_that_the_server_ended_and_when_there_is_one_again(page, browser, photo, segment):
    with open_port(0) as port:
        number = port.getsockname()[1]
        address = f"http://127.0.0.1:{number}"
        with run_in_thread(make_app(Site(segment)), port):
            page.goto(address)
            page.set_input_files("#file", photo)
            page.wait_for_selector("#work:not([hidden])")
    page.get_by_text("the server does not answer").wait_for()  # nothing was asked for
    page.evaluate("window.pw.complain(null)")
    page.click("summary")
    page.click("#get-coco")
    page.get_by_text("the server does not answer").wait_for()
    assert page.is_visible("#work")
    with open_port(number) as port, run_in_thread(make_app(Site(segment)), port):
        page.wait_for_selector("#alert", state="hidden")
        page.click("#get-coco")
        page.get_by_text("not kept any more").wait_for()
        page.goto(browser.address)
    browser.faults[:] = [one for one in browser.faults if "CONNECTION_REFUSED" not in one and "404" not in one]
    browser.asked[:] = [url for url in browser.asked if not url.startswith(address)]


def test_a_damaged_frame_does_not_stop_the_page_of_truth(page, browser, city_root, tmp_path, segment):
    root = tmp_path / "city"
    shutil.copytree(city_root, root)
    frame = sorted((root / "leftImg8bit" / "val").rglob("*.png"))[0]
    frame.write_bytes(frame.read_bytes()[:500])
    scenes = DataSource.of(root).open_as("val", segment.method.label_set)
    with open_port(0) as port, run_in_thread(make_app(Site(segment, Truth(scenes, "city", str(root)))), port):
        address = f"http://127.0.0.1:{port.getsockname()[1]}"
        page.goto(f"{address}/truth")
        page.get_by_text("is damaged").wait_for()
        page.click("#next")
        page.wait_for_selector("#table td")
        assert page.input_value("#frame") == "1" and page.is_hidden("#alert")
        page.goto(browser.address)
    browser.asked[:] = [url for url in browser.asked if not url.startswith(address)]


def test_an_error_is_seen_wherever_the_page_is_scrolled_to(page, browser, photo):
    try:
        page.set_viewport_size({"width": 400, "height": 500})
        opened(page, browser, photo)
        page.locator(".found button").last.scroll_into_view_if_needed()
        page.evaluate("window.pw.complain(new Error('a mistake'))")
        assert page.evaluate("scrollY") > 100
        box = page.locator("#alert").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 500
    finally:
        page.set_viewport_size({"width": 1300, "height": 900})


def test_a_photo_is_found_again_by_its_address_and_a_street_is_drawn(page, browser, photo):
    opened(page, browser, photo)
    page.reload()
    page.wait_for_selector("#work:not([hidden])")
    assert page.inner_text("#name").startswith("my street.png")
    page.goto(f"{browser.address}/#gone")
    page.reload()
    page.wait_for_selector("#alert:not([hidden])")
    assert "not kept any more" in page.inner_text("#alert") and page.url.endswith("/")
    browser.faults[:] = [one for one in browser.faults if "404" not in one]
    page.click("#example")
    page.wait_for_selector("#work:not([hidden])")
    assert "1024×512" in page.inner_text("#name")


def test_truth_against_prediction_and_the_curve(page, browser, site):
    site.truth._matches.clear()  # of frames that another test looked at
    page.goto(browser.address)
    page.click("#to-truth")
    page.wait_for_selector("#table td")
    assert re.fullmatch(r"\d+ of \d+ found", page.inner_text("#truth-text"))
    page.fill("#score", "0")
    right, all_of = map(int, re.match(r"(\d+) of (\d+) right", page.inner_text("#found-text")).groups())
    assert 0 <= right <= all_of and all_of > 0
    page.fill("#score", "1")
    assert page.inner_text("#found-text") == "0 of 0 right"
    assert page.inner_text("#truth-text").startswith("0 of")
    page.get_by_text("over the 1 frame of 3 that was looked at").wait_for()
    assert page.inner_text("#more") == "Look at 2 more frames"
    page.click("#more")
    page.get_by_text("over the 3 frames of 3").wait_for()
    assert page.locator("#curve .line").count() == 1 and page.is_hidden("#more")
    page.fill("#score", "0")
    box = page.locator("#truth").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"])
    page.wait_for_selector("#panel .headline")
    assert page.locator(".marks .cross").count() == 2  # on truth and on prediction
    page.click("#next")
    page.wait_for_selector("#panel .empty")
    assert page.input_value("#frame") == "1"


def test_a_model_without_instances_opens_on_its_semantic_map(page, browser, photo, tmp_path):
    fcn = load(tiny_model(tmp_path / "fcn.safetensors", semantic=True), device="cpu")
    with open_port(0) as port, run_in_thread(make_app(Site(fcn)), port):
        address = f"http://127.0.0.1:{port.getsockname()[1]}"
        page.goto(address)
        page.wait_for_selector("#model:not(:empty)")
        assert "click" not in page.inner_text("#lead").lower()
        page.set_input_files("#file", photo)
        page.wait_for_selector("#legend span")
        assert page.get_attribute("button[name=semantic]", "aria-pressed") == "true"
        assert page.is_hidden("#hint") and "No explanations" in page.inner_text("#panel")
        assert "tells no instances apart" in page.inner_text("#controls .found")
        page.goto(browser.address)
    browser.asked[:] = [url for url in browser.asked if not url.startswith(address)]


def test_a_narrow_page_fits(page, browser, photo):
    try:
        page.set_viewport_size({"width": 400, "height": 800})
        opened(page, browser, photo)
        page.locator(".found button").first.click()
        page.wait_for_selector("#panel .headline")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
    finally:
        page.set_viewport_size({"width": 1300, "height": 900})


def test_the_page_of_one_file_explains_without_a_server(page, browser, segment, street, tmp_path):
    file = tmp_path / "street.html"
    told = explain_in_file(segment, street, file, (100, 70), name="</script><b>{{data}}street")
    text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in text and "https:" not in text and "<b>" not in text
    page.goto("about:blank")
    browser.asked.clear()  # of the page before
    page.goto(file.as_uri())
    page.wait_for_selector("#panel .headline")
    assert page.inner_text("#name, .name").startswith("</script><b>{{data}}street")
    assert "pixel 100, 70" in page.inner_text("#panel .headline p") and told["pixel"] == [100, 70]
    box = page.locator("#stage").bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + 3)
    page.get_by_text("nearest to the click").wait_for()
    assert page.locator("#panel .maps canvas").count() >= 10 and "explanations of" in page.inner_text("#hint")
    page.fill("#score", "0")
    assert count(page) > 0
    assert browser.asked == [file.as_uri()] + [url for url in browser.asked[1:] if url.startswith("data:")]
