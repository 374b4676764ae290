"""REST: two cases compared."""

from flask import Blueprint, Flask, jsonify

from app.reporting import patient_schemas as schemas
from app.web.compared_cases import comparison_of, wanted_cases
from app.web.openapi import describe

TWO_CASES = [
    {"name": name, "required": True, "schema": {"type": "string"}, "description": "Id of a case."}
    for name in ("first", "second")
]

blueprint = Blueprint("comparison", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/comparison")
@describe({200: schemas.Comparison}, errors=(400, 401, 404, 409), query=TWO_CASES)
def get_comparison():
    """Compare what was measured in two cases: second less first, also in per cent of the first.

    Whether both are of one patient is not checked.
    """
    return jsonify(comparison_of(*wanted_cases()).model_dump(mode="json"))
