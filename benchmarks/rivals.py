"""The same work done otherwise, in the same run, and the distance from the processor's limit."""

import importlib.util
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import openvino as ov

from benchmarks.report import Measurement, timed
from benchmarks.serving import network_inputs
from model.card import DEFAULT_DIR, WEIGHTS, read_card, verified
from model.inference.engines import load_engine
from model.inference.network_inputs import slice_batches
from model.io.case import find_case_files, load_case
from model.io.nifti import write_mask
from model.preprocess import prepare

# Edge of the square matrices whose product measures the processor's bfloat16 peak.
MATRIX = 4096
ENGINES = ("openvino", "tensorflow")
# Holds the brain of nearly every adult; what a pipeline with one fixed shape would take.
PLAIN_SHAPE = (160, 192)
PLAIN_BATCH = 8
SEGRESNET_SHAPE = (1, 4, 240, 240, 160)
# A window, and how many a brain takes: half overlapped, each in all mirrorings.
NNUNET_SHAPE, NNUNET_WINDOWS = (1, 4, 128, 128, 128), 8 * 8


def measure_rivals(case_dir: Path, ours: list[Measurement], repeats: int) -> list[Measurement]:
    """Time each engine, plain Keras, MONAI's SegResNet, nnU-Net's network and a large matrix product.

    `ours` are the serving path end to end on the same case, in the same run.
    """
    # TensorFlow is a rival here; serving on a CPU does not need it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from model.networks import NETWORKS

    card = read_card(DEFAULT_DIR)
    paths = find_case_files(case_dir)
    engines = {name: load_engine(DEFAULT_DIR, card, name, "cpu") for name in ENGINES}
    batches = network_inputs(load_case(paths), card, engines["openvino"])
    slices = len(batches) * card.inference.batch
    network = NETWORKS[card.architecture](card.channels)
    network.load_weights(verified(DEFAULT_DIR, card, WEIGHTS))
    times = {
        name: timed(
            f"network, {name} engine",
            lambda engine=engine: engine.run(batches, lambda index, result: None),
            repeats,
            f"{engine.device}, {engine.precision}",
        )
        for name, engine in engines.items()
    }
    results = [item for time_s in times.values() for item in (time_s, _rate(time_s, slices))]
    plain_network, plain_whole = _plain_keras(network, card, paths, repeats)
    operations = sum(
        multiply_accumulates(network, batch.shape[1:3]) * len(batch) for batch in batches
    )
    peak = _matrix_product(repeats)
    bound = 2 * operations / (peak.median * 1e9)
    return [
        *results,
        plain_network,
        _rate(plain_network, slices),
        plain_whole,
        _ratio("keras.predict / openvino engine", plain_network, times["openvino"]),
        *(
            _ratio(f"the same with keras.predict / ours: {m.name}", plain_whole, m)
            for m in ours[:1]
        ),
        *_segresnet(times["openvino"], ours, repeats),
        *_nnunet(ours),
        Measurement("work of the network", (operations / 1e9,), "GMAC", f"{slices} slices"),
        peak,
        Measurement("least time for that work", (bound,), note="work / peak"),
        Measurement("openvino engine / least time", (times["openvino"].median / bound,), "times"),
    ]


def _plain_keras(network, card, paths: dict[str, Path], repeats: int) -> list[Measurement]:
    """Time `keras.predict` on whole slices, as a plain pipeline would use it, alone and in it."""

    def slices() -> np.ndarray:
        prepared = prepare(load_case(paths), card.preprocessing)
        everywhere = np.ones(prepared.brain.shape, bool)
        batches = slice_batches(
            prepared.volume, everywhere, card.preprocessing, "axial", [PLAIN_SHAPE], PLAIN_BATCH
        )
        return np.concatenate([batch for batch, _ in batches])

    def predict(inputs: np.ndarray) -> np.ndarray:
        return network.predict(inputs, batch_size=PLAIN_BATCH, verbose=0)

    def whole() -> None:
        labels = np.argmax(predict(slices()), axis=-1)
        with tempfile.TemporaryDirectory() as folder:
            write_mask(Path(folder) / "seg.nii.gz", labels, np.eye(4))

    inputs = slices()
    note = f"float32, whole slices of {PLAIN_SHAPE[0]} x {PLAIN_SHAPE[1]}"
    few = max(1, repeats // 2)
    return [
        timed("network, keras.predict", lambda: predict(inputs), few, note),
        timed("end to end with keras.predict", whole, few, note),
    ]


def multiply_accumulates(network, shape: tuple[int, int]) -> int:
    """Return multiply-accumulates of all convolutions for one slice of `shape`."""
    import keras

    total = 0
    fixed = keras.Input((*shape, network.input_shape[-1]))
    for layer in keras.models.clone_model(network, input_tensors=fixed).layers:
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


def _segresnet(network_s: Measurement, ours: list[Measurement], repeats: int) -> list[Measurement]:
    """Time MONAI's BraTS SegResNet with random weights, where it is installed."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "monai")):
        return []
    from monai.networks.nets import SegResNet

    # The configuration of MONAI's BraTS bundle.
    rival = SegResNet(
        blocks_down=(1, 2, 2, 4),
        blocks_up=(1, 1, 1),
        init_filters=16,
        in_channels=4,
        out_channels=3,
    )
    results = _by_precision(
        "MONAI SegResNet", rival, SEGRESNET_SHAPE, repeats, "network alone, a whole case"
    )
    best = min(results, key=lambda found: found.median)
    return [
        *results,
        _ratio(f"{best.name} / our network", best, network_s),
        *(_ratio(f"{best.name} / ours: {m.name}", best, m) for m in ours),
    ]


def _nnunet(ours: list[Measurement]) -> list[Measurement]:
    """Time a window of nnU-Net's default 3d_fullres network with random weights, where it is installed."""
    needed = ("torch", "dynamic_network_architectures")
    if not all(importlib.util.find_spec(name) for name in needed):
        return []
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from torch import nn

    # What its planning gives for BraTS (Isensee et al., 2021, Nature Methods 18): windows of 128 voxels, 6 stages.
    rival = PlainConvUNet(
        input_channels=4,
        n_stages=6,
        features_per_stage=(32, 64, 128, 256, 320, 320),
        conv_op=nn.Conv3d,
        kernel_sizes=3,
        strides=(1, 2, 2, 2, 2, 2),
        n_conv_per_stage=2,
        num_classes=4,
        n_conv_per_stage_decoder=2,
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        nonlin=nn.LeakyReLU,
    )
    window = _by_precision(
        "nnU-Net 3d_fullres", rival, NNUNET_SHAPE, 2, "network alone, one window"
    )
    best = min(window, key=lambda found: found.median)
    case = Measurement(
        f"{best.name}, a case",
        (best.median * NNUNET_WINDOWS,),
        note=f"one window times {NNUNET_WINDOWS}: 2 along each axis, mirrored 8 ways, as by default",
    )
    return [*window, case, *(_ratio(f"{case.name} / ours: {m.name}", case, m) for m in ours)]


def _by_precision(
    name: str, network, shape: tuple[int, ...], repeats: int, note: str
) -> list[Measurement]:
    """Time a PyTorch network in float32 and bfloat16 on random input."""
    import torch

    network.eval()
    volume = torch.randn(shape)
    results = []
    for precision, low in (("float32", False), ("bfloat16", True)):
        values = []
        for _ in range(max(1, repeats // 2)):
            start = time.perf_counter()
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
                network(volume)
            values.append(time.perf_counter() - start)
        results.append(Measurement(f"{name}, {precision}", tuple(values), note=note))
    return results


def _rate(time_s: Measurement, slices: int) -> Measurement:
    rates = tuple(slices / value for value in time_s.values)
    return Measurement(time_s.name, rates, "slices/s", time_s.note)


def _ratio(name: str, slow: Measurement, fast: Measurement) -> Measurement:
    return Measurement(name, (slow.median / fast.median,), "times")
