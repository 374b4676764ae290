"""Whatever names and zips come, they are handled or refused, and no name becomes a path."""

import tempfile
import unicodedata
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from app.intake import zip_archive
from app.intake.files import ScanFile, assign, common_name, shown_folder, shown_name
from model.errors import CaseError
from model.io.modalities import MODALITIES
from tests.app.web.hazards import packed

NAMES = st.one_of(
    st.text(max_size=300),
    st.tuples(st.sampled_from(["FLAIR", "t1", "seg", ""]), st.text(max_size=5)).map("/".join),
    st.tuples(st.text(max_size=20), st.sampled_from([f"_{m}.nii" for m in MODALITIES])).map(
        "".join
    ),
)
MAX_BYTES = 2**16


@given(NAMES)
def test_any_name_is_fit_to_be_shown(name):
    shown = shown_name(name)
    assert len(shown) <= 120
    assert not [c for c in shown if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"]
    assert "/" not in shown
    assert shown_name(shown) == shown


@given(st.lists(NAMES, max_size=6))
def test_any_names_are_assigned_or_refused(names):
    files = [
        ScanFile(shown_name(name), Path(str(number)), shown_folder(name))
        for number, name in enumerate(names)
    ]
    common_name([file.name for file in files])
    try:
        found = assign({}, files).files
    except CaseError as error:
        assert error.code in ("missing_modality", "duplicate_modality")
    else:
        assert len({file.path for file in found.values()}) == len(found) >= 3


def assert_unpacks_or_refuses(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "upload"), Path(folder, "out")
        path.write_bytes(content)
        try:
            found = zip_archive.unpack(path, "all.zip", out, MAX_BYTES)
        except CaseError as error:
            assert error.code.startswith("zip_")
        else:
            assert all(item.parent == out for _, item in found)
        assert {item.name for item in Path(folder).iterdir()} <= {"upload", "out"}
        assert sum(item.stat().st_size for item in Path(folder).rglob("out/*")) <= MAX_BYTES


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        NAMES.filter(lambda name: name and "\0" not in name), st.binary(max_size=50), max_size=5
    )
)
def test_zips_of_any_names(entries):
    assert_unpacks_or_refuses(packed(entries))


@settings(max_examples=200, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
    length=st.integers(4, 10**6),
)
def test_any_damage_to_a_zip(changes, length):
    content = bytearray(packed({"a_t1.nii": b"scan" * 40, "b/../a_t2.nii": b"x" * 99}))
    for position, value in changes:
        content[position % len(content)] = value
    assert_unpacks_or_refuses(bytes(content[: max(4, length % (len(content) + 1))]))
