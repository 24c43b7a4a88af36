"""The limit of a user's open streams over all gateways, and what remains of it while the bus does not answer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from unittest.mock import AsyncMock
from uuid import UUID

import pytest
from contracts.messages import Actor
from gateway.clients.rates.stream_limits import StreamLimits
from gateway.problems import Problem
from gateway.settings import Settings
from gateway.streams import open_streams
from gateway.streams.open_streams import OpenStreams
from nats.js.api import StreamConfig
from onebox.nats import EmbeddedNats
from runtime.bus import Client, connected, holdings
from runtime.bus.holdings import Holdings, Taken
from runtime.bus.jetstream import jetstream
from runtime.forever import forever
from runtime.metrics import metrics_of
from runtime.settings import InvalidSettings, load
from runtime.testing import eventually

LIMIT = 20
LIMITS = StreamLimits.parse(f"{LIMIT}, viewer=1")
USER, OTHER = Actor(user_id=UUID(int=1), role="user"), Actor(user_id=UUID(int=2), role="user")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a bus that is slow on a busy machine answer: what it does not check in time is allowed."""
    monkeypatch.setattr(holdings, "TIMEOUT_SECONDS", 10.0)


@pytest.fixture
def quick_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_streams, "RENEW_SECONDS", 0.1)


@pytest.fixture
def rare_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_streams, "RENEW_SECONDS", 600.0)


class Replica:
    """A gateway with its clients."""

    def __init__(self, client: Client, name: str, expiry: float = 60.0) -> None:
        self.counted = OpenStreams(Holdings(client, "OPEN", "open", holder=name, seconds=expiry), LIMITS)
        self.clients = AsyncExitStack()

    async def open(self, user: Actor = USER) -> bool:
        """Open a stream, and return whether it was allowed."""
        try:
            await self.clients.enter_async_context(self.counted.one(user))
        except Problem:
            return False
        return True

    async def taken(self, user: Actor = USER) -> Taken:
        """Return how many streams of a user other gateways have open."""
        return await self.counted.holdings.read(str(user.user_id))

    async def opened(self, number: int, user: Actor = USER) -> int:
        """Open several streams concurrently, and return how many were allowed."""
        return sum(await asyncio.gather(*(self.open(user) for _ in range(number))))


@asynccontextmanager
async def running(url: str, name: str) -> AsyncGenerator[Replica]:
    async with connected(url, name) as client, asyncio.TaskGroup() as tasks:
        replica = Replica(client, name)
        keeping = tasks.create_task(forever("open streams", replica.counted.keep))
        async with replica.clients:
            yield replica
        keeping.cancel()


@pytest.fixture
async def one(nats_url: str) -> AsyncGenerator[Replica]:
    async with running(nats_url, "one") as replica:
        yield replica


@pytest.fixture
async def other(nats_url: str) -> AsyncGenerator[Replica]:
    async with running(nats_url, "other") as replica:
        yield replica


def count_calls(replica: Replica, method: str, monkeypatch: pytest.MonkeyPatch) -> AsyncMock:
    """Count the calls of a method of the holdings of a gateway."""
    calls = AsyncMock(wraps=getattr(replica.counted.holdings, method))
    monkeypatch.setattr(replica.counted.holdings, method, calls)
    return calls


def unchecked() -> float:
    return metrics_of("gateway").get_sample_value("open_streams_unchecked_total") or 0


async def test_two_gateways_allow_exactly_the_limit(one: Replica, other: Replica) -> None:
    assert sum(await asyncio.gather(one.opened(40), other.opened(40))) == LIMIT


async def test_users_are_counted_separately(one: Replica, other: Replica) -> None:
    await one.opened(LIMIT)
    assert await other.opened(LIMIT + 1, OTHER) == LIMIT


async def test_roles_have_limits_of_their_own(one: Replica, other: Replica) -> None:
    viewer = Actor(user_id=USER.user_id, role="viewer")
    assert sum([await one.opened(2, viewer), await other.opened(2, viewer)]) == 1


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("50", {"admin": 50, "user": 50, "viewer": 50}),
        ("10, admin=200", {"admin": 200, "user": 10, "viewer": 10}),
        ("viewer = 5,", {"admin": 50, "user": 50, "viewer": 5}),
    ],
)
def test_the_setting_is_a_limit_with_exceptions_by_role(text: str, limits: dict[str, int]) -> None:
    assert StreamLimits.parse(text).by_role == limits


@pytest.mark.parametrize(
    "text", ["0", "-1", "x", "9" * 5000, "5, 6", "guest=5", "admin=5, admin=6", "admin=", "=5", "٣"]
)
def test_another_setting_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("NATS_URL", "nats://x")
    monkeypatch.setenv("STREAMS_PER_USER", text)
    with pytest.raises(InvalidSettings, match="STREAMS_PER_USER"):
        load(Settings)


async def test_a_stream_that_was_closed_does_not_count_elsewhere(one: Replica, other: Replica) -> None:
    await one.opened(LIMIT)
    assert not await other.open()
    await one.clients.aclose()
    await eventually_opened(other, LIMIT)


@pytest.mark.usefixtures("rare_renewal")
async def test_streams_opened_in_a_row_read_once(one: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_calls(one, "read", monkeypatch)
    assert await one.opened(LIMIT) == LIMIT
    assert read.await_count == 1


@pytest.mark.usefixtures("rare_renewal")
async def test_what_was_opened_elsewhere_meanwhile_counts(one: Replica, other: Replica) -> None:
    await one.opened(2)
    assert await other.opened(LIMIT - 3) == LIMIT - 3
    assert await one.opened(2) == 1


@pytest.mark.usefixtures("rare_renewal")
async def test_what_was_closed_elsewhere_meanwhile_does_not_count(one: Replica, other: Replica) -> None:
    await other.opened(LIMIT - 1)
    await one.opened(1)
    await other.clients.aclose()

    async def is_closed() -> bool:
        return (await one.taken()).by_others == 0

    await eventually(is_closed)
    assert await one.open()


@pytest.mark.usefixtures("rare_renewal")
async def test_nothing_is_known_of_users_who_closed_their_streams(
    one: Replica, other: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    await one.opened(1)
    await one.clients.aclose()
    await one.counted.record()

    async def is_closed() -> bool:
        return (await other.taken()).by_others == 0

    await eventually(is_closed)
    read, take = count_calls(one, "read", monkeypatch), count_calls(one, "take", monkeypatch)
    await one.opened(1)
    assert (read.await_count, take.await_count) == (1, 1), "not one that the bus refuses"


@pytest.mark.usefixtures("quick_renewal")
async def test_open_streams_are_renewed(one: Replica, other: Replica) -> None:
    await one.opened(LIMIT)
    before = (await other.taken()).revision

    async def is_renewed() -> bool:
        return (await other.taken()).revision > before

    await eventually(is_renewed)
    assert (await other.taken()).by_others == LIMIT


async def test_the_streams_of_a_killed_gateway_expire(one: Replica, nats_url: str) -> None:
    async with connected(nats_url, "killed") as client:
        assert await Replica(client, "killed", expiry=5.0).opened(LIMIT) == LIMIT
        assert not await one.open()
    await eventually_opened(one, LIMIT)


@pytest.mark.usefixtures("quick_renewal")
async def test_streams_are_recorded_again_on_a_bus_that_lost_them(one: Replica, other: Replica) -> None:
    await one.opened(LIMIT)
    await jetstream(other.counted.holdings.client).delete_stream("OPEN")
    await other.opened(1, OTHER)  # creates the stream

    async def is_recorded() -> bool:
        return (await other.taken()).by_others == LIMIT

    await eventually(is_recorded)


async def test_the_limit_of_one_gateway_remains_while_the_bus_does_not_answer(
    one: Replica, nats_server: EmbeddedNats
) -> None:
    before = unchecked()
    await asyncio.to_thread(nats_server.stop)
    assert await one.opened(LIMIT + 5) == LIMIT
    assert unchecked() == before + LIMIT


async def test_the_limit_of_one_gateway_remains_if_the_bus_refuses(one: Replica) -> None:
    wrong = StreamConfig(name="OPEN", subjects=["open.>"], max_msg_size=1, allow_direct=True, max_msgs=0)
    await jetstream(one.counted.holdings.client).add_stream(wrong)
    before = unchecked()
    assert await one.opened(LIMIT + 5) == LIMIT
    assert unchecked() == before + LIMIT


async def test_users_without_streams_take_no_memory(one: Replica) -> None:
    await one.opened(2)
    await one.clients.aclose()
    await eventually(lambda: not one.counted._changed)  # pyright: ignore[reportPrivateUsage]
    assert not one.counted._held  # pyright: ignore[reportPrivateUsage]
    assert not one.counted._locks  # pyright: ignore[reportPrivateUsage]


async def eventually_opened(replica: Replica, number: int) -> None:
    opened = 0

    async def enough() -> bool:
        nonlocal opened
        opened += await replica.opened(number - opened)
        return opened == number

    await eventually(enough)
