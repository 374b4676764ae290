"""Pictures of series show all of a slice, whatever its size."""

import io

import numpy as np
from PIL import Image

from app.intake.pictures import EDGE, FINEST, png_of


def test_a_vast_slice_looks_as_a_small_one():
    small = np.zeros((FINEST, FINEST // 2), np.float32)
    small[: FINEST // 4, : FINEST // 4] = 100
    vast = np.kron(small, np.ones((5, 5), np.float32))
    pictures = [Image.open(io.BytesIO(png_of(pixels, 2.0))) for pixels in (small, vast)]
    assert [picture.size for picture in pictures] == [(EDGE, EDGE)] * 2
    one, other = (np.asarray(picture, int) for picture in pictures)
    # Only along the edges of the bright part do they differ.
    assert np.abs(one - other).mean() < 2
