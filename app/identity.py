"""Who a request is answered for."""

from dataclasses import dataclass

from flask import g

from app.errors import Forbidden


@dataclass(frozen=True)
class Identity:
    """A named user, or whoever has the server's own token or sits at its machine."""

    name: str = ""
    is_admin: bool = True


# Also the queue and the commands, which serve nobody in particular.
OPERATOR = Identity()


def current() -> Identity:
    """Return who the current request is answered for."""
    return g.get("identity", OPERATOR)


def require_admin() -> None:
    """Raise Forbidden for named users without special rights."""
    if not current().is_admin:
        raise Forbidden("Only an administrator may do this.", "Ask one.")
