"""Sessions: who is signed in where, and what ends that."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.store import sessions, tokens, users
from app.store.account_models import BrowserSession
from app.store.models import db
from tests.app.people import PASSWORD, bearer
from tests.app.web.test_access import ELSEWHERE

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0"


@pytest.fixture
def sign_in(app):
    """Return a function that signs a user in, and returns the client."""
    with app.app_context():
        for name in ("anna", "berta"):
            users.add(name, PASSWORD)

    def make(name="anna", agent=FIREFOX):
        client = app.test_client()
        client.environ_base["HTTP_USER_AGENT"] = agent
        form = {"user": name, "password": PASSWORD}
        assert client.post("/login", data=form).status_code == 303
        return client

    return make


@pytest.fixture
def operator(client, new_code):
    """A client from elsewhere who signed in by a link."""
    client.environ_base["REMOTE_ADDR"] = ELSEWHERE["REMOTE_ADDR"]
    assert client.get(f"/?token={new_code()}").status_code == 303
    return client


def secret_of(client) -> str:
    return client.get_cookie("bts_access").value


def rows(app) -> list[BrowserSession]:
    with app.app_context():
        return list(db.session.scalars(sa.select(BrowserSession)))


def change_row(app, **values) -> None:
    with app.app_context():
        db.session.execute(sa.update(BrowserSession).values(**values))
        db.session.commit()


def test_the_cookie_is_random_and_stored_hashed(app, sign_in):
    secret = secret_of(sign_in())
    assert re.fullmatch(r"[\w-]{43}", secret)
    (row,) = rows(app)
    assert row.secret_sha256 == tokens.digest(secret)
    for path in app.config["SETTINGS"].data_dir.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()


def test_nothing_in_a_cookie_depends_on_the_token(make_app):
    """A user could else try tokens on her own cookie."""
    app = make_app(access_token="a-token-of-24-characters")
    client = app.test_client()
    values = set()
    for _ in range(2):
        form = {"token": "a-token-of-24-characters"}
        assert client.post("/login", data=form).status_code == 303
        values.add(secret_of(client))
    assert len(values) == 2


def test_logging_out_ends_the_session_on_the_server(app, sign_in):
    client, other = sign_in(), app.test_client()
    other.set_cookie("bts_access", secret_of(client))
    assert other.get("/api/cases").status_code == 200
    assert client.post("/logout").status_code == 303
    assert other.get("/api/cases").status_code == 401
    assert rows(app) == []


def test_a_new_password_ends_the_sessions_of_that_user(app, sign_in):
    anna, berta = sign_in(), sign_in("berta")
    typed = "another password\nanother password\n"
    result = app.test_cli_runner().invoke(args=["user", "password", "anna"], input=typed)
    assert result.exit_code == 0
    assert [c.get("/api/cases").status_code for c in (anna, berta)] == [401, 200]
    assert [row.user_name for row in rows(app)] == ["berta"]


def test_a_password_changed_in_the_database_ends_them_too(app, sign_in):
    anna = sign_in()
    with app.app_context():
        db.session.execute(sa.text("UPDATE users SET password_hash = 'scrypt:1:1:1$a$b'"))
        db.session.commit()
    assert anna.get("/api/cases").status_code == 401


def test_removing_a_user_ends_the_sessions(app, sign_in):
    anna, _ = sign_in(), sign_in("berta")
    runner = app.test_cli_runner()
    assert runner.invoke(args=["user", "remove", "anna"]).exit_code == 0
    assert [row.user_name for row in rows(app)] == ["berta"]
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    assert runner.invoke(args=["user", "add", "anna"], input=typed).exit_code == 0
    assert anna.get("/api/cases").status_code == 401


def test_rotating_the_token_ends_the_sessions_of_users_too(app, sign_in):
    anna = sign_in()
    assert app.test_cli_runner().invoke(args=["token", "rotate"]).exit_code == 0
    assert anna.get("/api/cases").status_code == 401
    assert rows(app) == []


def test_another_token_in_the_settings_ends_the_operators(make_app):
    client = make_app(access_token="a-token-of-24-characters").test_client()
    client.post("/login", data={"token": "a-token-of-24-characters"})
    changed = make_app(access_token="another-token-of-some-length").test_client()
    changed.set_cookie("bts_access", secret_of(client))
    assert client.get("/api/cases").status_code == 200
    assert changed.get("/api/cases").status_code == 401


def test_a_session_ends_after_thirty_days_and_its_row_goes(app, sign_in):
    client = sign_in()
    change_row(app, created_at=datetime.now(UTC) - sessions.LIFE + timedelta(minutes=1))
    assert client.get("/api/cases").status_code == 200
    change_row(app, created_at=datetime.now(UTC) - sessions.LIFE)
    assert client.get("/api/cases").status_code == 401
    sign_in("berta")
    assert [row.user_name for row in rows(app)] == ["berta"]


def test_rows_that_ended_otherwise_go_at_the_next_login(app, sign_in):
    sign_in()
    change_row(app, mark="that of an earlier password")
    sign_in()
    assert len(rows(app)) == 1


def test_a_user_has_so_many_sessions_at_most(app, sign_in, monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 2)
    first, second, third = (sign_in() for _ in range(3))
    assert [c.get("/api/cases").status_code for c in (first, second, third)] == [401, 200, 200]


def test_use_is_noted_once_an_hour(app, sign_in):
    client = sign_in()
    long_ago = datetime.now(UTC) - timedelta(hours=1, seconds=1)
    lately = datetime.now(UTC) - timedelta(minutes=59)
    change_row(app, seen_at=lately)
    client.get("/api/cases")
    assert rows(app)[0].seen_at == lately
    change_row(app, seen_at=long_ago)
    client.get("/api/cases")
    assert datetime.now(UTC) - rows(app)[0].seen_at < timedelta(minutes=1)


def test_use_that_cannot_be_noted_stops_nobody(app, sign_in):
    client = sign_in()
    change_row(app, seen_at=datetime.now(UTC) - timedelta(hours=2))
    with app.app_context():
        full = "CREATE TRIGGER t BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END"
        db.session.execute(sa.text(full))
        db.session.commit()

        @sa.event.listens_for(db.engine, "handle_error")
        def as_full(context):
            raise sa.exc.OperationalError("", {}, context.original_exception)

    assert client.get("/api/cases").status_code == 200


def test_each_user_sees_and_ends_own_sessions(app, sign_in, assert_error):
    anna, phone, berta = sign_in(), sign_in(agent=EDGE), sign_in("berta")
    found = anna.get("/api/sessions").json["sessions"]
    assert [(s["client"], s["current"]) for s in found] == [
        ("127.0.0.1, Edge", False),
        ("127.0.0.1, Firefox", True),
    ]
    assert all(datetime.fromisoformat(s["created_at"]).tzinfo for s in found)
    (of_berta,) = berta.get("/api/sessions").json["sessions"]
    assert_error(anna.delete(f"/api/sessions/{of_berta['id']}"), 404, "not_found")
    assert anna.delete(f"/api/sessions/{found[0]['id']}").status_code == 204
    assert_error(anna.delete(f"/api/sessions/{found[0]['id']}"), 404, "not_found")
    assert_error(phone.get("/api/sessions"), 401, "access_denied")
    assert berta.get("/api/cases").status_code == 200


def test_the_operator_sees_own_sessions(app, operator, token_of_anna):
    (found,) = operator.get("/api/sessions").json["sessions"]
    assert found["client"] == "192.0.2.7" and found["current"]
    of_anna = app.test_client().get("/api/sessions", headers=bearer(token_of_anna))
    assert of_anna.json == {"sessions": []}


@pytest.fixture
def token_of_anna(app):
    with app.app_context():
        return users.new_token(users.add("anna", PASSWORD))


def test_the_page_lists_and_ends_without_scripts(app, sign_in):
    anna, phone, laptop = sign_in(), sign_in(agent=EDGE), sign_in()
    assert 'href="/sessions"' in anna.get("/").text
    page = anna.get("/sessions").text
    assert page.count("(this one)") == 1 and page.count("Firefox") >= 2 and "Edge" in page
    end = re.search(r'action="(/sessions/\w+/end)".*?Edge', page)[1]
    assert anna.post(end).location == "/sessions"
    assert phone.get("/sessions").status_code == 401
    assert anna.post("/sessions/end-others").status_code == 303
    assert [c.get("/").status_code for c in (anna, laptop)] == [200, 401]
    page = anna.get("/sessions").text
    assert "End all others" not in page
    # This one is signed out like everywhere else.
    assert page.count('action="/logout"') == 2


def test_the_page_is_there_without_a_session(client):
    assert "No browser is signed in" in client.get("/sessions").text
    assert 'href="/sessions"' not in client.get("/").text


def test_long_names_of_browsers_are_not_kept(app, sign_in):
    sign_in(agent="x" * 5000)
    assert rows(app)[0].client == "127.0.0.1"
