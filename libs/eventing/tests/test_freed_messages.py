"""Messages that were answered are freed at once: parts of files are large, and the garbage collector counts objects."""

import gc
from collections.abc import Generator

import pytest
from eventing.testing import eventually
from nats.aio.msg import Msg
from runtime.bus import Bus
from runtime.bus.envelope import Envelope

from libs.eventing.tests.test_subscribers import Spell
from libs.eventing.tests.test_subscribers import bed as bed
from libs.eventing.tests.test_subscribers import bus as bus
from libs.eventing.tests.test_subscribers import dispatcher as dispatcher
from libs.eventing.tests.test_subscribers import serving as serving


@pytest.fixture
def uncollected() -> Generator[None]:
    """Free nothing that refers to itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("serving", "uncollected")
async def test_messages_are_freed_when_they_are_answered(bus: Bus) -> None:
    for _ in range(5):
        await bus.ask(Spell(password="secret"), Envelope.begin())
    await eventually(lambda: _spells_in_memory() == 1)  # the subscription keeps the last one


def _spells_in_memory() -> int:
    return sum(isinstance(each, Msg) and each.subject == Spell.subject for each in gc.get_objects())
