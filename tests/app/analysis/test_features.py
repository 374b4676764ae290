"""Features of tumours built of boxes, so that each follows by hand."""

import numpy as np
import pytest

from app.analysis import features
from app.analysis.features import Margin, MidlineCrossing, Proportion, bin_of, describe, thick_share
from model.labels import CORE, EDEMA, ENHANCING
from tests.phantoms import orientations, turned

CENTRE = (30.0, 10.0, 10.0)


def labels_of(*boxes) -> np.ndarray:
    """Return labels (60, 20, 20) with boxes `(value, first x, last x, y and z range)`, later ones on top."""
    labels = np.zeros((60, 20, 20), np.uint8)
    for value, first, last, (start, stop) in boxes:
        labels[first:last, start:stop, start:stop] = value
    return labels


def described(*boxes, affine=np.eye(4), centre=CENTRE):
    return describe(labels_of(*boxes), affine, centre)


def test_nothing():
    assert described() is None


def test_proportions():
    # 1000 voxels, of which 343 are core and enhancing and 27 core.
    found = described((EDEMA, 2, 12, (2, 12)), (ENHANCING, 3, 10, (3, 10)), (CORE, 5, 8, (5, 8)))
    assert found.proportions.edema == Proportion(65.7, "34_to_67")
    assert found.proportions.enhancing == Proportion(31.6, "6_to_33")
    assert found.proportions.core == Proportion(2.7, "up_to_5")


@pytest.mark.parametrize(
    ("percent", "name"),
    [
        (0, "none"),
        (0.0001, "up_to_5"),
        (5, "up_to_5"),
        (5.5, "6_to_33"),
        (33, "6_to_33"),
        (33.1, "34_to_67"),
        (67.4, "68_to_95"),
        (95.1, "above_95"),
        (99.9999, "above_95"),
        (100, "all"),
    ],
)
def test_bins(percent, name):
    assert bin_of(percent) == name


@pytest.mark.parametrize(
    ("boxes", "side"),
    [
        ([(EDEMA, 2, 12, (2, 12))], "left"),
        ([(EDEMA, 45, 55, (2, 12))], "right"),
        # 20 mm wide around the midline: astride of it.
        ([(EDEMA, 20, 41, (2, 12))], "midline"),
        # Two apart are on both sides, wherever their common centre lies.
        ([(EDEMA, 15, 25, (2, 12)), (EDEMA, 36, 46, (2, 12))], "bilateral"),
        # Astride with the centre 10 mm to the left.
        ([(EDEMA, 0, 41, (2, 12))], "bilateral"),
    ],
)
def test_sides(boxes, side):
    assert described(*boxes).side == side


def test_crossing_needs_one_part_that_reaches_far_to_both_sides():
    astride = described((ENHANCING, 20, 41, (2, 12))).crosses_midline
    assert astride == MidlineCrossing(enhancing=True, edema=False)
    # Voxels from 26 to 40: those at less than 25 mm, 5 mm left of the plane, are missing.
    assert not described((EDEMA, 26, 41, (2, 12))).crosses_midline.edema
    # At 24 there are 100 of them, at least the 50 of a lesion; of 7 x 7 there are 49.
    assert described((EDEMA, 24, 41, (2, 12))).crosses_midline.edema
    assert not described((EDEMA, 24, 41, (2, 9))).crosses_midline.edema
    apart = described((EDEMA, 5, 20, (2, 12)), (EDEMA, 40, 55, (2, 12)))
    assert not apart.crosses_midline.edema


def test_without_the_brains_centre_sides_are_not_known():
    found = described((EDEMA, 2, 12, (2, 12)), centre=None)
    assert found.side is found.epicentre is found.crosses_midline is None


@pytest.mark.parametrize(
    ("boxes", "epicentre"),
    [
        ([(EDEMA, 2, 50, (2, 12)), (CORE, 4, 14, (4, 12))], "left"),
        ([(EDEMA, 2, 50, (2, 12)), (ENHANCING, 40, 50, (4, 12))], "right"),
        # A third of it on the other side: it crosses, and its centre does not.
        ([(ENHANCING, 24, 48, (2, 12))], "right"),
        ([(ENHANCING, 22, 40, (2, 12))], "centre"),
        # The largest part of the core counts.
        ([(CORE, 2, 8, (2, 8)), (CORE, 40, 52, (2, 12))], "right"),
        ([(EDEMA, 2, 12, (2, 12))], "left"),
    ],
)
def test_the_epicentre_has_a_side_though_the_tumour_crosses(boxes, epicentre):
    assert described(*boxes).epicentre == epicentre


def test_only_what_enhances_is_a_satellite():
    edema, main = (EDEMA, 2, 40, (2, 12)), (CORE, 4, 14, (4, 12))
    for value, satellites in ((CORE, 0), (ENHANCING, 1)):
        assert described(edema, main, (value, 30, 36, (4, 10))).satellites == satellites


def test_foci_and_satellites():
    one = described((EDEMA, 0, 30, (0, 15)), (ENHANCING, 2, 10, (2, 10)))
    assert (one.focality, one.foci, one.satellites) == ("focal", 1, 0)
    beside = described(
        (EDEMA, 0, 30, (0, 15)), (ENHANCING, 2, 10, (2, 10)), (ENHANCING, 20, 24, (2, 6))
    )
    assert (beside.focality, beside.foci, beside.satellites) == ("focal", 1, 1)
    # Another one outside of the edema; edema of its own would make no difference.
    apart = described((EDEMA, 0, 30, (0, 15)), (ENHANCING, 2, 10, (2, 10)), (CORE, 40, 44, (2, 6)))
    assert (apart.focality, apart.foci, apart.satellites) == ("multifocal", 2, 0)
    # 27 mm3 are too few to count.
    small = described((ENHANCING, 2, 10, (2, 10)), (ENHANCING, 40, 43, (2, 5)))
    assert (small.focality, small.foci) == ("focal", 1)


def test_edema_alone_has_no_focus():
    found = described((EDEMA, 2, 12, (2, 12)))
    assert (found.focality, found.foci, found.satellites, found.margin) == (None, 0, 0, None)


@pytest.mark.parametrize(
    ("rim", "kind", "percent"),
    [(1, "thin", 0.0), (2, "thin", 0.0), (3, "thick", 100.0), (4, "thick", 100.0)],
)
def test_margins(rim, kind, percent):
    found = described((ENHANCING, 2, 18, (2, 18)), (CORE, 2 + rim, 18 - rim, (2 + rim, 18 - rim)))
    assert found.margin.kind == kind
    # In the corners of a box the rim is thicker than between its faces.
    assert found.margin.thick_percent == pytest.approx(percent, abs=8)


def test_without_core_it_is_solid():
    assert described((ENHANCING, 2, 12, (2, 12))).margin == Margin("solid", 100.0)
    nearly = described((ENHANCING, 2, 12, (2, 12)), (CORE, 5, 8, (5, 8)))
    assert nearly.margin.kind == "solid"


@pytest.mark.parametrize("edge", [0.5, 0.7, 0.8, 0.9, 1.0, 1.2])
def test_thickness_of_plates(edge):
    for voxels in range(1, 9):
        plate = np.zeros((12, 24, 24), bool)
        plate[2 : 2 + voxels] = True
        wanted = voxels * edge >= 3
        # Centres of balls lie on voxels or between them: a plate that is hardly thick enough may lack a ball.
        if not wanted or voxels % 2 or voxels * edge >= 3 + edge:
            share = thick_share(plate, (edge, 1.0, 1.0), 3.0)
            assert share > 0.8 if wanted else share == 0, (voxels, edge)


def test_thickness_with_thick_slices():
    plate = np.zeros((20, 20, 6), bool)
    plate[2:18, 2:18, 2] = True
    # One slice of 5 mm is 5 mm thick; of 2 mm it is not enough.
    assert thick_share(plate, (1.0, 1.0, 5.0), 3.0) == pytest.approx(1.0, abs=0.05)
    assert thick_share(plate, (1.0, 1.0, 2.0), 3.0) == 0.0


def test_thickness_in_parts_is_that_of_the_whole(monkeypatch):
    rng = np.random.default_rng(3)
    mask = np.kron(rng.random((15, 8, 8)) < 0.6, np.ones((3, 3, 3))).astype(bool)
    whole = thick_share(mask, (0.9, 1.0, 1.1), 3.0)
    assert 0 < whole < 1
    monkeypatch.setattr(features, "VOXELS_AT_A_TIME", 4 * 24 * 24)
    assert thick_share(mask, (0.9, 1.0, 1.1), 3.0) == whole


def test_every_orientation_has_the_same_features():
    labels = labels_of(
        (EDEMA, 20, 41, (2, 16)), (ENHANCING, 22, 30, (3, 12)), (CORE, 24, 28, (5, 9))
    )
    expected = describe(labels, np.eye(4), CENTRE)
    assert expected.side == "midline"
    for axes in orientations():
        assert describe(*turned(labels, np.eye(4), axes), CENTRE) == expected
