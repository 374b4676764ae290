"""What a case that came as DICOM gives back: segmentation, report, contours, and the report as a document."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydicom import Dataset

from app.analysis.drawn import Drawn
from app.analysis.record import CaseRecord
from app.errors import NotReady
from app.reporting import endings
from app.reporting.dicom_common import ResultIdentity, as_file
from app.reporting.dicom_pdf import to_encapsulated_pdf
from app.reporting.dicom_rtstruct import to_rtstruct
from app.reporting.dicom_seg import to_seg
from app.reporting.dicom_sr import to_sr
from app.reporting.dicom_sr_drawn import groups_of
from app.store.models import StoredCase, StoredMask
from model.io.dicom.source import Source


@dataclass(frozen=True)
class DicomResults:
    """The DICOM objects of one version of a mask, each made when it is asked for.

    labels : (X, Y, Z) uint8 network indices on the source's grid, in any voxel order; affine : (4, 4) of them
    record : of this version of the mask ; drawn : what readers drew on the case, in canonical voxels
    """

    labels: np.ndarray
    affine: np.ndarray
    record: CaseRecord
    source: Source
    identity: ResultIdentity
    drawn: tuple[Drawn, ...] = ()

    @cached_property
    def seg(self) -> Dataset:
        return to_seg(self.labels, self.affine, self.source, self.identity)

    @property
    def labelmap(self) -> Dataset:
        return to_seg(self.labels, self.affine, self.source, self.identity, labelmap=True)

    @property
    def sr(self) -> Dataset:
        by_hand = groups_of(self.drawn, self._canonical_affine, self.source, self.identity)
        identity = self.identity.showing(self.drawn)
        return to_sr(self.record.measurements, self.seg, self.source, identity, by_hand)

    @property
    def rtstruct(self) -> Dataset:
        return to_rtstruct(self.labels, self.affine, self.source, self.identity)

    def pdf(self, document: bytes) -> Dataset:
        """Return the report as a DICOM object; `document` is the PDF."""
        return to_encapsulated_pdf(document, self.source, self.identity.showing(self.drawn))

    @property
    def _canonical_affine(self) -> np.ndarray:
        return np.array(self.record.geometry.canonical_affine)

    def files(self) -> dict[str, bytes]:
        """Return the contents of the files that belong to every case, by the ending of their names."""
        made = {endings.SEG: self.seg, endings.SR: self.sr, endings.STRUCTURES: self.rtstruct}
        return {ending: as_file(dataset) for ending, dataset in made.items()}


def results_of(
    case: StoredCase, mask: StoredMask | None = None, drawn: Sequence[Drawn] = ()
) -> DicomResults:
    """Return the DICOM results of a version of the mask, by default of the one that counts.

    drawn : what readers drew on the case

    Raises NotReady: `not_dicom` for a case whose scans did not come as DICOM, or to whose series results cannot refer.
    """
    if case.patient is None:
        raise _not_dicom(case)
    mask = mask or case.mask
    results, source = case.results(mask), case.folder.study.source()
    if source is None:
        raise _not_dicom(case)
    record = mask.record(case.record)
    identity = ResultIdentity(
        case.id,
        str(source.first.SeriesInstanceUID),
        record.model,
        mask.info,
        made=case.finished_at.isoformat(),
    )
    affine = np.array(record.geometry.canonical_affine)
    labels = np.asarray(results.labels())
    return DicomResults(labels, affine, record, source, identity, tuple(drawn))


def _not_dicom(case: StoredCase) -> NotReady:
    if case.patient is None:
        return NotReady(
            "The scans of this case did not come as DICOM.",
            "Take the results as NIfTI, CSV or PDF, or upload the DICOM study.",
            "not_dicom",
        )
    return NotReady(
        "The series lies in several multi-frame files, to which DICOM results cannot refer.",
        "Take the results as NIfTI, or export the series as one file or as one file a slice.",
        "not_dicom",
    )
