"""Engines that run the networks: OpenVINO on CPUs, TensorFlow on GPUs, with one interface."""

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from model.card import ModelCard
from model.errors import ModelError

EngineName = Literal["auto", "tensorflow", "openvino"]
DeviceName = Literal["auto", "gpu", "cpu"]
PrecisionName = Literal["auto", "float32", "bfloat16"]
# The largest of the usual shapes, which whole brains need; smaller windows near tumour come later.
WARM_AT_LOAD = 3


class Engine(Protocol):
    """Runs the networks.

    name : "openvino" or "tensorflow"
    device : kind and name of the processor or graphics card
    precision : of the numbers that the networks are computed in
    batch : slices per call
    shapes : the in-plane sizes (rows, columns) that it is best at, by area
    warm_shapes : the usual ones of these, run once at the start or soon after
    """

    name: str
    device: str
    precision: str
    batch: int
    shapes: tuple[tuple[int, int], ...]
    warm_shapes: tuple[tuple[int, int], ...]

    def run(
        self,
        batches: Iterable[np.ndarray],
        receive: Callable[[int, np.ndarray], None],
        network: int = 0,
    ) -> None:
        """Predict batches (B, H, W, C) float32 as they come, by one of the card's networks.

        Calls `receive(index, probabilities)` with (B, H, W, classes) float32 for each, one call at
        a time, in any order.
        """


def load_engine(
    folder: Path,
    card: ModelCard,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
) -> Engine:
    """Return the engine asked for, its networks loaded and the first run once. Raises ModelError.

    `auto` takes TensorFlow where there are an NVIDIA GPU and TensorFlow, and OpenVINO elsewhere; the precision that
    is quickest there.
    """
    if engine == "openvino" and device == "gpu":
        raise ModelError(
            "The OpenVINO engine runs on the CPU; use the TensorFlow engine for a GPU."
        )
    if engine == "auto":
        gpu = device != "cpu" and has_nvidia_gpu() and _installed("tensorflow")
        if device == "gpu" and not gpu:
            raise ModelError("No NVIDIA GPU with TensorFlow is usable here; set BTS_DEVICE=cpu.")
        engine = "tensorflow" if gpu else "openvino"
    # Imported here: a CPU installation needs no TensorFlow, and importing it takes seconds.
    if engine == "openvino":
        from model.inference.engines.openvino import OpenVinoEngine

        loaded: Engine = OpenVinoEngine(folder, card, precision)
    elif _installed("tensorflow"):
        from model.inference.engines.tensorflow import TensorFlowEngine

        loaded = TensorFlowEngine(folder, card, device, precision)
    else:
        raise ModelError("TensorFlow is not installed: install the `tensorflow` extra.")
    warm_up(loaded, card, loaded.warm_shapes[-WARM_AT_LOAD:])
    return loaded


def warm_up(
    engine: Engine, card: ModelCard, shapes: Iterable[tuple[int, int]], network: int = 0
) -> None:
    """Run one of the networks once on each of the shapes (rows, columns)."""
    batches = (np.zeros((engine.batch, *shape, card.channels), np.float32) for shape in shapes)
    engine.run(batches, lambda index, probabilities: None, network)


def has_nvidia_gpu() -> bool:
    """Say whether the NVIDIA driver offers a GPU, without loading any library."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
