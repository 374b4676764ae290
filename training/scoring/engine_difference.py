"""The difference between both engines on an artefact's networks."""

from pathlib import Path

import numpy as np

from model.card import ModelCard, read_card
from model.inference.engines import Engine, load_engine
from model.inference.network_inputs import slice_batches
from model.phantom import make_case
from model.preprocess import prepare

# Largest mean difference in class probability between engines; bfloat16 has 8 bits of mantissa.
ENGINE_TOLERANCE = 0.01
# Of the phantom on which engines are compared: small, but with a tumour that is found.
PHANTOM_SHAPE = (88, 104, 80)


def engines_differ_by(folder: Path) -> float:
    """Return the mean absolute difference of class probabilities between the two engines.

    On slices through a small phantom's tumour; with several networks, the largest difference.
    """
    card = read_card(folder)
    batch = middle_slices(card)
    engines = [load_engine(folder, card, name, "cpu") for name in ("openvino", "tensorflow")]
    differences = []
    for network in range(card.networks):
        one, other = (predicted(engine, batch, network) for engine in engines)
        differences.append(float(np.abs(one - other).mean()))
    return max(differences)


def middle_slices(card: ModelCard) -> np.ndarray:
    """Return a network's input, (batch, H, W, C), for the middle axial slices of a small phantom."""
    case, _ = make_case(shape=PHANTOM_SHAPE)
    prepared = prepare(case, card.preprocessing)
    middle = prepared.volume.shape[2] // 2
    seen = range(middle, middle + card.inference.batch)
    ((batch, _),) = slice_batches(
        prepared.volume,
        prepared.brain,
        card.preprocessing,
        "axial",
        card.inference.shapes,
        card.inference.batch,
        seen,
    )
    return batch


def predicted(engine: Engine, batch: np.ndarray, network: int) -> np.ndarray:
    """Return class probabilities (B, H, W, classes) of one batch (B, H, W, C) by one network."""
    results = []
    engine.run([batch], lambda index, result: results.append(result.copy()), network)
    return results[0]
