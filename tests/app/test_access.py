"""Who is let in: this machine as it is, others by token or password."""

import json
import os
import re
import subprocess
import sys

import pytest

from app import access, create_app, tokens, users
from app.cases import db
from tests.app.hazards import four, send
from tests.app.serving import ROOT, Server

ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}
PASSWORD = "correct horse battery"


@pytest.fixture
def token(app):
    """The server's own token."""
    return tokens.rotate(app.config["SETTINGS"])


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


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


def test_bearer_and_link(client, token):
    get = {"environ_overrides": ELSEWHERE}
    assert client.get("/api/cases", headers=bearer(token), **get).status_code == 200
    assert client.get("/api/cases", headers=bearer(token + "x"), **get).status_code == 401
    link = client.get(f"/?token={token}", **get)
    assert link.status_code == 303
    assert link.location == "/"
    cookie = link.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and token not in cookie
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


def test_rotation_ends_sessions(app, client, token):
    client.get(f"/?token={token}", environ_overrides=ELSEWHERE)
    assert client.get("/", environ_overrides=ELSEWHERE).status_code == 200
    result = app.test_cli_runner().invoke(args=["token", "rotate"])
    assert result.exit_code == 0, result.output
    new = result.stdout.strip()
    assert len(new) >= 43 and new != token
    get = {"environ_overrides": ELSEWHERE}
    assert client.get("/", **get).status_code == 401
    assert client.get("/api/cases", headers=bearer(token), **get).status_code == 401
    assert client.get("/api/cases", headers=bearer(new), **get).status_code == 200


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
    # Others, and those who are in already, go on.
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
            headers = {"Host": "mri.example", "Authorization": f"Bearer {found[0]}"}
            assert server.request("GET", "/api/cases", **headers)[0] == 200
            server.close()
            server = Server(tmp_path / "data", host=host)
            server.wait()
            assert "token=" not in server.log
            assert "flask token rotate" in server.log
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


def test_an_open_server_says_who_is_let_in(tmp_path, capsys):
    app = create_app({"data_dir": tmp_path, "access": "open"}, serve=False)
    access.announce(app, [("0.0.0.0", 8000)])
    assert "Everyone who can reach this server is let in" in capsys.readouterr().err
    with app.app_context():
        users.add("anna", PASSWORD)
    access.announce(app, [("0.0.0.0", 8000)])
    assert "Everyone" not in capsys.readouterr().err


# Named users.


@pytest.fixture
def people(app):
    """Two users and an administrator, each as a function that returns a client who signed in."""
    with app.app_context():
        for name in ("anna", "berta", "chief"):
            users.add(name, PASSWORD, is_admin=name == "chief")

    def sign_in(name):
        client = app.test_client()
        answer = client.post("/login", data={"user": name, "password": PASSWORD})
        assert answer.status_code == 303
        return client

    return {name: sign_in(name) for name in ("anna", "berta", "chief")}


def test_with_users_everybody_signs_in(client, token, people, assert_error):
    assert_error(client.get("/api/cases"), 401, "access_denied")
    assert client.get("/api/cases", headers=bearer(token)).status_code == 200
    for form in (
        {"user": "anna", "password": "wrong"},
        {"user": "nobody", "password": PASSWORD},
        {"user": "", "password": ""},
    ):
        assert client.post("/login", data=form).status_code == 401
    assert "Sign out anna" in people["anna"].get("/").text


def test_own_worklists(people, assert_error):
    url = send(people["anna"], four()).json["url"]
    case_id = url.rsplit("/", 1)[1]
    totals = {name: client.get("/api/cases").json["total"] for name, client in people.items()}
    assert totals == {"anna": 1, "berta": 0, "chief": 1}
    for address in (
        url,
        *(f"{url}/report.{kind}" for kind in ("json", "csv", "pdf", "zip")),
        f"{url}/segmentation.nii.gz",
        f"{url}/volumes/t1.nii.gz",
        f"{url}/overlay/axial/3.png",
        f"/cases/{case_id}",
        f"/cases/{case_id}/report",
        f"{url}/shares",
    ):
        assert people["berta"].get(address).status_code == 404
        assert people["anna"].get(address).status_code in (200, 409)
    assert_error(people["berta"].delete(url), 404, "not_found")
    assert people["berta"].post(f"/cases/{case_id}/delete").status_code == 404
    assert people["chief"].delete(url).status_code == 204


def test_sharing_is_for_reading(people, assert_error):
    url = send(people["anna"], four()).json["url"]
    assert_error(people["anna"].put(f"{url}/shares/nobody"), 404, "no_such_user")
    assert people["anna"].put(f"{url}/shares/berta").status_code == 204
    assert people["anna"].put(f"{url}/shares/berta").status_code == 204
    assert people["anna"].get(f"{url}/shares").json == {"users": ["berta"]}
    assert people["berta"].get(url).status_code == 200
    assert people["berta"].get("/api/cases").json["total"] == 1
    assert_error(people["berta"].delete(url), 403, "forbidden")
    assert_error(people["berta"].put(f"{url}/shares/chief"), 403, "forbidden")
    assert_error(people["berta"].post(f"{url}/masks"), 403, "forbidden")
    assert_error(people["berta"].post(f"{url}/masks/0/restore"), 403, "forbidden")
    assert people["anna"].delete(f"{url}/shares/berta").status_code == 204
    assert people["berta"].get(url).status_code == 404


def test_users_without_rights(people):
    assert people["anna"].get("/metrics").status_code == 403
    assert people["chief"].get("/metrics").status_code == 200


def test_passwords_are_hashed_and_a_new_one_ends_sessions(app, people):
    with app.app_context():
        anna = users.find("anna")
        assert anna.password_hash.startswith("scrypt:")
        assert PASSWORD not in anna.password_hash
        users.set_password(anna, "another password")
        db.session.commit()
    assert people["anna"].get("/api/cases").status_code == 401
    assert people["berta"].get("/api/cases").status_code == 200


def test_user_commands(app, client):
    runner = app.test_cli_runner()

    def run(*arguments, **more):
        return runner.invoke(args=["user", *arguments], **more)

    typed = f"{PASSWORD}\n{PASSWORD}\n"
    assert run("add", "anna", input="short\nshort\n").exit_code == 1
    assert run("add", "An na", "--password", PASSWORD).exit_code == 1
    assert run("add", "anna", input=typed).exit_code == 0
    assert run("add", "anna", input=typed).exit_code == 1
    assert run("add", "chief", "--admin", input=typed).exit_code == 0
    assert run("list").stdout.splitlines() == ["anna", "chief (administrator)"]
    token = run("token", "anna").stdout.strip()
    assert client.get("/api/cases", headers=bearer(token)).status_code == 200
    assert run("password", "anna", input=typed).exit_code == 0
    assert run("remove", "anna").exit_code == 0
    assert client.get("/api/cases", headers=bearer(token)).status_code == 401
    assert run("remove", "anna").exit_code == 1


def test_a_name_used_again_is_another_person(app, people):
    own = send(people["anna"], four()).json["url"]
    shared = send(people["berta"], four()).json["url"]
    assert people["berta"].put(f"{shared}/shares/anna").status_code == 204
    runner = app.test_cli_runner()
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    assert runner.invoke(args=["user", "remove", "anna"]).exit_code == 0
    assert runner.invoke(args=["user", "add", "anna"], input=typed).exit_code == 0
    anna = app.test_client()
    assert anna.post("/login", data={"user": "anna", "password": PASSWORD}).status_code == 303
    assert anna.get("/api/cases").json["total"] == 0
    assert [anna.get(url).status_code for url in (own, shared)] == [404, 404]
    assert people["chief"].get("/api/cases").json["total"] == 2


def test_removing_the_last_user_says_what_that_opens(app, people):
    runner = app.test_cli_runner()
    outputs = [runner.invoke(args=["user", "remove", name]).stderr for name in people]
    assert [bool(output) for output in outputs] == [False, False, True]
    assert "sees all cases" in outputs[-1]


def test_commands_work_beside_a_running_server(tmp_path):
    """They make what is missing, and need no model."""
    environment = os.environ | {"BTS_DATA_DIR": str(tmp_path / "data"), "BTS_MODEL_DIR": "/nowhere"}
    command = [sys.executable, "-m", "flask", "token", "rotate"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=True)
    keys = json.loads((tmp_path / "data" / tokens.FILE).read_text())
    assert keys["token_sha256"] == tokens.digest(done.stdout.decode().strip())
