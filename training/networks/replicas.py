"""Training on several devices of a machine at once, with the results of one.

Every device takes its share of each batch. Dice, batch normalisation and the norm of the gradient are
computed over the whole batch. So the number of devices changes times and not results, and is no
setting of a run.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras


def scope(batch: int) -> contextlib.AbstractContextManager:
    """Return the context to build a model in, for all devices that this process sees.

    Raises SystemExit if a batch cannot be shared among them evenly.
    """
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return contextlib.nullcontext()
    if batch % len(devices):
        raise SystemExit(
            f"{len(devices)} devices cannot share a batch of {batch} evenly: choose another batch, or "
            "fewer devices by CUDA_VISIBLE_DEVICES"
        )
    return tf.distribute.MirroredStrategy([device.name for device in devices]).scope()


def count() -> int:
    """Return how many devices share a batch in the current scope."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def summed(value: Any) -> Any:
    """Return the sum of a tensor, or of each in a list, over all devices."""
    if count() == 1:
        return value
    import tensorflow as tf

    # None before training, while Keras infers shapes.
    device = tf.distribute.get_replica_context()
    return device.all_reduce(tf.distribute.ReduceOp.SUM, value) if device else value


def share(loss: Callable) -> Callable:
    """Return `loss` divided by the number of devices, since Keras adds up those of all.

    Keras divides by itself only where a loss is not a scalar.
    """

    @functools.wraps(loss)
    def own_share(labels, outputs):
        return loss(labels, outputs) / count()

    return own_share


class AdamW(keras.optimizers.AdamW):
    """AdamW that clips the gradient of the whole batch; Keras clips the share of each device."""

    def __init__(self, *args: Any, global_clipnorm: float, **options: Any):
        super().__init__(*args, global_clipnorm=global_clipnorm / count(), **options)
        self._shares = count()

    def apply(self, grads: list, trainable_variables: list | None = None) -> None:
        if self._shares > 1:
            # Equal shares of the whole gradient; Keras clips them and adds them up.
            grads = [grad / self._shares for grad in summed(grads)]
        super().apply(grads, trainable_variables)
