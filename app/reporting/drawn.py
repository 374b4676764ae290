"""What readers drew on a case, measured for its reports."""

from collections.abc import Collection

from app.analysis.drawn import Drawn, measured, with_intensities
from app.reporting.annotations import Annotation, Annotations
from app.reporting.key_images import ENHANCED
from app.reporting.rendering import first_modality
from app.reporting.scan_values import intensities
from app.store.models import StoredCase
from model.io.nifti_header import Limits


def annotations_of(case: StoredCase) -> Annotations:
    """Return what readers drew on a case, as it is kept."""
    kept = case.folder.annotations()
    return Annotations.model_validate_json(kept) if kept else Annotations()


def drawn_of(case: StoredCase, limits: Limits) -> list[Drawn]:
    """Return what readers drew on a case, with its measurements.

    Only ellipses need the scans: those of their sequences are read.
    limits : of the size of a scan ; raises Busy where memory is not free in time
    """
    items = annotations_of(case).items
    if not items:
        return []
    shapes = [_drawn(number, item, case.modalities) for number, item in enumerate(items, 1)]
    found = measured(shapes, case.results().spacing_mm())
    for modality in {item.modality for item in found if item.kind == "ellipse"}:
        with intensities(case, modality, limits) as volume:
            found = [
                with_intensities(item, volume)
                if (item.kind, item.modality) == ("ellipse", modality)
                else item
                for item in found
            ]
    return found


def _drawn(number: int, item: Annotation, present: Collection[str]) -> Drawn:
    # The diameters are those of the enhancing tumour, which T1ce alone shows.
    wanted = (item.modality, ENHANCED) if item.kind == "rano" else (item.modality,)
    modality = next((name for name in wanted if name in present), first_modality(present))
    points = tuple(tuple(point) for point in item.points)
    fields = {name: getattr(item, name) for name in ("id", "kind", "plane", "slice", "text")}
    return Drawn(number, modality=modality, points=points, **fields)
