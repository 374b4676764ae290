"""Train one network on prepared cases, resumable at any epoch.

    python -m training.train --network mobile_unet --data runs/data --out runs/mobile_unet

A run folder holds `settings.json`, `checkpoint.npz` (weights, optimiser and its averages),
`log.csv`, TensorBoard events and, when done, `final.weights.h5`. After an interruption the same
command goes on with the run. A training of several stages is several runs: `--start-from` names the
exported model of the stage before.

All GPUs that the process sees share each batch, with the results of one. With KERAS_BACKEND=jax it
trains on Keras' JAX backend, on one device and without TensorBoard events.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import keras
import numpy as np

from model.errors import ModelError
from model.networks import NETWORKS
from training.data.dataset import Patches
from training.data.folds import without_fold
from training.data.prepared import load_cases, load_folds, load_preprocessing, load_split
from training.networks import replicas
from training.networks.checkpoint import Checkpoint
from training.networks.deep_supervision import at_all_levels, at_full_resolution, with_heads
from training.networks.fused_batch_norm import for_training
from training.networks.losses import LOSSES, region_dice
from training.networks.pretrained import (
    copy_weights,
    estimate_batch_norm,
    load_imagenet,
    load_model_weights,
    match_batch_norm,
)
from training.networks.provenance import start_of
from training.scoring.validation import ValidationDice
from training.settings import Settings, merged, parse, read_toml

PARTS = ("train", "validation", "test", "partial", "added", "slices", "test_slices")
# Settings with a flag of their own. All others, which are nested, are set in a file.
FLAGS = {
    name: field.type
    for name, field in Settings.__dataclass_fields__.items()
    if field.type in (int, float) or get_args(field.type)
}


def main(arguments: list[str] | None = None) -> int:
    options = read_arguments(arguments)
    try:
        settings = read_settings(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    started = time.monotonic()
    try:
        run(
            settings,
            cases_of(options),
            options.data,
            options.out,
            options.imagenet,
            options.validate_every,
            options.start_from,
            options.workers,
            options.start_network - 1,
        )
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    minutes = (time.monotonic() - started) / 60
    print(f"{minutes:.1f} minutes; weights in {options.out / 'final.weights.h5'}")
    return 0


def cases_of(options: argparse.Namespace) -> dict[str, list[str]]:
    """Return the split of a run: all that is trained on in "train". Raises ModelError."""
    split = load_split(options.data)
    parts = {part: split.get(part, []) for part in options.parts}
    split = {part: [] if part in parts else names for part, names in split.items()}
    if options.fold is not None:
        return split | without_fold(parts, load_folds(options.data), options.fold)
    return split | {"train": sum(parts.values(), [])}


def run(
    settings: Settings,
    split: dict[str, list[str]],
    data: Path,
    out: Path,
    imagenet: Path | None = None,
    validate_every: int = 0,
    start_from: Path | None = None,
    workers: int = 0,
    start_network: int = 0,
) -> None:
    """Train on `split["train"]` of a prepared folder, or go on with the run in `out`.

    imagenet : weights file of MobileNetV2; without it Keras downloads one
    validate_every : epochs between validations; 0: none
    start_from : folder of a trained model, whose weights the training starts from
    workers : processes that draw patches ahead
    start_network : which of that model's networks it is, from 0

    Raises ModelError if the model cannot be read.
    """
    devices = replicas.scope(settings.batch)
    keras.utils.set_random_seed(settings.seed)
    out.mkdir(parents=True, exist_ok=True)
    remember(out / "settings.json", asdict(settings))
    remember(out / "split.json", split)
    remember(out / "start.json", start_of(start_from, start_network) if start_from else {})
    preprocessing = settings.preprocessing(load_preprocessing(data))
    patches = Patches(load_cases(data, split["train"]), settings, workers)
    network = starting_network(settings, patches, imagenet, start_from, start_network)
    begun = network.get_weights()
    with devices:
        model = compiled(network, settings)
        checkpoint = Checkpoint(model, out / "checkpoint.npz")
        done = checkpoint.restore()
    patches.first_step = done * settings.steps_per_epoch
    validation = load_cases(data, split["validation"]) if validate_every else []
    log = out / "log.csv"
    model.fit(
        patches,
        epochs=settings.epochs,
        initial_epoch=done,
        # Patches are already drawn at random.
        shuffle=False,
        callbacks=[
            # First, so that its Dice is in the logs which the others write.
            ValidationDice(network, validation, preprocessing, validate_every),
            checkpoint,
            keras.callbacks.CSVLogger(log, append=log.exists()),
            *tensorboard(out / "tensorboard"),
        ],
        verbose=1 if sys.stdout.isatty() else 2,
    )
    # At its end, `fit` has put the averaged weights into the model.
    copy_weights(model, network)
    network.set_weights(interpolated(network.get_weights(), begun, settings.start_share))
    finish(network, settings, patches, out)


def tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    """Return the callback that writes TensorBoard events; Keras needs TensorFlow for it."""
    if keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(folder, profile_batch=0)]


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="training.train", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("runs/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--imagenet", type=Path, help="weights file; without it Keras downloads")
    parser.add_argument(
        "--start-from", type=Path, metavar="MODEL_DIR", help="start from the weights of a model"
    )
    parser.add_argument(
        "--start-network",
        type=int,
        default=1,
        metavar="NUMBER",
        help="the network of that model, where it has several",
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=["train"],
        help="parts of the split to train on",
    )
    parser.add_argument(
        "--fold", type=int, help="hold out this fold of the split file: it becomes `validation`"
    )
    parser.add_argument("--validate-every", type=int, default=5, metavar="EPOCHS")
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes that draw patches ahead; 0: the training process draws them",
    )
    parser.add_argument("--settings", type=Path, help="TOML file; flags below win over it")
    for name, kind in FLAGS.items():
        convert: Callable = kind if kind in (int, float) else str
        parser.add_argument(
            "--" + name.replace("_", "-"), type=convert, choices=get_args(kind) or None
        )
    return parser.parse_args(arguments)


def read_settings(options: argparse.Namespace) -> Settings:
    """Return the settings: defaults, then the file, then flags; the last wins. Raises ValueError."""
    given = {name: getattr(options, name) for name in FLAGS}
    flags = {name: value for name, value in given.items() if value is not None}
    return parse(Settings, merged(read_toml(options.settings) if options.settings else {}, flags))


def remember(path: Path, content: dict) -> None:
    """Write what a run is made of. Refuse to go on with a run that was made of something else."""
    text = json.dumps(content, indent=1)
    if path.exists() and path.read_text() != text:
        raise SystemExit(f"{path} holds other {path.stem}: choose another --out or remove that run")
    path.write_text(text)


def starting_network(
    settings: Settings,
    patches: Patches,
    imagenet: Path | None,
    start_from: Path | None,
    start_network: int,
) -> keras.Model:
    """Return the network with its starting weights, on one device."""
    model = NETWORKS[settings.network](patches.preprocessing.channels)
    if start_from:
        load_model_weights(model, start_from, start_network)
    elif settings.network == "mobile_unet" and settings.imagenet:
        load_imagenet(model, imagenet, patches.preprocessing)
    else:
        return for_training(model)
    # In either kind of weights, normalisation may have been folded into the convolutions.
    match_batch_norm(model, patches[0][0])
    return for_training(model)


def compiled(network: keras.Model, settings: Settings) -> keras.Model:
    """Return a copy of the network, ready to be trained on the devices of the current scope."""
    model = for_training(network, settings.precision)
    loss, metric = LOSSES[settings.loss], region_dice
    if settings.deep_supervision:
        model, loss = with_heads(model), at_all_levels(loss, settings.deep_supervision)
        metric = at_full_resolution(metric)
    steps = settings.epochs * settings.steps_per_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - settings.warmup_steps),
        warmup_target=settings.learning_rate,
        warmup_steps=settings.warmup_steps,
        alpha=0.01,
    )
    optimizer = replicas.AdamW(
        schedule,
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm,
        use_ema=True,
        ema_momentum=settings.ema,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # XLA makes these networks several times slower on CPUs, and does not work across devices.
    on_gpu = keras.backend.backend() != "tensorflow" or _has_gpu()
    model.compile(
        optimizer,
        replicas.share(loss),
        metrics=[metric],
        jit_compile="auto" if on_gpu and replicas.count() == 1 else False,
    )
    return model


def interpolated(
    trained: list[np.ndarray], begun: list[np.ndarray], start_share: float
) -> list[np.ndarray]:
    """Return weights between those at the end of training and those at its start.

    start_share : share of the weights at the start

    Such weights fit the training cases as well, and new cases often better (Wortsman et al., 2022,
    "Robust fine-tuning of zero-shot models").
    """
    return [a + start_share * (b - a) for a, b in zip(trained, begun, strict=True)]


def finish(model: keras.Model, settings: Settings, patches: Patches, out: Path) -> None:
    """Re-estimate batch normalisation of the trained network and save plain Keras weights."""
    patches.first_step = settings.epochs * settings.steps_per_epoch
    estimate_batch_norm(model, settings.batch_norm_batches, patches)
    plain = NETWORKS[settings.network](model.input_shape[-1])
    plain.set_weights(model.get_weights())
    plain.save_weights(out / "final.weights.h5")


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


if __name__ == "__main__":
    sys.exit(main())
