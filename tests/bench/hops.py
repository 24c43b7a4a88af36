"""What each hop of one command costs: the same client takes them in turn, one at a time."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast
from uuid import UUID

from contracts.messages import Actor
from contracts.session.commands import CreateSession
from contracts.session.queries import GetSession
from eventing.database import Database
from eventing.dispatch import Dispatcher
from eventing.postgres import PostgresStore
from nats.errors import NoRespondersError
from runtime import bus
from runtime.clock import new_id
from runtime.envelope import Envelope
from runtime.testing import eventually
from session.aggregate import Session
from session.app import service

from tests.bench.create import BODY
from tests.bench.http import Connection, Request
from tests.bench.report import Line, milliseconds
from tests.bench.responder import RAW, Echo
from tests.bench.rounds import Side, interleaved, timed
from tests.bench.stage import Stage

ROUNDS, WARMING = 400, 50
ACTOR = Actor(user_id=new_id(), role="user")


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
    unknown = BODY | {"template_id": str(UUID(int=0))}
    requests = {
        "whole: POST /sessions": Request.post("/api/v1/sessions", token, BODY),
        "  gateway alone: GET /health/live": Request.get("/health/live"),
        "  gateway with token and body: refused before the bus": Request.post("/api/v1/sessions", token, unknown, 404),
    }
    return {name: timed(lambda request=request: connection.ask(request)) for name, request in requests.items()}


@asynccontextmanager
async def _over_the_bus(stage: Stage) -> AsyncGenerator[dict[str, Side]]:
    stage.start("tests.bench.responder", {"NATS_URL": stage.nats.url})
    async with bus.connected(stage.nats.url, "bench") as client:
        asks, body = bus.Bus(client), _command().model_dump_json().encode()
        sides = {
            "  NATS alone: request and reply": timed(lambda: client.request(RAW, body, timeout=5)),
            "  NATS with messages and FastStream": timed(lambda: asks.ask(Echo(command=_command()), _envelope())),
        }
        for side in sides.values():
            await eventually(lambda side=side: _there(side))
        yield sides


async def _there(side: Side) -> bool:
    try:
        return bool(await side())
    except (NoRespondersError, bus.Unavailable):
        return False


def _in_the_service(database: Database) -> dict[str, Side]:
    store = PostgresStore(database, service.facts, service.project)
    dispatcher = Dispatcher(store, database, cast(Any, None), service.commands, service.queries)
    known: list[UUID] = []

    async def send() -> None:
        command = _command()
        await dispatcher.send(command, _envelope())
        known.append(command.session_id)

    async def append() -> None:
        command, session = _command(), Session(new_id())
        session.create(ACTOR.user_id, command.name, command.mode, command.sdk_options)
        await store.save((session,), _envelope())

    return {
        "  service: handle, append, read back": timed(send),
        "    append with projection": timed(append),
        "    read back": timed(lambda: dispatcher.ask(GetSession(session_id=known[-1]), _envelope())),
        "    PostgreSQL alone: SELECT 1": timed(lambda: database.fetchval("SELECT 1")),
    }


def _command() -> CreateSession:
    return CreateSession.model_validate({**BODY, "session_id": new_id()})


def _envelope() -> Envelope:
    return Envelope.begin(actor=ACTOR)
