"""A segmented phantom with the series that it was drawn on, classic and enhanced."""

from dataclasses import dataclass

import numpy as np

from app.analysis.measurements import Measurements, measure
from app.analysis.record import MaskInfo, ModelInfo
from app.reporting.dicom_common import ResultIdentity
from model.io.dicom.source import Source, source_of
from tests.phantoms import small_case, turned
from tests.support.dicom_reading import series_in
from tests.support.dicom_study import Patient, Written, write_study

MODEL = ModelInfo("mobileunet-ensemble", "0.7.0", "MobileNetV2 U-Net", "ab" * 32)
MODELS = ResultIdentity("c0ffee", "1.2.3", MODEL)
CORRECTED = ResultIdentity("c0ffee", "1.2.3", MODEL, MaskInfo(2, "corrected", 0, True))
# Left of the phantom's tumour.
CENTRE_MM = (-200.0, 0.0, 0.0)
KINDS = {"classic": False, "enhanced": True}


@dataclass(frozen=True)
class Segmented:
    """labels (X, Y, Z) on the grid of the case, which is in another voxel order than the source's."""

    labels: np.ndarray
    affine: np.ndarray
    source: Source
    measurements: Measurements


def segmented(folder, enhanced, axes=("A", "S", "L"), patient=Patient()) -> Segmented:
    """Return a phantom whose T1ce was scanned in sagittal slices, a little oblique."""
    case, labels = small_case()
    lean = np.eye(4)
    lean[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
    affine = lean @ case.affine
    data, grid = turned(np.rint(case.data[..., 2]).astype(np.int16), affine, axes)
    agent = {"ContrastBolusAgent": "x", "RepetitionTime": 2000, "EchoTime": 3}
    write_study(folder, [Written(7, data, grid, agent)], patient, enhanced=enhanced)
    (series,) = series_in(folder)
    found = measure(labels, affine, None, brain_voxels=90000, brain_centre_mm=CENTRE_MM)
    return Segmented(labels, affine, source_of(series), found)
