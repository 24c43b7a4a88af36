"""What the next worker does with a run, by what the conversation has of it."""

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import pytest
from contracts.refusals import Code
from contracts.session.approval import DecideApproval, ListApprovals
from contracts.session.conversation import ListMessages, RecordMessage, RecordToolResult
from contracts.session.run_view import RunSummary, RunView
from contracts.session.session import ChangeSession
from contracts.session.settling import LostCall, Settled
from contracts.session.values import AfterCrash, SdkOptions, ToolUseBlock
from eventing.testing import eventually
from runtime.clock import new_id
from session.agent import AgentEvent, Ask, Finished
from session.agent.begun_calls import BegunCalls
from session.agent.tail import Tail
from session.agent.transcript import Transcripts
from session.reactions.approval import OUTCOMES
from session.reactions.resuming import GO_ON, INTERRUPTED, KEPT, MAX_LISTED, RETURNED, UNKNOWN, Recovered, describe

from services.session.tests.desk import Desk
from services.session.tests.test_month_budget import spending
from services.session.tests.test_tail import TEXT, answer, call, lost, result
from services.session.tests.test_transcript_fence import opened
from services.session.tests.worker import FINISHED, Worker

ANSWER = answer(TEXT)
ENDED = answer(TEXT, stop_reason="end_turn")
OUTPUT = SdkOptions.model_validate({"output_format": {"type": "json_schema", "schema": {"type": "object"}}})


@pytest.fixture
async def worker(desk: Desk) -> Worker:
    worker = Worker(desk, await desk.submit(await desk.create()))
    worker.transcripts = Transcripts(desk.database)  # pyright: ignore[reportAttributeAccessIssue]  instead of a mock
    return worker


async def lose(worker: Worker, *entries: Any) -> None:
    """Let the first worker of the run be lost, whose agent has added these entries after the prompt."""
    await write(worker, await worker.start_another(), *entries)


async def write(worker: Worker, run: RunSummary | RunView, *entries: Any) -> None:
    """Add these entries after the prompt, as the agent of a worker of the run."""
    transcript = opened(Transcripts(worker.desk.database), run)
    messages = (await worker.desk.ask(ListMessages(session_id=worker.run.session_id))).items
    prompt = {"type": "user", "uuid": str(messages[0].id), "message": {"content": "?"}}
    await transcript.append("", [prompt, *entries] if entries else [])


async def finish(_: Ask) -> AsyncGenerator[AgentEvent]:
    yield FINISHED


async def test_a_complete_answer_completes_the_run_without_an_agent(worker: Worker) -> None:
    await lose(worker, ENDED)
    await worker.work(finish)
    run = await worker.current_run()
    assert (run.status, run.text, worker.prompts) == ("completed", "Hello.", [])


async def test_a_structured_output_is_left_to_an_agent(worker: Worker) -> None:
    await lose(worker, ENDED)
    await worker.desk.send(ChangeSession(session_id=worker.run.session_id, sdk_options=OUTPUT))
    await worker.work(finish)
    assert worker.prompts == [GO_ON]


async def test_an_agent_goes_on_after_calls_with_results(worker: Worker) -> None:
    await lose(worker, answer(TEXT, call()), result())
    await worker.work(finish)
    run = await worker.current_run()
    assert (worker.prompts, [each.status for each in run.tool_calls]) == ([GO_ON], ["success"])


async def test_a_prompt_that_no_agent_received_is_sent_again(worker: Worker) -> None:
    await lose(worker)
    await worker.work(finish)
    assert worker.prompts == ["?"]


async def test_a_continued_run_sends_the_message_that_no_agent_received(worker: Worker) -> None:
    await lose(worker)
    await worker.work(finish, continues=True)
    assert (worker.prompts, worker.message_ids) == (["?"], [(await worker.current_run()).prompt_message_id])


async def allow(worker: Worker, run: RunSummary | RunView, id: str = "toolu_1") -> None:
    """Let a call begin."""
    about = worker.desk.database, run.session_id, lambda: (run.id, run.attempt)
    assert await BegunCalls(*about).store(LostCall(tool_use_id=id, tool_name="Bash", tool_input={"n": 1}))


async def begin_call(worker: Worker, run: RunSummary | RunView, after_crash: AfterCrash, id: str = "toolu_1") -> None:
    """Let the agent of a worker begin a call that gets no result."""
    options = SdkOptions(after_crash=after_crash)
    await worker.desk.send(ChangeSession(session_id=worker.run.session_id, sdk_options=options))
    entry = answer(call(id=id))
    await allow(worker, run, id)
    await write(worker, run, entry)
    block = ToolUseBlock(id=id, tool_call_id=new_id(), name="Bash", input={"n": 1})
    about = {"run_id": run.id, "session_id": run.session_id, "attempt": run.attempt, "entry_id": entry["uuid"]}
    message = RecordMessage.example().model_copy(update={**about, "blocks": [block], "parent_tool_use_id": None})
    await worker.desk.send(message)


async def lose_in_call(worker: Worker, after_crash: AfterCrash, id: str = "toolu_1") -> None:
    """Let the first worker of the run be lost in the middle of a call."""
    await begin_call(worker, await worker.start_another(), after_crash, id)


async def test_a_call_that_had_not_begun_may_be_repeated(worker: Worker) -> None:
    await lose(worker, answer(call()))
    await worker.work(finish)
    run = await worker.current_run()
    assert (worker.prompts, [each.status for each in run.tool_calls]) == ([GO_ON], ["interrupted"])


async def test_a_call_of_unknown_outcome_ends_the_run(worker: Worker) -> None:
    await lose_in_call(worker, "end")
    await worker.work(finish)
    run = await worker.current_run()
    assert (run.error_code, run.tool_calls[0].status, worker.prompts) == (Code.RUN_INTERRUPTED, "unknown", [])
    assert run.error_detail == INTERRUPTED.format("Bash")


async def test_an_agent_continues_and_knows_of_the_unknown_outcome(worker: Worker) -> None:
    await lose_in_call(worker, "continue")
    await worker.work(finish)
    [prompt] = worker.prompts
    assert prompt == "\n".join([GO_ON, UNKNOWN, '- Bash with {"n": 1}'])


@pytest.mark.parametrize("after_crash", ["ask", "continue", "end"])
@pytest.mark.parametrize("status", ["success", "error", "denied"])
async def test_an_agent_learns_of_a_result_that_its_conversation_lacks(
    worker: Worker, after_crash: AfterCrash, status: str
) -> None:
    await begin_call(worker, run := await worker.start_another(), after_crash)
    about: dict[str, Any] = {"session_id": run.session_id, "run_id": run.id, "attempt": run.attempt}
    how: dict[str, Any] = {"is_error": status != "success", "denied": status == "denied", "duration_ms": 1}
    await worker.desk.send(RecordToolResult(**about, **how, tool_use_id="toolu_1", output={"content": "sent"}))
    await worker.work(finish)
    [call] = (await worker.current_run()).tool_calls
    assert call.status == status
    assert worker.prompts == ["\n".join([GO_ON, RETURNED, '- Bash with {"n": 1} returned "sent"'])]


def test_a_call_whose_result_the_service_has_is_named_once() -> None:
    tail = Tail(unsettled={"toolu_1": lost("mcp__lab__paint")}, returned={"toolu_1": "painted"})
    recovered = Recovered(tail, Settled(outlook="continues"), [], [*tail.unsettled.values()])
    assert [*describe(recovered)] == [KEPT, '- mcp__lab__paint with {"n": 1}']


async def test_a_prompt_names_a_limited_number_of_calls(worker: Worker) -> None:
    await lose_in_call(worker, "continue", "toolu_0")
    run = await worker.current_run()
    for number in range(1, MAX_LISTED + 1):
        await allow(worker, run, f"toolu_{number}")
    await worker.work(finish)
    lines = worker.prompts[0].splitlines()
    assert (lines[1:3], len(lines)) == ([UNKNOWN, "- and 1 earlier ones"], MAX_LISTED + 3)


@pytest.mark.parametrize(("entries", "prompt"), [([ANSWER], GO_ON), ([], "?")], ids=["the call", "everything"])
async def test_an_agent_learns_of_a_call_that_its_conversation_lacks(
    worker: Worker, entries: list[Any], prompt: str
) -> None:
    await worker.desk.send(
        ChangeSession(session_id=worker.run.session_id, sdk_options=SdkOptions(after_crash="continue"))
    )
    run = await worker.start_another()
    await allow(worker, run)
    await write(worker, run, *entries)
    await worker.work(finish)
    [call] = (await worker.current_run()).tool_calls
    assert (worker.prompts, call.status) == (["\n".join([prompt, UNKNOWN, '- Bash with {"n": 1}'])], "unknown")


async def test_an_agent_learns_of_a_decision_and_of_the_message_it_lacks(worker: Worker) -> None:
    await worker.desk.send(ChangeSession(session_id=worker.run.session_id, sdk_options=SdkOptions(after_crash="ask")))
    await allow(worker, await worker.start_another())
    await worker.work(finish)
    await worker.decide()
    await worker.work(finish)
    [prompt] = worker.prompts
    assert prompt.splitlines()[0] == "?"
    assert '- Bash with {"n": 1}: you must not make it again.' in prompt


async def test_a_call_that_was_denied_without_an_agent_has_no_result(worker: Worker) -> None:
    run = await worker.start_another()
    await begin_call(worker, run, "ask")
    await worker.request()
    await worker.decide()
    await lose(worker, ANSWER)
    await worker.work(finish)
    assert RETURNED not in worker.prompts[-1]


async def test_a_run_waits_without_a_worker_until_its_outcome_is_decided(worker: Worker) -> None:
    await lose_in_call(worker, "ask")
    await worker.work(finish)
    [view] = (await worker.desk.ask(ListApprovals(session_id=worker.run.session_id))).items
    waiting = await worker.current_run()
    assert (view.kind, view.tool_input, waiting.status) == ("outcome", {"n": 1}, "waiting_approval")
    await worker.desk.send(DecideApproval(approval_id=view.id, decision="denied", message="It was sent."))
    await worker.work(finish)
    decided = '- Bash with {"n": 1}: you must not make it again. It was sent.'
    assert worker.prompts == ["\n".join([OUTCOMES, decided])]


async def test_a_call_beside_one_that_waits_for_approval_is_not_forgotten(worker: Worker) -> None:
    await lose_in_call(worker, "end", id="toolu_2")
    await worker.request()
    await worker.work(finish)
    assert (await worker.current_run()).error_code is Code.RUN_INTERRUPTED


async def die_in_call(worker: Worker, after_crash: AfterCrash) -> RunView:
    """Let the first agent die in the middle of a call, and return the run after that."""

    async def die(_: Ask) -> AsyncGenerator[AgentEvent]:
        if len(worker.prompts) > 1:
            yield FINISHED
            return
        await begin_call(worker, await worker.current_run(), after_crash)
        yield Finished(error_code=Code.AGENT_FAILED, died=True)

    await worker.work(die)
    return await worker.current_run()


async def test_an_agent_that_died_in_a_call_interrupts_the_run(worker: Worker) -> None:
    run = await die_in_call(worker, "end")
    assert (run.error_code, run.error_detail, run.attempt) == (Code.RUN_INTERRUPTED, INTERRUPTED.format("Bash"), 1)


async def test_a_run_waits_for_a_decision_after_its_agent_died_in_a_call(worker: Worker) -> None:
    run = await die_in_call(worker, "ask")
    assert (run.status, run.attempt, worker.prompts) == ("waiting_approval", 2, ["?"])
    assert await worker.desk.database.fetchval("SELECT resumed FROM runs WHERE id = $1", run.id) == "agent_died"


async def test_an_agent_knows_in_which_call_the_one_before_died(worker: Worker) -> None:
    await die_in_call(worker, "continue")
    first, second = worker.prompts
    assert (first, second) == ("?", "\n".join([GO_ON, UNKNOWN, '- Bash with {"n": 1}']))


@pytest.mark.parametrize("after_crash", ["ask", "continue", "end"])
async def test_what_an_agent_did_that_died_as_its_time_was_over_is_recorded(
    worker: Worker, after_crash: AfterCrash
) -> None:
    options = SdkOptions(timeout_seconds=1, after_crash=after_crash)
    await worker.desk.send(ChangeSession(session_id=worker.run.session_id, sdk_options=options))
    (spent := spending(worker.desk, worker.run)).worked_ms = lambda: 900
    await spent.charge(Decimal(0))

    async def die(_: Ask) -> AsyncGenerator[AgentEvent]:
        await allow(worker, run := await worker.current_run())
        await write(worker, run, answer(TEXT, call()))
        await eventually(lambda: worker.closed)
        yield Finished(error_code=Code.AGENT_FAILED, died=True)

    await worker.work(die)
    run = await worker.current_run()
    calls = [each.status for each in run.tool_calls]
    assert (run.error_code, run.text, calls) == (Code.RUN_TIMEOUT, "Hello.", ["unknown"])
    assert (await worker.desk.ask(ListApprovals(session_id=run.session_id))).items == []


async def test_an_agent_that_died_as_its_run_was_cancelled_is_paid(worker: Worker) -> None:
    async def die(_: Ask) -> AsyncGenerator[AgentEvent]:
        await worker.cancel()
        yield Finished(input_tokens=7, error_code=Code.AGENT_FAILED, died=True)

    await worker.work(die)
    run = await worker.current_run()
    assert (run.status, run.usage.input_tokens) == ("cancelled", 7)


async def test_a_forged_entry_without_an_id_is_not_recorded(worker: Worker) -> None:
    await lose(worker, answer(TEXT) | {"uuid": "forged"})
    await worker.work(finish)
    assert len((await worker.desk.ask(ListMessages(session_id=worker.run.session_id))).items) == 1
