"""What the viewer of the case page is told: where the volumes are, and how they lie."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel as nib
from flask import current_app, url_for

from app.reporting import rendering
from app.reporting.change_rendering import GAINED_COLOUR, LOST_COLOUR
from app.reporting.report import label_values
from app.store import cases, patients
from app.store.models import StoredCase
from app.store.patients import Member
from app.web.case_answers import study_day
from app.web.patient_series import earlier
from app.web.registered_priors import sequences
from model.geometry import canonical_grid, spacing_mm
from model.io.modalities import MODALITIES, TITLES
from model.labels import REGIONS

# Fetched by `make run`; without it there is no 3-D pane.
LIBRARY = "vendor/niivue.js"


def viewer_data(case: StoredCase) -> dict[str, Any]:
    """Return the data of a finished case's viewer, as values that JSON can hold."""
    record = case.current_record
    geometry, rano = record.geometry, record.measurements.rano
    _, affine = canonical_grid(geometry.shape, geometry.affine_array)
    point = patients.point_of(case)
    return {
        "id": case.id,
        "name": case.name,
        "day": _day(Member(case, point)),
        "priors": _priors(case),
        "base": case.mask.number,
        "may_change": cases.is_own(case),
        "volumes": {
            modality: url_for("volumes.get_volume", case_id=case.id, modality=modality)
            for modality in MODALITIES
            if modality in case.modalities
        },
        "titles": {modality: TITLES[modality] for modality in MODALITIES},
        "masks": url_for("masks.create_mask", case_id=case.id),
        "annotations": url_for("annotations.get_annotations", case_id=case.id),
        "confidence": url_for("volumes.get_confidence", case_id=case.id),
        "change_colours": [GAINED_COLOUR, LOST_COLOUR],
        "uncertainty": {
            "colours": rendering.UNCERTAINTY_COLOURS,
            "from": rendering.UNCERTAIN_BELOW,
        },
        "regions": [
            {
                "key": region.key,
                "title": region.title,
                "colour": region.colour,
                "values": sorted({region.value_2021, region.value_2023}),
            }
            for region in REGIONS
        ],
        "values": label_values(record.label_convention),
        # For each axis of the files the canonical axis that it runs along, and its direction.
        "orientation": nib.io_orientation(geometry.affine_array).astype(int).tolist(),
        "spacing_mm": spacing_mm(affine).tolist(),
        "affine": affine.tolist(),
        "brain_centre_mm": geometry.brain_centre_mm,
        "rano": rano and asdict(rano),
        "lesions": [
            {"number": one.number, "point": one.point}
            for one in record.measurements.named_lesions or ()
        ],
        "three_d": (Path(current_app.static_folder) / LIBRARY).is_file(),
    }


def _priors(case: StoredCase) -> list[dict[str, Any]]:
    """Return the earlier cases of the patient that can be registered to a case, the latest first."""
    if case.results().brain() is None:
        return []
    return [
        _prior(case, member)
        for member in earlier(case)
        if member.case.results().brain() is not None
    ]


def _prior(case: StoredCase, member: Member) -> dict[str, Any]:
    pair = {"case_id": case.id, "prior_id": member.case.id}
    return {
        "id": member.case.id,
        "name": member.case.name,
        "day": _day(member),
        "register": url_for("priors.register_prior", **pair),
        "volumes": {
            modality: url_for("prior_volumes.get_prior_volume", **pair, modality=modality)
            for modality in sequences(case, member.case)
        },
        "mask": url_for("prior_volumes.get_prior_mask", **pair),
    }


def _day(member: Member) -> str:
    """Return when a study was; where nobody knows or may see that, when it was uploaded."""
    day = study_day(member.point)
    return str(day) if day else f"uploaded {member.case.created_at:%Y-%m-%d}"
