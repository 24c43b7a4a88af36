"""A connection to the bus: whose it is, what it may not do, and what nats-py gets wrong."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from fnmatch import fnmatchcase
from secrets import token_urlsafe
from typing import Any, cast

import nats.aio.client
import nats.errors
from contracts.wire import INBOX
from nats.aio.client import DEFAULT_BUFFER_SIZE, Srv
from nats.aio.msg import Msg
from prometheus_client import Counter

from runtime.bus.transport import TcpTransport
from runtime.logging import get_logger
from runtime.metrics import metrics_of

log = get_logger()

NO_RESPONDERS = "503"
MAX_BYTES_PER_CHARACTER, LINE = 4, 8
"""What a character of a header takes at most in UTF-8, and a line besides its name and value."""
VIOLATION = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"', re.IGNORECASE)

refused = Counter(
    "bus_refused", "Messages and subscriptions that the bus did not permit", ["kind"], registry=metrics_of("runtime")
)

STREAM_HEADER = "Nats-Stream"
"""The header of a message that the server has read from a stream."""

type OnError = Callable[[Exception], Awaitable[None]]


class NotPermitted(nats.errors.Error):
    """The user of this connection may not send this message, so nothing was done."""


def is_sent(message: Msg, subject: str) -> bool:
    """Return whether a message on a subject, which may have wildcards, was sent there by somebody who may.

    A reader of a stream can have the server deliver its messages anywhere, with content that the reader has stored.
    """
    return fnmatchcase(message.subject, subject) and STREAM_HEADER not in (message.headers or {})


class Client(nats.aio.client.Client):
    """A connection to the bus.

    Replies arrive at `_INBOX.<name>.<connection>.<service that replies>.<request>`: a service can subscribe to its own
    ones only, and send only those that are its own. What the server does not permit is logged and counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self._requests = dict[str, tuple[str, asyncio.Future[Msg]]]()
        """The subject and the reply of each request in progress, by the subject that it awaits its reply at."""
        self._replies, self._replies_id = "", 0
        self._on_error: OnError | None = None

    async def connect(self, *servers: Any, **options: Any) -> None:
        """Connect as the service `name`. The arguments are those of nats-py."""
        self._on_error = options.get("error_cb")
        options |= {"inbox_prefix": f"{INBOX}.{options['name']}", "error_cb": self._report}
        await super().connect(*servers, **options)

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109  overrides the method of nats-py
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """Send a request, and return its reply.

        Raises:
            NotPermitted: this user may not send it.
            NoRespondersError: nobody has subscribed to the subject.
            TimeoutError: there was no reply within `timeout` seconds.
        """
        if not self._replies:
            self._replies = self.new_inbox()
            subscription = await cast(Any, self).subscribe(f"{self._replies}.*.*", cb=self._receive)  # it lacks types
            self._replies_id = subscription._id  # noqa: SLF001
        service = subject.split(".", 2)[1] if "." in subject else subject
        inbox, reply = f"{self._replies}.{service}.{token_urlsafe(12)}", asyncio.get_running_loop().create_future()
        self._requests[inbox] = subject, reply
        try:
            await self.publish(subject, payload, reply=inbox, headers=headers)
            async with asyncio.timeout(timeout):
                message = await reply
        except TimeoutError:
            raise nats.errors.TimeoutError from None
        finally:
            del self._requests[inbox]
        if message.headers and message.headers.get("Status") == NO_RESPONDERS:
            raise nats.errors.NoRespondersError
        return message

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        # Each reply would wait in a queue for a task whose only work is to find out whose it is.
        if sid == self._replies_id and sid in self._subs:
            self.stats["in_msgs"] += 1
            self.stats["in_bytes"] += len(data)
            read = await cast(Any, self)._process_headers(headers)  # noqa: SLF001
            await self._receive(self._build_message(sid, subject, reply, data, read))
        else:
            await super()._process_msg(sid, subject, reply, data, headers)

    async def _receive(self, message: Msg) -> None:
        _, reply = self._requests.get(message.subject, ("", None))
        if reply and not reply.done():
            reply.set_result(message)

    async def _report(self, error: Exception) -> None:
        if violation := VIOLATION.search(str(error)):
            kind, subject = violation[1].lower(), violation[2]
            log.error("the bus does not permit it", kind=kind, subject=subject)
            refused.labels(kind).inc()
            self._refuse(kind, subject)
        elif self._on_error:
            await self._on_error(error)

    def _refuse(self, kind: str, subject: str) -> None:
        # nats-py changes the subject to lower case.
        is_inbox = kind == "subscription" and subject.startswith(self._replies.lower())
        for sent, reply in self._requests.values():
            if (is_inbox or sent.lower() == subject) and not reply.done():
                reply.set_exception(NotPermitted(f"{sent}: the user of this connection has no permission"))

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Publish a message.

        Raises:
            MaxPayloadError: the message, headers included, exceeds the server's limit.
        """
        # The server counts the headers too, nats-py does not: the server would close the connection for good.
        if headers and len(payload) + _most_bytes(headers) > self.max_payload:
            lines = ["NATS/1.0", *(f"{name}: {value}" for name, value in headers.items()), ""]
            if len(payload) + sum(len(line.encode()) + 2 for line in lines) > self.max_payload:
                raise nats.errors.MaxPayloadError
        await super().publish(subject, payload, reply, headers)

    async def flush(self, timeout: int = 10) -> None:  # noqa: ASYNC109  overrides the method of nats-py
        """Return when the server has processed all earlier commands, such as subscriptions.

        Raises:
            FlushTimeoutError: the server did not answer one of two pings within `timeout` seconds.
            ConnectionClosedError: the connection is closed.
        """
        # nats-py writes its ping at once, ahead of the commands that wait in its buffer. They are written before the
        # answer arrives, so a second ping follows them.
        await super().flush(timeout)
        await super().flush(timeout)

    async def _connect_to_server(self, s: Srv) -> None:
        if self._transport is not None:
            # That of an attempt that failed after it was connected, which nats-py would leave open.
            self._transport.close()
        if s.uri.scheme in ("ws", "wss"):
            await super()._connect_to_server(s)
        else:
            s.last_attempt = time.monotonic()
            self._transport = TcpTransport()
            await self._transport.connect(s.uri, DEFAULT_BUFFER_SIZE, self.options["connect_timeout"])

    async def _process_pong(self) -> None:
        # The answer may be that of a flush that has timed out or was cancelled: nats-py would fail to set its result,
        # and read nothing more until it notices after 15 s that the connection is stale.
        pings = cast(list[asyncio.Future[bool]], self._pongs)  # pyright: ignore[reportUnknownMemberType]
        if pings and pings[0].done():
            pings[0] = asyncio.Future()
        await super()._process_pong()


def _most_bytes(headers: Mapping[str, str]) -> int:
    """Return how many bytes headers have at most, without encoding them."""
    characters = sum(map(len, headers)) + sum(map(len, headers.values()))
    return MAX_BYTES_PER_CHARACTER * (characters + LINE * (len(headers) + 2))
