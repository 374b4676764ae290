"""Access: from this machine everybody, from elsewhere with the token or a password, as in Jupyter.

Once there are named users, everybody has to sign in.
"""

import ipaddress
import re
import socket
import time
from urllib.parse import urlsplit

import click
import sqlalchemy as sa
from flask import Blueprint, Flask, Response, g, redirect, render_template, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer
from limits import parse_many

from app.config import settings
from app.errors import AccessDenied, TooMany
from app.identity import OPERATOR, Identity, current
from app.store import tokens, users
from app.store.db_errors import is_database_busy
from app.store.tokens import Keys
from app.web import headers, health, quotas
from app.web.error_handlers import address_without_token

COOKIE = "bts_access"
COOKIE_S = 30 * 24 * 3600
# Longest login form: more than a token, or name and password, need. Strangers may send no more.
MAX_FORM_BYTES = 16 * 2**10
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What needs no token: the liveness probe, styles and scripts, and the login page.
OPEN_ENDPOINTS = ("health.healthz", "static", "access.show_login", "access.log_in")
# Failed logins of one address after which it has to wait, longer and longer.
FAILURES = parse_many("10 per minute; 50 per hour; 200 per day")
# Headers that show that a connection from this machine was forwarded for somebody else.
FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")

blueprint = Blueprint("access", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.before_request(require_access)
    app.context_processor(lambda: {"who": current(), "signed_in": COOKIE in request.cookies})


def require_access() -> Response | tuple[Response, int] | None:
    """Identify the client of a request. Raises AccessDenied if it has no access.

    `?token=...` is exchanged for a cookie and removed from the address.
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
    keys = tokens.keys(settings())
    who = _by_cookie(keys) or _by_bearer(keys)
    if who is not None:
        g.identity = who
        return None
    token = request.args.get("token", "")
    if token and request.method in SAFE_METHODS:
        _require_token(token, keys)
        g.identity = OPERATOR
        return _with_cookie(redirect(_own_path(address_without_token()), 303), keys, ["", ""])
    raise AccessDenied(
        "This server asks who you are.",
        "Open the link with ?token=... that the server printed at its first start, sign in, or "
        "send the header Authorization: Bearer followed by a token.",
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
    _check_failures()
    # Before the body is read.
    request.max_content_length = MAX_FORM_BYTES
    keys, form = tokens.keys(settings()), request.form
    target = redirect(_own_path(form.get("next", "/")), 303)
    if form.get("token"):
        _require_token(form["token"], keys)
        g.identity = OPERATOR
        return _with_cookie(target, keys, ["", ""])
    name = form.get("user", "").strip().lower()
    user = users.with_password(name, form.get("password", ""))
    if user is None:
        # For the audit log. Only names that exist: anything else may be a password in the wrong field.
        g.tried_user = name if users.find(name) else ""
        _note_failure()
        raise AccessDenied("Name or password is wrong.", "Try again.")
    g.identity = users.identity_of(user)
    return _with_cookie(target, keys, [user.name, users.session_mark(user)])


@blueprint.post("/logout")
def log_out():
    """Forget the cookie."""
    headers.clear_cache()
    response = redirect(url_for("access.show_login"), 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="Strict")
    return response


def announce(app: Flask, addresses: list[tuple[str, int]]) -> None:
    """Print a link with the token, once, if others can reach the server.

    addresses : hosts and ports on which it listens
    """
    wanted = app.config["SETTINGS"]
    reachable = [address for address in addresses if not is_loopback(address[0])]
    if not reachable or wanted.access_token.get_secret_value():
        return
    with app.app_context():
        is_open = wanted.access == "open" and not users.exist()
    if is_open:
        click.echo("Everyone who can reach this server is let in: BTS_ACCESS=open.", err=True)
        return
    host, port = reachable[0][:2]
    # 0.0.0.0 and :: are no addresses that a browser can open.
    host = socket.gethostname() if ipaddress.ip_address(host).is_unspecified else host
    token = tokens.create_missing(wanted)
    hint = "Get in with the link that was printed at first; `flask token rotate` makes a new one."
    address = wanted.public_url or f"http://{host}:{port}"
    link = f"Get in with {address}/?token={token}\nThis link is not shown again."
    click.echo(link if token else hint, err=True)


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


def _by_bearer(keys: Keys) -> Identity | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return None
    _check_failures()
    user = users.with_token(token)
    if user is not None:
        return users.identity_of(user)
    if tokens.matches(token, keys.token_sha256):
        return OPERATOR
    _note_failure()
    return None


def _by_cookie(keys: Keys) -> Identity | None:
    try:
        name, mark = _serializer(keys).loads(request.cookies.get(COOKIE, ""), COOKIE_S)
    except (BadSignature, ValueError, TypeError):
        return None
    if not name:
        return OPERATOR
    user = users.find(name)
    return users.identity_of(user) if user and users.session_mark(user) == mark else None


def _require_token(token: str, keys: Keys) -> None:
    """Raise AccessDenied for a wrong token."""
    _check_failures()
    if not tokens.matches(token, keys.token_sha256):
        _note_failure()
        raise AccessDenied(
            "The token is wrong.",
            "Copy the whole link, or ask whoever runs the server; `flask token rotate` makes a new "
            "token.",
        )


def _check_failures() -> None:
    """Raise TooMany while the client has to wait after wrong tokens and passwords."""
    for limit in FAILURES:
        if not quotas.rates().test(limit, "failures", quotas.address()):
            until = quotas.rates().get_window_stats(limit, "failures", quotas.address()).reset_time
            raise TooMany(
                "Too many wrong tokens or passwords came from your address.",
                "Wait; Retry-After says how many seconds.",
                "too_many_attempts",
                max(1, round(until - time.time())),
            )


def _note_failure() -> None:
    for limit in FAILURES:
        quotas.rates().hit(limit, "failures", quotas.address())


def _serializer(keys: Keys) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(keys.cookie_key, salt="access-cookie")


def _with_cookie(response: Response, keys: Keys, content: list[str]) -> Response:
    response.set_cookie(
        COOKIE,
        _serializer(keys).dumps(content),
        max_age=COOKIE_S,
        httponly=True,
        secure=request.is_secure,
        samesite="Strict",
    )
    return response


def _own_path(path: str) -> str:
    # Exactly one slash at the front: `//host` would lead to another site. So would a slash, a tab and
    # `/host`, since browsers drop tabs and line ends.
    return "/" + re.sub(r"[\t\r\n]", "", path).lstrip("/\\")
