"""The networks on a GPU through TensorFlow, in mixed precision; on a CPU in float32."""

import os

# Before the import: no messages about missing GPUs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from model.card import WEIGHTS, ModelCard, file_of, verified
from model.errors import ModelError
from model.inference.engines import WARM_AT_LOAD, PrecisionName
from model.networks import NETWORKS

# Keras' names; `auto` is what a CPU or a GPU is quickest in.
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


class TensorFlowEngine:
    """One compiled function for each network and input shape."""

    name = "tensorflow"

    def __init__(
        self,
        folder: Path,
        card: ModelCard,
        device: str = "auto",
        precision: PrecisionName = "auto",
    ):
        gpus = tf.config.list_physical_devices("GPU") if device != "cpu" else []
        if device == "gpu" and not gpus:
            raise ModelError("TensorFlow sees no GPU: check the driver and its CUDA libraries.")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        self._where = "/GPU:0" if gpus else "/CPU:0"
        inference = card.inference
        self.batch = inference.gpu_batch if gpus else inference.batch
        self.shapes = inference.gpu_shapes if gpus else inference.shapes
        # Compiling a shape takes seconds. Shapes larger than brains, for heads, are compiled when needed.
        self.warm_shapes = inference.gpu_shapes[:WARM_AT_LOAD]
        quickest = "mixed_float16" if gpus else "float32"
        self.precision = policy = POLICIES.get(precision, quickest)
        previous = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            with tf.device(self._where):
                networks = [
                    NETWORKS[card.architecture](card.channels) for _ in range(card.networks)
                ]
            for number, network in enumerate(networks):
                network.load_weights(verified(folder, card, file_of(WEIGHTS, number)))
        finally:
            keras.config.set_dtype_policy(previous)
        # XLA on a CPU makes these networks several times slower.
        self._predict = [
            tf.function(partial(network, training=False), jit_compile=bool(gpus))
            for network in networks
        ]
        self.device = _describe(gpus)

    def run(
        self,
        batches: Iterable[np.ndarray],
        receive: Callable[[int, np.ndarray], None],
        network: int = 0,
    ) -> None:
        # One batch ahead: the GPU computes while the host fetches the last result.
        pending = None
        with tf.device(self._where):
            for index, batch in enumerate(batches):
                current = index, self._predict[network](tf.convert_to_tensor(batch))
                if pending is not None:
                    receive(pending[0], pending[1].numpy())
                pending = current
            if pending is not None:
                receive(pending[0], pending[1].numpy())


def _describe(gpus: list) -> str:
    if not gpus:
        return "CPU"
    return "GPU: " + tf.config.experimental.get_device_details(gpus[0]).get("device_name", "NVIDIA")
