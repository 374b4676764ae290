"""What lesions are called in a corrected mask: as in the version that it was drawn on."""

from dataclasses import dataclass, replace

import numpy as np

from app.analysis.lesion_names import NamedLesion, listed, renumbered
from app.analysis.record import MaskFindings
from app.store.models import StoredCase, StoredMask
from model.geometry import canonical_grid


@dataclass(frozen=True)
class Former:
    """The version that a mask was drawn on.

    labels : (X, Y, Z) canonical network indices
    highest : the highest number that a lesion has in any version of the case
    """

    labels: np.ndarray
    lesions: tuple[NamedLesion, ...]
    highest: int

    @classmethod
    def of(cls, case: StoredCase, mask: StoredMask) -> "Former":
        labels = case.results(mask).labels()
        lesions = _named(case, mask)
        if lesions is None:
            # Of a version of the software that did not name them.
            geometry = case.record.geometry
            _, affine = canonical_grid(geometry.shape, geometry.affine_array)
            lesions = listed(labels > 0, affine, geometry.brain_centre_mm)
        known = [one for other in case.all_masks for one in _named(case, other) or ()]
        highest = max((one.number for one in (*known, *lesions)), default=0)
        return cls(labels, lesions, highest)

    def name(self, findings: MaskFindings, labels: np.ndarray) -> MaskFindings:
        """Return findings whose lesions are called as here.

        labels : (X, Y, Z) canonical network indices of the mask that they are of
        """
        found = findings.measurements
        named = renumbered(
            found.named_lesions, labels > 0, self.lesions, self.labels > 0, self.highest
        )
        return replace(findings, measurements=replace(found, named_lesions=named))


def _named(case: StoredCase, mask: StoredMask) -> tuple[NamedLesion, ...] | None:
    return mask.record(case.record).measurements.named_lesions
