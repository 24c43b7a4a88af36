"""What the next worker does with a run, by what the conversation has of it."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from contracts.refusals import Code
from contracts.session.conversation import ListMessages
from contracts.session.run_view import RunSummary, RunView
from contracts.session.session import ChangeSession
from contracts.session.values import SdkOptions
from session.agent import AgentEvent, Ask, Finished
from session.agent.transcript import Transcripts
from session.reactions.resuming import GO_ON

from services.session.tests.desk import Desk
from services.session.tests.test_tail import TEXT, answer, call, result
from services.session.tests.test_transcript_fence import opened
from services.session.tests.worker import FINISHED, Worker

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


async def test_a_call_without_a_result_interrupts_the_run(worker: Worker) -> None:
    await lose(worker, answer(call()))
    await worker.work(finish)
    run = await worker.current_run()
    assert (run.error_code, run.tool_calls[0].status, worker.prompts) == (Code.RUN_INTERRUPTED, "interrupted", [])


async def test_an_agent_that_died_in_a_call_interrupts_the_run(worker: Worker) -> None:
    async def die(_: Ask) -> AsyncGenerator[AgentEvent]:
        await write(worker, await worker.current_run(), answer(call()))
        yield Finished(error_code=Code.AGENT_FAILED, died=True)

    await worker.work(die)
    run = await worker.current_run()
    assert (run.error_code, run.attempt, "a call of" in (run.error_detail or "")) == (Code.RUN_INTERRUPTED, 1, True)


async def test_a_forged_entry_without_an_id_is_not_recorded(worker: Worker) -> None:
    await lose(worker, answer(TEXT) | {"uuid": "forged"})
    await worker.work(finish)
    assert len((await worker.desk.ask(ListMessages(session_id=worker.run.session_id))).items) == 1
