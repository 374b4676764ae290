"""Letting other named users read a case."""

from flask import Blueprint, Flask, jsonify

from app import cases, schemas, users
from app.errors import NotFound
from app.openapi import describe

blueprint = Blueprint("shares", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/shares")
@describe({200: schemas.Shares}, errors=(401, 403, 404))
def list_shares(case_id: str):
    """List the users who may read a case beside its owner and administrators."""
    return jsonify(users=cases.shared_with(cases.find_own(case_id)))


@blueprint.put("/api/cases/<case_id>/shares/<user>")
@describe({204: None}, errors=(401, 403, 404))
def share(case_id: str, user: str):
    """Let a user read a case."""
    case = cases.find_own(case_id)
    if users.find(user) is None:
        raise NotFound("There is no such user.", "`flask user list` names them.", "no_such_user")
    cases.share(case, user)
    return "", 204


@blueprint.delete("/api/cases/<case_id>/shares/<user>")
@describe({204: None}, errors=(401, 403, 404))
def unshare(case_id: str, user: str):
    """Let a user no longer read a case."""
    cases.unshare(cases.find_own(case_id), user)
    return "", 204
