"""A query to a warm session, over the API, against the same words put to a Claude Code of our own by the SDK."""

from simulator.testing import scripted

from tests.bench.bare import TOOLS, BareAgent
from tests.bench.http import Connection, Request
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import Side, interleaved, timed
from tests.bench.stage import Stage

ROUNDS, WARMING = 60, 5
PROMPT = scripted({"text": "Nothing unusual is in the logs."})
AIM = Aim(25, " ms more", most=True)


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    [bare] = await stage.section.enter_async_context(BareAgent.some(stage, 1))
    async with await Connection.open(stage.port) as connection:
        sides = {"ours": _over_http(stage, connection), "control": timed(lambda: bare.ask(PROMPT))}
        await interleaved(sides, WARMING)
        rounds = await interleaved(sides, ROUNDS)
    ours, control = rounds.median("ours"), rounds.median("control")
    slow = {side: milliseconds(rounds.percentile(side, 95)) for side in sides}
    more = (ours - control) * 1000
    return [
        Line("POST query; the SDK, in the same sandbox", milliseconds(ours), milliseconds(control), more, AIM, " ms"),
        Line("  p95", slow["ours"], slow["control"]),
    ]


def _over_http(stage: Stage, connection: Connection) -> Side:
    user = stage.user()
    token, session_id = str(user.http.headers["authorization"]), user.create(*TOOLS)
    request = Request.post(f"/api/v1/sessions/{session_id}/query", token, {"message": PROMPT}, 200)
    return timed(lambda: connection.ask(request))
