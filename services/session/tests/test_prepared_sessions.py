"""New sessions get an agent when they are created, in one of the replicas."""

from pathlib import Path
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
from contracts.session.session import DeleteSession, SessionCreated
from eventing.reactions import offers as offering
from eventing.recording import Recorded
from eventing.testing import eventually
from runtime.bus.envelope import Envelope
from runtime.clock import new_id, now
from session.agent.spares import Spares
from session.ceilings import Ceilings
from session.reactions.preparing import may_prepare, prepare_agent
from session.workspace import parked
from simulator.testing import scripted

from services.session.tests.deployment import Deployment
from services.session.tests.desk import OWNER, AssumedRoles
from services.session.tests.processes import agents_of
from services.session.tests.test_spares import claims

HELLO = scripted({"text": "Hello."})


@pytest.fixture
def spares(monkeypatch: pytest.MonkeyPatch) -> list[Spares]:
    """The prestarted agents of the replicas that are started in this process."""
    found, keep = list[Spares](), Spares.keep

    def noted(own: Spares, workspaces: Path) -> None:
        found.append(own)
        keep(own, workspaces)

    monkeypatch.setattr(Spares, "keep", noted)
    return found


def can_prepare(spares: list[Spares]) -> bool:
    """Return whether a replica has an agent for the next session."""
    return any(own.may_prepare(OWNER.user_id) and any(agent.ready for agent in own.agents) for own in spares)


async def prepared_session(deployment: Deployment, spares: list[Spares]) -> UUID:
    """Create sessions until one has claimed an agent, and so has a workspace; the others ask theirs."""
    if not any(own.agents for own in spares):
        await deployment.client.create()  # for others like it, agents are started
    claimed, session_id = claims(), await next_session(deployment, spares)
    while not await is_prepared(deployment, session_id):
        await deployment.client.run(session_id, HELLO)  # which may have come late, and claims an agent, too
        claimed, session_id = claims(), await next_session(deployment, spares)
    await eventually(lambda: claims() > claimed)
    return session_id


async def next_session(deployment: Deployment, spares: list[Spares]) -> UUID:
    """Create a session once there is an agent for it."""
    await eventually(lambda: can_prepare(spares))
    return await deployment.client.create()


async def is_prepared(deployment: Deployment, session_id: UUID) -> bool:
    try:
        await eventually((deployment.settings.workspaces_dir / str(session_id)).exists, within=2)
    except TimeoutError:
        return False
    return True


def created(spares: Mock) -> tuple[Recorded[SessionCreated], Mock]:
    """Return the event of a new session, and the dependencies of a replica with these spares."""
    event = Recorded(new_id(), 1, now(), SessionCreated.example(), Envelope.begin(actor=OWNER), OWNER.user_id)
    return event, Mock(ceilings=Ceilings(), accounts=AssumedRoles(), agents=Mock(spares=spares))


@pytest.mark.parametrize("stopping", [False, True])
def test_a_replica_that_stops_prepares_no_agent(stopping: bool) -> None:
    event, dependencies = created(Mock(may_prepare=Mock(return_value=True)))
    dependencies.places.stopping = stopping
    assert may_prepare(event, dependencies) is not stopping


@pytest.mark.parametrize("claimed", [False, True])
async def test_only_a_session_that_claimed_an_agent_is_read_again(claimed: bool) -> None:
    event, dependencies = created(Mock(prepare=AsyncMock(return_value=False)))
    dependencies.blocking.run = AsyncMock(return_value=claimed)  # whether there is a workspace
    reaction = Mock(dependencies=dependencies, ask=AsyncMock())
    await prepare_agent(event, reaction)
    assert reaction.ask.await_count == claimed


async def test_a_session_has_an_agent_before_its_first_query(deployment: Deployment, spares: list[Spares]) -> None:
    async with deployment.changed(spare_agents=1).replica():
        session_id = await prepared_session(deployment, spares)
        assert (await deployment.client.run(session_id, HELLO)).text == "Hello."
        assert agents_of(session_id) == []  # it has the name that it was started with


async def test_a_session_runs_in_the_replica_that_has_its_agent(
    deployment: Deployment, spares: list[Spares], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offering, "OFFER_SECONDS", 60.0)
    several = deployment.changed(spare_agents=1)
    async with several.replica(), several.replica():
        for _ in range(3):
            session_id = await prepared_session(deployment, spares)
            await deployment.client.run(session_id, HELLO)
            assert agents_of(session_id) == []


async def test_a_session_that_is_deleted_at_once_leaves_nothing(deployment: Deployment, spares: list[Spares]) -> None:
    async with deployment.changed(spare_agents=1).replica():
        await deployment.client.run(await prepared_session(deployment, spares), HELLO)
        deleted = await deployment.client.create()
        await deployment.client.ask(DeleteSession(session_id=deleted))
        await prepared_session(deployment, spares)  # its events come after the others
        await eventually(lambda: not (deployment.settings.workspaces_dir / str(deleted)).exists())


async def test_a_killed_replica_leaves_no_prestarted_agent(deployment: Deployment) -> None:
    spares = deployment.settings.workspaces_dir / parked.FOLDER

    def left() -> list[int]:
        return [agent for folder in spares.glob("*") for agent in agents_of(UUID(folder.name))]

    async with deployment.changed(spare_agents=1).replica_process({}) as process:
        await eventually(deployment.client.is_ready)
        await deployment.client.create()
        await eventually(left)
        process.kill()
        await eventually(lambda: not left())
    parked.remove_abandoned(deployment.settings.workspaces_dir, -1)
    assert list(spares.iterdir()) == []
