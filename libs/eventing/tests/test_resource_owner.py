"""The owner of a resource that is denied or changed reaches the gateway, and no client."""

from typing import Any, cast
from uuid import UUID

import pytest
from contracts.messages import Actor
from contracts.refusals import Code, Refusal, not_found
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.handling.dispatch import Dispatcher
from eventing.handling.subscribers import serving
from eventing.store.memory import MemoryStore
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, AddMarble, GetJar, JarOpened, JarView
from runtime.bus import Bus, Client
from runtime.bus.envelope import Envelope

ENVELOPE, OWNER, ACTOR = Envelope.begin(), UUID(int=9), Actor(user_id=UUID(int=8), role="admin")


async def test_the_owner_is_in_a_header_and_not_in_the_body(nats_url: str, client: Client) -> None:
    queries = Handlers()
    no_database: Any = None

    async def get_jar(query: GetJar, _: QueryContext[None]) -> JarView:
        raise not_found(Code.SESSION_NOT_FOUND, query.jar_id, owner=OWNER)

    queries(get_jar)
    async with serving(nats_url, "jar", Dispatcher(MemoryStore({}), no_database, None, Handlers(), queries)):
        with pytest.raises(Refusal) as refusal:
            await Bus(client, timeout=60).ask(GetJar.example(), ENVELOPE)
        headers: dict[str, Any] = ENVELOPE.headers()
        body = GetJar.example().model_dump_json().encode()
        answer = await client.request(GetJar.subject, body, timeout=60, headers=headers)
    assert refusal.value.owner == OWNER
    assert str(OWNER).encode() not in answer.data


async def test_the_owner_of_what_a_command_changes_is_in_a_header(nats_url: str, client: Client) -> None:
    store, no_database = MemoryStore(Jar.events), cast(Any, None)
    jar = Jar(JAR)
    jar.record(JarOpened.example())
    await store.save((jar,), ENVELOPE)
    async with serving(nats_url, "jar", Dispatcher(store, no_database, None, adding, Handlers())):
        answer = await Bus(client, timeout=60).request(AddMarble.example(), Envelope.begin(actor=ACTOR))
        headers: dict[str, Any] = Envelope.begin(actor=ACTOR).headers()
        body = AddMarble.example().model_dump_json().encode()
        raw = await client.request(AddMarble.subject, body, timeout=60, headers=headers)
    assert (answer.result, answer.owner) == (1, JAR)
    assert str(JAR).encode() not in raw.data


adding = Handlers()


@adding
async def add_marble(command: AddMarble, work: UnitOfWork[None]) -> int:
    async with work.change(Jar, command.jar_id) as jar:
        jar.add(command.colour)
    return len(jar.colours)
