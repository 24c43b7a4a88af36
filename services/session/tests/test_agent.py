"""An agent's turns: what is told, and how they end."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from contracts.refusals import Code
from contracts.session.values import ApprovalOutcome, ToolUseBlock
from runtime import nesting
from session.agent import AssistantMessage, Delta, Limits, ToolReturned
from session.agent.hiding import redactor
from session.agent.sandbox import Sandbox
from session.agent.telling import CUT
from simulator.testing import bash_prompt, scripted, tools_prompt
from structlog.testing import capture_logs

from services.session.tests.replica import NewReplica, Replica, Telling

SLOW = bash_prompt("touch begun; sleep 60; echo again >> repeated")


async def test_an_agent_answers(replica: Replica) -> None:
    telling = await replica.ask(scripted({"text": "Hello."}))
    assert telling.words == "Hello."
    assert telling.end.error_code is None


async def test_words_come_as_they_are_spoken(replica: Replica) -> None:
    telling = await replica.ask(scripted({"text": "Hello there.", "chunks": 3}))
    deltas = [told.text for told in telling if isinstance(told, Delta)]
    assert len(deltas) == 3
    assert "".join(deltas) == "Hello there."


async def test_a_tool_call_is_told_with_what_came_of_it(replica: Replica) -> None:
    telling = await replica.ask(bash_prompt("sleep 0.1; echo out; exit 3"))
    calls = [block for told in telling if isinstance(told, AssistantMessage) for block in told.blocks]
    returned = next(told for told in telling if isinstance(told, ToolReturned))
    assert isinstance(calls[0], ToolUseBlock)
    assert returned.tool_use_id == calls[0].id
    assert "out" in returned.output["content"]
    assert returned.is_error
    assert 100 <= returned.duration_ms < 10_000


async def test_what_the_model_says_at_once_is_one_message(replica: Replica) -> None:
    tool = {"name": "Bash", "input": {"command": "true", "description": "a test"}}
    all_at_once = {"thinking": "Hm.", "text": "Let me see.", "tools": [tool, tool]}
    said = [
        told
        for told in await replica.ask(scripted(all_at_once, {"text": "Done."}))
        if isinstance(told, AssistantMessage)
    ]
    assert [[block.type for block in told.blocks] for told in said] == [
        ["thinking", "text", "tool_use", "tool_use"],
        ["text"],
    ]


async def test_what_a_subagent_says_names_the_call_that_started_it(replica: Replica) -> None:
    inner = {"prompt": bash_prompt("true"), "description": "a test", "subagent_type": "general-purpose"}
    said = [told for told in await replica.ask(tools_prompt(("Task", inner))) if isinstance(told, AssistantMessage)]
    [task] = said[0].blocks
    assert isinstance(task, ToolUseBlock)
    assert {told.parent_tool_use_id for told in said[1:-1]} == {task.id}
    assert (said[0].parent_tool_use_id, said[-1].parent_tool_use_id) == (None, None)


async def test_a_file_that_is_written_is_in_the_workspace(replica: Replica) -> None:
    await replica.ask(tools_prompt(("Write", {"file_path": "/workspace/note", "content": "words"})))
    assert (replica.workspaces / "one" / "note").read_text() == "words"


async def test_files_are_searched(replica: Replica) -> None:
    await replica.bash("echo needle > hay")
    telling = await replica.ask(tools_prompt(("Glob", {"pattern": "*"}), ("Grep", {"pattern": "needle"})))
    assert all("hay" in output for output in telling.outputs)


async def test_usage_and_cost_are_those_of_the_turn(replica: Replica) -> None:
    prompt = scripted({"text": "Hello.", "input_tokens": 1000, "output_tokens": 100})
    first, second = (await replica.ask(prompt)).end, (await replica.ask(prompt)).end
    assert (first.input_tokens, first.output_tokens) == (1000, 100)
    assert first.cost_usd == second.cost_usd > 0


@pytest.mark.parametrize("prompt", ["/clear", "/cost", "/compact", "@/etc/passwd", "!ls", "# remember"])
async def test_a_prompt_is_no_command(replica: Replica, prompt: str) -> None:
    telling = await replica.ask(prompt)
    assert prompt in telling.words


async def test_a_tool_that_is_not_allowed_is_refused(replica: Replica) -> None:
    output = await replica.bash("touch made", permission_mode="default")
    assert "Approvals are not available." in output
    assert not (replica.workspaces / "one" / "made").exists()


async def test_a_tool_that_is_approved_runs(replica: Replica) -> None:
    asked: list[tuple[str, str]] = []

    async def yes(_tool_use_id: str, name: str, given: dict[str, Any]) -> ApprovalOutcome:
        asked.append((name, given["command"]))
        return ApprovalOutcome(decision="approved")

    spec = replica.spec(permission_mode="default")
    async for _ in replica.agents.turn(spec, bash_prompt("touch made"), yes):
        pass
    assert asked == [("Bash", "touch made")]
    assert (replica.workspaces / "one" / "made").exists()


async def test_an_agent_that_is_not_to_ask_does_not(replica: Replica) -> None:
    async def never(_tool_use_id: str, name: str, _given: dict[str, Any]) -> ApprovalOutcome:
        pytest.fail(f"{name} was asked for")

    spec = replica.spec(permission_mode="dontAsk")
    told = Telling([each async for each in replica.agents.turn(spec, bash_prompt("touch made"), never)])
    assert "Permission to use Bash" in told.outputs[0]


async def test_a_tool_that_could_not_be_asked_about_is_denied_without_our_troubles(replica: Replica) -> None:
    async def fail(_tool_use_id: str, _name: str, _given: dict[str, Any]) -> ApprovalOutcome:
        raise OSError("the address of a database")

    spec = replica.spec(permission_mode="default")
    told = Telling([each async for each in replica.agents.turn(spec, bash_prompt("touch made"), fail)])
    assert told.outputs == ["This tool call was not approved: It could not be asked for. Go on without it."]


async def test_a_tool_whose_input_is_nested_too_deep_to_be_shown_is_denied_unasked(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_tool_use_id: str, name: str, _given: dict[str, Any]) -> ApprovalOutcome:
        pytest.fail(f"{name} was asked for")

    monkeypatch.setattr(nesting, "MAX_DEPTH", 0)  # the agent's own tools take nothing that is deep
    spec = replica.spec(permission_mode="default")
    told = Telling([each async for each in replica.agents.turn(spec, bash_prompt("touch made"), never)])
    assert told.outputs == [f"This tool call was not approved: {CUT['reason']} Go on without it."]
    assert not (replica.workspaces / "one" / "made").exists()


async def test_a_tool_that_is_allowed_runs(replica: Replica) -> None:
    await replica.bash("touch made", permission_mode="default", allowed_tools=["Bash"])
    assert (replica.workspaces / "one" / "made").exists()


async def test_a_tool_that_is_forbidden_does_not_exist(replica: Replica) -> None:
    assert "No such tool" in await replica.bash("touch made", disallowed_tools=["Bash"])


async def test_a_long_system_prompt_reaches_the_model(replica: Replica) -> None:
    telling = await replica.ask(scripted({"text": "Hello."}), system_prompt="ř" * 100_000)
    assert telling.words == "Hello."
    assert telling.end.input_tokens > 50_000


async def test_a_model_that_refuses_is_a_model_error(replica: Replica) -> None:
    end = (await replica.ask(scripted({"status": 400}))).end
    assert (end.error_code, end.error_detail) == (Code.MODEL_ERROR, "The model answered 400: simulated 400")


async def test_a_model_error_is_not_what_the_model_said(replica: Replica) -> None:
    assert (await replica.ask(scripted({"status": 400}))).words == ""


async def test_after_a_model_error_the_agent_goes_on(replica: Replica) -> None:
    await replica.ask(scripted({"status": 400}))
    assert (await replica.ask(scripted({"text": "Hello."}))).words == "Hello."


async def test_an_overloaded_model_is_asked_again(replica: Replica) -> None:
    telling = await replica.ask(scripted({"status": 529, "times": 1, "then": {"text": "Hello."}}))
    assert telling.words == "Hello."


async def test_a_model_that_cannot_be_reached_is_a_model_error(new_replica: NewReplica) -> None:
    async with new_replica(Limits(model_retries=0), model_url="http://127.0.0.1:1") as replica:
        end = (await replica.ask("Hi.")).end
    assert (end.error_code, end.error_detail) == (Code.MODEL_ERROR, "The model answered 502.")


async def test_a_model_that_breaks_off_is_a_model_error(new_replica: NewReplica) -> None:
    async with new_replica(Limits(model_retries=0)) as replica:
        end = (await replica.ask(scripted({"text": "Hello there.", "chunks": 4, "cut": True}))).end
    assert end.error_code is Code.MODEL_ERROR


async def test_a_model_that_says_nothing_is_a_model_error(new_replica: NewReplica) -> None:
    async with new_replica(Limits(model_retries=0, model_answer_seconds=1)) as replica:
        end = (await replica.ask(scripted({"text": "Hello.", "hang": 60}))).end
    assert end.error_code is Code.MODEL_ERROR


async def test_a_wrong_script_of_the_simulator_is_told_with_its_place(replica: Replica) -> None:
    end = (await replica.ask('Hi. [[simulate {"turns": [{"txt": "Hello."}]}]]')).end
    wrong = "invalid script: turns.0.txt: unknown field"
    assert (end.error_code, end.error_detail) == (Code.MODEL_ERROR, f"The model answered 400: {wrong}")


async def test_a_rejected_key_is_told_plainly(new_replica: NewReplica) -> None:
    async with new_replica(Limits(model_retries=0)) as replica:
        end = (await replica.ask(scripted({"status": 401}))).end
    rejected = "The model provider rejected the key (HTTP 401): check MODEL_API_KEY."
    assert (end.error_code, end.error_detail) == (Code.MODEL_ERROR, rejected)


@pytest.mark.parametrize(
    ("limit", "code"),
    [({"max_turns": 1}, Code.MAX_TURNS_REACHED), ({"max_budget_usd": 0.000001}, Code.BUDGET_EXCEEDED)],
)
async def test_a_limit_that_is_reached_has_a_code_of_its_own(
    replica: Replica, limit: dict[str, Any], code: Code
) -> None:
    end = (await replica.ask(bash_prompt("echo 1"), **limit)).end
    assert end.error_code is code


async def test_an_agent_without_a_place_has_failed(replica: Replica) -> None:
    replica.workspaces.write_text("no folder")
    end = (await replica.ask("Hi.")).end
    assert (end.error_code, end.error_detail) == (Code.AGENT_FAILED, "The agent could not be started.")


async def test_an_agent_that_does_not_start_has_failed(new_replica: NewReplica) -> None:
    async with new_replica(sandbox=Sandbox(Path("/bin/false"))) as replica:
        end = (await replica.ask("Hi.")).end
    assert (end.error_code, end.error_detail) == (Code.AGENT_FAILED, "The agent could not be started.")


async def test_an_agent_that_does_not_start_leaves_no_value_of_a_variable_in_the_log(replica: Replica) -> None:
    with capture_logs() as logged:
        end = (await replica.ask("Hi.", env={"HTTPS_PROXY": "http://user:s3cr3t@proxy:99999"})).end
    assert end.error_code is Code.AGENT_FAILED
    assert 'HTTPS_PROXY: "***"' in str(logged)
    assert "s3cr3t" not in str((logged, end))


async def test_a_reason_holds_no_value_of_a_variable(replica: Replica) -> None:
    wrong = {"type": "json_schema", "schema": {"$ref": "#/s3cr3t"}}
    end = (await replica.ask("Hi.", env={"TOKEN": "s3cr3t"}, output_format=wrong)).end
    assert "sdk_options.output_format: can't resolve reference #/***" in str(end.error_detail)


@pytest.mark.parametrize(
    ("values", "text", "hidden"),
    [
        (["s3cr3t", "s3cr3t-longer"], "is s3cr3t-longer s3cr3t", "is *** ***"),
        (["*", "\n"], "2 * 3\n", "2 *** 3\n"),
        (['say "so"'], r'{"it": "say \"so\""}', '{"it": "***"}'),
        (["one\ntwo"], "line two", "line ***"),
        ([""], "nothing", "nothing"),
    ],
)
def test_values_are_hidden(values: list[str], text: str, hidden: str) -> None:
    assert redactor(values)(text) == hidden


async def test_an_agent_that_dies_has_failed(replica: Replica) -> None:
    end = (await replica.ask(bash_prompt("kill -9 2; sleep 60"))).end
    assert (end.error_code, end.error_detail) == (Code.AGENT_FAILED, "The agent broke down before its turn was over.")


async def test_a_second_turn_ends_the_first(replica: Replica) -> None:
    async with aclosing(replica.begin(SLOW)) as first:
        await anext(first)
        assert (await replica.ask(scripted({"text": "Hello."}))).words == "Hello."
        rest = [told async for told in first]
    assert Telling(rest).end.error_code is Code.AGENT_FAILED


async def test_without_a_sandbox_there_are_no_tools(new_replica: NewReplica) -> None:
    async with new_replica(sandbox=Sandbox(None)) as replica:
        telling = await replica.ask(bash_prompt("touch made"))
    assert "No such tool" in telling.outputs[0]
    assert telling.words == "Done."
