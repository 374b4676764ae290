"""The settings of a training: all that decides what it does, besides its cases."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from model.planes import Plane
from model.preprocess import Preprocessing


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
    source_shares : sources, "slices" among them, and the shares of real samples from each; the rest
        is of all other sources' cases alike
    neighbour_dropout : share of samples whose neighbours are left out: the slice itself is in their
        place, as always where single slices are sampled
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    patch: tuple[int, int] = (128, 128)
    planes: tuple[Plane, ...] = ("axial",)
    tumour_share: float = 0.6
    jitter_px: int = 32
    margin_px: int = 44
    synthetic_share: float = 0.03
    carve_share: float = 0.0
    source_shares: tuple[tuple[str, float], ...] = ()
    neighbour_dropout: float = 0.0


@dataclass(frozen=True)
class Augmentation:
    """How slices are changed at random. Pairs are ranges, drawn from evenly.

    Probabilities are per sample or, for intensity, per sequence.

    flip : probability by axis: left-right, front-back, up-down
    spatial_share : share of samples that are rotated, scaled and bent; the others are not interpolated,
        so that their borders are as sharp as in the scan
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    rotation_degrees: float = 25.0
    scale: tuple[float, float] = (0.8, 1.25)
    spatial_share: float = 1.0
    flip: tuple[float, float, float] = (0.5, 0.25, 0.0)
    elastic: float = 0.3
    elastic_amplitude_px: float = 8.0
    elastic_grid: int = 6
    gain: tuple[float, float] = (0.75, 1.3)
    shift: float = 0.3
    gamma: tuple[float, float] = (0.7, 1.5)
    gamma_share: float = 0.3
    bias_field: float = 0.3
    bias_amplitude: float = 0.25
    noise_share: float = 0.3
    noise: float = 0.2
    blur: float = 0.15
    blur_sigma_px: tuple[float, float] = (0.5, 1.2)
    low_resolution: float = 0.1
    low_resolution_factor: tuple[float, float] = (1.5, 2.5)
    sequence_dropout: float = 0.12


@dataclass(frozen=True)
class WeakScans:
    """What weaker scanners, and preparation of native scans, do to slices; 0 leaves a step out.

    misregistration : share of sequences that are shifted, by up to `misregistration_px` along each axis
    thick : share of sequences that look like axial slices of `thickness_mm`, a range
    rim : share of samples with tissue of up to `rim_px` left around a part of the brain
    cut : share of samples with up to `cut_px` cut off a part of the brain's edge
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    misregistration: float = 0.0
    misregistration_px: float = 1.0
    thick: float = 0.0
    thickness_mm: tuple[float, float] = (2.0, 6.0)
    rim: float = 0.0
    rim_px: int = 6
    cut: float = 0.0
    cut_px: int = 4


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of one stage of a training.

    neighbours : slices seen on each side of a slice (2.5-D)
    mirror : whether the mirrored slice is seen as well
    imagenet : start MobileUNet's encoder from ImageNet weights
    loss : cross-entropy alone, or with soft Dice of the classes or of all scored regions, or with focal Tversky
    deep_supervision : weight of the same loss on MobileUNet's coarser levels; 0: none
    ema : momentum of the moving average of weights; the averaged weights are kept
    start_share : share of the starting weights in the weights that are kept
    batch_norm_batches : training batches that re-estimate batch normalisation at the end
    precision : of the computation in training; weights and class probabilities stay float32
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    network: Literal["mobile_unet", "simple_unet"] = "mobile_unet"
    neighbours: int = 1
    mirror: bool = False
    imagenet: bool = True
    loss: Literal["cross_entropy", "class_dice", "region_dice", "focal_tversky"] = "region_dice"
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
    weak_scans: WeakScans = WeakScans()

    def __post_init__(self) -> None:
        if self.deep_supervision and self.network != "mobile_unet":
            raise ValueError("deep_supervision is for mobile_unet alone")

    def preprocessing(self, prepared: Preprocessing = Preprocessing()) -> Preprocessing:
        """Return the parameters of prepared data, with this run's neighbours and mirrored slice."""
        return replace(prepared, neighbours=self.neighbours, mirror=self.mirror)


def parse(kind: type, fields: dict[str, Any]) -> Any:
    """Return the dataclass `kind` from nested tables. Raises ValueError that names the field."""
    try:
        return TypeAdapter(kind).validate_python(fields)
    except ValidationError as error:
        found = [(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        # An error of several fields together has no place.
        problems = [f"{place}: {problem}" if place else problem for place, problem in found]
        raise ValueError("; ".join(problems)) from None


def merged(*tables: dict[str, Any]) -> dict[str, Any]:
    """Return nested tables merged into one; where two have the same key, the later one wins."""
    result: dict[str, Any] = {}
    for table in tables:
        for key, value in table.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def read_toml(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return tomllib.load(file)
