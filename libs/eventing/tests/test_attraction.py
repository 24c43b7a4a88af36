"""A reaction that makes other work of its aggregate cheap here has it offered to this replica."""

from typing import Any, cast
from unittest.mock import AsyncMock

from eventing.handling.routing import Router
from eventing.reactions.reaction import Reaction
from eventing.recording import Recorded
from eventing.testing.messages import JAR, JarOpened
from runtime.bus.envelope import Envelope
from runtime.clock import now

EVENT = Recorded[Any](JAR, 3, now(), JarOpened.example(), Envelope.begin(), JAR)


async def test_work_of_the_aggregate_is_offered_to_this_replica_from_then_on() -> None:
    offers = AsyncMock()
    reaction = Reaction(None, cast(Router[None], None), EVENT, "fill", {"count": offers})
    await reaction.attract("count")
    await reaction.attract("unknown")
    offers.subscribe.assert_awaited_once_with(JAR)
