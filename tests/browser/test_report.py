"""Measurements beside the pictures, and the report to read and to print."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import drag, middle, open_case, pane

pytestmark = pytest.mark.browser


def slider(page: Page, plane: str):
    return page.locator(f'input[name="{plane}"]')


def test_the_diameters_are_one_click_away(page: Page, demo_address, screenshot):
    open_case(page, demo_address)
    pane(page, "axial").get_by_role("slider").fill("10")
    link = page.get_by_role("link", name=re.compile(r"Axial slice \d+"))
    number = int(link.text_content().removeprefix("Axial slice "))
    link.click()
    expect(slider(page, "axial")).to_have_value(str(number - 1))
    screenshot(page, "case-diameters")


def test_a_bar_shows_its_slice(page: Page, demo_address):
    page.goto(demo_address)
    address = page.url
    chart = page.locator("[data-chart=coronal]")
    bar = chart.locator("a").nth(5)
    slice_number = int(re.search(r"Slice (\d+)", bar.locator("title").text_content())[1])
    bar.locator("rect").click()
    expect(slider(page, "coronal")).to_have_value(str(slice_number - 1))
    expect(chart.locator("[data-part=now]")).to_have_attribute("x1", str(slice_number - 0.5))
    assert page.url.split("?")[0] == address.split("?")[0]


def test_bars_are_links_without_javascript(plain_page: Page, demo_address):
    plain_page.goto(demo_address)
    bar = plain_page.locator("[data-chart=axial] a").nth(3)
    slice_number = int(re.search(r"Slice (\d+)", bar.locator("title").text_content())[1])
    bar.locator("rect").click()
    expect(slider(plain_page, "axial")).to_have_value(str(slice_number - 1))


def test_the_report_is_one_page_of_paper(page: Page, demo_address, screenshot):
    page.goto(demo_address)
    page.get_by_role("link", name="Report to read or print").click()
    page.wait_for_url(re.compile(r"/report\b"))
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    screenshot(page, "report", full_page=True)
    paper = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1


def test_key_images_have_the_window_that_was_read(page: Page, demo_address):
    open_case(page, f"{demo_address}?modality=t1ce&layout=one")
    x, y = middle(page, "axial")
    page.keyboard.down("w")
    drag(page, (x, y), (x + 90, y + 40))
    page.keyboard.up("w")
    told = pane(page, "axial").locator("[data-part=pane-window]").inner_text()
    width, level = (int(number) for number in re.fullmatch(r"W (\d+) L (\d+)", told).groups())
    page.wait_for_url(re.compile("window_t1ce="))
    link = page.get_by_role("link", name="Report to read or print")
    # Sequences that are not shown are loaded one after the other.
    for name in ("flair", "t1", "t1ce", "t2"):
        expect(link).to_have_attribute("href", re.compile(f"window_{name}="))
    link.click()
    page.wait_for_load_state("networkidle")
    asked = parse_qs(urlsplit(page.url).query)
    # The other sequences have the window of the preset.
    assert set(asked) == {f"window_{name}" for name in ("flair", "t1", "t1ce", "t2")}
    black, white = map(float, asked["window_t1ce"][0].split(","))
    assert (white - black, (black + white) / 2) == pytest.approx((width, level), abs=1)
    key_images = page.locator("image[href*='modality=t1ce'], img[src*='modality=t1ce']")
    assert key_images.count() > 0
    for image in key_images.all():
        address = image.get_attribute("href") or image.get_attribute("src")
        assert parse_qs(urlsplit(address).query)["window"] == asked["window_t1ce"]
    pdf = page.get_by_role("link", name="PDF").get_attribute("href")
    assert parse_qs(urlsplit(pdf).query) == asked


def test_the_report_fits_a_telephone(page: Page, demo_address, screenshot):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{demo_address}/report")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(page, "report-telephone", full_page=True)
