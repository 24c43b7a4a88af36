"""The OpenAPI document: the one that the framework generates, completed with what it cannot know."""

from collections.abc import Iterator
from typing import Any

from contracts.samples import (
    API_KEY,
    APPROVAL,
    BACKFILL,
    EXECUTION,
    MCP_SERVER,
    MESSAGE,
    REPORT,
    RUN,
    SESSION,
    TASK,
    TEMPLATE,
    TOOL_CALL,
    TRIGGER,
    USER,
)
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.routing.api_route import IDEMPOTENCY_KEY, IF_NONE_MATCH
from gateway.schemas.descriptions import describe
from gateway.schemas.problem import Problem
from gateway.throttling import is_free

REFERENCE = "#/components/schemas/{model}"
EXAMPLES = {
    "approval_id": APPROVAL,
    "backfill_id": BACKFILL,
    "execution_id": EXECUTION,
    "key_id": API_KEY,
    "message_id": MESSAGE,
    "path": "src/notes.txt",
    "report_id": REPORT,
    "run_id": RUN,
    "server_id": MCP_SERVER,
    "session_id": SESSION,
    "task_id": TASK,
    "template_id": TEMPLATE,
    "tool_call_id": TOOL_CALL,
    "trigger_id": TRIGGER,
    "user_id": USER,
}
"""Examples of path parameters, which are declared by their type alone."""
HEADERS = {
    "Accept-Ranges": "`bytes`: the `Range` header is supported.",
    "Cache-Control": "Who may cache the response, and for how long.",
    "Content-Disposition": "`attachment`, with the file name.",
    "Content-Range": "The range of the bytes that are returned, and the size of the file.",
    "ETag": "The version of what is returned, for `If-None-Match`, `If-Match` and `If-Range`.",
    "Idempotent-Replayed": "`true`: this is the response to an earlier request, and nothing was done again.",
    "Last-Modified": "When the file was last changed.",
    "Location": "The path of the created resource, or of the run.",
    "Preference-Applied": "The preference that was applied.",
    "RateLimit": "For each limit, how many requests remain, and after how many seconds it is reset.",
    "RateLimit-Policy": "The limits: how many requests (`q`) within how many seconds (`w`).",
    "Retry-After": "Seconds to wait before a retry. Missing from a 503 if the request may already have taken effect.",
    "WWW-Authenticate": "`Bearer`, with the reason if a token was sent.",
    "X-RateLimit-Limit": "The limit of which the fewest requests remain.",
    "X-RateLimit-Remaining": "How many requests remain of that limit.",
    "X-RateLimit-Reset": "When that limit is reset, in seconds since 1970.",
    "X-Request-ID": "The id of the request in the logs: the one that the client sent, or a new one.",
    "X-Response-Time": "Milliseconds until the response started.",
}
API_KEY_SCHEME = {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."}
ON_EVERY_RESPONSE = ("X-Request-ID", "X-Response-Time")
RATE_LIMITS = ("RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
"""On every response to a counted request; in the document only on some, which would be twice as long otherwise."""
BY_STATUS = {"401": ("WWW-Authenticate",), "429": ("Retry-After",), "503": ("Retry-After",)}


class Api(FastAPI):
    """A FastAPI application whose document includes headers, examples and the problem schema."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, which is generated once."""
        if not self.openapi_schema:
            document = super().openapi()
            _complete_schemas(document["components"]["schemas"], self)
            document["components"]["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
            }
            document["components"]["securitySchemes"]["api_key"] = API_KEY_SCHEME
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    _complete_operation(operation, is_counted=not is_free(path))
        return super().openapi()


def _complete_schemas(schemas: dict[str, Any], api: FastAPI) -> None:
    schemas |= models_json_schema([(Problem, "serialization")], ref_template=REFERENCE)[1]["$defs"]
    for name, schema in schemas.items():
        describe(name, schema)
    generated = models_json_schema([(model, "serialization") for model in _declared_models(api)])[1]["$defs"]
    for name in generated.keys() & schemas.keys():  # the framework drops nulls from examples
        if "examples" in generated[name]:
            schemas[name]["examples"] = generated[name]["examples"]


def _declared_models(api: FastAPI) -> Iterator[type[BaseModel]]:
    for context in iter_route_contexts(api.routes):
        route = context.original_route
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        declared = [route.response_model, *(response.get("model") for response in route.responses.values())]
        if route.body_field:
            declared.append(route.body_field.field_info.annotation)
        yield from (model for model in declared if isinstance(model, type) and issubclass(model, BaseModel))


def _complete_operation(operation: dict[str, Any], *, is_counted: bool) -> None:
    if "security" in operation:
        operation["security"].insert(1, {"api_key": []})
    responses: dict[str, Any] = operation["responses"]
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        limits = RATE_LIMITS if is_counted and status.startswith(("2", "429")) else ()
        for name in (*ON_EVERY_RESPONSE, *BY_STATUS.get(status, ()), *limits):
            headers[name] = {"$ref": f"#/components/headers/{name}"}
    if IDEMPOTENCY_KEY in operation.get("parameters", ()):
        _document_replays(responses)
    if IF_NONE_MATCH in operation.get("parameters", ()):
        for status in ("200", "304"):
            responses[status]["headers"]["ETag"] = {"$ref": "#/components/headers/ETag"}
    for parameter in operation.get("parameters", ()):
        examples = parameter["schema"].pop("examples", None)
        parameter["example"] = examples[0] if examples else EXAMPLES[parameter["name"]]


def _document_replays(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status.startswith("2"):
            response["headers"]["Idempotent-Replayed"] = {"$ref": "#/components/headers/Idempotent-Replayed"}
        if status == "409":
            response["headers"]["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
