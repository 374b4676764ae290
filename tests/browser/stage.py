"""Helpers for the canvas viewer of the case page."""

import io

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

TIMEOUT_MS = 60_000


def settle(page: Page) -> None:
    """Wait until the volumes are there and everything wished for is drawn."""
    expect(page.locator("[data-part=stage]")).to_have_attribute(
        "data-busy", "false", timeout=TIMEOUT_MS
    )
    # What was asked for is drawn in the next frame.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)))")


def open_case(page: Page, address: str) -> None:
    page.goto(address)
    settle(page)


def pane(page: Page, plane: str, modality: str | None = None) -> Locator:
    wanted = f'[data-modality="{modality}"]' if modality else ""
    return page.locator(f'.pane[data-plane="{plane}"]{wanted}').first


def index(page: Page, plane: str) -> int:
    return int(pane(page, plane).get_attribute("data-index"))


def middle(page: Page, plane: str) -> tuple[float, float]:
    return place(page, plane, 0.5, 0.5)


def place(page: Page, plane: str, x: float, y: float) -> tuple[float, float]:
    """Return a point of the window at fractions of a pane's canvas."""
    box = pane(page, plane).locator("canvas").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def pixels(target: Locator) -> np.ndarray:
    """Return what is seen of a canvas as (rows, columns, 3) int."""
    return np.asarray(Image.open(io.BytesIO(target.screenshot())).convert("RGB"), int)


def drag(
    page: Page,
    start: tuple[float, float],
    end: tuple[float, float],
    button: str = "left",
    steps: int = 6,
) -> None:
    page.mouse.move(*start)
    page.mouse.down(button=button)
    page.mouse.move(*end, steps=steps)
    page.mouse.up(button=button)
    settle(page)
