"""Sends one signed request, and reads the beginning of the answer. Signatures are those of Standard Webhooks."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import cast

import httpx2
from contracts.webhook.values import Attempt
from runtime import clock
from runtime.http.addresses import AddressNotAllowed, AddressRules, HostNotFound
from runtime.http.guarded_client import CONNECT_SECONDS, GuardedTransport
from standardwebhooks import Webhook

MAX_ANSWER_BYTES = 4096
"""What is read of an answer; if there is more, the connection is closed."""
SHOWN_BYTES = 512
"""What the history shows of it."""
ACCEPTED, REDIRECTED = range(200, 300), range(300, 400)


class ReceiverTransport(GuardedTransport):
    """Connections to receivers, whose answers may have any length, since only their beginning is read."""

    def bounded(self, response: httpx2.Response) -> httpx2.AsyncByteStream:
        """Return the body of a response as it is."""
        return response.stream  # pyright: ignore[reportReturnType]  of an asynchronous transport


class Sender:
    """Sends requests; each may take some `seconds` altogether.

    It uses the transport alone: to a client's work for redirects, cookies and authentication would go a fifth of the
    processor time.
    """

    def __init__(self, transport: ReceiverTransport, seconds: float) -> None:
        self.transport, self.seconds = transport, seconds

    @classmethod
    @asynccontextmanager
    async def open(cls, rules: AddressRules, seconds: float, connections: int) -> "AsyncGenerator[Sender]":
        """Open a sender that connects to permitted addresses only."""
        async with ReceiverTransport(rules, MAX_ANSWER_BYTES, max_connections=connections) as transport:
            yield cls(transport, seconds)

    async def send(self, url: str, secrets: Sequence[str], webhook_id: str, body: str) -> Attempt:
        """Send a request, and return its outcome."""
        at, started = clock.now(), time.monotonic()
        status, answer, error = None, b"", None
        try:
            async with asyncio.timeout(self.seconds):
                status, answer = await self._post(url, _headers(secrets, webhook_id, at, body), body)
        except TimeoutError:
            error = f"The receiver did not answer within {self.seconds:g} s."
        except (AddressNotAllowed, HostNotFound) as reason:
            error = str(reason)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as reason:
            text = f"The request failed: {reason or type(reason).__name__}"[:SHOWN_BYTES]
            error = text.encode(errors="replace").decode()  # it may quote bytes of the receiver, and has to be stored
        return Attempt(
            at=at,
            status_code=status,
            latency_ms=(time.monotonic() - started) * 1000,
            error=error or _problem(status),
            answer=answer[:SHOWN_BYTES].decode(errors="replace"),
        )

    async def _post(self, url: str, headers: dict[str, str], body: str) -> tuple[int, bytes]:
        answer, request = b"", httpx2.Request("POST", _parsed(url), content=body.encode(), headers=headers)
        request.extensions["timeout"] = {"connect": CONNECT_SECONDS}
        response = await self.transport.handle_async_request(request)
        async with aclosing(response):
            async for chunk in cast(httpx2.AsyncByteStream, response.stream):
                answer += chunk
                if len(answer) >= MAX_ANSWER_BYTES:
                    break
        return response.status_code, answer


def _headers(secrets: Sequence[str], webhook_id: str, at: datetime, body: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "AI-Agent-API",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(webhook_id, at, body) for secret in secrets),
    }


@lru_cache(1000)
def _parsed(url: str) -> httpx2.URL:
    return httpx2.URL(url)


def _problem(status: int | None) -> str | None:
    if status in ACCEPTED:
        return None
    hint = " Redirects are not followed." if status in REDIRECTED else ""
    return f"The receiver answered {status}.{hint}"
