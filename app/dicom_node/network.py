"""What receiver and sender share of pynetdicom, and how its log is kept free of patients."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom import AE, Association, _config

# Its messages can hold identifiers of studies and objects; what matters is logged here, without them.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
_config.LOG_HANDLER_LEVEL = "none"
# Also private classes are taken: a study that is sent must not fail because of one of them.
_config.UNRESTRICTED_STORAGE_SERVICE = True
# Largest unit that is received and sent, in bytes.
PDU_BYTES = 2**17


def entity(title: str) -> AE:
    """Return an application entity of this server, with limits on how long it waits, in seconds."""
    made = AE(title)
    made.maximum_pdu_size = PDU_BYTES
    made.connection_timeout = 10
    made.acse_timeout = made.dimse_timeout = 30
    made.network_timeout = 60
    return made


@contextmanager
def associated(made: AE, host: str, port: int, title: str) -> Iterator[Association]:
    """Ask somebody called `title` for an association, which is not established where that fails; end it at last."""
    association = made.associate(host, port, ae_title=title)
    # Answers belong to whoever asked. The thread of an association also looks for messages, and on a busy machine
    # it can take one in the moment before it is paused; the asker would wait for it in vain.
    answers = association.dimse.get_msg
    association.dimse.get_msg = lambda block=False: answers(block) if block else (None, None)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
