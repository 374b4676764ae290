"""Key images side by side in one row, for the page and the PDF alike: where each picture, letter and line goes.

Every picture stands in a black box with room around it, so that no label lies over the head. Lengths are in mm of
the row, from its left and its top.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.reporting import rendering
from app.reporting.key_images import Frame, KeyImage, Line, Mark, frames
from app.store.results import Results
from model.io.modalities import TITLES

# Between boxes; at least on either side of a picture, for the letters; above it, for its title; below it.
GAP, SIDE, TITLE, BELOW = 2.0, 4.0, 4.6, 1.0
# Between something drawn and its number; how wide a number is, at most; how far below its point its letters stand.
ASIDE, NUMBER, LOWER = 1.0, 5.0, 1.0


@dataclass(frozen=True)
class Box:
    """A rectangle: its left, top, width and height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class PlacedMark:
    """Something drawn over a picture, and where its number begins."""

    kind: str
    lines: tuple[Line, ...]
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Placed:
    """A key image in its row.

    box : the black box ; shown : the part of it that holds the picture
    whole : where the whole slice would lie, of which `shown` is cut
    marks : what is drawn over the picture
    """

    image: KeyImage
    title: str
    box: Box
    shown: Box
    whole: Box
    marks: tuple[PlacedMark, ...]

    @property
    def middle(self) -> float:
        """The height of the letters at its left and right."""
        return self.shown.top + self.shown.height / 2 + 1

    @property
    def letters(self) -> dict[str, str]:
        """Letters at the edges of the picture, by edge."""
        return rendering.EDGE_LETTERS[self.image.plane]


@dataclass(frozen=True)
class PictureRow:
    """Pictures of one height, and how high they are with their boxes."""

    height: float
    pictures: list[Placed]


def picture_row(
    results: Results, images: Sequence[KeyImage], width: float, highest: float
) -> PictureRow:
    """Return a row of pictures cut to the head.

    width : of the row, in mm ; highest : of its boxes, in mm
    """
    parts = frames(results, images[0].modality)
    sizes_mm = {image.plane: rendering.size_mm(results, image.plane) for image in images}
    return arrange(images, parts, sizes_mm, width, highest)


def arrange(
    images: Sequence[KeyImage],
    parts: Mapping[str, Frame],
    sizes_mm: Mapping[str, tuple[float, float]],
    width: float,
    highest: float,
) -> PictureRow:
    """Return where pictures go.

    parts, sizes_mm : by plane, what is shown of its slices, and their width and height in mm
    """
    # Width of what is shown of each picture, for a height of 1.
    aspects, shown_parts = [], [_with_marks(parts[image.plane], image) for image in images]
    for image, (x1, y1, x2, y2) in zip(images, shown_parts, strict=True):
        wide, high = sizes_mm[image.plane]
        aspects.append((x2 - x1) * wide / ((y2 - y1) * high))
    room = width - GAP * (len(images) - 1) - 2 * SIDE * len(images)
    height = min(highest - TITLE - BELOW, room / sum(aspects))
    # Boxes take the whole width, whatever their pictures leave of it.
    side = SIDE + (room - height * sum(aspects)) / (2 * len(images))
    left, pictures = 0.0, []
    for image, part, aspect in zip(images, shown_parts, aspects, strict=True):
        box = Box(left, 0.0, height * aspect + 2 * side, height + TITLE + BELOW)
        shown = Box(left + side, TITLE, height * aspect, height)
        pictures.append(_placed(image, part, box, shown))
        left += box.width + GAP
    return PictureRow(height + TITLE + BELOW, pictures)


def _with_marks(part: Frame, image: KeyImage) -> Frame:
    """Return what is shown of a slice, widened to hold what is drawn over it."""
    points = [point for mark in image.marks for line in mark.lines for point in line]
    x, y = ([min(max(point[axis], 0.0), 1.0) for point in points] for axis in (0, 1))
    return (
        min([part[0], *x]),
        min([part[1], *y]),
        max([part[2], *x]),
        max([part[3], *y]),
    )


def _placed(image: KeyImage, part: Frame, box: Box, shown: Box) -> Placed:
    x1, y1, x2, y2 = part
    wide, high = shown.width / (x2 - x1), shown.height / (y2 - y1)
    whole = Box(shown.left - x1 * wide, shown.top - y1 * high, wide, high)
    marks = tuple(_mark(mark, whole, shown) for mark in image.marks)
    title = f"{image.plane.capitalize()} {image.index + 1}/{image.count}, {TITLES[image.modality]}"
    return Placed(image, title, box, shown, whole, marks)


def _mark(mark: Mark, whole: Box, shown: Box) -> PlacedMark:
    lines = tuple(
        tuple((whole.left + x * whole.width, whole.top + y * whole.height) for x, y in line)
        for line in mark.lines
    )
    points = [point for line in lines for point in line]
    x, y = max(points)
    x += ASIDE
    if x + NUMBER > shown.left + shown.width:
        x, y = min(points)
        x = max(shown.left, x - NUMBER)
    return PlacedMark(mark.kind, lines, mark.label, x, y + LOWER)
