"""What happens between epochs: checkpoints and Dice on whole validation volumes."""

import os
from pathlib import Path

import keras
import numpy as np

from model.inference.network_inputs import slice_batches
from model.preprocess import Preprocessing
from training.data.dataset import PreparedCase
from training.networks.pretrained import copy_weights
from training.scoring.scores import SHORT, quick_dice


class Checkpoint(keras.callbacks.Callback):
    """Weights, optimiser (with its averages and step count) and epoch in one file, no pickle."""

    def __init__(self, model: keras.Model, path: Path):
        super().__init__()
        self.path = path
        model.optimizer.build(model.trainable_variables)
        self._variables = [*model.variables, *model.optimizer.variables]

    def restore(self) -> int:
        """Load the checkpoint if there is one; return the number of epochs done."""
        if not self.path.exists():
            return 0
        with np.load(self.path, allow_pickle=False) as saved:
            for index, variable in enumerate(self._variables):
                variable.assign(saved[f"v{index}"])
            return int(saved["epochs"])

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        values = {
            f"v{index}": keras.ops.convert_to_numpy(variable)
            for index, variable in enumerate(self._variables)
        }
        partial = self.path.with_suffix(".partial.npz")
        np.savez(partial, epochs=epoch + 1, **values)
        os.replace(partial, self.path)


class ValidationDice(keras.callbacks.Callback):
    """Mean 3-D Dice per region over validation cases, of the averaged weights, into the logs.

    network : a copy of the model on one device, which the averaged weights are put into
    """

    def __init__(
        self,
        network: keras.Model,
        cases: list[PreparedCase],
        preprocessing: Preprocessing,
        every: int,
    ):
        super().__init__()
        self.network, self.cases = network, cases
        self.preprocessing, self.every = preprocessing, every

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        # The key must exist from the first epoch on: the CSV's columns are set by it.
        scores = {short: float("nan") for short in SHORT}
        if self.cases and (epoch + 1) % self.every == 0:
            self._average()
            per_case = [
                quick_dice(case.labels, predict(self.network, case, self.preprocessing))
                for case in self.cases
            ]
            scores = {short: float(np.mean([s[short] for s in per_case])) for short in SHORT}
        logs.update({f"val_dice_{short}": value for short, value in scores.items()})

    def _average(self) -> None:
        """Copy the averaged weights; for a moment they take the place of the model's own."""
        own = [keras.ops.convert_to_numpy(v) for v in self.model.trainable_variables]
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        copy_weights(self.model, self.network)
        for variable, value in zip(self.model.trainable_variables, own, strict=True):
            variable.assign(value)


def predict(model: keras.Model, case: PreparedCase, preprocessing: Preprocessing) -> np.ndarray:
    """Return label indices (Z, X, Y) uint8 of a prepared case, from its axial slices."""
    volume = np.moveaxis(case.stack, 0, 2)
    brain = (volume != 0).any(axis=-1)
    labels = np.zeros(case.labels.shape, np.uint8)
    for inputs, window in slice_batches(volume, brain, preprocessing, "axial", [(160, 192)], 16):
        found = np.argmax(model.predict_on_batch(inputs), axis=-1)
        labels[window.indices, *window.box] = found[window.batch]
    return labels
