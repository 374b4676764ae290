"""Access: from this machine everybody, from elsewhere with the token or a password, as in Jupyter.

Once there are named users, everybody has to sign in.
"""

import ipaddress
import re
from urllib.parse import urlsplit

import click
import sqlalchemy as sa
from flask import Blueprint, Flask, Response, g, redirect, render_template, request, url_for

from app.config import settings
from app.errors import AccessDenied
from app.identity import OPERATOR, Identity, current
from app.store import login_codes, sessions, tokens, users
from app.store.db_errors import is_database_busy
from app.web import attempts, headers, health, session_cookie
from app.web.error_handlers import address_without_token

# Longest login form: more than a token, or name and password, need. Strangers may send no more.
MAX_FORM_BYTES = 16 * 2**10
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What needs no token: the liveness probe, styles and scripts, and the login page.
OPEN_ENDPOINTS = ("health.healthz", "static", "access.show_login", "access.log_in")
# Headers that show that a connection from this machine was forwarded for somebody else.
FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")

blueprint = Blueprint("access", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.before_request(require_access)
    app.context_processor(lambda: {"who": current(), "signed_in": bool(session_cookie.secret())})


def require_access() -> Response | tuple[Response, int] | None:
    """Identify the client of a request. Raises AccessDenied if it has no access.

    The code of a link, `?token=...`, is exchanged for a cookie and removed from the address.
    """
    if request.endpoint in OPEN_ENDPOINTS:
        return None
    try:
        return _identify()
    except sa.exc.SQLAlchemyError as error:
        # Without the database no client can be identified. All are told that it is away, and no more.
        if request.endpoint == "health.readyz" and is_database_busy(error):
            return health.without_database()
        raise


def _identify() -> Response | None:
    """Set `g.identity`, as `require_access` says."""
    # In this order: a client that needs a token is refused without one even while the database is away.
    if not _needs_token() and not users.exist():
        g.identity = OPERATOR
        return None
    who = sessions.identity(session_cookie.secret()) or _by_bearer()
    if who is not None:
        g.identity = who
        return None
    code = request.args.get("token", "")
    if code and request.method == "GET":
        # Before the code is used: a token that is rotated now ends the session, too.
        mark = tokens.token_sha256(settings())
        _use_up(code)
        target = redirect(_own_path(address_without_token()), 303)
        return _signed_in(target, OPERATOR, mark)
    raise AccessDenied(
        "This server asks who you are.",
        "Sign in, open a link that `flask token link` printed, or send the header Authorization: "
        "Bearer followed by a token.",
    )


@blueprint.get("/login")
def show_login():
    """Ask for a token, or for name and password."""
    return render_template(
        "login.html", next=_own_path(request.args.get("next", f"{request.script_root}/"))
    )


@blueprint.post("/login")
def log_in():
    """Exchange a token, or name and password, for a cookie."""
    attempts.require_free()
    # Before the body is read.
    request.max_content_length = MAX_FORM_BYTES
    form = request.form
    target = redirect(_own_path(form.get("next", "/")), 303)
    if form.get("token"):
        mark = attempts.tried(lambda: _matching(form["token"]))
        if not mark:
            raise AccessDenied(
                "The token is wrong.",
                "Ask whoever runs the server; `flask token rotate` makes a new token.",
            )
        return _signed_in(target, OPERATOR, mark)
    name = form.get("user", "").strip().lower()
    user = attempts.tried(lambda: users.with_password(name, form.get("password", "")), name)
    if user is None:
        # For the audit log. Only names that exist: anything else may be a password in the wrong field.
        g.tried_user = name if users.find(name) else ""
        raise AccessDenied("Name or password is wrong.", "Try again.")
    return _signed_in(target, users.identity_of(user), users.session_mark(user))


@blueprint.post("/logout")
def log_out():
    """End the session."""
    headers.clear_cache()
    sessions.end(current().name, sessions.key(session_cookie.secret()))
    return session_cookie.forget(redirect(url_for("access.show_login"), 303))


def announce(app: Flask, addresses: list[tuple[str, int]]) -> None:
    """Print a link with which to sign in, once, if others can reach the server.

    addresses : hosts and ports on which it listens
    """
    wanted = app.config["SETTINGS"]
    reachable = [address for address in addresses if not is_loopback(address[0])]
    if not reachable or wanted.access_token.get_secret_value():
        return
    with app.app_context():
        if wanted.access == "open" and not users.exist():
            click.echo("Everyone who can reach this server is let in: BTS_ACCESS=open.", err=True)
            return
        if not tokens.create_missing(wanted):
            click.echo("`flask token link` prints a link with which to sign in.", err=True)
            return
        link = login_codes.create_link(*reachable[0][:2])
    click.echo(
        f"Get in with {link}\nThis link works once, within a day; `flask token link` prints another.",
        err=True,
    )


def is_loopback(host: str) -> bool:
    """Say whether a name or an address stands for this machine itself."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _needs_token() -> bool:
    """Say whether the current request has to bring a token."""
    wanted = settings()
    if wanted.access_token.get_secret_value() or wanted.access == "token":
        return True
    return wanted.access == "auto" and not _is_from_here()


def _is_from_here() -> bool:
    """Say whether a request comes from this machine and was meant for it.

    The host name counts too: another site's name that points here is an attack (DNS rebinding).
    Behind a proxy everything comes from this machine, so nothing counts as such.
    """
    host = urlsplit(f"//{request.host}").hostname or ""
    # Servers always set the peer, if only to an empty text; None means a call from this process.
    peer = "localhost" if request.remote_addr is None else request.remote_addr
    return (
        settings().proxy_hops == 0
        and is_loopback(peer)
        and is_loopback(host)
        and not any(name in request.headers for name in FORWARDED)
    )


def _by_bearer() -> Identity | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return None
    return attempts.tried(lambda: _owner_of(token))


def _owner_of(token: str) -> Identity | None:
    user = users.with_token(token)
    if user is not None:
        return users.identity_of(user)
    return OPERATOR if _matching(token) else None


def _matching(token: str) -> str:
    """Return the hash of the server's token if this is it, else an empty text."""
    found = tokens.token_sha256(settings())
    return found if tokens.matches(token, found) else ""


def _use_up(code: str) -> None:
    """Use up the code of a link. Raises AccessDenied for any other, and for the token itself."""
    # The token is tried as well: it is no guess, and whoever has it is told what to do with it.
    found = attempts.tried(lambda: "code" if login_codes.use(code) else _matching(code))
    if not found:
        raise AccessDenied(
            "The link is wrong, has been used, or is older than a day.",
            "Sign in here, or ask whoever runs the server for another; `flask token link` prints one.",
        )
    if found != "code":
        raise AccessDenied(
            "The token is not taken from an address, which browsers and logs keep.",
            "Sign in with it at /login, or open a link that `flask token link` prints.",
        )


def _signed_in(response: Response, who: Identity, mark: str) -> Response:
    g.identity = who
    return session_cookie.begin(response, who.name, mark)


def _own_path(path: str) -> str:
    # Exactly one slash at the front: `//host` would lead to another site. So would a slash, a tab and
    # `/host`, since browsers drop tabs and line ends.
    return "/" + re.sub(r"[\t\r\n]", "", path).lstrip("/\\")
