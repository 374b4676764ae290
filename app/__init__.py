"""The Flask app: upload, queue, viewer, report, REST service and commands."""

import os
import signal
from collections.abc import Mapping
from typing import Any

import click
from flask import Flask
from flask.cli import is_running_from_reloader
from flask.helpers import get_debug_flag

from app import audit, config, logs, memory
from app.commands import accounts, demo_case, segment, show_settings
from app.dicom_node import node
from app.jobs import metrics, queue_runner, removals
from app.jobs.model_holder import ModelHolder
from app.store import database, models, retention
from app.web import (
    access,
    api_annotations,
    api_cases,
    api_comparison,
    api_deliveries,
    api_dicom,
    api_masks,
    api_patients,
    api_preparation,
    api_prior_volumes,
    api_priors,
    api_reports,
    api_series,
    api_sessions,
    api_shares,
    api_slices,
    api_volumes,
    api_worklist,
    attempts,
    audit_requests,
    error_handlers,
    headers,
    health,
    openapi,
    pages,
    quotas,
    uploads,
    worklist_forms,
)

# What registers blueprints, handlers and commands. Checks of requests run in this order.
MODULES = (
    error_handlers,
    headers,
    access,
    audit,
    attempts,
    audit_requests,
    metrics,
    memory,
    quotas,
    uploads,
    models,
    retention,
    queue_runner,
    removals,
    node,
    pages,
    worklist_forms,
    api_annotations,
    api_cases,
    api_comparison,
    api_deliveries,
    api_dicom,
    api_masks,
    api_patients,
    api_preparation,
    api_prior_volumes,
    api_priors,
    api_reports,
    api_series,
    api_sessions,
    api_shares,
    api_slices,
    api_volumes,
    api_worklist,
    openapi,
    health,
    accounts,
    demo_case,
    segment,
    show_settings,
)


def create_app(overrides: Mapping[str, Any] | None = None, *, serve: bool | None = None) -> Flask:
    """Build the app.

    overrides : settings by field name (`data_dir`, ...), which win over the environment; names in
        capitals go to Flask's own configuration
    serve : whether to load the model now and start the queue. By default servers do so, and
        commands such as `flask demo-case`, which load the model when they need it, do not.

    Raises StartupError when a setting is wrong or the model cannot be used.
    """
    overrides = dict(overrides or {})
    flask_config = {key: overrides.pop(key) for key in list(overrides) if key.isupper()}
    settings = config.load_settings(overrides)
    logs.configure(settings.log_level, settings.log_format)

    app = Flask(__name__, template_folder="../templates", static_folder="../static")
    app.config.update(
        SETTINGS=settings,
        MAX_CONTENT_LENGTH=settings.max_upload_mb * 2**20,
        MAX_FORM_PARTS=settings.max_parts,
        MAX_FORM_MEMORY_SIZE=settings.max_field_kb * 2**10,
        SQLALCHEMY_DATABASE_URI=settings.sqlalchemy_url,
        SQLALCHEMY_ENGINE_OPTIONS=settings.engine_options,
        **flask_config,
    )
    app.json.sort_keys = False
    for module in MODULES:
        module.init_app(app)

    holder = app.extensions["model"] = ModelHolder(settings)
    is_server = not _is_command()
    serves = is_server if serve is None else serve
    # With a broker the workers load it.
    if serves and not settings.broker_url:
        holder.begin()
    # Commands make no data folder in the current directory.
    if is_server:
        database.prepare(app)
    if serves:
        _serve(app)
    return app


def _serve(app: Flask) -> None:
    """Load the model, start the queue and the DICOM node. Raises StartupError."""
    if _is_reloader_parent():
        app.extensions["model"].get()
        return
    queue, holder = queue_runner.queue_runner(app), app.extensions["model"]
    queue.claim()
    _ = holder.card if app.config["SETTINGS"].broker_url else holder.get()
    queue.start()
    app.extensions["removals"].start()
    app.extensions["dicom_node"].start()
    run = click.get_current_context(silent=True)
    if run is not None:
        access.announce(app, [(run.params["host"], run.params["port"])])
        # Like Ctrl+C: `flask run` then shuts down properly and puts its case back into the queue.
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _is_command() -> bool:
    """Say whether this is a `flask` command other than `run`, and so no server."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name != "run"


def _is_reloader_parent() -> bool:
    """Say whether `flask run --debug` will start a second process that does the work."""
    from_cli = os.environ.get("FLASK_RUN_FROM_CLI") == "true"
    return from_cli and get_debug_flag() and not is_running_from_reloader()
