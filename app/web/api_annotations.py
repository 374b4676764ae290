"""REST: what readers draw on the pictures of a case."""

from flask import Blueprint, Flask, jsonify, request
from pydantic import ValidationError

from app.errors import BadRequest, NotFound, TooLarge, UnsupportedType
from app.reporting import schemas
from app.reporting.drawn import annotations_of
from app.store import cases
from app.web import quotas
from app.web.openapi import describe
from app.web.uploads import reading

MOST_BYTES = 2**18
BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["items"],
                "properties": {
                    "items": {
                        "type": "array",
                        "maxItems": 500,
                        "items": {"$ref": "#/components/schemas/Annotation"},
                    }
                },
            }
        }
    },
}

blueprint = Blueprint("annotations", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/annotations")
@describe({200: schemas.Annotations}, errors=(401, 404, 409))
def get_annotations(case_id: str):
    """Return the rulers, angles, ellipses, arrows and RANO lines that readers drew."""
    case = cases.find(case_id)
    case.results()
    return jsonify(annotations_of(case).model_dump(mode="json"))


@blueprint.put("/api/cases/<case_id>/annotations")
@describe(
    {200: schemas.Annotations},
    errors=(400, 401, 403, 404, 408, 409, 413, 415, 507),
    body=BODY,
)
def put_annotations(case_id: str):
    """Keep these in place of those that were kept before. They change no mask."""
    case = cases.find_own(case_id)
    case.results()
    if request.mimetype != "application/json":
        raise UnsupportedType("Annotations are sent as application/json.", "Send one JSON object.")
    quotas.reserve_disk_for_body()
    request.max_content_length = MOST_BYTES
    too_large = TooLarge(
        f"Annotations of a case are at most {MOST_BYTES // 1024} KB.", "Remove some of them."
    )
    with reading(too_large, "Send one JSON object."):
        body = request.get_data()
    try:
        found = schemas.Annotations.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadRequest(
            f"These are no annotations: {place or 'body'}: {first['msg']}.",
            "Their form is described in /api/openapi.json.",
            "bad_annotations",
        ) from error
    try:
        case.folder.keep_annotations(found.model_dump_json())
    except FileNotFoundError as error:
        raise NotFound("There is no such case.", "It may have been deleted.") from error
    return jsonify(found.model_dump(mode="json"))
