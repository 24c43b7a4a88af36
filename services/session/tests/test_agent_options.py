"""The effect of options on an agent: what it may call, and what it must return."""

from pathlib import Path
from typing import Any

import claude_agent_sdk as sdk
import pytest_asyncio
from contracts.refusals import Code
from sandbox import Sandbox
from session.agent import Finished
from session.agent.agent_process import prepare_agent
from session.agent.translator import MAX_OUTPUT_BYTES, MessageTranslator
from simulator.testing import bash, calling, scripted, tools_prompt

from services.session.tests.replica import NewReplica, Replica

HELLO = scripted({"text": "Hello."})
OUTPUT_FORMAT = {
    "type": "json_schema",
    "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}


async def test_a_permission_rule_allows_only_matching_commands(replica: Replica) -> None:
    rule: dict[str, Any] = {"permission_mode": "default", "allowed_tools": ["Bash(touch:*)"]}
    await replica.bash("touch made", **rule)
    assert "not available" in await replica.bash("mkdir more", **rule)
    assert [path.name for path in (replica.workspaces / "one").iterdir()] == ["made"]


async def test_a_call_that_a_rule_forbids_is_denied(replica: Replica) -> None:
    forbidden = replica.spec(allowed_tools=["Bash"], disallowed_tools=["Bash(touch:*)"])
    events = await replica.run(forbidden, scripted(bash("touch made"), bash("false"), {"text": "Done."}))
    assert events.denied == [True, False]


async def test_an_unknown_model_is_named(replica: Replica) -> None:
    end = (await replica.ask(scripted({"status": 404}), model="gpt-4")).end
    assert (end.error_code, end.error_detail) == (Code.MODEL_ERROR, "The provider has no model `gpt-4` (HTTP 404).")


async def test_without_a_sandbox_no_user_variables_are_set(tmp_path: Path) -> None:
    process = prepare_agent(Sandbox(None), tmp_path / "workspace", {}, {"TOKEN": "plain"})
    assert not [path.name for path in process.runtime_dir.glob("*") if path.is_file() and "TOKEN" in path.read_text()]
    process.remove()


def test_a_structured_output_that_is_too_large_is_not_valid() -> None:
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


async def test_a_structured_output_that_stays_invalid_is_not_valid(replica: Replica) -> None:
    invalid = {"tools": [{"name": "StructuredOutput", "input": {"n": "many"}}]}
    end = (await replica.ask(scripted(invalid), output_format=OUTPUT_FORMAT, max_turns=20)).end
    assert end.error_code is Code.OUTPUT_NOT_VALID


VALID = tools_prompt(("StructuredOutput", {"n": 42}))
CORRECTED = scripted(*(calling(("StructuredOutput", {"n": n})) for n in ("many", 42)), {"text": "Done."})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ends(module_replica: NewReplica) -> dict[str, Finished]:
    """The ends of turns with an output format, by prompt; one agent has them all."""
    async with module_replica() as replica:
        prompts = (VALID, CORRECTED, HELLO)
        return {prompt: (await replica.ask(prompt, output_format=OUTPUT_FORMAT)).end for prompt in prompts}


def test_the_structured_output_is_reported(ends: dict[str, Finished]) -> None:
    assert (ends[VALID].error_code, ends[VALID].structured_output) == (None, {"n": 42})


def test_the_model_may_correct_an_invalid_structured_output(ends: dict[str, Finished]) -> None:
    assert ends[CORRECTED].structured_output == {"n": 42}


def test_an_answer_without_structured_output_is_not_valid(ends: dict[str, Finished]) -> None:
    assert (ends[HELLO].error_code, ends[HELLO].structured_output) == (Code.OUTPUT_NOT_VALID, None)
