"""Train one network on prepared cases, resumable at any epoch.

    python -m training.train --network mobile_unet --data runs/data --out runs/mobile_unet

A run folder holds `settings.json`, `checkpoint.npz` (weights, optimiser and its averages),
`log.csv`, TensorBoard events, `curves.png` and, when done, `final.weights.h5`. The same command
goes on where an interrupted run stopped.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from model.modalities import MODALITIES
from model.networks import NETWORKS
from model.preprocess import Preprocessing
from training.callbacks import Checkpoint, ValidationDice
from training.dataset import (
    Patches,
    load_cases,
    load_preprocessing,
    load_split,
)
from training.fused import with_fused_batch_norm
from training.losses import dice_cross_entropy, region_dice
from training.pretrained import estimate_batch_norm, load_imagenet, match_batch_norm


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of a run; those of sampling and augmentation stand in their modules."""

    network: str = "mobile_unet"
    epochs: int = 50
    steps_per_epoch: int = 100
    batch: int = 24
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.997
    batch_norm_batches: int = 60
    seed: int = 0


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    fields = {key: value for key, value in vars(options).items() if key in Settings.__annotations__}
    settings = Settings(**fields)
    keras.utils.set_random_seed(settings.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    remember_settings(options.out / "settings.json", settings)
    split = load_split(options.data)
    parts = split["train"] + (split["validation"] + split["test"] if options.all_cases else [])
    preprocessing = load_preprocessing(options.data)
    cases = load_cases(options.data, parts)
    patches = Patches(
        cases,
        preprocessing,
        batch=settings.batch,
        steps=settings.steps_per_epoch,
        seed=settings.seed,
    )
    model = build(settings, preprocessing, patches, options.imagenet, options.from_scratch)
    checkpoint = Checkpoint(model, options.out / "checkpoint.npz")
    done = checkpoint.restore()
    patches.first_step = done * settings.steps_per_epoch
    validation = load_cases(options.data, split["validation"])
    started = time.monotonic()
    model.fit(
        patches,
        epochs=settings.epochs,
        initial_epoch=done,
        callbacks=callbacks(options, validation, preprocessing, checkpoint),
        verbose=1 if sys.stdout.isatty() else 2,
    )
    finish(model, settings, patches, options.out)
    minutes = (time.monotonic() - started) / 60
    print(f"{minutes:.1f} minutes; weights in {options.out / 'final.weights.h5'}")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="training.train", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("runs/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--imagenet", type=Path, help="weights file; without it Keras downloads")
    parser.add_argument("--from-scratch", action="store_true", help="no ImageNet weights")
    parser.add_argument("--all-cases", action="store_true", help="train on every case")
    parser.add_argument("--validate-every", type=int, default=5, metavar="EPOCHS")
    for field, kind in Settings.__annotations__.items():
        choices = sorted(NETWORKS) if field == "network" else None
        default = getattr(Settings, field)
        parser.add_argument(
            "--" + field.replace("_", "-"), type=kind, default=default, choices=choices
        )
    return parser.parse_args(arguments)


def remember_settings(path: Path, settings: Settings) -> None:
    """Write the settings, or refuse to go on with a run that was started with others."""
    fields = asdict(settings)
    if path.exists() and json.loads(path.read_text()) != fields:
        raise SystemExit(f"{path} holds other settings: choose another --out or remove that run")
    path.write_text(json.dumps(fields, indent=1))


def build(
    settings: Settings,
    preprocessing: Preprocessing,
    patches: Patches,
    imagenet: Path | None,
    from_scratch: bool,
) -> keras.Model:
    """Return the compiled network, its encoder pre-trained unless told otherwise."""
    channels = len(MODALITIES) * (2 * preprocessing.neighbours + 1)
    model = NETWORKS[settings.network](channels)
    if settings.network == "mobile_unet" and not from_scratch:
        load_imagenet(model, imagenet)
        match_batch_norm(model, patches[0][0])
    model = with_fused_batch_norm(model)
    steps = settings.epochs * settings.steps_per_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - settings.warmup_steps),
        warmup_target=settings.learning_rate,
        warmup_steps=settings.warmup_steps,
        alpha=0.01,
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm,
        use_ema=True,
        ema_momentum=settings.ema,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # XLA on CPUs makes these networks several times slower, so it is left to GPUs.
    on_gpu = keras.backend.backend() != "tensorflow" or _has_gpu()
    model.compile(
        optimizer,
        dice_cross_entropy,
        metrics=[region_dice],
        jit_compile="auto" if on_gpu else False,
    )
    return model


def callbacks(
    options: argparse.Namespace, validation, preprocessing: Preprocessing, checkpoint: Checkpoint
) -> list[keras.callbacks.Callback]:
    log = options.out / "log.csv"
    return [
        # First, so that its Dice is in the logs that the others write.
        ValidationDice(validation, preprocessing, options.validate_every),
        checkpoint,
        keras.callbacks.CSVLogger(log, append=log.exists()),
        keras.callbacks.TensorBoard(options.out / "tensorboard", profile_batch=0),
    ]


def finish(model: keras.Model, settings: Settings, patches: Patches, out: Path) -> None:
    """Set the averaged weights, re-estimate batch normalisation, save plain Keras weights."""
    patches.first_step = settings.epochs * settings.steps_per_epoch
    # `fit` has already put the averaged weights into the model.
    estimate_batch_norm(model, settings.batch_norm_batches, patches)
    plain = NETWORKS[settings.network](model.input_shape[-1])
    plain.set_weights(model.get_weights())
    plain.save_weights(out / "final.weights.h5")


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


if __name__ == "__main__":
    sys.exit(main())
