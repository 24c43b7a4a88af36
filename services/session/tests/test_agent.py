"""The turns of an agent: their events, and how they end."""

from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import pytest
import pytest_asyncio
from contracts.refusals import Code
from contracts.session.values import TextBlock, ToolUseBlock
from sandbox import Resources, Sandbox, SandboxedProcess
from session.agent import Delta, Limits
from simulator.testing import bash, bash_prompt, calling, scripted
from structlog.testing import capture_logs

from services.session.tests.replica import NewReplica, Replica, TurnEvents

SLOW = bash_prompt("touch begun; sleep 60; echo again >> repeated")
HELLO = scripted({"text": "Hello."})
REFUSED = "The model provider refused the request (HTTP 400)"
# With a pattern, because only such a schema is an argument.
INVALID = {"type": "json_schema", "schema": {"$ref": "#/plantedsecret", "pattern": "x"}}
FAILING = "echo out; exit 3"
TRUE = ("Bash", {"command": "true", "description": "a test"})
SUBAGENT = {"prompt": bash_prompt("true"), "description": "a test", "subagent_type": "general-purpose"}
TURNS = (
    {"thinking": "Hm.", "text": "Let me see.", **calling(TRUE, TRUE)},
    calling(("Task", SUBAGENT)),
    bash(FAILING),
    calling(("Write", {"file_path": "/workspace/note", "content": "words"})),
    bash("echo needle > hay"),
    calling(("Glob", {"pattern": "h*"})),
    calling(("Grep", {"pattern": "needle"})),
    {"text": "Hello there.", "chunks": 3},
)


@dataclass
class Conversation:
    """A turn of an agent that has ended: its events, and the folder that the agent worked in."""

    events: TurnEvents
    workspace: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conversation(module_replica: NewReplica) -> Conversation:
    async with module_replica() as replica:
        return Conversation(await replica.ask(scripted(*TURNS)), replica.workspaces / "one")


def test_an_agent_answers_a_prompt(conversation: Conversation) -> None:
    assert conversation.events.messages[-1].blocks == [TextBlock(text="Hello there.")]
    assert conversation.events.end.error_code is None


def test_text_is_streamed_in_deltas(conversation: Conversation) -> None:
    deltas = [event.text for event in conversation.events if isinstance(event, Delta)]
    assert "".join(deltas[-3:]) == "Hello there."


def test_a_tool_call_is_reported_with_its_result(conversation: Conversation) -> None:
    result = conversation.events.bash_results[FAILING]
    assert "out" in result.output["content"]
    assert result.is_error


def test_the_blocks_of_one_model_response_form_one_message(conversation: Conversation) -> None:
    first = conversation.events.messages[0]
    assert [block.type for block in first.blocks] == ["thinking", "text", "tool_use", "tool_use"]


def test_subagent_messages_name_the_tool_call_that_started_them(conversation: Conversation) -> None:
    [task] = conversation.events.messages[1].blocks
    assert isinstance(task, ToolUseBlock)
    parents = [message.parent_tool_use_id for message in conversation.events.messages]
    assert (parents[1], parents[2], parents[-1]) == (None, task.id, None)


def test_a_file_written_by_the_agent_is_in_the_workspace(conversation: Conversation) -> None:
    assert (conversation.workspace / "note").read_text() == "words"


def test_the_agent_can_search_files(conversation: Conversation) -> None:
    assert all("hay" in output for output in conversation.events.outputs[-2:])


async def test_a_long_system_prompt_reaches_the_model(replica: Replica) -> None:
    events = await replica.ask(HELLO, system_prompt="ř" * 100_000)
    assert events.text == "Hello."
    assert events.end.input_tokens > 50_000


BAD_REQUEST, BAD_SCRIPT = scripted({"status": 400}), 'Hi. [[simulate {"turns": [{"txt": "Hello."}]}]]'
BAD_KEY, CUT = scripted({"status": 401}), scripted({"text": "Hello there.", "chunks": 4, "stall": 0.3, "cut": True})
SILENT, AGAIN = scripted({"text": "Hello.", "hang": 60}), scripted({"text": "Again."})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model_errors(module_replica: NewReplica) -> dict[str, TurnEvents]:
    """The events of turns that end in a model error, and of others after them, by prompt."""
    async with module_replica(limits=Limits(model_retries=0)) as replica:
        turns = {prompt: await replica.ask(prompt) for prompt in (BAD_REQUEST, BAD_SCRIPT, BAD_KEY, CUT, HELLO)}
    async with module_replica(limits=Limits(model_retries=0, model_answer_seconds=4)) as replica:
        return turns | {prompt: await replica.ask(prompt) for prompt in (SILENT, AGAIN)}


def test_a_model_response_400_is_a_model_error(model_errors: dict[str, TurnEvents]) -> None:
    end = model_errors[BAD_REQUEST].end
    assert (end.error_code, end.error_detail) == (Code.MODEL_ERROR, f"{REFUSED}: simulated 400")


def test_a_model_error_is_not_reported_as_an_answer(model_errors: dict[str, TurnEvents]) -> None:
    assert model_errors[BAD_REQUEST].text == ""


def test_an_invalid_simulator_script_is_reported_with_its_location(model_errors: dict[str, TurnEvents]) -> None:
    end = model_errors[BAD_SCRIPT].end
    error = "invalid script: turns.0.txt: unknown field"
    assert (end.error_code, end.error_detail) == (Code.MODEL_ERROR, f"{REFUSED}: {error}")


def test_an_agent_continues_after_a_model_error(model_errors: dict[str, TurnEvents]) -> None:
    assert (model_errors[HELLO].text, model_errors[AGAIN].text) == ("Hello.", "Again.")


def test_an_interrupted_model_response_is_a_model_error(model_errors: dict[str, TurnEvents]) -> None:
    assert model_errors[CUT].end.error_code is Code.MODEL_ERROR


def test_what_an_interrupted_model_response_had_streamed_is_kept(model_errors: dict[str, TurnEvents]) -> None:
    [message] = model_errors[CUT].messages
    assert (message.blocks, message.incomplete) == ([TextBlock(text="Hello ")], True)


def test_a_model_timeout_is_a_model_error(model_errors: dict[str, TurnEvents]) -> None:
    assert model_errors[SILENT].end.error_code is Code.MODEL_ERROR


def test_a_rejected_api_key_is_reported_with_the_setting_to_check(model_errors: dict[str, TurnEvents]) -> None:
    end = model_errors[BAD_KEY].end
    rejected = "The model provider rejected the key (HTTP 401): check MODEL_API_KEY."
    assert (end.error_code, end.error_detail) == (Code.MODEL_ERROR, rejected)


async def test_a_request_to_an_overloaded_model_is_retried(replica: Replica) -> None:
    events = await replica.ask(scripted({"status": 529, "times": 1, "then": {"text": "Hello."}}))
    assert events.text == "Hello."


async def test_an_unreachable_model_is_a_model_error(new_replica: NewReplica) -> None:
    async with new_replica(Limits(model_retries=0), model_url="http://127.0.0.1:1") as replica:
        end = (await replica.ask("Hi.")).end
    assert (end.error_code, "(HTTP 502)" in str(end.error_detail)) == (Code.MODEL_ERROR, True)


async def test_a_run_beyond_max_turns_has_its_own_error_code(replica: Replica) -> None:
    codes = [(await replica.ask(bash_prompt("echo 1"), max_turns=turns)).end.error_code for turns in (1, 2)]
    assert codes == [Code.MAX_TURNS_REACHED, None]


async def test_an_agent_without_a_workspace_fails(replica: Replica) -> None:
    replica.workspaces.write_text("no folder")
    end = (await replica.ask("Hi.")).end
    assert (end.error_code, end.error_detail) == (Code.AGENT_FAILED, "The agent could not be started.")


async def test_an_agent_that_cannot_start_fails(new_replica: NewReplica) -> None:
    async with new_replica(sandbox=Sandbox(Path("/bin/false"))) as replica:
        end = (await replica.ask("Hi.")).end
    assert (end.error_code, end.error_detail) == (Code.AGENT_FAILED, "The agent could not be started.")


@pytest.mark.parametrize(
    ("script", "seconds", "died"), [("kill -9 $$", 60, True), ("sleep 60", 2, True), ("exit 3", 60, False)]
)
async def test_another_agent_may_start_if_one_was_killed_or_too_slow(
    new_replica: NewReplica, tmp_path: Path, script: str, seconds: int, died: bool
) -> None:
    program = tmp_path / "agent"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    async with new_replica(Limits(start_seconds=seconds), program=program) as replica:
        end = (await replica.ask("Hi.")).end
    assert (end.error_code, end.died) == (Code.AGENT_FAILED, died)


@pytest.mark.claude_code
async def test_an_invalid_output_format_is_named_without_secrets(replica: Replica) -> None:
    with capture_logs() as logged:
        end = (await replica.ask("Hi.", env={"TOKEN": "plantedsecret"}, output_format=INVALID)).end
    assert end.error_code is Code.AGENT_FAILED
    assert "sdk_options.output_format: can't resolve reference #/***" in str(end.error_detail)
    assert "can't resolve reference #/***" in str(logged)
    assert "plantedsecret" not in str((logged, end))


async def test_an_agent_that_dies_during_a_turn_fails(replica: Replica) -> None:
    end = (await replica.ask(bash_prompt("kill -9 2; sleep 60"))).end
    assert (end.error_code, end.error_detail) == (Code.AGENT_FAILED, "The agent crashed before its turn was over.")


async def test_an_agent_that_was_ended_for_its_memory_says_so(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SandboxedProcess, "ran_out_of_memory", Mock(return_value=True))
    end = (await replica.ask(bash_prompt("kill -9 2; sleep 60"))).end
    assert (end.error_code, "needed more memory" in str(end.error_detail)) == (Code.AGENT_OUT_OF_MEMORY, True)


async def test_an_agent_has_the_resources_of_its_replica(new_replica: NewReplica) -> None:
    async with new_replica(Limits(resources=Resources(processes=100))) as replica:
        assert await replica.bash("ulimit -u") == "100"


async def test_a_second_turn_ends_the_first_one(replica: Replica) -> None:
    async with aclosing(replica.begin(SLOW)) as first:
        await anext(first)
        assert (await replica.ask(HELLO)).text == "Hello."
        rest = TurnEvents([event async for event in first])
    assert rest.end.error_code is Code.AGENT_FAILED


async def test_without_a_sandbox_the_agent_has_no_tools(new_replica: NewReplica) -> None:
    async with new_replica(sandbox=Sandbox(None)) as replica:
        events = await replica.ask(bash_prompt("touch made"))
    assert "No such tool" in events.outputs[0]
    assert events.text == "Done."


async def test_an_agent_gets_a_heartbeat_before_its_first_turn(
    new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.heartbeats.HEARTBEAT_SECONDS", 600.0)
    monkeypatch.setattr(SandboxedProcess, "send_heartbeat", send := Mock())
    async with new_replica() as replica:
        await replica.ask(HELLO)
    send.assert_called_once()
