import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest
from onebox.ports import ReservedPort
from prometheus_client import Counter
from runtime.http import health
from runtime.http.health import Degraded, Health, app, serving
from runtime.metrics import Scrapes, metrics_of
from runtime.testing import eventually
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

HOST = "127.0.0.1"
exposition = Scrapes("kitchen").exposition


async def healthy() -> None:
    pass


async def down() -> None:
    raise ConnectionRefusedError("user=postgres password=secret")


async def hang() -> None:
    await asyncio.Event().wait()


async def reduced() -> None:
    raise Degraded("half of it is missing")


@asynccontextmanager
async def client_of(checks: Health) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app(checks, exposition))
    async with httpx.AsyncClient(transport=transport, base_url="http://ops") as client:
        yield client


async def test_the_report_lists_each_check() -> None:
    assert await Health({"database": healthy, "bus": healthy}).report() == {"database": "ok", "bus": "ok"}


async def test_a_failing_check_is_reported_without_its_message() -> None:
    assert await Health({"database": down, "bus": healthy}).report() == {
        "database": "ConnectionRefusedError",
        "bus": "ok",
    }


async def test_a_check_that_hangs_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT", 0.01)
    assert await Health({"database": hang}).report() == {"database": "no answer within 0.01 s"}


async def test_a_scrape_measures_each_check_and_waits_for_none_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MEASURING_SECONDS", 0.02)
    [values] = (await Health({"bus": healthy, "sandbox": reduced, "database": down, "clock": hang}).measure()).values()
    assert values == {("bus",): 1, ("sandbox",): 1, ("database",): 0, ("clock",): 0}


async def test_a_process_is_ready_if_all_checks_pass() -> None:
    async with client_of(Health({"bus": healthy})) as client:
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "checks": {"bus": "ok"}})


async def test_a_process_is_not_ready_if_one_check_fails() -> None:
    async with client_of(Health({"bus": healthy, "database": down})) as client:
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")


async def test_a_process_that_does_less_is_ready_and_says_what() -> None:
    async with client_of(Health({"sandbox": reduced})) as client:
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]) == (200, {"sandbox": "ok, but half of it is missing"})


async def test_a_process_that_is_not_ready_is_alive() -> None:
    async with client_of(Health({"database": down})) as client:
        assert (await client.get("/health/live")).json() == {"status": "alive"}


async def test_a_further_report_has_a_path_of_its_own() -> None:
    transport = httpx.ASGITransport(app(Health(), exposition, system=Health({"database": down}).report))
    async with httpx.AsyncClient(transport=transport, base_url="http://ops") as client:
        answers = [await client.get(f"/health/{name}") for name in ("ready", "system")]
    assert [answer.status_code for answer in answers] == [200, 503]
    assert answers[1].json() == {"status": "not ready", "checks": {"database": "ConnectionRefusedError"}}


async def test_any_host_name_is_served() -> None:
    async with client_of(Health()) as client:
        assert (await client.get("/metrics", headers={"host": "gateway:9090"})).status_code == 200


async def test_metrics_have_the_format_of_prometheus() -> None:
    Counter("test_of_health", "Something").inc()
    async with client_of(Health()) as client:
        answer = await client.get("/metrics")
    assert "test_of_health_total 1.0" in answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")


async def test_a_server_answers_at_its_address() -> None:
    async with serving(app(Health(), exposition), HOST, 0) as server, httpx.AsyncClient(timeout=60) as client:
        host, port = server.address
        assert (await client.get(f"http://{host}:{port}/health/live")).status_code == 200


async def test_closing_the_server_frees_the_port() -> None:
    with ReservedPort() as port:  # which nobody else takes in between
        for _ in range(2):
            async with serving(app(Health(), exposition), HOST, port.number) as server:
                assert server.address[1] == port.number


async def test_a_port_in_use_raises_os_error() -> None:
    with used_port() as port, pytest.raises(OSError, match=f"cannot serve on {HOST}:{port}"):
        async with serving(app(Health(), exposition), HOST, port):
            pass


async def test_an_error_inside_the_context_is_not_wrapped() -> None:
    with pytest.raises(LookupError, match="mine"):
        async with serving(app(Health(), exposition), HOST, 0):
            raise LookupError("mine")


async def test_closing_the_server_lets_a_request_finish() -> None:
    slow = Slow()
    async with (
        httpx.AsyncClient(timeout=60) as client,
        asyncio.TaskGroup() as tasks,
        serving(slow.app, HOST, 0) as server,
    ):
        host, port = server.address
        answer = tasks.create_task(client.get(f"http://{host}:{port}/"))
        await eventually(lambda: slow.begun)
        asyncio.get_running_loop().call_later(0.2, slow.go.set)
    assert answer.result().text == "done"


class Slow:
    def __init__(self) -> None:
        self.begun, self.go = False, asyncio.Event()
        self.app = Starlette(routes=[Route("/", self.answer)])

    async def answer(self, _: Request) -> PlainTextResponse:
        self.begun = True
        await self.go.wait()
        return PlainTextResponse("done")


@contextmanager
def used_port() -> Generator[int]:
    with socket.create_server((HOST, 0)) as used:
        yield used.getsockname()[1]


async def test_metrics_are_those_of_the_process_and_of_the_named_owners() -> None:
    Counter("jars", "Jars", registry=metrics_of("kitchen")).inc()
    Counter("shelves", "Shelves", registry=metrics_of("cellar")).inc()
    transport = httpx.ASGITransport(app(Health(), exposition))
    async with httpx.AsyncClient(transport=transport, base_url="http://ops") as client:
        text = (await client.get("/metrics")).text
    assert [name in text for name in ("process_open_fds", "jars_total 1.0", "shelves_total")] == [True, True, False]
