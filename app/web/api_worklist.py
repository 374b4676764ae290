"""REST: the worklist as a list, as a table, and what several of its cases have in one file."""

from flask import Blueprint, Flask, Response, g, jsonify, request

from app.config import settings
from app.errors import BadRequest, NotReady
from app.reporting import schemas
from app.reporting.worklist_csv import to_csv
from app.store import worklist
from app.web import worklist_view
from app.web.case_answers import summary_fields
from app.web.case_zip import packed_together
from app.web.downloads import as_download, send
from app.web.openapi import describe

# Of how many cases results are packed at once: each takes about a second.
MOST_PACKED = 20
CHOSEN_QUERY = [
    {
        "name": "case",
        "schema": {"type": "array", "items": {"type": "string"}, "maxItems": worklist.MOST},
        "description": "Ids of cases; repeated.",
    }
]

blueprint = Blueprint("worklist", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases")
@describe(
    {200: schemas.Worklist},
    errors=(400, 401),
    query=worklist_view.PAGE_QUERY + worklist_view.FILTER_QUERY,
)
def list_cases():
    """List the cases, newest first unless they are to be sorted otherwise."""
    wanted = worklist_view.strict(request.args)
    found = worklist.listing(wanted)
    return jsonify(
        schemas.Worklist(
            cases=[summary_fields(case) for case in found.items],
            page=wanted.page,
            pages=found.pages,
            total=found.total,
        ).model_dump(mode="json")
    )


@blueprint.get("/api/cases.csv")
@describe({200: "text/csv"}, errors=(400, 401), query=worklist_view.FILTER_QUERY + CHOSEN_QUERY)
def get_worklist_csv():
    """Return the worklist as a table: the cases that are named, else all that the filters leave."""
    ids = request.args.getlist("case")
    wanted = worklist_view.strict(request.args)
    found = worklist.chosen(ids) if ids else worklist.everything(wanted)
    # For the audit log.
    g.case_count = len(found)
    table = to_csv(found, show_patients=settings().show_patients)
    return as_download(Response(table, mimetype="text/csv"), "worklist.csv")


@blueprint.get("/api/cases.zip")
@describe({200: "application/zip"}, errors=(400, 401, 409), query=CHOSEN_QUERY)
def get_results_zip():
    """Return masks and reports of several finished cases, a folder for each; others are left out."""
    ids = request.args.getlist("case")
    if not 1 <= len(ids) <= MOST_PACKED:
        raise BadRequest(
            f"Results of 1 to {MOST_PACKED} cases are packed at once.",
            "Choose them in the worklist.",
            "bad_parameter",
        )
    found = [case for case in worklist.chosen(ids) if case.state == "done"]
    if not found:
        raise NotReady("None of these cases has results.", "Choose cases that are done.")
    g.case_ids = [case.id for case in found]
    file = packed_together(found)
    return send(as_download(Response(mimetype="application/zip"), "results.zip"), file)
