"""A mask as DICOM RT structure set, for planning systems: closed contours of each region on each slice."""

import numpy as np
from pydicom import Dataset, FileDataset
from pydicom.uid import RTStructureSetStorage

from app.reporting import dicom_common as common
from app.reporting.contours import outlines
from app.reporting.dicom_common import ResultIdentity, frame_of
from model.geometry import bounding_box
from model.io.dicom.source import Source, on_grid

# Class of the study that RT Referenced Study Sequence names (retired, still asked for; PS3.3 C.8.8.5).
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"


def to_rtstruct(
    labels: np.ndarray, affine: np.ndarray, source: Source, identity: ResultIdentity
) -> Dataset:
    """Return the contours of all regions and derived regions that have voxels.

    labels : (X, Y, Z) uint8 network indices on the source's grid, in any voxel order; affine : (4, 4)

    Contours follow the edges of pixels, so that filling them gives the mask again. Raises ValueError if the mask lies
    on another grid.
    """
    placed = on_grid(labels, affine, source)
    # Most of a head is not tumour.
    box = bounding_box(placed > 0) if placed.any() else (slice(0, 0),) * 3
    masks = {key: mask for key, mask in common.masks_of(placed[box]).items() if mask.any()}
    start = tuple(cut.start for cut in box)
    dataset = _frame(source, identity)
    dataset.StructureSetROISequence = [
        _roi(number, key, source, identity) for number, key in enumerate(masks, 1)
    ]
    dataset.ROIContourSequence = [
        _of(
            ROIDisplayColor=[int(common.COLOURS[key][k : k + 2], 16) for k in (1, 3, 5)],
            ReferencedROINumber=number,
            ContourSequence=_contours(mask, start, source),
        )
        for number, (key, mask) in enumerate(masks.items(), 1)
    ]
    dataset.RTROIObservationsSequence = [
        _of(ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType="", ROIInterpreter="")
        for number in range(1, len(masks) + 1)
    ]  # fmt: skip
    return common.add_notice(dataset, identity, "contours")


def _frame(source: Source, identity: ResultIdentity) -> FileDataset:
    """Return the dataset with all but its regions."""
    dataset = frame_of("rtstruct", RTStructureSetStorage, source, identity)
    moment = common.now()
    dataset.Modality, dataset.OperatorsName = "RTSTRUCT", ""
    dataset.FrameOfReferenceUID = source.first.FrameOfReferenceUID
    dataset.PositionReferenceIndicator = ""
    dataset.StructureSetLabel = "CORRECTED" if identity.by_hand else "TUMOUR"
    dataset.StructureSetName = dataset.StructureSetDescription = common.NOTICE
    dataset.StructureSetDate, dataset.StructureSetTime = f"{moment:%Y%m%d}", f"{moment:%H%M%S}"
    dataset.ApprovalStatus = "UNAPPROVED"
    images = [_reference(source, place) for place in range(source.shape[2])]
    series = _of(SeriesInstanceUID=source.first.SeriesInstanceUID, ContourImageSequence=images)
    study = _of(
        ReferencedSOPClassUID=_STUDY_CLASS,
        ReferencedSOPInstanceUID=source.first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    dataset.ReferencedFrameOfReferenceSequence = [
        _of(FrameOfReferenceUID=dataset.FrameOfReferenceUID, RTReferencedStudySequence=[study])
    ]
    return dataset


def _roi(number: int, key: str, source: Source, identity: ResultIdentity) -> Dataset:
    model = identity.model
    return _of(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=source.first.FrameOfReferenceUID,
        ROIName=common.LABELS[key],
        ROIDescription=common.NOTICE,
        ROIGenerationAlgorithm="SEMIAUTOMATIC" if identity.by_hand else "AUTOMATIC",
        ROIGenerationDescription=f"{model.name} {model.version}"[:64],
    )


def _contours(mask: np.ndarray, start: tuple[int, ...], source: Source) -> list[Dataset]:
    """Return one item a polygon of a mask (X, Y, Z) bool that begins at voxel `start`, in LPS mm."""
    found = []
    for k in np.flatnonzero(mask.any(axis=(0, 1))).tolist():
        place = start[2] + k
        for polygon in outlines(mask[:, :, k]):
            count = len(polygon)
            voxels = np.column_stack([polygon + start[:2], np.full(count, place), np.ones(count)])
            lps = (voxels @ source.affine.T)[:, :3] * (-1, -1, 1)
            found.append(
                _of(
                    ContourImageSequence=[_reference(source, place)],
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=len(polygon),
                    ContourData=[f"{mm:.4f}" for mm in lps.ravel()],
                )
            )
    return found


def _reference(source: Source, place: int) -> Dataset:
    dataset, frame = source.references(place)
    item = _of(
        ReferencedSOPClassUID=dataset.SOPClassUID, ReferencedSOPInstanceUID=dataset.SOPInstanceUID
    )
    if frame is not None:
        item.ReferencedFrameNumber = frame
    return item


def _of(**elements: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset
