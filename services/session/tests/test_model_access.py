"""What an agent may ask of its model, and what its children may, with the real agent."""

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
from session.agent import AgentSpec, Limits
from session.agent.model_proxy import usage
from session.agent.model_proxy.usage import DEFAULT_PRICE, PRICES, Tokens, price
from session.agent.sandbox.bwrap_args import PYTHON
from simulator import wire
from simulator.app import create_app
from simulator.script import Turn
from simulator.testing import bash_prompt, scripted, tools_prompt

from services.session.tests.replica import NewReplica, Replica, Telling

# Asks the model as any program in the sandbox can, and notes the status of the answer.
CHILD = """
import json, os, sys, urllib.error, urllib.request
model, times, tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
said = 'Hi. [[simulate {"turns": [{"text": "Hello.", "input_tokens": %d, "output_tokens": 0}]}]]' % tokens
body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": said}]}
url, headers = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", {"x-api-key": os.environ["ANTHROPIC_API_KEY"]}
for _ in range(times):
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        print(urllib.request.urlopen(request).status, end=" ", flush=True)
    except urllib.error.HTTPError as error:
        print(error.status, end=" ", flush=True)
"""
SONNET = "claude-sonnet-4-6"


def child(model: str = SONNET, times: int = 1, tokens: int = 1) -> str:
    """Write a command with which a child of the agent asks the model itself."""
    return join([str(PYTHON), "-I", "-c", CHILD, model, str(times), str(tokens)])


@pytest.fixture
def asked() -> list[str]:
    """The models that were asked."""
    return []


@pytest_asyncio.fixture
async def model_url(asked: list[str]) -> Any:
    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked.append((await request.json())["model"])
        return await handler(request)

    app = create_app()
    app.middlewares.insert(0, note)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def ask(replica: Replica, spec: AgentSpec, prompt: str) -> Telling:
    return Telling([told async for told in replica.agents.turn(spec, prompt)])


async def test_a_child_may_ask_the_model_during_a_turn(replica: Replica) -> None:
    assert await replica.bash(child(times=2)) == "200 200"


async def test_a_child_that_outlives_the_turn_is_refused(replica: Replica, asked: list[str]) -> None:
    answers = Path(replica.workspaces / "one" / "answers")
    await replica.bash(f"(until [ -e over ]; do sleep 0.05; done; {child()} > answers) > /dev/null 2>&1 & disown")
    before = len(asked)
    (replica.workspaces / "one" / "over").touch()
    await eventually(lambda: answers.exists() and answers.read_text() == "403 ")
    assert len(asked) == before


async def test_what_a_child_used_is_counted_at_the_price_of_the_agent(replica: Replica) -> None:
    plain = (await replica.ask(bash_prompt("true"), "one", model=SONNET)).end
    spent = (await replica.ask(bash_prompt(child(times=2, tokens=100_000)), "two", model=SONNET)).end
    assert spent.input_tokens - plain.input_tokens > 200_000
    assert spent.cost_usd - plain.cost_usd > Decimal("0.5")


async def test_the_money_of_the_session_ends_what_a_child_spends(replica: Replica) -> None:
    spec = replace(replica.spec(model=SONNET, max_budget_usd=1), budget_usd=Decimal(1))
    telling = await ask(replica, spec, bash_prompt(child(times=9, tokens=200_000)))
    assert telling.outputs == ["200 200 200 402 402 402 402 402 402"]
    assert (telling.end.error_code, telling.end.cost_usd > 1) == (Code.BUDGET_EXCEEDED, True)


async def test_an_agent_that_used_up_its_money_is_ended(replica: Replica) -> None:
    spec = replace(replica.spec(max_budget_usd=1), budget_usd=Decimal("0.000001"))
    assert (await ask(replica, spec, bash_prompt("touch /tmp/mark"))).end.error_code is Code.BUDGET_EXCEEDED
    telling = await ask(replica, replace(spec, budget_usd=Decimal(1)), bash_prompt("ls /tmp/mark"))
    assert "No such file" in telling.outputs[0]


async def test_a_model_that_is_not_offered_is_refused_to_a_child(new_replica: NewReplica, asked: list[str]) -> None:
    async with new_replica(Limits(models=(SONNET,))) as replica:
        assert await replica.bash(child("claude-opus-4-6")) == "403"
    assert set(asked) == {SONNET}


async def test_a_session_that_names_no_model_gets_the_first_that_is_offered(
    new_replica: NewReplica, asked: list[str]
) -> None:
    async with new_replica(Limits(models=("claude-opus-4-6", SONNET))) as replica:
        await replica.ask("Hi.")
    assert asked == ["claude-opus-4-6"]


@pytest.mark.parametrize("wanted", ["haiku", "opus", "sonnet", "fable"])
async def test_subagents_use_models_that_are_offered(new_replica: NewReplica, asked: list[str], wanted: str) -> None:
    task = {"prompt": "Hi.", "description": "a test", "subagent_type": "general-purpose", "model": wanted}
    async with new_replica(Limits(models=(SONNET, "claude-haiku-4-5"))) as replica:
        telling = await replica.ask(tools_prompt(("Task", task)))
    assert telling.words.endswith("Done.")
    assert asked == [SONNET, "claude-haiku-4-5" if wanted == "haiku" else SONNET, SONNET]


OFFERED = [
    ("sonnet",),
    ("sonnet[1m]",),
    ("opus", "claude-haiku-4-5"),
    ("claude-opus-4-1",),
    ("claude-sonnet-4-6[1m]",),
    ("some-model", "opus"),
]


@pytest.mark.parametrize("wanted", ["haiku", "opus"])
@pytest.mark.parametrize("models", OFFERED, ids=" ".join)
async def test_models_can_be_offered_by_every_name_that_the_agent_knows(
    new_replica: NewReplica, models: tuple[str, ...], asked: list[str], wanted: str
) -> None:
    task = {"prompt": "Hi.", "description": "a test", "subagent_type": "general-purpose", "model": wanted}
    async with new_replica(Limits(models=models)) as replica:
        assert (await replica.ask(tools_prompt(("Task", task)))).words.endswith("Done.")
    assert len(asked) == 3
    # The provider knows no name of a family.
    assert not set(asked) & {"haiku", "sonnet", "opus", "fable"}
    assert not any(model.endswith("[1m]") for model in asked)


async def test_an_agent_of_a_paused_session_ends_when_it_idles(replica: Replica) -> None:
    await replica.ask(bash_prompt("touch /tmp/mark"))
    replica.agents.end_when_idle(replica.spec().session_id)
    assert "No such file" in await replica.bash("ls /tmp/mark")


async def test_an_agent_of_a_paused_session_ends_its_turn_first(replica: Replica) -> None:
    turn = replica.begin(bash_prompt("touch /tmp/mark begun; until [ -e go ]; do sleep 0.05; done"))
    await anext(turn)
    replica.agents.end_when_idle(replica.spec().session_id)
    (replica.workspaces / "one" / "go").touch()
    assert Telling([told async for told in turn]).words == "Done."
    assert "No such file" in await replica.bash("ls /tmp/mark")


MODELS = ["haiku", "sonnet", "opus", "fable", "claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5", "some-model"]
KINDS = {
    "input_tokens": Tokens(input=1000),
    "cache_creation_input_tokens": Tokens(cache_written=1000),
    "cache_read_input_tokens": Tokens(cache_read=1000),
    "output_tokens": Tokens(output=1000),
}


@pytest.mark.parametrize("model", MODELS)
async def test_a_price_is_near_that_of_the_agent_and_not_above(
    replica: Replica, model: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, kind = wire.message, ""

    def message(turn: Turn, model: str, _: int) -> dict[str, Any]:
        return answer(turn, model, 0) | {"usage": dict.fromkeys(KINDS, 0) | {kind: 1000}}

    def known(model: str) -> Decimal:
        with monkeypatch.context() as undone:
            undone.setattr(usage, "PRICES", PRICES)
            undone.setattr(usage, "DEFAULT_PRICE", DEFAULT_PRICE)
            return price(model)

    monkeypatch.setattr(wire, "message", message)
    monkeypatch.setattr(usage, "PRICES", {})
    monkeypatch.setattr(usage, "DEFAULT_PRICE", Decimal(0))  # so that the agent's own count is told
    for kind, tokens in KINDS.items():  # noqa: B007  read by `message`
        end = (await replica.ask(scripted({"text": "Hello."}), model=model)).end
        ours = known(asked[-1]) * tokens.min_weight
        assert ours <= end.cost_usd <= ours * 8
