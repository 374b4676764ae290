"""What a reader waits for in the viewer of the case page, with and without WebGL; a section of benchmarks/README.md.

    python -m benchmarks.viewer [--case DIR]

Without a graphics card the processor draws everything, as on many PCs of a hospital. Browsers then draw pages and
canvases directly, and WebGL by an emulated card. The last kind lets that card draw all, which no browser does by itself.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.bench import RESULTS
from benchmarks.report import VIEWER, Measurement, machine, write_section
from benchmarks.serving import write_brats_sized_case
from model.io.case import find_case_files
from tests.app.serving import serving
from tests.browser.conftest import CHROMIUM, WEBGL_ARGUMENTS, launch

TIMEOUT_MS = 180_000
SCROLLED, DRAGGED = 40, 120
THREE_D = "WebGL by the processor, 3-D pane open"
KINDS = {
    "without WebGL": ["--disable-gpu", "--disable-3d-apis"],
    THREE_D: WEBGL_ARGUMENTS,
    "all drawn by an emulated card": ["--use-angle=swiftshader", *WEBGL_ARGUMENTS],
}
# Milliseconds from a key to the end of the frame that it draws; reading a pixel waits for the canvases.
KEY_MS = """
(key) => new Promise((resolve) => {
  const started = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  requestAnimationFrame(() => {
    for (const canvas of document.querySelectorAll(".pane[data-plane] canvas")) {
      canvas.getContext("2d").getImageData(0, 0, 1, 1);
    }
    resolve(performance.now() - started);
  });
})
"""
# Notes when a frame shows other numbers of the window than the one before.
COUNT_FRAMES = """
() => {
  window.frames_ = [];
  const numbers = document.querySelector('[data-part="pane-window"]');
  const canvas = document.querySelector(".pane canvas");
  let last = "";
  const look = () => {
    if (numbers.textContent !== last) {
      canvas.getContext("2d").getImageData(0, 0, 1, 1);
      window.frames_.push(performance.now());
    }
    last = numbers.textContent;
    requestAnimationFrame(look);
  };
  look();
}
"""


def measure(browser: Browser, address: str, kind: str) -> list[Measurement]:
    """Open a finished case and use it."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(TIMEOUT_MS)
    page.add_init_script(f"localStorage.setItem('viewer-three-d', '{int(kind == THREE_D)}')")
    opened = tuple(_opened_s(page, address) for _ in range(3))
    drawn = (_drawn_s(page),) if kind == THREE_D else ()
    page.wait_for_load_state("networkidle")
    slices = tuple(page.evaluate(KEY_MS, "ArrowUp") for _ in range(SCROLLED))
    presets = tuple(page.evaluate(KEY_MS, "g") for _ in range(12))
    found = [
        Measurement("viewer open", opened, note=f"{kind}; four panes"),
        *(
            [Measurement("3-D pane drawn", drawn, note="once nothing else is asked for")]
            if drawn
            else []
        ),
        Measurement("next slice", slices, "ms", kind),
        Measurement("other window", presets, "ms", kind),
        Measurement("window drag", (_frames_a_second(page),), "frames/s", kind),
    ]
    page.close()
    return found


def _opened_s(page: Page, address: str) -> float:
    page.goto(address)
    page.locator('[data-part="stage"][data-busy="false"]').wait_for(state="attached")
    return page.evaluate("performance.now() / 1000")


def _drawn_s(page: Page) -> float:
    page.locator(".pane-render[data-drawn]").wait_for()
    return page.evaluate("performance.now() / 1000")


def _frames_a_second(page: Page) -> float:
    page.keyboard.press("5")
    box = page.locator(".pane canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate(COUNT_FRAMES)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(DRAGGED):
        page.mouse.move(x + step % 60, y + step % 7)
    page.mouse.up()
    frames = page.evaluate("window.frames_")
    return (len(frames) - 2) / ((frames[-1] - frames[1]) / 1000)


def as_markdown(measurements: list[Measurement]) -> str:
    """Return the measurements as a section."""
    where = "\n".join(f"- {line}" for line in machine())
    rows = "\n".join(measurement.row() for measurement in measurements)
    return (
        f"{VIEWER}\n\nWritten by `python -m benchmarks.viewer`; do not edit by hand.\n\n{where}\n\n"
        f"Server and browser share the cores.\n\n| what | median | range | |\n|---|---|---|---|\n{rows}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", type=Path, help="folder of a case; default: a synthetic one")
    options = parser.parse_args()
    if not any(map(shutil.which, CHROMIUM)):
        raise SystemExit("There is no Chromium on this machine.")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        case_dir = options.case or write_brats_sized_case(folder / "case")
        found = []
        with serving(folder / "served") as server:
            address = None
            for kind, arguments in KINDS.items():
                browser = launch(playwright.chromium, arguments)
                address = address or _upload(browser, server.port, case_dir)
                found += measure(browser, address, kind)
                browser.close()
        write_section(RESULTS, as_markdown(found))
        for measurement in found:
            print(measurement.line())


def _upload(browser: Browser, port: int, case_dir: Path) -> str:
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"http://127.0.0.1:{port}/")
    page.set_input_files("#pick-files", [str(path) for path in find_case_files(case_dir).values()])
    page.get_by_role("button", name="Segment", exact=True).click()
    page.locator("#viewer").wait_for()
    address = page.url.split("?")[0]
    page.close()
    return address


if __name__ == "__main__":
    main()
