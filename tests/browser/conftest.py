"""A real server and a real browser for the tests of this folder."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from playwright.sync_api import (
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
from model.io.nifti import write_scan
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
# WebGL2 by the processor alone.
WEBGL_ARGUMENTS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
TIMEOUT_MS = 30_000
# Small, so that an upload takes no time; the demo case is the one with a realistic size.
SMALL = (80, 96, 72)
# Too little brain for the model: refused only when it is segmented.
TINY = (40, 48, 36)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The app with the shipped model and an empty worklist."""
    app = create_app({"data_dir": tmp_path_factory.mktemp("data")}, serve=True)
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


@pytest.fixture(scope="module")
def webgl_browser(chromium: BrowserType) -> Iterator[Browser]:
    browser = launch(chromium, WEBGL_ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture
def expected_errors() -> list[str]:
    """Parts of console messages that a test provokes on purpose."""
    return []


@pytest.fixture
def context(browser: Browser, server: str) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=server, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


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
    unexpected = [e for e in errors if not any(part in e for part in expected_errors)]
    assert not unexpected
    assert not [address for address in addresses if not address.startswith(server)]


@pytest.fixture
def plain_page(browser: Browser, server: str) -> Iterator[Page]:
    """A page in a browser without JavaScript."""
    context = browser.new_context(
        base_url=server, java_script_enabled=False, viewport={"width": 1440, "height": 900}
    )
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def demo_address(browser: Browser, server: str) -> str:
    """Address of the finished demo case, which tests look at and leave as it is."""
    context = browser.new_context(base_url=server)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("button", name="Open the synthetic demo case").click()
    page.locator("#viewer").wait_for(timeout=2 * TIMEOUT_MS)
    address = page.url.split("?")[0]
    context.close()
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


def _write_patient(
    folder: Path, name: str, *, seed: int = 0, shape: tuple[int, int, int] = SMALL
) -> dict[str, Path]:
    """Write four scans with names as in BraTS 2021; return them by modality."""
    folder.mkdir(parents=True, exist_ok=True)
    case, _ = make_case(seed, shape=shape)
    paths = {modality: folder / f"{name}_{modality}.nii.gz" for modality in MODALITIES}
    for channel, path in enumerate(paths.values()):
        write_scan(path, np.rint(case.data[..., channel]).astype(np.int16), case.affine)
    return paths


def _screenshot(page: Page, name: str, full_page: bool = False) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=os.fspath(SCREENSHOTS / f"{name}.png"), full_page=full_page)
