"""Compression of Keras weights files: rounded weights have two zero bytes of four."""

from pathlib import Path

import h5py

# Below this, HDF5's own record of a compressed array is larger than what compression saves.
LEAST_BYTES = 2048


def pack(path: Path) -> None:
    """Rewrite a Keras weights file compressed. Keras reads it as before.

    The same weights give the same bytes: times are left out, and so are names of layers, which Keras
    numbers anew in each process and does not read.
    """
    packed = path.with_suffix(".packed")
    with h5py.File(path) as source, h5py.File(packed, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                target.create_group(name)
            else:
                target.create_dataset(name, data=item[()], **_filters(item))

        source.visititems(copy)
    packed.replace(path)


def _filters(item: h5py.Dataset) -> dict:
    """Return how an array is kept: compressed in one piece, or as it is."""
    if item.nbytes < LEAST_BYTES:
        return {}
    return {"chunks": item.shape, "shuffle": True, "compression": "gzip"}
