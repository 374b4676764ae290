"""Who makes a request."""

from dataclasses import dataclass

from flask import g

from app.errors import Forbidden


@dataclass(frozen=True)
class Identity:
    """A named user; without a name, a client with the server's token or on its machine."""

    name: str = ""
    is_admin: bool = True


# Also for the queue and the commands, which serve no user.
OPERATOR = Identity()


def current() -> Identity:
    """Return who makes the current request."""
    return g.get("identity", OPERATOR)


def require_admin() -> None:
    """Raise Forbidden for users who are no administrators."""
    if not current().is_admin:
        raise Forbidden("Only an administrator may do this.", "Ask one.")
