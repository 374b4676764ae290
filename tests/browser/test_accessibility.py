"""No page has a serious or critical violation of the rules of axe-core."""

import pytest
from playwright.sync_api import Page

from tests.browser.axe import violations
from tests.browser.stage import open_case

pytestmark = pytest.mark.browser


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/", "/about", "/sessions", "case", "case/report", "case/preparation", "/cases/none"]
)
def test_page_has_no_serious_violation(page: Page, demo_address, path, expected_errors):
    expected_errors.append("404")
    page.goto(path.replace("case", demo_address) if path.startswith("case") else path)
    assert violations(page) == []


def test_filled_upload_form_has_no_serious_violation(page: Page, scans):
    page.goto("/")
    page.set_input_files("#pick-files", [str(path) for path in scans.values()])
    assert violations(page) == []


def test_progress_has_no_serious_violation(page: Page, scans, paused_worker):
    page.goto("/")
    page.set_input_files("#pick-files", [str(path) for path in scans.values()])
    page.get_by_role("button", name="Segment", exact=True).click()
    page.locator("#job").wait_for()
    assert violations(page) == []


@pytest.mark.slow
def test_open_dialogs_have_no_serious_violation(page: Page, demo_address):
    open_case(page, demo_address)
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("path", ["/", "case"])
def test_the_light_theme_is_remembered_and_has_no_serious_violation(
    page: Page, demo_address, path, screenshot
):
    page.goto(path.replace("case", demo_address))
    # All tests share a browser, which must be dark for the others, whatever happens here.
    page.evaluate("localStorage.removeItem('theme')")
    page.reload()
    page.get_by_role("button", name="Light", exact=True).click()
    page.reload()
    page.wait_for_load_state("networkidle")
    page.evaluate("localStorage.removeItem('theme')")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert violations(page) == []
    screenshot(page, f"light-{path.strip('/') or 'worklist'}")
    page.get_by_role("button", name="Dark", exact=True).click()
