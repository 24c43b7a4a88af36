"""The OpenAPI document: the one that the framework generates, completed with what it cannot know."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.entry.throttling import is_free
from gateway.problems.examples import component_examples
from gateway.routing.api_route import IDEMPOTENCY_KEY, IF_NONE_MATCH
from gateway.schemas.document_texts import PATH_PARAMETERS
from gateway.schemas.problem import Problem
from gateway.shared_parts import share

REFERENCE = "#/components/schemas/{model}"
EXAMPLES = {name: example for name, (_, example) in PATH_PARAMETERS.items()}
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
    "Vary": "The headers of the request that the response depends on.",
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
"""On every response to a counted request."""
BY_STATUS = {"401": ("WWW-Authenticate",), "429": ("Retry-After",), "503": ("Retry-After",)}


class Api(FastAPI):
    """A FastAPI application whose document includes headers, examples and the problem schema."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, which is generated once."""
        if not self.openapi_schema:
            document = super().openapi()
            _complete_schemas(document["components"]["schemas"], self)
            _require_fields(document["components"]["schemas"], document["paths"])
            _drop_derived_titles(document["components"]["schemas"])
            document["components"]["examples"] = component_examples()
            document["components"]["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
            }
            document["components"]["securitySchemes"]["api_key"] = API_KEY_SCHEME
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    _complete_operation(operation, is_counted=not is_free(path))
            share(document)
        return super().openapi()


def _complete_schemas(schemas: dict[str, Any], api: FastAPI) -> None:
    schemas |= models_json_schema([(Problem, "serialization")], ref_template=REFERENCE)[1]["$defs"]
    generated = models_json_schema([(model, "serialization") for model in _declared_models(api)])[1]["$defs"]
    for name in generated.keys() & schemas.keys():  # the framework drops nulls from examples
        if "examples" in generated[name]:
            schemas[name]["examples"] = generated[name]["examples"]


def _drop_derived_titles(schemas: Mapping[str, Any]) -> None:
    """Remove the titles of fields that only repeat the name: 15 kB of the document that nobody reads."""
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            if field.get("title", "").lower() == name.replace("_", " ").strip().lower():
                del field["title"]


def _require_fields(schemas: dict[str, Any], paths: Mapping[str, Any]) -> None:
    """Declare all fields of responses as required, as responses are sent with their defaults.

    A model is in requests or in responses, but never in both.
    """
    operations = [operation for methods in paths.values() for operation in methods.values()]
    sent = [name for each in operations for part in ("requestBody", "parameters") for name in _referred(each.get(part))]
    in_requests = set[str]()
    while sent:
        name = sent.pop()
        if name not in in_requests:
            in_requests.add(name)
            sent += _referred(schemas[name])
    for name in schemas.keys() - in_requests - {Problem.__name__}:  # whose members depend on the code
        if "properties" in schemas[name]:
            schemas[name]["required"] = [*schemas[name]["properties"]]


def _referred(part: object) -> Iterator[str]:
    """Yield the names of the schemas that a part of the document refers to."""
    if isinstance(part, dict):
        for key, value in cast(dict[str, object], part).items():
            if key == "$ref":
                yield str(value).rpartition("/")[2]
            elif key not in ("example", "examples"):
                yield from _referred(value)
    elif isinstance(part, list):
        for value in cast(list[object], part):
            yield from _referred(value)


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
    common = (*ON_EVERY_RESPONSE, *(RATE_LIMITS if is_counted else ()))
    for status, response in responses.items():
        references = {n: {"$ref": f"#/components/headers/{n}"} for n in (*common, *BY_STATUS.get(status, ()))}
        response.setdefault("headers", {}).update(references)
    if IDEMPOTENCY_KEY in operation.get("parameters", ()):
        _document_replays(responses)
    if IF_NONE_MATCH in operation.get("parameters", ()):
        for status in ("200", "304"):
            responses[status]["headers"]["ETag"] = {"$ref": "#/components/headers/ETag"}
    for parameter in operation.get("parameters", ()):
        _complete_parameter(parameter)


def _complete_parameter(parameter: dict[str, Any]) -> None:
    if parameter["in"] == "path":
        parameter["description"] = PATH_PARAMETERS[parameter["name"]][0]
    examples = parameter["schema"].pop("examples", None)
    parameter["example"] = examples[0] if examples else EXAMPLES[parameter["name"]]


def _document_replays(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status.startswith("2"):
            response["headers"]["Idempotent-Replayed"] = {"$ref": "#/components/headers/Idempotent-Replayed"}
        if status == "409":
            response["headers"]["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
