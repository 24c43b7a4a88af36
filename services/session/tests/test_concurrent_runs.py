"""The quota of concurrent runs: what is over it waits, and starts in its order when a run has ended."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.messages import Command
from contracts.refusals import Code, Refusal
from contracts.samples import USER
from contracts.session.approval import DecideApproval, RequestApproval
from contracts.session.conversation import RecordMessage, RecordToolResult
from contracts.session.quota import GetUsage
from contracts.session.run import CancelRun, EndRun, InterruptSession, StartRun, SubmitQuery
from contracts.session.run_view import RunView
from contracts.session.session import DeleteSession, PauseSession, ResumeSession
from contracts.session.values import OnBusy, ToolUseBlock
from eventing.due_times import DueTimes
from eventing.testing.due import process_due
from runtime import clock
from runtime.clock import new_id
from session import constraints
from session.app import service

from services.session.tests.desk import ADMIN, OWNER, STRANGER, Desk
from services.session.tests.quotas import set_quotas

LIMIT = 3


@pytest_asyncio.fixture
async def limited(desk: Desk) -> Desk:
    """A desk whose users have at most three concurrent runs."""
    await set_quotas(desk, f"concurrent_runs={LIMIT}")
    return desk


async def start(desk: Desk, number: int = 1) -> list[RunView]:
    """Submit a query to each of some new sessions."""
    return [await desk.submit(await desk.create()) for _ in range(number)]


async def active(desk: Desk) -> list[UUID]:
    """Return the active runs, in the order in which they became active."""
    rows = await desk.database.fetch(
        "SELECT id FROM runs WHERE requested_at IS NOT NULL AND ended_at IS NULL ORDER BY requested_at, id"
    )
    return [row["id"] for row in rows]


async def start_due(desk: Desk) -> int:
    """Carry out the due times that were reached."""
    return await process_due(DueTimes(service.due, desk.dispatcher))


async def end(desk: Desk, run: RunView) -> None:
    await desk.send(EndRun(session_id=run.session_id, run_id=run.id))


async def wait_for_approval(desk: Desk, run: RunView, tools: int = 1) -> UUID:
    """Let an active run call tools, and request an approval of the first one."""
    context: dict[str, Any] = {"session_id": run.session_id, "run_id": run.id, "attempt": 1}
    await desk.send(StartRun(session_id=run.session_id, run_id=run.id))
    blocks = [ToolUseBlock(id=f"{run.id} {n}", tool_call_id=new_id(), name="Bash", input={}) for n in range(tools)]
    await desk.send(RecordMessage(**context, message_id=new_id(), blocks=[*blocks], model="m"))
    request = RequestApproval.example().model_copy(
        update=context
        | {"approval_id": new_id(), "tool_use_id": blocks[0].id, "expires_at": clock.now() + timedelta(hours=1)}
    )
    await desk.send(request)
    return request.approval_id


def agent_query(session_id: UUID) -> SubmitQuery:
    """Return a query that an agent sends."""
    return SubmitQuery(session_id=session_id, run_id=new_id(), message_id=new_id(), message="?", depth=1)


async def test_runs_within_the_quota_start_at_once(limited: Desk) -> None:
    runs = await start(limited, LIMIT)
    assert await active(limited) == [run.id for run in runs]


async def test_a_run_over_the_quota_is_queued(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 1)
    assert (await active(limited), runs[-1].status) == ([run.id for run in runs[:-1]], "queued")


async def test_other_users_have_runs_of_their_own(limited: Desk) -> None:
    await start(limited, LIMIT)
    session = await limited.create(actor=STRANGER)
    query = SubmitQuery(session_id=session, run_id=new_id(), message_id=new_id(), message="?")
    await limited.send(query, STRANGER)
    assert query.run_id in await active(limited)


async def test_parallel_queries_over_two_replicas_start_exactly_the_quota(limited: Desk) -> None:
    replicas = [limited, Desk(limited.database)]
    sessions = [await limited.create() for _ in range(12)]
    await asyncio.gather(*(replicas[n % 2].submit(session) for n, session in enumerate(sessions)))
    assert len(await active(limited)) == LIMIT


async def test_parallel_ends_over_two_replicas_start_as_many_runs(limited: Desk) -> None:
    replicas = [limited, Desk(limited.database)]
    runs = await start(limited, 9)
    await asyncio.gather(*(end(replicas[n % 2], run) for n, run in enumerate(runs[:LIMIT])))
    await asyncio.gather(*(start_due(replica) for replica in replicas))
    assert {*await active(limited)} == {run.id for run in runs[LIMIT : 2 * LIMIT]}


async def test_the_end_of_a_run_starts_the_oldest_waiting_session(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 2)
    await end(limited, runs[1])
    await start_due(limited)
    assert await active(limited) == [runs[0].id, runs[2].id, runs[LIMIT].id]


async def test_a_waiting_session_goes_before_the_next_query_of_the_one_that_ran(limited: Desk) -> None:
    runs = await start(limited, LIMIT)
    own = await limited.submit(runs[0].session_id, "enqueue")
    [waiting] = await start(limited)
    await end(limited, runs[0])
    await start_due(limited)
    assert (waiting.id in await active(limited), own.id in await active(limited)) == (True, False)


async def test_the_next_query_of_a_session_starts_with_the_end_of_its_run(limited: Desk) -> None:
    runs = await start(limited, LIMIT)
    own = await limited.submit(runs[0].session_id, "enqueue")
    await end(limited, runs[0])
    assert own.id in await active(limited)


async def test_a_new_query_does_not_go_before_a_waiting_session(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 1)
    await end(limited, runs[0])
    await start(limited)
    await start_due(limited)
    assert await active(limited) == [runs[1].id, runs[2].id, runs[3].id]


async def test_an_interrupting_query_keeps_the_place_of_its_run(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 1)
    query = await limited.submit(runs[0].session_id, "interrupt")
    assert query.id in await active(limited)


@pytest.mark.parametrize("command", [CancelRun, PauseSession, DeleteSession])
async def test_a_session_that_ends_to_wait_leaves_its_place(limited: Desk, command: type[Command[Any]]) -> None:
    runs = await start(limited, LIMIT + 2)
    first = runs[LIMIT]
    fields = {"session_id": first.session_id, "run_id": first.id}
    await limited.send(command(**{name: fields[name] for name in fields if name in command.model_fields}))
    await end(limited, runs[0])
    await start_due(limited)
    assert (await active(limited))[-1] == runs[LIMIT + 1].id


@pytest.mark.parametrize("command", [CancelRun, InterruptSession, DeleteSession])
async def test_a_run_that_is_ended_by_its_user_makes_room(limited: Desk, command: type[Command[Any]]) -> None:
    runs = await start(limited, LIMIT + 1)
    fields = {"session_id": runs[0].session_id, "run_id": runs[0].id}
    await limited.send(command(**{name: fields[name] for name in fields if name in command.model_fields}))
    await start_due(limited)
    assert (await active(limited))[-1] == runs[LIMIT].id


async def test_an_administrator_who_ends_a_run_makes_room_for_its_owner(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 1)
    await limited.send(CancelRun(session_id=runs[0].session_id, run_id=runs[0].id), ADMIN)
    await start_due(limited)
    assert (await active(limited))[-1] == runs[LIMIT].id


async def test_a_resumed_session_waits_for_the_quota(limited: Desk) -> None:
    session = await limited.create()
    await limited.send(PauseSession(session_id=session))
    queued = await limited.submit(session, "enqueue")
    runs = await start(limited, LIMIT)
    await limited.send(ResumeSession(session_id=session))
    assert queued.id not in await active(limited)
    await end(limited, runs[0])
    await start_due(limited)
    assert queued.id in await active(limited)


async def test_a_run_that_waits_for_an_approval_makes_room(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 1)
    await wait_for_approval(limited, runs[0])
    await start_due(limited)
    assert (await active(limited))[-1] == runs[LIMIT].id


async def test_a_run_with_a_tool_in_progress_makes_no_room(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 1)
    await wait_for_approval(limited, runs[0], tools=2)
    assert await start_due(limited) == 0


async def test_a_run_makes_room_when_its_last_tool_ends(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 1)
    await wait_for_approval(limited, runs[0], tools=2)
    result = RecordToolResult.example().model_copy(
        update={"session_id": runs[0].session_id, "run_id": runs[0].id, "tool_use_id": f"{runs[0].id} 1"}
    )
    await limited.send(result)
    await start_due(limited)
    assert (await active(limited))[-1] == runs[LIMIT].id


async def test_an_approved_run_continues_at_once_and_counts(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 1)
    approval = await wait_for_approval(limited, runs[0])
    await start_due(limited)
    await limited.send(DecideApproval(approval_id=approval, decision="approved"))
    used = (await limited.ask(GetUsage(user_id=UUID(USER), role="user"))).concurrent_runs
    assert (used.used, used.limit) == (LIMIT + 1, LIMIT)


async def test_a_user_over_the_quota_starts_nothing_until_it_is_free(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 2)
    approval = await wait_for_approval(limited, runs[0])
    await start_due(limited)
    await limited.send(DecideApproval(approval_id=approval, decision="approved"))
    await end(limited, runs[1])
    await start_due(limited)
    assert runs[-1].id not in await active(limited)


@pytest.mark.parametrize("on_busy", ["reject", "enqueue", "interrupt"])
async def test_an_idle_session_queues_a_query_whatever_on_busy_is(limited: Desk, on_busy: OnBusy) -> None:
    await start(limited, LIMIT)
    run = await limited.submit(await limited.create(), on_busy)
    assert (run.status, run.id in await active(limited)) == ("queued", False)


async def test_a_session_that_waits_is_busy(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 1)
    with pytest.raises(Refusal) as refused:
        await limited.submit(runs[-1].session_id)
    assert refused.value.code is Code.SESSION_BUSY


async def test_a_query_of_an_agent_does_not_wait(limited: Desk) -> None:
    await start(limited, LIMIT)
    session = await limited.create()
    with pytest.raises(Refusal) as refused:
        await limited.send(agent_query(session))
    assert (refused.value.code, refused.value.data["quota"]) == (Code.QUOTA_EXCEEDED, "concurrent_runs")


async def test_a_query_of_an_agent_starts_within_the_quota(limited: Desk) -> None:
    query = agent_query(await limited.create())
    await limited.send(query)
    assert await active(limited) == [query.run_id]


async def test_too_many_waiting_sessions_are_refused(limited: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraints, "MAX_WAITING_SESSIONS", 2)
    await start(limited, LIMIT + 2)
    with pytest.raises(Refusal) as refused:
        await start(limited)
    assert refused.value.code is Code.QUOTA_EXCEEDED
    assert refused.value.data == {"quota": "concurrent_runs", "limit": LIMIT, "used": LIMIT, "resets_at": None}


async def test_a_query_that_was_refused_is_not_queued(limited: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraints, "MAX_WAITING_SESSIONS", 0)
    await start(limited, LIMIT)
    with pytest.raises(Refusal):
        await start(limited)
    assert await limited.database.fetchval("SELECT count(*) FROM runs") == LIMIT


async def test_the_quota_of_the_user_goes_before_that_of_the_role(limited: Desk) -> None:
    await limited.database.execute("INSERT INTO accounts (user_id, concurrent_runs) VALUES ($1, 1)", OWNER.user_id)
    runs = await start(limited, 2)
    assert await active(limited) == [runs[0].id]


async def test_without_a_quota_everything_starts(desk: Desk) -> None:
    await set_quotas(desk, "concurrent_runs=none")
    runs = await start(desk, 8)
    assert await active(desk) == [run.id for run in runs]


async def test_a_higher_quota_starts_what_waits_when_it_is_applied(limited: Desk) -> None:
    runs = await start(limited, LIMIT + 2)
    await set_quotas(limited, f"concurrent_runs={LIMIT + 1}")
    await start_due(limited)
    assert await active(limited) == [run.id for run in runs[: LIMIT + 1]]
