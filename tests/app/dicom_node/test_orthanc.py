"""A real archive sends a study and gets results, while our process is killed again and again."""

import io
import json

import pytest

from tests.app.dicom_node.conftest import wait_until
from tests.app.serving import serving
from tests.support import orthanc

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def archive(tmp_path):
    orthanc.require()
    with orthanc.running(tmp_path) as found:
        yield found


def fill(archive, study):
    for dataset in study:
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        archive.ask("/instances", buffer.getvalue())


def listed(server):
    return server.json("/api/cases")["cases"]


def test_from_the_archive_and_back(tmp_path, archive, study):
    fill(archive, study)
    data_dir = tmp_path / "data"
    settings = {
        "dicom_port": archive.node_port,
        "dicom_peers": f"{orthanc.TITLE}@127.0.0.1",
        "dicom_send_to": f"{orthanc.TITLE}@127.0.0.1:{archive.dicom_port}",
        "dicomweb_url": archive.web,
    }

    def listening(server):
        return "DICOM studies are received" in server.log

    def received():
        return len(list((data_dir / "incoming").glob("*/*")))

    with serving(data_dir, **settings) as server:
        wait_until(lambda: listening(server))
        archive.start_sending()
        wait_until(lambda: received() > 20)
        # In the middle of the study.
        server.kill()
        before = received()
    assert 20 < before < len(study)
    with serving(data_dir, **settings) as server:
        wait_until(lambda: listening(server))
        job = archive.start_sending()
        wait_until(lambda: archive.job(job) in ("Success", "Failure"))
        assert archive.job(job) == "Success"
        wait_until(lambda: listed(server))
        wait_until(lambda: listed(server)[0]["state"] == "running")
        server.kill()
    with serving(data_dir, **settings) as server:
        wait_until(lambda: listed(server)[0]["state"] == "done", 300)
        url = f"{listed(server)[0]['url']}/deliveries"

        def states():
            return [row["state"] for row in server.json(url)["deliveries"]]

        wait_until(lambda: states() == ["sent", "sent"], 120)
        assert len(listed(server)) == 1
        assert not list((data_dir / "incoming").iterdir())
        first = {kind: archive.instances(kind) for kind in ("SEG", "SR")}
        assert {kind: len(uids) for kind, uids in first.items()} == {"SEG": 1, "SR": 1}
        # Both belong to the study that was sent.
        assert len(archive.ask("/studies")) == 1
        assert server.request("POST", url, b"")[0] == 202
        wait_until(lambda: states() == ["sent", "sent"], 120)
        assert {kind: archive.instances(kind) for kind in ("SEG", "SR")} == first
        # An archive that forwards what it gets sends all of it back.
        job = archive.start_sending()
        wait_until(lambda: archive.job(job) in ("Success", "Failure"))
        wait_until(lambda: "came back from an archive" in server.log)
        assert archive.job(job) == "Success"
        assert len(listed(server)) == 1
        words = ("Doe", "P-0815", str(study[0].StudyInstanceUID))
        logged = server.log_path.read_text() + (data_dir / "audit.log").read_text()
        assert not [word for word in words if word in logged]
        actions = [json.loads(line) for line in (data_dir / "audit.log").read_text().splitlines()]
        assert [entry["what"] for entry in actions].count("receive") == 1
