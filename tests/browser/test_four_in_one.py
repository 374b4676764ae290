"""A 4-D file with all four sequences in the browser: its volumes are compared, told apart and segmented."""

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from model.io.modalities import MODALITIES
from model.phantom import make_case
from tests.browser.axe import violations
from tests.browser.conftest import SMALL
from tests.browser.test_upload import CASE_PAGE

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_the_volumes_of_one_file_are_told_apart(page: Page, tmp_path, screenshot, ending):
    case, _ = make_case(seed=1, shape=SMALL)
    image = nib.Nifti1Image(np.rint(case.data).astype(np.int16), case.affine)
    path = tmp_path / f"BRATS_001{ending}"
    image.to_filename(path)
    page.goto("/")
    page.set_input_files("#pick-files", str(path))
    expect(page.locator('[data-part="status"]')).to_contain_text("Four volumes in one file")
    page.get_by_role("button", name="Upload", exact=True).click()
    page.wait_for_url(CASE_PAGE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Volumes of the file")
    expect(page.locator("tr.used")).to_have_count(len(MODALITIES))
    expect(page.locator(".series-picture img")).to_have_count(len(MODALITIES))
    screenshot(page, "volumes")
    assert violations(page) == []
    page.get_by_role("button", name="Segment", exact=True).click()
    page.locator("#viewer").wait_for()
