import io
import stat
import struct
import zipfile

import pytest

from app.intake import zip_archive
from model.errors import CaseError

SCAN = b"scan" * 100


def packed(entries: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def unpack(tmp_path):
    """Return a function that unpacks bytes and gives names with contents."""

    def run(content: bytes, max_bytes: int = 10_000) -> dict[str, bytes]:
        path = tmp_path / "upload"
        path.write_bytes(content)
        found = zip_archive.unpack(path, "client.zip", tmp_path / "out", max_bytes)
        assert all(item.parent == tmp_path / "out" for _, item in found)
        return {name: item.read_bytes() for name, item in found}

    return run


def refused(unpack, content: bytes, code: str, **limits) -> None:
    with pytest.raises(CaseError) as caught:
        unpack(content, **limits)
    assert caught.value.code == code
    assert caught.value.file == "client.zip"


def test_scans_come_out_and_the_rest_stays(unpack):
    content = packed(
        {
            "patient/a_flair.nii.gz": SCAN,
            "patient/A_T1.NII": SCAN,
            "patient/notes.txt": b"x",
            "patient/.DS_Store": b"x",
            "__MACOSX/patient/._a_flair.nii.gz": b"x",
        }
    )
    assert unpack(content) == {"patient/a_flair.nii.gz": SCAN, "patient/A_T1.NII": SCAN}


@pytest.mark.parametrize(
    "name",
    [
        "../../slip_t1.nii",
        "/etc/t1.nii",
        "C:\\windows\\t1.nii",
        "a\x07b_t1.nii",
        "t" * 4000 + ".nii",
    ],
)
def test_names_never_become_paths(unpack, tmp_path, name):
    assert list(unpack(packed({name: SCAN})).values()) == [SCAN]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0", "out", "upload"]


def test_only_what_is_wanted_is_unpacked(tmp_path):
    path, seen = tmp_path / "upload", []
    path.write_bytes(packed({"a_t1.nii": SCAN, "notes.txt": b"x", "a_t2.nii": SCAN * 2}))
    listed = zip_archive.contents(path, "client.zip", 10_000)
    assert listed == [("a_t1.nii", len(SCAN)), ("a_t2.nii", 2 * len(SCAN))]
    out = tmp_path / "out"
    found = zip_archive.unpack(
        path, "client.zip", out, 10_000, {1}, check=lambda *a: seen.append(a)
    )
    assert found == [("a_t2.nii", out / "1")]
    assert [file.name for file in out.iterdir()] == ["1"]
    assert seen == [("a_t2.nii", 2 * len(SCAN), SCAN * 2)]


def test_a_check_stops_before_the_rest(tmp_path):
    def refuse(name, size, start):
        raise CaseError("not_nifti", f"{name}: {size} bytes, {len(start)} seen.", file=name)

    path = tmp_path / "upload"
    path.write_bytes(packed({"t1.nii": bytes(2**20)}))
    with pytest.raises(CaseError, match="1048576 bytes, 4096 seen"):
        zip_archive.unpack(path, "client.zip", tmp_path / "out", 2**21, check=refuse)
    assert (tmp_path / "out" / "0").stat().st_size == 0


def test_too_many_bytes(unpack):
    refused(unpack, packed({"t1.nii": bytes(20_000)}), "zip_too_large")


def test_too_many_bytes_together(unpack):
    parts = {f"{n}_t1.nii": bytes(4_000) for n in range(3)}
    refused(unpack, packed(parts), "zip_too_large")


def test_a_size_that_lies(unpack):
    """Sizes understated in both headers: what comes out is cut off and fails its checksum."""
    content = bytearray(packed({"t1.nii": bytes(20_000)}))
    small = struct.pack("<I", 100)
    content[22:26] = small
    directory = content.rfind(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = small
    refused(unpack, bytes(content), "zip_damaged")


def test_links(unpack):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        info = zipfile.ZipInfo("t1.nii")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    refused(unpack, buffer.getvalue(), "zip_link")


def test_nested_zip(unpack):
    refused(unpack, packed({"inner.zip": packed({"t1.nii": SCAN})}), "zip_nested")


def test_password(unpack):
    content = bytearray(packed({"t1.nii": SCAN}))
    directory = content.rfind(b"PK\x01\x02")
    content[directory + 8] |= 1
    refused(unpack, bytes(content), "zip_encrypted")


def test_too_many_entries(unpack, monkeypatch):
    monkeypatch.setattr(zip_archive, "MAX_ENTRIES", 3)
    refused(unpack, packed({f"{n}.txt": b"" for n in range(4)}), "zip_too_large")


def test_a_huge_table_of_contents_is_not_read(unpack):
    content = bytearray(packed({"t1.nii": SCAN}))
    end = content.rfind(b"PK\x05\x06")
    content[end + 12 : end + 16] = struct.pack("<I", 2**31)
    refused(unpack, bytes(content), "zip_too_large")


def test_64_bit_end_record(unpack):
    content = packed({"t1.nii": SCAN})
    end = content.rfind(b"PK\x05\x06")
    locator = b"PK\x06\x07" + bytes(16)
    refused(unpack, content[:end] + locator + content[end:], "zip_too_large")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression(unpack, method):
    refused(unpack, packed({"t1.nii": SCAN}, method), "zip_damaged")


def test_cut_and_flipped(unpack, tmp_path):
    content = packed({"t1.nii": SCAN}, zipfile.ZIP_STORED)
    refused(unpack, content[:-30], "zip_damaged")
    position = content.find(SCAN)
    flipped = content[:position] + b"S" + content[position + 1 :]
    refused(unpack, flipped, "zip_damaged")


def test_every_cut_is_refused_or_read(unpack, tmp_path):
    """No cut, wherever it falls, ends in anything but a CaseError."""
    content = packed({"t1.nii": SCAN, "t2.nii": SCAN})
    for length in range(4, len(content)):
        with pytest.raises(CaseError):
            unpack(content[:length])
        if (tmp_path / "out").exists():
            (tmp_path / "out").rename(tmp_path / f"out-{length}")
