"""A study to be sent, and a node on a free port."""

import time
from collections.abc import Callable

import pytest

from app.config_dicom import Peer
from app.dicom_node import spool as spool_module
from app.dicom_node.receiver import Limits, Receiver
from app.dicom_node.spool import Spool
from tests.support.dicom_peer import TITLE
from tests.support.dicom_study import classic_files, scanned
from tests.support.dicom_vendors import SEQUENCES, VENDORS


@pytest.fixture(scope="session")
def series(phantom):
    """The series of a study of the small case: the four sequences, and a localiser."""
    every = scanned(phantom[0], "siemens")
    return [
        one
        for one, (name, _) in zip(every, VENDORS["siemens"], strict=True)
        if name in (*SEQUENCES, "localiser")
    ]


@pytest.fixture(scope="session")
def study(series):
    """The objects of that study."""
    return [dataset for one in series for dataset in classic_files(one)]


@pytest.fixture(scope="session")
def few(series):
    """Some objects of that study."""
    return classic_files(series[1])[30:35]


@pytest.fixture
def spool(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    return Spool(folder)


@pytest.fixture
def listen(spool):
    """Return a function that opens a port for the spool, with limits as it is told."""
    opened = []

    def start(peers=(Peer(TITLE, "127.0.0.1"),), object_bytes=2**27, reserve_bytes=0) -> Receiver:
        receiver = Receiver("NODE", peers, spool, Limits(object_bytes, reserve_bytes))
        receiver.listen("127.0.0.1", 0)
        opened.append(receiver)
        return receiver

    yield start
    for receiver in opened:
        receiver.close()


@pytest.fixture
def quiet(monkeypatch):
    """Studies are complete at once."""
    monkeypatch.setattr(spool_module, "QUIET_S", 0.0)


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
