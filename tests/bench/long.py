"""A command to a session that has had 1,000 runs, beside the same to a new one."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from contracts.session.conversation import RecordMessage, RecordToolResult
from contracts.session.session import PauseSession, ResumeSession
from contracts.session.values import TextBlock, ToolUseBlock, Usage
from eventing.database import Database
from eventing.store.postgres import PostgresStore
from runtime.clock import new_id
from session.aggregate import Session
from session.app import service

from tests.bench.in_process import dispatcher
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import interleaved, timed
from tests.bench.samples import new_envelope, new_session
from tests.bench.stage import Stage

RUNS, TOOLS = 1_000, 3
ROUNDS, WARMING = 100, 10
AIM = Aim(1.5, "x", most=True)
WARM = "a command to a session of 1,000 runs; to a new one"
COLD = "  loaded for the first time, from its snapshot"
REPLAY = "  loaded for the first time, without one"


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    async with stage.database() as database:
        store = service.store(database)
        long, new = await _session(store, RUNS), await _session(store, 0)
        store.loader.snapshots.request(Session, long)
        await store.loader.write_snapshots()
        lines = [
            await _compared(WARM, _command(store, database), long, new),
            await _compared(COLD, _first_load(database), long, new),
        ]
        await database.execute("DELETE FROM snapshots")
        return [*lines, await _compared(REPLAY, _first_load(database), long, new, rounds=5)]


async def _compared(
    what: str, work: Callable[[UUID], Awaitable[object]], long: UUID, new: UUID, rounds: int = ROUNDS
) -> Line:
    sides = {"long": timed(lambda: work(long)), "new": timed(lambda: work(new))}
    await interleaved(sides, min(rounds, WARMING))
    figures = await interleaved(sides, rounds)
    median = {side: milliseconds(figures.median(side)) for side in sides}
    return Line(what, median["long"], median["new"], figures.ratio("long", "new"), AIM if what == WARM else None)


def _command(store: PostgresStore, database: Database) -> Callable[[UUID], Awaitable[None]]:
    handling = dispatcher(store, database)

    async def send(session_id: UUID) -> None:
        await handling.send(PauseSession(session_id=session_id), new_envelope())
        await handling.send(ResumeSession(session_id=session_id), new_envelope())

    return send


def _first_load(database: Database) -> Callable[[UUID], Awaitable[Session]]:
    """Load as a replica does that was just started."""
    return lambda session_id: service.store(database).load(Session, session_id)


async def _session(store: PostgresStore, runs: int) -> UUID:
    session = new_session()
    await store.save((session,), new_envelope())
    for _ in range(runs):
        run(session)
        await store.save((session,), new_envelope())
    return session.id


def run(session: Session) -> None:
    """Record the events of a run."""
    run_id = new_id()
    session.submit_query(run_id, new_id(), "What is in the logs?")
    session.start_run(run_id)
    for number in range(TOOLS):
        call = ToolUseBlock(id=f"toolu_{number}", tool_call_id=new_id(), name="Read", input={"file_path": "/a"})
        works_on = {"run_id": run_id, "attempt": 1, "message_id": new_id(), "tool_use_id": call.id}
        said = {"blocks": [TextBlock(text="I look."), call], "parent_tool_use_id": None}
        session.record_message(RecordMessage.example().model_copy(update=works_on | said))
        session.record_tool_result(RecordToolResult.example().model_copy(update=works_on))
    session.end_run(run_id, Usage(), attempt=1)
