"""Accessibility by axe-core, which `make test` fetches from npm."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

SOURCE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async (source) => {
    if (!window.axe) (0, eval)(source);
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}"""


def violations(page: Page) -> list[str]:
    """Return the serious and critical violations of a page, with the elements concerned."""
    if not SOURCE.is_file():
        pytest.skip("axe-core was not fetched")
    return page.evaluate(RUN, SOURCE.read_text())
