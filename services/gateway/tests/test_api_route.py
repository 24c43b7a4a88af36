"""The problems that routes document without naming them."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from contracts.refusals import Code
from fastapi import APIRouter, Response
from fastapi.routing import APIRoute, iter_route_contexts
from gateway.app import create_app
from gateway.clients.authentication import AnyClient, Caller, TokenHolder
from gateway.problems import EdgeCode, documented
from gateway.routing.api_route import ApiRoute
from gateway.schemas.fork import NewFork
from gateway.state import Gateway

from services.gateway.tests.cases import each

ANY_REQUEST = {"UNAVAILABLE", "VALIDATION_ERROR", EdgeCode.RATE_LIMIT_EXCEEDED}
TOKEN = {*ANY_REQUEST, "UNAUTHENTICATED", "FORBIDDEN"}
KEY = {"COMMAND_REPEATED", EdgeCode.IDEMPOTENCY_KEY_IN_USE, EdgeCode.IDEMPOTENCY_KEY_REUSED}
BODY = {"MALFORMED_JSON", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"}


async def anyone(client: AnyClient) -> Response: ...
async def caller(caller: Caller) -> Response: ...
async def holder(holder: TokenHolder) -> Response: ...
async def with_body(caller: Caller, body: NewFork) -> Response: ...


def responses(endpoint: Callable[..., Awaitable[Response]], method: str, *domain: Code) -> dict[int | str, Any]:
    router = APIRouter(route_class=ApiRoute)
    router.add_api_route("/x", endpoint, methods=[method], responses=documented(*domain))
    [route] = router.routes
    assert isinstance(route, ApiRoute)
    return route.responses


def codes(responses: dict[int | str, Any]) -> set[str]:
    return {code for each in responses.values() for code in each["content"]["application/problem+json"]["examples"]}


@each(
    ("endpoint", "method", "expected"),
    [
        (anyone, "GET", ANY_REQUEST),
        (caller, "GET", TOKEN),
        (anyone, "POST", ANY_REQUEST),
        (caller, "POST", {*TOKEN, *KEY}),
        (holder, "POST", {*TOKEN, *KEY}),
        (with_body, "POST", {*TOKEN, *KEY, *BODY}),
    ],
)
def test_problems_are_derived_from_token_method_and_body(endpoint: Any, method: str, expected: set[str]):
    assert codes(responses(endpoint, method)) == expected


def test_domain_and_derived_problems_of_one_status_are_both_documented():
    examples = responses(caller, "GET", Code.INVALID_PATH)[422]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {Code.INVALID_PATH, EdgeCode.VALIDATION_ERROR}


def test_responses_are_in_the_order_of_their_status():
    statuses = list(responses(with_body, "POST", Code.SESSION_NOT_FOUND))
    assert statuses == [400, 401, 403, 404, 409, 413, 415, 422, 429, 503]


def routes_of_the_api() -> list[APIRoute]:
    routes = [context.original_route for context in iter_route_contexts(create_app(cast(Gateway, None)).routes)]
    return [each for each in routes if isinstance(each, APIRoute) and each.path.startswith("/api/")]


def test_every_operation_that_reads_a_body_by_itself_declares_its_size():
    own = [each for each in routes_of_the_api() if "requestBody" in (each.openapi_extra or {})]
    assert len(own) == 3
    assert [each.path for each in own if not isinstance(each, ApiRoute) or each.max_body_bytes is None] == []


def test_every_operation_of_the_api_derives_its_problems():
    below_api = routes_of_the_api()
    assert below_api
    assert [each.path for each in below_api if not isinstance(each, ApiRoute)] == []
