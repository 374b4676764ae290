"""An earlier examination on the grid of a later one: rigid registration, as the preparation does it."""

from dataclasses import dataclass

import numpy as np

from model.errors import CaseError
from model.preparation.native import LEAST_AGREEMENT, agreement_of
from model.preparation.record import Registered, registered
from model.preparation.registration import Scan, register_all
from model.preparation.resampling import resampled_in_parts


@dataclass(frozen=True)
class Finished:
    """A finished examination on its canonical grid.

    scan : (X, Y, Z) uint8, the reference as it is shown; brain : the same grid, bool
    affine : (4, 4) to RAS+ mm
    """

    scan: np.ndarray
    brain: np.ndarray
    affine: np.ndarray

    @property
    def as_scan(self) -> Scan:
        return Scan(self.scan, self.affine, self.brain, self.affine)


def register_pair(now: Finished, prior: Finished) -> Registered:
    """Return how the prior lies to the current examination; its matrix goes from mm of `now` to mm of `prior`.

    Raises CaseError `registration_failed` where their brains do not fit on each other.
    """
    fixed, moving = now.as_scan, prior.as_scan
    matrix = register_all(fixed, {"prior": moving}, "auto", lambda share: None)["prior"]
    agreement = agreement_of(fixed, moving, matrix)
    if agreement < LEAST_AGREEMENT:
        raise CaseError(
            "registration_failed",
            "The two cases could not be registered: their brains do not fit on each other.",
            "Check that both are of one patient's head.",
        )
    return registered(matrix, agreement, now.brain, now.affine)


def on_current(
    array: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], target: np.ndarray
) -> np.ndarray:
    """Return a shown sequence (X, Y, Z) uint8 of the prior on the current grid.

    target : (4, 4), from voxels of that grid to mm of the prior
    """
    found = resampled_in_parts(array, affine, shape, target)
    return np.rint(found, out=found).astype(np.uint8)
