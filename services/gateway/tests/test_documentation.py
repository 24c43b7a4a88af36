"""The OpenAPI document and the pages that show it."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import httpx
from contracts.identity.values import Quotas
from contracts.refusals import Code
from gateway.entry.throttling import is_free
from gateway.openapi import RATE_LIMITS
from gateway.problems import OVER_QUOTA, EdgeCode
from jsonschema import Draft202012Validator, FormatChecker

from services.gateway.tests.cases import each

OPENAPI = "/api/v1/openapi.json"
METHODS = {"get", "post", "put", "patch", "delete"}
OTHER_CREDENTIALS = ("/login", "/refresh", "/fire")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        yield from ((path, method, operation) for method, operation in methods.items())


def resolved(part: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the document, or the component that it refers to."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    return document["components"][kind][name]


def response_of(operation: dict[str, Any], status: str, document: dict[str, Any]) -> dict[str, Any]:
    return resolved(operation["responses"][status], document)


def parameters(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the parameters of all operations, with the paths of the operations."""
    for path, _, operation in operations(document):
        yield from ((path, resolved(parameter, document)) for parameter in operation.get("parameters", ()))


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():  # pyright: ignore[reportUnknownVariableType]
            if name == "$ref":
                yield str(value)  # pyright: ignore[reportUnknownArgumentType]
            yield from references(value)
    elif isinstance(part, list):
        for value in part:  # pyright: ignore[reportUnknownVariableType]
            yield from references(value)


def validate(value: object, shape: str, document: dict[str, Any]) -> None:
    schema = {"$ref": f"#/components/schemas/{shape}", **document}
    cast(Any, Draft202012Validator(schema, format_checker=FormatChecker())).validate(value)


async def test_the_document_is_served(anonymous: httpx.AsyncClient):
    response = await anonymous.get(OPENAPI)
    assert (response.status_code, response.json()["openapi"][:3]) == (200, "3.1")


def test_every_reference_is_defined(document: dict[str, Any]):
    known = {f"#/components/{kind}/{name}" for kind, parts in document["components"].items() for name in parts}
    assert set(references(document)) <= known


def test_every_operation_has_a_unique_id(document: dict[str, Any]):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)


def test_every_operation_has_a_summary_a_description_and_tags(document: dict[str, Any]):
    for path, method, operation in operations(document):
        assert method in METHODS
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["tags"], path


def test_every_operation_of_the_api_documents_its_problems(document: dict[str, Any]):
    for path, method, operation in operations(document):
        if path.startswith("/api/"):
            problems = {int(s): response_of(operation, s, document) for s in operation["responses"] if int(s) >= 400}
            assert 503 in problems, path
            assert (401 in problems) == ("security" in operation) or path.endswith(OTHER_CREDENTIALS), path
            assert (422 in problems) >= ("requestBody" in operation or "parameters" in operation), (method, path)
            for response in problems.values():
                assert list(response["content"]) == ["application/problem+json"]
                assert response["content"]["application/problem+json"]["examples"]


def test_examples_of_problems_are_valid(document: dict[str, Any]):
    for example in document["components"]["examples"].values():
        validate(example["value"], "Problem", document)
    codes = {example["value"]["error_code"] for example in document["components"]["examples"].values()}
    assert codes == {*Code, *EdgeCode}


def test_responses_to_counted_requests_have_the_headers_of_rate_limits(document: dict[str, Any]):
    for path, _, operation in operations(document):
        responses = [response_of(operation, status, document) for status in operation["responses"]]
        wanted: set[str] = set() if is_free(path) else {*RATE_LIMITS}
        assert all({*response["headers"]} & {*RATE_LIMITS} == wanted for response in responses), path


def test_every_group_parameter_and_header_is_described(document: dict[str, Any]):
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert {tag for _, _, operation in operations(document) for tag in operation["tags"]} == described
    assert not [(path, each["name"]) for path, each in parameters(document) if not each.get("description")]
    assert not [name for name, each in document["components"]["headers"].items() if not each["description"]]


def test_the_document_is_at_most_600_kb(document: dict[str, Any]):
    assert len(json.dumps(document, separators=(",", ":"))) <= 600_000


def test_every_body_has_a_valid_example(document: dict[str, Any]):
    for _, _, operation in operations(document):
        responses = [response_of(operation, status, document) for status in operation["responses"]]
        for content in [operation.get("requestBody", {}), *responses]:
            schema = content.get("content", {}).get("application/json", {}).get("schema")
            if schema and "$ref" in schema:  # the body of a webhook is any object
                name = schema["$ref"].rpartition("/")[2]
                validate(document["components"]["schemas"][name]["examples"][0], name, document)


def quotas(document: dict[str, Any], path: str, status: str) -> str | None:
    """Return the quota in the documented problem of a POST with a status."""
    response = response_of(document["paths"][path]["post"], status, document)
    problem = response["content"]["application/problem+json"]["examples"].get(Code.QUOTA_EXCEEDED)
    return problem and document["components"]["examples"][problem["$ref"].rpartition("/")[2]]["value"]["quota"]


@each(
    ("path", "status", "quota"),
    [
        ("", "429", "sessions_per_month"),
        ("", "409", None),
        ("/{session_id}/fork", "429", "sessions_per_month"),
        ("/{session_id}/fork", "409", "storage_bytes"),
        ("/{session_id}/query", "429", "concurrent_runs"),
        ("/{session_id}/query", "409", "budget_per_month_usd"),
        ("/{session_id}/archive", "409", "storage_bytes"),
    ],
)
def test_the_status_of_each_quota_is_documented(document: dict[str, Any], path: str, status: str, quota: str | None):
    assert quotas(document, f"/api/v1/sessions{path}", status) == quota


def test_every_quota_has_an_example():
    assert {*OVER_QUOTA} == {*Quotas.model_fields}


@each("page", ["/docs", "/redoc"])
async def test_a_page_loads_only_files_of_the_gateway(anonymous: httpx.AsyncClient, page: str):
    html = (await anonymous.get(page)).text
    loaded: list[str] = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""", html)
    assert len(loaded) >= 2
    for address in loaded:
        assert address.startswith("/")
        response = await anonymous.get(address)
        assert (response.status_code, bool(response.content)) == (200, True), address


async def test_the_logo_of_redoc_is_served(anonymous: httpx.AsyncClient):
    response = await anonymous.get("/redoc/logo-mini.svg")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/svg+xml")


@each("path", ["/docs/../../settings.py", "/docs/%2e%2e/%2e%2e/__init__.py", "/redoc//etc/passwd"])
async def test_other_paths_are_not_served(anonymous: httpx.AsyncClient, path: str):
    assert (await anonymous.get(path)).status_code == 404
