"""The turns of an agent: their events, and how they end."""

from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import pytest_asyncio
from contracts.refusals import Code
from contracts.session.values import ApprovalOutcome, TextBlock, ToolUseBlock
from runtime import nesting
from sandbox import Resources, Sandbox, SandboxedProcess
from session.agent import Delta, Limits
from session.agent.agent_events import TRUNCATED
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


async def test_usage_and_cost_cover_one_turn_only(replica: Replica) -> None:
    prompt = scripted({"text": "Hello.", "input_tokens": 1000, "output_tokens": 100})
    first, second = (await replica.ask(prompt)).end, (await replica.ask(prompt)).end
    assert (first.input_tokens, first.output_tokens) == (1000, 100)
    assert first.cost_usd == second.cost_usd > 0


COMMANDS = ["/clear", "/cost", "/compact", "@/etc/passwd", "!ls", "# remember"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replies(module_replica: NewReplica) -> dict[str, TurnEvents]:
    """The events of turns whose prompts look like commands of the CLI, by prompt; one agent has them all."""
    async with module_replica() as replica:
        return {prompt: await replica.ask(prompt) for prompt in COMMANDS}


@pytest.mark.parametrize("prompt", COMMANDS)
def test_a_prompt_is_not_run_as_a_cli_command(replies: dict[str, TurnEvents], prompt: str) -> None:
    assert prompt in replies[prompt].text


async def test_a_tool_that_is_not_allowed_is_denied(replica: Replica) -> None:
    output = await replica.bash("touch made", permission_mode="default")
    assert "Approvals are not available." in output
    assert not (replica.workspaces / "one" / "made").exists()


async def test_an_approved_tool_runs(replica: Replica) -> None:
    requested: list[tuple[str, str]] = []

    async def approve(_tool_use_id: str, name: str, tool_input: dict[str, Any]) -> ApprovalOutcome:
        requested.append((name, tool_input["command"]))
        return ApprovalOutcome(decision="approved")

    await replica.run(replica.spec(permission_mode="default"), bash_prompt("touch made"), approve)
    assert requested == [("Bash", "touch made")]
    assert (replica.workspaces / "one" / "made").exists()


async def refuse_requests(_tool_use_id: str, name: str, _tool_input: dict[str, Any]) -> ApprovalOutcome:
    pytest.fail(f"approval was requested for {name}")


async def test_dont_ask_mode_requests_no_approval(replica: Replica) -> None:
    events = await replica.run(replica.spec(permission_mode="dontAsk"), bash_prompt("touch made"), refuse_requests)
    assert ("Permission to use Bash" in events.outputs[0], events.denied) == (True, [True])


async def test_a_failed_approval_request_denies_the_tool_and_leaks_no_error(replica: Replica) -> None:
    async def fail(_tool_use_id: str, _name: str, _tool_input: dict[str, Any]) -> ApprovalOutcome:
        raise OSError("the address of a database")

    events = await replica.run(replica.spec(permission_mode="default"), bash_prompt("touch made"), fail)
    assert events.outputs == [
        "This tool call was not approved: The approval could not be requested. Continue without it."
    ]
    assert events.denied == [True]


async def test_a_tool_call_with_too_deep_input_is_denied_without_approval(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nesting, "MAX_DEPTH", 0)  # no tool of the CLI accepts a deep input
    events = await replica.run(replica.spec(permission_mode="default"), bash_prompt("touch made"), refuse_requests)
    assert events.outputs == [f"This tool call was not approved: {TRUNCATED['reason']} Continue without it."]
    assert not (replica.workspaces / "one" / "made").exists()


async def test_an_allowed_tool_runs_without_approval(replica: Replica) -> None:
    await replica.bash("touch made", permission_mode="default", allowed_tools=["Bash"])
    assert (replica.workspaces / "one" / "made").exists()


async def test_a_disallowed_tool_does_not_exist_for_the_agent(replica: Replica) -> None:
    assert "No such tool" in await replica.bash("touch made", disallowed_tools=["Bash"])


async def test_a_long_system_prompt_reaches_the_model(replica: Replica) -> None:
    events = await replica.ask(HELLO, system_prompt="ř" * 100_000)
    assert events.text == "Hello."
    assert events.end.input_tokens > 50_000


BAD_REQUEST, BAD_SCRIPT = scripted({"status": 400}), 'Hi. [[simulate {"turns": [{"txt": "Hello."}]}]]'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model_errors(module_replica: NewReplica) -> dict[str, TurnEvents]:
    """The events of turns that end in a model error, and of one after them, by prompt; one agent has them all."""
    async with module_replica() as replica:
        return {prompt: await replica.ask(prompt) for prompt in (BAD_REQUEST, BAD_SCRIPT, HELLO)}


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
    assert model_errors[HELLO].text == "Hello."


async def test_a_request_to_an_overloaded_model_is_retried(replica: Replica) -> None:
    events = await replica.ask(scripted({"status": 529, "times": 1, "then": {"text": "Hello."}}))
    assert events.text == "Hello."


async def test_an_unreachable_model_is_a_model_error(new_replica: NewReplica) -> None:
    async with new_replica(Limits(model_retries=0), model_url="http://127.0.0.1:1") as replica:
        end = (await replica.ask("Hi.")).end
    assert (end.error_code, "(HTTP 502)" in str(end.error_detail)) == (Code.MODEL_ERROR, True)


async def test_an_interrupted_model_response_is_a_model_error(new_replica: NewReplica) -> None:
    async with new_replica(Limits(model_retries=0)) as replica:
        end = (await replica.ask(scripted({"text": "Hello there.", "chunks": 4, "cut": True}))).end
    assert end.error_code is Code.MODEL_ERROR


async def test_a_model_timeout_is_a_model_error(new_replica: NewReplica) -> None:
    async with new_replica(Limits(model_retries=0, model_answer_seconds=1)) as replica:
        end = (await replica.ask(scripted({"text": "Hello.", "hang": 60}))).end
    assert end.error_code is Code.MODEL_ERROR


async def test_a_rejected_api_key_is_reported_with_the_setting_to_check(new_replica: NewReplica) -> None:
    async with new_replica(Limits(model_retries=0)) as replica:
        end = (await replica.ask(scripted({"status": 401}))).end
    rejected = "The model provider rejected the key (HTTP 401): check MODEL_API_KEY."
    assert (end.error_code, end.error_detail) == (Code.MODEL_ERROR, rejected)


@pytest.mark.parametrize(
    ("limit", "code"),
    [({"max_turns": 1}, Code.MAX_TURNS_REACHED), ({"max_budget_usd": 0.000001}, Code.BUDGET_EXCEEDED)],
)
async def test_each_exceeded_limit_has_its_own_error_code(replica: Replica, limit: dict[str, Any], code: Code) -> None:
    end = (await replica.ask(bash_prompt("echo 1"), **limit)).end
    assert end.error_code is code


async def test_an_agent_without_a_workspace_fails(replica: Replica) -> None:
    replica.workspaces.write_text("no folder")
    end = (await replica.ask("Hi.")).end
    assert (end.error_code, end.error_detail) == (Code.AGENT_FAILED, "The agent could not be started.")


async def test_an_agent_that_cannot_start_fails(new_replica: NewReplica) -> None:
    async with new_replica(sandbox=Sandbox(Path("/bin/false"))) as replica:
        end = (await replica.ask("Hi.")).end
    assert (end.error_code, end.error_detail) == (Code.AGENT_FAILED, "The agent could not be started.")


async def test_a_failed_start_logs_no_values_of_environment_variables(replica: Replica) -> None:
    with capture_logs() as logged:
        end = (await replica.ask("Hi.", env={"TOKEN": "plantedsecret"}, output_format=INVALID)).end
    assert end.error_code is Code.AGENT_FAILED
    assert "can't resolve reference #/***" in str(logged)
    assert "plantedsecret" not in str((logged, end))


async def test_an_error_detail_contains_no_values_of_environment_variables(replica: Replica) -> None:
    end = (await replica.ask("Hi.", env={"TOKEN": "plantedsecret"}, output_format=INVALID)).end
    assert "sdk_options.output_format: can't resolve reference #/***" in str(end.error_detail)


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
