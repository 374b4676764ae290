"""Who is let in: this machine as it is, others by token or password."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app import create_app
from app.store import login_codes, tokens, users
from app.store.account_models import BrowserSession, LoginCode
from app.store.models import db
from app.web import access
from tests.app.people import PASSWORD, bearer
from tests.app.serving import ROOT, Server
from tests.app.threads import at_once

ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}


@pytest.mark.parametrize(
    ("environ", "headers", "status"),
    [
        ({}, {}, 200),
        ({"REMOTE_ADDR": "::1"}, {"Host": "[::1]:8000"}, 200),
        ({"REMOTE_ADDR": "::ffff:127.0.0.1"}, {"Host": "127.0.0.1:8000"}, 200),
        (ELSEWHERE, {}, 401),
        ({"REMOTE_ADDR": ""}, {}, 401),
        ({"REMOTE_ADDR": "172.17.0.1"}, {"Host": "127.0.0.1:8000"}, 401),
        ({}, {"Host": "evil.example"}, 401),
        ({}, {"Host": "127.0.0.1.evil.example"}, 401),
        ({}, {"X-Forwarded-For": "192.0.2.7"}, 401),
        ({}, {"Forwarded": "for=192.0.2.7"}, 401),
    ],
)
def test_only_this_machine_needs_no_token(client, environ, headers, status):
    answer = client.get("/api/cases", environ_overrides=environ, headers=headers)
    assert answer.status_code == status
    assert client.get("/healthz", environ_overrides=environ, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("settings", "here", "elsewhere"),
    [
        ({"access": "open"}, 200, 200),
        ({"access": "token"}, 401, 401),
        ({"access": "open", "access_token": "a-token-of-24-characters"}, 401, 401),
        # Behind a proxy everything comes from this machine.
        ({"proxy_hops": 1}, 401, 401),
    ],
)
def test_settings(make_app, settings, here, elsewhere):
    client = make_app(**settings).test_client()
    assert client.get("/api/cases").status_code == here
    assert client.get("/api/cases", environ_overrides=ELSEWHERE).status_code == elsewhere


def test_bearer_and_link(client, token, new_code):
    get = {"environ_overrides": ELSEWHERE}
    assert client.get("/api/cases", headers=bearer(token), **get).status_code == 200
    assert client.get("/api/cases", headers=bearer(token + "x"), **get).status_code == 401
    code = new_code()
    link = client.get(f"/?token={code}", **get)
    assert link.status_code == 303
    assert link.location == "/"
    cookie = link.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and code not in cookie
    assert client.get("/", **get).status_code == 200
    assert client.post("/logout", **get).status_code == 303
    assert client.get("/", **get).status_code == 401


def test_the_token_is_stored_hashed_and_private(app, token):
    data_dir = app.config["SETTINGS"].data_dir
    assert (data_dir / tokens.FILE).stat().st_mode & 0o077 == 0
    for path in data_dir.rglob("*"):
        assert not path.is_file() or token.encode() not in path.read_bytes()


def test_login_page(client, token):
    page = client.get("/about", environ_overrides=ELSEWHERE)
    assert page.status_code == 401
    assert 'name="token"' in page.text and 'value="/about"' in page.text
    form = {"token": token, "next": "//evil.example/x"}
    answer = client.post("/login", data=form, environ_overrides=ELSEWHERE)
    assert (answer.status_code, answer.location) == (303, "/evil.example/x")
    form["next"] = "/\t/evil.example/x"
    answer = client.post("/login", data=form, environ_overrides=ELSEWHERE)
    assert (answer.status_code, answer.location) == (303, "/evil.example/x")
    assert client.get("/login").status_code == 200
    assert client.post("/login", data={"token": "no"}).status_code == 401


def test_a_mistake_at_the_login_does_not_lead_astray(client, token):
    page = client.get("/about?axial=20&token=wrong", environ_overrides=ELSEWHERE)
    assert 'value="/about?axial=20"' in page.text
    form = {"user": "anna", "password": "wrong", "next": "/about?axial=20"}
    page = client.post("/login", data=form, environ_overrides=ELSEWHERE)
    assert page.status_code == 401
    assert 'value="/about?axial=20"' in page.text and 'value="anna"' in page.text
    # What can only be posted is no place to go to.
    page = client.post("/cases/1/delete", environ_overrides=ELSEWHERE)
    assert 'name="next" value="/"' in page.text


def test_rotation_ends_sessions(app, client, token, new_code):
    client.get(f"/?token={new_code()}", environ_overrides=ELSEWHERE)
    assert client.get("/", environ_overrides=ELSEWHERE).status_code == 200
    code = new_code()
    result = app.test_cli_runner().invoke(args=["token", "rotate"])
    assert result.exit_code == 0, result.output
    new = result.stdout.strip()
    assert len(new) >= 43 and new != token
    get = {"environ_overrides": ELSEWHERE}
    assert client.get("/", **get).status_code == 401
    assert client.get("/api/cases", headers=bearer(token), **get).status_code == 401
    assert client.get("/api/cases", headers=bearer(new), **get).status_code == 200
    assert client.get(f"/?token={code}", **get).status_code == 401
    with app.app_context():
        assert db.session.scalars(sa.select(BrowserSession)).all() == []


def test_a_set_token_is_not_rotated(make_app):
    app = make_app(access_token="a-token-of-24-characters")
    result = app.test_cli_runner().invoke(args=["token", "rotate"])
    assert result.exit_code == 1
    assert "BTS_ACCESS_TOKEN" in result.output


@pytest.mark.parametrize("way", ["bearer", "link", "login"])
def test_failures_have_to_wait(client, token, assert_error, way):
    def attempt(value):
        if way == "bearer":
            return client.get("/api/cases", headers=bearer(value), environ_overrides=ELSEWHERE)
        if way == "link":
            return client.get(f"/api/cases?token={value}", environ_overrides=ELSEWHERE)
        return client.post("/login", data={"token": value}, environ_overrides=ELSEWHERE)

    assert [attempt(f"wrong{n}").status_code for n in range(10)] == [401] * 10
    blocked = attempt(token)
    assert blocked.status_code == 429
    assert 0 < int(blocked.headers["Retry-After"]) <= 60
    # Others go on.
    assert client.get("/api/cases").status_code == 200
    other = {"REMOTE_ADDR": "192.0.2.8"}
    headers = bearer(token)
    assert client.get("/api/cases", headers=headers, environ_overrides=other).status_code == 200


def test_comparison_takes_constant_time(monkeypatch, client, token):
    compared = []
    compare = tokens.hmac.compare_digest
    monkeypatch.setattr(
        tokens.hmac, "compare_digest", lambda *pair: compared.append(pair) or compare(*pair)
    )
    client.get("/api/cases", headers=bearer("wrong"), environ_overrides=ELSEWHERE)
    assert compared == [(tokens.digest("wrong"), tokens.digest(token))]


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_first_start_prints_the_link_once(tmp_path, host):
    server = Server(tmp_path / "data", host=host)
    try:
        server.wait()
        found = re.findall(r"/\?token=([\w-]{43})", server.log)
        assert len(found) == (host == "0.0.0.0")
        # Whoever sits at this machine needs none in either case.
        assert server.request("GET", "/api/cases")[0] == 200
        assert server.request("GET", "/api/cases", Host="mri.example")[0] == 401
        if found:
            link = f"/api/cases?token={found[0]}"
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            statuses = []
            for _ in range(2):
                connection.request("GET", link, headers={"Host": "mri.example"})
                with connection.getresponse() as answer:
                    answer.read()
                    statuses.append(answer.status)
            connection.close()
            assert statuses == [303, 401]
            server.close()
            server = Server(tmp_path / "data", host=host)
            server.wait()
            assert "token=" not in server.log
            assert "flask token link" in server.log
    finally:
        server.close()


def test_flask_run_on_all_addresses_prints_the_link(app, capsys):
    access.announce(app, [("::", 5000)])
    access.announce(app, [("127.0.0.1", 5000)])
    printed = capsys.readouterr().err
    assert printed.count("/?token=") == 1
    assert "[::]" not in printed and "0.0.0.0" not in printed


def test_the_link_leads_where_others_reach_the_server(tmp_path, capsys):
    app = create_app({"data_dir": tmp_path, "public_url": "https://mri.example/"}, serve=False)
    access.announce(app, [("0.0.0.0", 8000)])
    assert "https://mri.example/?token=" in capsys.readouterr().err
    result = app.test_cli_runner().invoke(args=["token", "link"])
    assert result.stdout.startswith("https://mri.example/?token=")


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("192.0.2.1", "http://192.0.2.1:8000/"),
        ("2001:db8::1", "http://[2001:db8::1]:8000/"),
        ("::", f"http://{socket.gethostname()}:8000/"),
    ],
)
def test_the_link_has_an_address_that_browsers_open(app, host, shown):
    with app.app_context():
        assert login_codes.create_link(host, 8000).startswith(f"{shown}?token=")


def test_a_link_works_once(app, new_code, assert_error):
    code = new_code()
    first, second = app.test_client(), app.test_client()
    address = f"/api/cases?token={code}"
    # Programs that look at a link ahead of a person use it up only if they open it.
    assert first.head(address, environ_overrides=ELSEWHERE).status_code == 401
    assert first.get(address, environ_overrides=ELSEWHERE).status_code == 303
    assert_error(second.get(address, environ_overrides=ELSEWHERE), 401, "access_denied")
    assert first.get("/api/cases", environ_overrides=ELSEWHERE).status_code == 200


def test_of_many_who_open_a_link_at_once_one_gets_in(app, new_code):
    address = f"/api/cases?token={new_code()}"

    def get():
        return app.test_client().get(address, environ_overrides=ELSEWHERE).status_code

    assert sorted(at_once(8, get)) == [303, *[401] * 7]


def test_a_link_ends_after_a_day(app, client, new_code):
    code = new_code()
    with app.app_context():
        past = datetime.now(UTC) - timedelta(seconds=1)
        db.session.execute(sa.update(LoginCode).values(expires_at=past))
        db.session.commit()
    get = {"environ_overrides": ELSEWHERE}
    assert client.get(f"/?token={code}", **get).status_code == 401
    # The next one that is made takes it away.
    new_code()
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count(LoginCode.code_sha256))) == 1


def test_the_token_is_no_link(client, token, assert_error):
    answer = client.get(f"/api/cases?token={token}", environ_overrides=ELSEWHERE)
    error = assert_error(answer, 401, "access_denied")
    assert "/login" in error["hint"] and "flask token link" in error["hint"]
    assert "Set-Cookie" not in answer.headers
    # It was no guess.
    for _ in range(20):
        answer = client.get(f"/api/cases?token={token}", environ_overrides=ELSEWHERE)
        assert answer.status_code == 401


def test_files_of_earlier_versions_are_read(app, client):
    data_dir = app.config["SETTINGS"].data_dir
    (data_dir / tokens.FILE).write_text(
        json.dumps({"token_sha256": tokens.digest("earlier"), "cookie_key": "some key"})
    )
    get = {"environ_overrides": ELSEWHERE}
    assert client.get("/api/cases", headers=bearer("earlier"), **get).status_code == 200


def test_an_open_server_says_who_is_let_in(tmp_path, capsys):
    app = create_app({"data_dir": tmp_path, "access": "open"}, serve=False)
    access.announce(app, [("0.0.0.0", 8000)])
    assert "Everyone who can reach this server is let in" in capsys.readouterr().err
    with app.app_context():
        users.add("anna", PASSWORD)
    access.announce(app, [("0.0.0.0", 8000)])
    assert "Everyone" not in capsys.readouterr().err


@pytest.mark.slow
def test_commands_work_beside_a_running_server(tmp_path):
    """They make what is missing, and need no model."""
    environment = os.environ | {"BTS_DATA_DIR": str(tmp_path / "data"), "BTS_MODEL_DIR": "/nowhere"}
    command = [sys.executable, "-m", "flask", "token", "rotate"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=True)
    keys = json.loads((tmp_path / "data" / tokens.FILE).read_text())
    assert keys["token_sha256"] == tokens.digest(done.stdout.decode().strip())
