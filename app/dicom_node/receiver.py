"""Receives DICOM objects from known peers and puts each on the disk before it says so."""

import io
import ipaddress
import logging
import socket
import threading
from dataclasses import dataclass
from functools import partial
from socketserver import BaseServer
from typing import BinaryIO

from pynetdicom import Association, evt
from pynetdicom.dsutils import encode_file_meta
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import Verification
from pynetdicom.transport import ThreadedAssociationServer

from app.config_dicom import Peer
from app.dicom_node.network import PDU_BYTES, entity
from app.dicom_node.spool import Spool
from app.reporting.dicom_common import made_here
from model.errors import CaseError
from model.io.dicom import values
from model.io.dicom.files import MAGIC, MAX_HEADER_BYTES, PREAMBLE_BYTES, read_header

log = logging.getLogger(__name__)

# Status of an answer, DICOM PS3.4 B.2.3.
SUCCESS, OUT_OF_RESOURCES, NOT_OF_ITS_CLASS, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000
# How a request for an association is turned down, PS3.8 9.3.4: for good, by its user, calling title unknown.
UNKNOWN_CALLER = (1, 1, 3)
# Bytes of a voxel, at most.
VOXEL_BYTES = 4
# No unit of the protocol is longer, whatever it claims.
MAX_UNIT_BYTES = 8 * PDU_BYTES


@dataclass(frozen=True)
class Limits:
    """What may be received.

    object_bytes : of one object, and of all that are being received at the same time
    reserve_bytes : what has to stay free on the disk
    """

    object_bytes: int
    reserve_bytes: int

    @classmethod
    def of(cls, max_voxels: int, disk_reserve_mb: int) -> "Limits":
        return cls(VOXEL_BYTES * max_voxels + MAX_HEADER_BYTES, disk_reserve_mb * 2**20)


@dataclass
class _Connection:
    """What is known of a connection.

    study : folder to which its last object went
    size : bytes of the object that is being received
    too_large : whether that object was given up
    received, refused : objects
    """

    study: str = ""
    size: int = 0
    too_large: bool = False
    received: int = 0
    refused: int = 0


class _Server(ThreadedAssociationServer):
    """Hangs up on whoever comes from an unknown address, before reading anything."""

    daemon_threads = True
    peers: tuple[Peer, ...] = ()

    def verify_request(self, request: socket.socket, client_address: tuple) -> bool:
        address = _plain(client_address[0])
        known = any(_comes_from(peer, address) for peer in self.peers)
        if not known:
            log.warning("DICOM: a connection from an address that is not in BTS_DICOM_PEERS")
        return known


class Receiver:
    """A C-ECHO and C-STORE provider that fills a spool."""

    def __init__(self, title: str, peers: tuple[Peer, ...], spool: Spool, limits: Limits):
        self._title, self._peers, self._spool, self._limits = title, peers, spool, limits
        self._connections: dict[Association, _Connection] = {}
        self._lock = threading.Lock()
        self._server: _Server | None = None

    @property
    def listening(self) -> bool:
        return self._server is not None

    @property
    def port(self) -> int:
        """The port that is open."""
        return self._server.server_address[1]

    def listen(self, host: str, port: int) -> None:
        """Open the port, and serve in threads. Raises OSError."""
        made = entity(self._title)
        made.add_supported_context(Verification)
        handlers = [
            (evt.EVT_CONN_OPEN, self._opened),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_PDU_RECV, self._got_unit),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_CONN_CLOSE, self._closed),
        ]
        server = made.make_server((host, port), evt_handlers=handlers, server_class=_Server)
        server.peers = self._peers
        threading.Thread(target=server.serve_forever, name="dicom-port", daemon=True).start()
        self._server = server

    def close(self) -> None:
        """Close the port and all connections; objects that were confirmed are on the disk."""
        server, self._server = self._server, None
        if server is None:
            return
        BaseServer.shutdown(server)
        server.server_close()
        for association in server.active_associations:
            association.abort()

    def _opened(self, event: evt.Event) -> None:
        self._connections[event.assoc] = _Connection()
        # An open connection does not keep the process from ending.
        event.assoc.dul.daemon = True
        # A unit is read in one piece, as long as it says that it is.
        stream = event.assoc.dul.socket
        stream.recv = partial(_receive, stream.recv)

    def _requested(self, event: evt.Event) -> None:
        """Turn down an AE title that may not come from this address."""
        requestor = event.assoc.requestor
        title, address = requestor.primitive.calling_ae_title.strip(), _plain(requestor.address)
        if any(peer.title == title and _comes_from(peer, address) for peer in self._peers):
            return
        log.warning("DICOM: an AE title that BTS_DICOM_PEERS does not have from this address")
        event.assoc.acse.send_reject(*UNKNOWN_CALLER)
        # Waits until the peer has been told.
        event.assoc.kill()

    def _got_unit(self, event: evt.Event) -> None:
        """Give up objects that are too large while they arrive, so that memory stays bounded."""
        association = event.assoc
        connection = self._connections.get(association)
        if connection is None or not isinstance(event.pdu, P_DATA_TF):
            return
        self._spool.touch(connection.study)
        # Its next object has to wait for the answer to the last one.
        if association.dimse.msg_queue.qsize() > 1:
            association.abort()
            return
        message = association.dimse.message
        if message is None or message.data_set is None:
            return
        with self._lock:
            connection.size = message.data_set.tell()
            total = sum(one.size for one in self._connections.values())
            connection.too_large |= total > self._limits.object_bytes
            if connection.too_large:
                message.data_set, connection.size = io.BytesIO(), 0

    def _store(self, event: evt.Event) -> int:
        """Keep an object; return the status that its sender is told."""
        # It may be closed already.
        connection = self._connections.get(event.assoc, _Connection())
        status = OUT_OF_RESOURCES if connection.too_large else self._kept(event, connection)
        connection.too_large, connection.size = False, 0
        # Connections that ended are remembered by the library for a while.
        event.request.DataSet = None
        if status == SUCCESS:
            connection.received += 1
        else:
            connection.refused += 1
        return status

    def _kept(self, event: evt.Event, connection: _Connection) -> int:
        data = event.request.DataSet.getbuffer()
        try:
            if self._spool.free_bytes() - len(data) < self._limits.reserve_bytes:
                return OUT_OF_RESOURCES
            with self._spool.partial(partial(_write, event, data)) as path:
                header = read_header(path).dataset
                study = values.uid(header, "StudyInstanceUID")
                if not study:
                    return NOT_OF_ITS_CLASS
                instance = event.request.AffectedSOPInstanceUID
                is_result = made_here(header)
                connection.study = self._spool.add(path, study, instance, is_result=is_result)
        except CaseError:
            return NOT_UNDERSTOOD
        except OSError as error:
            log.error("DICOM: an object cannot be written: %s", error.strerror)
            return OUT_OF_RESOURCES
        return SUCCESS

    def _closed(self, event: evt.Event) -> None:
        connection = self._connections.pop(event.assoc, _Connection())
        if connection.received or connection.refused:
            counts = connection.received, connection.refused
            log.info("DICOM: a connection ended, %d objects received, %d refused", *counts)


def _receive(receive: partial, count: int) -> bytearray:
    if count > MAX_UNIT_BYTES:
        raise OSError("a unit is longer than any")
    return receive(count)


def _write(event: evt.Event, data: memoryview, file: BinaryIO) -> None:
    """Write an object as it came, after what a file begins with."""
    file.write(bytes(PREAMBLE_BYTES) + MAGIC + encode_file_meta(event.file_meta))
    file.write(data)


def _comes_from(peer: Peer, address: str) -> bool:
    """Say whether an address is that of a peer; a name is looked up each time."""
    try:
        return _plain(peer.host) == address
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(peer.host, None)
    except OSError:
        return False
    return address in {_plain(entry[4][0]) for entry in found}


def _plain(address: str) -> str:
    """Return an address as text, IPv4 also where it came as IPv6. Raises ValueError."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return str(getattr(found, "ipv4_mapped", None) or found)
