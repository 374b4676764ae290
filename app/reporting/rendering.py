"""Rendered slices: greyscale scan, regions in colour on top. Radiological convention."""

import io
from collections.abc import Container
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from app.analysis.measurements import PLANE_AXES
from app.store.results import Results
from model.io.modalities import MODALITIES
from model.labels import CLASSES, REGIONS

PLANES = tuple(PLANE_AXES)
REGION_KEYS = tuple(region.key for region in REGIONS)
# Shown first if a case has them: they show the whole tumour best.
PREFERRED = ("flair", "t2")
# Percentiles of the head's intensities that become black and white.
WINDOW_PERCENTILES = (0.5, 99.3)
# Slices that are turned into greys together.
SLICES_AT_A_TIME = 16
# Longest edge of a rendered slice, in pixels.
MAX_EDGE = 1024
# Edge of a thumbnail in pixels: twice what the worklist shows, for fine screens.
THUMBNAIL_EDGE = 112
# The confidence map shows where the model was uncertain: a probability of 1 is left clear, one of
# UNCERTAIN_BELOW or less gets the second colour in full. Purple is none of the regions' colours.
UNCERTAIN_BELOW = 0.5
UNCERTAINTY_COLOURS = ("#7B3FA6", "#FF9BE4")
# Cyan, which no region has and no scan.
BRAIN_COLOUR = "#39C5E8"
# Letters at the edges of a rendered slice; the patient's right is on the left.
EDGE_LETTERS = {
    "axial": {"left": "R", "right": "L", "top": "A", "bottom": "P"},
    "coronal": {"left": "R", "right": "L", "top": "S", "bottom": "I"},
    "sagittal": {"left": "A", "right": "P", "top": "S", "bottom": "I"},
}


@dataclass(frozen=True)
class Look:
    """How a slice is drawn: the sequence, which regions, how opaque, as fill or outline; `brain` outlines the brain.

    window : black and white in intensities of the scan, which whoever draws has to bring; None for that of the display

    With the confidence map, regions are outlined, since two fills would hide each other.
    """

    modality: str = "flair"
    regions: tuple[str, ...] = REGION_KEYS
    opacity: float = 0.5
    outline: bool = False
    confidence: bool = False
    brain: bool = False
    window: tuple[float, float] | None = None


def first_modality(present: Container[str]) -> str:
    """Return the sequence that is shown unless another is chosen."""
    return next(modality for modality in (*PREFERRED, *MODALITIES) if modality in present)


def to_display(volume: np.ndarray) -> np.ndarray:
    """Return a sequence (X, Y, Z) as uint8, from the darkest to the brightest that matters in the head."""
    background = volume.min()
    # Every eighth voxel is enough for percentiles.
    sample = volume[::2, ::2, ::2]
    head = sample[sample > background]
    low, high = np.percentile(head, WINDOW_PERCENTILES) if head.size else (0.0, 1.0)
    # Keeps the background black where the darkest tissue is much brighter.
    low = min(low, max(background, 0.0)) if low > 0 else low
    factor = np.float32(255.0 / max(high - low, 1e-6))
    result = np.empty_like(volume, np.uint8)
    # Some slices at a time: a second copy of a large scan in float32 would fill the memory.
    for start in range(0, volume.shape[2], SLICES_AT_A_TIME):
        part = (slice(None), slice(None), slice(start, start + SLICES_AT_A_TIME))
        scaled = (volume[part] - np.float32(low)) * factor
        result[part] = np.clip(scaled, 0, 255, out=scaled)
    return result


def slice_count(results: Results, plane: str) -> int:
    """Return how many slices a finished case has in `plane`."""
    return results.labels().shape[PLANE_AXES[plane]]


def brain_slices(results: Results, plane: str) -> tuple[int, int] | None:
    """Return the first and the last slice of `plane` that hold brain; None without a brain mask."""
    brain = results.brain()
    if brain is None or not brain.any():
        return None
    others = tuple(axis for axis in range(3) if axis != PLANE_AXES[plane])
    used = np.flatnonzero(brain.any(axis=others))
    return int(used[0]), int(used[-1])


def size_mm(results: Results, plane: str) -> tuple[float, float]:
    """Return width and height of the slices of `plane` in mm."""
    columns, rows = _in_plane(plane)
    shape, spacing = results.labels().shape, results.spacing_mm()
    return float(shape[columns] * spacing[columns]), float(shape[rows] * spacing[rows])


def render_png(
    results: Results, plane: str, index: int, look: Look, scan: np.ndarray | None = None
) -> bytes:
    """Return one slice of a finished case as PNG. Raises IndexError outside the volume.

    scan : its greys where they are not those of the display, (rows, columns) uint8 of the picture

    Without a stored confidence map none is drawn.
    """
    return to_png(render(results, plane, index, look, scan))


def to_png(image: Image.Image) -> bytes:
    """Return an image as PNG, made quickly."""
    buffer = io.BytesIO()
    # Level 1 is four times as fast as the default and a tenth larger.
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def render_thumbnail(results: Results, index: int, look: Look) -> bytes:
    """Return an axial slice of a finished case as a small square PNG, cut to the head."""
    image = render(results, "axial", index, look)
    # The background is black; a slice outside the head stays whole.
    image = image.crop(image.convert("L").getbbox())
    square = ImageOps.pad(image, (THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    square.save(buffer, "PNG")
    return buffer.getvalue()


def render(
    results: Results, plane: str, index: int, look: Look, scan: np.ndarray | None = None
) -> Image.Image:
    """Return one slice of a finished case, as `render_png` does. Raises IndexError outside the volume."""
    if not 0 <= index < slice_count(results, plane):
        raise IndexError(index)
    columns, rows = _in_plane(plane)
    spacing = results.spacing_mm()
    if scan is None:
        scan = picture_slice(results.display(look.modality), plane, index)
    labels = picture_slice(results.labels(), plane, index)
    confidence = results.confidence() if look.confidence else None
    if confidence is not None:
        confidence = picture_slice(confidence, plane, index)
    pixel_mm = float(spacing[columns]), float(spacing[rows])
    picture = draw(scan, labels, pixel_mm, look, confidence)
    brain = results.brain() if look.brain else None
    return picture if brain is None else outlined(picture, picture_slice(brain, plane, index))


def outlined(picture: Image.Image, brain: np.ndarray) -> Image.Image:
    """Return a picture with the outline of a brain (rows, columns) uint8 of the same slice."""
    pixels = np.array(picture)
    inside = _resized(brain * np.uint8(255), picture.size, Image.Resampling.BILINEAR) > 127
    pixels[border(inside.view(np.uint8))] = list(bytes.fromhex(BRAIN_COLOUR[1:]))
    return Image.fromarray(pixels)


def picture_slice(volume: np.ndarray, plane: str, index: int) -> np.ndarray:
    """Return a slice of a canonical (X, Y, Z) volume as (rows, columns) of the picture.

    Up is anterior or superior; left is the patient's right, or anterior in sagittal slices.
    """
    # A view, not np.take, which would copy a mapped volume whole.
    return np.moveaxis(volume, PLANE_AXES[plane], 0)[index][::-1, ::-1].T


def draw(
    scan: np.ndarray,
    labels: np.ndarray,
    pixel_mm: tuple[float, float],
    look: Look,
    confidence: np.ndarray | None = None,
) -> Image.Image:
    """Return an RGB image with square pixels.

    scan, labels, confidence : (rows, columns) uint8, confidence 255 = certain;
    pixel_mm : width and height of one of their pixels
    """
    size = _square_pixel_size(scan.shape, pixel_mm)
    grey = _resized(scan, size, Image.Resampling.BILINEAR)
    indices = _resized(labels, size, Image.Resampling.NEAREST)
    picture = np.repeat(grey.astype(np.float32)[..., None], 3, axis=2)
    if confidence is not None:
        confidence = _resized(confidence, size, Image.Resampling.BILINEAR)
        _paint(picture, *(table[confidence] for table in _uncertainty_tables(look.opacity)))
    colours, alphas = _tables(look)
    alpha = alphas[indices]
    if look.outline or confidence is not None:
        alpha = alpha * border(np.where(alpha > 0, indices, 0))
    _paint(picture, colours[indices], alpha)
    return Image.fromarray(np.rint(picture).astype(np.uint8))


def _resized(pixels: np.ndarray, size: tuple[int, int], how: Image.Resampling) -> np.ndarray:
    """Return (rows, columns) uint8 at `size` (width, height)."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image if image.size == size else image.resize(size, how))


def _paint(picture: np.ndarray, colours: np.ndarray, alpha: np.ndarray) -> None:
    """Lay colours (rows, columns, 3) over a picture of that shape, in place; alpha is 0 to 1."""
    painted = alpha > 0
    share = alpha[painted][:, None]
    picture[painted] = picture[painted] * (1 - share) + colours[painted] * share


def border(labels: np.ndarray) -> np.ndarray:
    """Return where a labelled pixel of (rows, columns) has a neighbour of another label."""
    padded = np.pad(labels, 1, mode="edge")
    inner = padded[1:-1, 1:-1]
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    different = np.logical_or.reduce([inner != neighbour for neighbour in neighbours])
    return different & (inner > 0)


def _in_plane(plane: str) -> tuple[int, int]:
    """Return the canonical axes that run along the columns and the rows of a picture."""
    columns, rows = (axis for axis in range(3) if axis != PLANE_AXES[plane])
    return columns, rows


def _square_pixel_size(shape: tuple[int, int], pixel_mm: tuple[float, float]) -> tuple[int, int]:
    width_mm, height_mm = shape[1] * pixel_mm[0], shape[0] * pixel_mm[1]
    edge_mm = max(min(pixel_mm), max(width_mm, height_mm) / MAX_EDGE)
    return max(1, round(width_mm / edge_mm)), max(1, round(height_mm / edge_mm))


def _tables(look: Look) -> tuple[np.ndarray, np.ndarray]:
    """Return colour (classes, 3) and opacity (classes,) by network index."""
    colours, alphas = np.zeros((CLASSES, 3), np.float32), np.zeros(CLASSES, np.float32)
    for region in REGIONS:
        colours[region.index] = list(bytes.fromhex(region.colour.removeprefix("#")))
        alphas[region.index] = look.opacity if region.key in look.regions else 0.0
    return colours, alphas


def _uncertainty_tables(opacity: float) -> tuple[np.ndarray, np.ndarray]:
    """Return colour (256, 3) and opacity (256,) by confidence, 255 = certain."""
    uncertainty = np.clip((1 - np.arange(256) / 255) / (1 - UNCERTAIN_BELOW), 0, 1)[:, None]
    low, high = (
        np.array(list(bytes.fromhex(colour[1:])), np.float32) for colour in UNCERTAINTY_COLOURS
    )
    # The square root makes slight uncertainty visible; without any, the scan stays as it is.
    return low + (high - low) * uncertainty, opacity * np.sqrt(uncertainty[:, 0])
