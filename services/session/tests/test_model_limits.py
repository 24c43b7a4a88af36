"""The limits on the requests of an agent to the model provider: turns, models, budget and concurrency."""

import asyncio
import gzip
from contextlib import ExitStack, suppress
from decimal import Decimal

import pytest
from aiohttp import ClientError, ClientPayloadError
from eventing.testing import eventually
from session.agent.model_proxy.access import MAX_CONCURRENT_REQUESTS, MAX_PENDING_BODY_BYTES, MAX_WAITING_REQUESTS
from session.agent.model_proxy.connection_limit import MAX_CONNECTIONS

from services.session.tests.provider import BODY, Provider, ProxyClient, error_of, proxied


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_requests_between_turns_are_refused(idle_agent: ProxyClient, provider: Provider, path: str) -> None:
    with idle_agent.access.turn(None):
        pass
    async with idle_agent.post(path, data=BODY) as response:
        assert await error_of(response) == (403, "permission_error")
    assert not provider.requests


async def test_the_end_of_a_turn_aborts_requests_in_progress(idle_agent: ProxyClient, provider: Provider) -> None:
    with ExitStack() as turn:
        turn.enter_context(idle_agent.access.turn(None))
        async with idle_agent.post("/v1/messages?respond=stream", data=BODY) as response:
            await response.content.readany()
            turn.close()
            with pytest.raises(ClientPayloadError):
                await response.read()
    async with asyncio.timeout(60):
        await provider.disconnected.wait()


async def test_a_spent_budget_ends_the_access(idle_agent: ProxyClient, provider: Provider) -> None:
    with idle_agent.access.turn(Decimal("0.001")):
        async with idle_agent.post("/v1/messages?respond=usage", data=BODY) as response:
            await response.read()  # its usage is counted by then
            assert response.status == 200
        async with idle_agent.post("/v1/messages?respond=usage", data=BODY) as response:
            assert await error_of(response) == (402, "billing_error")
        assert idle_agent.access.exhausted
    assert len(provider.requests) == 1


async def test_each_turn_has_its_own_budget(idle_agent: ProxyClient) -> None:
    for _ in range(2):
        with idle_agent.access.turn(Decimal("0.001")):
            async with idle_agent.post("/v1/messages?respond=usage", data=BODY) as response:
                assert response.status == 200


async def test_the_usage_of_a_complete_response_is_counted(agent: ProxyClient) -> None:
    async with agent.post("/v1/messages?respond=usage", data=BODY) as response:
        await response.read()
    used = agent.access.meter.tokens
    assert (used.input, used.cache_written, used.cache_read, used.output) == (1000, 1, 2, 1)


async def test_the_usage_of_a_streamed_response_is_counted(agent: ProxyClient, provider: Provider) -> None:
    provider.released.set()
    async with agent.post("/v1/messages?respond=stream", data=BODY) as response:
        await response.read()
    used = agent.access.meter.tokens
    assert (used.input, used.cache_written, used.cache_read, used.output) == (1000, 1, 2, 50)


async def test_the_usage_of_an_aborted_response_is_estimated(agent: ProxyClient, provider: Provider) -> None:
    async with agent.post("/v1/messages?respond=stream", data=BODY) as response:
        await response.content.readany()
        response.close()
    async with asyncio.timeout(60):
        await provider.disconnected.wait()
    used = agent.access.meter.tokens
    assert (used.input, 90 <= used.output <= 110) == (1000, True)


async def test_requests_aborted_by_the_end_of_a_turn_count_for_that_turn(
    idle_agent: ProxyClient, provider: Provider
) -> None:
    async def ask() -> None:
        with suppress(ClientError):
            await idle_agent.post("/v1/messages?respond=wait", json={"model": "m", "system": "x" * 4000})

    async with asyncio.TaskGroup() as tasks:
        with idle_agent.access.turn(None):
            tasks.create_task(ask())
            await eventually(lambda: bool(provider.requests))
        assert idle_agent.access.meter.tokens.input > 1000


async def test_turns_may_follow_each_other_immediately(idle_agent: ProxyClient, provider: Provider) -> None:
    async def ask() -> None:
        with suppress(ClientError):
            await idle_agent.post("/v1/messages?respond=wait", data=BODY)

    async with asyncio.TaskGroup() as tasks:
        with idle_agent.access.turn(None):
            tasks.create_task(ask())
            await eventually(lambda: bool(provider.requests))
        for _ in range(3):
            with idle_agent.access.turn(None):
                await asyncio.sleep(0)


async def test_an_error_of_the_provider_costs_nothing(agent: ProxyClient) -> None:
    async with agent.post("/v1/messages?respond=overloaded", data=BODY) as response:
        await response.read()
    assert agent.access.meter.cost_usd == 0


async def test_only_models_of_the_session_are_accepted(provider_url: str, provider: Provider) -> None:
    async with proxied(provider_url, "m", "claude-x[1m]", "sonnet") as client:
        with client.access.turn(None):
            for model in ("m", "claude-x", "claude-sonnet-9-1"):
                async with client.post("/v1/messages", json={"model": model}) as response:
                    assert response.status == 200
            for model in ("other", "claude-opus-5", "not-sonnet", "m "):
                async with client.post("/v1/messages", json={"model": model}) as response:
                    assert await error_of(response) == (403, "permission_error")
    assert len(provider.requests) == 3


async def test_a_tool_cannot_name_a_model_that_is_not_offered(provider_url: str, provider: Provider) -> None:
    async with proxied(provider_url, "m") as client:
        with client.access.turn(None):
            async with client.post("/v1/messages", json={"model": "m", "tools": [{"model": "other"}]}) as response:
                assert await error_of(response) == (403, "permission_error")
    assert not provider.requests


async def test_an_ambiguous_body_is_refused(agent: ProxyClient, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=b'{"model": "a", "model": "b"}') as response:
        assert await error_of(response) == (400, "invalid_request_error")
    assert not provider.requests


async def test_a_compressed_body_is_refused(agent: ProxyClient, provider: Provider) -> None:
    packed = {"Content-Encoding": "gzip"}
    async with agent.post("/v1/messages", data=gzip.compress(BODY), headers=packed) as response:
        assert await error_of(response) == (415, "invalid_request_error")
    assert not provider.requests


async def test_concurrent_requests_of_an_agent_are_limited(agent: ProxyClient, provider: Provider) -> None:
    async with asyncio.TaskGroup() as tasks:

        async def ask() -> int:
            async with agent.post("/v1/messages?respond=stream", data=BODY) as response:
                await response.read()
                return response.status

        requests = [tasks.create_task(ask()) for _ in range(MAX_CONCURRENT_REQUESTS + MAX_WAITING_REQUESTS + 1)]
        done, _ = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [429]
        await eventually(lambda: len(provider.requests) == MAX_CONCURRENT_REQUESTS)
        provider.released.set()
    assert sorted(task.result() for task in requests) == [200] * (MAX_CONCURRENT_REQUESTS + MAX_WAITING_REQUESTS) + [
        429
    ]


async def test_request_bytes_of_an_agent_in_progress_are_limited(agent: ProxyClient) -> None:
    async with agent.access.request(MAX_PENDING_BODY_BYTES - 1), agent.post("/v1/messages", data=BODY) as response:
        assert await error_of(response) == (429, "rate_limit_error")


async def test_connections_of_an_agent_are_limited(agent: ProxyClient) -> None:
    connections = [await asyncio.open_connection(*agent.address) for _ in range(MAX_CONNECTIONS)]
    reader, writer = await asyncio.open_connection(*agent.address)
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    for _, opened in [*connections, (reader, writer)]:
        opened.close()
    await until_served(agent)


@pytest.mark.parametrize("request_line", ["GET /x", "POST /v1/messages"])
async def test_a_connection_closes_after_its_first_refused_request(agent: ProxyClient, request_line: str) -> None:
    reader, writer = await asyncio.open_connection(*agent.address)
    writer.write(f"{request_line} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 1000)
    answers = await reader.read()
    assert answers.count(b"HTTP/1.1 4") == 1
    writer.close()


async def test_an_invalid_http_request_is_not_logged(agent: ProxyClient, caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = await asyncio.open_connection(*agent.address)
    writer.write(b"GET /x HTTP/1.1\r\nHost : x\r\n\r\n")
    assert b"400 Bad Request" in await reader.read()
    assert caplog.records == []
    writer.close()


async def until_served(agent: ProxyClient) -> None:
    async def answers() -> bool:
        try:
            async with agent.post("/v1/messages", data=BODY) as response:
                return response.status == 200
        except ClientError:
            return False

    await eventually(answers)
