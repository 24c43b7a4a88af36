"""The quota of money a month: it refuses queries, ends runs, and is shared by all runs of a user."""

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from contracts.refusals import Code, Refusal
from contracts.samples import USER
from contracts.session.quota import GetUsage, MoneyUse
from contracts.session.run import CancelRun, EndRun, GetRun, RunRequested, StartRun
from contracts.session.run_view import RunView
from contracts.session.session import DeleteSession, GetSession
from contracts.session.values import Usage
from eventing.recording import Recorded
from eventing.testing import eventually
from runtime import clock
from runtime.bus.envelope import Envelope
from session.quotas.months import end_of_month
from session.quotas.spending import Spending

from services.session.tests.desk import ADMIN, OWNER, Desk
from services.session.tests.provider import BODY, Provider, ProxyClient, error_of, proxied
from services.session.tests.quotas import set_quotas

pytestmark = pytest.mark.usefixtures("one_moment")

LIMIT = Decimal(1)


@pytest_asyncio.fixture
async def limited(desk: Desk) -> Desk:
    """A desk whose users may spend one dollar a month."""
    await set_quotas(desk, f"budget_per_month_usd={LIMIT}")
    return desk


@pytest_asyncio.fixture
async def agents(provider_url: str) -> AsyncGenerator[tuple[ProxyClient, ProxyClient]]:
    """The agents of two replicas."""
    async with proxied(provider_url) as first, proxied(provider_url) as second:
        yield first, second


async def started(desk: Desk) -> RunView:
    run = await desk.submit(await desk.create())
    await desk.send(StartRun(session_id=run.session_id, run_id=run.id))
    return run


async def end(desk: Desk, run: RunView, cost: str) -> None:
    usage = Usage(cost_usd=Decimal(cost))
    await desk.send(EndRun(session_id=run.session_id, run_id=run.id, attempt=1, usage=usage))


async def spend(desk: Desk, cost: str) -> None:
    await end(desk, await started(desk), cost)


async def budget(desk: Desk) -> MoneyUse:
    return (await desk.ask(GetUsage(user_id=UUID(USER), role="user"))).budget_per_month_usd


def spending(desk: Desk, run: RunView, attempt: int = 1) -> Spending:
    envelope = Envelope.begin(actor=OWNER)
    recorded = Recorded[Any](run.session_id, 1, clock.now(), RunRequested.example(), envelope, OWNER.user_id)
    return Spending(desk.database, recorded, run.id, attempt)


async def test_the_cost_of_runs_is_added_up(limited: Desk) -> None:
    await spend(limited, "0.25")
    await spend(limited, "0.5")
    used = await budget(limited)
    assert (used.used, used.limit, used.resets_at) == (Decimal("0.75"), LIMIT, end_of_month(clock.now()))


async def test_queries_are_refused_once_the_budget_is_used_up(limited: Desk) -> None:
    await spend(limited, "1.25")
    with pytest.raises(Refusal) as refused:
        await started(limited)
    resets_at = end_of_month(clock.now()).isoformat().replace("+00:00", "Z")
    assert refused.value.code is Code.QUOTA_EXCEEDED
    assert refused.value.data == {"quota": "budget_per_month_usd", "limit": 1, "used": 1.25, "resets_at": resets_at}


async def test_queued_runs_fail_once_the_budget_is_used_up(limited: Desk) -> None:
    run = await started(limited)
    queued = await limited.submit(run.session_id, "enqueue")
    await spending(limited, run).settle(LIMIT)
    await end(limited, run, "1")
    ended = await limited.ask(GetRun(session_id=queued.session_id, run_id=queued.id))
    assert (ended.status, ended.error_code) == ("failed", Code.QUOTA_EXCEEDED)


async def test_the_budget_is_that_of_the_owner_if_an_administrator_acts(limited: Desk) -> None:
    run = await started(limited)
    queued, idle = await limited.submit(run.session_id, "enqueue"), await limited.create()
    await spending(limited, run).settle(LIMIT)
    with pytest.raises(Refusal, match=Code.QUOTA_EXCEEDED):
        await limited.submit(idle, actor=ADMIN)
    await limited.send(CancelRun(session_id=run.session_id, run_id=run.id), ADMIN)
    ended = await limited.ask(GetRun(session_id=queued.session_id, run_id=queued.id))
    assert (ended.status, ended.error_code) == ("failed", Code.QUOTA_EXCEEDED)


async def test_the_budget_of_the_last_month_does_not_count(limited: Desk) -> None:
    await spend(limited, "1.25")
    await limited.database.execute("UPDATE usage SET month = month - 1")
    await started(limited)
    assert (await budget(limited)).used == 0


async def test_deleting_the_session_gives_no_money_back(limited: Desk) -> None:
    run = await started(limited)
    await spending(limited, run).charge(Decimal("0.75"))
    await limited.send(DeleteSession(session_id=run.session_id))
    assert (await budget(limited)).used == Decimal("0.75")


async def test_money_counts_while_the_run_is_in_progress(limited: Desk) -> None:
    run = await started(limited)
    await spending(limited, run).charge(Decimal("0.75"))
    assert (await budget(limited)).used == Decimal("0.75")


async def test_the_end_of_a_run_adds_only_what_was_not_charged(limited: Desk) -> None:
    run = await started(limited)
    charged = spending(limited, run)
    for total in ("0.25", "0.5", "0.5"):
        await charged.charge(Decimal(total))
    await end(limited, run, "0.625")
    assert (await budget(limited)).used == Decimal("0.625")


async def test_a_request_that_ends_after_its_run_is_not_charged_twice(limited: Desk) -> None:
    run = await started(limited)
    charged = spending(limited, run)
    await charged.settle(Decimal("0.5"))
    await end(limited, run, "0.5")
    await charged.charge(Decimal("0.75"))
    assert (await budget(limited)).used == Decimal("0.5")


async def test_usage_reported_after_a_cancellation_is_counted_once(limited: Desk) -> None:
    run = await started(limited)
    await spending(limited, run).charge(Decimal("0.25"))
    await limited.send(CancelRun(session_id=run.session_id, run_id=run.id))
    await end(limited, run, "0.5")
    assert (await budget(limited)).used == Decimal("0.5")


async def test_what_an_earlier_attempt_spent_is_not_given_back(limited: Desk) -> None:
    run = await started(limited)
    await spending(limited, run).charge(Decimal("0.5"))
    await spending(limited, run).charge(Decimal("0.25"))
    await end(limited, run, "0.25")
    assert (await budget(limited)).used == Decimal("0.75")


async def test_parallel_charges_are_all_counted(limited: Desk) -> None:
    runs = [await started(limited) for _ in range(4)]
    charged = [spending(limited, run) for run in runs]
    await asyncio.gather(*(each.charge(Decimal(n) / 100) for n in range(1, 11) for each in charged))
    assert (await budget(limited)).used == Decimal("0.4")


async def test_the_cost_of_a_run_whose_worker_was_killed_counts_for_its_session(limited: Desk) -> None:
    run = await started(limited)
    await spending(limited, run).charge(Decimal("0.75"))
    await limited.send(StartRun(session_id=run.session_id, run_id=run.id))  # redelivered
    running = await limited.ask(GetRun(session_id=run.session_id, run_id=run.id))
    assert running.usage.cost_usd == Decimal("0.75")
    await limited.send(EndRun(session_id=run.session_id, run_id=run.id, attempt=2))
    session = await limited.ask(GetSession(session_id=run.session_id))
    assert (session.total_cost_usd, (await budget(limited)).used) == (Decimal("0.75"), Decimal("0.75"))


async def test_time_that_costs_nothing_is_stored_without_a_charge(limited: Desk) -> None:
    run = await started(limited)
    worked, rows = spending(limited, run), "SELECT array_agg(xmin::text ORDER BY month, slot) FROM usage"
    worked.worked_ms = lambda: 5_000
    before = await limited.database.fetchval(rows)
    assert await worked.charge(Decimal(0))
    stored = await limited.database.fetchval("SELECT worked_ms FROM runs WHERE id = $1", run.id)
    assert (stored, await limited.database.fetchval(rows)) == (5_000, before)


@pytest.mark.parametrize("late_ms", [0, 5_000])
async def test_a_charge_whose_reply_was_lost_is_not_charged_again(
    limited: Desk, monkeypatch: pytest.MonkeyPatch, late_ms: int
) -> None:
    run, execute = await started(limited), limited.database.execute
    late, charged = spending(limited, run, 0), spending(limited, run)
    late.worked_ms = lambda: late_ms

    async def lose_reply(query: str, *args: object) -> str:
        await execute(query, *args)
        raise ConnectionResetError

    with monkeypatch.context() as losing:
        losing.setattr(limited.database, "execute", lose_reply)
        await charged.charge(Decimal("0.25"))
    await late.charge(Decimal(0))
    await charged.charge(Decimal("0.25"))
    await charged.charge(Decimal("0.5"))
    assert (await budget(limited)).used == Decimal("0.5")


async def test_a_charge_of_a_deleted_session_is_counted(limited: Desk) -> None:
    run = await started(limited)
    charged = spending(limited, run)
    await limited.send(DeleteSession(session_id=run.session_id))
    await charged.charge(Decimal("0.25"))
    await charged.charge(Decimal("0.5"))
    assert (await budget(limited)).used == Decimal("0.5")


async def test_a_charge_that_failed_is_made_up_for(limited: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    charged = spending(limited, await started(limited))
    with monkeypatch.context() as patch:
        patch.setattr(limited.database, "execute", failing)
        await charged.charge(Decimal("0.25"))
    await charged.charge(Decimal("0.5"))
    assert (await budget(limited)).used == Decimal("0.5")


async def failing(*_: object) -> str:
    raise asyncpg.InterfaceError("the database is not available")


async def test_the_model_is_refused_once_another_run_has_used_up_the_budget(
    limited: Desk, agents: tuple[ProxyClient, ProxyClient], provider: Provider
) -> None:
    await set_quotas(limited, "budget_per_month_usd=0.004")  # less than one answer
    runs = [await started(limited), await started(limited)]
    statuses = list[int]()
    for agent, run in zip(agents, runs, strict=True):
        with agent.access.turn(None, spending(limited, run)):
            async with agent.post("/v1/messages?respond=usage", data=BODY) as response:
                await response.read()
                statuses.append(response.status)
    assert (statuses, len(provider.requests)) == ([200, 402], 1)


async def test_a_refused_request_is_not_sent_to_the_provider(
    limited: Desk, agents: tuple[ProxyClient, ProxyClient], provider: Provider
) -> None:
    run = await started(limited)
    await spending(limited, run).charge(LIMIT)
    with agents[0].access.turn(None, spending(limited, run)):
        async with agents[0].post("/v1/messages?respond=usage", data=BODY) as response:
            assert await error_of(response) == (402, "billing_error")
    assert not provider.requests


async def test_the_model_is_refused_once_the_user_is_disabled(
    limited: Desk, agents: tuple[ProxyClient, ProxyClient], provider: Provider
) -> None:
    run = await started(limited)
    await limited.database.execute("INSERT INTO accounts (user_id, is_active) VALUES ($1, false)", UUID(USER))
    with agents[0].access.turn(None, spending(limited, run)):
        async with agents[0].post("/v1/messages?respond=usage", data=BODY) as response:
            assert await error_of(response) == (402, "billing_error")
    refusal = agents[0].access.refusal
    assert (refusal and refusal.code, provider.requests) == (Code.OWNER_DISABLED, [])


async def test_an_answer_that_is_cut_off_is_charged(limited: Desk, agents: tuple[ProxyClient, ProxyClient]) -> None:
    async def is_charged() -> bool:
        return (await budget(limited)).used > 0

    run = await started(limited)
    with agents[0].access.turn(None, spending(limited, run)):
        async with agents[0].post("/v1/messages?respond=stream", data=BODY) as response:
            await response.content.readany()
        await eventually(is_charged)


async def test_the_model_cannot_be_used_while_the_budget_is_unknown(
    limited: Desk, agents: tuple[ProxyClient, ProxyClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await started(limited)
    monkeypatch.setattr(limited.database, "fetchrow", failing)
    with agents[0].access.turn(None, spending(limited, run)):
        async with agents[0].post("/v1/messages?respond=usage", data=BODY) as response:
            assert await error_of(response) == (503, "api_error")
