"""Take the README's pictures of the synthetic demo case: `make screenshots`.

Needs Chromium; WebGL is drawn by the processor, so that the pictures look the same everywhere.
"""

import io
import tempfile
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from app import create_app
from app.jobs.queue_runner import queue_runner
from tests.browser.conftest import WEBGL_ARGUMENTS, launch
from tests.browser.stage import settle

FOLDER = Path(__file__).parent
SIZE = {"width": 1440, "height": 900}
TIMEOUT_MS = 300_000


def take(browser: Browser, address: str) -> None:
    """Make the demo case and picture each page of it."""
    page = browser.new_page(viewport=SIZE, base_url=address)
    page.set_default_timeout(TIMEOUT_MS)
    page.goto("/")
    page.get_by_role("button", name="Open the synthetic demo case").click()
    page.locator("#viewer").wait_for()
    case = page.url.split("?")[0]
    page.goto(f"{case}?opacity=0.55")
    settle(page)
    save(page, "case")
    page.goto(f"{case}?layout=one")
    settle(page)
    page.get_by_role("button", name="Correct", exact=True).click()
    page.get_by_role("radio", name="Enhancing tumour").check(force=True)
    draw_a_line(page)
    save(page, "correction")
    page.get_by_role("button", name="Save as new version").last.click()
    page.get_by_text("Mask corrected by hand").wait_for()
    page.goto(f"{case}?confidence=1&layout=planes")
    settle(page)
    save(page, "confidence")
    page.goto(f"{case}/report")
    page.wait_for_load_state("networkidle")
    save(page, "report", full_page=True)
    page.goto("/")
    page.wait_for_load_state("networkidle")
    save(page, "worklist")


def draw_a_line(page: Page) -> None:
    """Draw beside the tumour, as one would to add a missed part."""
    box = page.locator(".pane canvas").first.bounding_box()
    places = ((0.41, 0.47), (0.44, 0.45), (0.47, 0.46), (0.49, 0.5))
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def save(page: Page, name: str, **options: bool) -> None:
    """Save a picture, packed better than the browser does."""
    picture = Image.open(io.BytesIO(page.screenshot(**options))).convert("RGB")
    picture.save(FOLDER / f"{name}.png", optimize=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as data_dir, sync_playwright() as playwright:
        app = create_app({"data_dir": data_dir}, serve=True)
        http = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=http.serve_forever, daemon=True).start()
        browser = launch(playwright.chromium, WEBGL_ARGUMENTS)
        take(browser, f"http://127.0.0.1:{http.server_port}")
        browser.close()
        http.shutdown()
        queue_runner(app).stop()


if __name__ == "__main__":
    main()
