"""A real server and a real browser for the tests of this folder."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from playwright.sync_api import (
    APIRequestContext,
    Browser,
    BrowserContext,
    BrowserType,
    Page,
    expect,
    sync_playwright,
)
from werkzeug.serving import make_server

from app import create_app
from app.jobs.polling_thread import PollingThread
from app.jobs.queue_runner import queue_runner
from model.io.modalities import MODALITIES
from model.io.nifti import compress, encode
from model.phantom import make_case

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# Quiet: nothing but the page under test may cause traffic.
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# WebGL2 by a card that the processor emulates; the page itself is drawn without, as browsers do where there is no card.
WEBGL_ARGUMENTS = ["--enable-unsafe-swiftshader"]
SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
TIMEOUT_MS = 30_000
# Small, so that an upload takes no time; the demo case is the one with a realistic size.
SMALL = (80, 96, 72)
# Too little brain for the model: refused only when it is segmented.
TINY = (40, 48, 36)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The app with the shipped model in its quick mode and an empty worklist."""
    settings = {"data_dir": tmp_path_factory.mktemp("data"), "quality": "fast"}
    app = create_app(settings, serve=True)
    yield app
    queue_runner(app).stop()


@pytest.fixture
def paused_worker(app: Flask) -> Iterator[PollingThread]:
    """The worker, stopped so that cases wait; it runs again after the test at the latest."""
    worker = queue_runner(app)
    worker.stop(TIMEOUT_MS / 1000)
    yield worker
    worker.start()


@pytest.fixture(scope="session")
def server(app: Flask) -> Iterator[str]:
    """Address at which the app is served."""
    http = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()


@pytest.fixture(scope="session")
def chromium() -> Iterator[BrowserType]:
    """What starts browsers."""
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="session")
def browser(chromium: BrowserType) -> Iterator[Browser]:
    """A browser without WebGL."""
    browser = launch(chromium, ["--disable-gpu", "--disable-3d-apis"])
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def webgl_browser(chromium: BrowserType) -> Iterator[Browser]:
    """A browser that draws volumes by the processor alone, which takes it seconds for a page."""
    browser = launch(chromium, WEBGL_ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture
def expected_errors() -> list[str]:
    """Parts of console messages that a test provokes on purpose."""
    return []


@pytest.fixture(scope="session")
def context(browser: Browser, server: str) -> Iterator[BrowserContext]:
    """What pages share: slices of the demo case are rendered and fetched once for all tests."""
    yield from _context(browser, server)


@pytest.fixture(scope="session")
def plain_context(browser: Browser, server: str) -> Iterator[BrowserContext]:
    yield from _context(browser, server, java_script_enabled=False)


@pytest.fixture
def page(context: BrowserContext, server: str, expected_errors: list[str]) -> Iterator[Page]:
    """A page whose console stays free of errors, and which asks no other server for anything."""
    page = context.new_page()
    errors: list[str] = []
    addresses: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: addresses.append(request.url))
    yield page
    # That of the test, and what it opened.
    for opened in context.pages:
        opened.close()
    unexpected = [e for e in errors if not any(part in e for part in expected_errors)]
    assert not unexpected
    assert not [address for address in addresses if not address.startswith(server)]


@pytest.fixture
def plain_page(plain_context: BrowserContext) -> Iterator[Page]:
    """A page in a browser without JavaScript."""
    page = plain_context.new_page()
    yield page
    page.close()


@pytest.fixture(scope="session")
def demo_address(context: BrowserContext) -> str:
    """Address of the finished demo case, which tests look at and leave as it is."""
    page = context.new_page()
    page.goto("/")
    page.get_by_role("button", name="Open the synthetic demo case").click()
    page.locator("#viewer").wait_for(timeout=2 * TIMEOUT_MS)
    address = page.url.split("?")[0]
    page.close()
    return address


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four small scans of one synthetic patient by modality."""
    return _write_patient(tmp_path_factory.mktemp("scans"), "BraTS2021_09999")


@pytest.fixture(scope="session")
def brainless_scans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four scans that can be read, but hold too little brain to be segmented."""
    return _write_patient(tmp_path_factory.mktemp("brainless"), "brainless", shape=TINY)


@pytest.fixture(scope="session")
def write_patient() -> Callable[..., dict[str, Path]]:
    """A function `(folder, name, *, seed, shape)` that writes a small patient."""
    return _write_patient


@pytest.fixture
def screenshot() -> Callable[..., None]:
    """A function `(page, name, full_page)` that keeps a picture of a page to be looked at."""
    return _screenshot


def launch(chromium: BrowserType, arguments: list[str]) -> Browser:
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    return chromium.launch(executable_path=executable, args=BROWSER_ARGUMENTS + arguments)


def _context(browser: Browser, server: str, **options: Any) -> Iterator[BrowserContext]:
    context = browser.new_context(
        base_url=server, viewport={"width": 1440, "height": 900}, **options
    )
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


def queue(request: APIRequestContext, scans: Mapping[str, bytes]) -> str:
    """Upload scans by modality beside the pages; return the id of the case."""
    parts = {
        modality: {"name": f"p_{modality}.nii.gz", "mimeType": "application/gzip", "buffer": scan}
        for modality, scan in scans.items()
    }
    answer = request.post("/api/cases", multipart=parts)
    assert answer.status == 202
    return answer.json()["id"]


def finish(request: APIRequestContext, scans: Mapping[str, bytes]) -> str:
    """Upload scans by modality and wait for the result; return the id of the case."""
    case = queue(request, scans)
    end = time.monotonic() + 2 * TIMEOUT_MS / 1000
    while time.monotonic() < end:
        if request.get(f"/api/cases/{case}").json()["state"] == "done":
            return case
        time.sleep(0.1)
    raise TimeoutError(case)


def _write_patient(
    folder: Path, name: str, *, seed: int = 0, shape: tuple[int, int, int] = SMALL
) -> dict[str, Path]:
    """Write four scans with names as in BraTS 2021; return them by modality."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {modality: folder / f"{name}_{modality}.nii.gz" for modality in MODALITIES}
    for path, content in zip(paths.values(), _scans(seed, shape), strict=True):
        path.write_bytes(content)
    return paths


@cache
def _scans(seed: int, shape: tuple[int, int, int]) -> list[bytes]:
    """Return the four files of a synthetic patient, who is made once for all tests."""
    case, _ = make_case(seed, shape=shape)
    volumes = np.rint(np.moveaxis(case.data, -1, 0)).astype(np.int16)
    return [compress(encode(volume, case.affine)) for volume in volumes]


def _screenshot(page: Page, name: str, full_page: bool = False) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=os.fspath(SCREENSHOTS / f"{name}.png"), full_page=full_page)
