"""The data that the 3-D viewer of the case page gets."""

import json
from pathlib import Path

from flask import current_app, url_for

from app.reporting import rendering
from app.store.models import StoredCase
from model.io.modalities import MODALITIES
from model.labels import REGIONS

# Fetched by `make run`; without it pages show rendered slices only.
LIBRARY = "vendor/niivue.js"


def viewer_of(case: StoredCase) -> dict[str, str] | None:
    """Return the data of a case's 3-D viewer, None if its library was not fetched."""
    if not (Path(current_app.static_folder) / LIBRARY).is_file():
        return None
    volumes = {
        modality: url_for("volumes.get_volume", case_id=case.id, modality=modality)
        for modality in MODALITIES
        if modality in case.modalities
    }
    regions = [
        {
            "key": region.key,
            "title": region.title,
            "colour": region.colour,
            "values": sorted({region.value_2021, region.value_2023}),
        }
        for region in REGIONS
    ]
    return {
        "volumes": json.dumps(volumes),
        "mask": url_for("masks.get_mask", case_id=case.id, number=case.mask.number),
        "masks": url_for("masks.create_mask", case_id=case.id),
        "regions": json.dumps(regions),
        "confidence": url_for("volumes.get_confidence", case_id=case.id),
        "uncertainty": json.dumps(
            {"colours": rendering.UNCERTAINTY_COLOURS, "from": rendering.UNCERTAIN_BELOW}
        ),
    }
