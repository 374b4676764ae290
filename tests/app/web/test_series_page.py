"""What the table of series says of their size."""

import pytest

from app.web.series_page import size_lines

ROW = {"shape": [256, 224, 26], "spacing_mm": [0.9, 0.9, 5.5], "plane": "axial"}
STEPS, PIXELS = "axial, 26 × 5.5 mm", "256 × 224, 0.90 mm"


@pytest.mark.parametrize(
    ("row", "lines"),
    [
        ({"thickness_mm": 5.5}, [STEPS, PIXELS]),
        ({"thickness_mm": None}, [STEPS, PIXELS]),
        ({"thickness_mm": 5.0}, [STEPS, "5.0 mm thick", PIXELS]),
        ({"thickness_mm": 5.0, "spacing_mm": None}, ["axial, 26 × 5.0 mm", "256 × 224"]),
        ({"thickness_mm": 5.0, "shape": [0, 0, 0]}, []),
    ],
)
def test_thickness_is_told_where_slices_have_gaps(row, lines):
    assert size_lines(ROW | row) == lines
