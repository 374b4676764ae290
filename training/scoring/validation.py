"""Dice on whole validation volumes between the epochs of a training."""

import keras
import numpy as np

from model.inference.network_inputs import slice_batches
from model.preprocess import Preprocessing
from training.data.prepared import PreparedCase
from training.networks.pretrained import copy_weights
from training.scoring.scores import SHORT, quick_dice


class ValidationDice(keras.callbacks.Callback):
    """Adds to the logs the mean 3-D Dice of each region over validation cases.

    network : a copy of the model on one device, which gets the averaged weights
    every : epochs between validations; in the others Dice is NaN
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
        # From the first epoch on, since that sets the columns of the CSV.
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
        """Copy the averaged weights into `network`, by way of the model, whose own are put back."""
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
