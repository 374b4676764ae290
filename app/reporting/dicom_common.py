"""What all DICOM results share: identity, equipment, codes, and what they must say of themselves."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from hashlib import sha256
from typing import ParamSpec

import numpy as np
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from app.analysis.drawn import Drawn
from app.analysis.record import MaskInfo, ModelInfo
from model.io.dicom import values
from model.io.dicom.source import Source
from model.io.dicom.values import quiet
from model.labels import DERIVED, DERIVED_TITLES, REGIONS
from model.version import VERSION

P = ParamSpec("P")
NOTICE = "RESEARCH USE ONLY - not for diagnosis"
# How descriptions of corrected masks say so.
CORRECTED_WORD = "by hand"
MANUFACTURER, PRODUCT_NAME = "BraTS MobileUNet", "brats-mobileunet"
SERIAL = "0"
# Numbers of our series; far from those of scanners, which count from 1 in hundreds.
SERIES_NUMBERS = {"seg": 9701, "sr": 9702, "rtstruct": 9703, "pdf": 9704}
# What results without a library of their own copy from the series.
_COPIED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate"),
    *("StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "StudyDescription"),
)  # fmt: skip
# The product of two diameters has no code in DICOM or SNOMED CT.
PRODUCT = Code("RANO-PRODUCT", "99BTS", "Product of perpendicular diameters")
CATEGORY = Code("49755003", "SCT", "Morphologically Abnormal Structure")
BRAIN = Code("12738006", "SCT", "Brain")
NEOPLASM = Code("108369006", "SCT", "Neoplasm")
# SNOMED CT has no concept of its own for enhancing tumour: there the type is neoplasm, and the label tells.
TYPES = {
    "core": Code("6574001", "SCT", "Necrosis"),
    "edema": Code("79654002", "SCT", "Edema"),
    "enhancing": NEOPLASM,
    "tumor_core": NEOPLASM,
    "whole_tumor": NEOPLASM,
}
LABELS = {region.key: region.title for region in REGIONS} | DERIVED_TITLES
INDICES = {region.key: (region.index,) for region in REGIONS} | DERIVED
COLOURS = {region.key: region.colour for region in REGIONS} | {
    "tumor_core": "#CC79A7",
    "whole_tumor": "#0072B2",
}


@dataclass(frozen=True)
class ResultIdentity:
    """Of which case and which version of its mask a result is, and which model made it.

    source_uid : of the series that the mask was drawn on, since names of cases need not be unique
    made : which run of the model it is from, where a case can be segmented again
    drawn : stands for what was drawn by hand, see `showing`

    The UIDs of results are made from it: the same result gets the same UIDs, so that an archive to which it is
    sent twice has it once, while a corrected mask is a new instance in a new series.
    """

    case_id: str
    source_uid: str
    model: ModelInfo
    mask: MaskInfo | None = None
    made: str = ""
    drawn: str = ""

    @property
    def by_hand(self) -> bool:
        return bool(self.mask and self.mask.by_hand)

    @property
    def version(self) -> int:
        return self.mask.number if self.mask else 0

    def showing(self, drawn: Sequence[Drawn]) -> "ResultIdentity":
        """Return the identity of a result that holds what was drawn by hand: with other drawings it is another one."""
        return replace(self, drawn=sha256(repr(drawn).encode()).hexdigest()) if drawn else self

    def uid(self, kind: str, what: str) -> str:
        """Return the UID of a kind of result: `what` is "series" or "instance"."""
        words = (kind, what, str(self.version), VERSION, self.model.checksum, self.made)
        return self._uid(*words, *filter(None, [self.drawn]))

    def tracking_uid(self, key: str) -> str:
        """Return the UID of a region, the same in all versions of a mask, so that they can be compared."""
        return self._uid("region", key)

    def _uid(self, *words: str) -> str:
        return generate_uid(entropy_srcs=[self.case_id, self.source_uid, *words])

    def description(self, what: str) -> str:
        """Return the description of a series, at most 64 characters."""
        made = f" {CORRECTED_WORD} v{self.version}" if self.by_hand else ""
        return f"{NOTICE}: {what}{made}"[:64]


def without_warnings(make: Callable[P, Dataset]) -> Callable[P, Dataset]:
    """Keep what highdicom warns of to itself: its warnings have patients' names in them."""

    @wraps(make)
    def quietly(*args: P.args, **kwargs: P.kwargs) -> Dataset:
        with quiet():
            return make(*args, **kwargs)

    return quietly


def software_versions(model: ModelInfo) -> tuple[str, ...]:
    return (f"{PRODUCT_NAME} {VERSION}", f"model {model.version}", f"sha256 {model.checksum[:57]}")


def now() -> datetime:
    return datetime.now(UTC)


def add_notice(dataset: Dataset, identity: ResultIdentity, what: str) -> Dataset:
    """Set what every result says of itself in its series."""
    # Names of patients can be in any script.
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SeriesDescription = identity.description(what)
    moment = now()
    dataset.SeriesDate, dataset.SeriesTime = f"{moment:%Y%m%d}", f"{moment:%H%M%S}"
    return dataset


def frame_of(kind: str, sop_class: str, source: Source, identity: ResultIdentity) -> FileDataset:
    """Return a new object in the study of the source, with what every one of its kind has."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = identity.uid(kind, "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    for keyword in _COPIED:
        setattr(dataset, keyword, source.first.get(keyword, ""))
    dataset.SeriesInstanceUID = identity.uid(kind, "series")
    dataset.SeriesNumber, dataset.InstanceNumber = SERIES_NUMBERS[kind], 1
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, PRODUCT_NAME
    dataset.SoftwareVersions = list(software_versions(identity.model))
    return dataset


def made_here(dataset: Dataset) -> bool:
    """Say whether a header is that of a result of this software."""
    found = (values.text(dataset, "Manufacturer"), values.text(dataset, "ManufacturerModelName"))
    return found == (MANUFACTURER, PRODUCT_NAME)


def as_file(dataset: Dataset) -> bytes:
    """Return a dataset as the content of a DICOM file."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def cielab(colour: str) -> tuple[float, float, float]:
    """Return an sRGB colour `#RRGGBB` as CIELab of the illuminant D50, which DICOM uses (PS3.3 C.10.7.1.1).

    The matrix is that of sRGB adapted to D50 (Lindbloom), the curve that of CIE 15.
    """
    rgb = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]])  # fmt: skip
    white = np.array([0.96422, 1.0, 0.82521])
    ratio = matrix @ linear / white
    curve = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    lightness = float(116 * curve[1] - 16)
    return lightness, float(500 * (curve[0] - curve[1])), float(200 * (curve[1] - curve[2]))


def masks_of(labels: np.ndarray) -> Mapping[str, np.ndarray]:
    """Return a mask (X, Y, Z) bool for each region and derived region of labels (network indices)."""
    return {key: np.isin(labels, indices) for key, indices in INDICES.items()}
