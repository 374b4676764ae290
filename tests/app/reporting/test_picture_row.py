"""Where pictures, letters and lines of a row go."""

from dataclasses import replace

import pytest

from app.reporting.key_images import KeyImage, Mark
from app.reporting.picture_row import GAP, SIDE, TITLE, arrange

IMAGES = [
    KeyImage("axial", 4, 20, "t1ce", (Mark((((0.5, 0.25), (0.75, 0.25)),), label="1"),)),
    KeyImage("coronal", 9, 40, "flair"),
]
PARTS = {"axial": (0.25, 0.0, 0.75, 1.0), "coronal": (0.0, 0.0, 1.0, 1.0)}
SIZES_MM = {"axial": (200.0, 100.0), "coronal": (100.0, 100.0)}


def row(width=186.0, highest=60.0):
    return arrange(IMAGES, PARTS, SIZES_MM, width, highest)


@pytest.mark.parametrize(("width", "highest"), [(186.0, 60.0), (80.0, 60.0), (186.0, 300.0)])
def test_boxes_fill_the_width_side_by_side(width, highest):
    found = row(width, highest)
    first, last = (picture.box for picture in found.pictures)
    assert first.left == 0 and last.left == pytest.approx(first.width + GAP)
    assert last.left + last.width == pytest.approx(width)
    assert first.height == last.height == found.height <= highest


def test_no_label_lies_over_a_picture():
    for width in (80.0, 186.0):
        for picture in row(width).pictures:
            box, shown = picture.box, picture.shown
            assert shown.top >= TITLE
            assert shown.left - box.left >= SIDE - 1e-9
            assert box.left + box.width - shown.left - shown.width >= SIDE - 1e-9
            assert shown.top + shown.height <= box.height


def test_pictures_keep_their_proportions():
    # Half of a slice of 200 x 100 mm is as wide as it is high.
    for picture in row().pictures:
        assert picture.shown.width == pytest.approx(picture.shown.height)
    axial = row().pictures[0]
    assert axial.whole.width == pytest.approx(2 * axial.shown.width)
    assert axial.whole.left == pytest.approx(axial.shown.left - axial.shown.width / 2)


def test_lines_lie_in_the_picture():
    picture = row().pictures[0]
    (mark,), shown = picture.marks, picture.shown
    (x1, y1), (x2, _) = mark.lines[0]
    # From the middle of the slice to the right end of what is shown.
    assert x1 == pytest.approx(shown.left + shown.width / 2)
    assert x2 == pytest.approx(shown.left + shown.width)
    assert y1 == pytest.approx(shown.top + shown.height / 4)
    # There is no room for the number at its right.
    assert mark.x < x1


def test_what_is_drawn_beside_the_head_is_shown():
    aside = replace(IMAGES[0], marks=(Mark((((0.1, 0.25), (0.5, 0.25)),)),))
    (picture,) = arrange([aside], PARTS, SIZES_MM, 186.0, 60.0).pictures
    assert picture.marks[0].lines[0][0][0] == pytest.approx(picture.shown.left)


def test_what_is_written():
    first, last = row().pictures
    assert first.title == "Axial 5/20, T1ce" and first.letters["left"] == "R"
    assert last.title == "Coronal 10/40, FLAIR"
