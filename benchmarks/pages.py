"""What a reader of the pages waits for, in a real browser: first overlay, next slice, other sequence."""

import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.report import Measurement
from model.io.case import find_case_files
from tests.app.serving import serving
from tests.browser.conftest import CHROMIUM, launch

SCROLLED = 40
# Far from each other, so that none was fetched ahead.
JUMPS = (40, 110, 60, 130, 50, 100, 30, 120)
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
# Resolves to the milliseconds from an action to the frame in which its picture is shown.
SHOWN_MS = """
([kind, value]) => new Promise((resolve) => {
  const plane = document.querySelector('[data-plane="axial"]');
  const started = performance.now();
  const seen = new MutationObserver(() => {
    seen.disconnect();
    requestAnimationFrame(() => resolve(performance.now() - started));
  });
  seen.observe(plane.querySelector('[data-part="picture"]'), { childList: true, subtree: true });
  if (kind === "key") {
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: value, bubbles: true }));
  } else {
    const slider = document.querySelector('input[name="axial"]');
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }
})
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
        page.wait_for_load_state("networkidle")
        results = [
            Measurement("first overlay", first, note="from the end of the upload"),
            _shown(page, "next slice", [("key", "ArrowUp")] * SCROLLED, "scrolling"),
            _shown(page, "far slice", [("slice", index) for index in JUMPS], "not fetched ahead"),
            _shown(page, "other sequence", [("key", key) for key in "2341" * 2], "at one slice"),
        ]
        browser.close()
    return results


def _first_overlay_s(page: Page, files: list[str]) -> float:
    page.goto("/")
    page.set_input_files("#pick-files", files)
    page.get_by_role("button", name="Segment", exact=True).click()
    page.locator("#viewer").wait_for()
    return page.evaluate(FIRST_OVERLAY_S)


def _shown(page: Page, name: str, actions: list[tuple[str, object]], note: str) -> Measurement:
    return Measurement(name, tuple(page.evaluate(SHOWN_MS, list(a)) for a in actions), "ms", note)
