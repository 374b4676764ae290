import json
import shutil

import numpy as np
import pytest

from model.errors import CaseError, ModelError
from model.preparation.brain_card import BRAIN_DIR, COARSE, FINE, read_brain_card, verified_network
from model.preparation.brain_extraction import BrainExtractor, sampled, standardised


def test_the_shipped_networks_are_what_their_card_says():
    card = read_brain_card()
    assert card.licence == "MIT" and (BRAIN_DIR / "LICENSE").read_text().startswith("MIT License")
    for name in (COARSE, FINE):
        assert verified_network(BRAIN_DIR, card, name).is_file()
    assert len(card.checksum) == 64


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_network_is_never_opened(tmp_path, damage):
    folder = tmp_path / "brain"
    shutil.copytree(BRAIN_DIR, folder)
    if damage == "missing":
        (folder / "coarse.bin").unlink()
    else:
        (folder / "coarse.bin").write_bytes(b"other weights")
    with pytest.raises(ModelError, match=r"coarse\.bin"):
        BrainExtractor(folder).coarse([(np.ones((20, 20, 20), np.float32), np.eye(4))])


def test_a_card_of_another_version_is_told(tmp_path):
    with pytest.raises(ModelError, match=r"card\.json is missing"):
        read_brain_card(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(ModelError, match="another version"):
        read_brain_card(tmp_path)


def test_a_volume_of_one_value_has_no_brain():
    with pytest.raises(CaseError) as error:
        BrainExtractor().coarse([(np.full((40, 40, 40), 7.0, np.float32), np.eye(4))])
    assert error.value.code == "no_brain"


def test_sampling_takes_the_nearest_voxel():
    row = np.arange(10, dtype=np.float32).reshape(10, 1, 1)
    assert sampled(row, (5, 1, 1)).ravel().tolist() == [1, 3, 5, 7, 9]
    assert sampled(row, (20, 1, 1)).ravel().tolist() == [i // 2 for i in range(20)]


def test_standardised_has_the_mean_and_deviation_that_the_networks_know():
    volume = np.random.default_rng(0).uniform(0, 1000, (20, 20, 20)).astype(np.float32)
    found = standardised(volume, (50.0, 950.0))
    assert found.mean() == pytest.approx(0.449, abs=1e-4)
    assert found.std() == pytest.approx(0.226, abs=1e-4)
