"""Letting other named users read a case."""

import sqlalchemy as sa
from flask import Blueprint, Flask, jsonify

from app.errors import BadRequest
from app.reporting import schemas
from app.store import cases, users
from app.store.account_models import Share
from app.store.models import db
from app.web.openapi import describe

blueprint = Blueprint("shares", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/shares")
@describe({200: schemas.Shares}, errors=(401, 403, 404))
def list_shares(case_id: str):
    """List the users who may read a case beside its owner and administrators."""
    shares = sa.select(Share.user_name).where(Share.case_id == cases.find_own(case_id).id)
    return jsonify(users=list(db.session.scalars(shares.order_by(Share.user_name))))


@blueprint.put("/api/cases/<case_id>/shares/<user>")
@describe({204: None}, errors=(400, 401, 403, 404))
def share(case_id: str, user: str):
    """Let a user read a case.

    The answer does not tell whether there is a user of that name. If there is none, the share ends when
    one is added.
    """
    case = cases.find_own(case_id)
    if not users.NAME.fullmatch(user):
        raise BadRequest("That is no user's name.", "Check its spelling.", "bad_parameter")
    db.session.merge(Share(case_id=case.id, user_name=user))
    db.session.commit()
    return "", 204


@blueprint.delete("/api/cases/<case_id>/shares/<user>")
@describe({204: None}, errors=(401, 403, 404))
def unshare(case_id: str, user: str):
    """Let a user no longer read a case."""
    case = cases.find_own(case_id)
    shares = sa.delete(Share).where(Share.case_id == case.id, Share.user_name == user)
    db.session.execute(shares)
    db.session.commit()
    return "", 204
