"""Train, interrupt, resume, export and evaluate: the whole way on small phantoms."""

import json

import keras
import numpy as np
import pytest

from model.card import DEFAULT_DIR, read_card
from model.networks import mobile_unet, simple_unet
from model.preprocess import Preprocessing
from training import crossval, evaluate, export, train
from training.data.dataset import Patches, load_cases, load_split
from training.networks.callbacks import Checkpoint
from training.networks.fused_batch_norm import FusedBatchNormalization, for_training
from training.networks.losses import region_dice
from training.networks.pretrained import (
    estimate_batch_norm,
    load_imagenet,
    load_model_weights,
    match_batch_norm,
)
from training.reports import figures, model_card
from training.settings import Sampling, Settings

pytestmark = pytest.mark.slow


def arguments(prepared, out, *more: str) -> list[str]:
    # The small network: it is the loop that is tested.
    small = ["--network", "simple_unet", "--epochs", "2", "--steps-per-epoch", "2", "--batch", "2"]
    steps = ["--batch-norm-batches", "2", "--warmup-steps", "1", "--validate-every", "1"]
    return ["--data", str(prepared), "--out", str(out), *small, *steps, *more]


@pytest.fixture(scope="module")
def run(prepared, tmp_path_factory):
    """A finished run."""
    out = tmp_path_factory.mktemp("run")
    assert train.main(arguments(prepared, out)) == 0
    return out


def test_a_run_leaves_logs_and_weights(run):
    header, first, *_ = (run / "log.csv").read_text().splitlines()
    assert {"loss", "region_dice", "val_dice_WT"} <= set(header.split(","))
    assert "nan" not in first
    assert list((run / "tensorboard").rglob("events*"))


# What the interrupt cuts off in TensorFlow's threads is closed by the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_run_ends_as_an_uninterrupted_one(run, prepared, tmp_path, monkeypatch):
    save = Checkpoint.on_epoch_end

    def save_and_stop(self, epoch, logs=None):
        save(self, epoch, logs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Checkpoint, "on_epoch_end", save_and_stop)
        train.main(arguments(prepared, tmp_path))
    assert not (tmp_path / "final.weights.h5").exists()
    assert train.main(arguments(prepared, tmp_path)) == 0
    whole, resumed = simple_unet(12), simple_unet(12)
    whole.load_weights(run / "final.weights.h5")
    resumed.load_weights(tmp_path / "final.weights.h5")
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        # Two steps move kernels by up to 2e-3; sums in another order, by far less. Statistics over
        # batches of two are left out: they double the noise at every layer.
        if a.ndim == 4:
            assert np.abs(a - b).mean() < 1e-4


def test_other_settings_do_not_continue_a_run(run, prepared):
    with pytest.raises(SystemExit, match="other settings"):
        train.main(arguments(prepared, run, "--seed", "9"))


def test_export_and_evaluation(run, prepared, labelled, tmp_path, capsys):
    out = tmp_path / "artefact"
    assert export.main(["--run", str(run), "--data", str(prepared), "--out", str(out)]) == 0
    assert read_card(out).training["settings"]["epochs"] == 2
    scores = tmp_path / "scores.json"
    options = ["--json", str(scores), "--model-dir", str(out), "--engine", "openvino"]
    assert evaluate.main([str(labelled), *options]) == 0
    result = json.loads(scores.read_text())
    assert len(result["cases"]) == 6 and not result["left_out"]
    missing = {name: case["missing"] for name, case in result["cases"].items() if case["missing"]}
    assert missing == {"BraTS2021_5": ["t2"]}
    for region in ("NCR", "ED", "ET", "TC", "WT"):
        assert set(result["mean"]["regions"][region]) == {
            "dice", "hd95_mm", "volume_error_ml", "precision", "recall",
        }  # fmt: skip
    assert 0 <= result["mean"]["accuracy"] <= 1

    assert evaluate.main([str(labelled), *options, "--without", "flair"]) == 0
    result = json.loads(scores.read_text())
    assert result["without"] == "flair" and list(result["left_out"]) == ["BraTS2021_5"]
    assert [case["missing"] for case in result["cases"].values()] == [["flair"]] * 5

    assert evaluate.main([str(labelled), *options, "--voxels", "1", "1", "3"]) == 0
    resampled = json.loads(scores.read_text())
    assert resampled["voxels_mm"] == [1, 1, 3] and not resampled["left_out"]
    with pytest.raises(SystemExit):
        evaluate.main([str(labelled), "--json", str(tmp_path / "none" / "scores.json")])
    assert "there is no folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        evaluate.main([str(labelled), "--voxels", "1", "1", "0"])
    assert "more than 0 mm" in capsys.readouterr().err


def test_the_model_card_has_scores_of_patients_that_were_not_trained_on_alone(
    run, prepared, labelled, tmp_path
):
    artefact, scores, text = (tmp_path / name for name in ("artefact", "scores.json", "card.md"))
    assert export.main(["--run", str(run), "--data", str(prepared), "--out", str(artefact)]) == 0
    options = ["--json", str(scores), "--model-dir", str(artefact), "--engine", "openvino"]
    write = ["--model-dir", str(artefact), "--test", str(scores), "--out", str(text)]
    assert evaluate.main([str(labelled), *options, "--only", "test"]) == 0
    assert model_card.main([*write, "--modes", str(scores)]) == 0
    assert "it is the shipped one" in text.read_text()
    # Every place of the template was filled.
    assert "{" not in text.read_text()

    result = json.loads(scores.read_text())
    (name,) = json.loads((run / "split.json").read_text())["train"][:1]
    result["cases"][name] = next(iter(result["cases"].values()))
    scores.write_text(json.dumps(result))
    with pytest.raises(ValueError, match="the model was trained on"):
        model_card.main(write)


def test_what_a_model_card_lacks_is_told(tmp_path, capsys):
    absent, empty, out = tmp_path / "scores.json", tmp_path / "empty.json", tmp_path / "card.md"
    empty.write_text("{}")
    for scores, model in ((absent, []), (empty, ["--model-dir", str(tmp_path)])):
        assert model_card.main(["--test", str(scores), "--out", str(out), *model]) == 1
    told = capsys.readouterr().err
    assert str(absent) in told and "There is no model in" in told
    assert not out.exists()


def test_training_goes_on_from_a_trained_model_and_learns_of_more_channels(run, prepared, tmp_path):
    artefact = tmp_path / "artefact"
    assert export.main(["--run", str(run), "--data", str(prepared), "--out", str(artefact)]) == 0
    before, after = simple_unet(12), simple_unet(16)
    before.load_weights(artefact / "network.weights.h5")
    load_model_weights(after, artefact)
    batch, mirrored = images(), images()[..., :4]
    whole = np.concatenate([batch, mirrored], axis=-1)
    np.testing.assert_allclose(before(batch), after(whole), atol=1e-5)

    settings = tmp_path / "mirror.toml"
    settings.write_text("mirror = true\n")
    more = ["--start-from", str(artefact), "--settings", str(settings)]
    assert train.main(arguments(prepared, tmp_path / "run", *more)) == 0
    start = json.loads((tmp_path / "run/start.json").read_text())
    assert start["weights"] == read_card(artefact).checksum
    assert start["training"]["settings"]["mirror"] is False
    after.load_weights(tmp_path / "run/final.weights.h5")
    assert np.abs(after.get_weights()[0][:, :, 12:]).max() > 0
    with pytest.raises(SystemExit, match="other start"):
        train.main(arguments(prepared, tmp_path / "run", *more[2:]))


def test_training_says_what_is_wrong_with_the_model_it_is_to_go_on_from(prepared, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    more = ["--start-from", str(empty)]
    assert train.main(arguments(prepared, tmp_path / "run", *more)) == 1
    assert str(empty) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        (train, ["--data", "{}", "--out", "{}/run"], "holds no prepared data"),
        (export, ["--run", "{}", "--data", "{}", "--out", "{}/out"], "no prepared data"),
        (crossval, ["{}", "--data", "{}", "--results", "{}", "--only", "base"], "no prepared data"),
        (figures, ["scores", "{}/none.json", "--out", "{}"], "none.json"),
        (figures, ["curves", "{}", "--out", "{}"], "log.csv"),
    ],
)
def test_commands_say_what_is_not_there(command, options, message, tmp_path, capsys):
    assert command.main([option.format(tmp_path) for option in options]) == 1
    assert message in capsys.readouterr().err


def test_a_share_of_the_weights_started_from_is_kept(run, prepared, tmp_path):
    np.testing.assert_allclose(train.interpolated([np.array(4.0)], [np.array(0.0)], 0.25), [3.0])
    artefact, out = tmp_path / "artefact", tmp_path / "run"
    assert export.main(["--run", str(run), "--data", str(prepared), "--out", str(artefact)]) == 0
    more = ["--start-from", str(artefact), "--start-share", "1"]
    assert train.main(arguments(prepared, out, *more)) == 0
    begun, kept = simple_unet(12), simple_unet(12)
    begun.load_weights(artefact / "network.weights.h5")
    kept.load_weights(out / "final.weights.h5")
    np.testing.assert_array_equal(begun.get_weights()[0], kept.get_weights()[0])


def test_training_goes_on_where_the_trained_model_stopped(prepared):
    """An exported network has no statistics left; its first training step must not destroy it."""
    settings = Settings(batch=4, sampling=Sampling(patch=(96, 96)))
    patches = Patches(load_cases(prepared, load_split(prepared)["train"]), settings)
    network = train.start(settings, patches, None, DEFAULT_DIR)
    batch, labels = patches[1]
    used = region_dice(labels, network(batch, training=False))
    trained = region_dice(labels, network(batch, training=True))
    # What is left is dropout, and another batch's statistics.
    assert trained > used - 0.1


def images(count: int = 2, edge: int = 64) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, edge, edge, 12)).astype(np.float32)


def test_fused_batch_norm_trains_as_keras_does():
    model = mobile_unet(12, dropout=0)
    fused = for_training(model)
    kinds = [type(layer) for layer in fused.layers]
    assert FusedBatchNormalization in kinds and keras.layers.BatchNormalization not in kinds
    for training in (True, False):
        batch = images(4, 128)
        a, b = model(batch, training=training), fused(batch, training=training)
        np.testing.assert_allclose(a, b, atol=1e-3)
    for a, b in zip(model.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=5e-3, atol=1e-3)


def test_half_precision_learns_from_float32_weights_and_probabilities():
    model = mobile_unet(12, dropout=0)
    half = for_training(model, "mixed_bfloat16")
    assert {weight.dtype for weight in half.weights} == {"float32"}
    batch = images(4, 128)
    for training in (True, False):
        whole, probabilities = model(batch, training=training), half(batch, training=training)
        assert probabilities.dtype == np.float32
        # Eight bits of mantissa in each of some sixty layers.
        difference = np.abs(np.asarray(whole) - np.asarray(probabilities))
        assert 0 < difference.mean() < 0.02


def test_matched_statistics_change_nothing_but_the_statistics():
    model = mobile_unet(12, dropout=0)
    before = model(images(), training=False)
    match_batch_norm(model, images())
    np.testing.assert_allclose(before, model(images(), training=False), atol=1e-4)
    # Batch statistics are now the moving ones: training mode gives the same answer.
    np.testing.assert_allclose(before, model(images(), training=True), atol=0.02)


def test_statistics_are_re_estimated_from_scratch():
    model = mobile_unet(12, dropout=0)
    norm = model.get_layer("bn_Conv1")
    norm.moving_mean.assign(norm.moving_mean * 0 + 100.0)
    estimate_batch_norm(model, 3, [(images(), None)] * 3)
    values = keras.Model(model.input, norm.input)(images())
    np.testing.assert_allclose(norm.moving_mean, np.mean(values, axis=(0, 1, 2)), atol=1e-3)


def test_imagenet_weights_answer_grey_pictures_as_the_original(tmp_path):
    source = keras.applications.MobileNetV2((64, 64, 3), include_top=False, weights=None)
    source.save_weights(tmp_path / "imagenet.weights.h5")
    inputs = Preprocessing(mirror=True)
    model = mobile_unet(inputs.channels)
    load_imagenet(model, tmp_path / "imagenet.weights.h5", inputs)
    grey = np.random.default_rng(0).normal(size=(1, 64, 64, 1)).astype(np.float32)
    name = "block_13_expand_relu"
    theirs = keras.Model(source.input, source.get_layer(name).output)(np.repeat(grey, 3, -1))
    ours = keras.Model(model.input, model.get_layer(name).output)
    # The mirrored slice, here noise, starts without influence.
    ours = ours(np.concatenate([np.repeat(grey, 12, -1), images(1)[..., :4]], axis=-1))
    np.testing.assert_allclose(theirs, ours, atol=1e-3)
