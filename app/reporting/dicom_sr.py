"""Measurements as DICOM structured report: TID 1500, with the segments that they were taken from."""

from collections.abc import Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceImageForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from app.analysis.measurements import Measurements
from app.analysis.rano import Rano
from app.reporting import dicom_common as common
from app.reporting.dicom_common import ResultIdentity, without_warnings
from model.io.dicom.source import Source
from model.labels import DERIVED, REGIONS

ML = Code("mL", "UCUM", "mL")
BRAIN_MRI = Code("24590-2", "LN", "MR Brain")
# A tumour astride of the midline lies on both sides, too: CID 244 has no code of its own for it.
LATERALITIES = {
    "left": codes.SCT.Left,
    "right": codes.SCT.Right,
    "both": Code("51440002", "SCT", "Right and left"),
}
NUMBER_OF_LESIONS = Code("246206008", "SCT", "Number of lesions")


@without_warnings
def to_sr(
    measurements: Measurements,
    seg: Dataset,
    source: Source,
    identity: ResultIdentity,
    by_hand: Sequence[MeasurementsAndQualitativeEvaluations] = (),
) -> Dataset:
    """Return measurements as Comprehensive 3D SR: a group for each region and derived region.

    seg : what `to_seg` made of the same mask ; by_hand : groups of what was drawn, see `dicom_sr_drawn`

    Volumes are in mL; that of the enhancing tumour has the RANO diameters in mm with it. It and the whole tumour have
    the number of their lesions, and the whole tumour's site has its side. Groups of regions refer
    to their segments; a region of which no voxel is marked has its volume of 0 alone.
    """
    groups = [_region(region.key, measurements, seg, source, identity) for region in REGIONS]
    groups += [_derived(key, measurements, identity) for key in DERIVED]
    groups += by_hand
    report = MeasurementReport(
        observation_context=ObservationContext(_observer(identity)),
        procedure_reported=BRAIN_MRI,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    report[0].ContentSequence.append(_note(_text(identity)))
    dataset = Comprehensive3DSR(
        evidence=[seg, *source.datasets],
        content=report,
        series_instance_uid=identity.uid("sr", "series"),
        series_number=common.SERIES_NUMBERS["sr"],
        sop_instance_uid=identity.uid("sr", "instance"),
        instance_number=1,
        manufacturer=common.MANUFACTURER,
        is_complete=True,
        is_final=False,
    )
    dataset.ManufacturerModelName = common.PRODUCT_NAME
    dataset.DeviceSerialNumber = common.SERIAL
    dataset.SoftwareVersions = list(common.software_versions(identity.model))
    return common.add_notice(dataset, identity, "measurements")


def _text(identity: ResultIdentity) -> str:
    made = "The mask was corrected by hand." if identity.by_hand else "The mask was made by a model and not read by a physician."  # fmt: skip
    return f"{common.NOTICE}. {made}"


def _note(text: str) -> TextContentItem:
    return TextContentItem(
        name=codes.DCM.Comment, value=text, relationship_type=RelationshipTypeValues.CONTAINS
    )


def _observer(identity: ResultIdentity) -> ObserverContext:
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=identity.uid("device", identity.model.checksum),
            name=f"{common.MANUFACTURER}, {common.NOTICE}"[:64],
            manufacturer_name=common.MANUFACTURER,
            model_name=identity.model.name[:64],
        ),
    )


def _algorithm(identity: ResultIdentity) -> AlgorithmIdentification:
    model = identity.model
    return AlgorithmIdentification(
        name=model.name, version=model.version, parameters=[f"weights_sha256={model.checksum}"]
    )


def _region(
    key: str, measurements: Measurements, seg: Dataset, source: Source, identity: ResultIdentity
) -> VolumetricROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations:
    number = next(region.index for region in REGIONS if region.key == key)
    found = _measured(key, measurements, identity)
    if not measurements.volumes_ml[key]:
        return _group(key, found, identity)
    if key == "enhancing" and measurements.rano:
        found += _diameters(measurements.rano)
    images = [SourceImageForSegmentation.from_source_image(one) for one in source.datasets]
    segment = ReferencedSegment(
        sop_class_uid=seg.SOPClassUID,
        sop_instance_uid=seg.SOPInstanceUID,
        segment_number=number,
        source_images=images,
    )
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(key, identity),
        referenced_segment=segment,
        finding_type=common.TYPES[key],
        finding_category=common.CATEGORY,
        finding_sites=[FindingSite(anatomic_location=common.BRAIN)],
        measurements=found,
    )


def _derived(
    key: str, measurements: Measurements, identity: ResultIdentity
) -> MeasurementsAndQualitativeEvaluations:
    location = measurements.location if key == "whole_tumor" else None
    side = LATERALITIES[location.side] if location else None
    return _group(key, _measured(key, measurements, identity), identity, side)


def _measured(key: str, measurements: Measurements, identity: ResultIdentity) -> list[Measurement]:
    """Return the volume of a region, and the number of its lesions where they are counted."""
    found = [_volume(measurements.volumes_ml[key], identity)]
    lesions = measurements.lesions
    if lesions and key in lesions.names():
        found.append(
            Measurement(name=NUMBER_OF_LESIONS, value=lesions[key], unit=codes.UCUM.NoUnits)
        )
    return found


def _group(
    key: str, found: list[Measurement], identity: ResultIdentity, side: Code | None = None
) -> MeasurementsAndQualitativeEvaluations:
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(key, identity),
        finding_type=common.TYPES[key],
        finding_category=common.CATEGORY,
        finding_sites=[FindingSite(anatomic_location=common.BRAIN, laterality=side)],
        measurements=found,
    )


def _tracking(key: str, identity: ResultIdentity) -> TrackingIdentifier:
    """Return the identifiers of a region: those of its segment, where it is one."""
    return TrackingIdentifier(uid=identity.tracking_uid(key), identifier=common.LABELS[key])


def _volume(ml: float, identity: ResultIdentity) -> Measurement:
    return Measurement(
        name=codes.SCT.Volume, value=round(ml, 3), unit=ML, algorithm_id=_algorithm(identity)
    )


def _diameters(rano: Rano) -> list[Measurement]:
    mm, mm2 = codes.UCUM.Millimeter, codes.UCUM.SquareMillimeter
    return [
        Measurement(name=codes.SCT.LongAxis, value=rano.longest_mm, unit=mm),
        Measurement(name=codes.SCT.ShortAxis, value=rano.perpendicular_mm, unit=mm),
        Measurement(name=CodedConcept.from_code(common.PRODUCT), value=rano.product_mm2, unit=mm2),
    ]
