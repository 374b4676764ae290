"""The page on the preparation: two sequences on each other, and which slices are shown."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def preparation(page: Page, demo_address) -> Page:
    page.goto(demo_address)
    page.get_by_role("link", name="Look at the preparation").click()
    page.wait_for_url(re.compile("/preparation$"))
    return page


def mask_of(page: Page) -> str:
    return page.locator(".over").first.evaluate("image => getComputedStyle(image).maskImage")


def test_each_sequence_lies_over_the_reference(preparation: Page, screenshot):
    for title in ("FLAIR over T1ce", "T1 over T1ce", "T2 over T1ce"):
        expect(preparation.get_by_role("heading", name=title)).to_be_visible()
    for picture in preparation.locator(".overlay").all():
        box = picture.bounding_box()
        assert box["width"] > 100 and box["height"] > 100
        for image in picture.locator("img").all():
            assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    screenshot(preparation, "preparation")


def test_views_of_two_sequences(preparation: Page):
    assert "conic-gradient" in mask_of(preparation)
    preparation.get_by_text("Swipe", exact=True).click()
    assert "linear-gradient" in mask_of(preparation)
    edge = preparation.locator("[data-part=swipe]")
    expect(edge).to_be_visible()
    edge.fill("20")
    assert "20%" in mask_of(preparation)
    preparation.get_by_text("Sequence alone").click()
    assert mask_of(preparation) == "none"
    preparation.get_by_text("T1ce alone").click()
    expect(preparation.locator(".over").first).to_be_hidden()


def test_wheel_and_sliders_move_all_pictures_of_a_plane(preparation: Page):
    slider = preparation.locator('.sliders input[data-plane="axial"]')
    first = int(slider.input_value())
    axial = preparation.locator('.overlay[data-plane="axial"]')
    axial.first.hover()
    preparation.mouse.wheel(0, 100)
    expect(slider).to_have_value(str(first + 1))
    slider.fill(str(first + 5))
    for image in axial.locator("img").all():
        expect(image).to_have_attribute("src", re.compile(f"/axial/{first + 5}\\.png"))
    expect(preparation.locator(".sliders output").first).to_have_text(
        re.compile(rf"^{first + 6} / \d+$")
    )
    preparation.get_by_text("Brain outline").click()
    expect(axial.locator("img").first).to_have_attribute("src", re.compile("brain=0"))
