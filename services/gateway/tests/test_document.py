"""What the OpenAPI document promises to clients that are generated from it."""

import keyword
from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from contracts.files import FilePart
from contracts.identity.commands import LogIn
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import SESSION, TIME
from contracts.session.session import CreateSession, GetSession
from contracts.session.workspace import ReadFile
from fastapi import Body, FastAPI
from gateway.schemas.approval import Decision
from gateway.schemas.archive import NewArchive
from gateway.schemas.fork import NewFork
from gateway.schemas.run import NewQuery
from gateway.schemas.session import NewSession, SessionChange
from gateway.schemas.template import NewTemplate, TemplateChange
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel
from runtime import clock

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services
from services.gateway.tests.test_documentation import document, operations

__all__ = ["document"]

ONE = UUID(SESSION)
ON_EVERY_RESPONSE = {
    *("content-type", "content-length", "date", "x-accel-buffering"),
    *("x-content-type-options", "referrer-policy", "content-security-policy", "cache-control"),
}
RESERVED = {"File", "Response", "Unset", "Error", "Client", "Object", "Date", "Promise", "Type", "Any"}
"""Words that clients of generated code find taken."""


def validator(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    whole = {**schema, "components": document["components"]}
    return cast(Any, Draft202012Validator(whole, format_checker=FormatChecker()))


type Example = tuple[str, dict[str, Any], Any]


def parts(part: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every object of a document that is no example, and where it stands."""
    if isinstance(part, dict):
        yield place, cast(dict[str, Any], part)
        for name, value in cast(dict[str, Any], part).items():
            if name not in ("example", "examples"):
                yield from parts(value, f"{place}/{name}")
    elif isinstance(part, list):
        for number, value in enumerate(cast(list[Any], part)):
            yield from parts(value, f"{place}/{number}")


def examples(document: Any) -> Iterator[Example]:
    """Give every example of a document, with its schema and where it stands."""
    for place, part in parts(document):
        schema = part.get("schema", part)
        if "example" in part and "schema" in part:
            yield place, schema, part["example"]
        more = part.get("examples")
        if isinstance(more, dict):
            yield from ((place, schema, each["value"]) for each in cast(dict[str, Any], more).values())
        elif isinstance(more, list):
            yield from ((place, schema, each) for each in cast(list[Any], more))


def wrong_examples(document: dict[str, Any]) -> list[str]:
    found = examples(document)
    return [
        f"{place}: {error.message}"
        for place, schema, example in found
        for error in validator(schema, document).iter_errors(example)
    ]


def test_every_example_fits_its_schema(document: dict[str, Any]):
    assert wrong_examples(document) == []
    assert sum(1 for _ in examples(document)) > 200


def test_an_example_that_does_not_fit_is_found(document: dict[str, Any]):
    wrong = {"schema": {"type": "integer"}, "example": "x"}
    assert len(wrong_examples({"components": document["components"], "paths": {"/x": wrong}})) == 1


def test_every_parameter_has_an_example(document: dict[str, Any]):
    for path, _, operation in operations(document):
        assert all("example" in parameter for parameter in operation.get("parameters", ())), path


def test_names_of_schemas_are_taken_by_no_language_and_by_no_other_schema(document: dict[str, Any]):
    names = list(document["components"]["schemas"])
    assert len({name.lower() for name in names}) == len(names)
    assert not [name for name in names if name in RESERVED or keyword.iskeyword(name) or "__" in name]


ASKED: dict[type[BaseModel], tuple[Any, ...]] = {
    NewSession: (),
    SessionChange: (ONE,),
    NewFork: (ONE,),
    NewTemplate: (),
    TemplateChange: (ONE,),
    NewQuery: (ONE,),
    NewArchive: (ONE,),
    Decision: (ONE, "approved"),
}
"""What the commands of bodies are made with. Credentials and tokens have no defaults."""


def defaults(schema: dict[str, Any], document: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give the default of every property that declares one, with its path."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema = document["components"]["schemas"][name]
    for each in schema.get("anyOf", ()):
        yield from defaults(each, document)
    for name, property in schema.get("properties", {}).items():  # noqa: A001
        if "default" in property:
            yield (name,), property["default"]
        yield from (((name, *path), value) for path, value in defaults(property, document))


def sent(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {path[0]: sent(path[1:], value)} if path[1:] else {path[0]: value}


def false_defaults(body: type[BaseModel], document: dict[str, Any]) -> list[str]:
    """Find the defaults that make another command when a client sends them."""
    required = {
        name: body.model_json_schema()["examples"][0][name]
        for name, field in body.model_fields.items()
        if field.is_required()
    }

    def command(**more: Any) -> str:
        return cast(Any, body).model_validate(required | more).command(*ASKED[body]).model_dump_json()

    schema = document["components"]["schemas"][body.__name__]
    return [".".join(path) for path, value in defaults(schema, document) if command(**sent(path, value)) != command()]


@pytest.fixture
def one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "new_id", lambda: ONE)


def bodies(document: dict[str, Any]) -> set[str]:
    contents = [operation.get("requestBody", {}).get("content", {}) for _, _, operation in operations(document)]
    schemas = [content["application/json"]["schema"] for content in contents if "application/json" in content]
    return {schema["$ref"].rpartition("/")[2] for schema in schemas}


@pytest.mark.usefixtures("one_id")
@pytest.mark.parametrize("body", ASKED)
def test_a_default_that_is_declared_is_what_the_server_does_when_it_is_left_out(
    body: type[BaseModel], document: dict[str, Any]
):
    assert false_defaults(body, document) == []


def test_every_body_with_a_default_is_looked_at(document: dict[str, Any]):
    schemas = document["components"]["schemas"]
    with_defaults = {name for name in bodies(document) if [*defaults(schemas[name], document)]}
    assert with_defaults <= {body.__name__ for body in ASKED}


class Loose(SessionChange):
    """A change that declares a default which it does not apply."""

    name: str = "Untitled"

    def command(self, session_id: UUID) -> Any:
        named = self.name if "name" in self.model_fields_set else None
        return super().command(session_id).model_copy(update={"name": named})


def test_a_default_that_is_none_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(ASKED, Loose, (ONE,))
    app = FastAPI()

    async def change(body: Loose = Body()) -> None:  # noqa: B008  as the framework wants it
        pass

    app.add_api_route("/x", change, methods=["PATCH"])
    assert false_defaults(Loose, app.openapi()) == ["name"]


def documented_headers(document: dict[str, Any], operation_id: str, status: int) -> set[str]:
    [operation] = [each for _, _, each in operations(document) if each["operationId"] == operation_id]
    return {name.lower() for name in operation["responses"][str(status)]["headers"]}


@pytest.mark.parametrize(
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
    client: httpx.AsyncClient, services: Services, door: Door, operation: str, method: str, path: str, status: int
):
    await services.answer(CreateSession, samples.session())
    await services.answer(GetSession, samples.session())
    await services.answer(LogIn, Refused(code=Code.INVALID_CREDENTIALS, detail="No."))
    file = {"size_bytes": 0, "modified_at": TIME, "etag": "1", "data": b""}
    await services.answer(ReadFile, FilePart.model_validate(file))
    body = {"message": "Hello"} if operation == "querySession" else LogIn.sample if operation == "login" else {}
    answer = await client.request(method, path, json=body if method == "POST" else None)
    assert answer.status_code == status
    assert {*answer.headers} - ON_EVERY_RESPONSE <= documented_headers(door.app.openapi(), operation, status)


def test_downloads_name_every_media_type_they_come_in(document: dict[str, Any]):
    [archive] = [each for _, _, each in operations(document) if each["operationId"] == "downloadArchive"]
    assert len(archive["responses"]["200"]["content"]) == 5
    [query] = [each for _, _, each in operations(document) if each["operationId"] == "querySession"]
    assert set(query["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
