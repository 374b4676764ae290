"""2.5-D slices, and the windows that cut them out."""

import numpy as np
import pytest

from model.inference.network_inputs import fitting_shape, slice_batches
from model.planes import PLANES, as_slices
from model.preprocess import Preprocessing


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("neighbours", [0, 1, 2])
def test_slices_hold_their_neighbours(neighbours, mirror):
    volume = np.arange(4 * 6 * 5 * 4, dtype=np.float32).reshape(4, 6, 5, 4) + 1
    parameters = Preprocessing(neighbours=neighbours, mirror=mirror)
    brain = np.ones((4, 6, 5), bool)
    batches = slice_batches(volume, brain, parameters, "axial", [(6, 8)], 2)
    batches = list(batches)
    assert {batch.shape for batch, _ in batches} == {(2, 6, 8, parameters.channels)}
    assert parameters.channels == 4 * (2 * neighbours + 1 + mirror)
    slices = np.concatenate([batch for batch, _ in batches])
    for z in range(5):
        for offset in range(-neighbours, neighbours + 1):
            channel = 4 * (offset + neighbours)
            got = slices[z, 1:5, 1:7, channel : channel + 4]
            inside = 0 <= z + offset < 5
            np.testing.assert_array_equal(got, volume[:, :, z + offset] if inside else 0 * got)
        if mirror:
            np.testing.assert_array_equal(slices[z, 1:5, 1:7, -4:], volume[::-1, :, z])
    # Filled up to whole batches with empty slices, and empty around the box.
    assert not slices[5:].any() and not slices[:, 0].any() and not slices[:, :, 0].any()


@pytest.mark.parametrize("plane", PLANES)
def test_windows_cut_the_same_out_of_volume_and_batch(plane):
    rng = np.random.default_rng(0)
    brain = np.zeros((40, 50, 60), bool)
    brain[5:30, 10:48, 2:9] = brain[20:35, 3:9, 30:50] = True
    volume = rng.normal(size=(*brain.shape, 4)).astype(np.float32) * brain[..., None]
    again, mirrored = np.zeros_like(volume), np.zeros_like(volume)
    shapes = [(32, 32), (64, 64)]
    sizes = set()
    parameters = Preprocessing(neighbours=0, mirror=True)
    batches = slice_batches(volume, brain, parameters, plane, shapes, 8)
    for inputs, window in batches:
        found = inputs[window.batch]
        as_slices(again, plane)[window.indices, *window.box] = found[..., :4]
        as_slices(mirrored, plane)[window.indices, *window.box] = found[..., 4:]
        sizes.add(inputs.shape[1:3])
    np.testing.assert_array_equal(again, volume)
    # Of the mirrored volume only what lies in the boxes of the batches' own brain is seen.
    seen = mirrored != 0
    assert seen.any()
    np.testing.assert_array_equal(mirrored[seen], volume[::-1][seen])
    assert sizes == set(shapes)


def test_shapes_are_few_and_fit():
    shapes = ((160, 192), (192, 224))
    assert fitting_shape((140, 180), shapes) == (160, 192)
    assert fitting_shape((161, 180), shapes) == (192, 224)
    assert fitting_shape((300, 180), shapes) == (320, 192)
