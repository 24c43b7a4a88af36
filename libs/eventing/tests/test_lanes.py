"""Events of different aggregates are projected at once, those of each one in their order."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from eventing.database import Connection
from eventing.rebuilding.lanes import project_aggregates
from eventing.recording import Recorded
from eventing.testing.messages import JarBroken, JarOpened, MarbleAdded
from runtime import clock
from runtime.bus.envelope import Envelope


class Statements:
    """A connection that keeps what is sent together, and knows the marbles of each jar."""

    def __init__(self) -> None:
        self.sent = list[tuple[str, list[Any]]]()

    async def executemany(self, query: str, args: Sequence[tuple[object, ...]], timeout: float) -> None:  # noqa: ASYNC109
        self.sent.append((query, [own[0] for own in args]))

    async def fetchmany(self, query: str, args: Sequence[tuple[int, int]], timeout: float) -> list[dict[str, int]]:  # noqa: ASYNC109
        self.sent.append((query.partition(",")[0], [own[0] for own in args]))
        return [{"marbles": jar * 10, "lane of a statement": number} for jar, number in reversed(args) if jar != 3]

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        self.sent.append((query, [*args]))
        return [{"marbles": 5}]


async def project(recorded: Recorded[Any], db: Connection) -> None:
    jar = recorded.id.int
    match recorded.event:
        case JarOpened():
            await db.execute("INSERT INTO jars VALUES ($1)", jar)
            await db.execute("INSERT INTO shelves VALUES ($1)", jar)
        case MarbleAdded():
            marbles = await db.fetchval("UPDATE jars SET n = n + 1 WHERE id = $1 RETURNING marbles", jar)
            await db.execute("UPDATE jars SET label = $1", marbles)
        case _:
            await db.fetchrow("DELETE FROM jars WHERE id = $1 RETURNING (marbles)", jar)


async def sent(*events: tuple[int, Any], alone: tuple[type[Any], ...] = ()) -> list[tuple[str, list[Any]]]:
    statements, version, begun = Statements(), 1, Envelope.begin()
    recorded = [Recorded(UUID(int=jar), version, clock.now(), one, begun, UUID(int=jar)) for jar, one in events]
    await project_aggregates(recorded, project, [cast(Connection, statements)], frozenset({"jars"}), alone)
    return statements.sent


OPENED, ADDED, BROKEN = JarOpened.example(), MarbleAdded.example(), JarBroken()
INSERT, LABEL = "INSERT INTO jars VALUES ($1)", "UPDATE jars SET label = $1"
ADD = "UPDATE jars SET n = n + 1 WHERE id = $1 RETURNING marbles"
REMOVE = "DELETE FROM jars WHERE id = $1 RETURNING (marbles)"


async def test_equal_statements_are_sent_together_and_others_left_out() -> None:
    assert await sent((1, OPENED), (2, OPENED)) == [(INSERT, [1, 2])]


async def test_each_projection_gets_its_own_rows() -> None:
    assert await sent((1, ADDED), (2, ADDED), (3, ADDED)) == [(ADD, [1, 2, 3]), (LABEL, [10, 20, None])]


async def test_the_statements_of_an_aggregate_keep_their_order() -> None:
    in_order = await sent((1, OPENED), (1, ADDED), (2, OPENED), (1, OPENED))
    assert in_order == [(INSERT, [1, 2]), (ADD, [1]), (LABEL, [10]), (INSERT, [1])]


async def test_an_event_that_concerns_others_is_projected_between_them() -> None:
    between = await sent((1, OPENED), (2, ADDED), (3, OPENED), (2, OPENED), alone=(MarbleAdded,))
    assert between == [(INSERT, [1]), (ADD, [2]), (LABEL, [20]), (INSERT, [3, 2])]


async def test_what_cannot_be_sent_together_is_sent_one_by_one() -> None:
    assert await sent((1, BROKEN), (2, BROKEN)) == [(REMOVE, [1]), (REMOVE, [2])]
