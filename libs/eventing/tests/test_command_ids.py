"""The id of a command to another service is derived from its cause, so that a repetition has the same id."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from contracts.messages import Command
from eventing.handling.routing import Router
from eventing.reactions.reaction import Reaction
from eventing.recording import Recorded
from eventing.testing.messages import JAR, AddMarble, JarOpened, MarbleAdded, OpenJar
from runtime.bus import Client
from runtime.bus.envelope import Envelope
from runtime.clock import now

ADD = AddMarble.example()
EVENT = Recorded[Any](JAR, 3, now(), JarOpened.example(), Envelope.begin(), JAR)


class RecordingRouter(Router[None]):
    """Sends nothing; records the ids of the commands."""

    def __init__(self, service: str) -> None:
        super().__init__(service, cast(Any, None), cast(Client, None))
        self.ids: list[UUID] = []

    async def send(self, command: Command[Any], envelope: Envelope) -> Any:
        self.ids.append(envelope.message_id)


async def ids(
    *commands: Command[Any], event: Recorded[Any] = EVENT, reaction: str = "fill", service: str = "shelf"
) -> list[UUID]:
    router = RecordingRouter(service)
    reaction_context = Reaction(None, router, event, reaction)
    for command in commands:
        await reaction_context.send(command)
    return router.ids


async def test_a_repeated_reaction_to_an_event_sends_the_same_id() -> None:
    redelivered = replace(EVENT, envelope=Envelope.begin())
    assert await ids(ADD) == await ids(ADD, event=redelivered)


@pytest.mark.parametrize(
    "difference",
    [
        {"id": UUID(int=1)},
        {"version": 4},
        {"at": EVENT.at + timedelta(microseconds=1)},
        {"event": MarbleAdded.example()},
    ],
    ids=lambda difference: next(iter(difference)),
)
async def test_another_event_leads_to_another_id(difference: dict[str, Any]) -> None:
    assert await ids(ADD) != await ids(ADD, event=replace(EVENT, **difference))


async def test_another_reaction_or_service_leads_to_another_id() -> None:
    sent = [await ids(ADD), await ids(ADD, reaction="empty"), await ids(ADD, service="cupboard")]
    assert len({one for [one] in sent}) == 3


async def test_ids_do_not_depend_on_the_order_of_the_commands() -> None:
    commands = [ADD, ADD, OpenJar.example(), AddMarble(jar_id=JAR, colour="red")]
    first, second = await ids(*commands), await ids(*reversed(commands))
    assert len({*first}) == 4
    assert {*first} == {*second}


async def test_each_command_to_the_own_service_has_a_new_id() -> None:
    assert await ids(ADD, service="jar") != await ids(ADD, service="jar")
