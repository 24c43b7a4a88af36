"""What the session service counts and measures."""

from datetime import timedelta
from decimal import Decimal
from unittest.mock import Mock
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.samples import APPROVAL, RUN, SESSION
from contracts.session.approval import DecideApproval, RequestApproval
from contracts.session.run import CancelRun, EndRun, StartRun, SubmitQuery
from contracts.session.session import CreateSession
from runtime import clock
from runtime.metrics import metrics_of
from session.agent import Finished
from session.agent.counting import counted
from session.app import service
from session.dependencies import Dependencies

from services.session.tests.desk import Desk


def value(name: str, **labels: str) -> float:
    return metrics_of("session").get_sample_value(name, labels) or 0


async def measured(desk: Desk) -> dict[str, dict[tuple[str, ...], float]]:
    assert service.measure
    found = await service.measure(Mock(Dependencies, agents=Mock()), desk.database)
    return {metric.name: dict(values) for metric, values in found.items()}


@pytest.mark.parametrize(("code", "outcome"), [(None, "completed"), (Code.RUN_TIMEOUT, "failed")])
async def test_a_run_that_ends_is_counted_with_its_duration(desk: Desk, code: Code | None, outcome: str) -> None:
    def counts() -> tuple[float, float]:
        ended = value("runs_total", outcome=outcome, code=code or "")
        return ended, value("run_duration_seconds_count", outcome=outcome)

    before = counts()
    for command in (CreateSession, SubmitQuery, StartRun):
        await desk.send(command.example())
    await desk.send(EndRun(session_id=UUID(SESSION), run_id=UUID(RUN), attempt=1, error_code=code))
    assert counts() == (before[0] + 1, before[1] + 1)


async def test_a_run_that_is_cancelled_before_its_turn_has_no_duration(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.submit(session_id)
    queued = await desk.submit(session_id, "enqueue")
    before = value("runs_total", outcome="cancelled", code="RUN_CANCELLED")
    durations = value("run_duration_seconds_count", outcome="cancelled")
    await desk.send(CancelRun(session_id=session_id, run_id=queued.id))
    assert value("runs_total", outcome="cancelled", code="RUN_CANCELLED") == before + 1
    assert value("run_duration_seconds_count", outcome="cancelled") == durations


async def test_queued_runs_are_measured_by_what_they_wait_for(desk: Desk) -> None:
    first, second = await desk.create(), await desk.create()
    for session_id in (first, second, second):
        await desk.submit(session_id, "enqueue")
    begun = await desk.submit(await desk.create())
    await desk.send(StartRun(session_id=begun.session_id, run_id=begun.id))
    await desk.database.execute(
        "UPDATE runs SET requested_at = now() - interval '1 minute' WHERE session_id = $1", first
    )
    found = await measured(desk)
    assert found["runs_queued"] == {("turn",): 1, ("worker",): 2}
    assert found["runs_queued_age_seconds"][("worker",)] >= 60


async def test_nothing_that_waits_is_measured_as_zero(desk: Desk) -> None:
    nothing = {("turn",): 0, ("worker",): 0}
    assert await measured(desk) == {
        "runs_queued": nothing,
        "runs_queued_age_seconds": nothing,
        "approvals_pending": {(): 0},
    }


async def test_approvals_are_pending_until_they_are_decided(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun):
        await desk.send(command.example())
    await desk.send(RequestApproval.example().model_copy(update={"expires_at": clock.now() + timedelta(days=1)}))
    assert (await measured(desk))["approvals_pending"] == {(): 1}
    await desk.send(DecideApproval(session_id=UUID(SESSION), approval_id=UUID(APPROVAL), decision="denied"))
    assert (await measured(desk))["approvals_pending"] == {(): 0}


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("claude-sonnet-4-5-20250929", "sonnet"),
        ("my-model", "my-model"),
        ("forged-0815", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_spending_is_counted_by_known_models_only(model: str | None, label: str) -> None:
    before = value("model_cost_usd_total", model=label), value("model_tokens_total", model=label, direction="input")
    counted(Finished(cost_usd=Decimal("0.5"), input_tokens=7), model, ("my-model",))
    after = value("model_cost_usd_total", model=label), value("model_tokens_total", model=label, direction="input")
    assert after == (before[0] + 0.5, before[1] + 7)
