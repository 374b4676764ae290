"""What headers say of slices and of how they were scanned; no pixel is read."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom import Dataset

from model.io.dicom import values
from model.io.dicom.files import Header

# Most frames of one file.
MAX_FRAMES = 20_000
# Parts of a complex image that are no magnitude, in ImageType and in Complex Image Component.
COMPONENTS = {"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY"}


@dataclass(frozen=True)
class Scan:
    """How a series was scanned; what the header does not say is None or empty.

    te_ms : effective echo time; contrast : "T1", "FLUID_ATTENUATED", ... as enhanced files name it
    agent : name of the contrast agent; agent_time : when it was given
    """

    tr_ms: float | None = None
    te_ms: float | None = None
    ti_ms: float | None = None
    flip_deg: float | None = None
    sequence: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    dimensions: str = ""
    sequence_name: str = ""
    contrast: str = ""
    angio: bool = False
    agent: str = ""
    agent_time: datetime | None = None

    @property
    def is_3d(self) -> bool:
        return self.dimensions == "3D"


@dataclass(frozen=True)
class Frame:
    """One slice: where it is stored, where it lies in the patient (LPS mm), and what tells it apart.

    index : of the frame in its file, from 0
    position_mm : (3,) of the centre of the first pixel; orientation : (6,) cosines along a row, then
    along a column; pixel_mm : between rows, between columns
    rescale : slope and intercept
    """

    path: Path
    index: int
    instance_uid: str
    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_mm: tuple[float, ...]
    rows: int
    columns: int
    rescale: tuple[float, ...]
    thickness_mm: float | None
    image_type: tuple[str, ...]
    component: str
    acquisition: int | None
    temporal: int | None
    b_value: float | None
    time: datetime | None
    scan: Scan = field(default=Scan())

    @property
    def normal(self) -> np.ndarray:
        """(3,) unit vector across the slice."""
        row, column = np.reshape(self.orientation, (2, 3))
        cross = np.cross(row, column)
        return cross / np.linalg.norm(cross)


@dataclass(frozen=True)
class Instance:
    """One file: what it says of its series, and its slices.

    bits : stored for a pixel; enough_pixels : whether as many are there as the header says
    syntax : UID of the transfer syntax; compressed_at : where compressed pixels begin in the file, else None
    """

    path: Path
    instance_uid: str
    class_uid: str
    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    modality: str
    number: int | None
    description: str
    protocol: str
    vendor: str
    model: str
    field_t: float | None
    time: datetime | None
    photometric: str
    samples: int
    bits: int
    enough_pixels: bool
    has_pixels: bool
    syntax: str
    compressed_at: int | None
    frames: tuple[Frame, ...]

    @property
    def is_multi_frame(self) -> bool:
        return len(self.frames) > 1


def instance_of(path: Path, header: Header) -> Instance:
    """Return what a header says; wrong values count as absent."""
    with values.quiet():
        return _instance(path, header)


def _instance(path: Path, header: Header) -> Instance:
    dataset = header.dataset
    top = [dataset]
    count = int(values.number(top, "NumberOfFrames") or 1)
    rows, columns = (int(values.number(top, key) or 0) for key in ("Rows", "Columns"))
    samples = int(values.number(top, "SamplesPerPixel") or 1)
    bits = int(values.number(top, "BitsAllocated") or 0)
    needed = rows * columns * samples * bits * count // 8
    stored = header.pixel_bytes or 0
    usable = 0 < count <= MAX_FRAMES and rows > 0 and columns > 0
    return Instance(
        path=path,
        instance_uid=values.uid(dataset, "SOPInstanceUID"),
        class_uid=values.uid(dataset, "SOPClassUID"),
        study_uid=values.uid(dataset, "StudyInstanceUID"),
        series_uid=values.uid(dataset, "SeriesInstanceUID"),
        frame_of_reference_uid=values.uid(dataset, "FrameOfReferenceUID"),
        modality=" ".join(values.words(top, "Modality")[:1]),
        number=_whole(values.number(top, "SeriesNumber")),
        description=values.text(dataset, "SeriesDescription"),
        protocol=values.text(dataset, "ProtocolName"),
        vendor=values.text(dataset, "Manufacturer"),
        model=values.text(dataset, "ManufacturerModelName"),
        field_t=values.number(top, "MagneticFieldStrength"),
        time=_time(top),
        photometric=" ".join(values.words(top, "PhotometricInterpretation")[:1]),
        samples=samples,
        bits=bits,
        has_pixels=header.pixel_bytes is not None,
        syntax=header.syntax,
        compressed_at=header.pixel_offset if header.compressed else None,
        enough_pixels=stored > 0 if header.compressed else stored >= needed,
        frames=_frames(path, dataset, count) if usable else (),
    )


def _frames(path: Path, dataset: Dataset, count: int) -> tuple[Frame, ...]:
    shared = _groups(values.item([dataset], "SharedFunctionalGroupsSequence"))
    each = values.first([dataset], "PerFrameFunctionalGroupsSequence")
    items = list(each) if each is not None and hasattr(each, "__len__") else []
    known: dict[tuple, Scan] = {}
    frames = []
    for index in range(count):
        own = _groups(items[index]) if index < len(items) else []
        frames.append(_frame(path, index, [*own, *shared, dataset], known))
    return tuple(frames)


def _groups(item: Dataset | None) -> list[Dataset]:
    """Return the first items of a functional group's sequences."""
    return values.first_items(item) if item is not None else []


def _frame(path: Path, index: int, layers: list[Dataset], known: dict[tuple, Scan]) -> Frame:
    """Return one slice. Frames that were scanned alike share their Scan by way of `known`."""
    scan = _scan(layers)
    types = values.words(layers, "FrameType") or values.words(layers, "ImageType")
    component = next(
        (part for part in (*values.words(layers, "ComplexImageComponent"), *types[2:]) if part in COMPONENTS),
        "",
    )  # fmt: skip
    slope, intercept = (values.number(layers, f"Rescale{name}") for name in ("Slope", "Intercept"))
    whole = [slope, intercept if intercept is not None else 0.0]
    return Frame(
        path=path,
        index=index,
        instance_uid=values.uid(layers[-1], "SOPInstanceUID"),
        position_mm=values.numbers(layers, "ImagePositionPatient", 3),
        orientation=_orientation(values.numbers(layers, "ImageOrientationPatient", 6)),
        pixel_mm=values.numbers(layers, "PixelSpacing", 2),
        rows=int(values.number(layers, "Rows") or 0),
        columns=int(values.number(layers, "Columns") or 0),
        rescale=tuple(whole) if slope else (),
        thickness_mm=values.number(layers, "SliceThickness"),
        image_type=types,
        component=component,
        acquisition=_whole(values.number(layers, "AcquisitionNumber")),
        temporal=_whole(_first_number(layers, "TemporalPositionIndex", "TemporalPositionIdentifier")),
        b_value=values.number(layers, "DiffusionBValue"),
        time=_time(layers),
        scan=known.setdefault((scan,), scan),
    )  # fmt: skip


def _scan(layers: list[Dataset]) -> Scan:
    usage = values.item(layers, "ContrastBolusAgentSequence")
    agent = values.first(layers, "ContrastBolusAgent")
    if agent is None and usage is not None:
        agent = values.first([usage], "CodeMeaning") or "unnamed"
    return Scan(
        tr_ms=values.number(layers, "RepetitionTime"),
        te_ms=_first_number(layers, "EffectiveEchoTime", "EchoTime"),
        ti_ms=_first_number(layers, "InversionTimes", "InversionTime"),
        flip_deg=values.number(layers, "FlipAngle"),
        sequence=values.words(layers, "ScanningSequence") or _enhanced_sequence(layers),
        variant=values.words(layers, "SequenceVariant"),
        options=values.words(layers, "ScanOptions"),
        dimensions=" ".join(values.words(layers, "MRAcquisitionType")[:1]),
        sequence_name=_name(layers),
        contrast=" ".join(values.words(layers, "AcquisitionContrast")[:1]),
        angio=values.words(layers, "AngioFlag")[:1] == ("Y",) or _is_time_of_flight(layers),
        agent=str(agent or "").strip()[: values.MAX_TEXT],
        agent_time=values.time_of(layers, "AcquisitionDate", "ContrastBolusStartTime"),
    )


def _enhanced_sequence(layers: list[Dataset]) -> tuple[str, ...]:
    """Return what enhanced files say of the pulse sequence, in the words of classic ones."""
    echo = " ".join(values.words(layers, "EchoPulseSequence")[:1])
    found = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}.get(echo, ())
    planar = values.words(layers, "EchoPlanarPulseSequence")[:1] == ("YES",)
    inverted = values.words(layers, "InversionRecovery")[:1] == ("YES",)
    return (*found, *(("EP",) if planar else ()), *(("IR",) if inverted else ()))


def _is_time_of_flight(layers: list[Dataset]) -> bool:
    return values.words(layers, "TimeOfFlightContrast")[:1] == ("YES",)


def _name(layers: list[Dataset]) -> str:
    name = values.first(layers, "SequenceName") or values.first(layers, "PulseSequenceName")
    return str(name or "").strip()[: values.MAX_TEXT]


def _orientation(cosines: tuple[float, ...]) -> tuple[float, ...]:
    """Return six cosines, none where they are no two directions at right angles."""
    if not cosines:
        return ()
    row, column = np.reshape(cosines, (2, 3))
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    right = abs(lengths[0] - 1) < 0.01 and abs(lengths[1] - 1) < 0.01 and abs(row @ column) < 0.01
    return cosines if right else ()


def _time(layers: list[Dataset]) -> datetime | None:
    """Return when the image was acquired, as well as the header tells."""
    stamp = values.first(layers, "FrameAcquisitionDateTime") or values.first(
        layers, "AcquisitionDateTime"
    )
    found = values.moment(str(stamp).strip()) if stamp else None
    kinds = ("Acquisition", "Content", "Series")
    times = (values.time_of(layers, f"{kind}Date", f"{kind}Time") for kind in kinds)
    return found or next(filter(None, times), None)


def _first_number(layers: list[Dataset], *keywords: str) -> float | None:
    return next(
        (found for key in keywords if (found := values.number(layers, key)) is not None), None
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
