"""Giving DICOM objects to an archive: by C-STORE, or by STOW-RS."""

from collections.abc import Sequence
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import Association
from requests.adapters import HTTPAdapter

from app.config_dicom import DicomArchive, WebArchive
from app.dicom_node.network import associated, entity

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
# Statuses by which an object is stored, perhaps with changes: PS3.4 B.2.3.
STORED = (0x0000, 0xB000, 0xB006, 0xB007)
# Seconds to wait for a connection, and for an answer to what was sent.
WEB_TIMEOUT_S = (10, 120)


class NotSent(Exception):
    """An archive did not take results. The text says why; nothing that the archive said is in it."""


def store(datasets: Sequence[Dataset], archive: DicomArchive, own_title: str) -> None:
    """Send objects by C-STORE, in one association. Raises NotSent unless all of them are stored.

    own_title : AE title of this server
    """
    made = entity(own_title)
    for dataset in datasets:
        made.add_requested_context(dataset.SOPClassUID, SYNTAXES)
    with associated(made, archive.host, archive.port, archive.title) as association:
        if association.is_rejected:
            raise NotSent("The archive refused the association.")
        if not association.is_established:
            raise NotSent("The archive cannot be reached.")
        for dataset in datasets:
            _store_one(association, dataset)


def store_by_web(datasets: Sequence[Dataset], archive: WebArchive) -> None:
    """Send objects by STOW-RS, in one request. Raises NotSent unless all of them are stored."""
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, _TimedAdapter())
        session.auth = archive.login
        client = DICOMwebClient(archive.name, session=session)
        # The next attempt is ours to make: the library would repeat a body that has been read.
        client.set_http_retry_params(retry=False)
        try:
            answer = client.store_instances(datasets)
        except requests.HTTPError as error:
            status = error.response.status_code
            raise NotSent(f"The archive answered with status {status}.") from error
        except (requests.RequestException, OSError) as error:
            raise NotSent("The archive cannot be reached.") from error
    if answer.get("FailedSOPSequence"):
        raise NotSent("The archive did not store all of the results.")


def _store_one(association: Association, dataset: Dataset) -> None:
    try:
        status = association.send_c_store(dataset).get("Status")
    except ValueError as error:
        raise NotSent("The archive does not take objects of this kind.") from error
    except RuntimeError as error:
        raise NotSent("The archive ended the association.") from error
    if status is None:
        raise NotSent("The archive did not answer.")
    if status not in STORED:
        raise NotSent(f"The archive answered with status 0x{status:04X}.")


class _TimedAdapter(HTTPAdapter):
    """Waits for answers, but not for ever."""

    def send(self, request: requests.PreparedRequest, **rest: Any) -> requests.Response:
        return super().send(request, **rest | {"timeout": WEB_TIMEOUT_S})
