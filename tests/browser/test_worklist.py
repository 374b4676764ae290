"""The worklist and the plain pages around it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

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
    # By its head the table is sorted, by a box and a button a case is marked, deleted and had back.
    page.get_by_role("link", name="Case", exact=True).click()
    expect(page.locator("th.case-name").first).to_have_attribute("aria-sort", "ascending")
    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Mark as To correct").click()
    expect(row).to_have_attribute("data-status", "to_correct")
    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row).to_be_visible()
    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)


def queue(page: Page, scans: dict[str, Path]) -> None:
    """Upload a case beside the page."""
    conftest.queue(page.request, {key: path.read_bytes() for key, path in scans.items()})


def test_worklist_follows_a_case_that_its_page_deletes_after_asking(page: Page, scans, screenshot):
    queue(page, scans)
    page.goto("/")
    row = page.locator("tbody tr").first
    case_id = row.get_attribute("data-case")
    row = page.locator(f'tbody tr[data-case="{case_id}"]')
    expect(row).to_have_attribute("data-state", "done")
    for key in ("whole_tumor", "enhancing", "core", "edema"):
        expect(row.locator(f'[data-field="{key}"]')).to_have_text(re.compile(r"^\d+\.\d$"))
    screenshot(page, "worklist", full_page=True)
    page.goto(f"/cases/{case_id}")
    page.get_by_role("button", name=re.compile("^Delete")).first.click()
    screenshot(page, "worklist-delete")
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("button", name=re.compile("^Delete")).first.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/")
    expect(row).to_have_count(0)
    expect(page.get_by_text(re.compile(r"deleted. For good in \d+ s"))).to_be_visible()


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
    page.goto("/?per_page=20")
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
    expect(page.get_by_text("No case fits")).to_be_visible()
    page.fill("#q", "synthetic")
    expect(page.locator("tbody tr").first).to_contain_text("Synthetic demo case")
    expect(page.locator("#q")).to_be_focused()
    # The address has what is shown: coming back, or sent to somebody, it shows the same.
    assert "q=synthetic" in page.url
    page.get_by_label("State", exact=True).select_option("failed")
    expect(page.get_by_text("No case fits")).to_be_visible()
    page.get_by_role("link", name="Show all cases").click()
    expect(page.locator("tbody tr", has_text="Synthetic demo case").first).to_be_visible()
    expect(page.locator("#q")).to_have_value("")


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
    expect(button).to_have_count(0)
    first.get_by_role("checkbox").check()
    expect(button).to_be_disabled()
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
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Comparison")
    assert page.locator("html").evaluate("html => html.scrollWidth") <= 390


@pytest.fixture
def two(page: Page, scans, paused_worker, short_list) -> list[str]:
    """Two waiting cases above the demo case; their ids, the newest first."""
    first, second = (conftest.queue(page.request, read(scans)) for _ in range(2))
    return [second, first]


def read(scans: dict[str, Path]) -> dict[str, bytes]:
    return {key: path.read_bytes() for key, path in scans.items()}


def row_of(page: Page, case_id: str) -> Locator:
    return page.locator(f'tbody tr[data-case="{case_id}"]')


def test_a_range_is_deleted_and_had_back(page: Page, two, screenshot):
    page.goto("/")
    boxes = page.locator("tbody").get_by_role("checkbox")
    boxes.nth(0).click()
    boxes.nth(1).click(modifiers=["Shift"])
    expect(page.get_by_text("2 cases chosen")).to_be_visible()
    screenshot(page, "worklist-chosen")
    page.get_by_role("button", name="Delete").click()
    # What another test deleted within the minute is offered, too.
    expect(page.get_by_text(re.compile("[2-9] cases are deleted."))).to_be_visible()
    screenshot(page, "worklist-undo")
    for case_id in two:
        expect(row_of(page, case_id)).to_have_count(0)
        assert page.request.get(f"/api/cases/{case_id}").status == 404
    # The offer outlives a reload, and counts down.
    page.reload()
    seconds = page.locator('[data-part="seconds"]')
    before = int(seconds.text_content())
    page.wait_for_function(
        "n => +document.querySelector('[data-part=seconds]').textContent < n", arg=before
    )
    page.get_by_role("button", name="Undo").click()
    for case_id in two:
        expect(row_of(page, case_id)).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_the_offer_to_undo_goes_when_its_time_is_over(page: Page, two):
    page.clock.install()
    page.goto("/")
    row_of(page, two[0]).get_by_role("checkbox").check()
    page.keyboard.press("Delete")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    page.clock.run_for(61_000)
    expect(undo).to_have_count(0)


def test_name_note_and_status_are_changed_in_place(page: Page, two, screenshot):
    page.goto("/")
    row = row_of(page, two[1])
    row.get_by_role("button", name=re.compile("^Name and note")).click()
    dialog = page.get_by_role("dialog", name="Name and note")
    screenshot(page, "worklist-edit")
    assert violations(page) == []
    dialog.get_by_label("Name").fill("Renamed <b>")
    dialog.get_by_label("Note").fill("Compare with March\nleft temporal")
    dialog.get_by_role("button", name="Save").click()
    expect(row.get_by_role("link", name="Renamed <b>")).to_be_visible()
    expect(row).to_contain_text("Compare with March")
    row.locator("select").focus()
    row.get_by_label("Reading of Renamed <b>").select_option("to_correct")
    expect(row).to_have_attribute("data-status", "to_correct")
    expect(row.locator("select")).to_be_focused()
    answer = page.request.get(f"/api/cases/{two[1]}").json()
    assert (answer["note"], answer["status"]) == ("Compare with March\nleft temporal", "to_correct")
    page.get_by_label("Reading", exact=True).select_option("to_correct")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_heads_of_columns_sort(page: Page, two):
    for case_id, name in zip(two, ("Zebra", "aardvark"), strict=True):
        page.request.patch(f"/api/cases/{case_id}", data={"name": name})
    page.goto("/")
    head = page.get_by_role("link", name="Case", exact=True)
    names = page.locator('tbody [data-field="name"]')
    head.click()
    expect(names).to_have_text(["aardvark", "Synthetic demo case", "Zebra"])
    head.click()
    expect(names).to_have_text(["Zebra", "Synthetic demo case", "aardvark"])
    expect(page.locator("th.case-name").first).to_have_attribute("aria-sort", "descending")
    # The demo case alone has volumes: what is not known comes last.
    page.get_by_role("link", name=re.compile("^Whole")).click()
    expect(names.first).to_have_text("Synthetic demo case")
    page.reload()
    expect(names.first).to_have_text("Synthetic demo case")


def test_rows_are_chosen_and_opened_by_keys(page: Page, two):
    page.goto("/")
    page.keyboard.press("j")
    link = row_of(page, two[0]).get_by_role("link")
    expect(link).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("ArrowDown")
    expect(row_of(page, two[1]).get_by_role("link")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_text("2 cases chosen")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("2 cases chosen")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    # A letter of a search is no key.
    page.keyboard.type("x")
    expect(page.get_by_text("chosen")).to_have_count(0)
    page.goto("/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(CASE_PAGE)


def test_chosen_cases_are_downloaded(page: Page, demo_address, short_list):
    page.goto("/")
    page.locator("tbody").get_by_role("checkbox").first.check()
    for button, name in (("Download", "results.zip"), ("CSV", "worklist.csv")):
        with page.expect_download() as begun:
            page.get_by_role("button", name=button, exact=True).click()
        assert begun.value.suggested_filename == name
    with page.expect_download() as begun:
        page.get_by_role("link", name="Export list as CSV").click()
    assert begun.value.suggested_filename == "worklist.csv"


def test_a_case_without_a_sequence_looks_different(page: Page, scans, paused_worker):
    given = {key: scan for key, scan in read(scans).items() if key != "t2"}
    case_id = conftest.queue(page.request, given)
    page.goto("/")
    expect(row_of(page, case_id).get_by_text("No T2")).to_be_visible()
    page.get_by_label("Only cases").select_option("incomplete")
    expect(row_of(page, case_id)).to_be_visible()
    expect(page.locator("tbody tr", has_text="All four")).to_have_count(0)


FILES_COME_NEAR = """(kind) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["x"], "a.nii"));
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true }));
}"""


def test_the_upload_is_a_bar_that_grows_when_files_come_near(page: Page, demo_address, screenshot):
    page.goto("/")
    panel = page.locator(".upload")
    slots = page.locator('[data-part="slots"]')
    low = panel.bounding_box()["height"]
    assert low < 80
    expect(slots).to_be_hidden()
    page.evaluate(FILES_COME_NEAR, "dragenter")
    page.wait_for_function(
        "low => document.querySelector('.upload').offsetHeight > 2 * low", arg=low
    )
    screenshot(page, "upload-near")
    page.evaluate(FILES_COME_NEAR, "dragleave")
    page.wait_for_function("low => document.querySelector('.upload').offsetHeight <= low", arg=low)
    toggle = page.get_by_role("button", name="One by one")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    toggle.click()
    expect(slots).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(slots).to_be_hidden()


def test_the_list_fits_a_telephone(page: Page, two):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    assert page.locator("html").evaluate("html => html.scrollWidth") <= 390
    row_of(page, two[0]).get_by_role("checkbox").check()
    expect(page.get_by_role("button", name="Delete")).to_be_in_viewport()
    page.get_by_label("Sort by").select_option("name")
    page.wait_for_url(re.compile("sort=name"))
    assert violations(page) == []
