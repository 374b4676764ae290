"""The audit log: who did what with which case, and when. One line of JSON each, only ever appended.

The file holds ids of cases and names of users, never names of patients or files. It is opened anew
for each line, so that it can be moved away while the server runs.
"""

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from flask import current_app, g, has_request_context

from app.config import settings
from app.identity import current

log = logging.getLogger(__name__)

FILE = "audit.log"


def _who() -> str:
    """Return who acts; "nobody" for a request without access."""
    who = g.get("identity") if has_request_context() else current()
    return "nobody" if who is None else who.name or "operator"


def write(action: str, case: str = "", outcome: Any = "ok", **more: Any) -> None:
    """Append a line: when, who, what, case, outcome, and the model that is loaded here."""
    model = current_app.extensions["model"].loaded
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "who": _who(),
        "what": action,
        "case": case[:64],
        "outcome": outcome,
        "model": model.card.checksum if model else "",
    }
    line = json.dumps(entry | {key: value for key, value in more.items() if value}) + "\n"
    path = settings().data_dir / FILE
    try:
        # One write of a line to a file in append mode: lines of several threads do not mix.
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
    except OSError as error:
        log.error("the audit log cannot be written: %s", error.strerror)
