"""Files that are downloaded: their names, and large ones on their way."""

import tempfile
import unicodedata
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import IO
from urllib.parse import quote

from flask import Response, request
from werkzeug.wsgi import wrap_file

from app.memory import room
from app.store.data_folder import staging_path
from app.store.models import StoredCase

# For a voxel of the results, about.
EXPORT_BYTES_A_VOXEL = 12
# Larger answers wait on the disk for their clients, who may be slow.
IN_MEMORY_BYTES = 8 * 2**20


def file_stem(case: StoredCase) -> str:
    """Return the case's name as a part of a file name."""
    kept = "".join(c if c.isalnum() or c in "-_" else "_" for c in case.name).strip("_")
    return kept[:80] or case.id


def room_for_export(case: StoredCase) -> AbstractContextManager[None]:
    """Hold the memory that results of a case take while they are turned into DICOM."""
    return room().taken(EXPORT_BYTES_A_VOXEL * case.record.geometry.voxels)


def waiting_file(write: Callable[[IO[bytes]], None]) -> IO[bytes]:
    """Return a file with what `write` writes to it, to be sent later; it has no name that could be left over."""
    with ExitStack() as on_error:
        made = on_error.enter_context(
            tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=staging_path().parent)
        )
        write(made)
        # It is closed when it has been sent.
        on_error.pop_all()
    return made


def send(response: Response, file: IO[bytes]) -> Response:
    """Let a response have what was written to a file, from its beginning; the file is closed at the end."""
    response.content_length = file.tell()
    file.seek(0)
    response.response = wrap_file(request.environ, file)
    response.direct_passthrough = True
    return response


def as_download(response: Response, name: str) -> Response:
    """Let browsers save the response under `name`, which may be in any script.

    Headers are ASCII: other names are sent percent-encoded (RFC 6266) beside an ASCII version, as
    Flask's `send_file` does.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    names = {"filename": plain}
    if plain != name:
        names["filename*"] = f"UTF-8''{quote(name, safe='')}"
    response.headers.set("Content-Disposition", "attachment", **names)
    return response
