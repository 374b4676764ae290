"""What a reader of the pages waits for, in a real browser: the first overlay. The rest is in `benchmarks.viewer`."""

import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.report import Measurement
from model.io.case import find_case_files
from tests.app.serving import serving
from tests.browser.conftest import CHROMIUM, launch

TIMEOUT_MS = 120_000

# Notes when the last byte of an upload has left. The page changes meanwhile, so it is kept aside.
NOTE_UPLOAD_END = """
const send = XMLHttpRequest.prototype.send;
XMLHttpRequest.prototype.send = function (body) {
  this.upload.addEventListener("load", () => sessionStorage.setItem("uploadEnd", Date.now()));
  send.call(this, body);
};
"""
FIRST_OVERLAY_S = """
async () => {
  await Promise.all([...document.querySelectorAll("#viewer img")].map((image) => image.decode()));
  return (Date.now() - Number(sessionStorage.getItem("uploadEnd"))) / 1000;
}
"""


def measure_pages(case_dir: Path, folder: Path, repeats: int) -> list[Measurement]:
    """Upload the case through the page and look at it; nothing where there is no Chromium.

    Server and browser share the cores of this machine, as they do on a radiologist's own one.
    """
    if not any(map(shutil.which, CHROMIUM)):
        return []
    files = [str(path) for path in find_case_files(case_dir).values()]
    with serving(folder / "pages") as server, sync_playwright() as playwright:
        browser = launch(playwright.chromium, ["--disable-gpu", "--disable-3d-apis"])
        page = browser.new_page(base_url=f"http://127.0.0.1:{server.port}")
        page.set_default_timeout(TIMEOUT_MS)
        page.add_init_script(NOTE_UPLOAD_END)
        first = tuple(_first_overlay_s(page, files) for _ in range(repeats))
        browser.close()
    return [Measurement("first overlay", first, note="from the end of the upload")]


def _first_overlay_s(page: Page, files: list[str]) -> float:
    page.goto("/")
    page.set_input_files("#pick-files", files)
    page.get_by_role("button", name="Segment", exact=True).click()
    page.locator("#viewer").wait_for()
    return page.evaluate(FIRST_OVERLAY_S)
