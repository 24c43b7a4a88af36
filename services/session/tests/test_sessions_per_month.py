"""The quota of sessions a month."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from contracts.samples import USER
from contracts.session.fork import ForkSession
from contracts.session.quota import GetUsage, UsageView
from contracts.session.session import DeleteSession
from eventing.database import Database
from eventing.privileges import grant
from eventing.testing.statements import logged_statements
from onebox.testing.databases import Databases
from runtime import clock
from runtime.clock import new_id
from runtime.metrics import metrics_of
from session.app import service
from session.quotas.months import end_of_month, month_of

from services.session.tests.desk import ADMIN, OWNER, STRANGER, Desk
from services.session.tests.quotas import set_quotas

pytestmark = pytest.mark.usefixtures("one_moment")

LIMIT = 3
MIGRATIONS = [service.migrations / name for name in ("0016_quotas.sql", "0017_accounts.sql")]


@pytest_asyncio.fixture
async def limited(desk: Desk) -> Desk:
    """A desk whose users create at most three sessions a month."""
    await set_quotas(desk, f"sessions_per_month={LIMIT}, admin.sessions_per_month=1")
    return desk


async def usage(desk: Desk, actor: Actor = OWNER) -> UsageView:
    return await desk.ask(GetUsage(user_id=UUID(USER), role="user"), actor)


async def refusal_of_one_more(desk: Desk) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await desk.create()
    return refused.value


async def test_one_session_more_is_refused_until_the_month_ends(limited: Desk) -> None:
    for _ in range(LIMIT):
        await limited.create()
    refusal = await refusal_of_one_more(limited)
    resets_at = end_of_month(clock.now()).isoformat().replace("+00:00", "Z")
    assert refusal.code is Code.QUOTA_EXCEEDED
    assert refusal.data == {"quota": "sessions_per_month", "limit": LIMIT, "used": LIMIT, "resets_at": resets_at}


async def test_the_refusal_says_when_to_try_again(limited: Desk) -> None:
    for _ in range(LIMIT):
        await limited.create()
    seconds = (await refusal_of_one_more(limited)).retry_after
    assert seconds
    assert 0 < seconds <= 31 * 86_400 + 1


async def test_parallel_creations_over_two_replicas_are_exactly_the_quota(limited: Desk) -> None:
    replicas = [limited, Desk(limited.database)]
    results = await asyncio.gather(*(replicas[n % 2].create() for n in range(12)), return_exceptions=True)
    created = [result for result in results if isinstance(result, UUID)]
    stored = await limited.database.fetchval("SELECT count(*) FROM sessions")
    assert (len(created), stored, (await usage(limited)).sessions_per_month.used) == (LIMIT, LIMIT, LIMIT)


async def test_a_refusal_is_counted_in_the_metrics(limited: Desk) -> None:
    def count() -> float:
        return metrics_of("session").get_sample_value("quota_refused_total", {"quota": "sessions_per_month"}) or 0

    before = count()
    for _ in range(LIMIT):
        await limited.create()
    await refusal_of_one_more(limited)
    assert count() == before + 1


async def test_a_fork_counts(limited: Desk) -> None:
    session = await limited.create()
    await limited.create()
    await limited.send(ForkSession(session_id=session, fork_id=new_id(), name="fork", from_message_id=None))
    assert (await refusal_of_one_more(limited)).code is Code.QUOTA_EXCEEDED


async def test_a_deleted_session_stays_counted(limited: Desk) -> None:
    for session in [await limited.create() for _ in range(LIMIT)]:
        await limited.send(DeleteSession(session_id=session))
    assert (await refusal_of_one_more(limited)).code is Code.QUOTA_EXCEEDED


async def test_the_quota_is_that_of_the_role(limited: Desk) -> None:
    await limited.create(actor=ADMIN)
    with pytest.raises(Refusal):
        await limited.create(actor=ADMIN)


async def test_other_users_and_other_months_do_not_count(limited: Desk) -> None:
    add = "INSERT INTO usage (user_id, month, slot, sessions) VALUES ($1, $2, 0, 100)"
    await limited.database.execute(add, STRANGER.user_id, month_of(clock.now()))
    await limited.database.execute(add, OWNER.user_id, datetime(2020, 1, 1, tzinfo=UTC).date())
    await limited.create()
    assert (await usage(limited)).sessions_per_month.used == 1


async def test_sessions_are_counted_without_a_quota(desk: Desk) -> None:
    await desk.create()
    used = (await usage(desk)).sessions_per_month
    assert (used.used, used.limit) == (1, None)


async def test_a_session_without_a_quota_takes_one_statement(desk: Desk) -> None:
    await desk.create()  # prepares the connection
    sent = await logged_statements(desk.database)
    await desk.create()
    assert len(sent) == 1, "the append with its read model, which returns the row for the answer"


async def test_a_quota_that_is_set_later_holds_for_the_next_session(desk: Desk) -> None:
    await desk.create()
    await set_quotas(desk, "sessions_per_month=1")
    assert (await refusal_of_one_more(desk)).code is Code.QUOTA_EXCEEDED
    await set_quotas(desk, "sessions_per_month=none")
    assert await desk.create()


async def test_the_usage_of_others_is_for_administrators(desk: Desk) -> None:
    await desk.create()
    assert (await usage(desk, ADMIN)).sessions_per_month.used == 1
    with pytest.raises(Refusal) as refused:
        await usage(desk, STRANGER)
    assert refused.value.code is Code.USER_NOT_FOUND


@pytest.mark.parametrize(
    ("at", "end"),
    [
        ("2026-11-30T23:59:59.999+00:00", "2026-12-01T00:00:00+00:00"),
        ("2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("2026-12-01T00:30:00+01:00", "2026-12-01T00:00:00+00:00"),
        ("2024-02-29T12:00:00+00:00", "2024-03-01T00:00:00+00:00"),
    ],
)
def test_a_month_is_one_in_utc(at: str, end: str) -> None:
    assert end_of_month(datetime.fromisoformat(at)) == datetime.fromisoformat(end)


async def test_the_migration_counts_what_there_is(desk_after_run: Desk, databases: Databases) -> None:
    url = desk_after_run.database.url
    await desk_after_run.submit(await desk_after_run.create())
    before = await usage(desk_after_run)
    drop = "DROP TABLE accounts, role_quotas, usage, waiting_sessions; DROP INDEX runs_of_user, runs_queued;"
    async with Database.open(databases.as_owner(url), service.name) as owner:
        await owner.execute(drop + "ALTER TABLE runs DROP user_id, DROP only_waits, DROP charged_usd")
        for migration in MIGRATIONS:
            await owner.execute(migration.read_text())
        await grant(owner, await desk_after_run.database.fetchval("SELECT current_user"))
    assert await usage(desk_after_run) == before
