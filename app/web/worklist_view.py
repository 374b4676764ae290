"""What of the worklist an address asks for: read from it, and written into links."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, get_args

from werkzeug.datastructures import MultiDict

from app.errors import BadRequest
from app.reporting.schemas import ReadingStatus
from app.store.models import STATES
from app.store.worklist import MOST, ONLY, ORDERS, SORTS, Wanted

# Rows on a page, where people look, and in an answer to programs.
PAGE_ROWS, API_ROWS = 50, 20
# Names in addresses of fields that are called otherwise.
ADDRESS = {"query": "q"}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "state": ("", *STATES),
    "status": ("", *get_args(ReadingStatus)),
    "only": ("", *ONLY),
    "sort": tuple(SORTS),
    "order": ORDERS,
}
# Text and dates are read from the first to the last, numbers from the largest.
ASCENDING = ("name", "patient", "state", "status", "sequences")

FILTER_QUERY = [
    {
        "name": "q",
        "schema": {"type": "string"},
        "description": "Part of name, note, or patient's name or identifier.",
    },
    {"name": "state", "schema": {"type": "string", "enum": list(STATES)}},
    {"name": "status", "schema": {"type": "string", "enum": list(get_args(ReadingStatus))}},
    {
        "name": "only",
        "schema": {"type": "string", "enum": list(ONLY)},
        "description": "Cases with warnings, or with less than four sequences.",
    },
    {
        "name": "sort",
        "schema": {"type": "string", "enum": list(SORTS), "default": "created"},
        "description": "What is not known comes last.",
    },
    {"name": "order", "schema": {"type": "string", "enum": list(ORDERS), "default": "desc"}},
]
PAGE_QUERY = [
    {"name": "page", "schema": {"type": "integer", "minimum": 1, "default": 1}},
    {
        "name": "per_page",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST, "default": API_ROWS},
    },
]


def strict(args: MultiDict[str, str]) -> Wanted:
    """Return what the query of a REST call asks for. Raises BadRequest."""
    found = _texts(args) | {
        "page": _number(args, "page", 1),
        "per_page": min(_number(args, "per_page", API_ROWS), MOST),
    }
    for name, known in CHOICES.items():
        if found.get(name, known[0]) not in known:
            wanted = ", ".join(filter(None, known))
            raise BadRequest(f"{name} is one of {wanted}.", code="bad_parameter")
    return Wanted(**found)


def lenient(args: MultiDict[str, str]) -> Wanted:
    """Return what the address of a page asks for; what makes no sense is left out."""
    found = {
        name: text
        for name, text in _texts(args).items()
        if name not in CHOICES or text in CHOICES[name]
    }
    for name, default in (("page", 1), ("per_page", PAGE_ROWS)):
        try:
            found[name] = _number(args, name, default)
        except BadRequest:
            found[name] = default
    return Wanted(**found | {"per_page": min(found["per_page"], MOST)})


def in_address(wanted: Wanted, **changes: Any) -> dict[str, Any]:
    """Return what stands in the address of a page, without what goes without saying."""
    changed, default = replace(wanted, **changes), Wanted(per_page=PAGE_ROWS)
    return {
        ADDRESS.get(field.name, field.name): getattr(changed, field.name)
        for field in fields(Wanted)
        if getattr(changed, field.name) != getattr(default, field.name)
    }


def sorted_by(wanted: Wanted, sort: str) -> dict[str, Any]:
    """Return the address of the list sorted by a column, the other way round if it is already."""
    first = "asc" if sort in ASCENDING else "desc"
    other = "desc" if wanted.order == "asc" else "asc"
    order = other if wanted.sort == sort else first
    return in_address(wanted, sort=sort, order=order, page=1)


def _texts(args: MultiDict[str, str]) -> dict[str, Any]:
    names = ("query", *CHOICES)
    found = {name: args.get(ADDRESS.get(name, name)) for name in names}
    # No text in a database of PostgreSQL holds that character.
    return {name: text.strip().replace("\0", "") for name, text in found.items() if text}


def _number(args: MultiDict[str, str], name: str, default: int) -> int:
    """Return a parameter that counts from 1. Raises BadRequest."""
    text = args.get(name, str(default))
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise BadRequest(f"{name} is a number from 1.", code="bad_parameter")
    return int(text)
