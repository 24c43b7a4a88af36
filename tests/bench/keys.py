"""Idempotency keys: what a keyed request costs beside the same one without, and a repetition that is replayed."""

from tests.bench.http import Connection, Request
from tests.bench.report import Line, milliseconds
from tests.bench.rounds import Side, interleaved, timed
from tests.bench.samples import BODY
from tests.bench.stage import Stage

ROUNDS, WARM_UP = 1000, 200


async def measure(stage: Stage) -> list[Line]:
    """Create sessions with and without a key, and repeat one."""
    token = str(stage.user().http.headers["authorization"])
    request = Request.post("/api/v1/sessions", token, BODY)
    repeated = request.keyed()
    async with await Connection.open(stage.port) as connection:
        sides: dict[str, Side] = {
            "keyed": timed(lambda: connection.ask(request.keyed())),
            "unkeyed": timed(lambda: connection.ask(request)),
            "replayed": timed(lambda: connection.ask(repeated)),
        }
        await interleaved(sides, WARM_UP)
        rounds = await interleaved(sides, ROUNDS)
    p50 = {name: milliseconds(rounds.median(name)) for name in sides}
    return [
        Line("POST /sessions with a key; without", p50["keyed"], p50["unkeyed"], rounds.ratio("keyed", "unkeyed")),
        Line("the same, replayed; without", p50["replayed"], p50["unkeyed"], rounds.ratio("replayed", "unkeyed")),
    ]
