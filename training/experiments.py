"""Experiments: recipes that cross-validation compares, as `experiments.toml` describes them."""

import hashlib
import json
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from model.card import Inference
from model.postprocess import Postprocessing
from model.preprocess import Preprocessing
from training.settings import Settings, merged, parse, read_toml

CONFIG = Path(__file__).parent / "experiments.toml"
# Fields of Inference that change the time, but no score.
TIME_ONLY = ("shapes", "gpu_shapes", "batch", "gpu_batch")


@dataclass(frozen=True)
class Folds:
    """How patients are divided: `count` folds drawn with `seed`, of which `run` are held out.

    patients : how many of the other folds' patients are trained on, in a fixed order; 0: all
    partial : whether cases that lack sequences are trained on, too
    parts : parts of the split file to train on. Folds are those of the file then, and scored are patients
        of part `added` alone, whom no earlier stage was trained on
    later_share : share of the patients of each source in parts `added` and `slices` to train on
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    count: int = 4
    run: tuple[int, ...] = (0, 1)
    seed: int = 0
    patients: int = 0
    partial: bool = False
    parts: tuple[str, ...] = ()
    later_share: float = 1.0


@dataclass(frozen=True)
class Experiment:
    """One recipe: all that its scores depend on, besides the data.

    start : folder of a trained model whose network the first stage starts from; "": ImageNet weights
    train : the first stage of the training
    then : further stages, each starting from the weights of the stage before
    others : all stages of further networks, whose probabilities are averaged with the first's
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    folds: Folds = Folds()
    preprocessing: Preprocessing = Preprocessing()
    start: str = ""
    train: Settings = Settings()
    then: tuple[Settings, ...] = ()
    others: tuple[tuple[Settings, ...], ...] = ()
    inference: Inference = Inference()
    postprocessing: Postprocessing = Postprocessing()

    @property
    def trainings(self) -> tuple[tuple[Settings, ...], ...]:
        """All stages of each network's training."""
        return ((self.train, *self.then), *self.others)

    @property
    def hash(self) -> str:
        """A short hash of all settings that scores depend on."""
        untimed = {f.name: f.default for f in fields(Inference) if f.name in TIME_ONLY}
        return digest(replace(self, inference=replace(self.inference, **untimed)))


def read_experiments(config: dict[str, Any], folder: Path) -> dict[str, Experiment]:
    """Return the experiments by name: `[base]` with the changes of each.

    With a `recipe`, the stages of the training are these files in `folder` in place of the base's; a
    `share` below 1 shortens each. With `mean_of`, the networks of these earlier experiments are
    averaged. Raises ValueError.
    """
    experiments: dict[str, Experiment] = {}
    for name, table in config["experiment"].items():
        try:
            experiments[name] = _experiment(table, config.get("base", {}), folder, experiments)
        except KeyError as error:
            raise ValueError(f"experiment {name}: no experiment {error} before it") from None
        except ValueError as error:
            raise ValueError(f"experiment {name}: {error}") from None
    return experiments


def _experiment(
    table: dict[str, Any], base: dict[str, Any], folder: Path, earlier: dict[str, Experiment]
) -> Experiment:
    """Return the experiment of one table. Raises KeyError for an unknown name in `mean_of`."""
    if stages := [read_toml(folder / path) for path in table.get("recipe", ())]:
        stages = [_shortened(stage, table.get("share", 1)) for stage in stages]
        base = base | {"train": stages[0], "then": stages[1:]}
    experiment = parse(Experiment, merged(base, table.get("change", {})))
    if averaged := table.get("mean_of"):
        (first, *then), *others = (earlier[name].trainings[0] for name in averaged)
        experiment = replace(experiment, train=first, then=tuple(then), others=tuple(others))
    return experiment


def _shortened(stage: dict[str, Any], share: float) -> dict[str, Any]:
    """Return the settings of a stage with this share of its epochs."""
    epochs = stage.get("epochs", Settings.epochs)
    return stage | {"epochs": max(1, round(epochs * share))}


def digest(settings: Any) -> str:
    """Return a short hash of a dataclass: the same settings, the same hash.

    Only fields that differ from their defaults count, so that a new field changes no hash. For the
    same reason a default must not be changed: write the old value into `experiments.toml` first.
    """
    text = json.dumps(not_default(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def not_default(settings: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults; nested ones alike."""
    found = {f.name: _changed(getattr(settings, f.name), f) for f in fields(settings)}
    return {name: value for name, value in found.items() if value is not MISSING}


def _changed(value: Any, described: Field) -> Any:
    """Return a field's value for JSON, or MISSING if it is the default."""
    if is_dataclass(value):
        return not_default(value) or MISSING
    return MISSING if value == described.default else _plain(value)


def _plain(value: Any) -> Any:
    """Return a value with lists for tuples and tables for dataclasses."""
    if is_dataclass(value):
        return not_default(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
