"""Changes of a session: name, options, metadata and secret environment variables."""

import asyncio
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import MESSAGE, RUN, SESSION, USER
from contracts.session.fork import ForkSession
from contracts.session.run import EndRun, GetRun, RunRequested, StartRun, SubmitQuery
from contracts.session.session import (
    ChangeSession,
    CreateSession,
    EnvironmentSet,
    GetSession,
    ListSessions,
    SessionChanged,
    SessionCreated,
)
from contracts.session.values import SdkOptions, Usage
from eventing.handling.dispatch import Dispatcher
from eventing.store import START
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from session.agent.environments import Environments
from session.aggregate import Session
from session.app import service
from session.ceilings import Ceilings

from services.session.tests.desk import ADMIN, OWNER, STRANGER, Desk, OfferedModels

ID = UUID(SESSION)
SECRET = SdkOptions(env={"TOKEN": "plantedsecret"})


@pytest.fixture
def session() -> Session:
    session = Session(ID)
    session.create(UUID(USER), "one", "interactive", SdkOptions(model="m", env={"A": "1"}))
    session.mark_committed()
    return session


def test_a_change_keeps_the_fields_that_it_does_not_name(session: Session) -> None:
    session.change("two", SdkOptions(max_turns=3), None)
    [event] = session.pending
    assert isinstance(event, SessionChanged)
    assert (event.name, event.sdk_options.model, event.sdk_options.max_turns) == ("two", "m", 3)


def test_a_null_resets_an_option(session: Session) -> None:
    session.change(None, SdkOptions(model=None), None)
    assert session.sdk_options.model is None


def test_metadata_is_replaced_as_a_whole(session: Session) -> None:
    session.change(None, None, {"a": 1, "b": 2})
    session.change(None, None, {"a": 3})
    assert session.metadata == {"a": 3}


def test_a_change_to_the_current_values_records_nothing(session: Session) -> None:
    session.change("one", SdkOptions(model="m", env={"A": "1"}), {})
    assert session.pending == []


def test_values_of_environment_variables_are_in_a_separate_event(session: Session) -> None:
    session.change(None, SdkOptions(env={"B": "2"}), None)
    changed, environment = session.pending
    assert isinstance(changed, SessionChanged)
    assert changed.sdk_options.env == {"B": "***"}
    assert environment == EnvironmentSet(variables={"B": "2"})
    assert not EnvironmentSet.published


def test_another_value_of_a_variable_is_a_published_change(session: Session) -> None:
    session.change(None, SdkOptions(env={"A": "2"}), None)
    assert [event.published for event in session.pending] == [True, False]


def test_a_masked_value_keeps_the_current_value(session: Session) -> None:
    session.change(None, SdkOptions(env={"A": "***", "B": "2"}), None)
    assert session.environment == {"A": "1", "B": "2"}


@pytest.mark.parametrize("name", ["B", "TOKEN"])
def test_a_masked_value_without_a_current_value_is_refused(session: Session, name: str) -> None:
    with pytest.raises(Refusal, match=f"{Code.VARIABLE_NOT_SET}.*{name}"):
        session.change("two", SdkOptions(env={name: "***"}), None)
    assert session.pending == []


def test_environment_variables_are_kept_if_not_named(session: Session) -> None:
    session.change("two", SdkOptions(max_turns=3), None)
    assert session.environment == {"A": "1"}
    assert session.sdk_options.env == {"A": "***"}


def test_a_null_removes_all_environment_variables(session: Session) -> None:
    session.change(None, SdkOptions(env=None), None)
    assert (session.sdk_options.env, session.environment) == (None, {})


def test_a_session_without_environment_variables_records_none() -> None:
    session = Session(ID)
    session.create(UUID(USER), "one", "interactive", SdkOptions())
    assert [type(event) for event in session.pending] == [SessionCreated]


def spend(session: Session, usd: str) -> None:
    session.submit_query(UUID(RUN), UUID(MESSAGE), "Hello")
    session.end_run(UUID(RUN), Usage(cost_usd=Decimal(usd)))
    session.mark_committed()


@pytest.mark.parametrize("budget", [2.0, None])
def test_a_session_accepts_queries_again_after_a_budget_increase(budget: float | None) -> None:
    session = Session(ID)
    session.create(UUID(USER), "one", "interactive", SdkOptions(max_budget_usd=1))
    spend(session, "1.5")
    session.change(None, SdkOptions(max_budget_usd=budget), None)
    session.submit_query(new_id(), new_id(), "Go on.")
    assert isinstance(session.pending[-1], RunRequested)


def test_a_session_refuses_queries_after_a_budget_cut(session: Session) -> None:
    spend(session, "1.5")
    session.change(None, SdkOptions(max_budget_usd=1), None)
    with pytest.raises(Refusal, match=Code.BUDGET_EXCEEDED):
        session.submit_query(new_id(), new_id(), "Go on.")


async def test_concurrent_changes_are_all_applied(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    changes = [SdkOptions(max_turns=7), SdkOptions(effort="low"), SdkOptions(model="m"), SdkOptions(env={"A": "1"})]
    await asyncio.gather(*(desk.send(ChangeSession(session_id=ID, sdk_options=options)) for options in changes))
    now = (await desk.ask(GetSession(session_id=ID))).sdk_options
    assert (now.max_turns, now.effort, now.model, now.env) == (7, "low", "m", {"A": "***"})
    assert now.allowed_tools == ["Read", "Write", "Bash"]


async def test_the_property_order_of_an_output_format_is_kept(desk: Desk) -> None:
    properties: dict[str, Any] = {"thoughts": {}, "b": {}, "a": {}}
    output_format: dict[str, Any] = {"type": "json_schema", "schema": {"type": "object", "properties": properties}}
    await desk.send(CreateSession(session_id=ID, name="one", sdk_options=SdkOptions(output_format=output_format)))
    stored = (await desk.ask(GetSession(session_id=ID))).sdk_options.output_format
    assert json.dumps(stored) == json.dumps(output_format)


async def test_a_fork_gets_its_own_copy_of_the_environment_variables(desk: Desk) -> None:
    await desk.send(CreateSession(session_id=ID, name="one", sdk_options=SECRET))
    fork = await desk.send(ForkSession.example())
    assert fork.sdk_options.env == {"TOKEN": "***"}
    await desk.send(ChangeSession(session_id=ID, sdk_options=SdkOptions(env={"TOKEN": "another"})))
    revealed = await Environments(desk.dispatcher.database).revealed(fork.id, fork.sdk_options)
    assert revealed.env == {"TOKEN": "plantedsecret"}


async def test_a_change_is_visible_in_the_read_model(desk: Desk) -> None:
    before = await desk.send(CreateSession.example())
    after = await desk.send(ChangeSession.example())
    assert (after.name, after.metadata, after.sdk_options.max_turns) == ("Renamed", {"ticket": 42}, 5)
    assert after.sdk_options.allowed_tools == before.sdk_options.allowed_tools
    assert after.updated_at > before.updated_at


async def test_another_users_session_cannot_be_changed(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk.send(ChangeSession.example(), STRANGER)


async def test_a_session_can_be_changed_during_a_run(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun):
        await desk.send(command.example())
    assert (await desk.send(ChangeSession.example())).status == "processing"


async def test_views_mask_environment_variables_and_the_agent_gets_them(desk: Desk) -> None:
    await desk.send(CreateSession(session_id=ID, name="one", sdk_options=SECRET))
    session = await desk.ask(GetSession(session_id=ID))
    assert session.sdk_options.env == {"TOKEN": "***"}
    assert "plantedsecret" not in (await desk.ask(ListSessions())).model_dump_json()
    revealed = await Environments(desk.dispatcher.database).revealed(ID, session.sdk_options)
    assert revealed.env == {"TOKEN": "plantedsecret"}


async def test_published_events_contain_no_values_of_environment_variables(desk: Desk) -> None:
    await desk.send(CreateSession(session_id=ID, name="one", sdk_options=SECRET))
    await desk.send(ChangeSession(session_id=ID, sdk_options=SdkOptions(env={"TOKEN": "plantedsecret-2"})))
    events = [entry.recorded.event for entry in await desk.dispatcher.store.feed(START, 100)]
    assert [type(event) for event in events] == [SessionCreated, EnvironmentSet, SessionChanged, EnvironmentSet]
    assert all("plantedsecret" not in event.model_dump_json() for event in events if event.published)


def test_representations_contain_no_values_of_environment_variables() -> None:
    command = CreateSession(session_id=ID, name="one", sdk_options=SECRET)
    assert "plantedsecret" not in repr(command) + str(EnvironmentSet(variables={"TOKEN": "plantedsecret"}))


async def test_a_run_shows_its_structured_output(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun):
        await desk.send(command.example())
    await desk.send(EndRun(session_id=ID, run_id=UUID(RUN), structured_output={"n": [1, None]}))
    assert (await desk.ask(GetRun(session_id=ID, run_id=UUID(RUN)))).structured_output == {"n": [1, None]}


async def create(desk: Desk, *models: str, actor: Any = OWNER, **options: Any) -> None:
    database = desk.dispatcher.database
    store = service.store(database)
    dependencies = OfferedModels(Ceilings(offered=models))
    dispatcher = Dispatcher[Any](store, database, dependencies, service.commands, service.queries)
    command = CreateSession(session_id=ID, name="one", sdk_options=SdkOptions.model_validate(options))
    await dispatcher.send(command, Envelope.begin(actor=actor))


async def test_any_model_is_accepted_if_none_is_offered(desk: Desk) -> None:
    await create(desk, model="claude-x")


async def test_an_offered_model_is_accepted(desk: Desk) -> None:
    await create(desk, "claude-x", "claude-y", model="claude-x", fallback_model="claude-y")


@pytest.mark.parametrize("name", ["model", "fallback_model"])
async def test_a_model_that_is_not_offered_is_refused(desk: Desk, name: str) -> None:
    with pytest.raises(Refusal, match=Code.MODEL_NOT_ALLOWED):
        await create(desk, "claude-x", **{name: "claude-z"})


async def test_only_admins_may_bypass_permissions(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await create(desk, permission_mode="bypassPermissions")
    await create(desk, permission_mode="bypassPermissions", actor=ADMIN)
