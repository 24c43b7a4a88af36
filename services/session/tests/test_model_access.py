"""The access of the real agent, and of the processes that it starts, to the model."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from shlex import join
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from contracts.refusals import Code
from runtime.testing import eventually
from sandbox.bwrap_args import PYTHON
from session.agent import Limits
from session.agent.model_proxy import usage
from session.agent.model_proxy.usage import DEFAULT_PRICE, PRICES, Tokens, price
from simulator import wire
from simulator.app import create_app
from simulator.script import Turn
from simulator.testing import bash_prompt, calling, scripted

from services.session.tests.replica import NewReplica, Replica, TurnEvents

# Sends requests to the model as any program in the sandbox can, and prints the status of each response.
CHILD = """
import json, os, sys, urllib.error, urllib.request
model, times, tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
prompt = 'Hi. [[simulate {"turns": [{"text": "Hello.", "input_tokens": %d, "output_tokens": 0}]}]]' % tokens
body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": prompt}]}
url, headers = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", {"x-api-key": os.environ["ANTHROPIC_API_KEY"]}
for _ in range(times):
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        print(urllib.request.urlopen(request).status, end=" ", flush=True)
    except urllib.error.HTTPError as error:
        print(error.status, end=" ", flush=True)
"""
SONNET = "claude-sonnet-4-6"
# Asks the provider to search, as any program in the sandbox can, and prints the status of the answer.
FORGED = f"""{PYTHON} -I -c '
import json, os, urllib.request, urllib.error
tool = {{"type": "web_search_20250305", "name": "web_search"}}
message = {{"role": "user", "content": "Hi."}}
body = {{"model": "some-model", "max_tokens": 9, "messages": [message], "tools": [tool]}}
url, headers = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", {{"x-api-key": os.environ["ANTHROPIC_API_KEY"]}}
try:
    print(urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)).status)
except urllib.error.HTTPError as error:
    print(error.status)
'"""


def child(model: str = SONNET, times: int = 1, tokens: int = 1) -> str:
    """Return a command that sends requests to the model from a child process of the agent."""
    return join([str(PYTHON), "-I", "-c", CHILD, model, str(times), str(tokens)])


@pytest.fixture
def requested() -> list[str]:
    """The models named in the requests to the provider."""
    return []


@pytest_asyncio.fixture
async def model_url(requested: list[str]) -> Any:
    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        requested.append((await request.json())["model"])
        return await handler(request)

    app = create_app()
    app.middlewares.insert(0, record)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


@pytest.mark.usefixtures("unsettled")
async def test_a_child_process_that_outlives_the_turn_is_refused(replica: Replica, requested: list[str]) -> None:
    answers = Path(replica.workspaces / "one" / "answers")
    await replica.bash(f"(until [ -e over ]; do sleep 0.05; done; {child()} > answers) > /dev/null 2>&1 & disown")
    before = len(requested)
    (replica.workspaces / "one" / "over").touch()
    await eventually(lambda: answers.exists() and answers.read_text() == "403 ")
    assert len(requested) == before


async def test_usage_of_a_child_process_is_charged_to_the_turn(replica: Replica) -> None:
    plain = (await replica.ask(bash_prompt("true"), model=SONNET)).end
    spent = (await replica.ask(bash_prompt(child(times=2, tokens=100_000)), model=SONNET)).end
    assert spent.input_tokens - plain.input_tokens > 200_000
    assert spent.cost_usd - plain.cost_usd > Decimal("0.5")


async def test_a_child_process_is_refused_once_the_budget_is_spent(replica: Replica) -> None:
    spec = replace(replica.spec(model=SONNET, max_budget_usd=1), budget_usd=Decimal(1))
    events = await replica.run(spec, bash_prompt(child(times=9, tokens=200_000)))
    assert events.outputs == ["200 200 200 402 402 402 402 402 402"]
    assert (events.end.error_code, events.end.cost_usd > 1) == (Code.BUDGET_EXCEEDED, True)


async def test_an_agent_that_exceeds_its_budget_is_ended(replica: Replica) -> None:
    spec = replace(replica.spec(max_budget_usd=1), budget_usd=Decimal("0.000001"))
    assert (await replica.run(spec, bash_prompt("touch /tmp/mark"))).end.error_code is Code.BUDGET_EXCEEDED
    events = await replica.run(replace(spec, budget_usd=Decimal(1)), bash_prompt("ls /tmp/mark"))
    assert "No such file" in events.outputs[0]


async def test_a_child_process_is_refused_a_model_that_is_not_offered(
    new_replica: NewReplica, requested: list[str]
) -> None:
    async with new_replica(Limits(models=(SONNET,))) as replica:
        assert await replica.bash(child("claude-opus-4-6")) == "403"
    assert set(requested) == {SONNET}


async def test_a_session_without_a_model_uses_the_first_offered_one(
    new_replica: NewReplica, requested: list[str]
) -> None:
    async with new_replica(Limits(models=("claude-opus-4-6", SONNET))) as replica:
        await replica.ask("Hi.")
    assert requested == ["claude-opus-4-6"]


def subagent(model: str) -> dict[str, Any]:
    """Return a turn in which the model starts a subagent with this model."""
    task = {"prompt": "Hi.", "description": "a test", "subagent_type": "general-purpose", "model": model}
    return calling(("Task", task))


@pytest.mark.claude_code
async def test_subagents_use_offered_models(new_replica: NewReplica, requested: list[str]) -> None:
    turns = [subagent(model) for model in ("haiku", "opus", "sonnet", "fable")]
    async with new_replica(Limits(models=(SONNET, "claude-haiku-4-5"))) as replica:
        events = await replica.ask(scripted(*turns, {"text": "Done."}))
    assert events.text.endswith("Done.")
    assert requested[1::2] == ["claude-haiku-4-5", SONNET, SONNET, SONNET]
    assert requested[::2] == [SONNET] * 5


SOME_OFFERED = [("sonnet[1m]", "claude-haiku-4-5")]
OFFERED = [
    ("sonnet[1m]",),
    ("opus", "claude-haiku-4-5"),
    ("sonnet",),
    ("claude-opus-4-1",),
    ("claude-sonnet-4-6[1m]",),
    ("some-model", "opus"),
]


@pytest.mark.claude_code
@pytest.mark.parametrize(
    "models", [*SOME_OFFERED, *(pytest.param(each, marks=pytest.mark.long) for each in OFFERED)], ids=" ".join
)
async def test_models_may_be_offered_by_alias_or_full_name(
    new_replica: NewReplica, models: tuple[str, ...], requested: list[str]
) -> None:
    async with new_replica(Limits(models=models)) as replica:
        events = await replica.ask(scripted(subagent("haiku"), subagent("opus"), {"text": "Done."}))
    assert events.text.endswith("Done.")
    assert len(requested) == 5
    # Aliases are names of the CLI; the provider knows full names only.
    assert not set(requested) & {"haiku", "sonnet", "opus", "fable"}
    assert not any(model.endswith("[1m]") for model in requested)


async def test_a_program_in_the_sandbox_does_not_search_without_an_approval(replica: Replica) -> None:
    options: dict[str, Any] = {"permission_mode": "default", "allowed_tools": ["Bash"], "model": "some-model"}
    assert await replica.bash(FORGED, **options) == "403"
    assert await replica.bash(FORGED, "two", **options | {"allowed_tools": ["Bash", "WebSearch"]}) == "200"


async def test_an_idle_agent_ends_when_its_session_is_paused(replica: Replica) -> None:
    await replica.ask(bash_prompt("touch /tmp/mark"))
    replica.agents.end_when_idle(replica.spec().session_id)
    assert "No such file" in await replica.bash("ls /tmp/mark")


async def test_a_busy_agent_finishes_its_turn_when_its_session_is_paused(replica: Replica) -> None:
    turn = replica.begin(bash_prompt("touch /tmp/mark begun; until [ -e go ]; do sleep 0.05; done"))
    await anext(turn)
    replica.agents.end_when_idle(replica.spec().session_id)
    (replica.workspaces / "one" / "go").touch()
    assert TurnEvents([event async for event in turn]).text == "Done."
    assert "No such file" in await replica.bash("ls /tmp/mark")


SOME_MODELS = ["claude-sonnet-4-5", "some-model"]
MODELS = ["haiku", "sonnet", "opus", "fable", "claude-haiku-4-5", "claude-opus-4-5"]
KINDS = {
    "input_tokens": Tokens(input=1000),
    "cache_creation_input_tokens": Tokens(cache_written=1000),
    "cache_read_input_tokens": Tokens(cache_read=1000),
    "output_tokens": Tokens(output=1000),
}


@pytest.mark.claude_code
@pytest.mark.parametrize("model", [*SOME_MODELS, *(pytest.param(model, marks=pytest.mark.long) for model in MODELS)])
async def test_our_price_is_at_most_the_price_of_the_cli_and_close_to_it(
    replica: Replica, model: str, requested: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, kind = wire.message, ""

    def message(turn: Turn, model: str, _: int) -> dict[str, Any]:
        return answer(turn, model, 0) | {"usage": dict.fromkeys(KINDS, 0) | {kind: 1000}}

    def known(model: str) -> Decimal:
        with monkeypatch.context() as original:
            original.setattr(usage, "PRICES", PRICES)
            original.setattr(usage, "DEFAULT_PRICE", DEFAULT_PRICE)
            return price(model)

    monkeypatch.setattr(wire, "message", message)
    monkeypatch.setattr(usage, "PRICES", {})
    monkeypatch.setattr(usage, "DEFAULT_PRICE", Decimal(0))  # so that the cost that the CLI computes is reported
    for kind, tokens in KINDS.items():  # noqa: B007  `message` reads it
        end = (await replica.ask(scripted({"text": "Hello."}), model=model)).end
        ours = known(requested[-1]) * tokens.min_weight
        assert ours <= end.cost_usd <= ours * 8
