"""Cost of each hop of one command: the same client takes them in turn, one at a time."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

from contracts.session.session import GetSession
from eventing.database import Database
from nats.errors import NoRespondersError
from runtime import bus
from session.app import service

from tests.bench.http import Connection, Request
from tests.bench.in_process import dispatcher
from tests.bench.report import Line, milliseconds
from tests.bench.responder import RAW, Echo
from tests.bench.rounds import Side, interleaved, timed
from tests.bench.samples import BODY, new_command, new_envelope, new_session
from tests.bench.stage import Stage, until

ROUNDS, WARMING = 400, 50


async def measure(stage: Stage) -> list[Line]:
    """Take the hops in turn."""
    async with AsyncExitStack() as held:
        connection = await held.enter_async_context(await Connection.open(stage.port))
        sides = {
            **_over_http(connection, str(stage.user().http.headers["authorization"])),
            **await held.enter_async_context(_over_the_bus(stage)),
            **_in_the_service(await held.enter_async_context(stage.database())),
        }
        await interleaved(sides, WARMING)
        rounds = await interleaved(sides, ROUNDS)
    return [
        Line(name, f"{milliseconds(rounds.median(name))}, p99 {milliseconds(rounds.percentile(name, 99))}")
        for name in sides
    ]


def _over_http(connection: Connection, token: str) -> dict[str, Side]:
    invalid = BODY | {"mode": "forked"}
    requests = {
        "whole: POST /sessions": Request.post("/api/v1/sessions", token, BODY),
        "  gateway alone: GET /health/live": Request.get("/health/live"),
        "  gateway with token and body: refused before the bus": Request.post("/api/v1/sessions", token, invalid, 422),
    }
    return {name: timed(lambda request=request: connection.ask(request)) for name, request in requests.items()}


@asynccontextmanager
async def _over_the_bus(stage: Stage) -> AsyncGenerator[dict[str, Side]]:
    responder = stage.start("tests.bench.responder", {"NATS_URL": stage.nats.url})
    async with bus.connected(stage.nats.url, "bench") as client:
        asks, body = bus.Bus(client), new_command().model_dump_json().encode()
        sides = {
            "  NATS alone: request and reply": timed(lambda: client.request(RAW, body, timeout=5)),
            "  NATS with messages": timed(lambda: asks.ask(Echo(command=new_command()), new_envelope())),
        }
        for side in sides.values():
            await until(responder, lambda side=side: _there(side))
        yield sides


async def _there(side: Side) -> bool:
    try:
        return bool(await side())
    except (NoRespondersError, bus.Unavailable):
        return False


def _in_the_service(database: Database) -> dict[str, Side]:
    store = service.store(database)
    handling = dispatcher(store, database)
    known: list[UUID] = []

    async def send() -> None:
        command = new_command()
        await handling.send(command, new_envelope())
        known.append(command.session_id)

    async def append() -> None:
        await store.save((new_session(),), new_envelope())

    return {
        "  service: handle, append, read back": timed(send),
        "    append with projection": timed(append),
        "    read back": timed(lambda: handling.ask(GetSession(session_id=known[-1]), new_envelope())),
        "    PostgreSQL alone: SELECT 1": timed(lambda: database.fetchval("SELECT 1")),
    }
