"""Calls of tools are stored before they begin, as long as the worker has its run."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from contracts.preview import preview
from contracts.session.run import CancelRun, StartRun
from contracts.session.run_view import RunSummary
from contracts.session.settling import LostCall, call_key
from contracts.wire import PREVIEW_CHARACTERS
from eventing.testing import eventually
from runtime.clock import new_id
from session.agent import begun_calls
from session.agent.begun_calls import BegunCalls, begun_call, read_begun
from session.agent.transcript import Transcripts

from services.session.tests.desk import Desk
from services.session.tests.test_tail import result
from services.session.tests.test_transcript_fence import opened, start


class Agent:
    """The calls of an agent of a run."""

    def __init__(self, desk: Desk, run: RunSummary) -> None:
        self.desk, self.run = desk, run
        self.calls = BegunCalls(desk.database, run.session_id, lambda: (run.id, run.attempt))

    async def begin(self, id: str = "toolu_1", command: str = "ls") -> bool:
        return await self.calls.store(await begun_call(id, "Bash", {"command": command}))

    async def read(self) -> dict[str, LostCall]:
        return await read_begun(self.desk.database, self.run.session_id, self.run.id)

    async def begun(self) -> dict[str, Any]:
        return {id: call.tool_input.get("command") for id, call in (await self.read()).items()}


@pytest.fixture
async def agent(desk: Desk) -> Agent:
    return Agent(desk, await start(desk, await desk.create()))


async def test_calls_that_have_begun_are_known_in_order(agent: Agent) -> None:
    assert [await agent.begin(), await agent.begin("toolu_2", "pwd")] == [True, True]
    assert [*(await agent.begun()).items()] == [("toolu_1", "ls"), ("toolu_2", "pwd")]


async def test_a_late_worker_begins_no_call(agent: Agent) -> None:
    await agent.begin()
    await agent.desk.send(StartRun(session_id=agent.run.session_id, run_id=agent.run.id))
    assert not await agent.begin("toolu_2")
    assert [*await agent.begun()] == ["toolu_1"]


async def test_a_worker_that_takes_over_waits_for_a_call_that_is_being_stored(agent: Agent) -> None:
    run, database = agent.run, agent.desk.database
    async with asyncio.TaskGroup() as tasks, database.transaction() as connection:
        await connection.execute(begun_calls.BEGIN, run.session_id, run.id, run.attempt, "a", "b", new_id(), "{}")
        starting = tasks.create_task(agent.desk.send(StartRun(session_id=run.session_id, run_id=run.id)))
        waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1)"
        name = await database.fetchval("SELECT current_database()")
        await eventually(lambda: database.fetchval(waits, name))
        assert not starting.done()


async def test_a_call_that_takes_too_long_to_store_does_not_begin(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begun_calls, "STORE_SECONDS", 0.05)
    monkeypatch.setattr(begun_calls, "BEGIN", "SELECT pg_sleep(60), $1::uuid, $2::uuid, $3::int, $4, $5, $6::uuid, $7")
    assert not await agent.begin()


async def test_a_call_that_cannot_be_stored_does_not_begin(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(begun_calls, "BEGIN", "SELECT 1 / 0, $1::uuid, $2::uuid, $3::int, $4, $5, $6::uuid, $7")
    assert not await agent.begin()


async def test_a_call_of_an_agent_without_a_run_begins(desk: Desk, agent: Agent) -> None:
    unbound = BegunCalls(desk.database, agent.run.session_id, lambda: (None, 0))
    assert await unbound.store(LostCall.model_validate({"tool_use_id": "a", "tool_name": "Bash", "tool_input": {}}))


@pytest.mark.parametrize("forged", ["", "\x00", "x" * 10_000])
async def test_any_input_can_be_stored_and_a_forged_id_cannot(agent: Agent, forged: str) -> None:
    assert [await agent.begin(forged, forged), await agent.begin("toolu_1", forged)] == [False, True]
    assert await agent.begun() == {"toolu_1": forged}


@pytest.mark.parametrize("forged", ["", "\x00", "x" * 10_000])
async def test_a_call_with_a_forged_name_does_not_begin(agent: Agent, forged: str) -> None:
    assert not await agent.calls.store(await begun_call("toolu_1", forged, {}))


@pytest.mark.parametrize("key", [new_id(), None])
async def test_a_stored_call_without_a_name_hides_no_other(agent: Agent, key: UUID | None) -> None:
    run = agent.run
    row = run.session_id, run.id, run.attempt, "toolu_1", "", key, "{}"
    await agent.desk.database.fetchval(begun_calls.BEGIN, *row)
    await agent.begin("toolu_2")
    assert [(id, call.tool_name) for id, call in (await agent.read()).items()] == [("toolu_1", ""), ("toolu_2", "Bash")]


async def test_of_a_long_input_its_beginning_and_its_key_are_known(agent: Agent) -> None:
    command = '\u00e9"' * 2**19
    assert await agent.begin(command=command)
    call, whole = (await agent.read())["toolu_1"], json.dumps({"command": command}, ensure_ascii=False)
    assert call.tool_input == preview(whole, len(whole.encode()))
    assert call.key == call_key("Bash", {"command": command})


async def test_only_the_newest_inputs_are_read_and_all_keys(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(begun_calls, "MAX_READ_BYTES", int(2.5 * PREVIEW_CHARACTERS))
    inputs = [{"command": letter * 2 * PREVIEW_CHARACTERS} for letter in "abc"]
    sizes = [len(json.dumps(each)) for each in inputs]
    for n, each in enumerate(inputs):
        await agent.begin(f"toolu_{n}", each["command"])
    calls = [*(await agent.read()).values()]
    assert [each.key for each in calls] == [call_key("Bash", each) for each in inputs]
    previews = [preview("", sizes[0]), preview(json.dumps(inputs[1]), sizes[1])]
    assert [each.tool_input for each in calls] == [*previews, inputs[2]]


async def test_a_forged_call_hides_none_with_the_same_id(agent: Agent) -> None:
    await agent.begin(command="make release")
    await agent.begin(command="ls")
    assert await agent.begun() == {"toolu_1": "make release"}


async def test_a_call_is_forgotten_once_the_conversation_has_its_result(agent: Agent) -> None:
    await agent.begin("toolu_1")
    await agent.begin("toolu_2")
    transcript = opened(Transcripts(agent.desk.database), agent.run)
    await transcript.append("subagents/agent-1", [result("toolu_1"), result("\x00")])
    assert [*await agent.begun()] == ["toolu_2"]


async def test_the_newest_calls_are_read(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(begun_calls, "MAX_READ", 2)
    for n in range(3):
        await agent.begin(f"toolu_{n}")
    assert [*await agent.begun()] == ["toolu_1", "toolu_2"]


async def test_nothing_is_kept_of_a_run_that_has_ended(agent: Agent) -> None:
    await agent.begin()
    await agent.desk.send(CancelRun(session_id=agent.run.session_id, run_id=agent.run.id))
    assert await agent.begun() == {}
