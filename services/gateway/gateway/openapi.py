"""The OpenAPI document: what the framework writes, and what it cannot know."""

from collections.abc import Iterator
from typing import Any

from contracts.samples import APPROVAL, MESSAGE, RUN, SESSION, TEMPLATE, TOOL_CALL
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.schemas.problem import Problem

REFERENCE = "#/components/schemas/{model}"
EXAMPLES = {
    "approval_id": APPROVAL,
    "message_id": MESSAGE,
    "path": "src/notes.txt",
    "run_id": RUN,
    "session_id": SESSION,
    "template_id": TEMPLATE,
    "tool_call_id": TOOL_CALL,
}
"""What parameters look like that are declared by their type alone."""
HEADERS = {
    "Accept-Ranges": "`bytes`: the header `Range` is understood.",
    "Cache-Control": "How long the answer may be kept, and by whom.",
    "Content-Disposition": "`attachment`, with the name of the file.",
    "Content-Range": "Which bytes of the file these are.",
    "ETag": "Names this state of the file; for `If-None-Match` and `If-Range`.",
    "Last-Modified": "When the file was changed.",
    "Location": "The path of what was created, or of the run.",
    "Preference-Applied": "The preference that was followed.",
    "Retry-After": "Seconds after which to try again; missing where the request may have been carried out.",
    "WWW-Authenticate": "`Bearer`, and what is wrong with the token.",
    "X-Request-ID": "The id of the request: the client's own, or a new one. Logs have it.",
    "X-Response-Time": "Milliseconds until the answer began.",
}
ALWAYS = ("X-Request-ID", "X-Response-Time")
BY_STATUS = {"401": ("WWW-Authenticate",), "429": ("Retry-After",), "503": ("Retry-After",)}


class Api(FastAPI):
    """FastAPI, whose document is complete: headers, examples, problems of every operation."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document; made once."""
        if not self.openapi_schema:
            document = super().openapi()
            _complete_shapes(document["components"]["schemas"], self)
            document["components"]["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
            }
            for operations in document["paths"].values():
                for operation in operations.values():
                    _complete(operation)
        return super().openapi()


def _complete_shapes(shapes: dict[str, Any], api: FastAPI) -> None:
    shapes |= models_json_schema([(Problem, "serialization")], ref_template=REFERENCE)[1]["$defs"]
    whole = models_json_schema([(model, "serialization") for model in _models(api)])[1]["$defs"]
    for name in whole.keys() & shapes.keys():  # the framework drops all nulls, from examples too
        if "examples" in whole[name]:
            shapes[name]["examples"] = whole[name]["examples"]


def _models(api: FastAPI) -> Iterator[type[BaseModel]]:
    for context in iter_route_contexts(api.routes):
        route = context.original_route
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        declared = [route.response_model, *(response.get("model") for response in route.responses.values())]
        if route.body_field:
            declared.append(route.body_field.field_info.annotation)
        yield from (model for model in declared if isinstance(model, type) and issubclass(model, BaseModel))


def _complete(operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    for status, response in responses.items():
        shown = response.setdefault("headers", {})
        for name in (*ALWAYS, *BY_STATUS.get(status, ())):
            shown[name] = {"$ref": f"#/components/headers/{name}"}
    for parameter in operation.get("parameters", ()):
        examples = parameter["schema"].pop("examples", None)
        parameter["example"] = examples[0] if examples else EXAMPLES[parameter["name"]]
