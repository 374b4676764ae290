"""The node as a whole: from the port to a case, and which of several processes has it."""

import socket

import pytest

from app.dicom_node import spool as spool_module
from app.store.data_folder import INCOMING
from tests.app.dicom_node.conftest import wait_until
from tests.services import free_port
from tests.support.dicom_peer import PEERS, connected, push


@pytest.fixture
def make_node(make_app, monkeypatch):
    """Return a function that gives an app, and its node's receiving thread, on a port of this machine."""
    monkeypatch.setattr(spool_module, "QUIET_S", 0.5)
    nodes, port = [], free_port()

    def make(port=port):
        app = make_app(dicom_port=port, dicom_peers=PEERS, disk_reserve_mb=0)
        node = app.extensions["dicom_node"]
        nodes.append(node)
        return app, node, node._threads[0]

    yield make
    for node in nodes:
        node.stop()


def listens(thread):
    return lambda: thread.receiver.listening


def poll(node, true):
    """Let the threads look again until something is true."""

    def found():
        node.notify()
        return true()

    wait_until(found)


def listed(app):
    return app.test_client().get("/api/cases").json["cases"]


def test_from_the_port_to_a_case(make_node, study, caplog):
    caplog.set_level("INFO", "app")
    app, node, thread = make_node()
    node.start()
    wait_until(listens(thread))
    assert set(push(thread.receiver.port, study)) == {0x0000}
    poll(node, lambda: listed(app))
    assert [case["state"] for case in listed(app)] == ["queued"]
    folder = app.config["SETTINGS"].data_dir / INCOMING
    poll(node, lambda: not list(folder.iterdir()))
    node.stop()
    assert not thread.receiver.listening
    with connected(app.config["SETTINGS"].dicom_port) as association:
        assert not association.is_established
    assert len(listed(app)) == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_one_process_has_the_port_and_another_takes_over(make_node):
    (_, first, one), (_, second, other) = make_node(), make_node()
    first.start()
    wait_until(listens(one))
    second.start()
    second.notify()
    assert not other.ready
    assert list(second.obstacles()) == []
    first.stop()
    poll(second, listens(other))


def test_a_port_that_is_taken_is_tried_again(make_node, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        app, node, thread = make_node(taken.getsockname()[1])
        node.start()
        reason = "The DICOM port cannot be opened: Address already in use."
        wait_until(lambda: list(node.obstacles()) == [reason])
        assert reason in app.test_client().get("/readyz").json["reasons"]
    poll(node, listens(thread))
    assert list(node.obstacles()) == []
    assert caplog.text.count(reason) == 1


def test_what_an_earlier_process_received_becomes_a_case(make_node, study):
    app, node, thread = make_node()
    for dataset in study:
        with thread._spool.partial(lambda file, one=dataset: one.save_as(file)) as path:
            thread._spool.add(path, dataset.StudyInstanceUID, dataset.SOPInstanceUID)
    app, node, thread = make_node()
    node.start()
    poll(node, lambda: listed(app))
    assert len(listed(app)) == 1


def test_without_settings_nothing_runs(app):
    node = app.extensions["dicom_node"]
    assert node._threads == []
    node.start()
    node.halt()
    assert list(node.obstacles()) == []
