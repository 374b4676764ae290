"""A patient over time: two examinations registered, scrolled together, and the course."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from model.io.modalities import MODALITIES
from model.io.nifti import compress, encode
from model.phantom import make_case
from tests.browser.axe import violations
from tests.browser.conftest import SMALL, finish

pytestmark = pytest.mark.browser

# The second examination lies elsewhere in the scanner.
SHIFT_MM = (6.0, -4.0, 3.0)
DAYS = ("2024-01-10", "2024-04-02")


@pytest.fixture(scope="module")
def pair(context) -> tuple[str, str]:
    """Ids of two examinations of one head, put together by hand and registered."""
    case, _ = make_case(4, shape=SMALL)
    moved = case.affine.copy()
    moved[:3, 3] += SHIFT_MM
    ids = []
    for affine in (case.affine, moved):
        volumes = np.rint(np.moveaxis(case.data, -1, 0)).astype(np.int16)
        files = [compress(encode(volume, affine)) for volume in volumes]
        ids.append(finish(context.request, dict(zip(MODALITIES, files, strict=True))))
    for case_id, day in zip(ids, DAYS, strict=True):
        context.request.patch(f"/api/cases/{case_id}/time-point", form={"study_date": day})
    return ids[0], ids[1]


@pytest.fixture
def comparison(page: Page, pair) -> Page:
    """The page with both, once they are registered."""
    page.goto(f"/compare?first={pair[0]}&second={pair[1]}")
    page.locator("#compare[data-shown]").wait_for(timeout=120_000)
    return page


def shown(page: Page) -> int:
    return int(page.locator("#compare").get_attribute("data-shown"))


def expect_shown(page: Page, index: int) -> None:
    """Wait until all panes show a slice."""
    expect(page.locator("#compare")).to_have_attribute("data-shown", str(index))
    for image in page.locator("#compare image").all():
        assert f"/{index}.png" in image.get_attribute("href")


def point_at(page: Page, pane: str) -> None:
    box = page.locator(f"[data-pane={pane}] svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.mark.parametrize("pane", ["prior", "now", "change"])
def test_a_notch_is_one_slice_in_every_pane(comparison: Page, pane):
    start = shown(comparison)
    point_at(comparison, pane)
    # Towards the user: down through the body.
    comparison.mouse.wheel(0, 100)
    expect_shown(comparison, start - 1)
    comparison.mouse.wheel(0, -120)
    expect_shown(comparison, start)
    # Small turns of a trackpad add up.
    for _ in range(10):
        comparison.mouse.wheel(0, 5)
    expect_shown(comparison, start - 1)


def test_sequence_plane_region_and_keys(comparison: Page, screenshot):
    page = comparison
    start = shown(page)
    page.keyboard.press("ArrowUp")
    expect_shown(page, start + 1)
    page.get_by_role("radio", name="FLAIR").check(force=True)
    image = page.locator("[data-pane=prior] image")
    expect(image).to_have_attribute("href", re.compile("modality=flair"))
    page.get_by_role("radio", name="Coronal").check(force=True)
    expect(image).to_have_attribute("href", re.compile("/slices/coronal/"))
    page.get_by_label("Change of").select_option("enhancing")
    change = page.locator("[data-pane=change] image")
    expect(change).to_have_attribute("href", re.compile("/change/coronal/.*region=enhancing"))
    page.get_by_label("Outlines").uncheck()
    expect(image).to_have_attribute("href", re.compile("regions=&"))
    page.wait_for_url(re.compile("plane=coronal.*slice="))
    screenshot(page, "compare", full_page=True)
    # The address leads back to the same view.
    page.reload()
    expect(page.get_by_role("radio", name="Coronal")).to_be_checked()


def test_the_slider(comparison: Page):
    comparison.locator("[data-part=slider]").fill("12")
    expect_shown(comparison, 12)
    expect(comparison.locator("[data-part=position]")).to_have_text(re.compile(r"^13 / \d+$"))


def test_what_was_moved_is_found(comparison: Page, pair):
    found = comparison.request.get(f"/api/cases/{pair[1]}/priors/{pair[0]}").json()
    matrix = np.array(found["registered"]["matrix"])
    assert np.abs(matrix[:3, 3] + SHIFT_MM).max() < 1.0
    assert found["subtraction"]["regions"]["whole_tumor"]["gained_ml"] < 1.0


def test_without_scripts_a_button_registers_and_stills_are_shown(plain_page: Page, pair):
    first, second = pair
    # The other way round, which nobody has asked for yet.
    plain_page.goto(f"/compare?first={second}&second={first}")
    plain_page.get_by_role("button", name="Register the first to the second").click(timeout=120_000)
    expect(plain_page.locator("#compare image")).to_have_count(3)
    plain_page.get_by_role("radio", name="Sagittal").check(force=True)
    plain_page.locator("input[name=slice]").fill("21")
    plain_page.get_by_role("button", name="Show").click()
    expect(plain_page.locator("[data-pane=prior] image")).to_have_attribute(
        "href", re.compile("/sagittal/20.png")
    )
    plain_page.get_by_role("link", name="Next slice").click()
    expect(plain_page.locator("[data-pane=change] image")).to_have_attribute(
        "href", re.compile("/sagittal/21.png")
    )


def test_from_two_cases_to_the_course_in_a_click(comparison: Page, pair, screenshot):
    page = comparison
    page.get_by_role("button", name="These are of one patient").click()
    page.wait_for_url(re.compile("/patients/"))
    expect(page.locator(".timeline")).to_have_count(3)
    expect(page.locator(".series-table tbody tr")).to_have_count(2)
    expect(page.locator(".series-table tbody tr").first).to_contain_text(DAYS[0])
    assert violations(page) == []
    screenshot(page, "patient", full_page=True)
    page.get_by_text("Dates, baseline and cases").click()
    last = page.locator(".arrange").first.locator("li").last
    last.get_by_role("button", name="Baseline", exact=True).click()
    expect(page.locator(".series-table tbody tr").last).to_contain_text("Baseline")
    page.get_by_text("Dates, baseline and cases").click()
    page.locator(".arrange input[type=date]").last.fill("2023-12-01")
    page.locator(".arrange").first.locator("li").last.get_by_role("button", name="Set date").click()
    expect(page.locator(".series-table tbody tr").first).to_contain_text("2023-12-01")
    page.get_by_role("link", name=re.compile("With prior")).click()
    page.wait_for_url(re.compile("/compare"))


def test_pages_of_a_patient_fit_a_telephone(page: Page, pair, screenshot):
    key = page.request.get(f"/api/cases/{pair[0]}/time-point").json()["patient"]
    page.set_viewport_size({"width": 390, "height": 844})
    addresses = {
        "patients": "/patients",
        "patient": f"/patients/{key}",
        "patient-report": f"/patients/{key}/report",
        "compare": f"/compare?first={pair[0]}&second={pair[1]}",
    }
    for name, address in addresses.items():
        page.goto(address)
        page.wait_for_load_state("networkidle")
        width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert width <= 0, name
        screenshot(page, f"{name}-telephone", full_page=True)
        assert violations(page) == [], name
