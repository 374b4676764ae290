"""Whatever bytes come, reading ends in a finite volume or in a CaseError, never in anything else."""

import gzip
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import CaseError
from model.io.nifti import read_volume
from model.io.nifti_header import Limits
from tests.model.io.malformed import FIELDS, GOOD, gz, nifti

LIMITS = Limits(max_voxels=2**16, max_trailing_bytes=2**16)
NUMBERS = {
    "h": st.integers(-(2**15), 2**15 - 1),
    "i": st.integers(-(2**31), 2**31 - 1),
    "f": st.floats(width=32),
    "s": st.binary(min_size=4, max_size=4),
}


def fields() -> st.SearchStrategy[dict]:
    """Draw header fields with any values."""

    def values(format_: str) -> st.SearchStrategy:
        number, count = NUMBERS[format_[-1]], format_[:-1]
        return st.tuples(*[number] * int(count)) if format_[-1] != "s" and count else number

    return st.fixed_dictionaries(
        {}, optional={name: values(format_) for name, (_, format_) in FIELDS.items()}
    )


def assert_reads_or_refuses(content: bytes) -> None:
    handle, name = tempfile.mkstemp()
    with open(handle, "wb") as file:
        file.write(content)
    try:
        volume = read_volume(Path(name), name="scan", limits=LIMITS)
    except CaseError as error:
        assert error.code and error.message and error.hint
        assert error.file == "scan"
    else:
        assert np.isfinite(volume.data).all()
        assert volume.data.size <= LIMITS.max_voxels
        assert np.linalg.det(volume.affine) != 0
    finally:
        Path(name).unlink()


@settings(max_examples=200, deadline=None)
@given(fields=fields(), order=st.sampled_from("<>"), compressed=st.booleans())
def test_any_header(fields, order, compressed):
    content = nifti(order=order, **fields)
    assert_reads_or_refuses(gz(content) if compressed else content)


@settings(max_examples=100, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8),
    length=st.integers(0, 10**6),
)
def test_any_damage_to_a_gzip(changes, length):
    content = bytearray(gz(GOOD))
    for position, value in changes:
        content[position % len(content)] = value
    assert_reads_or_refuses(bytes(content[: length % (len(content) + 1)]))


@settings(max_examples=100, deadline=None)
@given(head=st.sampled_from([b"", GOOD[:352], gzip.compress(GOOD)[:20]]), rest=st.binary())
def test_any_bytes(head, rest):
    assert_reads_or_refuses(head + rest)
