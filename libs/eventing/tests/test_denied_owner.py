"""The owner of a denied resource reaches the gateway, and no client."""

from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal, not_found
from eventing.dispatch import Dispatcher
from eventing.handling import Handlers, QueryContext
from eventing.memory import MemoryStore
from eventing.subscribers import serving
from eventing.testing.messages import GetJar, JarView
from runtime.bus import Bus, Client
from runtime.envelope import Envelope

ENVELOPE, OWNER = Envelope.begin(), UUID(int=9)


async def test_the_owner_is_in_a_header_and_not_in_the_body(nats_url: str, client: Client) -> None:
    queries = Handlers()
    no_database: Any = None

    async def get_jar(query: GetJar, _: QueryContext[None]) -> JarView:
        raise not_found(Code.SESSION_NOT_FOUND, query.jar_id, owner=OWNER)

    queries(get_jar)
    async with serving(nats_url, "jar", Dispatcher(MemoryStore({}), no_database, None, Handlers(), queries)):
        with pytest.raises(Refusal) as refusal:
            await Bus(client).ask(GetJar.example(), ENVELOPE)
        headers: dict[str, Any] = ENVELOPE.headers()
        body = GetJar.example().model_dump_json().encode()
        answer = await client.request(GetJar.subject, body, timeout=60, headers=headers)
    assert refusal.value.owner == OWNER
    assert str(OWNER).encode() not in answer.data
