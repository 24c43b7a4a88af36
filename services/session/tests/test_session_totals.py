"""The status of a session, and the totals by status."""

from pathlib import Path
from uuid import UUID

from contracts.samples import MESSAGE, RUN, SESSION, USER
from contracts.session.conversation import RecordMessage
from contracts.session.run import CancelRun, EndRun, GetRun, StartRun, SubmitQuery
from contracts.session.session import (
    CountSessions,
    CreateSession,
    DeleteSession,
    FindSessions,
    GetSession,
    PauseSession,
    ResumeSession,
)
from contracts.session.values import SdkOptions, ToolUseBlock
from eventing.database import Database
from eventing.database.counters import Counters
from eventing.migrating import migrate
from onebox.testing.databases import Databases
from runtime.clock import new_id
from session.app import service
from session.queries import run as run_queries

from services.session.tests.desk import STRANGER, Desk

ADD_SESSION = (
    "INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at) "
    "VALUES ($1, gen_random_uuid(), 'x', 'interactive', $2, '{}', now(), now())"
)


async def create_non_interactive(desk: Desk) -> UUID:
    command = CreateSession(session_id=new_id(), name="job", mode="non_interactive", sdk_options=SdkOptions())
    return (await desk.send(command)).id


async def status(desk: Desk, session_id: UUID) -> str:
    return (await desk.ask(GetSession(session_id=session_id))).status


async def test_a_non_interactive_session_completes_after_its_last_run(desk: Desk) -> None:
    session_id = await create_non_interactive(desk)
    first, second = await desk.submit(session_id), await desk.submit(session_id, "enqueue")
    await desk.send(CancelRun(session_id=session_id, run_id=first.id))
    assert await status(desk, session_id) == "processing"
    await desk.send(CancelRun(session_id=session_id, run_id=second.id))
    assert await status(desk, session_id) == "completed"


async def test_a_completed_session_accepts_another_query(desk: Desk) -> None:
    session_id = await create_non_interactive(desk)
    run = await desk.submit(session_id)
    await desk.send(CancelRun(session_id=session_id, run_id=run.id))
    await desk.submit(session_id)
    assert await status(desk, session_id) == "processing"


async def test_a_completed_session_is_completed_again_after_a_pause(desk: Desk) -> None:
    session_id = await create_non_interactive(desk)
    run = await desk.submit(session_id)
    await desk.send(StartRun(session_id=session_id, run_id=run.id))
    await desk.send(EndRun(session_id=session_id, run_id=run.id, attempt=1))
    await desk.send(PauseSession(session_id=session_id))
    await desk.send(ResumeSession(session_id=session_id))
    assert await status(desk, session_id) == "completed"


async def test_a_run_without_text_names_its_last_message(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun):
        await desk.send(command.example())
    call = ToolUseBlock(id="toolu_1", tool_call_id=new_id(), name="Read", input={})
    await desk.send(RecordMessage.example().model_copy(update={"blocks": [call]}))
    run = await desk.ask(GetRun(session_id=UUID(SESSION), run_id=UUID(RUN)))
    assert (run.message_id, run.text) == (UUID(MESSAGE), "")


async def test_a_run_names_the_message_of_its_prompt_once_it_has_begun(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    first, second = UUID(int=1), UUID(int=2)
    begun = await desk.send(SubmitQuery.example().model_copy(update={"message_id": first}))
    changed = {"run_id": second, "message_id": second, "on_busy": "enqueue"}
    queued = await desk.send(SubmitQuery.example().model_copy(update=changed))
    assert (begun.prompt_message_id, begun.message_id, queued.prompt_message_id) == (first, None, None)


async def test_a_run_reports_that_it_has_more_tool_calls_than_shown(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun):
        await desk.send(command.example())
    for number in (run_queries.MAX_TOOL_CALLS_SHOWN, 1):
        run = await desk.ask(GetRun.example())
        assert not run.more_tool_calls
        calls = [ToolUseBlock(id=str(new_id()), tool_call_id=new_id(), name="Read", input={}) for _ in range(number)]
        await desk.send(RecordMessage.example().model_copy(update={"message_id": new_id(), "blocks": calls}))
    run = await desk.ask(GetRun.example())
    assert (len(run.tool_calls), run.more_tool_calls) == (run_queries.MAX_TOOL_CALLS_SHOWN, True)


async def test_only_existing_sessions_of_the_actor_are_found(desk: Desk) -> None:
    mine, deleted, theirs = await desk.create(), await desk.create(), await desk.create("theirs", STRANGER)
    await desk.send(DeleteSession(session_id=deleted))
    assert await desk.ask(FindSessions(session_ids=[mine, deleted, theirs, new_id()])) == [mine]


async def test_totals_follow_status_changes_and_deletions(desk: Desk) -> None:
    ids = [await desk.create("one", actor) for actor in (STRANGER, STRANGER)] + [await desk.create()]
    await desk.submit(ids[2])
    await desk.send(DeleteSession(session_id=ids[0]), STRANGER)
    totals = await desk.ask(CountSessions())
    assert {status: number for status, number in totals.items() if number} == {"created": 1, "processing": 1}


async def test_totals_take_few_rows_with_many_users(desk: Desk) -> None:
    database = desk.dispatcher.database
    await database.execute(
        "INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at) "
        "SELECT gen_random_uuid(), gen_random_uuid(), 'x', 'interactive', 'created', '{}', now(), now() "
        "FROM generate_series(1, 200)"
    )
    assert await desk.ask(CountSessions()) == {"created": 200}
    assert await database.fetchval("SELECT count(*) FROM session_totals") == 1


async def test_the_migration_counts_and_completes_existing_sessions(databases: Databases, tmp_path: Path) -> None:
    before = [path for path in sorted(service.migrations.glob("*.sql")) if path.name < "0010"]
    for path in before:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    async with databases.fresh() as url, Database.open(url, "session") as database:
        await migrate(database, tmp_path)
        for mode in ("interactive", "non_interactive"):
            await database.execute(
                "INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at) "
                "VALUES ($1, $2, 'x', $3, 'active', '{}', now(), now())",
                new_id(), UUID(USER), mode,
            )  # fmt: skip
        await migrate(database, service.migrations)
        rows = await database.fetch("SELECT status, sum(n)::int AS n FROM session_totals GROUP BY status")
    assert {row["status"]: row["n"] for row in rows} == {"active": 1, "completed": 1}


async def test_an_upgrade_counts_existing_sessions(databases: Databases, tmp_path: Path) -> None:
    for path in [path for path in sorted(service.migrations.glob("*.sql")) if path.name < "0011"]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    async with databases.fresh() as url, Database.open(url, "session") as database:
        await migrate(database, tmp_path)
        for status in ("created", "active", "active"):
            await database.execute(ADD_SESSION, new_id(), status)
        await migrate(database, service.migrations)
        await database.execute(ADD_SESSION, new_id(), "active")
        await database.execute("UPDATE sessions SET status = 'paused' WHERE status = 'created'")
        for counters in ("session_counts", "session_totals"):
            assert await Counters(counters, "status").all(database) == {"created": 0, "paused": 1, "active": 3}
