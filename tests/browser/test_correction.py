"""Drawing on the mask, with scans whose axes are stored in an unusual order, in a browser without WebGL."""

import gzip
import re
from collections.abc import Iterator

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from model.io.modalities import MODALITIES
from model.io.nifti import compress, encode
from model.phantom import make_case
from tests.browser.axe import violations
from tests.browser.conftest import SMALL, finish
from tests.browser.stage import drag, index, open_case, place, settle

pytestmark = pytest.mark.browser

ENHANCING, EDEMA, CORE = 4, 2, 1
# How many drawings of a case that were not saved the browser's database has.
DRAFTS = """async (id) => {
  if (!(await indexedDB.databases()).some(({ name }) => name === "corrections")) return 0;
  const answer = (asked) => new Promise((resolve) => { asked.onsuccess = () => resolve(asked.result); });
  const database = await answer(indexedDB.open("corrections"));
  const count = await answer(database.transaction("drafts").objectStore("drafts").count(id));
  database.close();
  return count;
}"""


def turned_scans() -> dict[str, bytes]:
    """A small patient stored by superior, posterior and left instead of by right, anterior, up."""
    case, _ = make_case(5, shape=SMALL)
    wanted = nib.orientations.axcodes2ornt(("S", "P", "L"))
    turn = nib.orientations.ornt_transform(nib.io_orientation(case.affine), wanted)
    affine = case.affine @ nib.orientations.inv_ornt_aff(turn, case.shape)
    # The header's other form lies elsewhere; the one that the server uses counts.
    elsewhere = nib.affines.from_matvec(np.eye(3), (40, -30, 20)) @ affine
    placing, scans = nib.Nifti1Header(), {}
    placing.set_data_shape(case.shape)
    placing.set_qform(elsewhere, code=4)
    placing.set_sform(affine, code=1)
    for channel, modality in enumerate(MODALITIES):
        stored = np.rint(case.data[..., channel]).astype(np.int16)
        scans[modality] = compress(encode(nib.apply_orientation(stored, turn), placing))
    return scans


@pytest.fixture(scope="module")
def made() -> list[str]:
    """Ids of the cases made by these tests; the last one is in use."""
    return []


@pytest.fixture
def address(context: BrowserContext, server: str, made: list[str]) -> str:
    """Address of a small finished case. What the model marked is its current mask."""
    # One test deletes it.
    if not made or not context.request.get(f"/api/cases/{made[-1]}").ok:
        made.append(finish(context.request, turned_scans()))
    answer = context.request.post(f"/api/cases/{made[-1]}/masks/0/restore")
    assert answer.ok or answer.json()["error"]["code"] == "mask_unchanged"
    return f"{server}/cases/{made[-1]}"


@pytest.fixture
def version(context: BrowserContext, address: str) -> int:
    """Number of the version of the mask with which a test begins."""
    return context.request.get(f"{api(address)}/masks").json()["current"]


@pytest.fixture
def opened(page: Page, address: str, version: int) -> Iterator[Page]:
    """The page with one large axial pane, correcting with the pen of the enhancing tumour."""
    open_case(page, f"{address}?layout=one")
    start(page)
    yield page
    # What a test has not saved is not to come back in the next.
    page.evaluate("() => indexedDB.deleteDatabase('corrections')")


def api(address: str) -> str:
    return address.replace("/cases/", "/api/cases/")


def mask_of(page: Page, address: str, number: int) -> np.ndarray:
    found = page.request.get(f"{api(address)}/masks/{number}.nii.gz")
    return np.asarray(nib.Nifti1Image.from_bytes(gzip.decompress(found.body())).dataobj)


def start(page: Page, pen: str = "Enhancing tumour") -> None:
    page.get_by_role("button", name="Correct", exact=True).click()
    expect(page.get_by_role("group", name="Correct the mask")).to_be_visible()
    page.get_by_role("radio", name=pen).check(force=True)
    settle(page)


def stroke(page: Page, *, left: float = 0.42, right: float = 0.58, height: float = 0.3) -> None:
    """Draw a line across the picture, at fractions of it."""
    drag(page, place(page, "axial", left, height), place(page, "axial", right, height), steps=8)


def save(page: Page, version: int) -> None:
    page.get_by_role("button", name="Save as new version").last.click()
    corrected = re.compile(rf"^Mask corrected by hand, version {version}\b")
    expect(page.get_by_text(corrected)).to_be_visible()
    settle(page)


def changes(page: Page, count: int) -> None:
    wanted = "Nothing drawn yet" if not count else f"{count} change{'s'[: count != 1]}, not saved"
    expect(page.locator("[data-part=strokes]")).to_have_text(wanted)


def live_ml(page: Page, region: str) -> float:
    return float(page.locator(f'[data-volume="{region}"]').inner_text())


def test_strokes_become_a_version_and_everything_follows(opened, address, version, screenshot):
    page = opened
    assert violations(page) == []
    before = live_ml(page, "enhancing")
    stroke(page)
    changes(page, 1)
    assert live_ml(page, "enhancing") > before
    live = live_ml(page, "enhancing")
    screenshot(page, "case-correcting")
    save(page, version + 1)
    model, corrected = mask_of(page, address, version), mask_of(page, address, version + 1)
    added = corrected != model
    # Nothing but the stroke has changed, and it lies in one axial slice: the first stored axis.
    assert set(np.unique(corrected[added])) == {ENHANCING}
    assert 20 < np.count_nonzero(added) < 400
    assert len(np.unique(np.nonzero(added)[0])) == 1
    assert len(np.unique(np.nonzero(added)[1])) <= 4
    measured = page.request.get(api(address)).json()["measurements"]["volumes_ml"]["enhancing"]
    assert measured == pytest.approx(np.count_nonzero(corrected == ENHANCING) / 1000)
    assert live == pytest.approx(measured, abs=0.051)


def test_undo_and_redo(opened, address, version):
    page = opened
    stroke(page, height=0.2)
    once = live_ml(page, "enhancing")
    stroke(page, height=0.25)
    page.get_by_role("button", name="Undo").click()
    assert live_ml(page, "enhancing") == once
    page.keyboard.press("Control+z")
    changes(page, 0)
    page.get_by_role("button", name="Redo").click()
    page.keyboard.press("y")
    changes(page, 2)
    page.keyboard.press("z")
    stroke(page, height=0.3)
    expect(page.get_by_role("button", name="Redo")).to_be_disabled()
    save(page, version + 1)
    added = mask_of(page, address, version + 1) != mask_of(page, address, version)
    assert len(np.unique(np.nonzero(added)[1])) > 4


def is_kept(page: Page) -> None:
    """Wait until the browser has written down what was drawn, a quarter of a second after the last stroke."""
    case_id = re.search(r"/cases/(\w+)", page.url)[1]
    for _ in range(100):
        if page.evaluate(DRAFTS, case_id):
            return
        page.wait_for_timeout(100)
    raise AssertionError("nothing was written down")


def test_a_reload_in_the_middle_loses_nothing(opened, address, version):
    page = opened
    stroke(page)
    volume = live_ml(page, "enhancing")
    changes(page, 1)
    is_kept(page)
    page.reload()
    settle(page)
    expect(page.get_by_text("What you had drawn and not saved is here again.")).to_be_visible()
    changes(page, 1)
    assert live_ml(page, "enhancing") == volume
    save(page, version + 1)
    assert (mask_of(page, address, version + 1) != mask_of(page, address, version)).any()
    page.reload()
    settle(page)
    expect(page.get_by_role("group", name="Correct the mask")).to_be_hidden()


def test_eraser_and_locked_regions(opened, address, version):
    page = opened
    page.keyboard.press("l")
    page.keyboard.press("0")
    page.get_by_role("checkbox", name="Lock Peritumoral edema").check()
    page.locator('[name="size"]').fill("15")
    for height in (0.2, 0.35, 0.5, 0.65, 0.8):
        stroke(page, left=0.2, right=0.8, height=height)
    save(page, version + 1)
    model, corrected = mask_of(page, address, version), mask_of(page, address, version + 1)
    gone = model != corrected
    assert np.count_nonzero(gone) > 10
    assert not corrected[gone].any()
    assert not (model[gone] == EDEMA).any()


def test_circled_part_is_filled(opened, address, version):
    page = opened
    page.keyboard.press("c")
    page.keyboard.press("/")
    corners = ((0.45, 0.2), (0.55, 0.2), (0.55, 0.35), (0.45, 0.35), (0.45, 0.22))
    points = [place(page, "axial", *corner) for corner in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()
    changes(page, 1)
    save(page, version + 1)
    corrected = mask_of(page, address, version + 1)
    added = corrected != mask_of(page, address, version)
    assert np.count_nonzero(added) > 100
    assert set(np.unique(corrected[added])) == {CORE}


def test_the_brush_in_3d_and_limited_by_intensity(opened, address, version):
    page = opened
    page.keyboard.press("j")
    page.locator('[name="size"]').fill("9")
    page.mouse.click(*place(page, "axial", 0.5, 0.3))
    changes(page, 1)
    page.keyboard.press("t")
    page.locator('[name="from"]').fill("100000")
    page.locator('[name="to"]').fill("200000")
    page.mouse.click(*place(page, "axial", 0.5, 0.6))
    changes(page, 1)
    save(page, version + 1)
    added = mask_of(page, address, version + 1) != mask_of(page, address, version)
    # A ball reaches into as many slices as it is wide.
    assert len(np.unique(np.nonzero(added)[0])) > 5


def test_slices_between_are_interpolated(opened, address, version):
    page = opened
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")
    settle(page)
    page.locator('[name="size"]').fill("9")
    first = index(page, "axial")
    page.mouse.click(*place(page, "axial", 0.5, 0.5))
    for _ in range(6):
        page.keyboard.press("ArrowUp")
    settle(page)
    page.mouse.click(*place(page, "axial", 0.5, 0.5))
    changes(page, 2)
    page.keyboard.press("i")
    changes(page, 3)
    save(page, version + 1)
    added = mask_of(page, address, version + 1) != mask_of(page, address, version)
    slices = np.unique(np.nonzero(added)[0])
    assert index(page, "axial") == first + 6
    assert len(slices) == 7 and np.ptp(slices) == 6


def test_islands_are_removed_and_a_region_is_smoothed(opened, address, version):
    page = opened
    page.locator('[name="size"]').fill("1")
    page.mouse.click(*place(page, "axial", 0.5, 0.15))
    changes(page, 1)
    page.keyboard.press("q")
    changes(page, 2)
    page.keyboard.press("m")
    changes(page, 3)
    save(page, version + 1)
    assert (mask_of(page, address, version + 1) != mask_of(page, address, version)).any()


def test_discarding_asks(opened):
    page = opened
    stroke(page)
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.get_by_role("button", name="Discard").click()
    assert asked == ["Discard what you have drawn?"]
    changes(page, 1)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Discard").click()
    changes(page, 0)
    page.wait_for_timeout(500)
    page.reload()
    settle(page)
    expect(page.get_by_role("group", name="Correct the mask")).to_be_hidden()


def test_nothing_is_drawn_while_it_is_saved(opened, address, version, expected_errors):
    """What could not be sent is still there."""
    page = opened
    expected_errors.append("net::ERR_FAILED")
    stroke(page)
    held = []
    page.route("**/masks", lambda route: held.append(route))
    page.get_by_role("button", name="Save as new version").last.click()
    expect(page.get_by_text("Saving …")).to_be_visible()
    stroke(page, height=0.6)
    page.keyboard.press("z")
    page.keyboard.press("b")
    expect(page.get_by_text("Saving …")).to_be_visible()
    held.pop().abort()
    expect(page.get_by_role("alert")).to_contain_text("The server could not be reached.")
    changes(page, 1)
    page.unroute("**/masks")
    save(page, version + 1)


def test_a_version_of_somebody_else_is_told_of(opened, address, version):
    page = opened
    stroke(page)
    other = page.request.get(f"{api(address)}/masks/0.nii.gz").body()
    values = nib.Nifti1Image.from_bytes(gzip.decompress(other))
    content = compress(encode(np.asarray(values.dataobj) * 0, values.header))
    file = {"name": "mask.nii.gz", "mimeType": "application/gzip", "buffer": content}
    assert page.request.post(f"{api(address)}/masks", multipart={"mask": file}).status == 201
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.get_by_role("button", name="Save as new version").last.click()
    changes(page, 1)
    assert [f"Version {version + 1} has been saved" in text for text in asked] == [True]
    page.once("dialog", lambda dialog: dialog.accept())
    save(page, version + 2)


def test_a_refused_save_keeps_the_drawing(opened, address, expected_errors):
    page = opened
    expected_errors.append("404")
    stroke(page)
    assert page.request.delete(api(address)).status == 204
    page.get_by_role("button", name="Save as new version").last.click()
    expect(page.get_by_role("alert")).to_contain_text("There is no such case.")
    changes(page, 1)
