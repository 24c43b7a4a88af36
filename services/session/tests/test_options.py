"""The effect of options on the requests and the behaviour of the real Claude Code CLI."""

import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.typedefs import Handler
from contracts.session.values import KNOWN_TOOLS
from session.agent import AssistantMessage, Delta
from session.agent.model_proxy.structure import MEMBERS
from session.agent.options import TOOLS
from simulator.app import create_app
from simulator.testing import bash, scripted, tools_prompt

from services.session.tests.replica import NewReplica, Replica, TurnEvents

pytestmark = pytest.mark.claude_code

HELLO = scripted({"text": "Hello."})
OF_REQUESTS = {
    *("context_management", "max_tokens", "messages", "metadata", "model", "output_config", "stream", "system"),
    *("thinking", "tools"),
}
LIGHTHOUSE, BOAT = "You are a lighthouse.", "You are a boat."
VALUES = 'printf "%s|%s" "$TOKEN" "$_x1"'
RESERVED = "echo $HOME $IS_SANDBOX"
OF_THE_CLI = "tr '\\0' '\\n' < /proc/2/environ; cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
PRELOAD = {"BUN_OPTIONS": "--preload=/workspace/x.js", "BASH_ENV": "/workspace/x.sh", "A=1; touch made; B": ""}
FIRST: dict[str, Any] = {
    "model": "claude-opus-4-7",
    "effort": "low",
    "system_prompt": LIGHTHOUSE,
    "env": {"TOKEN": 'it\'s "so" $HOME\n2', "_x1": "é", "HOME": "/x", "IS_SANDBOX": "0"},
}
SECOND: dict[str, Any] = {
    "model": "claude-opus-4-7",
    "effort": "max",
    "system_prompt": BOAT,
    "env": {"TOKEN": "two", "_x1": ""},
    "disallowed_tools": ["Read"],
}


@dataclass
class RecordedTurn:
    """The events of a turn, and its last request to the model."""

    events: TurnEvents
    request: dict[str, Any]

    @property
    def tools(self) -> set[str]:
        return {tool["name"] for tool in self.request["tools"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def turns(module_replica: NewReplica) -> tuple[RecordedTurn, RecordedTurn]:
    """Two turns of one session, whose options change in between."""
    requests: list[dict[str, Any]] = []

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/v1/messages":
            requests.append(await request.json())
        return await handler(request)

    app = create_app()
    app.middlewares.append(record)
    prompt = scripted(bash(VALUES), bash(RESERVED), bash(OF_THE_CLI), {"text": "Done."})
    async with module_replica(app) as replica:
        first = RecordedTurn(await replica.ask(prompt, **FIRST), requests[-1])
        return first, RecordedTurn(await replica.ask(prompt, **SECOND), requests[-1])


type Turns = tuple[RecordedTurn, RecordedTurn]


def test_the_members_that_the_cli_sends_are_known(turns: Turns) -> None:
    assert set(turns[0].request) == OF_REQUESTS
    assert OF_REQUESTS < MEMBERS


def test_every_tool_of_the_cli_is_a_known_tool() -> None:
    assert set(TOOLS) <= KNOWN_TOOLS


def test_requests_name_the_model_of_the_session(turns: Turns) -> None:
    assert turns[0].request["model"] == "claude-opus-4-7"


def test_requests_contain_the_effort(turns: Turns) -> None:
    assert [turn.request["output_config"]["effort"] for turn in turns] == ["low", "max"]


def test_requests_contain_the_system_prompt(turns: Turns) -> None:
    assert LIGHTHOUSE in json.dumps(turns[0].request["system"])


def test_a_changed_system_prompt_applies_to_the_next_turn(turns: Turns) -> None:
    assert BOAT in json.dumps(turns[1].request["system"])
    assert LIGHTHOUSE not in json.dumps(turns[1].request["system"])


def test_a_tool_disallowed_later_is_not_offered_in_the_next_turn(turns: Turns) -> None:
    assert turns[0].tools - turns[1].tools == {"Read"}


def test_variables_are_in_the_environment_of_shells(turns: Turns) -> None:
    assert turns[0].events.bash_results[VALUES].output["content"] == 'it\'s "so" $HOME\n2|é'


def test_changed_variables_apply_to_the_next_turn(turns: Turns) -> None:
    assert turns[1].events.bash_results[VALUES].output["content"] == "two|"


def test_variables_do_not_override_those_of_the_sandbox(turns: Turns) -> None:
    assert turns[0].events.bash_results[RESERVED].output["content"] == "/home 1"


def test_the_cli_has_no_variable_in_its_environment_or_command_line(turns: Turns) -> None:
    output = turns[0].events.bash_results[OF_THE_CLI].output["content"]
    assert "ANTHROPIC_API_KEY=" in output
    assert "TOKEN" not in output


def test_the_cli_collects_no_garbage_just_after_a_turn(turns: Turns) -> None:
    assert "BUN_GC_TIMER_INTERVAL=30000\n" in turns[0].events.bash_results[OF_THE_CLI].output["content"]


async def test_variables_that_load_code_run_none_in_the_agent(replica: Replica) -> None:
    workspace = replica.workspaces / "one"
    workspace.mkdir(parents=True)
    (workspace / "x.js").write_text('require("fs").writeFileSync("/workspace/made", "")')
    (workspace / "x.sh").write_text("touch /workspace/made")
    output = await replica.bash("bash -c 'echo $TOKEN $BASH_ENV'", env={"TOKEN": "plain", **PRELOAD})
    assert (output, (workspace / "made").exists()) == ("plain", False)


async def test_an_output_format_in_another_json_schema_dialect_is_accepted(replica: Replica) -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
    output_format = {"type": "json_schema", "schema": schema}
    events = await replica.ask(tools_prompt(("StructuredOutput", {"n": 42})), output_format=output_format)
    assert events.end.structured_output == {"n": 42}


@pytest.mark.long
async def test_a_catastrophic_regex_in_an_output_format_ends_with_its_turn(replica: Replica) -> None:
    slow = {"type": "object", "properties": {"n": {"type": "string", "pattern": "^(a+)+$"}}}
    prompt = tools_prompt(("StructuredOutput", {"n": "a" * 60 + "!"}))
    async with aclosing(replica.begin(prompt, output_format={"type": "json_schema", "schema": slow})) as turn:
        assert isinstance(await anext(turn), Delta | AssistantMessage)
    assert (await replica.ask(HELLO)).end.error_code is None


COMMANDS = ["/clear", "/cost", "/compact", "@/etc/passwd", "!ls", "# remember"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replies(module_replica: NewReplica) -> dict[str, TurnEvents]:
    """The events of turns whose prompts look like commands of the CLI, by prompt; one agent has them all."""
    async with module_replica() as replica:
        return {prompt: await replica.ask(prompt) for prompt in COMMANDS}


@pytest.mark.parametrize("prompt", COMMANDS)
def test_a_prompt_is_not_run_as_a_cli_command(replies: dict[str, TurnEvents], prompt: str) -> None:
    assert prompt in replies[prompt].text
