"""The walk of a radiologist: two examinations of one patient, from upload to the report, counted in clicks."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import drag, settle

pytestmark = pytest.mark.browser

# As docs/reading.md counts them; more would be a step back.
CLICKS = 12
DAYS = ("20240110", "20240402")
COUNT = 'addEventListener("pointerdown", () => window.countClick(), true)'


@pytest.fixture
def clicks(page: Page) -> list[str]:
    """What was clicked: each press of a button of the mouse, on whatever page."""
    found: list[str] = []
    page.expose_binding("countClick", lambda source: found.append(source["page"].url))
    page.add_init_script(COUNT)
    return found


def test_from_upload_to_the_signed_off_report(
    page: Page, clicks, tmp_path, write_patient, screenshot
):
    names = [f"sub-0815_ses-{day}" for day in DAYS]
    for seed, name in zip((4, 5), names, strict=True):
        write_patient(tmp_path / name, name, seed=seed)
    # Both are found in one folder, and belong together by their names.
    page.goto("/")
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose a folder", exact=True).click()
    chooser.value.set_files(str(tmp_path))
    page.get_by_role("button", name="Segment 2 patients").click()
    current = page.locator("#worklist tbody tr", has_text=names[1])
    for name in names:
        row = page.locator("#worklist tbody tr", has_text=name)
        expect(row).to_have_attribute("data-state", "done", timeout=60_000)
    current.get_by_role("link", name=names[1]).click()
    settle(page)
    # The prior beside the current case.
    page.locator(".workbar label", has_text="Prior").click()
    settle(page)
    dates = page.locator("[data-part=pane-who]").all_text_contents()
    assert "2024-01-10" in dates[0] and "2024-04-02" in dates[1]
    # One measurement on the current one.
    page.locator(".workbar label", has_text="Ruler").click()
    box = page.locator('.pane[data-time="now"] canvas').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    drag(page, (x, y), (x + 60, y + 10))
    expect(page.locator("[data-part=annotations-state]")).to_have_text("Saved with the case.")
    screenshot(page, "walk-measured")
    # The report, and its file.
    page.get_by_role("link", name="Report to read or print").click()
    expect(page.locator("main.sheet")).to_contain_text(names[1])
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF")
    # Back over the case to the worklist, where it is marked as read.
    page.get_by_role("link", name="Back to the case").click()
    page.get_by_role("link", name="Worklist").first.click()
    status = current.get_by_label(re.compile("^Reading of"))
    status.click()
    page.keyboard.press("Escape")
    # The list of a select is no part of the page, so that its click is counted here.
    clicks.append("an item of the list")
    status.select_option("read")
    expect(current).to_have_attribute("data-status", "read")
    page.reload()
    expect(current).to_have_attribute("data-status", "read")
    assert len(clicks) == CLICKS, clicks
