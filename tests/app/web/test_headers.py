import re
from pathlib import Path

import pytest
from flask import request

from tests.app.web.hazards import four, send

TOKEN = "a-token-of-24-characters"


@pytest.fixture
def app(make_app):
    return make_app(access_token=TOKEN)


@pytest.fixture
def locked(app):
    return app.test_client()


@pytest.fixture
def client(make_app):
    """One that needs no token."""
    return make_app().test_client()


@pytest.mark.parametrize(
    "address", ["/", "/nothing", "/api/cases", "/healthz", "/static/js/boot.js"]
)
def test_headers_on_every_answer(client, address):
    headers = client.get(address).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_case_data_is_not_stored(finished):
    """But for what never changes and would be slow to fetch again, which one browser may keep."""
    api, page = f"/api/cases/{finished.id}", f"/cases/{finished.id}"
    reports = [f"{api}/report.{kind}" for kind in ("json", "csv", "pdf", "zip")]
    for address in ("/", "/api/cases", "/metrics", api, page, f"{page}/report", *reports):
        answer = finished.client.get(address)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store"), address
    assert finished.client.get(f"{api}/segmentation.nii.gz").headers["Cache-Control"] == "no-store"
    kept = "private, max-age=86400, immutable"
    for address, wanted in (
        (f"{api}/volumes/t1.nii.gz", kept),
        (f"{api}/confidence.nii.gz", kept),
        (f"{api}/masks/0.nii.gz", kept),
        (f"{api}/overlay/axial/30.png?mask=0", kept),
        (f"{api}/thumbnail.png?mask=0", kept),
        (f"{api}/overlay/axial/30.png", "private, no-cache"),
    ):
        answer = finished.client.get(address)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, wanted), address


def test_browsers_forget_at_the_end(client):
    """What they were allowed to keep of pictures goes with the case, and with the session."""
    forget = '"cache"'
    assert client.post("/logout").headers["Clear-Site-Data"] == forget
    url = send(client, four()).json["url"]
    assert "Clear-Site-Data" not in client.get(url).headers
    assert client.delete(url).headers["Clear-Site-Data"] == forget
    assert "Clear-Site-Data" not in client.delete(url).headers
    case_id = send(client, four()).json["id"]
    assert client.post(f"/cases/{case_id}/delete").headers["Clear-Site-Data"] == forget


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, True),
        ({"Origin": "http://localhost"}, False),
        ({"Origin": "https://localhost"}, False),
        ({"Origin": "http://localhost:81"}, True),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://[::1"}, True),
        ({"Origin": "http://[localhost]"}, True),
        ({"Origin": "//\u2100"}, True),
        ({"Origin": ""}, True),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_other_sites_cannot_act(client, assert_error, method, headers, refused):
    url = "/api/cases" if method == "POST" else "/api/cases/0"
    response = client.open(url, method=method, headers=headers)
    if refused:
        assert_error(response, 403, "cross_site")
    else:
        assert response.status_code in (404, 415)


def test_other_sites_may_link_here(client):
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    "address",
    ["/", "/about", "/cases/0", "/api/cases", "/api/openapi.json", "/readyz", "/metrics", "/no"],
)
def test_everything_asks_for_the_token(locked, address):
    response = locked.get(address)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN not in response.text


def test_only_liveness_and_styles_are_open(locked):
    assert locked.get("/healthz").status_code == 200
    assert locked.get("/static/js/boot.js").status_code == 200


def test_api_error_is_json(locked, assert_error):
    assert_error(locked.get("/api/cases"), 401, "access_denied")
    assert_error(locked.delete("/api/cases/0"), 401, "access_denied")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer", 401),
        ("Bearer ключ", 401),
        (f"Basic {TOKEN}", 401),
    ],
)
def test_bearer(locked, header, status):
    headers = {"Authorization": header.encode().decode("latin-1")}
    assert locked.get("/api/cases", headers=headers).status_code == status


def test_link_is_exchanged_for_a_cookie(locked, new_code):
    code = new_code()
    response = locked.get(f"/?page=2&token={code}&q=a%20b")
    assert response.status_code == 303
    assert response.location == "/?page=2&q=a+b"
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert code not in cookie
    assert locked.get("/").status_code == 200


def test_secure_cookie_over_tls(locked, new_code):
    response = locked.get(f"/?token={new_code()}", base_url="https://localhost")
    assert "Secure" in response.headers["Set-Cookie"]


def test_link_leads_nowhere_else(locked, new_code):
    environ = {"PATH_INFO": "//evil.example/"}
    response = locked.get(f"/?token={new_code()}", environ_overrides=environ)
    assert response.location == "/evil.example/"


@pytest.mark.parametrize("token", ["", "wrong", TOKEN, TOKEN[:-1], "ключ"])
def test_wrong_links(locked, token):
    response = locked.get("/", query_string={"token": token})
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers


def test_forged_and_outdated_cookies(make_app, locked, new_code):
    locked.set_cookie("bts_access", "ImluIg.forged.signature")
    assert locked.get("/").status_code == 401
    cookie = locked.get(f"/?token={new_code()}").headers["Set-Cookie"]
    value = cookie.split(";")[0].split("=", 1)[1]
    changed = make_app(access_token="another-token-of-some-length").test_client()
    changed.set_cookie("bts_access", value)
    assert changed.get("/").status_code == 401


def test_without_a_token_it_is_open(client):
    assert client.get("/").status_code == 200


def test_names_of_the_server(make_app, assert_error):
    client = make_app(trusted_hosts="mri.example, .clinic.example").test_client()
    for host, refused in (
        ("mri.example", False),
        ("mri.example:8000", False),
        ("a.clinic.example", False),
        ("mri.example.evil.example", True),
        ("localhost", True),
    ):
        answer = client.get("/api/openapi.json", headers={"Host": host})
        if refused:
            assert_error(answer, 400, "untrusted_host")
        else:
            # Let in by name, asked for a token: the names of others are not this machine's own.
            assert_error(answer, 401, "access_denied")
        assert client.get("/", headers={"Host": host}).status_code == (400 if refused else 401)
        assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(("hops", "seen"), [(0, "127.0.0.1"), (1, "192.0.2.9"), (2, "192.0.2.8")])
def test_forwarded_headers_count_as_far_as_there_are_proxies(make_app, hops, seen):
    app = make_app(proxy_hops=hops, access="open")
    app.add_url_rule("/peer", "peer", lambda: f"{request.remote_addr} {request.scheme}")
    headers = {"X-Forwarded-For": "192.0.2.8, 192.0.2.9", "X-Forwarded-Proto": "https, https"}
    scheme = "https" if hops else "http"
    assert app.test_client().get("/peer", headers=headers).text == f"{seen} {scheme}"


def test_forwarded_headers_change_no_link(make_app):
    app = make_app(proxy_hops=1, access="open")
    app.add_url_rule("/own", "own", lambda: f"{request.script_root} {request.host}")
    headers = {"X-Forwarded-Prefix": "//evil.example", "X-Forwarded-Port": "81"}
    client = app.test_client()
    assert client.get("/own", headers=headers).text == " localhost"
    assert "evil.example" not in client.get("/", headers=headers).text


def test_results_are_attachments(finished):
    for name in (
        "segmentation.nii.gz",
        "volumes/t1.nii.gz",
        "report.csv",
        "report.pdf",
        "report.zip",
    ):
        headers = finished.client.get(f"/api/cases/{finished.id}/{name}").headers
        assert headers["Content-Disposition"].startswith("attachment")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "private" in headers["Cache-Control"] or headers["Cache-Control"] == "no-store"


def test_pages_ask_no_other_server():
    """Nothing in templates, scripts and styles names another address."""
    for folder in ("templates", "static/js", "static/css"):
        for path in Path(folder).rglob("*.*"):
            addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", path.read_text()))
            assert addresses <= {"http://www.w3.org"}, path
