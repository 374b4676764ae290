"""What a real server believes of headers that proxies set."""

import http.client

import pytest

from tests.app.serving import serving

pytestmark = pytest.mark.slow

FORGED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "81",
    "X-Forwarded-Prefix": "//evil.example",
    "SCRIPT_NAME": "/evil",
    "PATH_INFO": "/healthz",
    "X_Forwarded_For": "127.0.0.1",
}


def get(server, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """Return status, headers and text of an answer; no redirect is followed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": "mri.example"} | headers)
        with connection.getresponse() as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    finally:
        connection.close()


def log_in(server, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Host": "mri.example"}
    try:
        body = "token=test-token-0123456789&next=/about"
        connection.request("POST", "/login", body, headers=form | headers)
        with connection.getresponse() as answer:
            answer.read()
            return answer.status, dict(answer.headers)
    finally:
        connection.close()


def test_without_a_proxy_none_is_believed(tmp_path):
    with serving(tmp_path / "data", access_token="test-token-0123456789") as server:
        # One that the app looks at shows that somebody else is asking.
        forged = {key: value for key, value in FORGED.items() if key != "X-Forwarded-Host"}
        for headers in ({}, forged):
            status, _, page = get(server, "/login", headers)
            assert status == 200
            assert 'action="/login"' in page and "evil" not in page
            status, answered = log_in(server, headers)
            assert (status, answered["Location"]) == (303, "/about")
            # A cookie that is only for TLS would show that the scheme was believed.
            assert "Secure" not in answered["Set-Cookie"]
        # Those that scripts in front of gunicorn may set change neither path nor place.
        assert get(server, "/api/cases", FORGED)[0] == 401


def test_behind_a_proxy_only_three_are_believed(tmp_path):
    settings = {"access_token": "test-token-0123456789", "proxy_hops": 1}
    with serving(tmp_path / "data", **settings) as server:
        status, _, page = get(server, "/login", FORGED)
        assert status == 200
        assert 'action="/login"' in page and "evil" not in page
        status, answered = log_in(server, FORGED)
        assert (status, answered["Location"]) == (303, "/about")
        assert "Secure" in answered["Set-Cookie"]
