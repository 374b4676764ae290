"""The label table in both conventions."""

import numpy as np
import pytest

from model.labels import CORE, DERIVED, EDEMA, ENHANCING, REGIONS, from_file_values, to_file_values

INDICES = np.array([[0, CORE, EDEMA, ENHANCING]], np.uint8)


def test_values_in_files():
    np.testing.assert_array_equal(to_file_values(INDICES), [[0, 1, 2, 4]])
    np.testing.assert_array_equal(to_file_values(INDICES, "brats2023"), [[0, 1, 2, 3]])
    assert to_file_values(INDICES).dtype == np.uint8


@pytest.mark.parametrize("convention", ["brats2021", "brats2023"])
def test_round_trip(convention):
    np.testing.assert_array_equal(from_file_values(to_file_values(INDICES, convention)), INDICES)


def test_brats_2013_has_non_enhancing_core_as_3():
    np.testing.assert_array_equal(
        from_file_values(np.array([0.0, 1, 2, 3, 4])), [0, CORE, EDEMA, CORE, ENHANCING]
    )


@pytest.mark.parametrize("value", [-1, 5, 255])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match=str(value)):
        from_file_values(np.array([0, value]))


def test_derived_regions_are_the_challenge_s():
    assert set(DERIVED["whole_tumor"]) == {region.index for region in REGIONS}
    assert set(DERIVED["tumor_core"]) == {CORE, ENHANCING}
