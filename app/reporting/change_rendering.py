"""Slices of two examinations on one grid: what of a region was gained and lost, over the later one."""

import numpy as np
from PIL import Image

from app.analysis.subtraction import in_region
from app.reporting import rendering
from app.store.results import Results

# Red and blue are told apart by nearly everybody; what was lost has an outline besides.
GAINED_COLOUR, LOST_COLOUR, KEPT_COLOUR = "#FF5470", "#58A6FF", "#FFFFFF"
GAINED, LOST, KEPT = 1, 2, 3
OPACITY = 0.55


def render_change(
    now: Results, prior: Results, plane: str, index: int, modality: str, region: str
) -> bytes:
    """Return a slice of the later examination as PNG: gained in red, lost in blue, an outline around what stayed.

    Raises IndexError outside the volume.
    """
    if not 0 <= index < rendering.slice_count(now, plane):
        raise IndexError(index)
    plain = rendering.Look(modality, regions=())
    picture = np.array(rendering.render(now, plane, index, plain), np.float32)
    labels = (rendering.picture_slice(one.labels(), plane, index) for one in (prior, now))
    before, after = in_region(*labels, region)
    codes = np.select([after & ~before, before & ~after, before], [GAINED, LOST, KEPT], 0)
    size = picture.shape[1], picture.shape[0]
    image = Image.fromarray(np.ascontiguousarray(codes.astype(np.uint8)))
    codes = np.asarray(image.resize(size, Image.Resampling.NEAREST))
    edges = rendering.border(codes)
    for code, colour, alpha in (
        (GAINED, GAINED_COLOUR, OPACITY),
        (LOST, LOST_COLOUR, np.where(edges, 1.0, OPACITY / 2)),
        (KEPT, KEPT_COLOUR, np.where(edges, 0.8, 0.0)),
    ):
        _paint(picture, codes == code, colour, alpha)
    return rendering.to_png(Image.fromarray(np.rint(picture).astype(np.uint8)))


def _paint(picture: np.ndarray, where: np.ndarray, colour: str, alpha: float | np.ndarray) -> None:
    """Lay a colour over (rows, columns, 3) in place, as opaque as alpha (rows, columns) or a number says."""
    share = np.broadcast_to(alpha, where.shape)[where][:, None]
    picture[where] = picture[where] * (1 - share) + share * np.array(
        list(bytes.fromhex(colour[1:]))
    )
