"""The worklist and the plain pages around it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import conftest
from tests.browser.axe import violations

pytestmark = pytest.mark.browser

CASE_PAGE = re.compile(r"/cases/[0-9a-f]{32}")
NO_SHIFT = """() => new Promise((resolve) => {
    let shift = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve(shift), 500);
})"""


def upload_plainly(page: Page, scans: dict[str, Path], name: str) -> None:
    page.goto("/")
    for modality, path in scans.items():
        page.set_input_files(f"#file-{modality}", str(path))
    page.fill("#case-name", name)
    page.get_by_role("button", name="Segment", exact=True).click()
    page.wait_for_url(CASE_PAGE)


def test_upload_refusal_and_delete_without_javascript(
    plain_page: Page, scans, tmp_path, screenshot
):
    page = plain_page
    upload_plainly(page, scans, "Without a script")
    # The page reloads by itself until the result is there.
    page.locator("#viewer").wait_for()
    page.goto("/")
    page.set_input_files("#pick-files", [str(path) for path in list(scans.values())[:2]])
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("T1ce, T2.")
    screenshot(page, "worklist-without-javascript", full_page=True)
    row = page.locator("tbody tr", has_text="Without a script")
    row.get_by_role("button", name="Delete Without a script").click()
    row.get_by_role("button", name="Delete permanently").click()
    expect(page.locator("tbody tr", has_text="Without a script")).to_have_count(0)


def queue(page: Page, scans: dict[str, Path]) -> None:
    """Upload a case beside the page."""
    conftest.queue(page.request, {key: path.read_bytes() for key, path in scans.items()})


def test_worklist_follows_a_case_and_deletes_after_asking(page: Page, scans, screenshot):
    queue(page, scans)
    page.goto("/")
    row = page.locator("tbody tr").first
    case_id = row.get_attribute("data-case")
    row = page.locator(f'tbody tr[data-case="{case_id}"]')
    expect(row).to_have_attribute("data-state", "done")
    expect(row.locator('[data-field="volume"]')).to_have_text(re.compile(r"\d+\.\d mL"))
    screenshot(page, "worklist", full_page=True)
    row.get_by_role("button", name=re.compile("^Delete")).first.click()
    screenshot(page, "worklist-delete")
    row.get_by_role("button", name="Keep").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name=re.compile("^Delete")).first.click()
    row.get_by_role("button", name="Delete permanently").click()
    page.wait_for_url("**/")
    expect(row).to_have_count(0)


@pytest.fixture
def short_list(page: Page, demo_address: str) -> None:
    """A worklist of the demo case alone, whatever the tests before left on it."""
    demo = demo_address.rsplit("/", 1)[-1]
    while cases := [
        case["id"] for case in page.request.get("/api/cases").json()["cases"] if case["id"] != demo
    ]:
        for case in cases:
            assert page.request.delete(f"/api/cases/{case}").status == 204


@pytest.mark.slow
def test_rows_leave_with_the_page_that_they_were_on(page: Page, scans, paused_worker, short_list):
    queue(page, scans)
    page.goto("/")
    oldest = page.locator("tbody tr").first.get_attribute("data-case")
    for _ in range(20):
        queue(page, scans)
    rows = page.locator("tbody tr")
    expect(page.locator(f'tbody tr[data-case="{oldest}"]')).to_have_count(0)
    expect(rows).to_have_count(20)
    for case in (oldest, *(row.get_attribute("data-case") for row in rows.all())):
        assert page.request.delete(f"/api/cases/{case}").status == 204
    # What had moved to the next page comes back: here, the demo case.
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Synthetic demo case")


def test_a_session_that_has_ended_is_told(page: Page, scans, paused_worker, expected_errors):
    expected_errors.append("401 (Unauthorized)")
    queue(page, scans)
    page.goto("/")
    page.route("**/api/cases*", lambda route: route.fulfill(status=401, json={"error": {}}))
    expect(page.get_by_text("You are no longer signed in.")).to_be_visible()


def test_search_narrows_the_list(page: Page, demo_address):
    page.goto("/")
    page.fill("#q", "no such name")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No case is called")).to_be_visible()
    page.fill("#q", "synthetic")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr").first).to_contain_text("Synthetic demo case")


@pytest.mark.parametrize("path", ["/", "/about", "case", "/cases/none"])
def test_pages_carry_the_disclaimer_and_do_not_shift(
    page: Page, demo_address, path, expected_errors, screenshot
):
    expected_errors.append("404")
    page.goto(demo_address if path == "case" else path)
    page.wait_for_load_state("networkidle")
    expect(page.locator("footer")).to_have_text("Research use only. Not a medical device.")
    assert page.evaluate(NO_SHIFT) < 0.001
    screenshot(page, f"page-{path.strip('/').replace('/', '-') or 'start'}", full_page=True)


def test_keyboard_reaches_content_and_controls(page: Page):
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Open the synthetic demo case")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#pick-files")).to_be_focused()


def test_two_cases_are_ticked_and_compared(
    page: Page, scans, short_list, screenshot, expected_errors
):
    # Heads of two sizes, which do not fit on each other.
    expected_errors.append("422")
    queue(page, scans)
    page.goto("/")
    first = page.locator("tbody tr").first
    expect(first).to_have_attribute("data-state", "done")
    expect(first.locator("img")).to_be_visible()
    button = page.get_by_role("button", name=re.compile("^Compare"))
    expect(button).to_be_disabled()
    first.get_by_role("checkbox").check()
    expect(button).to_have_text("Compare with one more")
    demo = page.locator("tbody tr", has_text="Synthetic demo case").first
    demo.get_by_role("checkbox").check()
    expect(button).to_be_enabled()
    screenshot(page, "worklist-compare", full_page=True)
    button.click()
    page.wait_for_url(re.compile("/compare"))
    page.locator("#compare[data-shown], #register [role=alert]").wait_for()
    assert violations(page) == []
    sides = page.locator(".compare-cases div")
    # The demo case was uploaded before.
    expect(sides.first).to_contain_text("Synthetic demo case")
    for picture in page.locator("main image").all():
        assert page.request.get(picture.get_attribute("href")).ok
    row = page.locator("tr", has_text="Whole tumour")
    expect(row.locator("td").nth(2)).to_have_text(re.compile(r"^[+−]\d+\.\d$"))
    screenshot(page, "compare", full_page=True)
    page.get_by_role("link", name="Swap").click()
    expect(sides.nth(1)).to_contain_text("Synthetic demo case")


def test_comparison_fits_a_telephone_and_needs_no_script(plain_page: Page, short_list, scans):
    page = plain_page
    page.set_viewport_size({"width": 390, "height": 844})
    upload_plainly(page, scans, "Plain comparison")
    page.locator("#viewer").wait_for()
    page.goto("/")
    for name in ("Plain comparison", "Synthetic demo case"):
        page.locator("tbody tr", has_text=name).first.get_by_role("checkbox").check()
    page.get_by_role("button", name="Compare two cases").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Comparison")
    assert page.locator("html").evaluate("html => html.scrollWidth") <= 390
