"""What is done to cases of the worklist by forms alone; the worklist is shown again, where it was left."""

from urllib.parse import parse_qsl

from flask import Blueprint, Flask, current_app, g, redirect, request, url_for
from werkzeug.datastructures import MultiDict

from app.errors import BadRequest
from app.jobs.queue_runner import queue_runner
from app.store import cases, removal, worklist
from app.store.models import StoredCase
from app.web import case_changes, headers, worklist_view

blueprint = Blueprint("worklist_forms", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.post("/cases/<case_id>/delete")
def delete_case(case_id: str):
    """Delete a case; that can be undone for a minute."""
    removal.hide(cases.find_own(case_id))
    headers.clear_cache()
    return redirect(url_for("pages.index"), 303)


@blueprint.post("/cases/delete")
def delete_cases():
    """Delete the chosen cases; that can be undone for a minute."""
    for case in _chosen():
        removal.hide(case)
    headers.clear_cache()
    return _worklist()


@blueprint.post("/cases/restore")
def restore_cases():
    """Undo deletions for which there is still time."""
    ids = request.form.getlist("case")
    restored = [case.id for case in worklist.hidden() if case.id in ids and removal.restore(case)]
    if not restored:
        raise worklist.gone()
    g.case_ids = restored
    queue_runner(current_app).notify()
    return _worklist()


@blueprint.post("/cases/status")
def mark_cases():
    """Say of the chosen cases what a reader says of them."""
    change = case_changes.checked({"status": request.form.get("status")})
    for case in _chosen():
        case_changes.apply(case, change)
    return _worklist()


@blueprint.post("/cases/<case_id>/details")
def change_case(case_id: str):
    """Rename a case and change its note."""
    case = cases.find_own(case_id)
    fields = {name: request.form[name] for name in ("name", "note") if name in request.form}
    case_changes.apply(case, case_changes.checked(fields))
    return _worklist()


def _chosen() -> list[StoredCase]:
    """Return the chosen cases, all of which the caller may change. Raises BadRequest or Forbidden.

    Those that somebody has deleted meanwhile are left out.
    """
    ids = request.form.getlist("case")
    if not 1 <= len(ids) <= worklist.MOST:
        raise BadRequest("No case is chosen.", "Tick cases in the worklist.", "bad_parameter")
    found = [cases.find_own(case.id) for case in worklist.chosen(ids)]
    g.case_ids = [case.id for case in found]
    return found


def _worklist():
    """Return to the page of the worklist that the form was on."""
    address = MultiDict(parse_qsl(request.form.get("view", "")))
    wanted = worklist_view.lenient(address)
    return redirect(url_for("pages.index", **worklist_view.in_address(wanted)), 303)
