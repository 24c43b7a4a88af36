"""Reading a session and a list of 50 with one client, through the whole system, against bare FastAPI and asyncpg."""

import json

from tests.bench.bare_api import bare_api
from tests.bench.http import Connection, Request
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import interleaved, timed
from tests.bench.samples import BODY
from tests.bench.stage import Stage

SESSIONS, ROUNDS, WARMING = 50, 300, 30
AIMS = {"GET of a session": Aim(3, "x", most=True), f"a list of {SESSIONS}": Aim(2.5, "x", most=True)}


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    token = str(stage.user().http.headers["authorization"])
    async with (
        bare_api(stage) as port,
        await Connection.open(stage.port) as ours,
        await Connection.open(port) as control,
    ):
        requests = {
            "ours": (ours, await _requests(ours, "/api/v1/sessions", token)),
            "control": (control, await _requests(control, "/sessions", "")),
        }
        return [await _line(requests, what) for what in AIMS]


async def _requests(connection: Connection, path: str, token: str) -> dict[str, Request]:
    """Create sessions, and return the requests that read them."""
    create = Request.post(path, token, BODY)
    ids = [json.loads(await connection.ask(create))["id"] for _ in range(SESSIONS)]
    reads = (f"{path}/{ids[0]}", f"{path}?limit={SESSIONS}")
    return dict(zip(AIMS, (Request.get(each, token) for each in reads), strict=True))


async def _line(requests: dict[str, tuple[Connection, dict[str, Request]]], what: str) -> Line:
    sides = {
        name: timed(lambda connection=connection, request=reads[what]: connection.ask(request))
        for name, (connection, reads) in requests.items()
    }
    await interleaved(sides, WARMING)
    rounds = await interleaved(sides, ROUNDS)
    ours, control = (rounds.median(name) for name in sides)
    return Line(
        f"{what}; bare FastAPI + asyncpg", milliseconds(ours), milliseconds(control), ours / control, AIMS[what]
    )
