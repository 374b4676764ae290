"""The same work done otherwise, in the same run, and the distance from the processor's limit."""

import importlib.util
import os
import time
from pathlib import Path

import numpy as np
import openvino as ov

from benchmarks.report import Measurement, timed
from benchmarks.serving import network_inputs
from model.card import DEFAULT_DIR, WEIGHTS, read_card, verified
from model.case import find_case_files, load_case
from model.engines import load_engine
from model.networks import NETWORKS

# Edge of the square matrices whose product measures the processor's bfloat16 peak.
MATRIX = 4096
SEGRESNET_SHAPE = (1, 4, 240, 240, 160)


def measure_rivals(case_dir: Path, repeats: int) -> list[Measurement]:
    """Time each engine, plain `keras.predict`, MONAI's SegResNet and a large matrix product."""
    # TensorFlow is a rival here; serving on a CPU does not need it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    card = read_card(DEFAULT_DIR)
    case = load_case(find_case_files(case_dir))
    batches = network_inputs(case, card)
    shape = batches[0].shape[1:3]
    slices = len(batches) * card.inference.batch
    network = NETWORKS[card.architecture](card.channels)
    network.load_weights(verified(DEFAULT_DIR, card, WEIGHTS))
    everything = np.concatenate(batches)
    results = []
    for name in ("openvino", "tensorflow"):
        engine = load_engine(DEFAULT_DIR, card, name, "cpu")
        time_s = timed(
            f"network, {name} engine",
            lambda engine=engine: engine.run(batches, lambda index, result: None),
            repeats,
            engine.device,
        )
        results += [time_s, _rate(time_s, slices)]
    plain = timed(
        "network, keras.predict",
        lambda: network.predict(everything, batch_size=card.inference.batch, verbose=0),
        max(1, repeats // 2),
        "float32",
    )
    results += [plain, _rate(plain, slices)]
    results.append(_ratio("keras.predict / openvino engine", plain, results[0]))
    results += _segresnet(results[0], repeats)
    operations = multiply_accumulates(network, shape) * slices
    peak = _matrix_product(repeats)
    bound = 2 * operations / (peak.median * 1e9)
    return [
        *results,
        Measurement("work of the network", (operations / 1e9,), "GMAC", f"{slices} slices"),
        peak,
        Measurement("least time for that work", (bound,), note="work / peak"),
        Measurement("openvino engine / least time", (results[0].median / bound,), "times"),
    ]


def multiply_accumulates(network, shape: tuple[int, int]) -> int:
    """Return multiply-accumulates of all convolutions for one slice of `shape`."""
    import keras

    total = 0
    fixed = keras.Input((*shape, network.input_shape[-1]))
    sized = keras.models.clone_model(network, input_tensors=fixed)
    for layer in sized.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D):
            total += int(np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape))
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            total += int(np.prod(layer.input.shape[1:3]) * np.prod(layer.kernel.shape))
    return total


def _matrix_product(repeats: int) -> Measurement:
    """Measure the rate of a large bfloat16 matrix product on the same cores."""
    ops = ov.opset13
    left = ops.parameter([MATRIX, MATRIX], np.float32)
    weights = np.random.default_rng(0).standard_normal((MATRIX, MATRIX), np.float32)
    model = ov.Model([ops.matmul(left, ops.constant(weights), False, False)], [left])
    compiled = ov.Core().compile_model(model, "CPU")
    batch = np.ones((MATRIX, MATRIX), np.float32)
    time_s = timed("", lambda: compiled(batch), repeats)
    rates = tuple(2 * MATRIX**3 / value / 1e9 for value in time_s.values)
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return Measurement(f"matrix product, {MATRIX} cubed", rates, "GFLOP/s", precision)


def _segresnet(ours: Measurement, repeats: int) -> list[Measurement]:
    """Time MONAI's BraTS SegResNet with random weights, where it is installed."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "monai")):
        return []
    import torch
    from monai.networks.nets import SegResNet

    # The configuration of MONAI's BraTS bundle.
    network = SegResNet(
        blocks_down=(1, 2, 2, 4),
        blocks_up=(1, 1, 1),
        init_filters=16,
        in_channels=4,
        out_channels=3,
    ).eval()
    volume = torch.randn(SEGRESNET_SHAPE)
    results = []
    for name, low in (("float32", False), ("bfloat16", True)):
        values = []
        for _ in range(max(1, repeats // 2)):
            start = time.perf_counter()
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
                network(volume)
            values.append(time.perf_counter() - start)
        results.append(Measurement(f"MONAI SegResNet, {name}", tuple(values), note="network alone"))
    results.append(_ratio("SegResNet bfloat16 / openvino engine", results[-1], ours))
    return results


def _rate(time_s: Measurement, slices: int) -> Measurement:
    rates = tuple(slices / value for value in time_s.values)
    return Measurement(time_s.name, rates, "slices/s", time_s.note)


def _ratio(name: str, slow: Measurement, fast: Measurement) -> Measurement:
    return Measurement(name, (slow.median / fast.median,), "times")
