"""The requests of a user that are in progress are limited: its others wait, and those of other users do not."""

import asyncio
from dataclasses import replace

import pytest
import runtime.turns
from contracts.samples import SESSION, USER
from contracts.session.session import GetSession
from gateway.clients.rates import request_slots
from gateway.clients.rates.request_slots import PACE, RequestSlots, current
from gateway.entry.fairness import Fairness
from gateway.problems import Problem
from gateway.settings import Settings
from gateway.waiting import Waits
from runtime import activity
from runtime.testing import Clock, background, eventually
from runtime.turns import Turn
from starlette.types import Message, Receive, Scope, Send

from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness

ADA, BOB = "ada", "bob"
PATH = f"/api/v1/sessions/{SESSION}"


class Requests:
    """Requests that remain in progress until the test releases their slots, in the order in which they have begun."""

    def __init__(self, limit: int = 2) -> None:
        unhurried = replace(PACE, turn_seconds=60.0, counted_seconds=120.0)  # a machine may be busy
        self.slots = RequestSlots(limit, unhurried)
        self.begun: list[str] = []
        self.held: list[Turn] = []
        self.refused: list[str] = []

    async def send(self, name: str, user: str = ADA) -> None:
        """Begin a request as soon as it may."""
        try:
            self.held.append(await self.slots.acquire(user))
        except Problem as problem:
            self.refused.append(f"{name}: {problem.status}, again after {problem.headers['Retry-After']} s")
        else:
            self.begun.append(name)

    async def settle(self) -> None:
        """Let all begin that may."""
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (activity, runtime.turns):
        monkeypatch.setattr(module, "monotonic", clock)
    return clock


async def test_beside_others_the_requests_of_a_user_begin_one_after_the_other(requests: Requests) -> None:
    async with background(requests.send("of Bob", BOB), *(requests.send(f"{n}") for n in range(5))):
        await requests.settle()
        assert requests.begun == ["of Bob", "0"]
        requests.held[1].release()
        await requests.settle()
        assert requests.begun == ["of Bob", "0", "1"]


async def test_beside_others_a_user_with_many_requests_rests(requests: Requests, clock: Clock) -> None:
    async with background(requests.send("of Bob", BOB), *(requests.send(f"{n}") for n in range(5))):
        await requests.settle()
        clock.now += 0.95 * PACE.in_turn_seconds
        async with background(requests.send("next of Bob", BOB)):
            await requests.settle()
            requests.held[1].release()
            await requests.settle()
            assert requests.begun == ["of Bob", "0", "next of Bob"]


async def test_a_request_that_has_waited_long_begins_as_without_others(requests: Requests, clock: Clock) -> None:
    async with background(requests.send("of Bob", BOB), *(requests.send(f"{n}") for n in range(5))):
        await requests.settle()
        clock.now += PACE.in_turn_seconds
        async with background(requests.send("next of Bob", BOB)):
            await requests.settle()
            requests.held[1].release()
            await requests.settle()
            assert requests.begun == ["of Bob", "0", "next of Bob", "1", "2"]


async def test_beside_a_user_with_many_requests_several_of_another_begin(requests: Requests, clock: Clock) -> None:
    async with background(*(requests.send(f"{n}") for n in range(5))):
        await requests.settle()
        clock.now += request_slots.ACTIVE_SECONDS
        async with background(requests.send("5"), *(requests.send(f"{n} of Bob", BOB) for n in range(2))):
            await requests.settle()
            assert requests.begun == ["0", "1", "0 of Bob", "1 of Bob"]


async def test_a_request_that_waits_too_long_is_refused(requests: Requests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_slots, "MAX_WAIT_SECONDS", 0.0)
    for n in range(3):
        await requests.send(f"{n}")
    assert (requests.begun, requests.refused) == (["0", "1"], ["2: 429, again after 1 s"])


async def test_too_many_waiting_requests_are_refused(requests: Requests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_slots, "MAX_WAITING", 1)
    async with background(*(requests.send(f"{n}") for n in range(4))):
        await requests.settle()
        assert (requests.begun, requests.refused) == (["0", "1"], ["3: 429, again after 1 s"])


async def test_a_request_that_waits_for_a_result_does_not_count(requests: Requests) -> None:
    async def connected() -> bool:
        return False

    async def read(ended: bool, _woken: bool) -> bool:
        return ended

    async def wait() -> None:
        current.set(await requests.slots.acquire(ADA))
        await Waits(timeout=60).until(bool, False, read, connected)

    async with background(*(wait() for _ in range(5)), requests.send("next")):
        await eventually(lambda: requests.begun == ["next"])


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(nats_url=nats_url, rate_limits="none", ask_timeout_seconds=60, concurrent_requests_per_user=2)


async def test_a_user_does_not_keep_the_services_from_others(
    harness: Harness, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = vars(harness.gateway.request_slots)["_turns"]
    monkeypatch.setattr(turns, "pace", replace(turns.pace, counted_seconds=600.0))
    await services.ignore(GetSession)
    other = harness.client(None, authorization=f"Bearer {services.token(sub=str(OTHER))}")
    async with harness.client() as client, other, background(*(client.get(PATH) for _ in range(5))):
        await eventually(lambda: len(services.of(GetSession)) == 2)
        async with background(other.get(PATH)):
            await eventually(lambda: len(services.of(GetSession)) == 3)
    actors = [envelope.actor and str(envelope.actor.user_id) for _, envelope in services.received]
    assert actors[-3:] == [USER, USER, str(OTHER)]


async def test_responses_that_have_begun_do_not_count(harness: Harness, services: FakeServices) -> None:
    begun = list[str]()

    async def respond(scope: Scope, _: Receive, send: Send) -> None:
        begun.append(scope["user_id"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    async def send(_: Message) -> None: ...

    async def receive() -> Message:
        return {"type": "http.request"}

    token = await harness.gateway.tokens.verify(services.token())
    scope = {"type": "http", "app": harness.app, "authenticated": token, "user_id": ADA}
    async with background(*(Fairness(respond, harness.gateway)(scope, receive, send) for _ in range(5))):
        await eventually(lambda: begun == [ADA] * 5)


async def test_a_request_whose_client_lost_its_access_while_it_waited_is_refused(
    harness: Harness, services: FakeServices
) -> None:
    async def respond(_: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("it was carried out")

    async def send(_: Message) -> None: ...

    async def receive() -> Message:
        return {"type": "http.request"}

    token = await harness.gateway.tokens.verify(services.token())
    scope = {"type": "http", "app": harness.app, "authenticated": token, "user_id": ADA}
    harness.gateway.revocations.add(token.family)
    with pytest.raises(Problem, match="revoked"):
        await Fairness(respond, harness.gateway)(scope, receive, send)
