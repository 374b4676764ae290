"""Several devices train as one does."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.networks import simple_unet

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow


def train(prepared: Path, out: Path, devices: int) -> subprocess.CompletedProcess:
    """Run a short training in a process of its own: devices are divided once in a process."""
    settings = out.with_suffix(".toml")
    settings.write_text("[sampling]\npatch = [64, 64]\n")
    size = ["--network", "simple_unet", "--epochs", "3", "--steps-per-epoch", "4", "--batch", "4"]
    steps = ["--batch-norm-batches", "2", "--warmup-steps", "2", "--validate-every", "3"]
    module = [sys.executable, "-m", "tests.training.networks.on_devices", str(devices)]
    paths = ["--data", str(prepared), "--out", str(out), "--settings", str(settings)]
    command = [*module, *paths, *size, *steps]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )


def curves(run: Path) -> dict[str, np.ndarray]:
    rows = list(csv.DictReader((run / "log.csv").read_text().splitlines()))
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
    result = train(prepared, out, 1)
    assert result.returncode == 0, result.stderr
    return out


def test_two_devices_train_as_one(one_device, prepared, tmp_path):
    result = train(prepared, tmp_path, 2)
    assert result.returncode == 0, result.stderr
    assert_same_training(tmp_path, one_device)


def test_a_batch_that_cannot_be_shared_is_refused(prepared, tmp_path):
    result = train(prepared, tmp_path, 3)
    assert result.returncode == 1
    assert "3 devices cannot share a batch of 4 evenly" in result.stderr
