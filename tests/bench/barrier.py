"""What it costs that a tool call is stored before it begins.

Calls of `Read` do not wait for that, and calls of `Bash` do. Each is compared with the same agent run by the SDK alone,
so that the time of the tool itself and what is recorded of every call are not counted.
"""

from typing import Any

from simulator.testing import bash, calling, scripted

from tests.bench.bare import TOOLS, BareAgent
from tests.bench.http import Connection, Request
from tests.bench.report import Aim, Line
from tests.bench.rounds import Rounds, Side, interleaved, timed
from tests.bench.stage import Stage

ROUNDS, WARMING, CALLS = 15, 2, 10
FILE = "notes.txt"
WRITE = calling(("Write", {"file_path": FILE, "content": "Nothing unusual.\n"}))
STORED, FREE = bash("cat notes.txt"), calling(("Read", {"file_path": FILE}))
ANSWER = {"text": "Nothing unusual is in the logs."}
AIM = Aim(5, " ms more", most=True)


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    [bare] = await stage.section.enter_async_context(BareAgent.some(stage, 1))
    user = stage.user()
    token, session_id = str(user.http.headers["authorization"]), user.create(*TOOLS)

    def ours(prompt: str) -> Side:
        request = Request.post(f"/api/v1/sessions/{session_id}/query", token, {"message": prompt}, 200)

        async def query() -> None:  # an open connection would be closed while the other sides take their turns
            async with await Connection.open(stage.port) as connection:
                await connection.ask(request)

        return timed(query)

    def alone(prompt: str) -> Side:
        return timed(lambda: bare.ask(prompt))

    first, stored, free = scripted(WRITE, ANSWER), _prompt(STORED), _prompt(FREE)
    await interleaved({"ours": ours(first), "control": alone(first)}, 1)
    sides = {"stored": ours(stored), "of stored": alone(stored), "free": ours(free), "of free": alone(free)}
    await interleaved(sides, WARMING)
    rounds = await interleaved(sides, ROUNDS)
    stored_ms, free_ms = _more(rounds, "stored"), _more(rounds, "free")
    figures = f"+{stored_ms:.1f} ms", f"+{free_ms:.1f} ms"
    return [Line("a call of Bash; of Read, both over the SDK", *figures, stored_ms - free_ms, AIM, " ms")]


def _prompt(call: dict[str, Any]) -> str:
    return scripted(*[call] * CALLS, ANSWER)


def _more(rounds: Rounds, side: str) -> float:
    """Return how many milliseconds a call takes longer than by the SDK alone."""
    return (rounds.median(side) - rounds.median(f"of {side}")) * 1000 / CALLS
