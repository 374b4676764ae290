"""The OpenAPI document, put together from the view functions and the answer schemas."""

import inspect
import re
from collections.abc import Callable
from typing import Any

from apispec import APISpec
from flask import Blueprint, Flask, current_app, jsonify
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from app.reporting import patient_schemas, schemas
from model.io.nifti import DISCLAIMER
from model.version import VERSION

FILE_SCHEMA = {"type": "string", "contentMediaType": "application/octet-stream"}
REF = "#/components/schemas/{model}"
_CONVERTERS = {"IntegerConverter": {"type": "integer", "minimum": 0}}

blueprint = Blueprint("openapi", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/openapi.json")
def get_openapi():
    """Return this description."""
    return jsonify(build(current_app))


def describe(
    answers: dict[int, type[BaseModel] | str | None],
    *,
    errors: tuple[int, ...] = (),
    query: list[dict[str, Any]] | None = None,
    body: dict[str, Any] | None = None,
) -> Callable:
    """Describe what a view answers; its docstring becomes summary and description.

    answers : by status, a schema for JSON, a media type for anything else, None for no body
    errors : statuses that carry an ErrorAnswer
    """

    def decorate(view: Callable) -> Callable:
        view.operation = {"answers": answers, "errors": errors, "query": query, "body": body}
        return view

    return decorate


def build(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every described view."""
    spec = APISpec(
        title="BraTS MobileUNet",
        version=VERSION,
        openapi_version="3.1.0",
        info={"description": f"Brain tumour segmentation in MRI. {DISCLAIMER}"},
    )
    for name, schema in _component_schemas().items():
        spec.components.schema(name, schema)
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if hasattr(view, "operation"):
            operations = {
                method.lower(): _operation(view) for method in rule.methods - {"HEAD", "OPTIONS"}
            }
            spec.path(
                re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule),
                operations=operations,
                parameters=_path_parameters(rule),
            )
    return spec.to_dict()


def _component_schemas() -> dict[str, Any]:
    models = [
        model
        for module in (schemas, patient_schemas)
        for _, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, BaseModel) and model is not BaseModel
    ]
    _, found = models_json_schema([(model, "serialization") for model in models], ref_template=REF)
    return found["$defs"]


def _operation(view: Callable) -> dict[str, Any]:
    noted = view.operation
    summary, _, description = inspect.getdoc(view).partition("\n")
    answers = {status: _answer(kind) for status, kind in noted["answers"].items()}
    errors = set(noted["errors"])
    if 401 in errors:
        # After too many wrong tokens, and while many are checked or the database is away.
        errors |= {429, 503} - set(answers)
    answers |= {status: _answer(schemas.ErrorAnswer, "An error.") for status in sorted(errors)}
    operation = {
        "operationId": view.__name__,
        "summary": summary,
        "responses": answers,
        "security": [{"token": []}, {}],
    }
    if description.strip():
        operation["description"] = description.strip()
    if noted["query"]:
        operation["parameters"] = [{"in": "query"} | parameter for parameter in noted["query"]]
    if noted["body"]:
        operation["requestBody"] = noted["body"]
    return operation


def _answer(kind: type[BaseModel] | str | None, description: str = "Success.") -> dict[str, Any]:
    if kind is None:
        return {"description": description}
    if isinstance(kind, str):
        schema = {"type": "string"} if kind.startswith("text/") else {}
        return {"description": description, "content": {kind: {"schema": schema}}}
    reference = {"$ref": REF.format(model=kind.__name__)}
    return {"description": description, "content": {"application/json": {"schema": reference}}}


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    parameters = []
    for name in sorted(rule.arguments):
        converter = rule._converters[name]
        choices = getattr(converter, "items", None)
        schema = _CONVERTERS.get(type(converter).__name__, {"type": "string"})
        if choices:
            schema = {"type": "string", "enum": sorted(choices)}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    return parameters
