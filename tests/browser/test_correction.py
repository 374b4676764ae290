"""Drawing on the mask in the 3-D viewer, with scans whose axes are stored in an unusual order."""

import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.web.volume_viewer import LIBRARY
from model.io.modalities import MODALITIES
from model.io.nifti import compress, encode
from model.phantom import make_case
from tests.browser.axe import violations
from tests.browser.conftest import SMALL, finish

pytestmark = pytest.mark.browser

TIMEOUT_MS = 120_000
ENHANCING = 4


def turned_scans() -> dict[str, bytes]:
    """A small patient stored by superior, posterior and left instead of by right, anterior, up.

    The header's other form lies elsewhere; NiiVue would go by that one, the server does not.
    """
    case, _ = make_case(5, shape=SMALL)
    wanted = nib.orientations.axcodes2ornt(("S", "P", "L"))
    turn = nib.orientations.ornt_transform(nib.io_orientation(case.affine), wanted)
    affine = case.affine @ nib.orientations.inv_ornt_aff(turn, case.shape)
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
def context(webgl_browser: Browser, server: str) -> Iterator[BrowserContext]:
    """Keeps the viewer's library from test to test."""
    context = webgl_browser.new_context(base_url=server, viewport={"width": 1200, "height": 800})
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


@pytest.fixture(scope="module")
def made() -> list[str]:
    """Ids of the cases made by these tests; the last one is in use."""
    return []


@pytest.fixture
def address(context: BrowserContext, app, server: str, made: list[str]) -> str:
    """Address of a small finished case. What the model marked is its current mask."""
    if not (Path(app.static_folder) / LIBRARY).is_file():
        pytest.skip("the 3-D viewer was not fetched")
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
def page(context: BrowserContext, address: str, expected_errors: list[str]) -> Iterator[Page]:
    page = context.new_page()
    errors = []
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{address}#3d&layout=axial")
    settle(page)
    yield page
    page.close()
    # Reading the picture back makes drivers note that this takes time; a test deletes its case.
    expected = ("GPU stall", "404 (NOT FOUND)", *expected_errors)
    assert [text for text in errors if not any(part in text for part in expected)] == []


def settle(page: Page) -> None:
    expect(page.locator(".panes")).to_have_attribute("data-busy", "false", timeout=TIMEOUT_MS)


def mask_of(page: Page, address: str, number: int) -> np.ndarray:
    found = page.request.get(f"{api(address)}/masks/{number}.nii.gz")
    return np.asarray(nib.Nifti1Image.from_bytes(gzip.decompress(found.body())).dataobj)


def expect_version(page: Page, number: int) -> None:
    expect(
        page.get_by_text(re.compile(rf"^Mask corrected by hand, version {number}\b"))
    ).to_be_visible()


def api(address: str) -> str:
    return address.replace("/cases/", "/api/cases/")


def stroke(page: Page, *, left: float = 0.4, right: float = 0.6, height: float = 0.3) -> None:
    """Draw a line across the picture, at fractions of it."""
    box = page.locator(".pane canvas").bounding_box()
    y = box["y"] + height * box["height"]
    page.mouse.move(box["x"] + left * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + right * box["width"], y, steps=8)
    page.mouse.up()


def test_the_mask_is_shown_where_the_scan_is(page: Page):
    """Whichever form of the header NiiVue would go by."""
    page.keyboard.press("l")
    settle(page)
    assert "No region" not in page.locator("[data-part=volume-reading]").inner_text()


@pytest.fixture
def tablet(webgl_browser: Browser, address: str):
    """The same page on a tablet, which has fingers for a mouse."""
    context = webgl_browser.new_context(viewport={"width": 1024, "height": 768}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"{address}#3d&layout=axial")
    settle(page)
    yield page
    context.close()


def swipe(page: Page) -> None:
    """Draw a line across the picture with a finger."""
    box = page.locator(".pane canvas").bounding_box()
    fingers = page.context.new_cdp_session(page)
    y = box["y"] + 0.3 * box["height"]
    for at in range(9):
        x = box["x"] + (0.4 + 0.2 * at / 8) * box["width"]
        kind = "touchMove" if at else "touchStart"
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def start(page: Page, pen: str = "Enhancing tumour") -> None:
    page.get_by_role("button", name="Correct").click()
    expect(page.get_by_role("group", name="Correct the mask")).to_be_visible()
    settle(page)
    page.get_by_role("radio", name=pen).check(force=True)


@pytest.mark.slow
def test_strokes_become_a_version_and_everything_follows(page: Page, address, version, screenshot):
    save = page.get_by_role("button", name="Save as new version")
    start(page)
    expect(save).to_be_disabled()
    assert violations(page) == []
    stroke(page)
    expect(page.get_by_text("1 stroke, not saved")).to_be_visible()
    screenshot(page, "case-correcting")
    volume = page.locator(".regions tr", has_text="Enhancing tumour").locator("[data-part=volume]")
    before = float(volume.inner_text())
    save.click()
    expect_version(page, version + 1)
    settle(page)
    model, corrected = mask_of(page, address, version), mask_of(page, address, version + 1)
    added = corrected != model
    # Nothing but the stroke has changed, and it lies in one axial slice: the first stored axis.
    assert set(np.unique(corrected[added])) == {ENHANCING}
    assert 40 < np.count_nonzero(added) < 400
    assert len(np.unique(np.nonzero(added)[0])) == 1
    measured = page.request.get(api(address)).json()["measurements"]["volumes_ml"]["enhancing"]
    assert measured == pytest.approx(np.count_nonzero(corrected == ENHANCING) / 1000)
    assert float(volume.inner_text()) == pytest.approx(measured, abs=0.051)
    assert float(volume.inner_text()) != before
    page.keyboard.press("v")
    expect(page.locator(".plane-axial img")).to_have_attribute(
        "src", re.compile(f"mask={version + 1}$")
    )
    page.get_by_role("button", name=f"Go back to version {version}", exact=True).click()
    expect(page.get_by_text("Mask corrected by hand")).to_be_hidden()
    assert page.request.get(api(address)).json()["mask"]["made_from"] == version


@pytest.mark.slow
def test_a_finger_draws_as_the_mouse_does(tablet: Page, address, version, screenshot):
    start(tablet)
    swipe(tablet)
    expect(tablet.get_by_text("1 stroke, not saved")).to_be_visible()
    screenshot(tablet, "case-correcting-tablet")
    tablet.get_by_role("button", name="Save as new version").click()
    expect_version(tablet, version + 1)
    model, corrected = mask_of(tablet, address, version), mask_of(tablet, address, version + 1)
    added = corrected != model
    assert set(np.unique(corrected[added])) == {ENHANCING}
    assert np.count_nonzero(added) > 30
    # One slice, and few rows: a line, not a dot.
    assert len(np.unique(np.nonzero(added)[0])) == 1
    assert len(np.unique(np.nonzero(added)[1])) <= 4


@pytest.mark.slow
def test_undo_takes_strokes_back_one_by_one(page: Page, address, version):
    undo = page.get_by_role("button", name="Undo")
    start(page, "Peritumoral edema")
    expect(undo).to_be_disabled()
    stroke(page, height=0.2)
    stroke(page, height=0.25)
    undo.click()
    expect(page.get_by_text("1 stroke, not saved")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.get_by_text("Nothing drawn yet")).to_be_visible()
    expect(undo).to_be_disabled()
    stroke(page, height=0.3)
    page.get_by_role("button", name="Save as new version").click()
    expect_version(page, version + 1)
    added = mask_of(page, address, version + 1) != mask_of(page, address, version)
    # The strokes that were taken back lay in other rows; the second stored axis counts rows.
    assert len(np.unique(np.nonzero(added)[1])) <= 4


@pytest.mark.slow
def test_eraser_wipes_what_the_model_marked(page: Page, address, version):
    page.keyboard.press("l")
    start(page, "Erase")
    page.get_by_role("combobox", name="Width").select_option("15")
    for height in (0.2, 0.35, 0.5, 0.65, 0.8):
        stroke(page, left=0.3, right=0.7, height=height)
    page.get_by_role("button", name="Save as new version").click()
    expect_version(page, version + 1)
    model, corrected = mask_of(page, address, version), mask_of(page, address, version + 1)
    gone = model != corrected
    assert np.count_nonzero(gone) > 20
    assert not corrected[gone].any()


@pytest.mark.slow
def test_circled_part_is_filled(page: Page, address, version):
    start(page, "Necrotic")
    page.get_by_role("checkbox", name="Fill what is circled").check()
    box = page.locator(".pane canvas").bounding_box()
    corners = ((0.4, 0.2), (0.6, 0.2), (0.6, 0.4), (0.4, 0.4), (0.4, 0.22))
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()
    expect(page.get_by_text("1 stroke, not saved")).to_be_visible()
    page.get_by_role("button", name="Save as new version").click()
    expect_version(page, version + 1)
    added = mask_of(page, address, version + 1) != mask_of(page, address, version)
    assert np.count_nonzero(added) > 250


@pytest.mark.slow
def test_another_sequence_and_hidden_regions_keep_the_drawing(page: Page, address, version):
    start(page)
    stroke(page)
    page.keyboard.press("4")
    settle(page)
    page.keyboard.press("h")
    settle(page)
    stroke(page, height=0.6)
    expect(page.get_by_text("2 strokes, not saved")).to_be_visible()
    page.get_by_role("button", name="Save as new version").click()
    expect_version(page, version + 1)
    model, corrected = mask_of(page, address, version), mask_of(page, address, version + 1)
    added = corrected != model
    assert len(np.unique(np.nonzero(added)[1])) > 4
    assert set(np.unique(corrected[added])) == {ENHANCING}


def test_nothing_drawn_is_lost_without_a_question(page: Page, address, version):
    start(page)
    stroke(page)
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.get_by_role("button", name="Correct").click()
    assert asked == ["Discard what you have drawn?"]
    expect(page.get_by_text("1 stroke, not saved")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.keyboard.press("v")
    expect(page.locator("[data-part=volume-viewer]")).to_be_hidden()
    assert page.request.get(f"{api(address)}/masks").json()["current"] == version


@pytest.mark.slow
def test_the_reading_tells_of_the_drawing(page: Page):
    reading = page.locator("[data-part=volume-reading]")
    start(page)
    stroke(page)
    expect(reading).to_contain_text("Enhancing tumour")
    page.get_by_role("button", name="Undo").click()
    expect(reading).not_to_contain_text("Enhancing tumour")


@pytest.mark.slow
def test_the_rendering_shows_the_brain_while_drawing(page: Page):
    """And not the drawing's table of colours on everything that is bright."""
    page.goto(page.url.split("#")[0] + "#3d&layout=render")
    page.reload()
    settle(page)
    before = colours(page)
    page.get_by_role("button", name="Correct").click()
    settle(page)
    page.get_by_role("radio", name="3-D", exact=True).check(force=True)
    settle(page)
    assert abs(colours(page) - before) < 0.1


def colours(page: Page) -> float:
    """The share of what is drawn that has a colour: what is no region is grey."""
    content = page.locator(".pane canvas").screenshot()
    picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    drawn = picture.max(2) > 40
    return float((np.ptp(picture, 2) > 40)[drawn].mean())


@pytest.mark.slow
def test_nothing_is_drawn_while_it_is_saved(page: Page, address, version, expected_errors):
    """And the page is not left by a key; what could not be sent is still there."""
    expected_errors.append("net::ERR_FAILED")
    start(page)
    stroke(page)
    held = []
    page.route("**/masks", lambda route: held.append(route))
    page.get_by_role("button", name="Save as new version").click()
    expect(page.get_by_text("Saving …")).to_be_visible()
    stroke(page, height=0.6)
    page.keyboard.press("z")
    page.keyboard.press("v")
    expect(page.get_by_text("Saving …")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    held.pop().abort()
    expect(page.get_by_role("alert")).to_contain_text("The server could not be reached.")
    expect(page.get_by_text("1 stroke, not saved")).to_be_visible()
    page.unroute("**/masks")
    stroke(page, height=0.6)
    expect(page.get_by_text("2 strokes, not saved")).to_be_visible()
    page.get_by_role("button", name="Save as new version").click()
    expect_version(page, version + 1)


@pytest.mark.slow
def test_a_version_of_somebody_else_is_told_of(page: Page, address, version):
    start(page)
    stroke(page)
    other = page.request.get(f"{api(address)}/masks/0.nii.gz").body()
    values = nib.Nifti1Image.from_bytes(gzip.decompress(other))
    content = compress(encode(np.asarray(values.dataobj) * 0, values.header))
    file = {"name": "mask.nii.gz", "mimeType": "application/gzip", "buffer": content}
    assert page.request.post(f"{api(address)}/masks", multipart={"mask": file}).status == 201
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    save = page.get_by_role("button", name="Save as new version")
    save.click()
    expect(page.get_by_text("1 stroke, not saved")).to_be_visible()
    assert [f"Version {version + 1} has been saved" in text for text in asked] == [True]
    page.once("dialog", lambda dialog: dialog.accept())
    save.click()
    expect_version(page, version + 2)


@pytest.mark.slow
def test_a_refused_save_keeps_the_drawing(page: Page, address):
    start(page)
    stroke(page)
    gone = page.request.delete(api(address))
    assert gone.status == 204
    page.get_by_role("button", name="Save as new version").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no such case.")
    expect(page.get_by_text("1 stroke, not saved")).to_be_visible()
