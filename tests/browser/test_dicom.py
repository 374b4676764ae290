"""A DICOM study in the browser: dropped as a folder or a zip, its series checked and changed, segmented."""

import shutil

import pytest
from playwright.sync_api import Page, expect

from model.io.modalities import MODALITIES
from model.phantom import make_case
from tests.browser.axe import violations
from tests.browser.conftest import SMALL
from tests.browser.test_upload import CASE_PAGE, REFUSED
from tests.support.dicom_study import Patient, scanned, write_study

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dicom") / "DOE_JANE"
    write_study(folder, scanned(make_case(seed=1, shape=SMALL)[0], "siemens"))
    return folder


def select_of(page: Page, modality: str):
    """The choice that stands at a sequence, of the series that is used for it."""
    return page.locator(f"tr.used select:has(option[value={modality}]:checked)")


def test_a_study_is_checked_changed_and_segmented(page: Page, study, screenshot):
    page.goto("/")
    page.set_input_files("#pick-folder", str(study))
    expect(page.locator('[data-part="status"]')).to_contain_text("DICOM study")
    page.get_by_role("button", name="Upload", exact=True).click()
    page.wait_for_url(CASE_PAGE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Check the series")
    expect(page.locator("tr.used")).to_have_count(len(MODALITIES))
    expect(page.locator(".series tbody tr").first).to_contain_text("FLAIR")
    screenshot(page, "series")
    assert violations(page) == []
    # A sequence that another series gets is taken from the one that had it.
    other = page.locator("tr.left-out select").first
    other.select_option("t1")
    expect(page.locator("tr.used")).to_have_count(len(MODALITIES))
    other.select_option("")
    expect(page.locator('[data-part="status"]')).to_contain_text("T1 missing. One sequence may")
    select_of(page, "t2").select_option("")
    expect(page.get_by_role("button", name="Segment", exact=True)).to_be_disabled()
    page.reload()
    page.get_by_role("button", name="Segment", exact=True).click()
    page.locator("#viewer").wait_for()
    expect(page.locator(".case-title")).to_contain_text("Doe, Jane")
    page.get_by_role("link", name="Series of the study").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Series of the study")
    expect(page.locator(".series select")).to_have_count(0)


def test_a_zipped_study_is_recognised_and_not_named_after_its_file(page: Page, study, tmp_path):
    packed = shutil.make_archive(str(tmp_path / "DOE_JANE"), "zip", study)
    page.goto("/")
    page.set_input_files("#pick-files", packed)
    expect(page.locator('[data-part="status"]')).to_contain_text("DICOM study, DOE_JANE.zip")
    page.get_by_role("button", name="Upload", exact=True).click()
    page.wait_for_url(CASE_PAGE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Check the series")
    assert "DOE" not in page.title()


def test_files_of_two_patients_are_refused(page: Page, study, tmp_path, expected_errors):
    expected_errors.append(REFUSED)
    both = tmp_path / "both"
    shutil.copytree(study, both / "one")
    few = scanned(make_case(seed=1, shape=SMALL)[0], "ge")[:1]
    write_study(both / "two", few, Patient("Roe^Richard", "X-1"))
    page.goto("/")
    page.set_input_files("#pick-folder", str(both))
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("dicom_two_patients")


def test_without_scripts_the_form_does_the_same(plain_page: Page, study, expected_errors):
    expected_errors.append(REFUSED)
    page = plain_page
    page.goto("/")
    page.set_input_files("#pick-files", [str(path) for path in sorted(study.iterdir())])
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check the series")
    select_of(page, "t1").select_option("t2")
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("duplicate_modality")
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("h1")).not_to_have_text("Check the series")
