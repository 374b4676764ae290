"""Small labelled cases, prepared as real ones are, and one short training of a tiny network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model.io.nifti import write_mask
from model.labels import to_file_values
from tests.phantoms import small_case, write_case
from training.prepare import main as prepare


@pytest.fixture(scope="session")
def labelled(tmp_path_factory) -> Path:
    """Five patients as BraTS folders, one of them with two visits, and one without a T2."""
    root = tmp_path_factory.mktemp("cases")
    names = ["BraTS2021_1", "BraTS2021_2", "BraTS-GLI-7-000", "BraTS-GLI-7-001", "BraTS2021_4"]
    for seed, name in enumerate([*names, "BraTS2021_5"]):
        case, labels = small_case(seed)
        paths = write_case(root / name, case, f"{name}_")
        convention = "brats2023" if "GLI" in name else "brats2021"
        values = to_file_values(labels, convention)
        write_mask(root / name / f"{name}_seg.nii.gz", values, case.affine)
        if name == "BraTS2021_5":
            paths["t2"].unlink()
    return root


@pytest.fixture(scope="session")
def prepared(labelled, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    arguments = [str(labelled), "--out", str(out), "--phantoms", "0", "--workers", "0"]
    assert prepare([*arguments, "--test", "0.25", "--validation", "0.25"]) == 0
    return out


@contextmanager
def tiny_networks() -> Iterator[None]:
    """Put `tiny_unet` in the place of both networks, for what is not a test of them."""
    from model.networks import NETWORKS
    from tests.training.small_networks import tiny_unet

    with pytest.MonkeyPatch.context() as patch:
        for name in NETWORKS:
            patch.setitem(NETWORKS, name, tiny_unet)
        yield


@pytest.fixture
def tiny(monkeypatch) -> Iterator[None]:
    """For a test: both networks are tiny, and trained step by step, since tracing takes longest."""
    import keras

    compiled = keras.Model.compile

    def compile_eagerly(self, *args, **options) -> None:
        compiled(self, *args, **options | {"run_eagerly": True})

    monkeypatch.setattr(keras.Model, "compile", compile_eagerly)
    with tiny_networks():
        yield


@pytest.fixture(scope="session")
def small_settings(tmp_path_factory) -> Path:
    """A settings file of two epochs of two steps on small patches."""
    path = tmp_path_factory.mktemp("settings") / "small.toml"
    path.write_text(SMALL)
    return path


SMALL = """
network = "simple_unet"
epochs = 2
steps_per_epoch = 2
batch = 2
batch_norm_batches = 2
warmup_steps = 1
sampling = {patch = [64, 64]}
"""


@pytest.fixture(scope="session")
def run(prepared, small_settings, tmp_path_factory) -> Path:
    """A finished run of a tiny network, traced as real ones are."""
    from training import train

    out = tmp_path_factory.mktemp("run")
    options = ["--data", str(prepared), "--settings", str(small_settings), "--out", str(out)]
    with tiny_networks():
        assert train.main([*options, "--validate-every", "1"]) == 0
    return out


@pytest.fixture(scope="session")
def artefact(run, prepared, tmp_path_factory) -> Path:
    """The model that the run is exported to.

    It marks little: what a network marks after four steps is noise, which takes long to score.
    """
    from training import export

    out = tmp_path_factory.mktemp("artefact")
    options = ["--run", str(run), "--data", str(prepared), "--out", str(out)]
    with tiny_networks():
        assert export.main([*options, "--class-weights", "9", "1", "1", "1"]) == 0
    return out


@pytest.fixture(scope="session")
def scores(labelled, artefact, tmp_path_factory) -> Path:
    """What training.evaluate writes of that model on its own test patients."""
    from training import evaluate

    path = tmp_path_factory.mktemp("scores") / "scores.json"
    options = ["--model-dir", str(artefact), "--engine", "openvino", "--only", "test"]
    assert evaluate.main([str(labelled), *options, "--json", str(path)]) == 0
    return path
