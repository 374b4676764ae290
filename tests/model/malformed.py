"""One builder of NIfTI files, right or wrong in one chosen way."""

import gzip
import struct

import numpy as np

SHAPE = (9, 10, 11)
# Offsets in the 348-byte NIfTI-1 header, by field: (byte, struct format).
FIELDS = {
    "sizeof_hdr": (0, "i"),
    "dim": (40, "8h"),
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    "pixdim": (76, "8f"),
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    "srow_x": (280, "4f"),
    "srow_y": (296, "4f"),
    "srow_z": (312, "4f"),
    "magic": (344, "4s"),
}
DEFAULTS = {
    "sizeof_hdr": 348,
    "dim": (3, *SHAPE, 1, 1, 1, 1),
    "datatype": 4,
    "bitpix": 16,
    "pixdim": (1, 1, 1, 1, 0, 0, 0, 0),
    "vox_offset": 352,
    "scl_slope": 1,
    "scl_inter": 0,
    "sform_code": 1,
    "srow_x": (-1, 0, 0, 5),
    "srow_y": (0, -1, 0, 6),
    "srow_z": (0, 0, 1, 7),
    "magic": b"n+1\0",
}


def voxels(dtype: str = "<i2") -> np.ndarray:
    """Return SHAPE voxels, all different."""
    return np.arange(np.prod(SHAPE)).reshape(SHAPE, order="F").astype(dtype)


def nifti(data: bytes | None = None, order: str = "<", **fields) -> bytes:
    """Return an uncompressed NIfTI-1 file with header fields as told; `data` replaces voxels."""
    header = bytearray(348)
    for name, value in (DEFAULTS | fields).items():
        offset, format_ = FIELDS[name]
        values = value if isinstance(value, tuple) else (value,)
        struct.pack_into(order + format_, header, offset, *values)
    if data is None:
        data = voxels(order + "i2").tobytes(order="F")
    return bytes(header) + bytes(4) + data


def gz(content: bytes) -> bytes:
    return gzip.compress(content, 1)
