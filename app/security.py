"""Headers, protection against other sites, and the access token."""

import hmac
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, redirect, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from app.errors import AccessDenied, CrossSiteRequest

COOKIE = "bts_access"
COOKIE_DAYS = 30
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What needs no token: the liveness probe, and styles and scripts, which are the same for everyone.
OPEN_ENDPOINTS = ("health.healthz", "static")

# No inline script or style, nothing from elsewhere. `blob:` is for files that scripts build, `data:`
# for the font and the shading that NiiVue carries as pictures; it needs no eval and no workers.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{kind} {where}" for kind, where in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def init_app(app: Flask) -> None:
    """Check every request before it is looked at, and add the headers to every answer."""
    app.before_request(refuse_other_sites)
    token = app.config["SETTINGS"].access_token.get_secret_value()
    if token:
        app.before_request(lambda: require_token(token))
    app.after_request(add_headers)


def refuse_other_sites() -> None:
    """Refuse what another site makes a browser send. Raises CrossSiteRequest.

    No tokens in forms: browsers say where a request comes from in Sec-Fetch-Site, older ones in
    Origin. A client that sends neither is no browser and carries nobody's cookies.
    """
    if request.method in SAFE_METHODS:
        return
    fetch_site = request.headers.get("Sec-Fetch-Site")
    if fetch_site is not None:
        trusted = fetch_site in ("same-origin", "none")
    else:
        origin = request.headers.get("Origin")
        # The host alone: behind a proxy that ends TLS the scheme differs.
        trusted = origin is None or urlsplit(origin).netloc == request.host
    if not trusted:
        raise CrossSiteRequest(
            "The request comes from another site.", "Use the page of this server itself."
        )


def require_token(token: str) -> Response | None:
    """Let in who has the token: as a bearer, in the cookie, or once in the address.

    `?token=...` is exchanged for a cookie and vanishes from the address. Raises AccessDenied.
    """
    if request.endpoint in OPEN_ENDPOINTS:
        return None
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _equal(bearer.strip(), token):
        return None
    if _has_valid_cookie(token):
        return None
    if _equal(request.args.get("token", ""), token) and request.method in SAFE_METHODS:
        return _with_cookie(redirect(_address_without_token(), 303), token)
    raise AccessDenied(
        "This server asks for an access token.",
        "Open the link with ?token=... that you were given, or send the header "
        "Authorization: Bearer followed by the token.",
    )


def add_headers(response: Response) -> Response:
    """Add the security headers; what is not marked as cacheable is never stored."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static" and "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _equal(given: str, wanted: str) -> bool:
    """Compare in constant time, so that the time tells nothing of the token."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _serializer(token: str) -> URLSafeTimedSerializer:
    # Signed with the token itself: changing the token ends all sessions.
    return URLSafeTimedSerializer(token, salt="access-cookie")


def _has_valid_cookie(token: str) -> bool:
    try:
        max_age_s = COOKIE_DAYS * 24 * 3600
        return _serializer(token).loads(request.cookies.get(COOKIE, ""), max_age_s) == "in"
    except BadSignature:
        return False


def _with_cookie(response: Response, token: str) -> Response:
    response.set_cookie(
        COOKIE,
        _serializer(token).dumps("in"),
        max_age=COOKIE_DAYS * 24 * 3600,
        httponly=True,
        secure=request.is_secure,
        samesite="Strict",
    )
    return response


def _address_without_token() -> str:
    rest = [(key, value) for key, value in request.args.items(multi=True) if key != "token"]
    # One slash at the front: `//host` would lead to another site.
    path = "/" + (request.script_root + request.path).lstrip("/\\")
    return path + (f"?{urlencode(rest)}" if rest else "")
