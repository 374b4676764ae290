"""All that decides what a training run does, in one place: a run is its settings and its cases."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from model.planes import Plane
from model.preprocess import Preprocessing
from training.data.augment import Augmentation


@dataclass(frozen=True)
class Sampling:
    """How slices and patches are drawn.

    patch : height and width in pixels (1 mm)
    planes : orientations that slices are taken in, with equal shares
    tumour_share : share of samples centred on a tumour voxel of a random region
    jitter_px : largest shift of the patch from that voxel, along each axis
    margin_px : least distance of the patch's centre from the edge of the brain's box
    synthetic_share : share of samples from phantoms
    carve_share : share of samples in which another patient's tumour is pasted (CarveMix)
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    patch: tuple[int, int] = (128, 128)
    planes: tuple[Plane, ...] = ("axial",)
    tumour_share: float = 0.6
    jitter_px: int = 32
    margin_px: int = 44
    synthetic_share: float = 0.03
    carve_share: float = 0.0


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of a run.

    neighbours : slices seen on each side of a slice (2.5-D)
    mirror : whether the mirrored slice is seen as well
    imagenet : start MobileUNet's encoder from ImageNet weights
    loss : cross-entropy alone, or with soft Dice of the classes or of all scored regions
    deep_supervision : weight of the same loss on MobileUNet's coarser levels; 0 leaves them out
    ema : momentum of the averaged weights, which are the ones kept
    start_share : share in them of the weights that training started from
    batch_norm_batches : training batches that re-estimate batch normalisation at the end
    precision : what is computed in while training; weights and class probabilities stay float32
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    network: Literal["mobile_unet", "simple_unet"] = "mobile_unet"
    neighbours: int = 1
    mirror: bool = False
    imagenet: bool = True
    loss: Literal["cross_entropy", "class_dice", "region_dice"] = "region_dice"
    deep_supervision: float = 0.0
    epochs: int = 50
    steps_per_epoch: int = 100
    batch: int = 24
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.997
    start_share: float = 0.0
    batch_norm_batches: int = 60
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    seed: int = 0
    sampling: Sampling = Sampling()
    augmentation: Augmentation = Augmentation()

    def __post_init__(self) -> None:
        if self.deep_supervision and self.network != "mobile_unet":
            raise ValueError("deep_supervision is for mobile_unet alone")

    def preprocessing(self, prepared: Preprocessing = Preprocessing()) -> Preprocessing:
        """Return the parameters of prepared data with this run's way to make inputs of it."""
        return replace(prepared, neighbours=self.neighbours, mirror=self.mirror)


def parse(kind: type, fields: dict[str, Any]) -> Any:
    """Return the dataclass `kind` from nested tables. Raises ValueError that names what is wrong."""
    try:
        return TypeAdapter(kind).validate_python(fields)
    except ValidationError as error:
        found = [(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        # What is wrong with several fields at once has no place.
        problems = [f"{place}: {problem}" if place else problem for place, problem in found]
        raise ValueError("; ".join(problems)) from None


def merged(*tables: dict[str, Any]) -> dict[str, Any]:
    """Return nested tables put over each other, later ones winning."""
    result: dict[str, Any] = {}
    for table in tables:
        for key, value in table.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def read_toml(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return tomllib.load(file)
