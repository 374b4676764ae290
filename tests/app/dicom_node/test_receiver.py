"""Objects from known peers are on the disk before they are confirmed; all others are refused."""

import errno
import io
import os
import shutil
import socket
import struct
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import JPEGLSLossless, RLELossless
from pynetdicom.sop_class import EncapsulatedPDFStorage

from app.config_dicom import Peer
from app.dicom_node.receiver import MAX_UNIT_BYTES
from tests.app.dicom_node.conftest import wait_until
from tests.support.dicom_peer import TITLE, connected, push
from tests.support.dicom_study import write_study


def dcmtk(name: str) -> str | None:
    """Return where a program of dcmtk is; pynetdicom brings others of the same names, beside the interpreter."""
    ours = str(Path(sys.executable).parent)
    places = [place for place in os.environ["PATH"].split(os.pathsep) if place != ours]
    return shutil.which(name, path=os.pathsep.join(places))


PRIVATE = "1.3.12.2.1107.5.9.1"


def files(spool):
    return sorted(path for path in spool._folder.rglob("*") if path.is_file())


def test_known_peers_get_an_echo(listen):
    with connected(listen().port) as association:
        assert association.send_c_echo().Status == 0x0000


@pytest.mark.parametrize("peers", [(Peer("OTHER", "127.0.0.1"),), (Peer(TITLE, "192.0.2.1"),)])
def test_others_are_refused(listen, spool, few, peers, caplog):
    with connected(listen(peers).port, few) as association:
        assert not association.is_established
    assert files(spool) == []
    assert "BTS_DICOM_PEERS" in caplog.text
    assert f"{TITLE} " not in caplog.text and "127.0.0.1" not in caplog.text


def test_a_title_has_to_come_from_its_own_address(listen):
    peers = (Peer("OTHER", "127.0.0.1"), Peer(TITLE, "192.0.2.1"))
    port = listen(peers).port
    with connected(port) as association:
        assert association.is_rejected
    with connected(port, title="OTHER") as association:
        assert association.is_established


def test_peers_may_be_named(listen):
    with connected(listen((Peer(TITLE, "localhost"),)).port) as association:
        assert association.is_established


@pytest.mark.skipif(not dcmtk("storescu"), reason="dcmtk is not installed; .ci/run has it")
def test_programs_of_dcmtk(listen, spool, series, tmp_path):
    write_study(tmp_path / "study", series[:2])
    port, us = str(listen().port), ["-aet", TITLE, "-aec", "NODE"]
    subprocess.run([dcmtk("echoscu"), *us, "127.0.0.1", port], check=True, timeout=60)
    store = [dcmtk("storescu"), *us, "+sd", "127.0.0.1", port, tmp_path / "study"]
    subprocess.run(store, check=True, timeout=120)
    assert len(files(spool)) == len(list((tmp_path / "study").iterdir()))
    refused = [dcmtk("echoscu"), "-aet", "OTHER", "127.0.0.1", port]
    answer = subprocess.run(refused, capture_output=True, check=False, timeout=60)
    assert answer.returncode != 0 and b"Calling AE Title Not Recognized" in answer.stderr


def test_objects_are_kept_as_they_came(listen, spool, few):
    assert push(listen().port, few) == [0x0000] * len(few)
    kept = {}
    for path in files(spool):
        found = pydicom.dcmread(path)
        kept[found.SOPInstanceUID] = found
    assert set(kept) == {one.SOPInstanceUID for one in few}
    for one in few:
        assert kept[one.SOPInstanceUID] == one
        assert kept[one.SOPInstanceUID].PixelData == one.PixelData
    assert len({path.parent for path in files(spool)}) == 1


def test_names_on_the_disk_tell_nothing(listen, spool, few):
    push(listen().port, few)
    for path in spool._folder.rglob("*"):
        assert path.name.replace("-", "").isalnum()
        assert few[0].StudyInstanceUID not in path.name
        if path.is_dir():
            assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_objects_are_taken(listen, spool, few, syntax):
    packed = deepcopy(few[0])
    packed.compress(syntax)
    buffer = io.BytesIO()
    packed.save_as(buffer, enforce_file_format=True)
    packed = pydicom.dcmread(io.BytesIO(buffer.getvalue()))
    assert push(listen().port, [packed]) == [0x0000]
    assert pydicom.dcmread(files(spool)[0]).file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize("kind", [EncapsulatedPDFStorage, PRIVATE])
def test_objects_of_any_kind_are_taken(listen, spool, few, kind):
    other = deepcopy(few[0])
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = kind
    assert push(listen().port, [other]) == [0x0000]
    assert len(files(spool)) == 1


def test_what_comes_twice_counts_once(listen, spool, few):
    port = listen().port
    assert push(port, [*few, *few]) == [0x0000] * 2 * len(few)
    assert len(files(spool)) == len(few)


def test_other_content_under_one_identifier_is_kept_beside_it(listen, spool, few):
    other = deepcopy(few[0])
    other.PixelData = bytes(len(other.PixelData))
    assert push(listen().port, [few[0], other]) == [0x0000] * 2
    assert len(files(spool)) == 2


def test_a_disk_that_is_nearly_full(listen, spool, few):
    assert push(listen(reserve_bytes=2**60).port, few) == [0xA700] * len(few)
    assert files(spool) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_is_full(listen, spool, few, monkeypatch, caplog, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full) if call == "fsync" else monkeypatch.setattr(
        Path, call, full
    )
    assert push(listen().port, few[:2]) == [0xA700] * 2
    monkeypatch.undo()
    assert files(spool) == []
    assert few[0].SOPInstanceUID not in caplog.text


def test_objects_that_are_too_large(listen, spool, few):
    port = listen(object_bytes=300_000).port
    large = deepcopy(few[0])
    large.Rows *= 100
    large.PixelData = few[0].PixelData * 100
    assert push(port, [few[1], large, few[2]]) == [0x0000, 0xA700, 0x0000]
    assert len(files(spool)) == 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda dataset: dataset.pop("StudyInstanceUID"), 0xA900),
        (lambda dataset: setattr(dataset, "ImageComments", "x"), 0x0000),
    ],
)
def test_odd_headers(listen, few, change, status):
    odd = deepcopy(few[0])
    change(odd)
    assert push(listen().port, [odd]) == [status]


def test_what_cannot_be_read_is_refused(listen, spool, few, monkeypatch):
    damaged = b"\x08\x00\x05\x00CS\xff\xff" * 9
    with connected(listen().port, few) as association:
        monkeypatch.setattr("pynetdicom.association.encode", lambda *_: damaged)
        assert association.send_c_store(few[0]).Status == 0xC000
        monkeypatch.undo()
        assert association.send_c_store(few[0]).Status == 0x0000
    assert len(files(spool)) == 1


def test_a_unit_that_claims_gigabytes_is_not_read(listen, spool):
    receiver = listen()
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as peer:
        peer.sendall(struct.pack(">BBL", 1, 0, 2**32 - 1) + bytes(1000))
        assert MAX_UNIT_BYTES < 2**21
        assert peer.recv(100) in (b"", peer.recv(0))
    wait_until(lambda: not receiver._connections)


def test_a_connection_that_breaks_off_leaves_nothing_open(listen, spool, few):
    receiver = listen()
    with connected(receiver.port, few) as association:
        assert association.send_c_store(few[0]).Status == 0x0000
        association.abort()
    wait_until(lambda: not receiver._connections)
    assert len(files(spool)) == 1


def test_a_log_without_patients(listen, few, caplog):
    caplog.set_level("DEBUG")
    push(listen().port, few)
    receiver = caplog.text
    for word in ("Doe", "P-0815", few[0].StudyInstanceUID, few[0].SOPInstanceUID):
        assert word not in receiver
