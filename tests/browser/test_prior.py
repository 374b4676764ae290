"""The prior beside the current case: registered, scrolled together, at one window."""

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from model.io.modalities import MODALITIES
from model.io.nifti import compress, encode
from model.phantom import make_case
from tests.app.corrections import file_of, image_of
from tests.browser.axe import violations
from tests.browser.conftest import SMALL, finish
from tests.browser.stage import drag, open_case, pixels, settle

pytestmark = pytest.mark.browser

# The earlier examination lies elsewhere in the scanner, which gave it other numbers.
SHIFT_MM = (6.0, -4.0, 3.0)
BRIGHTER = 3
DAYS = ("2024-01-10", "2024-04-02")


@pytest.fixture(scope="module")
def pair(context) -> tuple[str, str]:
    """Ids of two examinations of one patient, the earlier without T2; the later has a cube of tumour more."""
    case, _ = make_case(4, shape=SMALL)
    moved = case.affine.copy()
    moved[:3, 3] += SHIFT_MM
    volumes = np.rint(np.moveaxis(case.data, -1, 0)).astype(np.int16)
    request, ids = context.request, []
    for affine, factor, given in ((moved, BRIGHTER, MODALITIES[:3]), (case.affine, 1, MODALITIES)):
        files = {
            modality: compress(encode(factor * volume, affine))
            for modality, volume in zip(MODALITIES, volumes, strict=True)
            if modality in given
        }
        ids.append(finish(request, files))
    mask = image_of(request.get(f"/api/cases/{ids[1]}/segmentation.nii.gz").body())
    values = np.asarray(mask.dataobj).astype(np.uint8)
    values[30:40, 60:70, 30:40] = 4
    buffer, name = file_of(values, mask.affine)
    part = {"name": name, "mimeType": "application/gzip", "buffer": buffer.getvalue()}
    assert request.post(f"/api/cases/{ids[1]}/masks", multipart={"mask": part}).status == 201
    for case_id, day in zip(ids, DAYS, strict=True):
        request.patch(f"/api/cases/{case_id}/time-point", form={"study_date": day})
    key = request.get(f"/api/cases/{ids[0]}/time-point").json()["patient"]
    request.patch(f"/api/cases/{ids[1]}/time-point", form={"patient": key})
    return ids[0], ids[1]


@pytest.fixture
def beside(page: Page, pair) -> Page:
    """The later case with the prior beside it, in the middle of the head, without crosshair."""
    page.goto(f"/cases/{pair[1]}?layout=prior&modality=t1ce&crosshair=0&axial=36")
    settle(page)
    return page


def pane(page: Page, time: str) -> Locator:
    return page.locator(f'.pane[data-time="{time}"]')


def both(page: Page, name: str) -> list[str]:
    return [
        pane(page, time).locator(f"[data-part={name}]").inner_text() for time in ("prior", "now")
    ]


def seen(page: Page, time: str) -> np.ndarray:
    """Return what a pane shows, without the text at its edges."""
    return pixels(pane(page, time).locator("canvas"))[60:-60, 40:-40]


def middle(page: Page, time: str) -> tuple[float, float]:
    box = pane(page, time).locator("canvas").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_from_the_layout_to_both_dates_in_the_corners(page: Page, pair, screenshot):
    open_case(page, f"/cases/{pair[1]}?layout=planes")
    page.get_by_role("radio", name="Prior").check(force=True)
    settle(page)
    assert page.locator(".pane").count() == 2
    prior, now = both(page, "pane-who")
    assert prior.startswith(f"Prior · {DAYS[0]}") and now.startswith(f"Current · {DAYS[1]}")
    page.wait_for_url(re.compile("layout=prior"))
    assert violations(page) == []
    screenshot(page, "case-prior")
    # The next case with a prior begins so; the first examination has none, and is not offered any.
    page.goto(f"/cases/{pair[1]}")
    settle(page)
    expect(pane(page, "prior")).to_be_visible()
    page.goto(f"/cases/{pair[0]}?layout=prior")
    settle(page)
    assert page.locator(".pane").count() > 2
    assert page.get_by_role("radio", name="Prior").count() == 0
    page.keyboard.press("v")
    settle(page)


def test_it_lies_on_the_current_case_and_is_as_bright(beside: Page):
    beside.keyboard.press("h")
    settle(beside)
    prior, now = seen(beside, "prior"), seen(beside, "now")
    assert now.std() > 20
    assert np.abs(prior - now).mean() < 6
    windows = both(beside, "pane-window")
    assert windows[0] == windows[1]


@pytest.mark.parametrize("time", ["prior", "now"])
def test_wheel_zoom_pan_window_and_crosshair_move_both(beside: Page, time):
    page = beside
    x, y = middle(page, time)
    start, windows, bars = (both(page, f"pane-{name}") for name in ("slice", "window", "bar"))
    page.mouse.move(x, y)
    page.mouse.wheel(0, 100)
    page.mouse.wheel(0, 100)
    settle(page)
    number = int(start[0].split(" / ")[0])
    assert [text.split(" / ")[0] for text in both(page, "pane-slice")] == [str(number - 2)] * 2
    page.keyboard.down("w")
    drag(page, (x, y), (x + 40, y - 20))
    page.keyboard.up("w")
    assert len(set(both(page, "pane-window"))) == 1
    assert both(page, "pane-window") != windows
    drag(page, (x, y), (x, y - 90), "right")
    drag(page, (x, y), (x + 30, y + 20), "middle")
    assert both(page, "pane-bar") != bars
    page.keyboard.press("h")
    settle(page)
    assert np.abs(seen(page, "prior") - seen(page, "now")).mean() < 8
    page.keyboard.press("r")
    page.keyboard.press("x")
    page.mouse.click(x + 30, y - 40)
    settle(page)
    lines = [(seen(page, one)[..., 2] - seen(page, one)[..., 0] > 60) for one in ("prior", "now")]
    assert lines[0].sum() > 300
    assert (lines[0] ^ lines[1]).mean() < 0.02


def test_each_pane_has_its_own_mask_and_what_was_gained_is_drawn(beside: Page, screenshot):
    page = beside
    page.goto(page.url.replace("axial=36", "axial=35") + "&opacity=1&outline=0")
    settle(page)

    def counted(time: str, colour: tuple[int, int, int]) -> int:
        return int((np.abs(seen(page, time) - colour).max(2) < 40).sum())

    yellow, red = (240, 228, 66), (255, 84, 112)
    assert counted("now", yellow) > counted("prior", yellow) + 300
    assert counted("now", red) == 0
    page.get_by_role("checkbox", name="Change").check()
    settle(page)
    assert counted("now", red) > 300
    assert counted("prior", red) == 0
    expect(page.locator("[data-part=status]")).to_have_text(
        re.compile(rf"since the prior \({DAYS[0]}\): 1\.\d mL gained, 0\.\d mL lost")
    )
    page.wait_for_url(re.compile("change=1"))
    screenshot(page, "case-prior-change")


def test_marks_and_corrections_are_those_of_the_current_case(beside: Page, pair):
    page = beside
    page.keyboard.press("6")
    x, y = middle(page, "prior")
    drag(page, (x, y), (x + 60, y))
    expect(page.locator(".annotations li")).to_have_count(0)
    page.keyboard.press("b")
    drag(page, (x, y), (x + 60, y))
    expect(page.locator("[data-part=strokes]")).to_have_text("Nothing drawn yet")
    x, y = middle(page, "now")
    drag(page, (x, y), (x + 60, y))
    expect(page.locator("[data-part=strokes]")).to_have_text("1 change, not saved")
    page.keyboard.press("z")
    page.keyboard.press("b")


def test_a_sequence_that_the_prior_lacks_is_told(beside: Page):
    beside.keyboard.press("4")
    settle(beside)
    assert beside.locator(".pane").count() == 1
    expect(beside.locator("[data-part=status]")).to_have_text(f"The prior ({DAYS[0]}) has no T2.")
    beside.keyboard.press("1")
    settle(beside)
    assert beside.locator(".pane").count() == 2


def test_where_it_cannot_be_registered_the_reason_is_told(page: Page, pair, expected_errors):
    expected_errors += ["status of 422"]
    error = {"code": "registration_failed", "message": "They do not fit.", "hint": "Check both."}
    page.route("**/priors/*", lambda route: route.fulfill(status=422, json={"error": error}))
    open_case(page, f"/cases/{pair[1]}?layout=prior")
    expect(page.locator("[data-part=status]")).to_have_text("They do not fit. Check both.")
    assert page.locator(".pane").count() == 4


def test_on_a_phone_one_lies_below_the_other(beside: Page, screenshot):
    beside.set_viewport_size({"width": 390, "height": 844})
    beside.reload()
    settle(beside)
    prior, now = (pane(beside, time).bounding_box() for time in ("prior", "now"))
    assert prior["y"] + prior["height"] <= now["y"] + 1 and prior["width"] > 380
    assert beside.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(pane(beside, "prior").locator("[data-part=pane-who]")).to_be_visible()
    screenshot(beside, "case-prior-phone")
