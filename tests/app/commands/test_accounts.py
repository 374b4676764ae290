"""Named users: who sees, shares and changes which cases."""

import pytest

from app.store import users
from app.store.models import db
from tests.app.people import PASSWORD, bearer
from tests.app.web.hazards import four, send


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
    assert people["anna"].put(f"{url}/shares/berta").status_code == 204
    assert people["anna"].put(f"{url}/shares/berta").status_code == 204
    assert people["anna"].get(f"{url}/shares").json == {"users": ["berta"]}
    assert people["berta"].get(url).status_code == 200
    assert people["berta"].get("/api/cases").json["total"] == 1
    assert_error(people["berta"].delete(url), 403, "forbidden")
    assert_error(people["berta"].put(f"{url}/shares/chief"), 403, "forbidden")
    assert_error(people["berta"].post(f"{url}/masks"), 403, "forbidden")
    assert_error(people["berta"].post(f"{url}/masks/0/restore"), 403, "forbidden")
    page = url.removeprefix("/api")
    for name, may_change in (("anna", True), ("chief", True), ("berta", False)):
        assert people[name].get(url).json["may_change"] is may_change
        assert (f'action="{page}/delete"' in people[name].get(page).text) is may_change
    assert people["anna"].delete(f"{url}/shares/berta").status_code == 204
    assert people["berta"].get(url).status_code == 404


def test_sharing_does_not_tell_who_exists(app, people, assert_error):
    url = send(people["anna"], four()).json["url"]
    answers = [people["anna"].put(f"{url}/shares/{name}") for name in ("berta", "later")]
    assert [(a.status_code, a.data) for a in answers] == [(204, b"")] * 2
    assert people["anna"].get(f"{url}/shares").json == {"users": ["berta", "later"]}
    assert_error(people["anna"].put(f"{url}/shares/No one"), 400, "bad_parameter")
    # Whoever gets that name later was not meant.
    with app.app_context():
        users.add("later", PASSWORD)
    later = app.test_client()
    assert later.post("/login", data={"user": "later", "password": PASSWORD}).status_code == 303
    assert later.get(url).status_code == 404
    assert people["anna"].get(f"{url}/shares").json == {"users": ["berta"]}


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
