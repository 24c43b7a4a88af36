"""The stand-in for Claude Code does what Claude Code does, as far as the service sees it."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from contracts.refusals import Code
from contracts.session.values import ApprovalOutcome
from mcp_connection.testing import InMemoryConnector
from onebox.testing.stand_in import stand_in
from session.agent import AgentSpec, Delta, live
from session.agent.agent_process import AGENT
from session.agent.options import deny_all
from simulator.testing import bash, bash_prompt, calling, scripted, tools_prompt

from services.session.tests.mcp_servers import Lab, resolved
from services.session.tests.replica import NewReplica, Replica, TurnEvents

PROGRAMS = {"Claude Code": AGENT, "stand-in": stand_in()}
OUTPUT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {"env": {"TOKEN": "plain"}, "system_prompt": "You are a boat."},
    "asking": {
        "permission_mode": "default",
        "disallowed_tools": ["Bash(mkdir:*)"],
        "allowed_tools": ["Bash(cp:*)"],
        "max_turns": 2,
    },
    "structured": {"output_format": {"type": "json_schema", "schema": OUTPUT}, "max_budget_usd": 1},
}
TURNS = {
    "text": ("plain", scripted({"text": "Hello there.", "chunks": 3, "input_tokens": 1000, "output_tokens": 100})),
    "tools": (
        "plain",
        scripted(
            {"thinking": "Hm.", "text": "Let me see.", **calling(("Bash", {"command": "echo out; exit 3"}))},
            bash('echo "$TOKEN" | tee made'),
            calling(("Write", {"file_path": "/workspace/note", "content": "two\nlines"})),
            calling(("Read", {"file_path": "/workspace/note"})),
            calling(("Edit", {"file_path": "/workspace/note", "old_string": "two", "new_string": "2"})),
            calling(("Glob", {"pattern": "no*"})),
            calling(("Grep", {"pattern": "lines"})),
            calling(("Read", {"file_path": "/workspace/lost"})),
            calling(("Bash", {"command": "echo begun; sleep 60", "timeout": 300})),
            bash("cd /tmp"),
            {"text": "Done."},
        ),
    ),
    "server": ("plain", tools_prompt(("mcp__lab__echo", {"text": "hello"}), ("mcp__lab__fail", {}))),
    "refused": ("plain", scripted({"status": 400})),
    "retried": ("plain", scripted({"status": 529, "times": 1, "then": {"text": "At last."}})),
    "recalled": ("plain", scripted({"recall": True})),
    "approved": ("asking", bash_prompt("touch made")),
    "unapproved": ("asking", bash_prompt("rm made")),
    "harmless": ("asking", bash_prompt("echo one")),
    "allowed": ("asking", bash_prompt("cp made more")),
    "forbidden": ("asking", bash_prompt("mkdir made")),
    "valid": ("structured", tools_prompt(("StructuredOutput", {"n": 42}))),
    "corrected": ("structured", scripted(*(calling(("StructuredOutput", {"n": n})) for n in ("many", 42)))),
    "invalid": ("structured", scripted({"text": "No."})),
    "max_turns": ("asking", scripted(bash("echo 1"), bash("echo 2"), {"text": "Done."})),
    "budget": ("structured", scripted({**bash("echo 1"), "input_tokens": 10**6}, {"text": "Done."})),
    "crash": ("plain", bash_prompt("kill -9 2; sleep 60")),
}


@dataclass
class Outcomes:
    """The events of the turns that an agent of one program had, by name; and the commands that it asked for."""

    turns: dict[str, TurnEvents]
    asked: list[str]


async def decide(_tool_use_id: str, _name: str, tool_input: dict[str, Any]) -> ApprovalOutcome:
    approved = tool_input["command"] == "touch made"
    return ApprovalOutcome(decision="approved") if approved else ApprovalOutcome(decision="denied", reason="Not now.")


def spec_of(replica: Replica, name: str) -> AgentSpec:
    servers = (resolved("lab"),) if name == "plain" else ()
    return replace(replica.spec(SESSIONS[name], **OPTIONS[name]), servers=servers)


SESSIONS = dict(zip(OPTIONS, ("one", "two", "three"), strict=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROGRAMS)
async def outcomes(request: pytest.FixtureRequest, module_replica: NewReplica) -> Outcomes:
    asked: list[str] = []

    async def ask(tool_use_id: str, name: str, tool_input: dict[str, Any]) -> ApprovalOutcome:
        asked.append(tool_input["command"])
        return await decide(tool_use_id, name, tool_input)

    connector = InMemoryConnector({"lab": Lab()})
    async with module_replica(program=PROGRAMS[request.param], connector=connector) as replica:
        turns: dict[str, TurnEvents] = {}
        for name, (session, prompt) in TURNS.items():
            turns[name] = await replica.run(spec_of(replica, session), prompt, ask if session == "asking" else deny_all)
        return Outcomes(turns, asked)


def test_text_is_answered_in_deltas(outcomes: Outcomes) -> None:
    deltas = [event.text for event in outcomes.turns["text"] if isinstance(event, Delta)]
    assert (deltas, outcomes.turns["text"].text) == (["Hell", "o th", "ere."], "Hello there.")


def test_usage_and_cost_are_reported(outcomes: Outcomes) -> None:
    end = outcomes.turns["text"].end
    assert (end.input_tokens, end.output_tokens, float(end.cost_usd), end.reported.output) == (1000, 100, 0.006, 100)


def test_the_blocks_of_a_response_are_one_message(outcomes: Outcomes) -> None:
    assert [block.type for block in outcomes.turns["tools"].messages[0].blocks] == ["thinking", "text", "tool_use"]


def test_tools_return_the_same(outcomes: Outcomes) -> None:
    current = "(file state is current in your context — no need to Read it back)"
    assert outcomes.turns["tools"].outputs == [
        "Exit code 3\nout",
        "plain",
        f"File created successfully at: /workspace/note {current}",
        "1\ttwo\n2\tlines",
        f"The file /workspace/note has been updated successfully. {current}",
        "note",
        "Found 1 file\nnote",
        "File does not exist. Note: your current working directory is /workspace.",
        "Exit code 143\nCommand timed out after 0s\nbegun",
        "Shell cwd was reset to /workspace",
    ]


def test_tools_of_mcp_servers_are_called(outcomes: Outcomes) -> None:
    assert outcomes.turns["server"].outputs == ["hello", "Error executing tool fail"]


def test_a_refused_request_is_a_model_error(outcomes: Outcomes) -> None:
    end = outcomes.turns["refused"].end
    assert (end.error_code, "(HTTP 400): simulated 400" in str(end.error_detail)) == (Code.MODEL_ERROR, True)


def test_a_request_is_repeated(outcomes: Outcomes) -> None:
    assert outcomes.turns["retried"].text == "At last."


def test_the_model_gets_the_whole_conversation(outcomes: Outcomes) -> None:
    answer = outcomes.turns["recalled"].text
    assert ['"text": "Hello there."' in answer, '"text": "Do it."' in answer, "API Error" in answer] == [
        True,
        True,
        False,
    ]


def test_only_what_is_neither_allowed_nor_harmless_is_asked_for(outcomes: Outcomes) -> None:
    assert outcomes.asked == ["touch made", "rm made"]
    assert outcomes.turns["allowed"].denied == [False]
    assert outcomes.turns["harmless"].outputs == ["one"]


def test_an_approved_call_is_made(outcomes: Outcomes) -> None:
    assert outcomes.turns["approved"].outputs == ["(Bash completed with no output)"]


def test_a_call_that_is_not_approved_is_denied(outcomes: Outcomes) -> None:
    unapproved = outcomes.turns["unapproved"]
    assert (unapproved.denied, unapproved.outputs) == ([True], ["Not now. Continue without it."])


def test_a_call_that_a_rule_forbids_is_denied(outcomes: Outcomes) -> None:
    forbidden = outcomes.turns["forbidden"]
    message = "Permission to use Bash with command mkdir made has been denied."
    assert (forbidden.denied, forbidden.outputs) == ([True], [message])


@pytest.mark.parametrize("name", ["valid", "corrected"])
def test_the_structured_output_is_reported(outcomes: Outcomes, name: str) -> None:
    assert outcomes.turns[name].end.structured_output == {"n": 42}


def test_an_answer_without_structured_output_is_not_valid(outcomes: Outcomes) -> None:
    assert outcomes.turns["invalid"].end.error_code is Code.OUTPUT_NOT_VALID


@pytest.mark.parametrize(
    ("name", "code"),
    [("max_turns", Code.MAX_TURNS_REACHED), ("budget", Code.BUDGET_EXCEEDED), ("crash", Code.AGENT_FAILED)],
)
def test_each_end_has_its_code(outcomes: Outcomes, name: str, code: Code) -> None:
    assert outcomes.turns[name].end.error_code is code


@pytest.mark.parametrize(("first", "second"), [tuple(PROGRAMS), tuple(reversed(PROGRAMS))])
async def test_each_program_continues_a_conversation_of_the_other(
    new_replica: NewReplica, first: str, second: str
) -> None:
    async with new_replica(program=PROGRAMS[first]) as replica:
        await replica.ask(scripted(bash("echo one"), {"text": "Hello Ada."}, text="My name is Ada."))
    async with new_replica(program=PROGRAMS[second]) as replica:
        answer = (await replica.ask(scripted({"recall": True}, text="Who am I?"))).text
    assert ["My name is Ada." in answer, "Hello Ada." in answer] == [True, True]


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("turn", [{"text": "Hello there.", "chunks": 2, "stall": 60}, bash("echo begun; sleep 60")])
async def test_an_interrupted_turn_reports_its_usage(
    new_replica: NewReplica, program: Path, turn: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "INTERRUPT_TIMEOUT", 30.0)  # other processes may take the machine for seconds
    prompt = scripted({**turn, "input_tokens": 1000})
    async with new_replica(program=program) as replica, aclosing(replica.begin(prompt)) as events:
        begun = [await anext(events)]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replica.agents.close(replica.spec().session_id))
            end = TurnEvents([*begun, *[event async for event in events]]).end
    assert (end.error_detail, end.reported.input) == ("The agent was stopped.", 1000)


async def test_the_stand_in_ends_at_what_it_does_not_implement(new_replica: NewReplica) -> None:
    async with new_replica(program=stand_in()) as replica:
        end = (await replica.ask(tools_prompt(("WebSearch", {"query": "cats"})))).end
    assert end.error_code is Code.AGENT_FAILED
