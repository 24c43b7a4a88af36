"""The OpenAPI document: examples, defaults and headers that generated clients rely on."""

import keyword
from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from contracts.files import FilePart
from contracts.identity.login import LogIn
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import SESSION, TIME
from contracts.session.session import CreateSession, GetSession
from contracts.session.workspace import ReadFile
from fastapi import Body, FastAPI
from gateway.schemas.approval import Decision
from gateway.schemas.archive import NewArchive
from gateway.schemas.backfill import NewBackfill
from gateway.schemas.bus_user import NewBusUser
from gateway.schemas.execution import NewExecution
from gateway.schemas.fork import NewFork
from gateway.schemas.mcp_catalog import Installation
from gateway.schemas.mcp_server import NewMcpServer
from gateway.schemas.report import NewReport, NewReportLink
from gateway.schemas.run import NewQuery
from gateway.schemas.session import NewSession, SessionChange
from gateway.schemas.task import NewTask, TaskChange
from gateway.schemas.template import NewTemplate, TemplateChange
from gateway.schemas.trigger import NewTrigger
from gateway.schemas.user import NewServiceAccount
from gateway.schemas.webhook import NewWebhook, Redeliveries
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel
from runtime import clock

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.test_documentation import operations, parameters, response_of

ONE = UUID(SESSION)
ON_EVERY_RESPONSE = {
    *("content-type", "content-length", "date", "x-accel-buffering"),
    *("x-content-type-options", "referrer-policy", "content-security-policy", "cache-control"),
}
RESERVED = {"File", "Response", "Unset", "Error", "Client", "Object", "Date", "Promise", "Type", "Any"}
"""Names that collide with names of generated clients."""


def validator(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    whole = {**schema, "components": document["components"]}
    return cast(Any, Draft202012Validator(whole, format_checker=FormatChecker()))


type Example = tuple[str, dict[str, Any], Any]


def parts(part: Any, location: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object of a document except examples, with its location."""
    if isinstance(part, dict):
        yield location, cast(dict[str, Any], part)
        for name, value in cast(dict[str, Any], part).items():
            if name not in ("example", "examples"):
                yield from parts(value, f"{location}/{name}")
    elif isinstance(part, list):
        for number, value in enumerate(cast(list[Any], part)):
            yield from parts(value, f"{location}/{number}")


def examples(document: Any) -> Iterator[Example]:
    """Yield every example of a document, with its schema and location."""
    for location, part in parts(document):
        schema = part.get("schema", part)
        if "example" in part and "schema" in part:
            yield location, schema, part["example"]
        more = part.get("examples")
        if isinstance(more, dict):
            given = [each for each in cast(dict[str, Any], more).values() if "value" in each]  # others are references
            yield from ((location, schema, each["value"]) for each in given)
        elif isinstance(more, list):
            yield from ((location, schema, each) for each in cast(list[Any], more))


def wrong_examples(document: dict[str, Any]) -> list[str]:
    found = examples(document)
    return [
        f"{location}: {error.message}"
        for location, schema, example in found
        for error in validator(schema, document).iter_errors(example)
    ]


def test_every_example_is_valid(document: dict[str, Any]):
    assert wrong_examples(document) == []
    assert sum(1 for _ in examples(document)) > 200


def test_an_invalid_example_is_found(document: dict[str, Any]):
    wrong = {"schema": {"type": "integer"}, "example": "x"}
    assert len(wrong_examples({"components": document["components"], "paths": {"/x": wrong}})) == 1


def test_every_parameter_has_an_example(document: dict[str, Any]):
    assert not [(path, each["name"]) for path, each in parameters(document) if "example" not in each]


def test_schema_names_are_unique_and_not_reserved_in_languages(document: dict[str, Any]):
    names = list(document["components"]["schemas"])
    assert len({name.lower() for name in names}) == len(names)
    assert not [name for name in names if name in RESERVED or keyword.iskeyword(name) or "__" in name]


COMMAND_ARGUMENTS: dict[type[BaseModel], tuple[Any, ...]] = {
    NewServiceAccount: (),
    NewBusUser: (),
    NewSession: (),
    SessionChange: (ONE,),
    NewFork: (ONE,),
    NewTemplate: (),
    TemplateChange: (ONE,),
    NewQuery: (ONE,),
    NewArchive: (ONE,),
    Decision: (ONE, "approved"),
    NewTask: (),
    TaskChange: (ONE,),
    NewExecution: (ONE,),
    NewBackfill: (ONE,),
    NewTrigger: (ONE,),
    NewReport: (),
    NewReportLink: (ONE,),
    NewMcpServer: (),
    Installation: (),
    NewWebhook: (),
    Redeliveries: (ONE,),
}
"""The arguments of `command()` by body. The bodies of credentials and tokens have no defaults."""
NEEDED: dict[type[BaseModel], str] = {NewReport: "session_id"}
"""Optional fields of which a body needs one."""


def defaults(schema: dict[str, Any], document: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the default of every property that declares one, with its path."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema = document["components"]["schemas"][name]
    for choice in schema.get("anyOf", ()):
        yield from defaults(choice, document)
    for name, property in schema.get("properties", {}).items():  # noqa: A001
        if "default" in property:
            yield (name,), property["default"]
        yield from (((name, *path), value) for path, value in defaults(property, document))


def sent(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {path[0]: sent(path[1:], value)} if path[1:] else {path[0]: value}


def false_defaults(body: type[BaseModel], document: dict[str, Any]) -> list[str]:
    """Return the defaults that result in another command if a client sends them."""
    required = {
        field.alias or name: body.model_json_schema()["examples"][0][field.alias or name]
        for name, field in body.model_fields.items()
        if field.is_required() or name == NEEDED.get(body)
    }

    def command(**more: Any) -> str:
        return cast(Any, body).model_validate(required | more).command(*COMMAND_ARGUMENTS[body]).model_dump_json()

    schema = document["components"]["schemas"][body.__name__]
    return [".".join(path) for path, value in defaults(schema, document) if command(**sent(path, value)) != command()]


@pytest.fixture
def one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "new_id", lambda: ONE)


def bodies(document: dict[str, Any]) -> set[str]:
    contents = [operation.get("requestBody", {}).get("content", {}) for _, _, operation in operations(document)]
    schemas = [content["application/json"]["schema"] for content in contents if "application/json" in content]
    return {schema["$ref"].rpartition("/")[2] for schema in schemas if "$ref" in schema}  # a webhook's body has none


@pytest.mark.usefixtures("one_id")
@each("body", COMMAND_ARGUMENTS)
def test_a_declared_default_equals_an_omitted_field(body: type[BaseModel], document: dict[str, Any]):
    assert false_defaults(body, document) == []


def test_every_body_with_a_default_is_checked(document: dict[str, Any]):
    schemas = document["components"]["schemas"]
    with_defaults = {name for name in bodies(document) if [*defaults(schemas[name], document)]}
    assert with_defaults <= {body.__name__ for body in COMMAND_ARGUMENTS}


class Loose(SessionChange):
    """A change that declares a default but does not apply it."""

    name: str = "Untitled"

    def command(self, session_id: UUID) -> Any:
        sent_name = self.name if "name" in self.model_fields_set else None
        return super().command(session_id).model_copy(update={"name": sent_name})


def test_a_default_that_is_not_applied_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(COMMAND_ARGUMENTS, Loose, (ONE,))
    app = FastAPI()

    async def change(body: Loose = Body()) -> None:  # noqa: B008  the form that FastAPI expects
        pass

    app.add_api_route("/x", change, methods=["PATCH"])
    assert false_defaults(Loose, app.openapi()) == ["name"]


def documented_headers(document: dict[str, Any], operation_id: str, status: int) -> set[str]:
    [operation] = [each for _, _, each in operations(document) if each["operationId"] == operation_id]
    return {name.lower() for name in response_of(operation, str(status), document)["headers"]}


@each(
    ("operation", "method", "path", "status"),
    [
        ("createSession", "POST", "/api/v1/sessions", 201),
        ("getSession", "GET", f"/api/v1/sessions/{SESSION}", 200),
        ("login", "POST", "/api/v1/auth/login", 401),
        ("querySession", "POST", f"/api/v1/sessions/{SESSION}/query", 503),
        ("readFile", "GET", f"/api/v1/sessions/{SESSION}/workspace/a", 200),
        ("listRuns", "GET", f"/api/v1/sessions/{SESSION}/runs", 503),
    ],
)
async def test_every_header_of_a_response_is_documented(
    client: httpx.AsyncClient,
    services: FakeServices,
    document: dict[str, Any],
    operation: str,
    method: str,
    path: str,
    status: int,
):
    await services.answer(CreateSession, samples.session())
    await services.answer(GetSession, samples.session())
    await services.answer(LogIn, Refused(code=Code.INVALID_CREDENTIALS, detail="No."))
    file = {"size_bytes": 0, "modified_at": TIME, "etag": "1", "data": b""}
    await services.answer(ReadFile, FilePart.model_validate(file))
    body = {"message": "Hello"} if operation == "querySession" else LogIn.sample if operation == "login" else {}
    response = await client.request(method, path, json=body if method == "POST" else None)
    assert response.status_code == status
    assert {*response.headers} - ON_EVERY_RESPONSE <= documented_headers(document, operation, status)


def test_downloads_document_every_media_type(document: dict[str, Any]):
    [archive] = [each for _, _, each in operations(document) if each["operationId"] == "downloadArchive"]
    assert len(archive["responses"]["200"]["content"]) == 6  # with the one that clients of any file can accept
    [query] = [each for _, _, each in operations(document) if each["operationId"] == "querySession"]
    assert set(query["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}


def fields(document: dict[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    for model, schema in document["components"]["schemas"].items():
        for name, field in schema.get("properties", {}).items():
            yield model, name, field.get("description")


def test_every_field_has_a_description(document: dict[str, Any]):
    assert not [f"{model}.{name}" for model, name, text in fields(document) if not text]
