"""Orthanc, a real archive, in a process of its own."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.services import free_port

TITLE, NODE = "ORTHANC", "node"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def require() -> None:
    """Skip the test where Orthanc or its plugin is missing."""
    if not shutil.which("Orthanc") or not PLUGIN.exists():
        pytest.skip("Orthanc and its DICOMweb plugin are not installed; .ci/run has the packages")


@dataclass(frozen=True)
class Orthanc:
    """An archive that runs; `node_port` is where it sends studies."""

    http_port: int
    dicom_port: int
    node_port: int

    @property
    def web(self) -> str:
        """Base address of its DICOMweb service."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def ask(self, path: str, body: Any = None) -> Any:
        """Return what its REST service answers; with a body, what it does."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.http_port}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, content), timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def start_sending(self) -> str:
        """Send all that it has to the node; return the id of the job."""
        wanted = {"Resources": self.ask("/studies"), "Synchronous": False}
        return self.ask(f"/modalities/{NODE}/store", wanted)["ID"]

    def job(self, job_id: str) -> str:
        """Return the state of a job, such as "Running", "Success" or "Failure"."""
        return self.ask(f"/jobs/{job_id}")["State"]

    def instances(self, modality: str) -> list[str]:
        """Return the identifiers of its objects of a modality, by QIDO-RS."""
        found = self.ask(f"/dicom-web/instances?Modality={modality}")
        return [one["00080018"]["Value"][0] for one in found]


@contextmanager
def running(folder: Path, our_title: str = "MOBILEUNET") -> Iterator[Orthanc]:
    """Run an empty archive that knows the node, and only this machine."""
    found = Orthanc(free_port(), free_port(), free_port())
    place = {"StorageDirectory": str(folder / "archive"), "IndexDirectory": str(folder / "archive")}
    settings: Mapping[str, Any] = place | {
        "HttpPort": found.http_port,
        "DicomPort": found.dicom_port,
        "DicomAet": TITLE,
        # This version listens on all addresses, and can only refuse who comes from elsewhere.
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "DicomCheckModalityHost": True,
        "DicomModalities": {NODE: [our_title, "127.0.0.1", found.node_port]},
        "Plugins": [str(PLUGIN)],
    }
    configuration = folder / "orthanc.json"
    configuration.write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", configuration], stdout=log, stderr=log)
    try:
        _wait(found)
        yield found
    finally:
        process.terminate()
        process.wait(30)


def _wait(found: Orthanc) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            found.ask("/system")
            return
        except OSError:
            assert time.monotonic() < end, "Orthanc does not answer"
            time.sleep(0.2)
