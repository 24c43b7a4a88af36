"""The task-scheduler service with real PostgreSQL and NATS; identity and session are fakes that answer on the bus."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from contracts.identity.user import GetActor
from contracts.messages import Actor, Command, Event, Query, Refused
from contracts.refusals import Code
from contracts.session.run import CancelRun, RunCompleted, RunFailed, SubmitQuery
from contracts.session.run_view import RunView
from contracts.session.session import CreateSession
from contracts.session.session_view import SessionView
from contracts.session.values import Usage
from contracts.task_scheduler.execution import CancelExecution, ExecuteTask, GetExecution, ListExecutions
from contracts.task_scheduler.execution_view import ExecutionSummary, ExecutionView
from contracts.task_scheduler.task import CreateTask, DeleteTask, ListTasks
from contracts.task_scheduler.task_view import TaskView
from contracts.task_scheduler.trigger import CreateTrigger, RevokeTrigger, RotateTrigger
from contracts.task_scheduler.values import TaskDefinition
from contracts.wire import event_filter, event_stream
from eventing import due_times
from eventing.bus.streams import provision
from eventing.database import Database
from eventing.testing import eventually
from eventing.testing.due import set_clocks
from eventing.testing.harness import migrated
from eventing.testing.key_rings import ring_json
from eventing.testing.publishing import publish
from onebox.testing.buses import Buses
from onebox.testing.databases import Databases
from runtime import clock
from runtime.bus import Bus, Unavailable, connected, ordered
from runtime.bus.envelope import Envelope
from runtime.children.pool import Limits
from task_scheduler.app import service
from task_scheduler.prompts import prompts
from task_scheduler.settings import Settings

from services.gateway.tests.fake_services import FakeServices

from .desk import OWNER
from .webhooks import signed

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZEROS = dict.fromkeys(("total_messages", "total_tool_calls", "api_input_tokens", "api_output_tokens"), 0)
NO_TEXT: dict[str, Any] = {"message": "", "text": "", "tool_calls": [], "usage": Usage()}


def created(command: CreateSession) -> SessionView:
    """Return the session that the fake has created."""
    fields: dict[str, Any] = command.model_dump(include={"name", "mode", "sdk_options"}) | {"metadata": {}, **ZEROS}
    times = {"created_at": clock.now(), "updated_at": clock.now(), "started_at": None, "total_cost_usd": 0}
    about = {"id": command.session_id, "user_id": OWNER.user_id, "status": "created", "working_directory_path": "/"}
    return SessionView.model_validate({**about, **fields, **times, "parent_session_id": None, "is_fork": False})


def submitted(command: SubmitQuery | CancelRun) -> RunView:
    """Return the run that the fake has started or cancelled."""
    about = {"id": command.run_id, "session_id": command.session_id, "status": "queued", "attempt": 0}
    empty = dict.fromkeys(("error_code", "error_detail", "ended_at", "message_id", "structured_output"))
    return RunView.model_validate({**about, **empty, **NO_TEXT, "created_at": clock.now()})


class Remote:
    """A client of the service, its database, and the fakes that the service uses."""

    def __init__(self, others: FakeServices, database: Database, actor: Actor = OWNER) -> None:
        self.others, self.database, self.actor = others, database, actor

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        return await Bus(self.others.client, timeout=20).ask(message, Envelope.begin(actor=self.actor))

    async def answers(self) -> bool:
        with suppress(Unavailable):
            return (await self.ask(ListTasks())).total >= 0
        return False

    async def answer_all(self) -> None:
        """Let identity and session accept everything."""
        await self.others.answer(GetActor, OWNER)
        await self.others.answer_with(CreateSession, created)
        await self.others.answer_with(SubmitQuery, submitted)
        await self.others.answer_with(CancelRun, submitted)

    async def create(self, **fields: Any) -> TaskView:
        definition = TaskDefinition.model_validate({"name": "one", "prompt_template": "Hello {{name}}", **fields})
        return await self.ask(CreateTask(task_id=clock.new_id(), definition=definition))

    async def execute(self, **fields: Any) -> ExecutionView:
        task = await self.create(**fields)
        return await self.ask(ExecuteTask(task_id=task.id, execution_id=clock.new_id(), variables={"name": "Ada"}))

    async def until(self, execution: ExecutionSummary, **expected: object) -> ExecutionView:
        """Wait until fields of an execution have these values, and return it."""

        async def matches() -> ExecutionView | None:
            latest = await self.ask(GetExecution(task_id=execution.task_id, execution_id=execution.id))
            return latest if latest.model_dump(include=set(expected)) == expected else None

        return await eventually(matches)

    async def publish(self, execution: ExecutionView, event: Event) -> None:
        """Publish an event of the execution's session."""
        await publish(self.others.js, event, at=execution.session_id, envelope=Envelope.begin(actor=OWNER))

    def received(self, kind: type[Command[Any]]) -> list[Any]:
        """Return the commands of a kind that the fakes have received."""
        return [message for message, _ in self.others.received if isinstance(message, kind)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(databases: Databases) -> AsyncGenerator[Remote]:
    """Run the service, with a bus of its own: other modules use up the accounts of the shared one."""
    stop = asyncio.Event()
    with Buses() as buses, pytest.MonkeyPatch.context() as patch:
        patch.setattr(due_times, "MAX_PAUSE_SECONDS", 0.1)
        patch.setattr(prompts, "Limits", partial(Limits, wall_seconds=60))  # a child may take long to start
        nats_url = buses.fresh()
        async with (
            migrated(databases, service.name, service.migrations, as_owner=True) as database,
            connected(nats_url, "test") as client,
            asyncio.TaskGroup() as tasks,
        ):
            settings = {"database_url": database.url, "nats_url": nats_url, "secrets_keys": ring_json("test")}
            remote = Remote(FakeServices(client), database)
            await provision(remote.others.js, event_stream("session"), [event_filter("session")])
            tasks.create_task(service.run(Settings.model_validate(settings), stop))
            await eventually(remote.answers)
            yield remote
            stop.set()


@pytest_asyncio.fixture(loop_scope="module")
async def remote(running: Remote) -> Remote:
    """The service, whose fakes have received nothing yet."""
    running.others.received.clear()
    await running.answer_all()
    return running


async def test_an_execution_gets_a_session_and_ends_with_its_run(remote: Remote) -> None:
    execution = await remote.execute()
    assert execution.status == "running"
    await remote.until(execution, prompt="Hello Ada")
    [query] = remote.received(SubmitQuery)
    assert (query.session_id, query.run_id, query.message) == (execution.session_id, execution.run_id, "Hello Ada")
    assert execution.run_id
    await remote.publish(execution, RunCompleted(run_id=execution.run_id, usage=Usage(input_tokens=7)))
    assert (await remote.until(execution, status="completed")).usage.input_tokens == 7


async def test_a_tick_that_is_due_starts_an_execution_once(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    task = await remote.create(prompt_template="At {{time}}", is_scheduled=True, schedule_cron="* * * * *")
    assert task.next_run_at
    shift = task.next_run_at - clock.now()
    real = clock.now
    set_clocks(monkeypatch.setattr, lambda: real() + shift)

    async def executions() -> list[ExecutionSummary]:
        return (await remote.ask(ListExecutions(task_id=task.id))).items

    [execution] = await eventually(executions)
    assert (execution.trigger, execution.scheduled_for) == ("scheduled", task.next_run_at)
    await remote.until(execution, prompt=f"At {task.next_run_at:%H:%M}")
    [query] = remote.received(SubmitQuery)
    assert query.run_id == execution.run_id
    await remote.ask(DeleteTask(task_id=task.id))  # other tests use the same service


async def test_a_failed_run_is_retried_at_its_due_time(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    execution = await remote.execute(max_retries=1)
    failed = {"run_id": execution.run_id, "error_code": "MODEL_ERROR", "error_detail": "529", "usage": Usage()}
    await remote.until(execution, prompt="Hello Ada")
    await remote.publish(execution, RunFailed.model_validate(failed))
    await remote.until(execution, status="pending", error_code=Code.MODEL_ERROR)
    real = clock.now
    set_clocks(monkeypatch.setattr, lambda: real() + timedelta(seconds=10))
    await remote.until(execution, status="running", attempt=2, prompt="Hello Ada")
    assert len({query.run_id for query in remote.received(SubmitQuery)}) == 2


async def test_cancelling_an_execution_cancels_its_run(remote: Remote) -> None:
    execution = await remote.execute()
    await remote.until(execution, prompt="Hello Ada")
    await remote.ask(CancelExecution(task_id=execution.task_id, execution_id=execution.id))
    await eventually(lambda: remote.received(CancelRun))
    assert [cancelled.run_id for cancelled in remote.received(CancelRun)] == [execution.run_id]


async def test_an_execution_of_a_disabled_owner_says_so(remote: Remote) -> None:
    await remote.others.answer(GetActor, Refused(code=Code.USER_INACTIVE, detail="disabled"))
    remote = Remote(remote.others, remote.database, Actor(user_id=clock.new_id(), role="user"))
    await remote.until(await remote.execute(), status="failed", error_code=Code.OWNER_DISABLED)
    assert remote.received(CreateSession) == []


async def test_the_history_of_a_deleted_task_is_deleted(remote: Remote) -> None:
    execution = await remote.execute()
    count = "SELECT count(*) FROM executions WHERE task_id = $1"
    await remote.until(execution, prompt="Hello Ada")
    assert await remote.database.fetchval(count, execution.task_id) == 1
    await remote.ask(DeleteTask(task_id=execution.task_id))

    async def is_empty() -> bool:
        return await remote.database.fetchval(count, execution.task_id) == 0

    await eventually(is_empty)


async def test_published_events_contain_no_values_of_environment_variables(remote: Remote) -> None:
    execution = await remote.execute(prompt_template="Greet {{name}}", sdk_options={"env": {"TOKEN": "plantedsecret"}})
    await remote.until(execution, prompt="Greet Ada")
    assert remote.received(CreateSession)[0].sdk_options.env == {"TOKEN": "plantedsecret"}
    seen = b""
    async with aclosing(ordered.messages(remote.others.js, event_stream(service.name), 0)) as batches:
        while b"Greet Ada" not in seen:
            seen += b"".join(message.data for message in await anext(batches))
    assert b"TOKEN" in seen
    assert b"plantedsecret" not in seen


async def test_a_signed_request_starts_an_execution_without_a_user(remote: Remote) -> None:
    task = await remote.create()
    trigger = await remote.ask(CreateTrigger(task_id=task.id, trigger_id=clock.new_id()))
    command = signed(trigger, at=clock.now(), name="Ada")
    fired = [await Bus(remote.others.client, timeout=20).ask(command, Envelope.begin()) for _ in range(2)]
    assert [each.repeated for each in fired] == [False, True]
    await remote.until(fired[0].execution, prompt="Hello Ada")
    assert len(remote.received(SubmitQuery)) == 1


async def test_published_events_contain_no_secret_of_a_trigger(remote: Remote) -> None:
    task = await remote.create()
    trigger = await remote.ask(CreateTrigger(task_id=task.id, trigger_id=clock.new_id()))
    rotated = await remote.ask(RotateTrigger(task_id=task.id, trigger_id=trigger.id))
    await remote.ask(RevokeTrigger(task_id=task.id, trigger_id=trigger.id))
    seen = b""
    async with aclosing(ordered.messages(remote.others.js, event_stream(service.name), 0)) as batches:
        while seen.count(str(trigger.id).encode()) < 3:
            seen += b"".join(message.data for message in await anext(batches))
    assert b"whsec_" not in seen
    assert rotated.secret != trigger.secret


async def test_an_event_of_a_session_starts_a_task_once(remote: Remote) -> None:
    task = await remote.create(on=["session.run_failed"], prompt_template="Explain {{session_id}}")
    session_id, envelope = clock.new_id(), Envelope.begin(actor=OWNER)
    for _ in range(2):
        event = RunFailed.example()
        await publish(remote.others.js, event, at=session_id, envelope=envelope, owner=str(OWNER.user_id))

    async def prompts() -> list[str]:
        return [query.message for query in remote.received(SubmitQuery)]

    assert await eventually(prompts) == [f"Explain {session_id}"]
    assert (await remote.ask(ListExecutions(task_id=task.id))).total == 1
