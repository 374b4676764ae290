"""The 3-D viewer, drawn by the processor alone; one small case and one page for all tests."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from app.web.volume_viewer import LIBRARY
from tests.browser.axe import violations
from tests.browser.conftest import finish

pytestmark = pytest.mark.browser

# Without a graphics card shaders are compiled and run by the processor.
TIMEOUT_MS = 120_000
MANY_COLOURED = 300
# The least that the layout of a desktop needs: the processor draws each pixel.
SMALL_WINDOW = {"width": 1080, "height": 620}


@pytest.fixture(scope="module")
def address(webgl_browser: Browser, app, server: str, scans) -> str:
    """Address of a small finished case."""
    if not (Path(app.static_folder) / LIBRARY).is_file():
        pytest.skip("the 3-D viewer was not fetched")
    context = webgl_browser.new_context(base_url=server)
    files = {modality: path.read_bytes() for modality, path in scans.items()}
    case = finish(context.request, files)
    context.close()
    return f"{server}/cases/{case}"


@pytest.fixture(scope="module")
def shared(webgl_browser, address):
    """A page with the case; its console stays free of errors, and it asks no other server."""
    page = webgl_browser.new_page(viewport=SMALL_WINDOW)
    page.set_default_timeout(TIMEOUT_MS)
    errors, addresses = [], []
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(address)
    yield page
    page.close()
    # Reading the picture back makes drivers note that this takes time.
    assert [error for error in errors if "GPU stall" not in error] == []
    assert [
        url for url in addresses if not url.startswith((address.split("/cases")[0], "blob:"))
    ] == []


@pytest.fixture
def page(shared: Page) -> Page:
    """The page with the viewer open on the axial plane, and everything else as at first.

    Not by the reset, which would also draw the rendering, and that takes the longest.
    """
    if shared.locator("[data-part=volume-viewer]").is_hidden():
        shared.get_by_role("button", name="3-D viewer").click()
        settle(shared)
    compare = shared.get_by_role("checkbox", name="Compare sequences")
    compare.set_checked(False)
    shared.locator("select[name=preset]").select_option("brain")
    for box in shared.locator(".regions input").all():
        box.check()
    for name, value in (("modality", "flair"), ("outline", "0"), ("layout", "axial")):
        shared.locator(f'input[name="{name}"][value="{value}"]').check(force=True)
    shared.keyboard.press("l")
    settle(shared)
    return shared


def settle(page: Page) -> None:
    """Wait until everything wished for is drawn."""
    expect(page.locator(".panes")).to_have_attribute("data-busy", "false", timeout=TIMEOUT_MS)


def reading(page: Page) -> str:
    return page.locator("[data-part=volume-reading]").inner_text()


def pixels(canvas: Locator) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB"), int)


def coloured(page: Page) -> int:
    """Count pixels that are clearly green, as edema is."""
    red, green, blue = np.moveaxis(pixels(page.locator(".pane canvas").first), 2, 0)
    return int(((green > red + 25) & (green > blue + 5)).sum())


def index(page: Page, plane: str) -> int:
    return int(page.locator(f'input[name="{plane}"]').input_value())


def test_opens_over_the_slices_without_moving_anything(shared: Page):
    places = "() => ['.planes', '.side', '.toolbar'].map((name) => JSON.stringify(document.querySelector(name).getBoundingClientRect()))"
    before = shared.evaluate(places)
    shared.get_by_role("button", name="3-D viewer").click()
    settle(shared)
    assert shared.evaluate(places) == before
    assert shared.locator(".pane-titles span").all_text_contents() == [
        "Axial",
        "Coronal",
        "Sagittal",
        "3-D",
    ]
    expect(shared.locator(".planes")).to_be_hidden()
    expect(shared.get_by_role("img", name=re.compile("FLAIR, Axial, Coronal"))).to_be_visible()
    assert coloured(shared) > MANY_COLOURED
    assert violations(shared) == []


@pytest.mark.slow
def test_slices_stay_in_sight_until_the_volumes_are_there(webgl_browser, address, screenshot):
    page = webgl_browser.new_page(viewport=SMALL_WINDOW)
    page.set_default_timeout(TIMEOUT_MS)
    held = []
    page.route("**/volumes/*.nii.gz", lambda route: held.append(route))
    page.goto(f"{address}#3d")
    expect(page.locator("[data-part=volume-status]")).to_have_text("Loading the volumes …")
    picture = page.locator(".plane-axial img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    screenshot(page, "case-volumes-loading")
    for route in held:
        route.continue_()
    settle(page)
    expect(picture).to_be_hidden()
    page.close()


@pytest.mark.slow
def test_confidence_is_a_further_layer(page: Page):
    def purple() -> int:
        red, green, blue = np.moveaxis(pixels(page.locator(".pane canvas").first), 2, 0)
        return int(((red > green + 20) & (blue > green + 20)).sum())

    assert "confidence" not in reading(page)
    before, filled = purple(), coloured(page)
    page.keyboard.press("u")
    settle(page)
    assert purple() > before + 20
    assert coloured(page) < filled
    assert re.search(r"confidence [01]\.\d\d$", reading(page))
    page.keyboard.press("u")
    settle(page)
    assert purple() == before


def test_crosshair_tells_place_intensity_and_region(page: Page):
    slices = ", ".join(f"{p} {index(page, p) + 1}" for p in ("axial", "coronal", "sagittal"))
    place = r"RAS −?\d+\.\d, −?\d+\.\d, −?\d+\.\d mm"
    assert re.fullmatch(rf"Slices {slices} · {place} · FLAIR \d+ · \D+", reading(page))
    inside, before = reading(page), index(page, "sagittal")
    assert "No region" not in inside
    box = page.locator(".pane canvas").bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"])
    settle(page)
    assert reading(page) != inside
    # Towards the picture's right is the patient's left.
    assert index(page, "sagittal") < before
    page.keyboard.press("l")
    settle(page)
    assert reading(page) == inside


def test_regions_can_be_hidden_and_outlined(page: Page):
    filled = coloured(page)
    page.keyboard.press("e")
    settle(page)
    assert coloured(page) < filled / 10
    page.keyboard.press("e")
    page.keyboard.press("o")
    settle(page)
    assert 20 < coloured(page) < filled


def test_sequence_is_switched(page: Page):
    before = pixels(page.locator(".pane canvas"))
    page.keyboard.press("4")
    settle(page)
    assert "T2" in reading(page)
    assert np.abs(pixels(page.locator(".pane canvas")) - before).mean() > 1


def test_window_follows_presets_and_the_right_button(page: Page):
    preset = page.locator("select[name=preset]")
    brain = pixels(page.locator(".pane canvas"))
    preset.select_option("full")
    settle(page)
    assert np.abs(pixels(page.locator(".pane canvas")) - brain).mean() > 0.5
    box = page.locator(".pane canvas").bounding_box()
    across, down = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(across, down)
    page.mouse.down(button="right")
    page.mouse.move(across, down - 50)
    page.mouse.up(button="right")
    settle(page)
    expect(preset).to_have_value("hand")
    page.wait_for_url(re.compile("#3d.*flair="))
    page.get_by_role("button", name="Reset").click()
    settle(page)
    expect(preset).to_have_value("brain")


@pytest.mark.slow
def test_sequences_stand_side_by_side_at_one_point(page: Page):
    page.get_by_role("checkbox", name="Compare sequences").check()
    settle(page)
    assert page.locator(".pane-titles").all_text_contents() == ["FLAIR", "T1", "T1ce", "T2"]
    before = [pixels(canvas) for canvas in page.locator(".pane canvas").all()]
    page.keyboard.press("PageUp")
    settle(page)
    after = [pixels(canvas) for canvas in page.locator(".pane canvas").all()]
    assert all(np.abs(new - old).mean() > 0.5 for new, old in zip(after, before, strict=True))


def test_cine_plays_and_stops(page: Page):
    start = index(page, "axial")
    page.get_by_role("button", name="Play").click()
    expect(page.locator('input[name="axial"]')).not_to_have_value(str(start))
    page.keyboard.press("k")
    expect(page.get_by_role("button", name="Play")).to_have_attribute("aria-pressed", "false")


def test_screenshot_is_downloaded(page: Page):
    with page.expect_download() as download:
        page.get_by_role("button", name="Screenshot").click()
    assert download.value.suggested_filename.endswith(".png")
    picture = Image.open(download.value.path())
    assert np.asarray(picture.convert("RGB")).std() > 5


@pytest.mark.slow
def test_address_holds_the_view(page: Page):
    page.keyboard.press("t")
    page.keyboard.press("w")
    page.keyboard.press("3")
    settle(page)
    page.wait_for_url(re.compile("modality=t1ce.*#3d&layout=coronal&preset=full"))
    here = reading(page)
    page.reload()
    settle(page)
    expect(page.get_by_role("radio", name="Coronal")).to_be_checked()
    expect(page.locator("select[name=preset]")).to_have_value("full")
    assert reading(page) == here


def test_closing_shows_the_slices_where_the_viewer_stood(page: Page):
    page.keyboard.press("PageDown")
    settle(page)
    there = index(page, "axial")
    page.keyboard.press("v")
    expect(page.locator(".plane-axial img")).to_have_attribute(
        "src", re.compile(f"/axial/{there}.png")
    )
    expect(page.locator("[data-part=volume-viewer]")).to_be_hidden()
    page.wait_for_url(re.compile("^[^#]*$"))


@pytest.mark.slow
def test_crosshair_is_a_part_of_the_address(page: Page):
    page.keyboard.press("x")
    page.wait_for_url(re.compile(r"crosshair=0.*#3d"))
    page.reload()
    settle(page)
    expect(page.locator("[data-part=crosshair]")).not_to_be_checked()
    page.keyboard.press("x")
    page.wait_for_url(lambda url: "crosshair" not in url)


@pytest.mark.slow
def test_full_screen_keeps_sequences_and_regions_at_hand(page: Page, screenshot):
    before = page.viewport_size
    page.set_viewport_size({"width": 1440, "height": 900})
    button = page.get_by_role("button", name="Full screen")
    button.click()
    # Pressed as long as it is the viewer that fills the screen.
    expect(button).to_have_attribute("aria-pressed", "true")
    settle(page)
    expect(page.locator('input[name="modality"][value="t1ce"]')).to_be_in_viewport()
    expect(page.locator(".regions")).to_be_in_viewport()
    screenshot(page, "full-screen")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    page.set_viewport_size(before)


@pytest.mark.slow
def test_the_next_case_opens_as_the_reader_left_this_one(webgl_browser, address):
    """Without a choice made before, the processor alone is too slow to open it unasked."""
    context = webgl_browser.new_context()
    page = context.new_page()
    viewer = page.locator("[data-part=volume-viewer]")
    page.goto(address)
    page.wait_for_load_state("networkidle")
    expect(viewer).to_be_hidden()
    for expected in ("visible", "hidden"):
        page.keyboard.press("v")
        page.goto("about:blank")
        page.goto(address)
        getattr(expect(viewer), f"to_be_{expected}")()
    context.close()


def test_help_lists_the_keys_of_the_viewer(page: Page):
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("3-D viewer on or off")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_without_webgl2_the_rendered_slices_stay(browser, address):
    page = browser.new_page()
    page.goto(f"{address}#3d")
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-part=volume-open]")).to_be_hidden()
    expect(page.locator(".plane-axial img")).to_be_visible()
    page.close()
