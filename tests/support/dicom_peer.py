"""Other programs of a DICOM network: one that sends studies, and an archive that takes results."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom import Dataset
from pynetdicom import AE, Association, evt
from pynetdicom.sop_class import Comprehensive3DSRStorage, SegmentationStorage, Verification

from app.dicom_node.network import associated

TITLE = "PEER"
PEERS = f"{TITLE}@127.0.0.1"


@contextmanager
def connected(
    port: int, datasets: Sequence[Dataset] = (), title: str = TITLE
) -> Iterator[Association]:
    """Ask a node for an association, in which it can be asked for an echo and given datasets."""
    made = AE(title)
    # A node confirms what is on the disk, and the disk of a busy machine can take long.
    made.dimse_timeout = made.network_timeout = 180
    made.add_requested_context(Verification)
    kinds = {(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in datasets}
    for sop_class, syntax in kinds:
        made.add_requested_context(sop_class, syntax)
    with associated(made, "127.0.0.1", port, "ANY-SCP") as association:
        yield association


def push(port: int, datasets: Sequence[Dataset], title: str = TITLE) -> list[int]:
    """Send datasets to a node; return the statuses of its answers."""
    with connected(port, datasets, title) as association:
        assert association.is_established
        return [association.send_c_store(dataset).get("Status") for dataset in datasets]


@dataclass
class Archive:
    """An archive of this process: what it got, and what it answers."""

    port: int = 0
    status: int = 0x0000
    got: list[Dataset] = field(default_factory=list)

    def take(self, event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.got.append(dataset)
        return self.status


@contextmanager
def archive(*kinds: str, title: str = "ARCHIVE") -> Iterator[Archive]:
    """Run an archive that takes objects of some classes, by default those of results."""
    made = AE(title)
    made.require_called_aet = True
    for kind in kinds or (SegmentationStorage, Comprehensive3DSRStorage):
        made.add_supported_context(kind)
    found = Archive()
    server = made.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, found.take)]
    )
    found.port = server.server_address[1]
    try:
        yield found
    finally:
        made.shutdown()
