"""The log: to stderr, as text for people or as JSON for programs; every entry names its case."""

import logging
from typing import Any, Literal

from flask import g, has_app_context, has_request_context, request
from pythonjsonlogger.json import JsonFormatter

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
JSON = "%(asctime)s %(levelname)s %(name)s %(message)s %(case)s"
JSON_NAMES = {"asctime": "time", "levelname": "level", "name": "logger"}


class _QueryRemover(logging.Filter):
    """Cuts query strings out of request lines: they can hold the code of a link or a search for a name."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_query(arg) for arg in record.args)
        return True


class _CaseNamer(logging.Filter):
    """Adds the id of the case that a request or an attempt is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        views = (request.view_args or {}) if has_request_context() else {}
        noted = g.get("case_id", "") if has_app_context() else ""
        # An id from an address can be any text.
        record.case = noted or views.get("case_id", "")[:64]
        return True


def configure(level: str, style: Literal["text", "json"]) -> None:
    """Send the app's log to stderr, unless the embedding program has set up logging already."""
    logging.getLogger("app").setLevel(level)
    werkzeug = logging.getLogger("werkzeug")
    if not any(isinstance(item, _QueryRemover) for item in werkzeug.filters):
        werkzeug.addFilter(_QueryRemover())
    if not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.addFilter(_CaseNamer())
        as_json = JsonFormatter(JSON, rename_fields=JSON_NAMES)
        handler.setFormatter(as_json if style == "json" else logging.Formatter(TEXT))
        logging.basicConfig(handlers=[handler])


def _without_query(value: Any) -> Any:
    if not isinstance(value, str) or "?" not in value:
        return value
    line, _, rest = value.partition("?")
    return line + " " + rest.partition(" ")[2] if " " in rest else line
