"""Rulers, angles, ellipses, arrows and the RANO lines, drawn with a real pointer and kept with the case."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import finish
from tests.browser.stage import drag, open_case, pane, place, settle

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def made() -> list[str]:
    return []


@pytest.fixture
def address(context, server, scans, made) -> str:
    """Address of a small case on which nothing was drawn."""
    if not made:
        files = {modality: path.read_bytes() for modality, path in scans.items()}
        made.append(finish(context.request, files))
    context.request.put(f"/api/cases/{made[0]}/annotations", data={"items": []})
    return f"{server}/cases/{made[0]}?layout=one"


def kept(page: Page) -> list[dict]:
    case = page.url.split("/cases/")[1].split("?")[0]
    return page.request.get(f"/api/cases/{case}/annotations").json()["items"]


def saved(page: Page) -> None:
    expect(page.locator("[data-part=annotations-state]")).to_have_text("Saved with the case.")


def texts(page: Page) -> list[str]:
    return page.locator(".annotations li").all_inner_texts()


def test_rulers_measure_and_two_are_a_pair(page: Page, address, screenshot):
    open_case(page, address)
    bar = pane(page, "axial").locator("[data-part=pane-bar]")
    pixels_a_mm = bar.bounding_box()["width"] / float(bar.inner_text().split()[0])
    page.keyboard.press("6")
    x, y = place(page, "axial", 0.4, 0.5)
    drag(page, (x, y), (x + 30 * pixels_a_mm, y))
    drag(page, (x, y + 40), (x, y + 40 + 10 * pixels_a_mm))
    saved(page)
    first, second = texts(page)
    assert float(re.search(r"([\d.]+) mm", first)[1]) == pytest.approx(30, abs=0.3)
    product = float(re.search(r"= (\d+) mm²", second)[1])
    assert product == pytest.approx(300, rel=0.04)
    assert [item["kind"] for item in kept(page)] == ["ruler", "ruler"]
    screenshot(page, "case-rulers")
    # An end is moved; the measurement follows. They are there again after a reload.
    page.keyboard.press("Escape")
    drag(page, (x + 30 * pixels_a_mm, y), (x + 20 * pixels_a_mm, y))
    assert float(re.search(r"([\d.]+) mm", texts(page)[0])[1]) == pytest.approx(20, abs=0.3)
    page.wait_for_timeout(600)
    page.reload()
    settle(page)
    expect(page.locator(".annotations li")).to_have_count(2)
    page.get_by_role("button", name="Remove Ruler").first.click()
    expect(page.locator(".annotations li")).to_have_count(1)


def test_angle_ellipse_and_arrow(page: Page, address):
    open_case(page, address)
    x, y = place(page, "axial", 0.45, 0.45)
    page.keyboard.press("7")
    drag(page, (x, y), (x, y + 80))
    page.mouse.click(x + 80, y + 80)
    settle(page)
    assert "90.0°" in texts(page)[0]
    page.keyboard.press("8")
    drag(page, (x + 10, y + 10), (x + 60, y + 50))
    assert re.search(r"mean [\d.]+, [\d.]+–[\d.]+, [\d.]+ cm²", texts(page)[1])
    page.keyboard.press("9")
    drag(page, (x + 100, y), (x + 140, y + 30))
    expect(page.get_by_role("textbox", name="Text of the arrow")).to_be_focused()
    page.keyboard.type("new")
    page.wait_for_timeout(600)
    saved(page)
    assert [item["kind"] for item in kept(page)] == ["angle", "ellipse", "arrow"]
    assert kept(page)[2]["text"] == "new"


def test_rano_lines_are_edited_and_the_measurement_follows(page: Page, address):
    open_case(page, address)
    case = address.split("/cases/")[1].split("?")[0]
    rano = page.request.get(f"/api/cases/{case}").json()["measurements"]["rano"]
    page.get_by_role("link", name=re.compile("^Axial slice")).click()
    settle(page)
    # Where an end lies follows from the crosshair: put it there.
    end = [round(value) for value in rano["longest_ends"][0]]
    page.goto(
        f"{address}&axial={rano['slice']}&sagittal={end[0]}&coronal={end[1]}&centre={end[0]},{end[1]},{end[2]}&zoom=2"
    )
    settle(page)
    x, y = place(page, "axial", 0.5, 0.5)
    drag(page, (x, y), (x - 60, y - 60))
    saved(page)
    [item] = kept(page)
    assert item["kind"] == "rano"
    product = float(re.search(r"= (\d+) mm²", texts(page)[0])[1])
    assert product != pytest.approx(rano["product_mm2"], rel=0.02)
