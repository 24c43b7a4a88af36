"""Ceilings in runs of the whole service: the role that the owner has when a run starts counts."""

from typing import Any
from uuid import UUID

from contracts.refusals import Code
from contracts.samples import USER
from contracts.session.conversation import ListMessages, ListToolCalls
from contracts.session.run import RunView
from contracts.session.session import CreateSession, GetSession
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


def limited(deployment: Deployment, ceilings: str) -> Deployment:
    """Set the ceilings of the replicas that are started next."""
    deployment.settings = deployment.settings.model_copy(update={"ceilings": ceilings})
    return deployment


async def create_as_administrator(deployment: Deployment, **options: Any) -> UUID:
    command = CreateSession(session_id=new_id(), name="one", sdk_options=SdkOptions.model_validate(options))
    actor = OWNER.model_copy(update={"role": "admin"})
    return (await Bus(deployment.client.connection).ask(command, Envelope.begin(actor=actor))).id


async def statuses(deployment: Deployment, run: RunView) -> list[str]:
    calls = (await deployment.client.ask(ListToolCalls(session_id=run.session_id))).items
    return [call.status for call in calls if call.run_id == run.id]


async def set_role(deployment: Deployment, role: str) -> None:
    async with Database.open(deployment.settings.database_url, "session") as database:
        await database.execute(SET_ROLE, UUID(USER), role)


async def test_a_demoted_administrator_has_the_tools_of_the_new_role(deployment: Deployment) -> None:
    async with limited(deployment, "user.tools=!Bash").replica():
        await set_role(deployment, "admin")
        session_id = await create_as_administrator(deployment, permission_mode="bypassPermissions")
        assert await statuses(deployment, await deployment.client.run(session_id, ONCE)) == ["success"]
        await set_role(deployment, "user")
        assert await statuses(deployment, await deployment.client.run(session_id, ONCE)) == ["error"]
        await set_role(deployment, "admin")
        assert await statuses(deployment, await deployment.client.run(session_id, ONCE)) == ["success"]


async def test_runs_of_a_disabled_user_fail(deployment: Deployment) -> None:
    async with deployment.replica():
        session_id = await deployment.client.create()
        async with Database.open(deployment.settings.database_url, "session") as database:
            await database.execute("INSERT INTO accounts (user_id, is_active) VALUES ($1, false)", UUID(USER))
        run = await deployment.client.run(session_id, ONCE)
    assert (run.status, run.error_code, run.usage.cost_usd) == ("failed", Code.OWNER_DISABLED, 0)


async def test_a_rule_of_the_session_does_not_allow_a_forbidden_tool(deployment: Deployment) -> None:
    async with deployment.replica():
        session_id = await deployment.client.create(allowed_tools=["Bash"])
    async with limited(deployment, "tools=Read|Grep").replica():
        assert await statuses(deployment, await deployment.client.run(session_id, ONCE)) == ["error"]


async def test_the_ceiling_is_the_budget_of_a_session_without_one(deployment: Deployment) -> None:
    async with limited(deployment, "max_budget_usd=0.000001").replica():
        session_id = await deployment.client.create()
        await deployment.client.run(session_id, scripted({"text": "Hello."}))
        run = await deployment.client.run(session_id, scripted({"text": "Hello."}))
        assert run.error_code == Code.BUDGET_EXCEEDED
        assert (await deployment.client.ask(GetSession(session_id=session_id))).sdk_options.max_budget_usd is None


async def test_a_session_without_a_model_gets_an_allowed_one(deployment: Deployment) -> None:
    async with limited(deployment, "models=claude-haiku-*").replica():
        session_id = await deployment.client.create()
        assert (await deployment.client.run(session_id, scripted({"text": "Hello."}))).status == "completed"
        messages = (await deployment.client.ask(ListMessages(session_id=session_id))).items
        assert all((message.model or "claude-haiku-").startswith("claude-haiku-") for message in messages)
        assert messages[-1].model


async def test_a_model_from_before_the_ceiling_is_replaced(deployment: Deployment) -> None:
    async with deployment.replica():
        session_id = await deployment.client.create(model="claude-opus-4-7")
    async with limited(deployment, "models=claude-sonnet-4-6").replica():
        assert (await deployment.client.run(session_id, scripted({"text": "Hello."}))).status == "completed"
        messages = (await deployment.client.ask(ListMessages(session_id=session_id))).items
        assert [message.model for message in messages if message.model] == ["claude-sonnet-4-6"]


async def test_the_ceiling_shortens_the_timeout(deployment: Deployment) -> None:
    async with limited(deployment, "timeout_seconds=8").replica():
        session_id = await deployment.client.create()
        run = await deployment.client.run(session_id, scripted(bash("sleep 300"), {"text": "never"}))
        assert run.error_code == Code.RUN_TIMEOUT
