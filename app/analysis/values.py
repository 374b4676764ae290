"""Values by region or by plane: frozen dataclasses that can also be looked up by a name."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any


class ByKey:
    """Mixin for a dataclass: `values["edema"]` is `values.edema`, in the order of the fields."""

    def __getitem__(self, key: str) -> Any:
        if key not in self.names():
            raise KeyError(key)
        return getattr(self, key)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))

    def items(self) -> Iterator[tuple[str, Any]]:
        return ((key, getattr(self, key)) for key in self.names())


@dataclass(frozen=True)
class ByRegion(ByKey):
    """One number for each region and derived region."""

    edema: float
    enhancing: float
    core: float
    tumor_core: float
    whole_tumor: float


@dataclass(frozen=True)
class VolumesMl(ByRegion):
    """Volumes in mL."""


@dataclass(frozen=True)
class PercentOfBrain(ByRegion):
    """Volumes as per cent of the brain's."""


@dataclass(frozen=True)
class Confidence(ByKey):
    """Mean probability of the chosen class, 0 to 1; null for an empty region."""

    edema: float | None
    enhancing: float | None
    core: float | None
    tumor_core: float | None
    whole_tumor: float | None


@dataclass(frozen=True)
class PlaneSlices:
    """Slices of a plane: how many, and the 0-based one with the most tumour."""

    count: int
    largest: int | None


@dataclass(frozen=True)
class Slices(ByKey):
    """Slices of each plane."""

    axial: PlaneSlices
    coronal: PlaneSlices
    sagittal: PlaneSlices


@dataclass(frozen=True)
class AreasMm2(ByKey):
    """Area of the whole tumour in mm2 in every slice of each plane."""

    axial: tuple[float, ...]
    coronal: tuple[float, ...]
    sagittal: tuple[float, ...]
