"""Names of files that are downloaded."""

import unicodedata
from urllib.parse import quote

from flask import Response

from app.store.models import StoredCase


def file_stem(case: StoredCase) -> str:
    """Return the case's name as a part of a file name."""
    kept = "".join(c if c.isalnum() or c in "-_" else "_" for c in case.name).strip("_")
    return kept[:80] or case.id


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
