"""Limits on wrong tokens and passwords.

An attempt counts from before it is checked, and no longer once it was right: however many are made
at once, no more of them are checked than may be wrong.
"""

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from flask import Flask, current_app
from limits import RateLimitItem, parse_many

from app.errors import LoginsBusy, TooMany
from app.store.users import NAME
from app.web import quotas

# Failures of one address after which it has to wait, longer and longer.
OF_ADDRESS = parse_many("10 per minute; 50 per hour; 200 per day")
# And of one name, from any address. More of them, since strangers can lock a name with these.
OF_NAME = parse_many("20 per minute; 100 per hour; 400 per day")
# Longest wait until it is known of those checked just now whether they count.
WAIT_S = 5

Found = TypeVar("Found")
Key = tuple[str, str]


class OpenAttempts:
    """Attempts that are being checked, by what they count for."""

    def __init__(self) -> None:
        self._changed, self._open = threading.Condition(), Counter[Key]()

    def begin(self, keys: list[Key]) -> None:
        """Count an attempt. Raises TooMany, or LoginsBusy if others are checked for too long."""
        end = time.monotonic() + WAIT_S
        with self._changed:
            while not all(_fits(key, 1 + self._open[key]) for key in keys):
                for key in keys:
                    require_room(key)
                if not self._changed.wait(end - time.monotonic()):
                    raise LoginsBusy
            self._open.update(keys)

    def end(self, keys: list[Key], *, wrong: bool) -> None:
        """Let an attempt count no more, or for good if it was wrong."""
        with self._changed:
            self._open.subtract(keys)
            # Without those at zero.
            self._open = +self._open
            if wrong:
                for key in keys:
                    for limit in _limits(key):
                        quotas.rates().hit(limit, *key)
            self._changed.notify_all()


def init_app(app: Flask) -> None:
    app.extensions["attempts"] = OpenAttempts()


def require_free() -> None:
    """Raise TooMany while the current client has to wait."""
    require_room(_of_address())


def tried(check: Callable[[], Found], name: str = "") -> Found:
    """Return what a check of a token or password finds. Nothing counts as a failure.

    name : the user's name that was tried

    Raises TooMany while the client, or everybody who tries that name, has to wait.
    """
    keys = [_of_address()]
    # Whether there is such a user or not, which would tell.
    if NAME.fullmatch(name):
        keys.append(("name", name))
    attempts: OpenAttempts = current_app.extensions["attempts"]
    attempts.begin(keys)
    wrong = False
    try:
        found = check()
        wrong = not found
        return found
    finally:
        attempts.end(keys, wrong=wrong)


def require_room(key: Key) -> None:
    """Raise TooMany if there were as many failures as there may be."""
    for limit in _limits(key):
        if not quotas.rates().test(limit, *key):
            until = quotas.rates().get_window_stats(limit, *key).reset_time
            source = "for this name" if key[0] == "name" else "from your address"
            raise TooMany(
                f"Too many wrong tokens or passwords came {source}.",
                "Wait; Retry-After says how many seconds.",
                "too_many_attempts",
                max(1, round(until - time.time())),
            )


def _fits(key: Key, attempts: int) -> bool:
    return all(quotas.rates().test(limit, *key, cost=attempts) for limit in _limits(key))


def _limits(key: Key) -> list[RateLimitItem]:
    return OF_NAME if key[0] == "name" else OF_ADDRESS


def _of_address() -> Key:
    """Return what the failures of the current client count for.

    Of IPv6 that is the network of 64 bits, in which a client can take any address.
    """
    try:
        address = ipaddress.ip_address(quotas.address())
    except ValueError:
        return "address", quotas.address()
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    length = 64 if address.version == 6 else 32
    return "address", str(ipaddress.ip_network((address, length), strict=False))
