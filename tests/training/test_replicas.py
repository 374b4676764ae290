"""Several devices and machines train as one does."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.networks import simple_unet

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def start(prepared: Path, out: Path, devices: int, **environment: str) -> subprocess.Popen:
    """Start a short training in a process of its own."""
    settings = out.with_suffix(".toml")
    settings.write_text("[sampling]\npatch = [64, 64]\n")
    size = ["--network", "simple_unet", "--epochs", "3", "--steps-per-epoch", "4", "--batch", "4"]
    steps = ["--batch-norm-batches", "2", "--warmup-steps", "2", "--validate-every", "3"]
    module = [sys.executable, "-m", "tests.training.on_devices", str(devices)]
    paths = ["--data", str(prepared), "--out", str(out), "--settings", str(settings)]
    return subprocess.Popen(
        [*module, *paths, *size, *steps],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes: subprocess.Popen) -> None:
    for process in processes:
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output


def curves(run: Path) -> dict[str, np.ndarray]:
    rows = list(csv.DictReader((run / "log.csv").open()))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def kernels(run: Path) -> np.ndarray:
    model = simple_unet(12, width=8)
    model.load_weights(run / "final.weights.h5")
    return np.concatenate([w.ravel() for w in model.get_weights() if w.ndim == 4])


def assert_same_training(run: Path, reference: Path) -> None:
    """The same losses to 0.2 %, step for step: sums are taken in another order, and no more."""
    ours, theirs = curves(run), curves(reference)
    for name in ("loss", "region_dice"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-3)
    # Twelve steps at up to 1e-3 each.
    assert np.abs(kernels(run) - kernels(reference)).mean() < 1e-4


@pytest.fixture(scope="module")
def one_device(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("one")
    finish(start(prepared, out, 1))
    return out


def test_two_devices_train_as_one(one_device, prepared, tmp_path):
    finish(start(prepared, tmp_path, 2))
    assert_same_training(tmp_path, one_device)


def test_two_machines_train_as_one(one_device, prepared, tmp_path):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    workers = [f"127.0.0.1:{sock.getsockname()[1]}" for sock in sockets]
    for sock in sockets:
        sock.close()
    clusters = [
        json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        for index in range(2)
    ]
    finish(*[start(prepared, tmp_path, 1, TF_CONFIG=cluster) for cluster in clusters])
    assert_same_training(tmp_path, one_device)


def test_a_batch_that_cannot_be_shared_is_refused(prepared, tmp_path):
    process = start(prepared, tmp_path, 3)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "3 devices cannot share a batch of 4 evenly" in output
