"""The model card: all that serving must know about a trained model, and checks of its files.

An artefact is a folder with `card.json` and, for each network, Keras weights and an OpenVINO export.
The card names each file's SHA-256; nothing is opened before its checksum is right, and nothing is
ever unpickled.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model.errors import ModelError
from model.io.modalities import MODALITIES
from model.planes import Plane
from model.postprocess import Postprocessing
from model.preprocess import Preprocessing

CARD = "card.json"
# The files of the first network; see `file_of`.
WEIGHTS = "network.weights.h5"
OPENVINO = "network.xml"
OPENVINO_BIN = "network.bin"
DEFAULT_DIR = Path(__file__).parent / "artefact"
FORMAT = 1
ORDINALS = {2: "second", 3: "third", 4: "fourth"}
COUNTS = {2: "two", 3: "three", 4: "four"}


@dataclass(frozen=True)
class Views:
    """Which slices of a scan the networks see; fields as in `Inference`, `mirrored` is its `flip`.

    later_interval : the `refinement_interval` where only the first view is of the whole brain, else 0
    """

    planes: tuple[Plane, ...]
    interval: int = 1
    mirrored: bool = False
    later_interval: int = 0

    @property
    def text(self) -> str:
        """The same for people: "every third axial slice, near tumour every fourth axial, coronal slice"."""
        mirrored = " and mirrored" if self.mirrored else ""
        planes = ", ".join(self.planes) + mirrored
        if not self.later_interval:
            return _every(self.interval, planes)
        first = _every(self.interval, self.planes[0] + mirrored)
        return f"{first}, near tumour {_every(self.later_interval, planes)}"


def _every(interval: int, planes: str) -> str:
    every = ORDINALS.get(interval, f"{interval}th")
    return f"every {every} {planes} slice" if interval > 1 else f"{planes} slices"


@dataclass(frozen=True)
class Provenance:
    """What computed a result.

    engine : "openvino" or "tensorflow"
    device : kind and name of the processor or graphics card
    precision : of the numbers that the networks were computed in
    networks : how many were averaged
    views : which slices each saw
    """

    engine: str
    device: str
    precision: str
    networks: int
    views: Views

    @property
    def averaged(self) -> str:
        """What was averaged, for people: "two networks; every second axial slice"."""
        return "; ".join(filter(None, (count_text(self.networks), self.views.text)))

    @property
    def text(self) -> str:
        """All but the engine in one line, for people."""
        device = ", ".join(filter(None, (self.device, self.precision)))
        return f"{device}; {self.averaged}"


@dataclass(frozen=True)
class Inference:
    """How the networks are run.

    shapes : in-plane sizes (rows, columns) tried in order on a CPU, by area; a brain at 1 mm needs no
        others
    gpu_shapes : the same on a GPU: few, since each is compiled, which takes seconds
    batch : slices per call on a CPU; few, so that what is computed on stays in its caches
    gpu_batch : the same on a GPU, which many keep busy
    planes : orientations that are sliced, segmented and averaged
    interval : only every such slice is segmented; what lies between is interpolated
    refinement_threshold : planes and networks after the first see only what lies near voxels to which
        the first network gives tumour at least this probability in the first plane; 0: the whole brain
    refinement_interval : the interval of these later views, whose networks take turns; 0: `interval` for each
    refinement_cube : edge in voxels of the cubes that later views see: those with such a voxel, and those around
    flip : average with the prediction of the left-right mirrored scan
    """

    shapes: tuple[tuple[int, int], ...] = (
        (64, 64),
        (64, 96),
        (96, 64),
        (96, 96),
        (96, 128),
        (128, 96),
        (96, 160),
        (128, 128),
        (96, 192),
        (128, 160),
        (160, 128),
        (128, 192),
        (160, 160),
        (160, 192),
    )
    gpu_shapes: tuple[tuple[int, int], ...] = (
        (96, 128),
        (128, 160),
        (160, 192),
        (192, 224),
        (256, 256),
    )
    batch: int = 2
    gpu_batch: int = 32
    planes: tuple[Plane, ...] = ("axial",)
    interval: int = 1
    refinement_threshold: float = 0.0
    refinement_interval: int = 0
    refinement_cube: int = 8
    flip: bool = False

    @property
    def views(self) -> Views:
        """Which slices of a scan the networks see."""
        later = self.refinement_interval if self.refinement_threshold else 0
        return Views(self.planes, self.interval, self.flip, later)


@dataclass(frozen=True)
class ModelCard:
    """The content of `card.json`; see the module's docstring.

    networks : how many networks of the architecture have their class probabilities averaged
    """

    name: str
    version: str
    created: str
    architecture: str
    channels: int
    networks: int = 1
    preprocessing: Preprocessing = Preprocessing()
    inference: Inference = Inference()
    postprocessing: Postprocessing = Postprocessing()
    modalities: tuple[str, ...] = MODALITIES
    labels: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def checksum(self) -> str:
        """SHA-256 of the weights, hexadecimal: what identifies the model in reports.

        Of several networks, that of the lines of their weights' own checksums, in order.
        """
        lines = "".join(f"{checksum}\n" for checksum in self.weights)
        return hashlib.sha256(lines.encode()).hexdigest() if self.weights[1:] else self.weights[0]

    @property
    def weights(self) -> tuple[str, ...]:
        """SHA-256 of the weights of each network in the artefact, hexadecimal."""
        count = sum(name.endswith(WEIGHTS.partition(".")[2]) for name in self.files)
        return tuple(self.files[file_of(WEIGHTS, network)] for network in range(count))


def read_card(folder: Path) -> ModelCard:
    """Read and check `card.json`. Raises ModelError."""
    path = folder / CARD
    try:
        fields = _renamed(json.loads(path.read_text()))
        card = ModelCard(
            **fields
            | {
                "preprocessing": _tuples(Preprocessing, fields["preprocessing"]),
                "inference": _tuples(Inference, fields["inference"]),
                "postprocessing": _tuples(Postprocessing, fields["postprocessing"]),
                "modalities": tuple(fields["modalities"]),
            }
        )
    except FileNotFoundError:
        raise ModelError(
            f"There is no model in {folder}: {CARD} is missing. "
            "Train and export one, or point BTS_MODEL_DIR at one."
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} is damaged or of another version: {error!r}") from error
    if card.format != FORMAT or card.modalities != MODALITIES:
        raise ModelError(f"{path} is of another version than this program.")
    return card


def write_card(folder: Path, card: ModelCard) -> None:
    """Write `card.json`, with the checksums of the files that are in `folder` now."""
    names = (WEIGHTS, OPENVINO, OPENVINO_BIN)
    every = [file_of(name, network) for network in range(card.networks) for name in names]
    files = {name: sha256(folder / name) for name in every}
    fields = asdict(card) | {"files": files}
    (folder / CARD).write_text(json.dumps(fields, indent=1, ensure_ascii=False) + "\n")


def count_text(networks: int) -> str:
    """Return how many networks are averaged, as text for people; empty where there is one."""
    return "" if networks == 1 else f"{COUNTS.get(networks, networks)} networks"


def file_of(name: str, network: int) -> str:
    """Return the name of the file of a network, counted from 0, that is `name` for the first."""
    stem, _, kind = name.partition(".")
    return f"{stem}_{network + 1}.{kind}" if network else name


def verified(folder: Path, card: ModelCard, name: str) -> Path:
    """Return the path of an artefact file whose checksum is right. Raises ModelError."""
    path = folder / name
    if not path.is_file():
        raise ModelError(f"The model in {folder} is incomplete: {name} is missing.")
    if sha256(path) != card.files.get(name):
        raise ModelError(f"{path} is damaged: its checksum is not the one in {CARD}.")
    return path


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _renamed(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a card as this version names them: models of earlier ones stay usable."""
    inference = dict(fields["inference"])
    # Until 0.4.
    inference.pop("warm_shapes", None)
    # Until 0.6.
    if "attention" in inference:
        inference["refinement_threshold"] = inference.pop("attention")
    postprocessing = dict(fields["postprocessing"])
    # Until 0.7 this was of all enhancing tumour in a case, which became core by its volume alone.
    if "keep_probability" not in postprocessing:
        postprocessing.pop("min_enhancing_ml", None)
    return fields | {"inference": inference, "postprocessing": postprocessing}


def _tuples(kind: type, fields: dict[str, Any]) -> Any:
    """Build a dataclass whose sequences JSON has turned into lists."""
    return kind(**{key: _tuple(value) for key, value in fields.items()})


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value
