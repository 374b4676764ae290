"""Who did what with which case, and when: one line of JSON for each, only ever appended.

The file holds ids of cases and names of users, never names of patients or files. It is opened anew
for each line, so that it can be moved away while the server runs.
"""

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, current_app, g, has_request_context, request

from app.config import settings
from app.identity import current

log = logging.getLogger(__name__)

FILE = "audit.log"
# What is written down of what is asked for over the network. A case that is looked at slice by slice
# is one reading, that of its page.
ACTIONS = {
    "access.log_in": "login",
    "access.log_out": "logout",
    "api.create_case": "upload",
    "pages.create_case": "upload",
    "pages.create_demo_case": "upload",
    "api.get_case": "read",
    "api.delete_case": "delete",
    "pages.delete_case": "delete",
    "pages.show_case": "read",
    "pages.show_report": "read",
    "pages.show_comparison": "read",
    "follow_up.get_comparison": "read",
    "api.get_segmentation": "download",
    "api.get_report_json": "download",
    "api.get_report_csv": "download",
    "api.get_report_pdf": "download",
    "bundle.get_report_zip": "download",
    "volumes.get_volume": "download",
    "volumes.get_confidence": "download",
    "corrections.create_mask": "correct",
    "corrections.restore_mask": "correct",
    "corrections.get_mask": "download",
    "pages.create_mask": "correct",
    "pages.restore_mask": "correct",
    "shares.share": "share",
    "shares.unshare": "unshare",
}


def init_app(app: Flask) -> None:
    """Write down every request of which there is something to tell."""

    @app.after_request
    def note(response: Response) -> Response:
        token_link = "token" in request.args and response.status_code == 303
        action = "login" if token_link else ACTIONS.get(request.endpoint)
        # A page asks again and again how far a case is.
        if request.endpoint == "api.get_case" and g.get("is_unfinished"):
            action = None
        if action or response.status_code in (401, 429):
            views = request.view_args or {}
            write(
                action or "refuse",
                case=g.get("case_id") or views.get("case_id", ""),
                outcome=response.status_code,
                with_case=g.get("with_case_id", ""),
                user=views.get("user") or g.get("tried_user", ""),
                address=request.remote_addr,
            )
        return response


def _who() -> str:
    """Return the name of who acts: nobody's, for a request that was not let in."""
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
