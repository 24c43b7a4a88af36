"""When, for which models and how much an agent may ask of the model provider."""

import asyncio
import gzip
from contextlib import ExitStack, suppress
from decimal import Decimal

import pytest
from aiohttp import ClientError, ClientPayloadError
from eventing.testing import eventually
from session.agent.model_proxy.access import MAX_CONCURRENT_REQUESTS, MAX_PENDING_BODY_BYTES, MAX_WAITING_REQUESTS
from session.agent.model_proxy.connection_limit import MAX_CONNECTIONS

from services.session.tests.provider import BODY, Agent, Provider, error, served


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_between_turns_nothing_passes(idle: Agent, provider: Provider, path: str) -> None:
    with idle.access.turn(None):
        pass
    async with idle.post(path, data=BODY) as answer:
        assert await error(answer) == (403, "permission_error")
    assert not provider.asked


async def test_the_end_of_a_turn_breaks_off_what_is_under_way(idle: Agent, provider: Provider) -> None:
    with ExitStack() as turn:
        turn.enter_context(idle.access.turn(None))
        async with idle.post("/v1/messages?please=stream", data=BODY) as answer:
            await answer.content.readany()
            turn.close()
            with pytest.raises(ClientPayloadError):
                await answer.read()
    async with asyncio.timeout(5):
        await provider.left.wait()


async def test_money_that_is_used_up_ends_the_access(idle: Agent, provider: Provider) -> None:
    with idle.access.turn(Decimal("0.001")):
        async with idle.post("/v1/messages?please=tell", data=BODY) as answer:
            assert answer.status == 200
        async with idle.post("/v1/messages?please=tell", data=BODY) as answer:
            assert await error(answer) == (402, "billing_error")
        assert idle.access.exhausted
    assert len(provider.asked) == 1


async def test_a_new_turn_has_money_of_its_own(idle: Agent) -> None:
    for _ in range(2):
        with idle.access.turn(Decimal("0.001")):
            async with idle.post("/v1/messages?please=tell", data=BODY) as answer:
                assert answer.status == 200


async def test_what_a_whole_answer_used_is_counted(agent: Agent) -> None:
    async with agent.post("/v1/messages?please=tell", data=BODY) as answer:
        await answer.read()
    used = agent.access.meter.tokens
    assert (used.input, used.cache_written, used.cache_read, used.output) == (1000, 1, 2, 1)


async def test_what_a_streamed_answer_used_is_counted(agent: Agent, provider: Provider) -> None:
    provider.released.set()
    async with agent.post("/v1/messages?please=stream", data=BODY) as answer:
        await answer.read()
    used = agent.access.meter.tokens
    assert (used.input, used.cache_written, used.cache_read, used.output) == (1000, 1, 2, 50)


async def test_what_a_broken_off_answer_said_is_counted_too(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages?please=stream", data=BODY) as answer:
        await answer.content.readany()
        answer.close()
    async with asyncio.timeout(5):
        await provider.left.wait()
    used = agent.access.meter.tokens
    assert (used.input, 90 <= used.output <= 110) == (1000, True)


async def test_what_the_end_of_a_turn_breaks_off_is_counted_with_the_turn(idle: Agent, provider: Provider) -> None:
    async def ask() -> None:
        with suppress(ClientError):
            await idle.post("/v1/messages?please=wait", json={"model": "m", "x": "x" * 4000})

    async with asyncio.TaskGroup() as tasks:
        with idle.access.turn(None):
            tasks.create_task(ask())
            await eventually(lambda: bool(provider.asked))
        assert idle.access.meter.tokens.input > 1000


async def test_turns_may_follow_each_other_at_once(idle: Agent, provider: Provider) -> None:
    async def ask() -> None:
        with suppress(ClientError):
            await idle.post("/v1/messages?please=wait", data=BODY)

    async with asyncio.TaskGroup() as tasks:
        with idle.access.turn(None):
            tasks.create_task(ask())
            await eventually(lambda: bool(provider.asked))
        for _ in range(3):
            with idle.access.turn(None):
                await asyncio.sleep(0)


async def test_a_failure_of_the_provider_costs_nothing(agent: Agent) -> None:
    async with agent.post("/v1/messages?please=fail", data=BODY) as answer:
        await answer.read()
    assert agent.access.meter.cost_usd == 0


async def test_only_models_of_the_session_pass(provider_url: str, provider: Provider) -> None:
    async with served(provider_url, "m", "claude-x[1m]", "sonnet") as client:
        with client.access.turn(None):
            for model in ("m", "claude-x", "claude-sonnet-9-1"):
                async with client.post("/v1/messages", json={"model": model}) as answer:
                    assert answer.status == 200
            for model in ("other", "claude-opus-5", "not-sonnet", "m "):
                async with client.post("/v1/messages", json={"model": model}) as answer:
                    assert await error(answer) == (403, "permission_error")
    assert len(provider.asked) == 3


async def test_a_tool_cannot_name_a_model_that_the_session_may_not_use(provider_url: str, provider: Provider) -> None:
    async with served(provider_url, "m") as client:
        with client.access.turn(None):
            async with client.post("/v1/messages", json={"model": "m", "tools": [{"model": "other"}]}) as answer:
                assert await error(answer) == (403, "permission_error")
    assert not provider.asked


async def test_a_body_that_two_readers_could_read_differently_is_refused(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=b'{"model": "a", "model": "b"}') as answer:
        assert await error(answer) == (400, "invalid_request_error")
    assert not provider.asked


async def test_a_packed_body_is_refused(agent: Agent, provider: Provider) -> None:
    packed = {"Content-Encoding": "gzip"}
    async with agent.post("/v1/messages", data=gzip.compress(BODY), headers=packed) as answer:
        assert await error(answer) == (415, "invalid_request_error")
    assert not provider.asked


async def test_an_agent_has_a_share_of_the_provider(agent: Agent, provider: Provider) -> None:
    async with asyncio.TaskGroup() as tasks:

        async def ask() -> int:
            async with agent.post("/v1/messages?please=stream", data=BODY) as answer:
                await answer.read()
                return answer.status

        asking = [tasks.create_task(ask()) for _ in range(MAX_CONCURRENT_REQUESTS + MAX_WAITING_REQUESTS + 1)]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [429]
        await eventually(lambda: len(provider.asked) == MAX_CONCURRENT_REQUESTS)
        provider.released.set()
    assert sorted(task.result() for task in asking) == [200] * (MAX_CONCURRENT_REQUESTS + MAX_WAITING_REQUESTS) + [429]


async def test_an_agent_has_so_many_bytes_under_way(agent: Agent) -> None:
    async with agent.access.request(MAX_PENDING_BODY_BYTES - 1), agent.post("/v1/messages", data=BODY) as answer:
        assert await error(answer) == (429, "rate_limit_error")


async def test_an_agent_has_so_many_connections(agent: Agent) -> None:
    connections = [await asyncio.open_connection(*agent.address) for _ in range(MAX_CONNECTIONS)]
    reader, writer = await asyncio.open_connection(*agent.address)
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    for _, opened in [*connections, (reader, writer)]:
        opened.close()
    await until_served(agent)


@pytest.mark.parametrize("request_line", ["GET /x", "POST /v1/messages"])
async def test_a_connection_ends_with_the_first_request_that_is_refused(agent: Agent, request_line: str) -> None:
    reader, writer = await asyncio.open_connection(*agent.address)
    writer.write(f"{request_line} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 1000)
    answers = await reader.read()
    assert answers.count(b"HTTP/1.1 4") == 1
    writer.close()


async def test_a_request_that_is_no_http_is_not_logged(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = await asyncio.open_connection(*agent.address)
    writer.write(b"GET /x HTTP/1.1\r\nHost : x\r\n\r\n")
    assert b"400 Bad Request" in await reader.read()
    assert caplog.records == []
    writer.close()


async def until_served(agent: Agent) -> None:
    async def answers() -> bool:
        try:
            async with agent.post("/v1/messages", data=BODY) as answer:
                return answer.status == 200
        except ClientError:
            return False

    await eventually(answers)
