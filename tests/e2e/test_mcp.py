"""The whole system as an MCP server, with the official client."""

import json
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import pytest
from contracts.wire import AGENT_DEPTH_HEADER
from identity.keys import KeyRing
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextResourceContents
from onebox.testing.mcp import code_of, mcp_client, text_of
from onebox.testing.system import System
from runtime import clock
from runtime.testing import background, eventually
from simulator.testing import bash, scripted

from tests.e2e.tasks import FINE, UserTask
from tests.e2e.user import HELD, User, newcomer

ASKING = scripted(bash("touch x"), {"text": "Done."})


@pytest.fixture
def stranger(system: System) -> Generator[User]:
    yield from newcomer(system)


def connect(
    system: System, user: User, token: str | None = None, **headers: str
) -> AbstractAsyncContextManager[Client]:
    own = user.http.headers["authorization"].removeprefix("Bearer ")
    return mcp_client(system.base_url, token or own, **headers)


async def use(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    return result.structured_content


async def create(client: Client) -> str:
    return (await use(client, "create_session", name="one", sdk_options={"allowed_tools": ["Bash"]}))["id"]


async def test_a_session_is_created_queried_and_read(system: System, user: User):
    async with connect(system, user) as client:
        session_id = await create(client)
        run = await use(client, "query_session", session_id=session_id, message=FINE)
        messages = await use(client, "list_messages", session_id=session_id)
        listed = await use(client, "list_sessions")
        read = await use(client, "get_run", session_id=session_id, run_id=run["id"])
    assert (run["status"], run["text"]) == ("completed", "Fine.")
    assert [message["message_type"] for message in messages["items"]] == ["user", "assistant"]
    assert [session["id"] for session in listed["items"]] == [session_id]
    assert read["text"] == "Fine."


async def test_a_run_is_cancelled_while_it_is_waited_for(system: System, user: User):
    async with connect(system, user) as client, connect(system, user) as other:
        session_id = await create(client)
        query = {"session_id": session_id, "message": HELD}
        async with background(client.call_tool("query_session", query)) as [waiting]:
            [run] = await eventually(lambda: user.items(f"/sessions/{session_id}/runs"))
            cancelled = await use(other, "cancel_run", session_id=session_id, run_id=run["id"])
            result: Any = await waiting
    assert cancelled["status"] == "cancelled"
    assert code_of(result) == "RUN_CANCELLED"


async def test_a_run_continues_without_the_client_that_waits(system: System, user: User):
    async with connect(system, user) as client:
        session_id = await create(client)
        message = scripted(bash("sleep 1"), {"text": "Still here."})
        async with background(client.call_tool("query_session", {"session_id": session_id, "message": message})):
            [run] = await eventually(lambda: user.items(f"/sessions/{session_id}/runs"))
    assert user.ended(session_id, run["id"])["text"] == "Still here."


async def test_a_task_is_run_and_reported(system: System, user: User):
    task = UserTask.create(user)
    async with connect(system, user) as client:
        assert [each["id"] for each in (await use(client, "list_tasks"))["items"]] == [task.id]
        started = await use(client, "run_task", task_id=task.id)
        task.ended(started["execution_id"])
        ids = {"task_id": task.id, "execution_id": started["execution_id"]}
        execution = await use(client, "get_execution", **ids)
        report = await use(client, "create_report", report_type="task", format="markdown", **ids)
        text = (await use(client, "get_report", report_id=report["id"]))["text"]
        [view, content] = (await client.read_resource(f"report://{report['id']}")).contents
    assert execution["status"] == "completed"
    assert text.startswith("# ")
    assert isinstance(view, TextResourceContents)
    assert isinstance(content, TextResourceContents)
    assert (json.loads(view.text)["status"], content.text) == ("completed", text)


async def test_approvals_are_listed_and_not_decided(system: System, user: User):
    session_id = user.create("Read")
    async with connect(system, user) as client:
        await use(client, "query_session", session_id=session_id, message=ASKING, wait=False)
        await eventually(lambda: user.items("/approvals", status="pending"))
        [approval] = (await use(client, "list_approvals", status="pending"))["items"]
        tools = (await client.list_tools()).tools
    assert (approval["session_id"], approval["tool_name"]) == (session_id, "Bash")
    assert not [tool.name for tool in tools if "approv" in tool.name and tool.name != "list_approvals"]


async def test_another_users_resources_do_not_exist(system: System, user: User, stranger: User):
    session_id = user.create()
    async with connect(system, stranger) as client:
        found = await client.call_tool("get_session", {"session_id": session_id})
        listed = await use(client, "list_sessions")
        with pytest.raises(MCPError, match="SESSION_NOT_FOUND"):
            await client.read_resource(f"session://{session_id}")
    assert (code_of(found), listed["total"]) == ("SESSION_NOT_FOUND", 0)


async def test_a_session_that_an_agent_uses_has_its_depth(system: System, user: User):
    session_id = user.create()
    async with connect(system, user, **{AGENT_DEPTH_HEADER: "2"}) as client:
        await use(client, "query_session", session_id=session_id, message=FINE)
        created = await use(client, "create_session")
    assert user.http.get(f"/sessions/{session_id}").json()["depth"] == created["depth"] == 2


async def test_a_viewer_may_only_read(system: System, user: User):
    session_id = user.create()
    user_id = UUID(user.http.get("/auth/me").raise_for_status().json()["id"])
    keys = KeyRing.read(system.data_dir / "keys" / "ring.json")
    token = keys.access_token(user_id, "viewer", clock.new_id(), clock.new_id(), clock.now())
    async with connect(system, user, token) as client:
        assert (await use(client, "get_session", session_id=session_id))["id"] == session_id
        assert code_of(await client.call_tool("create_session", {})) == "FORBIDDEN"
