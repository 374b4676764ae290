"""Measurements beside the pictures, and the report to read and to print."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import open_case, pane

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
    page.wait_for_url(re.compile("/report$"))
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    screenshot(page, "report", full_page=True)
    paper = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1


def test_the_report_fits_a_telephone(page: Page, demo_address, screenshot):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{demo_address}/report")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(page, "report-telephone", full_page=True)
