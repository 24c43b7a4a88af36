"""Every option reaches the agent, and what it asks of its model: seen with the real Claude Code CLI."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import claude_agent_sdk as sdk
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from contracts.refusals import Code
from contracts.session.values import KNOWN_TOOLS
from session.agent import AssistantMessage, Delta, Finished
from session.agent.agent_events import MAX_OUTPUT_BYTES, MessageTranslator
from session.agent.options import TOOLS
from session.agent.sandbox import Sandbox
from simulator.app import create_app
from simulator.testing import bash_prompt, scripted, tools_prompt

from services.session.tests.replica import NewReplica, Replica

HELLO = scripted({"text": "Hello."})
FORMAT = {
    "type": "json_schema",
    "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}


class Recorder:
    """A replica, and what its agents asked of the model."""

    def __init__(self, replica: Replica, asked: list[dict[str, Any]]) -> None:
        self.replica, self.asked = replica, asked

    async def request(self, prompt: str = HELLO, **options: Any) -> dict[str, Any]:
        """Give the last request of a turn."""
        await self.replica.ask(prompt, **options)
        return self.asked[-1]


@pytest.fixture
async def recorder(new_replica: NewReplica) -> AsyncGenerator[Recorder]:
    asked: list[dict[str, Any]] = []

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/v1/messages":
            asked.append(await request.json())
        return await handler(request)

    app = create_app()
    app.middlewares.append(record)
    async with TestServer(app) as server, new_replica(model_url=str(server.make_url("/"))) as replica:
        yield Recorder(replica, asked)


def test_the_tools_of_agents_are_known_by_name() -> None:
    assert set(TOOLS) <= KNOWN_TOOLS


async def test_the_model_is_the_one_that_is_asked(recorder: Recorder) -> None:
    assert (await recorder.request(model="claude-haiku-4-5"))["model"] == "claude-haiku-4-5"


@pytest.mark.parametrize("effort", ["low", "max"])
async def test_the_effort_is_asked_of_the_model(recorder: Recorder, effort: str) -> None:
    request = await recorder.request(model="claude-opus-4-7", effort=effort)
    assert request["output_config"]["effort"] == effort


async def test_the_system_prompt_is_shown_to_the_model(recorder: Recorder) -> None:
    request = await recorder.request(system_prompt="You are a lighthouse.")
    assert "You are a lighthouse." in json.dumps(request["system"])


async def test_a_changed_system_prompt_is_shown_in_the_next_turn(recorder: Recorder) -> None:
    await recorder.request(system_prompt="You are a lighthouse.")
    request = await recorder.request(system_prompt="You are a boat.")
    assert "You are a boat." in json.dumps(request["system"])
    assert "lighthouse" not in json.dumps(request["system"])


async def test_a_forbidden_tool_is_not_shown_to_the_model(recorder: Recorder) -> None:
    names = {tool["name"] for tool in (await recorder.request(disallowed_tools=["Bash"]))["tools"]}
    assert "Bash" not in names
    assert "Read" in names


async def test_a_tool_that_is_forbidden_later_is_not_shown_in_the_next_turn(recorder: Recorder) -> None:
    assert "Bash" in {tool["name"] for tool in (await recorder.request())["tools"]}
    assert "Bash" not in {tool["name"] for tool in (await recorder.request(disallowed_tools=["Bash"]))["tools"]}


async def test_a_pattern_allows_what_it_matches_alone(recorder: Recorder) -> None:
    allowed: dict[str, Any] = {"permission_mode": "default", "allowed_tools": ["Bash(touch:*)"]}
    await recorder.replica.bash("touch made", **allowed)
    assert "was not approved" in await recorder.replica.bash("mkdir more", **allowed)
    assert [path.name for path in (recorder.replica.workspaces / "one").iterdir()] == ["made"]


async def test_the_turns_are_counted(recorder: Recorder) -> None:
    end = (await recorder.replica.ask(bash_prompt("echo 1"), max_turns=2)).end
    assert end.error_code is None


async def test_variables_are_in_the_agents_environment(recorder: Recorder) -> None:
    env = {"TOKEN": 'it\'s "so" $HOME\n2', "_x1": "é"}
    assert await recorder.replica.bash('printf "%s|%s" "$TOKEN" "$_x1"', env=env) == 'it\'s "so" $HOME\n2|é'


async def test_changed_variables_are_there_in_the_next_turn(recorder: Recorder) -> None:
    assert await recorder.replica.bash("echo $TOKEN", env={"TOKEN": "one"}) == "one"
    assert await recorder.replica.bash("echo $TOKEN", env={"TOKEN": "two"}) == "two"


async def test_variables_do_not_override_ours(recorder: Recorder) -> None:
    assert await recorder.replica.bash("echo $HOME $IS_SANDBOX", env={"HOME": "/x", "IS_SANDBOX": "0"}) == "/home 1"


async def test_without_walls_there_are_no_variables_for_they_could_run_programs(tmp_path: Path) -> None:
    cell = Sandbox(None).prepare(tmp_path / "workspace", {}, {"BUN_OPTIONS": "--preload=/x"})
    assert "BUN_OPTIONS" not in json.loads((cell.runtime_dir / "environment").read_text())
    cell.remove()


async def test_a_form_that_the_agent_does_not_take_is_named(recorder: Recorder) -> None:
    wrong = {"type": "json_schema", "schema": {"type": "object", "properties": {"n": {"pattern": "("}}}}
    end = (await recorder.replica.ask(HELLO, output_format=wrong)).end
    assert end.error_code is Code.AGENT_FAILED
    assert "sdk_options.output_format: Invalid regular expression" in (end.error_detail or "")


async def test_a_form_in_another_dialect_is_taken(recorder: Recorder) -> None:
    form = {**FORMAT, "schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}}
    telling = await recorder.replica.ask(tools_prompt(("StructuredOutput", {"n": 42})), output_format=form)
    assert telling.end.structured_output == {"n": 42}


async def test_a_pattern_that_takes_for_ever_ends_with_its_turn(recorder: Recorder) -> None:
    slow = {"type": "object", "properties": {"n": {"type": "string", "pattern": "^(a+)+$"}}}
    prompt = tools_prompt(("StructuredOutput", {"n": "a" * 60 + "!"}))
    turn = recorder.replica.begin(prompt, output_format={"type": "json_schema", "schema": slow})
    async with aclosing(turn) as telling:
        assert isinstance(await anext(aiter(telling)), Delta | AssistantMessage)
    assert (await recorder.replica.ask(HELLO)).end.error_code is None


def test_an_answer_that_is_too_large_is_not_valid() -> None:
    result = sdk.ResultMessage(
        subtype="success",
        duration_ms=1,
        duration_api_ms=1,
        is_error=False,
        num_turns=1,
        session_id="s",
        structured_output={"a": "x" * MAX_OUTPUT_BYTES},
    )
    [end] = MessageTranslator(structured=True).translate(result)
    assert isinstance(end, Finished)
    assert (end.error_code, end.structured_output) == (Code.OUTPUT_NOT_VALID, None)


async def test_an_answer_has_the_form_that_was_asked_for(recorder: Recorder) -> None:
    telling = await recorder.replica.ask(tools_prompt(("StructuredOutput", {"n": 42})), output_format=FORMAT)
    assert (telling.end.error_code, telling.end.structured_output) == (None, {"n": 42})


async def test_an_answer_that_comes_to_have_the_form_is_taken(recorder: Recorder) -> None:
    turns = [{"tools": [{"name": "StructuredOutput", "input": {"n": n}}]} for n in ("many", 42)]
    telling = await recorder.replica.ask(scripted(*turns, {"text": "Done."}), output_format=FORMAT)
    assert telling.end.structured_output == {"n": 42}


async def test_an_answer_without_the_form_is_not_valid(recorder: Recorder) -> None:
    end = (await recorder.replica.ask(HELLO, output_format=FORMAT)).end
    assert (end.error_code, end.structured_output) == (Code.OUTPUT_NOT_VALID, None)


async def test_an_answer_that_never_gets_the_form_is_not_valid(recorder: Recorder) -> None:
    wrong = {"tools": [{"name": "StructuredOutput", "input": {"n": "many"}}]}
    end = (await recorder.replica.ask(scripted(wrong), output_format=FORMAT, max_turns=20)).end
    assert end.error_code is Code.OUTPUT_NOT_VALID
