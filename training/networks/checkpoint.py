"""Checkpoints, written after every epoch, from which an interrupted training goes on."""

import os
from pathlib import Path

import keras
import numpy as np


class Checkpoint(keras.callbacks.Callback):
    """Saves weights, optimiser (with its averages and step count) and epoch in one NumPy file."""

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
