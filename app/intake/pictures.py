"""Small pictures of series, from which people see what a series is."""

import io

import numpy as np
from PIL import Image

# Longest edge of a picture, in pixels, and the percentiles that become black and white.
EDGE = 192
PERCENTILES = (1.0, 99.5)
# Pixels from which on a slice's shorter edge is thinned out first.
FINEST = 4 * EDGE


def png_of(pixels: np.ndarray, stretch: float = 1.0) -> bytes:
    """Return a slice (columns, rows) as PNG.

    stretch : height of a pixel over its width
    """
    # What is much finer than the picture only takes memory and time; both axes alike, as `stretch` has it.
    step = max(1, min(pixels.shape) // FINEST)
    pixels = pixels[::step, ::step]
    low, high = np.percentile(pixels, PERCENTILES)
    grey = np.clip((pixels.T - low) * (255.0 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
    image = Image.fromarray(grey)
    image = image.resize((image.width, max(1, round(image.height * stretch))))
    image.thumbnail((EDGE, EDGE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
