"""Local reactions without a bus."""

from typing import Any
from unittest.mock import AsyncMock

import pytest
from eventing.bus import wire
from eventing.reactions import Reaction, Reactions
from eventing.reactions import local as local_module
from eventing.reactions.local import LocalReactions
from eventing.reactions.registration import React
from eventing.recording import Recorded
from eventing.testing import background, eventually
from eventing.testing.messages import JAR, JarOpened, MarbleAdded
from runtime.bus.envelope import Envelope
from runtime.clock import now

reactions = Reactions()


def is_early(recorded: Recorded[Any], number: int) -> bool:
    return recorded.version < number


@reactions.local("label", when=is_early)
async def label(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...


def stored(version: int, event: JarOpened | MarbleAdded) -> Recorded[Any]:
    return Recorded(JAR, version, now(), event, Envelope.begin(), JAR)


async def test_events_beyond_the_limit_are_not_reacted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_module, "MAX_WAITING", 2)
    act = AsyncMock()
    local = LocalReactions(reactions.delivered("local"), 9, act)
    local.take([stored(number, JarOpened.example()) for number in range(5)])
    async with background(local.run()):
        await eventually(lambda: act.await_count == 2)
        local.take([stored(5, JarOpened.example())])
        await eventually(lambda: act.await_count == 3)


async def test_local_reactions_go_on_after_one_has_failed() -> None:
    tried = list[Recorded[Any]]()

    async def act(name: str, react: React, recorded: Recorded[Any]) -> None:
        tried.append(recorded)
        raise LookupError(name)

    local, opened = LocalReactions(reactions.delivered("local"), 4, act), JarOpened.example()
    events = [stored(1, opened), stored(2, MarbleAdded.example()), stored(3, opened), stored(4, opened)]
    async with background(local.run()):
        local.take(events)
        await eventually(lambda: len(tried) == 2)
    assert tried == [wire.as_published(events[0]), wire.as_published(events[2])]
