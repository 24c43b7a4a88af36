"""The session service through real NATS, real PostgreSQL and the real Claude Code CLI; the model alone is simulated."""

import asyncio

import pytest
from contracts.refusals import Code, Refusal
from contracts.session.conversation import ListMessages, ListToolCalls
from contracts.session.run import CancelRun, GetRun, StartRun
from contracts.session.session import DeleteSession, GetSession, PauseSession, ResumeSession
from eventing import reactions
from eventing.testing import eventually
from simulator.testing import bash, scripted

from services.session.tests.box import SLOW, Box, Remote
from services.session.tests.processes import agents_of


async def test_an_agent_uses_a_tool_and_answers(remote: Remote) -> None:
    session_id = await remote.create()
    run = await remote.run(session_id, scripted(bash("echo from the sandbox"), {"text": "There you are."}))
    assert (run.status, run.text) == ("completed", "There you are.")
    [call] = (await remote.ask(ListToolCalls(session_id=session_id))).items
    assert (call.tool_name, call.status, call.tool_output) == ("Bash", "success", {"content": "from the sandbox"})
    assert run.usage.output_tokens > 0


async def test_a_second_query_knows_the_first_also_in_a_new_replica(box: Box) -> None:
    async with box.replica():
        session_id = await box.remote.create()
        await box.remote.run(session_id, "My name is Ada.")
    async with box.replica():
        assert "Ada" in (await box.remote.run(session_id, "What is my name?")).text


async def test_a_model_that_fails_is_told_and_the_session_goes_on(remote: Remote) -> None:
    session_id = await remote.create()
    failed = await remote.run(session_id, scripted({"status": 400}))
    assert (failed.status, failed.error_code) == ("failed", Code.MODEL_ERROR)
    assert (await remote.run(session_id, scripted({"text": "fine"}))).text == "fine"


async def test_a_run_that_takes_too_long_is_ended(remote: Remote) -> None:
    session_id = await remote.create(timeout_seconds=8)
    run = await remote.run(session_id, SLOW)
    assert (run.error_code, [call.status for call in run.tool_calls]) == (Code.RUN_TIMEOUT, ["interrupted"])
    assert (await remote.run(session_id, scripted({"text": "fine"}))).text == "fine"


async def test_a_tool_that_is_not_allowed_is_denied_and_the_agent_goes_on(remote: Remote) -> None:
    session_id = await remote.create("non_interactive", allowed_tools=["Read"])
    run = await remote.run(session_id, scripted(bash("id > x"), {"text": "Without it, then."}))
    assert ([call.status for call in run.tool_calls], run.text) == (["error"], "Without it, then.")


async def test_a_run_whose_worker_is_gone_is_ended_as_interrupted(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactions, "ACK_WAIT", 1.0)
    async with box.replica() as first:
        session_id = await box.remote.create()
        run = await box.remote.submit(session_id, SLOW)
        await box.remote.calls_a_tool(run)
        async with box.replica():
            first.cancel()
            run = await box.remote.ended(run)
            assert (run.error_code, [call.status for call in run.tool_calls]) == ("RUN_INTERRUPTED", ["interrupted"])
            assert (await box.remote.run(session_id, scripted({"text": "fine"}))).text == "fine"


async def test_the_agent_of_a_worker_that_was_taken_for_dead_is_ended(remote: Remote) -> None:
    session_id = await remote.create()
    run = await remote.submit(session_id, SLOW)
    await remote.calls_a_tool(run)
    assert agents_of(session_id)
    run = await remote.ask(StartRun(session_id=session_id, run_id=run.id))  # as the next worker does
    assert run.error_code == "RUN_INTERRUPTED"

    async def ended() -> bool:
        return not agents_of(session_id)

    await eventually(ended, within=30)


async def test_a_cancelled_run_ends_in_whichever_replica_it_goes_and_the_next_one_follows(box: Box) -> None:
    async with box.replica(), box.replica():
        session_id = await box.remote.create()
        run = await box.remote.submit(session_id, SLOW)
        following = await box.remote.submit(session_id, scripted({"text": "fine"}), "enqueue")
        await box.remote.calls_a_tool(run)
        run = await box.remote.ask(CancelRun(session_id=session_id, run_id=run.id))
        assert (run.status, [call.status for call in run.tool_calls]) == ("cancelled", ["interrupted"])
        assert (await box.remote.ended(following)).text == "fine"


async def test_many_runs_of_one_session_go_one_after_the_other(remote: Remote) -> None:
    session_id = await remote.create()
    texts = [str(n) for n in range(5)]
    runs = [await remote.submit(session_id, scripted({"text": text}), "enqueue") for text in texts]
    assert [(await remote.ended(run)).text for run in runs] == texts
    messages = (await remote.ask(ListMessages(session_id=session_id))).items
    assert [m.content["content"] for m in messages if m.message_type == "assistant"] == texts


async def test_the_budget_of_a_session_holds_over_its_processes(box: Box) -> None:
    dear = {"text": "Hello.", "input_tokens": 100_000}
    async with box.replica():
        cost = (await box.remote.run(await box.remote.create(), scripted(dear))).usage.cost_usd
        session_id = await box.remote.create(max_budget_usd=float(cost) * 1.5)
        assert (await box.remote.run(session_id, scripted(dear))).status == "completed"
    async with box.replica():
        run = await box.remote.run(session_id, scripted(dear | bash("true"), {"text": "never"}))
        assert (run.error_code, run.usage.cost_usd > 0) == (Code.BUDGET_EXCEEDED, True)
        with pytest.raises(Refusal, match=Code.BUDGET_EXCEEDED):
            await box.remote.submit(session_id, "More?")


async def test_deleting_a_session_ends_its_agent_and_removes_its_workspace(remote: Remote, box: Box) -> None:
    session_id = await remote.create()
    await remote.calls_a_tool(await remote.submit(session_id, SLOW))
    await remote.ask(DeleteSession(session_id=session_id))
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await remote.ask(GetSession(session_id=session_id))

    async def gone() -> bool:
        return not (box.settings.workspaces_dir / str(session_id)).exists()

    await eventually(gone, within=30)


async def test_many_sessions_run_at_once(remote: Remote) -> None:
    ids = [await remote.create() for _ in range(4)]
    runs = await asyncio.gather(*(remote.run(i, scripted({"delay": 0.5, "text": str(i)})) for i in ids))
    assert [run.text for run in runs] == [str(i) for i in ids]


async def test_a_run_beyond_those_that_go_at_once_waits_for_one_to_end(box: Box) -> None:
    box.settings = box.settings.model_copy(update={"runs_at_once": 1})
    async with box.replica():
        first = await box.remote.submit(await box.remote.create(), SLOW)
        await box.remote.calls_a_tool(first)
        second = await box.remote.submit(await box.remote.create(), scripted({"text": "fine"}))
        await asyncio.sleep(0.3)
        assert (await box.remote.ask(GetRun(session_id=second.session_id, run_id=second.id))).status == "queued"
        await box.remote.ask(CancelRun(session_id=first.session_id, run_id=first.id))
        assert (await box.remote.ended(second)).text == "fine"


@pytest.mark.parametrize("character", ["\x00", "\ud7ff", "\U0010ffff", "\x1b"])
async def test_odd_characters_in_what_a_tool_gives_are_kept_or_replaced_never_fatal(
    remote: Remote, character: str
) -> None:
    session_id = await remote.create()
    run = await remote.run(session_id, scripted(bash(f"printf 'a\\x00b'; printf '{character!r}'"), {"text": "ok"}))
    assert run.status == "completed"
    assert (await remote.ask(ListMessages(session_id=session_id))).total == 3


async def test_pausing_a_session_ends_its_idle_agent(box: Box, remote: Remote) -> None:
    session_id = await remote.create()
    await remote.run(session_id, scripted({"text": "Hello."}))
    assert agents_of(session_id)
    await remote.ask(PauseSession(session_id=session_id))
    await eventually(lambda: not agents_of(session_id))
    await remote.ask(ResumeSession(session_id=session_id))
    assert (await remote.run(session_id, scripted({"text": "Hello again."}))).text == "Hello again."


async def test_a_run_that_used_all_its_turns_says_so(remote: Remote) -> None:
    run = await remote.run(await remote.create(max_turns=1), scripted(bash("true"), {"text": "never"}))
    assert (run.status, run.error_code) == ("failed", Code.MAX_TURNS_REACHED)
