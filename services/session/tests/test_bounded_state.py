"""The state of a session is bounded, and yet the session recognises its earlier runs, approvals and messages."""

from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import APPROVAL, SESSION, USER
from contracts.session.approval import (
    ApprovalDecided,
    ApprovalRequested,
    DecideApproval,
    DecisionDelivered,
    RequestApproval,
)
from contracts.session.conversation import ListMessageIds, MessageRecorded
from contracts.session.fork import ForkSession, SessionForked
from contracts.session.run import CancelRun, EndRun, RunCancelled, RunRequested, RunStarted, StartRun
from contracts.session.session import EnvironmentSet, SessionCreated
from contracts.session.template import TemplateChanged, TemplateCreated
from contracts.session.values import SdkOptions, Usage
from eventing.aggregate import Aggregate
from eventing.store.state import codec_of
from runtime.clock import new_id, now
from session.aggregate import Session, SessionTemplate

from services.session.tests.desk import Desk


def restored[A: Aggregate[Any]](aggregate: A) -> A:
    copy = type(aggregate)(aggregate.id)
    codec_of(type(aggregate)).restore(copy, aggregate.version, now(), codec_of(type(aggregate)).dump(aggregate))
    return copy


def add_runs(session: Session, runs: int) -> None:
    """Apply the events of runs that use everything that a run can use."""
    for _ in range(runs):
        run_id, approval_id, number = new_id(), new_id(), session.messages
        requested = ApprovalRequested.example().model_copy(update={"run_id": run_id, "approval_id": approval_id})
        decided = ApprovalDecided.example().model_copy(update={"run_id": run_id, "approval_id": approval_id})
        message = MessageRecorded.example().model_copy(update={"run_id": run_id, "sequence_number": number + 2})
        for event in (
            RunRequested(run_id=run_id, message_id=new_id(), sequence_number=number + 1, message="?"),
            RunStarted(run_id=run_id, attempt=1),
            message,
            requested,
            decided,
            DecisionDelivered(run_id=run_id, approval_id=approval_id),
            RunCancelled(run_id=run_id, reason="requested", usage=Usage()),
        ):
            session.apply(event)


def test_the_state_of_a_session_does_not_grow_with_its_runs() -> None:
    session = Session(UUID(SESSION))
    session.apply(SessionCreated.example())
    add_runs(session, 100)
    before = len(codec_of(Session).dump(session))
    add_runs(session, 800)
    assert len(codec_of(Session).dump(session)) - before < 10  # a counter has more digits


def test_snapshots_contain_no_values_of_environment_variables() -> None:
    session = Session(UUID(SESSION))
    session.create(UUID(USER), "one", "interactive", SdkOptions(env={"TOKEN": "plantedsecret"}))
    assert session.environment == {"TOKEN": "plantedsecret"}
    assert b"plantedsecret" not in codec_of(Session).dump(session, secrets=False)
    assert Session.secrets == {"environment": EnvironmentSet}


@pytest.mark.parametrize("event", [TemplateCreated.example(), TemplateChanged.example()])
def test_the_state_of_a_template_survives_a_snapshot(event: TemplateCreated | TemplateChanged) -> None:
    template = SessionTemplate(new_id())
    template.apply(event)
    assert restored(template).now == template.now


async def finished_run(desk: Desk, session_id: UUID) -> UUID:
    """Return the id of a run that has ended."""
    run = await desk.submit(session_id)
    await desk.send(StartRun(session_id=session_id, run_id=run.id))
    await desk.send(EndRun(session_id=session_id, run_id=run.id, attempt=1))
    return run.id


async def test_an_earlier_run_is_still_known_to_have_ended(desk: Desk) -> None:
    session_id = await desk.create()
    run_id = await finished_run(desk, session_id)
    await finished_run(desk, session_id)
    with pytest.raises(Refusal, match=Code.RUN_OVER):
        await desk.send(CancelRun(session_id=session_id, run_id=run_id))


async def test_a_run_that_is_unknown_or_of_another_session_is_not_found(desk: Desk) -> None:
    session_id, other = await desk.create(), await desk.create()
    for run_id in (new_id(), await finished_run(desk, other)):
        with pytest.raises(Refusal, match=Code.RUN_NOT_FOUND):
            await desk.send(CancelRun(session_id=session_id, run_id=run_id))


async def test_an_approval_of_another_session_is_not_found(desk_after_run: Desk) -> None:
    run = await desk_after_run.submit(UUID(SESSION))
    await desk_after_run.send(StartRun(session_id=UUID(SESSION), run_id=run.id))
    await desk_after_run.send(RequestApproval.example().model_copy(update={"run_id": run.id}))
    other = await desk_after_run.create()
    for session_id, approval_id in ((UUID(SESSION), new_id()), (other, UUID(APPROVAL))):
        with pytest.raises(Refusal, match=Code.APPROVAL_NOT_FOUND):
            await desk_after_run.send(DecideApproval(session_id=session_id, approval_id=approval_id, decision="denied"))


async def test_a_fork_contains_the_messages_up_to_the_named_one(desk_after_run: Desk) -> None:
    messages = await desk_after_run.ask(ListMessageIds(session_id=UUID(SESSION)))
    assert len(messages) == 2
    await desk_after_run.send(ForkSession.example().model_copy(update={"from_message_id": messages[0]}))
    forked = await desk_after_run.dispatcher.store.latest(SessionForked, ForkSession.example().fork_id)
    assert forked
    assert forked.event.message_ids == messages[:1]


async def test_a_fork_from_an_unknown_message_is_refused(desk_after_run: Desk) -> None:
    with pytest.raises(Refusal, match=Code.MESSAGE_NOT_FOUND):
        await desk_after_run.send(ForkSession.example().model_copy(update={"from_message_id": new_id()}))
