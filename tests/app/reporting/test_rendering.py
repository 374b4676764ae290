import io

import numpy as np
import pytest
from PIL import Image

from app.reporting import rendering
from app.reporting.rendering import Look, border, draw, picture_slice, to_display
from app.store.results import NewResults, Results, write_results
from model.io.case import Case
from model.labels import CORE, EDEMA, REGIONS

PLAIN = Look()
COLOURS = {region.key: tuple(bytes.fromhex(region.colour[1:])) for region in REGIONS}


def head():
    """Scans (X, Y, Z, 4) and labels whose marks tell their sides apart."""
    data = np.zeros((20, 16, 12, 4), np.float32)
    data[2:18, 2:14, 2:10] = 100
    # Bright towards right, anterior and superior.
    data[16:18, 12:14, 8:10] = 1000
    labels = np.zeros((20, 16, 12), np.uint8)
    labels[5:9, 5:9, 5:9] = EDEMA
    labels[6:8, 6:8, 6:8] = CORE
    return data, labels


def certain(labels):
    return np.full(labels.shape, 255, np.uint8)


def results_of(folder, case, labels, confidence=None):
    """Write results, certain by default; return them."""
    confidence = certain(labels) if confidence is None else confidence
    made = NewResults(case, labels, confidence, case.data.any(axis=-1))
    write_results(folder, made, "brats2021", to_display)
    return Results(folder)


@pytest.fixture
def results(tmp_path):
    """A finished case with 1 x 2 x 3 mm voxels."""
    data, labels = head()
    return results_of(tmp_path, Case(data, np.diag([1.0, 2.0, 3.0, 1.0])), labels)


def picture(results, plane, index, look=PLAIN):
    return Image.open(io.BytesIO(rendering.render_png(results, plane, index, look)))


def test_pixels_are_square(results):
    assert picture(results, "axial", 5).size == (20, 32)
    assert picture(results, "coronal", 5).size == (20, 36)
    assert picture(results, "sagittal", 5).size == (16, 18)
    assert rendering.size_mm(results, "axial") == (20, 32)
    assert rendering.size_mm(results, "coronal") == (20, 36)
    assert rendering.size_mm(results, "sagittal") == (32, 36)
    assert [rendering.slice_count(results, plane) for plane in rendering.PLANES] == [12, 16, 20]


@pytest.mark.parametrize(("plane", "index"), [("axial", 9), ("coronal", 13), ("sagittal", 17)])
def test_right_anterior_superior_is_top_left(results, plane, index):
    pixels = np.asarray(picture(results, plane, index, Look(regions=())))[..., 0]
    row, column = np.unravel_index(pixels.argmax(), pixels.shape)
    assert row < pixels.shape[0] / 2
    assert column < pixels.shape[1] / 2


def test_same_picture_for_any_storage_order(tmp_path, results):
    """The same head stored towards left, posterior and inferior looks the same."""
    data, labels = (array[::-1, ::-1, ::-1] for array in head())
    other = tmp_path / "other"
    other.mkdir()
    turned = results_of(other, Case(data, np.diag([-1.0, -2.0, -3.0, 1.0])), labels)
    for plane in rendering.PLANES:
        assert rendering.render_png(turned, plane, 7, Look()) == rendering.render_png(
            results, plane, 7, Look()
        )


def test_opacity_and_regions():
    scan = np.full((6, 6), 100, np.uint8)
    labels = np.zeros((6, 6), np.uint8)
    labels[:3] = EDEMA
    labels[3:5] = CORE
    solid = np.asarray(draw(scan, labels, (1, 1), Look(opacity=1.0)))
    assert tuple(solid[0, 0]) == COLOURS["edema"]
    assert tuple(solid[4, 0]) == COLOURS["core"]
    assert tuple(solid[5, 0]) == (100, 100, 100)
    half = np.asarray(draw(scan, labels, (1, 1), Look(opacity=0.5)))
    assert np.abs(half[0, 0] - (np.array(COLOURS["edema"]) + 100) / 2).max() <= 1
    one = np.asarray(draw(scan, labels, (1, 1), Look(regions=("core",), opacity=1.0)))
    assert tuple(one[0, 0]) == (100, 100, 100)
    assert tuple(one[4, 0]) == COLOURS["core"]
    none = np.asarray(draw(scan, labels, (1, 1), Look(regions=())))
    assert (none == 100).all()


def test_outline_leaves_the_inside_bare():
    labels = np.zeros((9, 9), np.uint8)
    labels[2:7, 2:7] = EDEMA
    edge = border(labels)
    assert edge[2, 2:7].all()
    assert edge[2:7, 6].all()
    assert not edge[3:6, 3:6].any()
    assert not edge[labels == 0].any()
    shown = np.asarray(draw(np.zeros_like(labels), labels, (1, 1), Look(opacity=1, outline=True)))
    assert tuple(shown[4, 4]) == (0, 0, 0)
    assert tuple(shown[2, 4]) == COLOURS["edema"]


def test_a_hidden_region_has_no_outline():
    labels = np.full((9, 9), EDEMA, np.uint8)
    labels[3:6, 3:6] = CORE
    look = Look(regions=("core",), opacity=1.0, outline=True)
    shown = np.asarray(draw(np.zeros_like(labels), labels, (1, 1), look))
    assert tuple(shown[2, 4]) == (0, 0, 0)
    assert tuple(shown[3, 4]) == COLOURS["core"]


def test_a_missing_sequence_is_not_kept(tmp_path):
    data, labels = head()
    results_of(tmp_path, Case(data, np.eye(4), ("t1ce",)), labels)
    kept = {path.name for path in tmp_path.iterdir()}
    names = ("flair", "t1", "t2", "labels", "confidence", "brain", "spacing_mm")
    assert kept == {"segmentation.nii.gz", *(f"{name}.npy" for name in names)}


@pytest.mark.parametrize(
    ("present", "first"),
    [(("flair", "t1", "t2"), "flair"), (("t1", "t1ce", "t2"), "t2"), (("t1", "t1ce"), "t1")],
)
def test_first_is_flair_then_t2_then_what_there_is(present, first):
    assert rendering.first_modality(present) == first


def test_slices_outside_are_refused(results):
    for index in (-1, 12):
        with pytest.raises(IndexError):
            rendering.render_png(results, "axial", index, Look())


def test_window_spans_the_head(phantom):
    case, _ = phantom
    shown = to_display(case.data[..., 0])
    assert shown.dtype == np.uint8
    assert shown[0, 0, 0] == 0
    assert shown.max() == 255
    assert to_display(np.zeros((4, 4, 4), np.float32)).max() == 0


def test_a_slice_is_a_view(results):
    volume = results.labels()
    for plane in rendering.PLANES:
        assert np.shares_memory(picture_slice(volume, plane, 3), volume)


def test_doubt_is_painted_and_certainty_left_clear():
    scan = np.full((6, 6), 100, np.uint8)
    labels = np.zeros((6, 6), np.uint8)
    labels[:3] = EDEMA
    confidence = np.full((6, 6), 255, np.uint8)
    confidence[:, 3], confidence[:, 4] = 230, 128
    confidence[:, 5] = 60
    look = Look(regions=(), opacity=1.0, confidence=True)
    shown = np.asarray(draw(scan, labels, (1, 1), look, confidence))
    assert tuple(shown[0, 0]) == (100, 100, 100)
    strongest = tuple(bytes.fromhex(rendering.UNCERTAINTY_COLOURS[1][1:]))
    assert tuple(shown[0, 5]) == strongest
    assert np.abs(shown[0, 4].astype(int) - strongest).max() <= 2
    slight = shown[0, 3].astype(int)
    assert slight[2] > slight[1] + 10
    faint = np.asarray(draw(scan, labels, (1, 1), Look(regions=(), opacity=0.5), confidence))
    assert 100 < faint[0, 5, 0] < strongest[0]


def test_regions_are_outlined_on_the_map():
    scan = np.full((8, 8), 100, np.uint8)
    labels = np.zeros((8, 8), np.uint8)
    labels[1:7, 1:7] = EDEMA
    sure = np.full((8, 8), 255, np.uint8)
    shown = np.asarray(draw(scan, labels, (1, 1), Look(opacity=1.0), sure))
    assert tuple(shown[1, 1]) == COLOURS["edema"]
    assert tuple(shown[4, 4]) == (100, 100, 100)
