"""Values of DICOM headers, read so that nothing in a header can raise."""

import logging
import math
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache

from pydicom import Dataset, config
from pydicom.charset import decode_bytes, default_encoding, python_encoding
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import PN_DELIMS

# Headers of scanners break rules in small ways. What is wanted is checked here; pydicom's own complaints
# could carry patients' names into a log.
config.settings.reading_validation_mode = config.IGNORE
_LOGGER = logging.getLogger("pydicom")
_LOGGER.propagate = False
_LOGGER.addHandler(logging.NullHandler())
# Longest text of a header that is kept.
MAX_TEXT = 256
_STAMP = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
_lock = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings to itself; one thread at a time, since filters belong to the process."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def first(layers: Iterable[Dataset], keyword: str) -> object | None:
    """Return the first value of an element in datasets, in their order, that is not empty."""
    tag = _tag(keyword)
    for layer in layers:
        if tag not in layer:
            continue
        try:
            value = layer[tag].value
        except Exception:  # pydicom raises many kinds for values that are not what their VR says.
            continue
        if value is not None and value != "" and not (hasattr(value, "__len__") and not len(value)):
            return value
    return None


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def number(layers: Iterable[Dataset], keyword: str) -> float | None:
    """Return a finite number, None without one; of several the first."""
    found = numbers(layers, keyword)
    return found[0] if found else None


def numbers(layers: Iterable[Dataset], keyword: str, count: int | None = None) -> tuple[float, ...]:
    """Return finite numbers, none where one is no number or their `count` is another."""
    value = first(layers, keyword)
    many = [value] if isinstance(value, str | int | float) or not _is_list(value) else list(value)
    try:
        found = tuple(float(str(one)) for one in many)
    except ValueError:
        return ()
    good = all(map(math.isfinite, found)) and (count is None or len(found) == count)
    return found if good else ()


def words(layers: Iterable[Dataset], keyword: str) -> tuple[str, ...]:
    """Return the values of a code string in upper case, without empty ones."""
    value = first(layers, keyword)
    if value is None:
        return ()
    many = value if _is_list(value) else [value]
    return tuple(word for one in many if (word := str(one).strip().upper()[:MAX_TEXT]))


def item(layers: Iterable[Dataset], keyword: str) -> Dataset | None:
    """Return the first item of a sequence, None without one."""
    value = first(layers, keyword)
    return value[0] if _is_list(value) and len(value) and isinstance(value[0], Dataset) else None


def first_items(dataset: Dataset) -> list[Dataset]:
    """Return the first item of each sequence of a dataset that is no private one and not empty."""
    found = []
    for tag in list(dataset.keys()):
        if tag.is_private:
            continue
        try:
            value = dataset[tag].value
        except Exception:  # As in `first`.
            continue
        if isinstance(value, Sequence) and len(value):
            found.append(value[0])
    return found


def uid(dataset: Dataset, keyword: str) -> str:
    """Return a UID, "" where there is none or it is no UID."""
    value = str(first([dataset], keyword) or "").strip()
    return value if len(value) <= 64 and value.replace(".", "").isdigit() else ""


def text(dataset: Dataset, keyword: str) -> str:
    """Return a text element of the top level in its own character set, one line, or ""."""
    try:
        raw = dataset.get_item(keyword)
    except Exception:
        return ""
    value = getattr(raw, "value", None)
    if isinstance(value, bytes):
        value = decoded(value, _encodings(dataset))
    shown = "".join(c if c.isprintable() else " " for c in str(value or ""))
    return " ".join(shown.split())[:MAX_TEXT]


def decoded(value: bytes, encodings: list[str]) -> str:
    """Return bytes as text; bytes that are none in the encoding become a replacement character."""
    with quiet():
        try:
            return decode_bytes(value, encodings, set(PN_DELIMS))
        except Exception:
            return value.decode(default_encoding, "replace")


def time_of(layers: Iterable[Dataset], date: str, time: str) -> datetime | None:
    """Return date and time of two elements, to the second, None without both."""
    day, clock = (str(first(layers, keyword) or "").strip() for keyword in (date, time))
    return moment(f"{day}{clock.replace(':', '')}" if day and clock else "")


def moment(stamp: str) -> datetime | None:
    """Return the time of a DICOM stamp `YYYYMMDDHHMMSS...`, None where it is none."""
    digits = stamp.replace("-", "").split(".")[0].split("+")[0]
    digits = digits[:14].ljust(14, "0")
    try:
        parts = [int(digits[start:end]) for start, end in _STAMP]
        return datetime(*parts) if stamp else None
    except ValueError:
        return None


def _encodings(dataset: Dataset) -> list[str]:
    names = words([dataset], "SpecificCharacterSet") or ("",)
    # An empty first value stands for ASCII.
    named = first([dataset], "SpecificCharacterSet")
    if _is_list(named) and len(named) and not str(named[0]).strip():
        names = ("", *names)
    return [python_encoding.get(name, default_encoding) for name in names]


def _is_list(value: object) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str | bytes)
