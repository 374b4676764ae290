"""A run: logs, weights, interruptions, and where it starts from."""

import json

import numpy as np
import pytest

from model.card import DEFAULT_DIR, read_card
from model.networks import NETWORKS
from training import train
from training.data.dataset import Patches
from training.data.prepared import load_cases, load_split
from training.networks.checkpoint import Checkpoint
from training.networks.losses import region_dice
from training.settings import Sampling, Settings


@pytest.fixture
def arguments(prepared, small_settings):
    def of(out, *more: str) -> list[str]:
        options = ["--data", str(prepared), "--settings", str(small_settings), "--out", str(out)]
        return [*options, "--validate-every", "1", *more]

    return of


def weights(path, channels: int = 12) -> list[np.ndarray]:
    network = NETWORKS["simple_unet"](channels)
    network.load_weights(path)
    return network.get_weights()


def test_a_run_leaves_logs_and_weights(run):
    header, first, *_ = (run / "log.csv").read_text().splitlines()
    assert {"loss", "region_dice", "val_dice_WT"} <= set(header.split(","))
    assert "nan" not in first
    assert list((run / "tensorboard").rglob("events*"))


# What the interrupt cuts off in TensorFlow's threads is closed by the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    tiny, run, arguments, tmp_path, monkeypatch
):
    save = Checkpoint.on_epoch_end

    def save_and_stop(self, epoch, logs=None):
        save(self, epoch, logs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Checkpoint, "on_epoch_end", save_and_stop)
        train.main(arguments(tmp_path))
    assert not (tmp_path / "final.weights.h5").exists()
    assert train.main(arguments(tmp_path)) == 0
    whole, resumed = (weights(out / "final.weights.h5") for out in (run, tmp_path))
    for a, b in zip(whole, resumed, strict=True):
        # Two steps move kernels by up to 2e-3; sums in another order, by far less. Statistics over
        # batches of two are left out: they double the noise at every layer.
        if a.ndim == 4:
            assert np.abs(a - b).mean() < 1e-4


def test_other_settings_do_not_continue_a_run(tiny, run, arguments):
    with pytest.raises(SystemExit, match="other settings"):
        train.main(arguments(run, "--seed", "9"))


def test_training_goes_on_from_a_trained_model_and_learns_of_more_channels(
    tiny, artefact, small_settings, arguments, tmp_path
):
    before, after = (NETWORKS["simple_unet"](channels) for channels in (12, 16))
    before.load_weights(artefact / "network.weights.h5")
    train.load_model_weights(after, artefact)
    batch = np.random.default_rng(0).normal(size=(2, 64, 64, 16)).astype(np.float32)
    np.testing.assert_allclose(before(batch[..., :12]), after(batch), atol=1e-5)

    settings = tmp_path / "mirror.toml"
    settings.write_text(f"mirror = true\n{small_settings.read_text()}")
    more = ["--start-from", str(artefact), "--settings", str(settings)]
    assert train.main(arguments(tmp_path / "run", *more)) == 0
    start = json.loads((tmp_path / "run/start.json").read_text())
    assert start["weights"] == read_card(artefact).checksum
    assert start["training"]["settings"]["mirror"] is False
    (kernel,) = (w for w in weights(tmp_path / "run/final.weights.h5", 16) if w.shape[2:3] == (16,))
    assert np.abs(kernel[:, :, 12:]).max() > 0
    with pytest.raises(SystemExit, match="other start"):
        train.main(arguments(tmp_path / "run", *more[2:]))


def test_training_says_what_is_wrong_with_the_model_it_is_to_go_on_from(
    tiny, arguments, tmp_path, capsys
):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert train.main(arguments(tmp_path / "run", "--start-from", str(empty))) == 1
    assert str(empty) in capsys.readouterr().err


def test_a_share_of_the_weights_started_from_is_kept(tiny, artefact, arguments, tmp_path):
    np.testing.assert_allclose(train.interpolated([np.array(4.0)], [np.array(0.0)], 0.25), [3.0])
    more = ["--start-from", str(artefact), "--start-share", "1", "--validate-every", "0"]
    assert train.main(arguments(tmp_path, *more)) == 0
    begun = weights(artefact / "network.weights.h5")
    kept = weights(tmp_path / "final.weights.h5")
    np.testing.assert_array_equal(begun[0], kept[0])


@pytest.mark.slow
def test_training_goes_on_where_the_trained_model_stopped(prepared):
    """An exported network has no statistics left; its first training step must not destroy it."""
    settings = Settings(batch=4, sampling=Sampling(patch=(96, 96)))
    patches = Patches(load_cases(prepared, load_split(prepared)["train"]), settings)
    network = train.starting_network(settings, patches, None, DEFAULT_DIR, 0)
    batch, labels = patches[1]
    used = region_dice(labels, network(batch, training=False))
    trained = region_dice(labels, network(batch, training=True))
    # What is left is dropout, and another batch's statistics.
    assert trained > used - 0.1
