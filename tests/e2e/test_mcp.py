"""The whole system as an MCP server, with the official client."""

import json
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from identity.credentials.keys import KeyRing
from mcp import Client
from mcp_types import TextResourceContents
from onebox.testing.mcp import code_of, mcp_client, text_of
from onebox.testing.system import System
from runtime import clock
from runtime.testing import background, eventually

from tests.e2e.tasks import FINE, UserTask
from tests.e2e.user import HELD, User


def connect(system: System, user: User, token: str | None = None) -> AbstractAsyncContextManager[Client]:
    own = user.http.headers["authorization"].removeprefix("Bearer ")
    return mcp_client(system.base_url, token or own)


async def use(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    return result.structured_content


async def create(client: Client) -> str:
    return (await use(client, "create_session", name="one", sdk_options={"allowed_tools": ["Bash"]}))["id"]


async def test_a_session_is_created_queried_and_read(system: System, shared_user: User):
    async with connect(system, shared_user) as client:
        session_id = await create(client)
        run = await use(client, "query_session", session_id=session_id, message=FINE)
        messages = await use(client, "list_messages", session_id=session_id)
        listed = await use(client, "list_sessions")
        read = await use(client, "get_run", session_id=session_id, run_id=run["id"])
    assert (run["status"], run["text"]) == ("completed", "Fine.")
    assert [message["message_type"] for message in messages["items"]] == ["user", "assistant"]
    assert session_id in [session["id"] for session in listed["items"]]
    assert read["text"] == "Fine."


async def test_a_run_is_cancelled_while_it_is_waited_for(system: System, shared_user: User):
    async with connect(system, shared_user) as client, connect(system, shared_user) as other:
        session_id = await create(client)
        query = {"session_id": session_id, "message": HELD}
        async with background(client.call_tool("query_session", query)) as [waiting]:
            [run] = await eventually(lambda: shared_user.items(f"/sessions/{session_id}/runs"))
            cancelled = await use(other, "cancel_run", session_id=session_id, run_id=run["id"])
            result: Any = await waiting
    assert cancelled["status"] == "cancelled"
    assert code_of(result) == "RUN_CANCELLED"


async def test_a_task_is_run_and_reported(system: System, shared_user: User):
    task = UserTask.create(shared_user)
    async with connect(system, shared_user) as client:
        assert task.id in [each["id"] for each in (await use(client, "list_tasks"))["items"]]
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


async def test_a_viewer_may_only_read(system: System, shared_user: User):
    session_id = shared_user.create()
    user_id = UUID(shared_user.http.get("/auth/me").raise_for_status().json()["id"])
    keys = KeyRing.read(system.data_dir / "keys" / "ring.json")
    token = keys.access_token(user_id, "viewer", clock.new_id(), clock.new_id(), clock.now())
    async with connect(system, shared_user, token) as client:
        assert (await use(client, "get_session", session_id=session_id))["id"] == session_id
        assert code_of(await client.call_tool("create_session", {})) == "FORBIDDEN"
