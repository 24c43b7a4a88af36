"""What an agent can write in its own name is bounded, read no faster than it is worked off, and ends with its run."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from contracts.refusals import Code
from contracts.session.values import ApprovalOutcome
from eventing.testing import eventually
from runtime.clock import new_id
from session.agent import Ask, AssistantMessage, Limits, ToolReturned
from session.agent import frame_queue as module
from session.agent.frame_queue import FrameQueue
from session.agent.options import deny_all
from session.agent.sandbox.bwrap_args import PYTHON
from simulator.testing import bash_prompt, scripted

from services.session.tests.processes import agents_of
from services.session.tests.replica import NewReplica, Replica, Telling

OUTPUT = "/proc/2/fd/1"
SIZE = "SELECT coalesce(sum(octet_length(entry)), 0) FROM transcript"
TRANSIENT_ERRORS = "UPDATE conversations SET attempt = NULL"
WORKING = bash_prompt("touch begun; until [ -e go ]; do sleep 0.05; done")
MESSAGE = {"model": "m", "id": "m", "role": "assistant", "content": [{"type": "text", "text": "x" * 100}]}
SAID = {"type": "assistant", "message": MESSAGE, "parent_tool_use_id": None, "session_id": "s", "uuid": "u"}


def flooding(frame: dict[str, Any]) -> str:
    """Write a prompt on which the agent writes a frame again and again until it is ended."""
    return bash_prompt(
        f'echo \'{json.dumps(frame)}\' | sed "s|CONFIG|$CLAUDE_CONFIG_DIR|" > f; yes "$(cat f)" > {OUTPUT}'
    )


async def flood(replica: Replica, frame: dict[str, Any], ask: Ask = deny_all) -> Telling:
    spec = replica.spec()
    return Telling([told async for told in replica.agents.turn(spec, flooding(frame), ask)])


def mirrored(replica: Replica, **entry: Any) -> dict[str, Any]:
    path = f"CONFIG/projects/x/{replica.spec().session_id}.jsonl"
    return {"type": "transcript_mirror", "filePath": path, "entries": [{"type": "user", **entry}]}


async def test_an_agent_that_floods_its_conversation_is_ended(new_replica: NewReplica) -> None:
    async with new_replica(Limits(run_bytes=2**20)) as replica:
        telling = await flood(replica, mirrored(replica, content="x" * 10_000))
        assert (telling.end.error_code, "1048576 bytes" in str(telling.end.error_detail)) == (Code.RUN_TOO_LARGE, True)
        assert await replica.database.fetchval(SIZE) < 2**20
        assert (await replica.ask(scripted({"text": "Hello."}))).words == "Hello."


async def test_an_agent_that_writes_many_short_lines_is_ended(new_replica: NewReplica) -> None:
    async with new_replica(Limits(run_bytes=2**20)) as replica:
        telling = await replica.ask(bash_prompt(f"yes '' | head -20000 > {OUTPUT}"))
        assert telling.end.error_code is Code.RUN_TOO_LARGE


async def test_an_agent_that_fills_its_conversation_is_ended(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("session.agent.transcript.CONVERSATION_BYTES", 2**17)
    telling = await flood(replica, mirrored(replica, content="x" * 10_000))
    assert telling.end.error_code is Code.CONVERSATION_FULL
    assert await replica.database.fetchval(SIZE) <= 2**17


async def test_an_agent_that_says_more_than_can_be_recorded_is_ended(new_replica: NewReplica) -> None:
    async with new_replica(Limits(run_records=50)) as replica:
        telling = await flood(replica, SAID)
        assert telling.end.error_code is Code.RUN_TOO_LARGE
        assert sum(isinstance(told, (AssistantMessage, ToolReturned)) for told in telling) <= 50


async def test_an_agent_that_says_more_bytes_than_can_be_recorded_is_ended(new_replica: NewReplica) -> None:
    async with new_replica(Limits(run_record_bytes=10_000)) as replica:
        assert (await flood(replica, SAID)).end.error_code is Code.RUN_TOO_LARGE


async def test_an_agent_asks_for_no_more_approvals_at_once_than_may_be(new_replica: NewReplica) -> None:
    asked: list[str] = []

    async def never(_tool_use_id: str, name: str, _given: dict[str, Any]) -> ApprovalOutcome:
        asked.append(name)
        await asyncio.Event().wait()
        raise AssertionError

    wanted: dict[str, Any] = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {}, "tool_use_id": "t"}
    async with new_replica(Limits(max_pending_requests=5)) as replica:
        frame = {"type": "control_request", "request_id": "r", "request": wanted}
        assert (await flood(replica, frame, never)).end.error_code is Code.RUN_TOO_LARGE
    assert len(asked) <= 5


async def test_an_agent_that_asks_one_thing_after_the_other_may_ask_more(new_replica: NewReplica) -> None:
    async def yes(_tool_use_id: str, _name: str, _given: dict[str, Any]) -> ApprovalOutcome:
        return ApprovalOutcome(decision="approved")

    async with new_replica(Limits(max_pending_requests=1)) as replica:
        steps = [{"tools": [{"name": "Bash", "input": {"command": f"touch {n}", "description": "x"}}]} for n in "abc"]
        prompt = scripted(*steps, {"text": "Done."})
        spec = replica.spec(permission_mode="default")
        assert Telling([told async for told in replica.agents.turn(spec, prompt, yes)]).words == "Done."


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, '{"a": ' * 100_000, '{"a": [' + "1," * 600_000 + "1]}", '{"a', "{" + "x" * 5_000_000],
    ids=["no frame", "deep", "much", "cut", "long"],
)
async def test_what_nobody_can_read_ends_the_run(replica: Replica, line: str) -> None:
    await replica.ask(scripted({"text": "Hello."}))
    (replica.workspaces / "one" / "line").write_text(f"{line}\n")
    end = (await replica.ask(bash_prompt(f"cat line > {OUTPUT}; sleep 1"))).end
    assert (end.error_code in (Code.AGENT_FAILED, Code.RUN_TOO_LARGE)) == line.startswith("{")
    assert (await replica.ask(scripted({"text": "Hello."}))).words == "Hello."


async def test_an_agent_whose_run_was_taken_away_is_ended_at_its_next_entry(replica: Replica) -> None:
    spec = await replica.for_run(new_id())
    async with aclosing(replica.agents.turn(spec, WORKING)) as turn:
        told = Telling([await anext(turn)])
        await eventually((spec.workspace / "begun").exists)
        before = await replica.database.fetchval(SIZE)
        await replica.database.execute(TRANSIENT_ERRORS)
        (spec.workspace / "go").touch()
        told += [each async for each in turn]
    assert (told.end.error_code, told.end.error_detail) == (Code.AGENT_FAILED, "The agent was stopped.")
    assert await replica.database.fetchval(SIZE) == before
    await eventually(lambda: not agents_of(spec.session_id))


async def test_an_idle_agent_that_still_writes_after_it_was_replaced_is_ended(replica: Replica) -> None:
    frame = json.dumps(mirrored(replica)).replace("CONFIG", "$CLAUDE_CONFIG_DIR").replace('"', '\\"')
    await replica.bash(f'(until [ -e go ]; do sleep 0.05; done; echo "{frame}" > {OUTPUT}) & disown')
    await replica.database.execute(TRANSIENT_ERRORS)
    spec = replica.spec()
    assert agents_of(spec.session_id)
    (spec.workspace / "go").touch()
    await eventually(lambda: not agents_of(spec.session_id))


async def test_a_result_that_was_forged_between_two_turns_answers_none(replica: Replica) -> None:
    forged = {"type": "result", "subtype": "success", "duration_ms": 1, "duration_api_ms": 1, "is_error": False}
    frame = json.dumps(forged | {"num_turns": 1, "session_id": "s"})
    await replica.bash(f"(until [ -e go ]; do sleep 0.05; done; echo '{frame}' > {OUTPUT}; touch gone) & disown")
    (replica.workspaces / "one" / "go").touch()
    await eventually((replica.workspaces / "one" / "gone").exists)
    await asyncio.sleep(0.2)  # it may pass the pipe
    assert (await replica.ask(scripted({"text": "Hello."}))).words == "Hello."


async def test_who_brings_frames_waits_until_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED_BYTES", 10)
    pending = FrameQueue()
    await pending.put({"n": 1}, 8)
    async with asyncio.TaskGroup() as tasks:
        putting = tasks.create_task(pending.put({"n": 2}, 8))
        await asyncio.sleep(0)
        assert not putting.done()
        assert await pending.get() == {"n": 1}
    assert await pending.get() == {"n": 2}


async def test_a_frame_that_is_larger_than_the_room_has_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED_BYTES", 10)
    pending = FrameQueue()
    await pending.put({"n": 1}, 80)
    assert await pending.get() == {"n": 1}


async def test_who_takes_frames_hears_what_ended_the_reading() -> None:
    pending = FrameQueue()
    await pending.close(ConnectionResetError())
    await pending.close()
    with pytest.raises(ConnectionResetError):
        await pending.get()


async def test_what_an_agent_keeps_for_itself_lies_on_no_disk_and_ends_with_it(
    replica: Replica, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = open_folder  # a short one: the address of a unix socket has 107 bytes
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    deep = "import os; [(os.mkdir(chr(100)), os.chdir(chr(100))) for _ in range(3000)]"
    await replica.bash(f"cd $CLAUDE_CONFIG_DIR && mkdir -m 0 closed && {PYTHON} -c '{deep}'")
    lie_there = await asyncio.to_thread(lambda: {path.name for path in scratch.rglob("*")})
    assert ("control" in lie_there, lie_there & {"closed", "d"}) == (True, set())
    await replica.agents.close(replica.spec().session_id)
    await eventually(lambda: not any(scratch.iterdir()))
