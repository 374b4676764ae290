"""A mask as DICOM segmentation: one segment a region, referring to the series that it was drawn on."""

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from app.reporting import dicom_common as common
from app.reporting.dicom_common import ResultIdentity, without_warnings
from model.io.dicom.source import Source, on_grid
from model.labels import REGIONS


@without_warnings
def to_seg(
    labels: np.ndarray,
    affine: np.ndarray,
    source: Source,
    identity: ResultIdentity,
    *,
    labelmap: bool = False,
) -> Dataset:
    """Return a mask as Segmentation Storage, or as Label Map Segmentation Storage.

    labels : (X, Y, Z) uint8 network indices on the source's grid, in any voxel order
    affine : (4, 4) of `labels` to RAS+ mm

    Segments are numbered as the network's indices: 1 core, 2 edema, 3 enhancing; a region without voxels has
    its segment, too. Raises ValueError if the mask lies on another grid.
    """
    pixels = on_grid(labels, affine, source).transpose(2, 1, 0)
    kind = "labelmap" if labelmap else "seg"
    form = SegmentationTypeValues.LABELMAP if labelmap else SegmentationTypeValues.BINARY
    dataset = Segmentation(
        source_images=list(source.datasets),
        pixel_array=pixels,
        segmentation_type=form,
        segment_descriptions=[_segment(region.key, identity) for region in REGIONS],
        series_instance_uid=identity.uid(kind, "series"),
        series_number=common.SERIES_NUMBERS["seg"],
        sop_instance_uid=identity.uid(kind, "instance"),
        instance_number=1,
        manufacturer=common.MANUFACTURER,
        manufacturer_model_name=common.PRODUCT_NAME,
        software_versions=common.software_versions(identity.model),
        device_serial_number=common.SERIAL,
        content_description=common.NOTICE,
        content_label="CORRECTED" if identity.by_hand else "TUMOUR",
        transfer_syntax_uid=RLELossless if labelmap else ExplicitVRLittleEndian,
        omit_empty_frames=bool(pixels.any()),
    )
    _number_frames(dataset, source)
    return common.add_notice(dataset, identity, "tumour mask")


def _number_frames(dataset: Dataset, source: Source) -> None:
    """Turn the numbers of the source's frames, of which only those of the slices were given, into those of its file."""
    if source.frames is None:
        return
    images = [
        image
        for group in dataset.PerFrameFunctionalGroupsSequence
        for derivation in group.get("DerivationImageSequence", [])
        for image in derivation.SourceImageSequence
    ]
    # Segments of one slice share their reference.
    for image in {id(image): image for image in images}.values():
        place = int(image.ReferencedFrameNumber) - 1
        image.ReferencedFrameNumber = source.references(place)[1]


def _segment(key: str, identity: ResultIdentity) -> SegmentDescription:
    region = next(region for region in REGIONS if region.key == key)
    model = identity.model
    return SegmentDescription(
        segment_number=region.index,
        segment_label=region.title,
        segmented_property_category=common.CATEGORY,
        segmented_property_type=common.TYPES[key],
        algorithm_type="SEMIAUTOMATIC" if identity.by_hand else "AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=model.name[:64],
            family=codes.cid7162.ArtificialIntelligence,
            version=model.version[:64],
            source=common.MANUFACTURER,
            parameters={"weights_sha256": model.checksum},
        ),
        tracking_uid=identity.tracking_uid(key),
        tracking_id=common.LABELS[key],
        anatomic_regions=[common.BRAIN],
        display_color=CIELabColor(*common.cielab(region.colour)),
    )
