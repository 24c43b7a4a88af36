"""The id that a command to another service has: the same for the same reason, and else another."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from contracts.messages import Command
from eventing.reaction import Reaction
from eventing.recording import Recorded
from eventing.routing import Router
from eventing.testing.messages import JAR, AddMarble, JarOpened, MarbleAdded, OpenJar
from runtime.bus import Client
from runtime.clock import now
from runtime.envelope import Envelope

ADD = AddMarble.example()
EVENT = Recorded[Any](JAR, 3, now(), JarOpened.example(), Envelope.begin(), JAR)


class Noting(Router[None]):
    """Sends nothing, and notes with which ids it was to be sent."""

    def __init__(self, service: str) -> None:
        super().__init__(service, cast(Any, None), cast(Client, None))
        self.ids: list[UUID] = []

    async def send(self, command: Command[Any], envelope: Envelope) -> Any:
        self.ids.append(envelope.message_id)


async def ids(
    *commands: Command[Any], event: Recorded[Any] = EVENT, reaction: str = "fill", service: str = "shelf"
) -> list[UUID]:
    router = Noting(service)
    reacting = Reaction(None, router, event, reaction)
    for command in commands:
        await reacting.send(command)
    return router.ids


async def test_the_same_reaction_to_the_same_event_sends_the_same_id() -> None:
    redelivered = replace(EVENT, envelope=Envelope.begin())
    assert await ids(ADD) == await ids(ADD, event=redelivered)


@pytest.mark.parametrize(
    "another",
    [
        {"id": UUID(int=1)},
        {"version": 4},
        {"at": EVENT.at + timedelta(microseconds=1)},
        {"event": MarbleAdded.example()},
    ],
    ids=lambda another: next(iter(another)),
)
async def test_another_event_sends_another_id(another: dict[str, Any]) -> None:
    assert await ids(ADD) != await ids(ADD, event=replace(EVENT, **another))


async def test_another_reaction_or_service_sends_another_id() -> None:
    sent = [await ids(ADD), await ids(ADD, reaction="mend"), await ids(ADD, service="cupboard")]
    assert len({one for [one] in sent}) == 3


async def test_the_order_in_which_commands_are_sent_does_not_matter() -> None:
    commands = [ADD, ADD, OpenJar.example(), AddMarble(jar_id=JAR, colour="red")]
    first, second = await ids(*commands), await ids(*reversed(commands))
    assert len({*first}) == 4
    assert {*first} == {*second}


async def test_commands_within_the_service_have_new_ids() -> None:
    assert await ids(ADD, service="jar") != await ids(ADD, service="jar")
