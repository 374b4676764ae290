"""The caller's own sessions."""

from flask import Blueprint, Flask, jsonify

from app.reporting import schemas
from app.web import own_sessions
from app.web.openapi import describe

blueprint = Blueprint("sessions", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/sessions")
@describe({200: schemas.Sessions}, errors=(401,))
def list_sessions():
    """List the browsers that are signed in as the caller."""
    return jsonify(schemas.Sessions(sessions=own_sessions.listed()).model_dump(mode="json"))


@blueprint.delete("/api/sessions/<session_id>")
@describe({204: None}, errors=(401, 404))
def end_session(session_id: str):
    """Sign one of these browsers out."""
    own_sessions.end(session_id)
    return "", 204
