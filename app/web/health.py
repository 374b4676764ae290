"""Health checks and metrics: `/healthz`, `/readyz` and `/metrics`."""

import os
from collections.abc import Iterator

import sqlalchemy as sa
from flask import Blueprint, Flask, Response, current_app, jsonify

from app import identity
from app.config import settings
from app.jobs import metrics
from app.jobs.queue_runner import queue_runner
from app.reporting import schemas
from app.store.db_errors import DATABASE_AWAY
from app.store.models import db
from app.web import quotas
from app.web.openapi import describe

blueprint = Blueprint("health", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/healthz")
@describe({200: schemas.Health})
def healthz():
    """Say that the process is up."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
@describe({200: schemas.Readiness, 503: schemas.Readiness}, errors=(401,))
def readyz():
    """Say whether cases can be taken and segmented, and if not, why."""
    return _readiness(list(_obstacles()))


@blueprint.get("/metrics")
@describe({200: "text/plain"}, errors=(401, 403))
def get_metrics():
    """Return counters for Prometheus."""
    identity.require_admin()
    return Response(metrics.as_text(current_app), content_type="text/plain; version=0.0.4")


def without_database() -> tuple[Response, int]:
    """Return the answer of `readyz` when the client cannot be identified without the database."""
    return _readiness([DATABASE_AWAY])


def _readiness(reasons: list[str]) -> tuple[Response, int]:
    return jsonify(ready=not reasons, reasons=reasons), 503 if reasons else 200


def _obstacles() -> Iterator[str]:
    """Yield what keeps this server from accepting and segmenting cases."""
    if not os.access(settings().data_dir, os.W_OK):
        yield "The data folder cannot be written."
    # The folder may be gone, and its disk with it.
    elif quotas.free_bytes() < settings().disk_reserve_mb * 2**20:
        yield "The disk is nearly full."
    try:
        db.session.execute(sa.text("SELECT 1"))
    except sa.exc.SQLAlchemyError:
        yield DATABASE_AWAY
        return
    yield from queue_runner(current_app).obstacles()
    yield from current_app.extensions["dicom_node"].obstacles()
