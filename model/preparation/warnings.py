"""Warnings about a preparation: what a person should look at before trusting its masks."""

import numpy as np
import scipy

from model.geometry import is_isotropic_1mm, spacing_mm, voxel_ml
from model.io.modalities import TITLES
from model.io.scans import on_one_grid
from model.preparation.native import Native
from model.warnings import CaseWarning, ct_warnings, resampled

# In the native case at hand coarse brains agree at 0.93 or more (Dice) after registration, at 0.83 or more before.
LEAST_AGREEMENT = 0.90
# Adult brains with their fluid, in mL.
BRAIN_ML = (900.0, 1900.0)
# A brain is cut by the field of view if it lacks more than this share.
LEAST_COVERAGE = 0.98
# A tumour is cut off by the edge of the brain mask if more than this share of its surface lies on it, and the
# tumour is at least this large, in mL.
MOST_AT_EDGE, LARGE_ML = 0.35, 5.0


def native_warnings(native: Native, labels: np.ndarray) -> tuple[CaseWarning, ...]:
    """Return the warnings about prepared scans; `labels` (X, Y, Z) uint8 are on the network's grid."""
    # The network's case has no air any more.
    found = ct_warnings({key: volume.data for key, volume in native.scans.volumes.items()})
    if on_one_grid(native.scans) and (moved := _moved(native)):
        found.append(_displaced(moved))
    found += [
        _registration(m, value) for m, value in native.agreement.items() if value < LEAST_AGREEMENT
    ]
    found += [_coverage(m, value) for m, value in native.coverage.items() if value < LEAST_COVERAGE]
    reference = native.scans.volumes[native.reference]
    brain_ml = np.count_nonzero(native.brain) * voxel_ml(reference.affine)
    if not BRAIN_ML[0] <= brain_ml <= BRAIN_ML[1]:
        found.append(_brain_volume(brain_ml))
    if share_at_edge(labels > 0, native.case.brain) > MOST_AT_EDGE:
        found.append(TUMOUR_AT_EDGE)
    if not is_isotropic_1mm(reference.affine):
        found.append(resampled(spacing_mm(reference.affine)))
    return tuple(found)


TUMOUR_AT_EDGE = CaseWarning(
    "tumour_at_brain_edge",
    "Much of the marked tumour lies at the edge of the brain mask, which may have cut some of it off. Look at the "
    "preparation, and upload a brain mask of your own if it did.",
)


def share_at_edge(tumour: np.ndarray, brain: np.ndarray) -> float:
    """Return which share of a tumour's surface lies at the brain's, both (X, Y, Z) bool at 1 mm.

    0 for a tumour smaller than LARGE_ML.
    """
    if np.count_nonzero(tumour) < LARGE_ML * 1000:
        return 0.0
    surface = tumour & ~scipy.ndimage.binary_erosion(tumour)
    inner = scipy.ndimage.binary_erosion(brain, iterations=2)
    return float(np.count_nonzero(surface & ~inner) / np.count_nonzero(surface))


def _moved(native: Native) -> list[str]:
    return [m for m, matrix in native.transforms.items() if not np.array_equal(matrix, np.eye(4))]


def _displaced(modalities: list[str]) -> CaseWarning:
    names = " and ".join(TITLES[modality] for modality in modalities)
    return CaseWarning(
        "displaced_sequences",
        f"{names} showed the head elsewhere than the reference, although the headers say that they lie on one grid. "
        "What was found was registered; look at the preparation.",
    )


def _registration(modality: str, agreement: float) -> CaseWarning:
    return CaseWarning(
        "registration_poor",
        f"{TITLES[modality]} may not be registered well: its brain overlaps that of the reference with Dice "
        f"{agreement:.2f}. Look at the preparation.",
    )


def _coverage(modality: str, share: float) -> CaseWarning:
    return CaseWarning(
        "field_of_view",
        f"The field of view of {TITLES[modality]} holds {100 * share:.0f} % of the brain. Marks beyond it rest on the "
        "other sequences.",
    )


def _brain_volume(brain_ml: float) -> CaseWarning:
    low, high = BRAIN_ML
    return CaseWarning(
        "brain_volume",
        f"The brain mask has {brain_ml:.0f} mL; adult brains have {low:.0f} to {high:.0f} mL. Look at the preparation.",
    )
