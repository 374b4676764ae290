"""Security headers, caching, host names, proxies, and protection against other sites."""

from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from app.config import settings
from app.errors import BadRequest, CrossSiteRequest

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# For what never changes under its address, such as a scan. `private`: only the user's browser keeps it.
CACHE_FOR_A_DAY = "private, max-age=86400, immutable"
CACHE_AND_REVALIDATE = "private, no-cache"

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
    """Check host and origin of every request, and add the headers to every answer."""
    hops = app.config["SETTINGS"].proxy_hops
    if hops:
        # Not the port, nor the prefix, which would lead every link where a client wants it.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)
    app.before_request(refuse_other_names)
    app.before_request(refuse_other_sites)
    app.after_request(add_headers)


def refuse_other_names() -> None:
    """Refuse requests for host names that are not in BTS_TRUSTED_HOSTS. Raises BadRequest."""
    names = settings().trusted_host_list
    # Probes inside the machine or container use no public name.
    if names and request.endpoint != "health.healthz" and not host_is_trusted(request.host, names):
        raise BadRequest(
            "This server does not go by that name.",
            "Use one of the names in BTS_TRUSTED_HOSTS.",
            "untrusted_host",
        )


def refuse_other_sites() -> None:
    """Refuse requests that another site makes a browser send. Raises CrossSiteRequest.

    Forms need no token for this: browsers name the source of a request in Sec-Fetch-Site, older ones
    in Origin. A client that sends neither is no browser and has no cookies.
    """
    if request.method in SAFE_METHODS:
        return
    fetch_site = request.headers.get("Sec-Fetch-Site")
    if fetch_site is not None:
        trusted = fetch_site in ("same-origin", "none")
    else:
        trusted = _is_own(request.headers.get("Origin"))
    if not trusted:
        raise CrossSiteRequest(
            "The request comes from another site.", "Use the page of this server itself."
        )


def _is_own(origin: str | None) -> bool:
    """Say whether an Origin is this server, or missing."""
    if origin is None:
        return True
    try:
        # Only the host: behind a proxy that ends TLS the scheme differs.
        return urlsplit(origin).netloc == request.host
    except ValueError:
        # Not an address, such as `http://[::1`.
        return False


def clear_cache() -> None:
    """Let the browser drop its cached pictures and volumes with the current answer.

    Browsers do so over TLS and on this machine.
    """
    g.clears_cache = True


def add_headers(response: Response) -> Response:
    """Add the security headers; what is not marked as cacheable is never stored."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static" and "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    if g.get("clears_cache") and response.status_code < 400:
        response.headers["Clear-Site-Data"] = '"cache"'
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
