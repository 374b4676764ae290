"""Colours that have a meaning are written once in the style sheets, with the values that the server draws with."""

import re
from pathlib import Path

from app.reporting.change_rendering import GAINED_COLOUR, LOST_COLOUR
from app.reporting.rendering import UNCERTAINTY_COLOURS
from model.labels import REGIONS

ROOT = Path(__file__).parents[1]
SHEET = ROOT / "static" / "css" / "colours.css"
MEANT = {region.key: region.colour for region in REGIONS} | dict(
    zip(
        ("uncertainty-low", "uncertainty-high", "gained", "lost"),
        (*UNCERTAINTY_COLOURS, GAINED_COLOUR, LOST_COLOUR),
        strict=True,
    )
)


def sources() -> list[Path]:
    """Return the style sheets, scripts and templates that are the project's own."""
    patterns = ("static/css/**/*.css", "static/js/**/*.js", "templates/**/*.html")
    return [path for pattern in patterns for path in ROOT.glob(pattern)]


def test_the_style_sheet_has_the_colours_of_the_server():
    properties = dict(re.findall(r"--([a-z-]+): (#[0-9A-Fa-f]{6});", SHEET.read_text()))
    assert properties == MEANT


def test_no_other_file_repeats_them():
    colours = [colour.lower() for colour in MEANT.values()]
    repeated = [
        (path.relative_to(ROOT).as_posix(), colour)
        for path in sources()
        if path != SHEET
        for colour in colours
        if colour in path.read_text().lower()
    ]
    assert repeated == []


def test_every_page_has_them():
    """A style sheet that uses one is on a page that loads them."""
    heads = [path for path in ROOT.glob("templates/*.html") if "<head>" in path.read_text()]
    assert len(heads) == 3
    assert all("css/colours.css" in path.read_text() for path in heads)


def test_the_icon_shows_a_tumour_in_them():
    """It is a picture of its own, which no style sheet reaches."""
    fills = re.findall(
        r'<circle[^>]* fill="(#[0-9A-Fa-f]{6})"', (ROOT / "static/icon.svg").read_text()
    )
    assert {*fills} == {region.colour for region in REGIONS}
