"""One builder of NIfTI files, right or wrong in one chosen way, and every way to be wrong."""

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


NAN, INF = float("nan"), float("inf")
GOOD = nifti()
FLOATS = voxels("<f4")


def with_voxel(value: float) -> bytes:
    data = FLOATS.copy()
    data[4, 4, 4] = value
    return nifti(data.tobytes(order="F"), datatype=16, bitpix=32)


BROKEN = {
    "empty": (b"", "not_nifti"),
    "text": (b"not a scan at all" * 50, "not_nifti"),
    "header cut": (GOOD[:200], "not_nifti"),
    "pair (.hdr)": (nifti(magic=b"ni1\0"), "not_nifti"),
    "gzipped three times": (gz(gz(gz(GOOD))), "not_nifti"),
    "voxels cut": (GOOD[:-100], "truncated"),
    "no voxels": (GOOD[:352], "truncated"),
    "gzip cut": (gz(GOOD)[:-9], "corrupt_gzip"),
    "gzip of cut file": (gz(GOOD[:-100]), "truncated"),
    "crc wrong": (gz(GOOD)[:-8] + b"\0\0\0\0" + gz(GOOD)[-4:], "corrupt_gzip"),
    "bytes flipped in gzip": (gz(GOOD)[:300] + b"\xff" * 20 + gz(GOOD)[320:], "corrupt_gzip"),
    "long tail": (GOOD + bytes(2**20 + 1), "trailing_data"),
    "2-D": (nifti(dim=(2, 9, 10, 1, 1, 1, 1, 1)), "bad_dimensions"),
    "single slice": (nifti(dim=(3, 9, 110, 1, 1, 1, 1, 1)), "bad_dimensions"),
    "time series": (nifti(dim=(4, 9, 10, 11, 5, 1, 1, 1)), "bad_dimensions"),
    "5-D": (nifti(dim=(5, 9, 10, 11, 1, 3, 1, 1)), "bad_dimensions"),
    "dimension count 0": (nifti(dim=(0, 9, 10, 11, 1, 1, 1, 1)), "bad_dimensions"),
    "dimension count 99": (nifti(dim=(99, 9, 10, 11, 1, 1, 1, 1)), "bad_dimensions"),
    "zero dimension": (nifti(dim=(3, 9, 0, 11, 1, 1, 1, 1)), "bad_dimensions"),
    "negative dimension": (nifti(dim=(3, 9, -10, 11, 1, 1, 1, 1)), "bad_dimensions"),
    "huge claim": (nifti(dim=(3, 1500, 1500, 1500, 1, 1, 1, 1)), "too_large"),
    "complex": (nifti(datatype=32, bitpix=64), "bad_data_type"),
    "colour": (nifti(datatype=128, bitpix=24), "bad_data_type"),
    "unknown type": (nifti(datatype=999, bitpix=16), "bad_data_type"),
    "bits disagree": (nifti(bitpix=8), "bad_data_type"),
    "affine NaN": (nifti(srow_x=(NAN, 0, 0, 5)), "bad_affine"),
    "affine infinite": (nifti(srow_x=(-1, 0, 0, INF)), "bad_affine"),
    "affine singular": (nifti(srow_y=(-1, 0, 0, 0)), "bad_affine"),
    "affine zero": (nifti(srow_z=(0, 0, 0, 0)), "bad_affine"),
    "voxels of 1 m": (nifti(srow_z=(0, 0, 1000, 0)), "bad_affine"),
    "header read as voxels": (nifti(vox_offset=0), "bad_header"),
    "voxels inside the header": (nifti(vox_offset=348), "bad_header"),
    "voxels at infinity": (nifti(vox_offset=INF), "bad_header"),
    "voxels a gigabyte on": (nifti(vox_offset=1e9), "bad_header"),
    "voxels before the file": (nifti(vox_offset=-16), "bad_header"),
    "scaling infinite": (nifti(scl_slope=INF), "bad_header"),
    "voxel NaN": (with_voxel(NAN), "not_finite"),
    "voxel infinite": (with_voxel(INF), "not_finite"),
    "infinite in both directions": (
        nifti(np.tile([INF, -INF], 495).astype("<f4").tobytes(), datatype=16, bitpix=32),
        "not_finite",
    ),
    "voxels beyond float32": (
        nifti(np.linspace(0, 1e300, 990).tobytes(), datatype=64, bitpix=64),
        "not_finite",
    ),
    "scaling beyond float32": (nifti(scl_slope=3e38), "not_finite"),
    "bomb in a gzip": (gz(nifti(bytes(2**27))), "trailing_data"),
    "claim of the most voxels": (nifti(b"", dim=(3, 512, 512, 256, 1, 1, 1, 1)), "truncated"),
}
