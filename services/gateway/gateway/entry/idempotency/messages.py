"""Messages with a key, from WebSockets and MCP clients: a repetition continues what the first one began."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from gateway import ids
from gateway.clients.auth.token import Token
from gateway.entry.idempotency.attempts import begin_open
from gateway.entry.idempotency.keys import KeyedRequest
from gateway.entry.idempotency.records import Records


@asynccontextmanager
async def continuing(records: Records, token: Token, name: str, key: object, content: object) -> AsyncGenerator[None]:
    """Carry out a message in the block: its ids derive from its user, its name and its key, unless the key is None.

    Services recognise the commands of an earlier attempt, and return their outcome. So no reply is stored, and several
    attempts may run at the same time.

    Raises:
        Problem: the key is not valid, was used for another content, or its user has too many records.
        Unavailable: the bus does not answer.
    """
    if key is None:
        yield
        return
    request = KeyedRequest.of_message(token, name, key)
    attempt = await begin_open(records, request, request.digest_of(content))
    derived = ids.DerivedIds(request.id, attempt.began)
    try:
        with ids.deriving(derived):
            yield
    finally:
        if not derived.commands:
            await attempt.free()
