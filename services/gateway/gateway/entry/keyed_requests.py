"""The layer around routes that makes requests with an Idempotency-Key safe to repeat."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from contracts.refusals import Code
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import ids
from gateway.clients.auth.token import ACTS_FOR_ACCOUNT
from gateway.entry.idempotency.attempts import Attempt, begin
from gateway.entry.idempotency.bodies import Body, Spools
from gateway.entry.idempotency.keys import KeyedRequest
from gateway.entry.idempotency.responses import MAX_RESPONSE_BYTES, StoredResponse
from gateway.entry.parts import Parts
from gateway.problems import Problem

REPLAYED = "Idempotent-Replayed"
PASSING = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses below 500 that a repetition may not get."""


class Idempotency:
    """Middleware within `Throttling`, which has authenticated the client."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self.app, self.records, self.spools = app, parts.records, Spools()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; carry out one that has a key, replay the response to it, or continue it.

        Raises:
            Problem: the key is not valid, was used for another request, or its request is running; or too many large
                bodies are being read.
            Unavailable: the bus does not answer.
        """
        request = KeyedRequest.of(scope)
        if request is None:
            await self.app(scope, receive, send)
            return
        async with Body.read(receive, self.spools, request.user) as body:
            digest = await asyncio.to_thread(request.digest, scope, body.chunks())
            begun = await begin(self.records, request, digest)
            if isinstance(begun, StoredResponse):
                scope["route"] = _Route(begun.route)
                await _replay(begun)(scope, receive, send)
            else:
                await _Execution(begun, scope, send).run(self.app, body)


@dataclass(frozen=True)
class _Route:
    """The route of a replayed request, for logs and metrics."""

    path_format: str


class _Execution:
    """A request that is carried out. Its response is held back until it is complete, unless it is a stream.

    The client does not wait until it is stored: if it is lost, a repetition is carried out again, with the same ids.
    Only a response with a secret is stored before, because no service could return it again.
    """

    def __init__(self, attempt: Attempt, scope: Scope, send: Send) -> None:
        self.attempt, self.scope, self._send = attempt, scope, send
        self.ids = attempt.ids
        self.held, self.size = list[Message](), 0
        self.passed_on = False

    async def run(self, app: ASGIApp, body: Body) -> None:
        error: Exception | None = None
        async with asyncio.TaskGroup() as self.tasks:
            renewal = self.tasks.create_task(self.attempt.stay_alive())
            try:
                with ids.deriving(self.ids):
                    await app(self.scope, body.receive, self.send)
            except Exception as raised:  # noqa: BLE001  not in the group, which would wrap it
                error = raised
            finally:
                renewal.cancel()
        if error is not None:
            await (self.attempt.open() if self._has_begun else self.attempt.free())
            raise error

    @property
    def _has_begun(self) -> bool:
        return self.ids is not None and self.ids.commands > 0

    async def send(self, message: Message) -> None:
        """Hold back a message of the response; pass on all of them if it is complete, large, or a stream."""
        if self.passed_on:
            await self._send(message)
            return
        self.held.append(message)
        self.size += len(message.get("body", b""))
        complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        if complete or self.size > MAX_RESPONSE_BYTES or self._is_stream():
            await self._store(complete=complete)
            self.passed_on = True
            for each in self.held:
                await self._send(each)
            self.held.clear()

    async def _store(self, *, complete: bool) -> None:
        status: int = self.held[0]["status"]
        if status >= HTTPStatus.BAD_REQUEST and not self._has_begun:
            await self.attempt.free()
        elif complete and self._is_final(status):
            await self._answer(secret=self._is_secret)
        else:
            await self.attempt.open()

    async def _answer(self, *, secret: bool) -> None:
        answer = self.attempt.answer(self._response(), secret=secret)
        if secret:
            await answer
        else:
            self.tasks.create_task(answer)
            await asyncio.sleep(0)  # it is on its way to the bus before the client can send the request again

    def _is_stream(self) -> bool:
        return self._headers().get("content-type", "").startswith("text/event-stream")

    def _is_final(self, status: int) -> bool:
        if self.size > MAX_RESPONSE_BYTES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        # New tokens of a login or a refresh: an earlier refresh token would count as stolen if it was sent again.
        is_login = self._is_secret and not self.scope.get(ACTS_FOR_ACCOUNT)
        return not is_login and not self._is_passing(status)

    @property
    def _is_secret(self) -> bool:
        return "no-store" in self._headers().get("cache-control", "")

    def _is_passing(self, status: int) -> bool:
        """Return whether a repetition may get another response below 500."""
        problem: Problem | None = self.scope.get("problem")
        return status in PASSING or (problem is not None and problem.code is Code.QUOTA_EXCEEDED)

    def _response(self) -> StoredResponse:
        return StoredResponse(
            status=self.held[0]["status"],
            headers=[(name, value) for name, value in self._headers().items()],
            body=b"".join(message.get("body", b"") for message in self.held),
            variant=self.attempt.request.variant,
            route=getattr(self.scope.get("route"), "path_format", ""),
        )

    def _headers(self) -> Headers:
        return Headers(raw=self.held[0]["headers"])


def _replay(stored: StoredResponse) -> Response:
    response = Response(stored.body, stored.status)
    pairs = [*stored.headers, (REPLAYED.lower(), "true")]
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    return response
