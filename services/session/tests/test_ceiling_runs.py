"""Ceilings in runs of the whole service: the role that the owner has when a run starts counts."""

from typing import Any
from uuid import UUID

from contracts.samples import USER
from contracts.session.conversation import ListMessages, ListToolCalls
from contracts.session.session import CreateSession
from contracts.session.values import SdkOptions
from eventing.database import Database
from runtime.bus import Bus
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from simulator.testing import bash, scripted

from services.session.tests.deployment import Deployment
from services.session.tests.desk import OWNER

ONCE = scripted(bash("touch made"), {"text": "Done."})
SET_ROLE = (
    "INSERT INTO accounts (user_id, role) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET role = excluded.role"
)


async def create_as_administrator(deployment: Deployment, **options: Any) -> UUID:
    command = CreateSession(session_id=new_id(), name="one", sdk_options=SdkOptions.model_validate(options))
    actor = OWNER.model_copy(update={"role": "admin"})
    return (await Bus(deployment.client.connection, timeout=60).ask(command, Envelope.begin(actor=actor))).id


async def outcome(deployment: Deployment, session_id: UUID) -> tuple[list[str], set[str]]:
    """Run the query in a session, and return the states of its tool calls and the models that answered."""
    run = await deployment.client.run(session_id, ONCE)
    calls = (await deployment.client.ask(ListToolCalls(session_id=session_id))).items
    messages = (await deployment.client.ask(ListMessages(session_id=session_id))).items
    models = {message.model for message in messages if message.model and message.run_id == run.id}
    return [call.status for call in calls if call.run_id == run.id], models


async def set_role(deployment: Deployment, role: str) -> None:
    async with Database.open(deployment.settings.database_url, "session") as database:
        await database.execute(SET_ROLE, UUID(USER), role)


async def test_a_demoted_administrator_has_tools_and_models_of_the_new_role(deployment: Deployment) -> None:
    opus, sonnet = "claude-opus-4-7", "claude-sonnet-4-6"
    ceilings = f"user.tools=!Bash, user.models={sonnet}"
    deployment.settings = deployment.settings.model_copy(update={"ceilings": ceilings})
    async with deployment.replica():
        await set_role(deployment, "admin")
        session_id = await create_as_administrator(deployment, permission_mode="bypassPermissions", model=opus)
        assert await outcome(deployment, session_id) == (["success"], {opus})
        await set_role(deployment, "user")
        assert await outcome(deployment, session_id) == (["error"], {sonnet})
        await set_role(deployment, "admin")
        assert await outcome(deployment, session_id) == (["success"], {opus})
