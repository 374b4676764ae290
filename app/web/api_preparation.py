"""REST: how a case was prepared, and preparing it anew."""

from typing import get_args

from flask import Blueprint, Flask, jsonify, url_for

from app.reporting import schemas
from app.store import cases
from app.web.openapi import describe
from app.web.preparing import queue_anew, wanted_options
from model.preparation.plan import Mode
from model.preparation.registration import Start

BODY = {
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "properties": {
                    "prepare": {"type": "string", "enum": list(get_args(Mode))},
                    "start": {
                        "type": "string",
                        "enum": list(get_args(Start)),
                        "description": "Where registration begins: positions in the headers, centres of the "
                        "brains, or the better of the two.",
                    },
                },
            }
        }
    },
}

blueprint = Blueprint("preparation", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.post("/api/cases/<case_id>/preparation")
@describe({202: schemas.Accepted}, errors=(400, 401, 403, 404, 409, 422, 507), body=BODY)
def prepare_again(case_id: str):
    """Prepare and segment a case anew, with other options. A brain mask that was drawn is given up."""
    case = cases.find_own(case_id)
    queue_anew(case, wanted_options(case))
    address = url_for("cases.get_case", case_id=case_id)
    answer = schemas.Accepted(id=case_id, state="queued", url=address)
    return jsonify(answer.model_dump()), 202, {"Location": address}
