"""The route class of the API: it documents the problems that follow from how an operation is declared."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import Any

from contracts.refusals import Code
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security.base import SecurityBase
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.problems import EdgeCode, documented
from gateway.routing.changes import Handler, declared, reporting
from gateway.routing.entity_tags import expected_versions, file_precondition, is_current, not_modified, tag_of
from gateway.routing.parameters import check_parameters, parameter_types
from gateway.routing.versions import Versions, tracking

ANY_REQUEST = (EdgeCode.VALIDATION_ERROR, EdgeCode.RATE_LIMIT_EXCEEDED, EdgeCode.UNAVAILABLE)
"""Every operation refuses unknown query parameters, is counted, and depends on a service."""
REPEATABLE = (EdgeCode.IDEMPOTENCY_KEY_IN_USE, EdgeCode.IDEMPOTENCY_KEY_REUSED, Code.COMMAND_REPEATED)
CONDITIONAL_METHODS = frozenset({"PUT", "PATCH", "DELETE"})
KEYED_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
"""The methods of requests that an Idempotency-Key makes safe to repeat."""
API_PREFIX = "/api/"
ACCOUNT_PREFIX = "/api/v1/auth/"
"""Where keys count without a token."""
MAX_BODY_BYTES = 1024 * 1024
"""The limit of the body of a client with an account, where its operation declares none."""
SMALL_BODY_BYTES = 32 * 1024
"""The limit of the body of a client without one: nobody is accountable for the cost of large ones."""
MAX_KEY_LENGTH = 255
ADMITTED = "admitted"
"""What the scope of a request holds the client under that its operation has admitted."""
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes the request safe to repeat for 24 hours: a repetition with the same key gets the first "
    f"response. A new, random text for each request, of at most {MAX_KEY_LENGTH} visible ASCII characters.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_KEY_LENGTH,
        "examples": ["order-7d7b3f7e5b0c4f7c"],
    },
}
IF_MATCH: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "description": "The `ETag` of the resource as the client has read it: if it was changed since then, the response "
    "is 412.",
    "schema": {"type": "string", "examples": ['"5-0f3a9c1e5b7d2a4c"']},
}
IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "An `ETag` of the client: if it is current, the response is 304, without a body.",
    "schema": {"type": "string", "examples": ['"5-0f3a9c1e5b7d2a4c"']},
}
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "The client's copy is current"}}
WITH_TAG: dict[int | str, dict[str, Any]] = {200: {"headers": {"ETag": {"$ref": "#/components/headers/ETag"}}}}
WITH_BODY = (EdgeCode.MALFORMED_JSON, EdgeCode.PAYLOAD_TOO_LARGE, EdgeCode.UNSUPPORTED_MEDIA_TYPE)


class MaxBody:
    """A dependency that declares how many bytes the body of an operation may have, where it is not the usual limit."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes

    async def __call__(self) -> None:
        """Do nothing: `gateway.entry.transfers` enforces it, from before the route is called."""


class Guard(SecurityBase):
    """A dependency that allows only some clients to call an operation."""

    async def __call__(self, request: Request) -> Any:
        """Return the client, which the route class has admitted."""
        return request.scope[ADMITTED]

    @abstractmethod
    def admit(self, request: Request) -> Any:
        """Return the client of a request, of which nothing but the headers was read.

        Raises:
            Problem: the client may not call the operation.
            Unavailable: the credentials cannot be verified at the moment.
        """

    @abstractmethod
    def problems(self) -> Iterator[EdgeCode]:
        """Return why it can refuse requests."""


class ApiRoute(APIRoute):
    """An operation of the API. Its declaration names only the problems of its domain.

    Those of authentication, of the caller's role, of the body and of its validation are derived from its dependencies,
    its methods and its parameters.
    """

    max_body_bytes: int | None = None
    """The limit of bodies that the operation declares; None for the usual one."""
    checks_parameters = True
    """Whether query parameters that the operation does not declare are refused: below `API_PREFIX`."""

    def __init__(self, *args: Any, **declared: Any) -> None:
        super().__init__(*args, **declared)
        responses = _merged(documented(*self._problems()), self.responses)
        if self.has_tag:
            responses |= NOT_MODIFIED
        if "PATCH" in (self.methods or ()):
            responses = _merged(responses, WITH_TAG)
        extra = self.openapi_extra or {}
        self.openapi_extra = extra | {"parameters": [*extra.get("parameters", ()), *self._headers()]}
        self.responses = dict(sorted(responses.items(), key=lambda response: int(response[0])))
        for dependency in self.dependant.dependencies:
            if isinstance(dependency.call, MaxBody):
                self.max_body_bytes = dependency.call.max_bytes

    @property
    def takes_key(self) -> bool:
        """Whether the operation takes an Idempotency-Key: all that change something, for a user or for an account."""
        keyed = (self.methods or set[str]()) & KEYED_METHODS
        return bool(keyed) and (bool(self.guards) or self.path.startswith(ACCOUNT_PREFIX))

    def get_route_handler(self) -> Handler:
        """Return the handler of the framework, after what precedes the parameters of the operation.

        A client that may not call the operation learns nothing of what is wrong with its request, and its body is not
        read, unless the request has an `Idempotency-Key`. Then the body is checked, and last what the client expects of
        the resource.
        """
        handle = self._with_parameters(super().get_route_handler())
        if unrecorded := declared(self.dependant.dependencies):
            handle = reporting(handle, unrecorded)

        async def admitted(request: Request) -> Response:
            for guard in self.guards:
                request.scope[ADMITTED] = guard.admit(request)
            request = await self.checked(request)
            if self.has_tag:
                return await self._read(handle, request)
            with tracking(self._expected(request)) as versions:
                response = await handle(request)
            if versions.read is not None and response.status_code == HTTPStatus.OK:
                response.headers["etag"] = tag_of(request.scope["path"], bytes(response.body), versions.read)
            return response

        return admitted

    @cached_property
    def guards(self) -> Sequence[Guard]:
        """The dependencies that decide who may call the operation."""
        return [each.call for each in self.dependant.dependencies if isinstance(each.call, Guard)]

    async def checked(self, request: Request) -> Request:
        """Return a request whose body was checked, if the operation has one."""
        return request

    @cached_property
    def _parameter_types(self) -> dict[str, Any]:
        return parameter_types(self.dependant)

    def _with_parameters(self, handle: Handler) -> Handler:
        # Not as a dependency, which the framework would resolve for every request.
        async def checked(request: Request) -> Response:
            if request.query_params:
                check_parameters(request, self._parameter_types)
            return await handle(request)

        return checked if self.checks_parameters and self.path.startswith(API_PREFIX) else handle

    @property
    def is_conditional(self) -> bool:
        """Whether the operation takes `If-Match`."""
        return bool((self.methods or set[str]()) & CONDITIONAL_METHODS)

    def _expected(self, request: Request) -> Versions:
        wanted = request.method == "PATCH"
        if not self.is_conditional or not {"if-match", "if-none-match"} & {*request.headers.keys()}:
            return Versions(wanted=wanted)
        if self.path_format in _paths_of(request.app, _is_download):
            return Versions(file=file_precondition(request.headers))
        return Versions(expected_versions(request.headers, request.scope["path"]), wanted=wanted)

    async def _read(self, handle: Handler, request: Request) -> Response:
        with tracking(Versions(wanted=self.path_format in _paths_of(request.app, _is_change))) as versions:
            response = await handle(request)
        is_stream = isinstance(response, StreamingResponse)  # of which there is no body yet
        if response.status_code != HTTPStatus.OK or is_stream or "etag" in response.headers:
            return response
        is_list = getattr(self.response_model, "is_list", False)
        tag = response.headers["etag"] = tag_of(
            request.scope["path"], bytes(response.body), versions.read, weak=is_list
        )
        return not_modified(response) if is_current(request.headers, tag) else response

    @property
    def has_tag(self) -> bool:
        """Whether responses have an entity tag that this class adds: those of JSON."""
        return "GET" in (self.methods or set[str]()) and self.response_model is not None

    def _headers(self) -> Iterator[dict[str, Any]]:
        """Return the parameters of the operation that are headers."""
        if self.takes_key:
            yield IDEMPOTENCY_KEY
        if self.is_conditional:
            yield IF_MATCH
        if self.has_tag:
            yield IF_NONE_MATCH

    def _problems(self) -> Iterator[Code | EdgeCode]:
        yield from ANY_REQUEST
        if self.takes_key:
            yield from REPEATABLE
        if self.is_conditional:
            yield Code.PRECONDITION_FAILED
        if self.body_field:
            yield from WITH_BODY
        for guard in self.guards:
            yield from guard.problems()


@lru_cache(maxsize=4)
def _paths_of(app: FastAPI, kind: Callable[[ApiRoute], bool]) -> frozenset[str]:
    """Return the paths of all operations of a kind."""
    routes = [context.original_route for context in iter_route_contexts(app.routes)]
    return frozenset(each.path_format for each in routes if isinstance(each, ApiRoute) and kind(each))


def _is_change(route: ApiRoute) -> bool:
    return route.is_conditional


def _is_download(route: ApiRoute) -> bool:
    return "GET" in (route.methods or ()) and not route.has_tag


def _merged(one: dict[Any, Any], other: dict[Any, Any]) -> dict[Any, Any]:
    """Return the entries of both; where both have a dictionary under a key, the entries of both again."""
    shared: dict[Any, Any] = {
        key: _merged(one[key], other[key]) for key in one.keys() & other if isinstance(one[key], dict)
    }
    return one | other | shared
