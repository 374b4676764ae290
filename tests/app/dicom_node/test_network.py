"""An association as the one who asked for it sees it."""

import time

from pynetdicom.dimse_primitives import C_ECHO

from tests.support.dicom_peer import connected


def test_answers_are_left_to_who_asked(listen):
    with connected(listen().port) as association:
        answer = C_ECHO()
        association.dimse.msg_queue.put((1, answer))
        # Its own thread looks every millisecond.
        time.sleep(0.2)
        assert association.dimse.get_msg(block=True) == (1, answer)
