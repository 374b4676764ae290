"""What readers drew, as groups of a structured report: measurements with the points in space that they follow from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom.sr import (
    CodedConcept,
    CoordinatesForMeasurement3D,
    GraphicTypeValues3D,
    ImageRegion3D,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    RelationshipTypeValues,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes

from app.analysis.drawn import Drawn, Point, ellipse_axes
from app.reporting.dicom_common import PRODUCT, ResultIdentity
from app.reporting.drawn_words import TOOLS
from model.geometry import spacing_mm
from model.io.dicom.source import Source

Group = MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations
BY_HAND = "Drawn by hand"
# From RAS+ to the patient coordinates of DICOM, which run to the left and to the back.
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MM, MM2 = codes.UCUM.Millimeter, codes.UCUM.SquareMillimeter


@dataclass(frozen=True)
class _Space:
    """Where voxels lie: affine (4, 4) of canonical voxels to RAS+ mm, and the UID of the frame of reference."""

    affine: np.ndarray
    frame: str

    def points(self, voxels: Sequence[Point] | np.ndarray) -> np.ndarray:
        """Return voxels (points, 3) in the patient's mm."""
        to_lps = TO_LPS @ self.affine
        return np.asarray(voxels) @ to_lps[:3, :3].T + to_lps[:3, 3]

    def line(self, voxels: Sequence[Point]) -> list[CoordinatesForMeasurement3D]:
        points = self.points(voxels)
        return [CoordinatesForMeasurement3D(GraphicTypeValues3D.POLYLINE, points, self.frame)]

    def region(
        self, kind: GraphicTypeValues3D, voxels: Sequence[Point] | np.ndarray
    ) -> ImageRegion3D:
        return ImageRegion3D(kind, self.points(voxels), self.frame)

    def longer_first(self, points: Sequence[Point]) -> list[Sequence[Point]]:
        """Return the two lines of RANO."""
        first, second = points[:2], points[2:]
        lengths = [np.linalg.norm(np.diff(self.points(line), axis=0)) for line in (first, second)]
        return [first, second] if lengths[0] >= lengths[1] else [second, first]


def groups_of(
    drawn: Sequence[Drawn], affine: np.ndarray, source: Source, identity: ResultIdentity
) -> list[Group]:
    """Return a group for each thing that was drawn.

    affine : (4, 4) of canonical voxels to RAS+ mm

    Rulers, angles and RANO lines are measurements inferred from lines (TID 1501), ellipses and arrows regions of
    a plane (TID 1410). That they were drawn by hand, and the text of an arrow, stand in a comment.
    """
    space = _Space(affine, source.first.FrameOfReferenceUID)
    return [_group(item, space, identity) for item in drawn]


def _group(item: Drawn, space: _Space, identity: ResultIdentity) -> Group:
    tracking = TrackingIdentifier(
        uid=identity.tracking_uid(f"drawn {item.id}"),
        identifier=f"{BY_HAND} {item.number}: {TOOLS[item.kind]}",
    )
    measure = _MEASURED.get(item.kind)
    found = measure(item, space) if measure else None
    if region := _region(item, space):
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking, referenced_region=region, measurements=found
        )
    else:
        group = MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking, measurements=found
        )
    group[0].ContentSequence.append(_comment(f"{BY_HAND}. {item.text}".strip()))
    return group


def _region(item: Drawn, space: _Space) -> ImageRegion3D | None:
    if item.kind == "ellipse":
        axes = ellipse_axes(item, spacing_mm(space.affine))
        return space.region(GraphicTypeValues3D.ELLIPSE, axes)
    if item.kind == "arrow":
        return space.region(GraphicTypeValues3D.POINT, item.points[:1])
    return None


def _comment(text: str) -> TextContentItem:
    return TextContentItem(
        name=codes.DCM.Comment, value=text, relationship_type=RelationshipTypeValues.CONTAINS
    )


def _ruler(item: Drawn, space: _Space) -> list[Measurement]:
    length = Measurement(
        name=codes.SCT.Length,
        value=item.length_mm,
        unit=MM,
        referenced_coordinates=space.line(item.points),
    )
    return [length, _product(item)] if item.pair_with else [length]


def _angle(item: Drawn, space: _Space) -> list[Measurement]:
    line = space.line(item.points)
    return [
        Measurement(
            name=codes.SCT.Angle,
            value=item.angle_deg,
            unit=codes.UCUM.Degree,
            referenced_coordinates=line,
        )
    ]


def _rano(item: Drawn, space: _Space) -> list[Measurement]:
    names = (codes.SCT.LongAxis, codes.SCT.ShortAxis)
    values = (item.longest_mm, item.perpendicular_mm)
    lines = space.longer_first(item.points)
    return [
        *(
            Measurement(name=name, value=mm, unit=MM, referenced_coordinates=space.line(line))
            for name, mm, line in zip(names, values, lines, strict=True)
        ),
        _product(item),
    ]


def _product(item: Drawn) -> Measurement:
    return Measurement(name=CodedConcept.from_code(PRODUCT), value=item.product_mm2, unit=MM2)


def _ellipse(item: Drawn, space: _Space) -> list[Measurement]:
    found = [Measurement(name=codes.SCT.Area, value=item.area_mm2, unit=MM2)]
    if item.mean is None:
        return found
    derived = (
        (codes.SCT.Mean, item.mean),
        (codes.SCT.Minimum, item.lowest),
        (codes.SCT.Maximum, item.highest),
    )
    return found + [
        Measurement(
            name=codes.DCM.MRSignalIntensity,
            value=value,
            unit=codes.UCUM.NoUnits,
            derivation=how,
        )
        for how, value in derived
    ]


# An arrow measures nothing.
_MEASURED = {"ruler": _ruler, "angle": _angle, "rano": _rano, "ellipse": _ellipse}
