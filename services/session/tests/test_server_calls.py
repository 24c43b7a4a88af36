"""Calls of MCP tools are stored before they are made, and their results before they are returned."""

import asyncio
from typing import Any

import pytest
from contracts.session.conversation import RecordMessage
from contracts.session.run import CancelRun, StartRun
from contracts.session.run_view import RunSummary
from contracts.session.settling import LostCall
from contracts.session.values import TextBlock
from mcp.types import CallToolResult, TextContent
from runtime.clock import new_id
from session.mcp import server_calls
from session.mcp.recovered_calls import recover_calls
from session.mcp.server_calls import MAX_RESULT_CHARS, NOT_STORED, TOO_LARGE, ServerCalls

from services.session.tests.desk import Desk
from services.session.tests.test_transcript_fence import start

NAME = "mcp__lab__send"
ROWS = "SELECT * FROM mcp_calls ORDER BY id"


class Agent:
    """An agent of a run, which makes one and the same call."""

    def __init__(self, desk: Desk, run: RunSummary) -> None:
        self.desk, self.run, self.made, self.text = desk, run, 0, "sent"
        self.calls = ServerCalls(desk.database, run.session_id, lambda: (run.id, run.attempt))

    async def call(self, id: object = "toolu_1", name: str = NAME) -> str:
        result = await self.calls.call(name, {"to": "me"}, id, self._make)
        [part] = result.content
        assert isinstance(part, TextContent)
        return part.text

    async def _make(self) -> CallToolResult:
        self.made += 1
        return CallToolResult(content=[TextContent(type="text", text=f"{self.text} {self.made}")])

    async def begin(self, id: str = "toolu_1") -> None:
        """Be killed in the middle of a call."""

        async def die() -> CallToolResult:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await self.calls.call(NAME, {"to": "me"}, id, die)

    async def next(self, *ids: str) -> tuple["Agent", list[Any], set[str]]:
        """Return the agent of the next worker, and what is known of calls that this one has left without a result."""
        about: dict[str, Any] = {"session_id": self.run.session_id, "run_id": self.run.id, "attempt": self.run.attempt}
        progress = RecordMessage(**about, message_id=new_id(), blocks=[TextBlock(text="Next.")], model="m")
        await self.desk.send(progress)
        run = await self.desk.send(StartRun(session_id=self.run.session_id, run_id=self.run.id))
        calls = [LostCall(tool_use_id=id, tool_name=NAME, tool_input={"to": "me"}) for id in ids]
        results, begun = await recover_calls(self.desk.database, run.session_id, run.id, calls)
        return Agent(self.desk, run), [(each.tool_use_id, each.output["content"]) for each in results], begun


def lose_first_answer(
    agent: Agent, query: str, monkeypatch: pytest.MonkeyPatch, error: type[Exception] = ConnectionResetError
) -> None:
    """Let the database lose the answer to this query once, after it was carried out."""
    unanswered, fetchval = [query], agent.desk.database.fetchval

    async def losing(query: str, *args: object) -> Any:
        answer = await fetchval(query, *args)
        if query in unanswered:
            unanswered.remove(query)
            raise error
        return answer

    monkeypatch.setattr(agent.desk.database, "fetchval", losing)


@pytest.fixture
async def agent(desk: Desk) -> Agent:
    return Agent(desk, await start(desk, await desk.create()))


async def test_the_next_agent_gets_the_result_that_a_lost_one_did_not_get(agent: Agent) -> None:
    await agent.call()
    after, results, begun = await agent.next("toolu_1")
    assert (results, begun) == ([("toolu_1", "sent 1")], set())
    assert await after.call("toolu_2") == "sent 1"
    assert after.made == 0


async def test_a_result_is_given_once(agent: Agent) -> None:
    await agent.call()
    after, _, _ = await agent.next("toolu_1")
    assert [await after.call("toolu_2"), await after.call("toolu_3")] == ["sent 1", "sent 1"]
    assert after.made == 1


async def test_a_result_is_given_again_if_that_agent_is_lost_too(agent: Agent) -> None:
    await agent.call()
    second, _, _ = await agent.next("toolu_1")
    await second.call("toolu_2")
    third, results, _ = await second.next("toolu_2")
    assert (results, await third.call("toolu_3"), third.made) == ([("toolu_2", "sent 1")], "sent 1", 0)


async def test_a_result_that_the_conversation_has_is_not_given_again(agent: Agent) -> None:
    await agent.call()
    after, _, _ = await agent.next()
    await after.call("toolu_2")
    assert after.made == 1


async def test_the_outcome_of_a_call_that_was_begun_is_unknown(agent: Agent) -> None:
    await agent.begin()
    _, results, begun = await agent.next("toolu_1", "toolu_2")
    assert (results, begun) == ([], {"toolu_1"})


async def test_a_call_whose_storing_has_to_be_repeated_has_one_outcome(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_first_answer(agent, server_calls.BEGIN, monkeypatch)
    await agent.call()
    _, results, begun = await agent.next("toolu_1")
    assert (results, begun) == ([("toolu_1", "sent 1")], set())


async def test_a_call_stays_unknown_if_another_one_with_its_id_ended(agent: Agent) -> None:
    await agent.begin()
    await agent.call(name="mcp__lab__forged")
    _, _, begun = await agent.next("toolu_1")
    assert begun == {"toolu_1"}


async def test_a_late_worker_makes_no_call(agent: Agent) -> None:
    await agent.next()
    assert await agent.call() == NOT_STORED
    assert agent.made == 0


async def test_a_late_worker_takes_no_result_from_the_next_agent(agent: Agent) -> None:
    await agent.call()
    late, _, _ = await agent.next("toolu_1")
    after, _, _ = await late.next("toolu_1")
    assert await late.call("toolu_2") == NOT_STORED
    assert (await after.call("toolu_3"), after.made) == ("sent 1", 0)


async def test_a_result_whose_taking_has_to_be_repeated_is_given_once(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agent.call()
    after, _, _ = await agent.next("toolu_1")
    lose_first_answer(after, server_calls.TAKE, monkeypatch)
    after.text = "made"
    assert await asyncio.gather(after.call("toolu_2"), after.call("toolu_3")) == ["sent 1", "made 1"]


async def test_a_result_whose_taking_failed_is_given_to_the_next_call(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agent.call()
    after, _, _ = await agent.next("toolu_1")
    lose_first_answer(after, server_calls.TAKE, monkeypatch, RuntimeError)  # not repeated, as after half a minute
    after.text = "made"
    assert [await after.call(f"toolu_{n}") for n in (2, 3, 4)] == [NOT_STORED, "sent 1", "made 1"]


@pytest.mark.parametrize("id", ["toolu_1", "toolu_2", None])
async def test_a_result_is_not_given_again_to_a_call_with_the_same_id(agent: Agent, id: str | None) -> None:
    await agent.call()
    after, _, _ = await agent.next("toolu_1")
    for _ in range(3):
        await after.call(id)
    assert after.made == 2


async def test_a_call_that_cannot_be_stored_is_not_made(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_calls, "BEGIN", "SELECT 1 / ($5::text = '')::int, $1, $2, $3, $4")
    assert (await agent.call(), agent.made) == (NOT_STORED, 0)


async def test_a_large_result_is_returned_and_not_kept(agent: Agent) -> None:
    agent.text = "x" * MAX_RESULT_CHARS
    assert len(await agent.call()) > MAX_RESULT_CHARS
    _, results, _ = await agent.next("toolu_1")
    assert results == [("toolu_1", TOO_LARGE)]


async def test_few_results_are_kept(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_calls, "MAX_KEPT", 2)
    for n in range(5):
        await agent.call(f"toolu_{n}")
    assert [row["tool_use_id"] for row in await agent.desk.database.fetch(ROWS)] == ["toolu_3", "toolu_4"]


async def test_a_forged_id_is_left_out(agent: Agent) -> None:
    forged = [None, 1, "a" * 200, "\x00", "\ud800", ["x"]]
    for each in forged:
        await agent.call(each)
    assert [row["tool_use_id"] for row in await agent.desk.database.fetch(ROWS)] == [None] * len(forged)


async def test_forged_ids_do_not_prevent_a_recovery(agent: Agent) -> None:
    await agent.call()
    _, results, _ = await agent.next("\x00", "toolu_1")
    assert results == [("toolu_1", "sent 1")]


async def test_nothing_is_kept_of_a_run_that_has_ended(agent: Agent) -> None:
    await agent.call()
    await agent.desk.send(CancelRun(session_id=agent.run.session_id, run_id=agent.run.id))
    assert await agent.desk.database.fetch(ROWS) == []
