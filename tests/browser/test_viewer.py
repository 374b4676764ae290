"""The case page: progress, and every control of the view."""

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.stage import drag, index, middle, open_case, pane, pixels, settle

pytestmark = pytest.mark.browser

PLANES = ("axial", "coronal", "sagittal")


def test_waiting_case_shows_its_stage_and_then_the_result(
    page: Page, scans, paused_worker, screenshot
):
    page.goto("/")
    page.set_input_files("#pick-files", [str(path) for path in scans.values()])
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#job [data-part=stage]")).to_have_text("Waiting for its turn")
    expect(page.locator("#job [data-part=elapsed]")).to_have_text(re.compile(r"\d+ s"))
    screenshot(page, "case-progress")
    paused_worker.start()
    page.locator("#viewer").wait_for()


def test_failed_case_shows_its_error_and_what_to_do(page: Page, brainless_scans, screenshot):
    page.goto("/")
    page.set_input_files("#pick-files", [str(path) for path in brainless_scans.values()])
    page.get_by_role("button", name="Segment", exact=True).click()
    page.wait_for_url(re.compile("/cases/"))
    expect(page.get_by_role("alert")).to_contain_text("no_brain")
    expect(page.get_by_role("link", name="Upload again")).to_be_visible()
    screenshot(page, "case-failed")


def test_every_plane_is_shown_with_letters_and_volumes(page: Page, demo_address, screenshot):
    open_case(page, demo_address)
    for plane, letters in (("axial", "RLAP"), ("coronal", "RLSI"), ("sagittal", "APSI")):
        assert pixels(pane(page, plane).locator("canvas")).std() > 20
        assert "".join(pane(page, plane).locator(".letter").all_text_contents()) == letters
        count = pane(page, plane).locator("[data-part=pane-slice]").inner_text().split(" / ")
        assert count[0] == str(index(page, plane) + 1)
    for title in ("Peritumoral edema", "Enhancing tumour", "Whole tumour", "Tumour core"):
        expect(page.locator(".regions")).to_contain_text(title)
    for cell in page.locator(".regions td").all():
        expect(cell).to_have_text(re.compile(r"^\d+\.\d$"))
    assert violations(page) == []
    screenshot(page, "case-result")


def test_the_page_ends_with_the_window(page: Page, demo_address):
    """The side scrolls by itself; nothing empty follows the foot of the page."""
    open_case(page, demo_address)
    side = page.locator(".side")
    assert side.evaluate("side => side.scrollHeight > side.clientHeight")
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")


def test_millimetres_are_equally_long_in_all_panes(page: Page, demo_address):
    open_case(page, demo_address)
    lengths = {
        (bar.inner_text(), round(bar.bounding_box()["width"]))
        for bar in page.locator("[data-part=pane-bar]").all()
    }
    assert len(lengths) == 1
    # And the head fills the panes: at least one edge of it reaches close to one.
    axial = pixels(pane(page, "axial").locator("canvas")).max(2) > 60
    rows = np.flatnonzero(axial[:, axial.shape[1] // 4 : -axial.shape[1] // 4].any(1))
    assert np.ptp(rows) > 0.75 * axial.shape[0]


@pytest.mark.parametrize("plane", PLANES)
def test_a_notch_of_the_wheel_is_one_slice_and_down_goes_down(page: Page, demo_address, plane):
    open_case(page, demo_address)
    start = index(page, plane)
    page.mouse.move(*middle(page, plane))
    for size in (100, 120, 53):
        page.mouse.wheel(0, size)
        settle(page)
    assert index(page, plane) == start - 3
    page.mouse.wheel(0, -120)
    settle(page)
    assert index(page, plane) == start - 2


def test_small_turns_of_a_trackpad_add_up(page: Page, demo_address):
    open_case(page, demo_address)
    start = index(page, "axial")
    page.mouse.move(*middle(page, "axial"))
    for _ in range(10):
        page.mouse.wheel(0, 5)
    settle(page)
    assert index(page, "axial") == start - 1


def test_ctrl_wheel_and_right_drag_zoom_and_nothing_scrolls(page: Page, demo_address):
    open_case(page, demo_address)
    start, slider = index(page, "axial"), pane(page, "axial").locator("[data-part=pane-window]")
    page.mouse.move(*middle(page, "axial"))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    settle(page)
    expect(slider).to_have_text(re.compile(r"1\.9×$"))
    assert index(page, "axial") == start
    x, y = middle(page, "axial")
    drag(page, (x, y), (x, y + 60), "right")
    expect(slider).to_have_text(re.compile(r"1\.2×$"))
    # The linked panes are zoomed, too; R resets, also with the list of windows focused before.
    expect(pane(page, "sagittal").locator("[data-part=pane-window]")).to_contain_text("1.2×")
    page.wait_for_url(re.compile("zoom=1.2"))
    page.keyboard.press("r")
    expect(slider).not_to_contain_text("×")


@pytest.mark.parametrize("how", ["middle", "space"])
def test_the_picture_is_moved(page: Page, demo_address, how):
    open_case(page, demo_address)
    canvas = pane(page, "axial").locator("canvas")
    page.keyboard.press("x")
    page.keyboard.press("h")
    settle(page)
    before, where = pixels(canvas), (index(page, "coronal"), index(page, "sagittal"))
    x, y = middle(page, "axial")
    if how == "space":
        pane(page, "axial").focus()
        page.keyboard.down(" ")
    drag(page, (x, y), (x + 40, y), "middle" if how == "middle" else "left")
    if how == "space":
        page.keyboard.up(" ")
    after = pixels(canvas)
    rows, width = slice(60, -60), before.shape[1]
    moved, there = after[rows, width // 3 + 40 : -80], before[rows, width // 3 : -120]
    assert np.abs(moved - there).mean() < 1
    assert (index(page, "coronal"), index(page, "sagittal")) == where


def test_left_drag_moves_the_other_planes(page: Page, demo_address):
    open_case(page, demo_address)
    bar = pane(page, "axial").locator("[data-part=pane-bar]")
    pixels_a_mm = bar.bounding_box()["width"] / float(bar.inner_text().split()[0])
    x, y = middle(page, "axial")
    page.mouse.click(x, y)
    settle(page)
    start = index(page, "sagittal"), index(page, "coronal")
    # The patient's left is on the right, posterior is down; voxels of 1 mm.
    drag(page, (x, y), (x + 20 * pixels_a_mm, y + 30 * pixels_a_mm))
    assert start[0] - index(page, "sagittal") == pytest.approx(20, abs=1)
    assert start[1] - index(page, "coronal") == pytest.approx(30, abs=1)


def test_window_is_dragged_with_w_or_the_tool_and_told_in_numbers(page: Page, demo_address):
    open_case(page, demo_address)
    canvas, numbers = (
        pane(page, "axial").locator("canvas"),
        pane(page, "axial").locator("[data-part=pane-window]"),
    )
    first, before = numbers.inner_text(), pixels(canvas)
    x, y = middle(page, "axial")
    page.keyboard.down("w")
    drag(page, (x, y), (x - 80, y - 30))
    page.keyboard.up("w")
    second = numbers.inner_text()
    assert re.fullmatch(r"W \d+ L \d+", second) and second != first
    assert np.abs(pixels(canvas) - before).mean() > 3
    # Each sequence has its own.
    assert pane(page, "axial", "t1ce").locator("[data-part=pane-window]").inner_text() != second
    page.wait_for_url(re.compile("window_flair="))
    page.keyboard.press("5")
    drag(page, (x, y), (x + 50, y))
    assert numbers.inner_text() != second
    expect(page.locator("select[name=preset]")).to_have_value("hand")
    page.reload()
    settle(page)
    expect(page.locator("select[name=preset]")).to_have_value("hand")
    page.keyboard.press("r")
    expect(numbers).to_have_text(first)


def test_presets_leave_lesions_grey_and_keys_reach_the_viewer(page: Page, demo_address):
    open_case(page, f"{demo_address}?modality=t1ce&regions=")
    canvas, preset = (
        pane(page, "axial", "t1ce").locator("canvas"),
        page.locator("select[name=preset]"),
    )
    page.keyboard.press("x")
    settle(page)
    expect(preset).to_have_value("lesion")
    # Nothing but the letters and numbers at the edges is white.
    burnt = (pixels(canvas)[50:-50, 60:-60] >= 255).all(2).mean()
    assert burnt < 0.001
    preset.select_option("brain")
    settle(page)
    assert (pixels(canvas)[50:-50, 60:-60] >= 255).all(2).mean() > 0.005
    before = index(page, "axial")
    page.keyboard.press("ArrowUp")
    settle(page)
    assert index(page, "axial") == before + 1
    expect(preset).to_have_value("brain")


def test_double_click_enlarges_a_pane_and_goes_back(page: Page, demo_address):
    open_case(page, demo_address)
    page.mouse.dblclick(*middle(page, "coronal"))
    settle(page)
    assert page.locator(".pane").count() == 1
    expect(pane(page, "coronal")).to_be_visible()
    page.mouse.dblclick(*middle(page, "coronal"))
    settle(page)
    assert page.locator(".pane").count() == 4


def test_sequences_stand_side_by_side_at_one_point(page: Page, demo_address, screenshot):
    open_case(page, demo_address)
    page.get_by_role("radio", name="Sequences").check(force=True)
    settle(page)
    titles = page.locator("[data-part=pane-title]")
    assert titles.all_text_contents() == [f"Axial · {t}" for t in ("FLAIR", "T1", "T1ce", "T2")]
    before = [pixels(canvas) for canvas in page.locator(".pane canvas").all()]
    page.mouse.move(*middle(page, "axial"))
    page.mouse.wheel(0, 600)
    for _ in range(9):
        page.mouse.wheel(0, 120)
    settle(page)
    after = [pixels(canvas) for canvas in page.locator(".pane canvas").all()]
    assert all(np.abs(new - old).mean() > 0.5 for new, old in zip(after, before, strict=True))
    page.wait_for_url(re.compile("layout=sequences"))
    screenshot(page, "case-sequences")
    # The next case begins so.
    page.goto(demo_address)
    settle(page)
    assert titles.count() == 4 and "T2" in titles.last.inner_text()
    page.keyboard.press("v")
    settle(page)


def test_slider_and_keys_move_a_plane(page: Page, demo_address):
    open_case(page, demo_address)
    start = index(page, "axial")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("PageDown")
    settle(page)
    assert index(page, "axial") == start - 9
    page.keyboard.press("Home")
    settle(page)
    assert index(page, "axial") == 0
    pane(page, "coronal").get_by_role("slider").fill("10")
    settle(page)
    assert index(page, "coronal") == 10
    page.keyboard.press("a")
    page.keyboard.press("l")
    settle(page)
    assert index(page, "axial") == start


def test_look_is_changed_by_controls_and_keys_and_kept_in_the_address(page: Page, demo_address):
    open_case(page, demo_address)
    page.get_by_role("radio", name="T1ce", exact=True).check(force=True)
    settle(page)
    expect(pane(page, "axial")).to_have_attribute("data-modality", "t1ce")
    # The radio does not keep the arrow keys.
    before = index(page, "axial")
    page.keyboard.press("4")
    page.locator("label.region", has_text="Peritumoral edema").click()
    for key in ("n", "c", "e", "o", "]"):
        page.keyboard.press(key)
    settle(page)
    assert index(page, "axial") == before
    wanted = ("modality=t2", "regions=edema", "opacity=0.6", "outline=1")
    page.wait_for_url(lambda address: all(part in address for part in wanted))
    assert parse_qs(urlsplit(page.url).query)["regions"] == ["edema"]
    there = pixels(pane(page, "axial").locator("canvas"))
    page.reload()
    settle(page)
    assert np.abs(pixels(pane(page, "axial").locator("canvas")) - there).mean() < 0.5


def green(page: Page) -> int:
    """Count pixels that are clearly green, as edema is."""
    red, green, blue = np.moveaxis(pixels(pane(page, "axial").locator("canvas")), 2, 0)
    return int(((green > red + 25) & (green > blue + 5)).sum())


def test_regions_can_be_hidden_and_outlined(page: Page, demo_address):
    open_case(page, demo_address)
    filled = green(page)
    page.keyboard.press("e")
    settle(page)
    assert green(page) < filled / 10
    page.keyboard.press("e")
    page.keyboard.press("o")
    settle(page)
    assert 20 < green(page) < filled / 2


def test_confidence_map_can_be_seen_at_the_default_opacity(page: Page, demo_address, screenshot):
    def purple() -> int:
        red, green, blue = np.moveaxis(pixels(pane(page, "coronal").locator("canvas")), 2, 0)
        return int(((red > green + 15) & (blue > green + 15)).sum())

    open_case(page, demo_address)
    before = purple()
    page.get_by_role("checkbox", name="Confidence map").check()
    settle(page)
    assert purple() > before + 200
    expect(page.locator("[data-part=reading]")).to_have_text(re.compile(r"confidence [01]\.\d\d$"))
    page.wait_for_url(re.compile("confidence=1"))
    screenshot(page, "case-confidence")


def test_rano_lines_are_drawn_in_their_slice(page: Page, demo_address):
    open_case(page, f"{demo_address}?regions=enhancing&opacity=0")
    page.keyboard.press("x")
    canvas = pane(page, "axial").locator("canvas")
    page.get_by_role("link", name=re.compile("^Axial slice")).click()
    settle(page)
    with_lines = (pixels(canvas)[30:-30, 30:-30] >= 250).all(2).sum()
    page.keyboard.press("n")
    settle(page)
    assert with_lines > 60 + (pixels(canvas)[30:-30, 30:-30] >= 250).all(2).sum()


def test_a_lesion_of_the_list_is_jumped_to(page: Page, demo_address):
    open_case(page, demo_address)
    page.keyboard.press("Home")
    row = page.locator("[data-part=lesions] tr").first
    expect(row).to_contain_text(re.compile(r"(left|right|both sides)"))
    row.get_by_role("button").click()
    settle(page)
    expect(page.locator("[data-part=reading]")).not_to_contain_text("No region")


def test_full_screen_is_for_the_pictures(page: Page, demo_address, screenshot):
    open_case(page, demo_address)
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement !== null")
    settle(page)
    for part in (".viewer-head", ".workbar", ".side"):
        expect(page.locator(part)).to_be_hidden()
    screenshot(page, "full-screen")
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement === null")
    expect(page.locator(".side")).to_be_visible()


def test_cine_plays_and_a_picture_is_downloaded(page: Page, demo_address):
    open_case(page, demo_address)
    start = index(page, "axial")
    page.get_by_role("button", name="Play").click()
    expect(pane(page, "axial")).not_to_have_attribute("data-index", str(start))
    page.keyboard.press("k")
    expect(page.get_by_role("button", name="Play")).to_have_attribute("aria-pressed", "false")
    with page.expect_download() as download:
        page.get_by_role("button", name="Screenshot").click()
    assert np.asarray(Image.open(download.value.path()).convert("RGB")).std() > 5


def test_a_phone_shows_the_picture_before_the_controls(page: Page, demo_address):
    page.set_viewport_size({"width": 390, "height": 844})
    open_case(page, demo_address)
    tops = [
        page.locator(s).bounding_box()["y"] for s in (".panes", ".workbar", ".toolbar", ".side")
    ]
    assert tops == sorted(tops)
    assert tops[0] < 110


def test_without_the_volumes_the_slices_of_the_server_stay(
    page: Page, demo_address, expected_errors
):
    expected_errors += ["net::ERR_FAILED"]
    page.route("**/volumes/*.nii.gz", lambda route: route.abort())
    page.goto(demo_address)
    expect(page.get_by_role("button", name="Update the view")).to_be_visible()
    picture = page.locator(".plane-axial img")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.unroute("**/volumes/*.nii.gz")


def test_help_lists_the_keys(page: Page, demo_address, screenshot):
    open_case(page, demo_address)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    screenshot(page, "case-keys")
    settle(page)
    before = index(page, "axial")
    page.keyboard.press("ArrowUp")
    settle(page)
    assert index(page, "axial") == before
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_downloads_are_offered(page: Page, demo_address):
    page.goto(demo_address)
    for link in page.locator(".downloads a").all():
        answer = page.request.get(link.get_attribute("href"))
        assert answer.ok
        assert len(answer.body()) > 100
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^Mask")).click()
    assert download.value.suggested_filename.endswith("_seg.nii.gz")


def test_view_works_without_javascript(plain_page: Page, demo_address, screenshot):
    page = plain_page
    page.goto(demo_address)
    start = int(page.locator('input[name="axial"]').input_value())
    page.locator(".plane-axial [data-step='1']").click()
    assert f"/axial/{start + 1}.png" in page.locator(".plane-axial img").get_attribute("src")
    page.get_by_role("radio", name="T2", exact=True).check()
    page.locator("label.region", has_text="Enhancing tumour").click()
    page.get_by_role("button", name="Update the view").click()
    source = page.locator(".plane-coronal img").get_attribute("src")
    assert "modality=t2" in source
    assert "regions=core,edema&" in source
    assert page.locator(".js-only").first.is_hidden()
    screenshot(page, "case-without-javascript")


@pytest.mark.parametrize(("name", "width", "height"), [("tablet", 820, 1180), ("phone", 390, 844)])
def test_small_screens_do_not_scroll_sideways(
    page: Page, demo_address, name, width, height, screenshot
):
    page.set_viewport_size({"width": width, "height": height})
    for address, title in ((demo_address, "case"), ("/", "worklist"), ("/about", "about")):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        screenshot(page, f"{title}-{name}", full_page=True)


@pytest.mark.slow
def test_the_rendering_stands_beside_the_planes_where_webgl_is(webgl_browser, demo_address):
    context = webgl_browser.new_context(viewport={"width": 1100, "height": 640})
    page = context.new_page()
    page.set_default_timeout(180_000)
    page.add_init_script("localStorage.setItem('viewer-three-d', '1')")
    open_case(page, demo_address)
    # The planes are there first.
    expect(page.locator(".pane-render[data-drawn]")).to_be_visible(timeout=180_000)
    assert pixels(page.locator(".pane-render canvas")).std() > 10
    context.close()
