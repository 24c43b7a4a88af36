"""Runs that a replica hands over when it stops: another one goes on with them, and nothing is repeated."""

import asyncio
import signal
from asyncio.subprocess import Process
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from contracts.session.run_view import RunView
from eventing.testing import background, eventually
from runtime.activity import Activity
from runtime.clock import new_id
from session.agent import handover
from session.agent.handover import Handover
from session.agent.places import CLOSING_SECONDS, Place, Places
from session.agent.stored_calls import StoredCalls
from simulator.testing import bash, scripted

from services.session.tests.deployment import STALLING, Deployment, Stall
from services.session.tests.processes import agents_of
from services.session.tests.test_resumed_runs import conversation

SLOWLY = bash("touch begun; until [ -e go ]; do sleep 0.05; done; echo one >> effect")
TWO_CALLS = scripted(SLOWLY, bash("echo two >> effect"), {"text": "Done."})
ANSWER = scripted(bash("echo one >> effect"), STALLING)
"""An answer that takes longer than a replica waits which stops."""
PATIENT = {"session.agent.handover.HOLD_SECONDS": 60.0}


class Turn:
    """A turn of an agent in a place of a replica."""

    def __init__(self) -> None:
        self.place, self.calls, self.kills = Place(stopping=True), StoredCalls(), 0
        self.handover = Handover(self.place, self.calls, self.kill)
        self.prompt = self.calls.expect(None)

    @classmethod
    def begun(cls) -> "Turn":
        """Return a turn whose prompt is stored."""
        (turn := cls()).calls.note([{"type": "user", "uuid": str(turn.prompt)}])
        return turn

    def kill(self) -> bool:
        self.kills += 1
        return True

    def begin_call(self) -> None:
        assert self.calls.begin("toolu_1")

    def end_call(self) -> None:
        self.calls.note([{"message": {"content": [{"type": "tool_result", "tool_use_id": "toolu_1"}]}}])

    async def is_held(self, *, alone: bool = True) -> bool:
        """Return whether a request to the model is held for ever, once it is made or the agent has been ended."""
        async with background(self.handover.before_request(lambda: alone)) as [request]:
            await eventually(lambda: self.kills or request.done())
            await asyncio.sleep(0)
            return not request.done()


async def test_an_agent_is_ended_before_it_asks_the_model_again() -> None:
    turn = Turn.begun()
    assert (await turn.is_held(), turn.kills, turn.place.released) == (True, 1, "handover")


async def test_an_agent_whose_prompt_is_not_stored_goes_on() -> None:
    turn = Turn()
    turn.calls.note([{"type": "user", "uuid": str(new_id())}])  # an earlier one
    assert (await turn.is_held(), turn.handover.now(), turn.kills, turn.place.released) == (False, False, 0, None)


async def test_a_later_turn_waits_for_its_own_prompt() -> None:
    turn = Turn.begun()
    turn.calls.clear()
    turn.calls.expect(None)
    assert (turn.place.hand_over(), turn.kills) == (False, 0)


async def test_an_agent_whose_call_is_in_progress_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "HOLD_SECONDS", 0.1)
    turn = Turn.begun()
    turn.begin_call()
    assert (await turn.is_held(), turn.handover.now(), turn.kills, turn.place.released) == (False, False, 0, None)


async def test_no_call_begins_once_the_agent_was_ended() -> None:
    turn = Turn.begun()
    assert (turn.handover.now(), turn.calls.begin("toolu_1"), turn.calls.open) == (True, False, set())


async def test_a_call_that_only_the_transcript_has_is_in_progress() -> None:
    turn = Turn.begun()
    turn.calls.note([{"message": {"content": [{"type": "tool_use", "id": "toolu_1"}]}}])
    assert not turn.handover.now()


async def test_an_agent_is_ended_once_the_results_of_its_calls_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "HOLD_SECONDS", 60.0)
    turn = Turn.begun()
    turn.begin_call()
    asyncio.get_running_loop().call_later(handover.QUIET_SECONDS + 0.1, turn.end_call)
    assert (await turn.is_held(), turn.kills) == (True, 1)


async def test_an_agent_that_waits_for_another_answer_goes_on() -> None:
    turn = Turn.begun()
    assert (await turn.is_held(alone=False), turn.kills) == (False, 0)


async def test_no_request_is_held_in_a_replica_that_does_not_stop() -> None:
    turn = Turn.begun()
    turn.place.stopping = False
    assert (await turn.is_held(), turn.kills) == (False, 0)


async def test_what_still_runs_is_handed_over_before_the_end() -> None:
    places, calls = Places(2, 1000, Activity(0)), list[bool]()
    async with places.take(new_id()) as place:
        place.hand_over = lambda: not calls.append(place.stopping)
        places.stop(0)
        await eventually(lambda: calls == [True])


async def stop(process: Process) -> None:
    """Stop a replica, and wait until it has ended in time."""
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        assert await process.wait() == 0


async def ended(deployment: Deployment, run: RunView) -> tuple[str, int, str, list[str], list[str]]:
    """Return the status, attempt and answer of a run, with all texts and the statuses of its calls."""
    latest = await deployment.client.wait_until_ended(run)
    return latest.status, latest.attempt, latest.text, *await conversation(deployment.client, run)


def files_of(deployment: Deployment, run: RunView) -> Path:
    return deployment.settings.workspaces_dir / str(run.session_id)


async def test_a_replica_that_stops_hands_a_run_over_after_its_call(deployment: Deployment, tmp_path: Path) -> None:
    client, output = deployment.client, tmp_path / "output"
    async with AsyncExitStack() as stack:
        log = stack.enter_context(output.open("wb"))
        first = await stack.enter_async_context(deployment.replica_process(PATIENT, log))
        await eventually(client.is_ready)
        run = await client.submit(await client.create(), TWO_CALLS)
        await eventually((files_of(deployment, run) / "begun").exists)
        async with deployment.replica():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(stop(first))
                await eventually(lambda: "draining" in output.read_text())
                first.send_signal(signal.SIGTERM)  # a second one changes nothing
                (files_of(deployment, run) / "go").touch()
            assert await ended(deployment, run) == ("completed", 2, "Done.", ["Done."], ["success"] * 2)
    assert (files_of(deployment, run) / "effect").read_text() == "one\ntwo\n"


async def test_an_answer_that_takes_too_long_is_written_by_the_next_agent(deployment: Deployment, stall: Stall) -> None:
    client = deployment.client
    async with deployment.changed(drain_seconds=CLOSING_SECONDS).replica_process({}) as first:
        await eventually(client.is_ready)
        run = await client.submit(await client.create(), ANSWER)
        await eventually(stall.began.is_set)
        await deployment.wait_for_entry(run.session_id, '"tool_result"')
        await stop(first)
    stall.over.set()
    assert not agents_of(run.session_id)
    async with deployment.replica():
        assert await ended(deployment, run) == ("completed", 2, "It is written.", ["It is written."], ["success"])
    assert (files_of(deployment, run) / "effect").read_text() == "one\n"


async def test_of_a_call_that_takes_too_long_the_policy_of_the_session_decides(deployment: Deployment) -> None:
    client = deployment.client
    async with deployment.changed(drain_seconds=CLOSING_SECONDS).replica_process({}) as first:
        await eventually(client.is_ready)
        ending = await client.submit(await client.create(after_crash="end"), TWO_CALLS)
        going_on = await client.submit(await client.create(after_crash="continue"), TWO_CALLS)
        for run in (ending, going_on):
            await eventually((files_of(deployment, run) / "begun").exists)
            await deployment.wait_for_entry(run.session_id, '"tool_use"')
        await stop(first)
    async with deployment.replica():
        assert await ended(deployment, ending) == ("failed", 2, "", [], ["unknown"])
        assert await ended(deployment, going_on) == ("completed", 2, "Done.", ["Done."], ["unknown", "success"])
    assert (files_of(deployment, going_on) / "effect").read_text() == "two\n"
