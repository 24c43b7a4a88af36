"""The costs of all users: what they are grouped by, what remains of deleted sessions, and what was stored before."""

import asyncio
import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from contracts.samples import SESSION, TEMPLATE, USER
from contracts.session.conversation import RecordMessage
from contracts.session.cost import CostPage, Costs, ListCosts
from contracts.session.run import CancelRun, EndRun, RecordRunUsage, StartRun
from contracts.session.run_view import RunView
from contracts.session.session import ChangeSession, CreateSession, DeleteSession
from contracts.session.template import CreateTemplate
from contracts.session.values import SdkOptions, Usage
from eventing.database import Database
from eventing.migrating import migrate
from onebox.testing.databases import Databases
from runtime import clock
from runtime.clock import new_id
from session.app import service
from session.ceilings import Ceilings

from services.session.tests.desk import ADMIN, OWNER, STRANGER, Desk, OfferedModels

pytestmark = pytest.mark.usefixtures("one_moment")

USAGE = Usage(duration_ms=5, input_tokens=100, output_tokens=20, cost_usd=Decimal("0.25"))
ONE_RUN = Costs(cost_usd=USAGE.cost_usd, input_tokens=100, output_tokens=20, runs=1)
NOTHING = Costs(cost_usd=Decimal(0), input_tokens=0, output_tokens=0, runs=0)
CANCELLED = NOTHING.model_copy(update={"runs": 1})


async def run_once(desk: Desk, actor: Actor = OWNER, *, usage: Usage = USAGE, **session: Any) -> UUID:
    """Create a session, let it complete a run with this usage, and return its id."""
    fields: dict[str, Any] = {"sdk_options": SdkOptions(), **session}
    created = await desk.send(CreateSession(session_id=new_id(), name="one", **fields), actor)
    run = await start(desk, created.id, actor)
    await desk.send(EndRun(session_id=run.session_id, run_id=run.id, attempt=1, usage=usage), actor)
    return run.session_id


async def start(desk: Desk, session_id: UUID, actor: Actor = OWNER) -> RunView:
    run = await desk.submit(session_id, actor=actor)
    await desk.send(StartRun(session_id=session_id, run_id=run.id), actor)
    return run


async def costs(desk: Desk, by: str = "user", actor: Actor = ADMIN, **filters: Any) -> CostPage:
    today = clock.now().date()
    period = {"first_day": today - timedelta(days=1), "last_day": today}
    return await desk.ask(ListCosts.model_validate({"by": by, **period, **filters}), actor)


async def keys(desk: Desk, by: str, **filters: Any) -> dict[str | None, Decimal]:
    return {item.key: item.cost_usd for item in (await costs(desk, by, **filters)).items}


async def test_users_are_listed_with_what_their_runs_used(desk: Desk) -> None:
    await run_once(desk)
    page = await costs(desk)
    assert [(item.key, Costs.model_validate(item.model_dump(exclude={"key"}))) for item in page.items] == [
        (USER, ONE_RUN)
    ]
    assert (page.sums, page.total) == (ONE_RUN, 1)


async def test_the_most_expensive_group_is_first(desk: Desk) -> None:
    await run_once(desk)
    for _ in range(2):
        await run_once(desk, STRANGER)
    page = await costs(desk)
    assert [(item.key, item.cost_usd, item.runs) for item in page.items] == [
        (SESSION, Decimal("0.5"), 2),
        (USER, Decimal("0.25"), 1),
    ]
    assert page.sums == Costs(cost_usd=Decimal("0.75"), input_tokens=300, output_tokens=60, runs=3)


async def test_pages_have_the_sums_of_all_groups(desk: Desk) -> None:
    for actor in (OWNER, STRANGER):
        await run_once(desk, actor)
    page = await costs(desk, skip=1, limit=1)
    assert (len(page.items), page.total, page.sums.runs) == (1, 2, 2)
    beyond = await costs(desk, skip=5)
    assert (beyond.items, beyond.total, beyond.sums.runs) == ([], 2, 2)


async def test_without_runs_there_are_no_groups(desk: Desk) -> None:
    page = await costs(desk)
    assert (page.items, page.total, page.sums) == ([], 0, NOTHING)


async def test_a_run_counts_for_the_model_of_its_start(desk: Desk) -> None:
    session_id = await run_once(desk, sdk_options=SdkOptions(model="sonnet"))
    run = await start(desk, session_id)
    await desk.send(ChangeSession(session_id=session_id, sdk_options=SdkOptions(model="opus")))
    await desk.send(EndRun(session_id=session_id, run_id=run.id, attempt=1, usage=USAGE))
    assert await keys(desk, "model") == {"sonnet": Decimal("0.5")}
    assert (await costs(desk, model="opus")).items == []


async def test_a_session_without_a_model_uses_the_first_that_is_offered(desk: Desk) -> None:
    desk.dispatcher.dependencies = OfferedModels(Ceilings(offered=("haiku", "opus")))
    await run_once(desk)
    assert await keys(desk, "model") == {"haiku": Decimal("0.25")}


async def test_a_run_under_a_ceiling_counts_for_the_model_that_its_agent_got(desk: Desk) -> None:
    offered = ("opus", "haiku")
    desk.dispatcher.dependencies = OfferedModels(Ceilings(offered=offered))
    session_id = await desk.create()
    await desk.send(ChangeSession(session_id=session_id, sdk_options=SdkOptions(model="opus")))
    desk.dispatcher.dependencies = OfferedModels(Ceilings.parse("models=haiku", offered))
    run = await start(desk, session_id)
    await desk.send(EndRun(session_id=session_id, run_id=run.id, attempt=1, usage=USAGE))
    await run_once(desk)
    assert await keys(desk, "model") == {"haiku": Decimal("0.5")}


async def test_if_nobody_names_a_model_it_is_the_one_that_answered(desk: Desk) -> None:
    session_id = await desk.create()
    run = await start(desk, session_id)
    answer = RecordMessage.example().model_copy(
        update={"session_id": session_id, "run_id": run.id, "model": "sonnet-9"}
    )
    await desk.send(answer)
    await desk.send(EndRun(session_id=session_id, run_id=run.id, attempt=1, usage=USAGE))
    await run_once(desk)
    assert await keys(desk, "model") == {"sonnet-9": Decimal("0.25"), None: Decimal("0.25")}


async def test_costs_are_grouped_by_template(desk: Desk) -> None:
    await desk.send(CreateTemplate.example())
    await run_once(desk, template_id=UUID(TEMPLATE))
    await run_once(desk)
    assert await keys(desk, "template") == {TEMPLATE: Decimal("0.25"), None: Decimal("0.25")}
    assert await keys(desk, "template", template_id=TEMPLATE) == {TEMPLATE: Decimal("0.25")}


async def test_days_are_listed_newest_first_within_the_period(desk: Desk) -> None:
    today = clock.now().date()
    for age in range(4):
        await run_once(desk)
        await desk.database.execute("UPDATE costs SET day = day - $1::int, runs = $2 WHERE runs = 1", 4 - age, age + 10)
    page = await costs(desk, "day", first_day=today - timedelta(days=3), last_day=today - timedelta(days=2))
    assert [item.key for item in page.items] == [str(today - timedelta(days=2)), str(today - timedelta(days=3))]


async def test_the_costs_of_one_user_are_found(desk: Desk) -> None:
    for actor in (OWNER, STRANGER):
        await run_once(desk, actor)
    assert (await costs(desk, "day", user_id=USER)).sums.runs == 1


async def test_costs_of_deleted_sessions_and_templates_remain(desk: Desk) -> None:
    session_id = await run_once(desk, sdk_options=SdkOptions(model="sonnet"))
    await desk.send(DeleteSession(session_id=session_id))
    assert await keys(desk, "model") == {"sonnet": Decimal("0.25")}


async def test_failed_runs_have_costs(desk: Desk) -> None:
    run = await start(desk, await desk.create())
    failed = EndRun(session_id=run.session_id, run_id=run.id, attempt=1, usage=USAGE, error_code=Code.MODEL_ERROR)
    await desk.send(failed)
    assert (await costs(desk)).sums == ONE_RUN


async def test_usage_that_is_reported_after_a_cancellation_is_no_other_run(desk: Desk) -> None:
    run = await start(desk, await desk.create())
    await desk.send(CancelRun(session_id=run.session_id, run_id=run.id))
    assert (await costs(desk)).sums == CANCELLED
    await desk.send(EndRun(session_id=run.session_id, run_id=run.id, attempt=1, usage=USAGE))
    assert (await costs(desk)).sums == ONE_RUN


async def test_usage_that_is_reported_after_a_deletion_is_counted_once(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.send(ChangeSession(session_id=session_id, sdk_options=SdkOptions(model="sonnet")))
    run = await start(desk, session_id)
    await desk.send(DeleteSession(session_id=session_id))
    assert (await costs(desk)).sums == CANCELLED
    for usage in (Usage(), USAGE, USAGE):
        await desk.send(RecordRunUsage(session_id=session_id, run_id=run.id, attempt=1, usage=usage))
    page = await costs(desk, "model")
    assert ([item.key for item in page.items], page.sums) == (["sonnet"], ONE_RUN)


async def test_a_replaced_worker_reports_no_usage_of_a_deleted_session(desk: Desk) -> None:
    run = await start(desk, await desk.create())
    await desk.send(DeleteSession(session_id=run.session_id))
    await desk.send(RecordRunUsage(session_id=run.session_id, run_id=run.id, attempt=2, usage=USAGE))
    assert (await costs(desk)).sums == CANCELLED


async def test_runs_of_deleted_sessions_are_forgotten_after_a_day(desk: Desk) -> None:
    runs = [await start(desk, await desk.create()) for _ in range(2)]
    for run in runs:
        await desk.send(DeleteSession(session_id=run.session_id))
        await desk.database.execute("UPDATE unbilled_runs SET deleted_at = deleted_at - interval '25 hours'")
    assert await desk.database.fetchval("SELECT array_agg(run_id) FROM unbilled_runs") == [runs[1].id]


async def test_a_deleted_session_leaves_no_other_runs(desk: Desk) -> None:
    session_id = await run_once(desk)
    queued = [await desk.submit(session_id, "enqueue") for _ in range(2)]
    await desk.send(CancelRun(session_id=session_id, run_id=queued[1].id))
    await desk.send(DeleteSession(session_id=session_id))
    assert await desk.database.fetchval("SELECT count(*) FROM unbilled_runs") == 0


async def test_a_run_that_never_started_does_not_count(desk: Desk) -> None:
    run = await desk.submit(await desk.create())
    await desk.send(CancelRun(session_id=run.session_id, run_id=run.id))
    assert (await costs(desk)).items == []


async def test_runs_that_end_at_once_are_all_counted(desk: Desk) -> None:
    await asyncio.gather(*(run_once(desk) for _ in range(20)))
    assert (await costs(desk)).sums.runs == 20


async def test_a_run_that_ends_does_not_wait_for_another_of_its_user(desk: Desk) -> None:
    run = await start(desk, await desk.create())
    await run_once(desk)  # its row exists now
    async with desk.database.transaction() as other:
        assert await other.fetchval("SELECT cost_slot($1)", UUID(USER)) == 0
        await other.execute("UPDATE costs SET runs = runs")
        async with asyncio.timeout(60):
            await desk.send(EndRun(session_id=run.session_id, run_id=run.id, attempt=1, usage=USAGE))
    assert (await costs(desk)).sums.runs == 2


async def test_consecutive_runs_of_a_user_share_a_row(desk: Desk) -> None:
    for _ in range(3):
        await run_once(desk)
    assert await desk.database.fetchval("SELECT count(*) FROM costs") == 1


@pytest.mark.parametrize("role", ["user", "viewer"])
async def test_only_administrators_read_costs(desk: Desk, role: str) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await costs(desk, actor=Actor.model_validate({"user_id": USER, "role": role}))


async def test_the_migration_adds_up_what_events_report(databases: Databases, tmp_path: Path) -> None:
    for path in service.migrations.glob("*.sql"):
        if path.name < "0015":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    async with databases.fresh() as url, Database.open(url, "session") as database:
        await migrate(database, tmp_path)
        kept, deleted = new_id(), new_id()
        await database.execute(
            "INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at) "
            "VALUES ($1, $2, 'x', 'interactive', 'active', '{\"model\": \"sonnet\"}', now(), now())",
            kept, UUID(USER),
        )  # fmt: skip
        used: dict[str, Any] = {"usage": {"input_tokens": 100, "output_tokens": 20, "cost_usd": "0.25"}}
        stored: list[tuple[UUID, int, str, dict[str, Any]]] = [
            (kept, 1, "created", {"template_id": TEMPLATE}),
            (kept, 2, "run_completed", used | {"structured_output": ["\0", "\\u0000", "\\\0"]}),
            (kept, 3, "run_cancelled", {"usage": {}}),
            (kept, 4, "usage_recorded", used),
            (deleted, 2, "run_failed", used),
        ]
        for id, version, kind, state in stored:
            await database.execute(
                "INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at, owner) "
                "VALUES ($1, $2, $3, $4, '{}', $5, $6)",
                id, version, f"evt.session.{kind};1", json.dumps(state).encode(), clock.now(), UUID(USER),
            )  # fmt: skip
        await migrate(database, service.migrations)
        rows = await database.fetch("SELECT * FROM costs ORDER BY runs")
    shown = [(row["day"], row["model"], row["template_id"], row["cost_usd"], row["runs"]) for row in rows]
    today: date = clock.now().date()
    assert shown == [
        (today, "", UUID(int=0), Decimal("0.25"), 1),
        (today, "sonnet", UUID(TEMPLATE), Decimal("0.5"), 2),
    ]
