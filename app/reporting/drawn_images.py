"""Key images of the slices that a reader drew on, with what was drawn."""

from collections.abc import Iterable, Sequence

from app.analysis.drawn import Drawn, lines_of
from app.analysis.measurements import Measurements
from app.reporting.key_images import KeyImage, Mark, lines_between

# Pictures of slices that are shown, and of one row.
MOST_IMAGES, IN_A_ROW = 12, 3


def drawn_rows(
    drawn: Iterable[Drawn], measurements: Measurements, edges_mm: Sequence[float]
) -> list[list[KeyImage]]:
    """Return rows of the first slices that were drawn on, a picture for each sequence that was drawn on there.

    edges_mm : (3,) of a canonical voxel
    """
    together: dict[tuple[str, int, str], list[Mark]] = {}
    for item in drawn:
        # A slice that the case does not have cannot be shown.
        if item.slice < measurements.slices[item.plane].count:
            lines = lines_between(lines_of(item, edges_mm), item.plane, measurements.slices)
            place = (item.plane, item.slice, item.modality)
            together.setdefault(place, []).append(Mark(lines, item.kind, str(item.number)))
    images = [
        KeyImage(plane, index, measurements.slices[plane].count, modality, tuple(marks))
        for (plane, index, modality), marks in list(together.items())[:MOST_IMAGES]
    ]
    return [images[start : start + IN_A_ROW] for start in range(0, len(images), IN_A_ROW)]
