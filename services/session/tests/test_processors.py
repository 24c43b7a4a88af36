"""The agents of a user leave processors to another one who is active."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock
from uuid import UUID

import pytest
from contracts.messages import Actor
from contracts.session.session import CountSessions
from contracts.session.values import ApprovalOutcome
from eventing.testing import eventually
from runtime import activity
from runtime.bus import Bus
from runtime.bus.envelope import Envelope
from session.agent import Limits
from session.agent.agent_process import prepare_agent
from session.agent.places import Place
from session.agent.processors import ACTIVE_SECONDS, Processors
from session.agent.rehearsal import rehearse
from session.app import service
from session.dependencies import Dependencies
from simulator.testing import bash_prompt, scripted

from services.session.tests.deployment import Deployment
from services.session.tests.processes import agents_of
from services.session.tests.replica import NewReplica, Replica
from services.session.tests.test_approvals import CALL, OTHER_CALL, waiting_agent

ALICE, BOB, CAROL = UUID(int=1), UUID(int=2), UUID(int=3)
ALL = len(os.sched_getaffinity(0))
several = pytest.mark.skipif(ALL < 2, reason="this machine has one processor, which all have to use")


class Crowd:
    """Agents, and the requests of users at times that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.agents = 0.0, dict[UUID, Any]()
        monkeypatch.setattr(activity, "monotonic", lambda: self.now)
        self.processors = Processors(self.agents)
        agents = SimpleNamespace(processors=self.processors)
        self.dependencies = SimpleNamespace(activity=self.processors.activity, agents=agents)

    def request_by(self, user: UUID) -> None:
        request = Envelope.begin(actor=Actor(user_id=user, role="user"), client_address="192.0.2.1")
        assert service.received
        service.received(cast(Dependencies, self.dependencies), request)

    def add(self, owner: UUID | None, *, busy: bool = True) -> Any:
        agent = Mock(busy=busy, yields=False)
        agent.spec = Mock(owner=owner, place=Place())
        agent.set_yields = lambda yields: setattr(agent, "yields", yields)  # pyright: ignore[reportUnknownLambdaType]
        self.agents[UUID(int=len(self.agents))] = agent
        return agent

    def yielding(self) -> list[bool]:
        return [agent.yields for agent in self.agents.values()]


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Crowd:
    return Crowd(monkeypatch)


async def test_agents_yield_once_another_user_sends_a_request(crowd: Crowd) -> None:
    crowd.add(ALICE)
    crowd.add(ALICE)
    crowd.request_by(ALICE)
    assert crowd.yielding() == [False, False]
    crowd.request_by(BOB)
    assert crowd.yielding() == [True, True]


async def test_agents_yield_once_their_user_has_several_at_work(crowd: Crowd) -> None:
    crowd.request_by(BOB)
    crowd.add(ALICE)
    crowd.processors.update()
    assert crowd.yielding() == [False]
    crowd.add(ALICE)
    crowd.processors.update()
    assert crowd.yielding() == [True, True]


async def test_agents_that_are_idle_or_of_users_with_one_do_not_yield(crowd: Crowd) -> None:
    for owner, busy in ((ALICE, True), (ALICE, False), (BOB, True), (None, True), (None, True)):
        crowd.add(owner, busy=busy)
    crowd.request_by(CAROL)
    assert crowd.yielding() == [False] * 5


@pytest.mark.parametrize(
    ("waiting", "yielding"),
    [
        ([True], [False]),
        ([False, True], [False, True]),
        ([True, True], [True, True]),
        ([False, False, True], [True, True, True]),
    ],
)
async def test_of_agents_that_wait_and_one_at_work_that_one_does_not_yield(
    crowd: Crowd, waiting: list[bool], yielding: list[bool]
) -> None:
    for waits in waiting:
        crowd.add(ALICE).spec.place.only_waits = lambda waits=waits: waits
    crowd.request_by(BOB)
    assert crowd.yielding() == yielding


async def test_an_agent_with_another_call_in_progress_does_more_than_wait() -> None:
    async with waiting_agent() as worker:
        waits = [worker.place.only_waits()]
        worker.requests.note_recorded([OTHER_CALL])
        waits.append(worker.place.only_waits())
        worker.requests.note_returned(OTHER_CALL.id)
        assert [*waits, worker.place.only_waits()] == [True, False, True]


async def test_an_agent_that_has_waited_is_at_work_once_it_is_decided() -> None:
    async with waiting_agent() as worker:
        noted = list[bool]()
        worker.place.note_work = lambda: noted.append(worker.place.only_waits())
        worker.decide()
        await eventually(lambda: noted == [False])
        await worker.request
        worker.requests.note_returned(CALL.id)
        assert not worker.place.only_waits()


async def test_the_agents_of_both_of_two_active_users_yield(crowd: Crowd) -> None:
    for owner in (ALICE, BOB, ALICE, BOB):
        crowd.add(owner)
        crowd.request_by(owner)
    crowd.processors.update()
    assert crowd.yielding() == [True] * 4


async def test_requests_that_change_nothing_do_not_go_through_all_agents(crowd: Crowd) -> None:
    crowd.request_by(ALICE)
    crowd.request_by(BOB)
    crowd.add(ALICE)
    crowd.add(ALICE)
    for user in (BOB, ALICE, CAROL):
        crowd.request_by(user)
    assert crowd.yielding() == [False, False]


@pytest.mark.parametrize("ends", ["the activity of the other", "the work of all but one"])
async def test_agents_use_all_processors_again_afterwards(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    monkeypatch.setattr("session.agent.processors.CHECK_SECONDS", 0.01)
    crowd.add(ALICE)
    other = crowd.add(ALICE)
    crowd.request_by(BOB)
    assert crowd.yielding() == [True, True]
    if ends == "the activity of the other":
        crowd.now += ACTIVE_SECONDS
    else:
        other.busy = False
    await eventually(lambda: crowd.yielding() == [False, False])


WAIT = "until [ $(nproc) {} {} ]; do sleep 0.02; done; "
YIELDED, LIFTED = WAIT.format("-lt", ALL), WAIT.format("-eq", ALL)
UNTIL_OVER = "until [ -e over ]; do sleep 0.02; done; "
NAMES = "one", "two"


async def outputs_of(replica: Replica, commands: Mapping[str, str]) -> list[str]:
    """Run a command in each of some sessions of one user, at the same time, and return what they print."""
    specs = {name: replace(replica.spec(name), owner=ALICE) for name in commands}
    turns = await asyncio.gather(*(replica.run(specs[name], bash_prompt(commands[name])) for name in commands))
    return [turn.outputs[0] for turn in turns]


@pytest.fixture
def stays_active(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a user be active for longer than any test runs."""
    monkeypatch.setattr("session.agent.processors.ACTIVE_SECONDS", 600.0)


@several
@pytest.mark.usefixtures("stays_active")
async def test_two_agents_at_work_yield_to_a_request_until_one_has_ended(new_replica: NewReplica) -> None:
    async with new_replica() as replica, asyncio.TaskGroup() as tasks:
        one, two = (replica.workspaces / name for name in NAMES)
        commands = {
            "one": f"touch begun; {YIELDED} touch yielded; {LIFTED} echo lifted",
            "two": f"touch begun; {UNTIL_OVER} echo over",
        }
        running = tasks.create_task(outputs_of(replica, commands))
        await eventually(lambda: (one / "begun").exists() and (two / "begun").exists())
        replica.agents.processors.activity.note(BOB)
        replica.agents.processors.update()
        await eventually((one / "yielded").exists)
        (two / "over").touch()
        assert await running == ["lifted", "over"]


async def both_yield(replica: Replica) -> bool:
    """Let an agent of each of two sessions work, until both yield."""
    folders = [replica.workspaces / name for name in NAMES]
    command = f"rm -f over; {YIELDED} touch yielded; {UNTIL_OVER} rm yielded; echo yielded"
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(outputs_of(replica, dict.fromkeys(NAMES, command)))
        # The first one must not end its work before the other one has seen that both yield.
        await eventually(lambda: all((folder / "yielded").exists() for folder in folders))
        for folder in folders:
            (folder / "over").touch()
    return running.result() == ["yielded"] * 2


@several
@pytest.mark.usefixtures("stays_active")
async def test_agents_beside_another_user_yield_from_their_start_and_when_reused(
    new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Mock(side_effect=prepare_agent)
    monkeypatch.setattr("session.agent.own_process.prepare_agent", prepare)
    async with new_replica(Limits(max_concurrent_starts=2)) as replica:
        replica.agents.processors.activity.note(BOB)
        assert await both_yield(replica)
        assert True in [call.args[4].yields for call in prepare.call_args_list]
        assert await outputs_of(replica, {"one": f"{LIFTED} echo lifted"}) == ["lifted"]
        assert await both_yield(replica)
        assert prepare.call_count == 2


@several
@pytest.mark.usefixtures("stays_active")
async def test_an_agent_yields_once_another_one_goes_on_after_an_approval(new_replica: NewReplica) -> None:
    place = Place(only_waits=lambda: True)

    async def ask(*_: Any) -> ApprovalOutcome:
        await eventually((replica.workspaces / "two" / "begun").exists)
        place.only_waits = lambda: False
        place.note_work()
        return ApprovalOutcome(decision="approved")

    async with asyncio.timeout(150), new_replica() as replica, asyncio.TaskGroup() as tasks:
        replica.agents.processors.activity.note(BOB)
        spec = replace(replica.spec("one", permission_mode="default"), owner=ALICE, place=place)
        running = tasks.create_task(outputs_of(replica, {"two": f"touch begun; {YIELDED} echo yielded"}))
        asked = await replica.run(spec, bash_prompt(f"{YIELDED} echo both"), ask)
        assert (asked.outputs, await running) == (["both"], ["yielded"])


@several
@pytest.mark.usefixtures("stays_active")
async def test_the_agents_of_two_runs_yield_to_another_user(deployment: Deployment) -> None:
    client = deployment.client
    async with asyncio.timeout(150), deployment.replica():
        request = Envelope.begin(actor=Actor(user_id=BOB, role="user"), client_address="192.0.2.1")
        await Bus(client.connection, timeout=60).ask(CountSessions(), request)
        command = f"{YIELDED} touch yielded; {UNTIL_OVER} echo over"
        runs = [await client.submit(await client.create(), bash_prompt(command)) for _ in NAMES]
        folders = [deployment.settings.workspaces_dir / str(run.session_id) for run in runs]
        await eventually(lambda: all((folder / "yielded").exists() for folder in folders))
        for folder in folders:
            (folder / "over").touch()
        assert [(await client.wait_until_ended(run)).status for run in runs] == ["completed"] * 2


def fewest_processors(processes: list[int]) -> int:
    return min(len(os.sched_getaffinity(process)) for process in processes)


@several
async def test_an_agent_that_starts_for_nobody_yields_until_it_can_be_claimed(
    new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, go_on = asyncio.Event(), asyncio.Event()

    async def rehearse_later(*arguments: Any, **options: Any) -> None:
        runs.set()
        await go_on.wait()
        await rehearse(*arguments, **options)

    monkeypatch.setattr("session.agent.prestarted.rehearse", rehearse_later)
    async with new_replica(Limits(spares=1)) as replica:
        await replica.ask(scripted({"text": "Hello."}))
        await runs.wait()
        [spare] = replica.agents.spares.agents
        processes = agents_of(UUID(spare.folder.name))  # the agent, and what has started it, which never yields
        assert fewest_processors(processes) < ALL
        go_on.set()
        await eventually(lambda: fewest_processors(processes) == ALL)
