import logging

import pytest

from app.errors import NotReady
from app.web.error_handlers import status_of
from model.errors import CaseError


@pytest.fixture
def broken(make_app):
    """An app with routes that fail in every way."""
    app = make_app(PROPAGATE_EXCEPTIONS=False, TESTING=False)

    def fail_case():
        raise CaseError("grid_mismatch", "They differ.", "Register them.", "a_t1.nii")

    def fail_plainly():
        raise ZeroDivisionError("secret detail")

    for prefix in ("/api/broken", "/broken"):
        app.add_url_rule(f"{prefix}/case", f"{prefix}-case", fail_case)
        app.add_url_rule(f"{prefix}/bug", f"{prefix}-bug", fail_plainly)
    return app.test_client()


def test_case_error_word_for_word(broken, assert_error):
    error = assert_error(broken.get("/api/broken/case"), 422, "grid_mismatch")
    assert error == {
        "code": "grid_mismatch",
        "message": "They differ.",
        "hint": "Register them.",
        "file": "a_t1.nii",
    }
    page = broken.get("/broken/case")
    assert page.status_code == 422
    assert "They differ." in page.text
    assert "Register them." in page.text


def test_bugs_are_logged_and_not_shown(broken, assert_error, caplog):
    with caplog.at_level(logging.ERROR):
        assert_error(broken.get("/api/broken/bug"), 500, "internal_error")
    assert "ZeroDivisionError" in caplog.text
    page = broken.get("/broken/bug")
    assert page.status_code == 500
    assert "secret detail" not in page.text


def test_unknown_addresses(client, assert_error):
    assert_error(client.get("/api/nothing"), 404, "not_found")
    assert_error(client.get("/api/cases/0"), 404, "not_found")
    assert client.get("/nothing").mimetype == "text/html"
    assert client.get("/cases/0").status_code == 404


def test_wrong_method_tells_which_are_right(client, assert_error):
    response = client.put("/api/cases")
    assert_error(response, 405, "method_not_allowed")
    assert set(response.allow) >= {"GET", "POST"}


@pytest.mark.parametrize(
    ("code", "status"), [("too_large", 413), ("not_nifti", 415), ("missing_modality", 422)]
)
def test_status_follows_the_code(code, status):
    assert status_of(CaseError(code, "x")) == status


def test_status_follows_the_class():
    assert status_of(NotReady("x", "y", "case_failed")) == 409
