"""A state machine test of tasks: random histories, in which the clock is set and commands are late or repeated."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.messages import Command
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.attempt import EndAttempt, RecordSubmission, StartNextAttempt
from contracts.task_scheduler.execution import (
    CancelExecution,
    CheckExecution,
    ExecuteTask,
    ExpireExecution,
    RetryExecution,
    StartOnEvent,
    TimeOutExecution,
)
from contracts.task_scheduler.task import AdvanceSchedule, ChangeTask, DeleteTask, PauseTask, ResumeTask
from contracts.task_scheduler.values import OverlapPolicy, TaskChanges
from eventing.store import AnyAggregate
from eventing.store.memory import MemoryStore
from eventing.store.state import codec_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from runtime.bus.envelope import Envelope
from task_scheduler.aggregate import Execution, Task
from task_scheduler.aggregate.execution import tick_execution_id
from task_scheduler.handlers.task import ClockSetBack

from .memory_desk import TASK_ID, MemoryDesk, definition, execution_id
from .task_model import CLOCKWORKS, OVER, Clockwork, TaskModel

SOME = st.integers(min_value=0, max_value=1000)
POLICIES = st.sampled_from(["skip", "queue_one", "queue_all", "queue_all", "cancel_running", "allow", "allow"])
CLOCKS = st.sampled_from(CLOCKWORKS)
ATTEMPTS = st.sampled_from([1, 1, 1, 2, 3])
CODES = {None: None, "retryable": Code.MODEL_ERROR, "final": Code.BUDGET_EXCEEDED}


class ReplayingStore(MemoryStore):
    """A store that compares each saved aggregate with the one that its stored events lead to."""

    async def save(self, aggregates: tuple[AnyAggregate, ...], envelope: Envelope) -> None:
        await super().save(aggregates, envelope)
        for aggregate in aggregates:
            codec, copy = codec_of(type(aggregate)), await self.load(type(aggregate), aggregate.id)
            assert codec.dump(copy) == codec.dump(aggregate)


class Tasks(RuleBasedStateMachine):
    """Users, and a background whose commands may be early, late or repeated, on one task."""

    def __init__(self) -> None:
        super().__init__()
        self.runner, self.desk, self.number = asyncio.Runner(), MemoryDesk(), 0
        self.desk.store = ReplayingStore(self.desk.store.events)
        self.loaded: tuple[int, Task, list[Execution]] | None = None

    @initialize(
        policy=POLICIES,
        clockwork=CLOCKS,
        pauses=st.booleans(),
        retries=st.integers(0, 2),
        window=st.sampled_from([0, 1200, 86_400]),
    )
    def create(self, policy: OverlapPolicy, clockwork: Clockwork, pauses: bool, retries: int, window: int) -> None:
        created = definition(
            is_scheduled=True,
            schedule_cron=clockwork.cron,
            schedule_timezone=clockwork.zone,
            overlap_policy=policy,
            pause_on_failure=pauses,
            max_retries=retries,
            catch_up_window_seconds=window,
        )
        self.runner.run(self.desk.create(created))
        self.model = TaskModel(policy, clockwork, pauses, retries, timedelta(seconds=max(window, 10)))
        self.model.continue_after(self.desk.now)

    @rule(minutes=st.sampled_from([-1500, -90, -20, 0, 5, 15, 15, 30, 60, 60, 240, 3000]), seconds=st.integers(0, 15))
    def set_the_clock(self, minutes: int, seconds: int) -> None:
        self.desk.now += timedelta(minutes=minutes, seconds=seconds)

    @rule(late=st.booleans())
    def deliver_the_next_tick(self, late: bool) -> None:
        if self.model.next:
            self.desk.now = max(self.desk.now, self.model.next + timedelta(minutes=17) * late)
        self.deliver_a_tick_at_any_time()

    @rule()
    def deliver_a_tick_at_any_time(self) -> None:
        early = self.model.next is not None and self.model.next > self.desk.now
        try:
            done = self.send(AdvanceSchedule(task_id=TASK_ID))
        except ClockSetBack:
            assert early
            return
        assert not early
        if done:
            self.model.tick(self.desk.now, lambda tick: tick_execution_id(TASK_ID, tick))

    @rule(times=st.integers(1, 3))
    def execute(self, times: int) -> None:
        for _ in range(times):
            self.start_on_request(ExecuteTask(task_id=TASK_ID, execution_id=self.new_id()))

    @rule(some=SOME)
    def retry(self, some: int) -> None:
        earlier = self.some_execution(some)
        if earlier and self.model.statuses[earlier] in OVER:
            self.start_on_request(RetryExecution(task_id=TASK_ID, execution_id=self.new_id(), retry_of=earlier))
        elif earlier:
            assert not self.send(RetryExecution(task_id=TASK_ID, execution_id=self.new_id(), retry_of=earlier))

    @rule(twice=st.booleans())
    def start_on_event(self, twice: bool) -> None:
        id, event = self.new_id(), "session.created"
        command = StartOnEvent(task_id=TASK_ID, execution_id=id, event=event, variables={}, chain=[])
        if self.send(command) and not self.model.paused:
            self.model.create(id)
            self.model.admit(id)
        if twice:
            self.send(command)

    @rule(some=SOME, attempt=ATTEMPTS, failure=st.sampled_from([None, None, "retryable", "retryable", "final"]))
    def end_an_attempt(self, some: int, attempt: int, failure: str | None) -> None:
        if id := self.some_execution(some):
            self.send(EndAttempt(execution_id=id, attempt=attempt, error_code=CODES[failure]))
            self.model.end_attempt(id, attempt, failure)

    @rule(failure=st.sampled_from([None, "retryable", "final"]))
    def end_the_first_active_one(self, failure: str | None) -> None:
        if self.model.active:
            id = self.model.active[0]
            self.end_an_attempt([*self.model.statuses].index(id), self.model.attempts[id], failure)

    @rule(some=SOME, attempt=ATTEMPTS)
    def submit(self, some: int, attempt: int) -> None:
        if id := self.some_execution(some):
            is_active = self.model.statuses[id] == "running" and self.model.attempts[id] == attempt
            assert self.send(RecordSubmission(execution_id=id, attempt=attempt, prompt="?")) == is_active

    @rule(some=SOME)
    def start_the_next_attempt(self, some: int) -> None:
        if id := self.some_execution(some):
            self.send(StartNextAttempt(execution_id=id))
            if self.model.awaits_attempt(id):
                self.model.start(id)

    @rule(some=SOME)
    def time_out(self, some: int) -> None:
        if id := self.some_execution(some):
            self.send(TimeOutExecution(execution_id=id))
            self.model.end(id, "timed_out")

    @rule(some=SOME)
    def expire(self, some: int) -> None:
        if id := self.some_execution(some):
            self.send(ExpireExecution(execution_id=id))
            if not self.model.attempts[id]:
                self.model.end(id, "missed")

    @rule(some=SOME)
    def check(self, some: int) -> None:
        if id := self.some_execution(some):
            self.send(CheckExecution(execution_id=id))

    @rule(some=SOME)
    def cancel(self, some: int) -> None:
        if id := self.some_execution(some):
            active = self.model.statuses[id] not in OVER
            assert self.send(CancelExecution(task_id=TASK_ID, execution_id=id)) == active
            self.model.end(id, "cancelled")

    @rule(policy=POLICIES)
    def change_the_policy(self, policy: OverlapPolicy) -> None:
        if self.change(overlap_policy=policy):
            self.model.policy = policy
            self.model.fill()

    @rule(clockwork=CLOCKS)
    def change_the_schedule(self, clockwork: Clockwork) -> None:
        changed = self.change(schedule_cron=clockwork.cron, schedule_timezone=clockwork.zone)
        if changed and clockwork != self.model.clockwork:
            self.model.clockwork = clockwork
            self.model.continue_after(self.desk.now)

    @rule(clockwork=CLOCKS, pause=st.booleans())
    def continue_after_the_clock_was_set_back(self, clockwork: Clockwork, pause: bool) -> None:
        self.deliver_the_next_tick(late=False)
        self.desk.now -= timedelta(hours=3)
        if pause:
            self.pause()
            self.resume()
        else:
            self.change_the_schedule(clockwork)

    @rule(some=SOME)
    def change_another_field(self, some: int) -> None:
        self.change(description=str(some))

    @rule()
    def pause(self) -> None:
        if self.send(PauseTask(task_id=TASK_ID)):
            self.model.pause()

    @rule()
    def resume(self) -> None:
        if self.send(ResumeTask(task_id=TASK_ID)) and self.model.paused:
            self.model.paused = False
            self.model.continue_after(self.desk.now)

    @precondition(lambda self: self.number > 12)
    @rule()
    def delete(self) -> None:
        if self.send(DeleteTask(task_id=TASK_ID)):
            self.model.delete()

    @invariant()
    def each_execution_has_the_status_that_the_model_says(self) -> None:
        assert {execution.id: execution.status for execution in self.load()[1]} == self.model.statuses

    @invariant()
    def each_tick_has_at_most_one_execution(self) -> None:
        created = [each.created for each in self.load()[1] if each.created.trigger == "scheduled"]
        assert max(Counter(each.scheduled_for for each in created).values(), default=0) <= 1

    @invariant()
    def the_schedule_continues_unless_the_task_is_paused(self) -> None:
        task, _ = self.load()
        assert (task.next_tick, task.last_tick, bool(task.paused)) == self.expected_schedule()
        assert task.next_tick or task.paused or task.deleted

    @invariant()
    def the_task_knows_its_executions_and_none_is_stuck(self) -> None:
        task, all_executions = self.load()
        executions = {each.id: each for each in all_executions}
        assert (task.active, task.waiting) == (self.model.active, self.model.waiting)
        assert {*task.active, *task.waiting} == {id for id, each in executions.items() if not each.is_over}
        assert all(executions[id].status == "running" or executions[id].next_attempt_at for id in task.active)
        assert not any(executions[id].attempt for id in task.waiting)
        assert task.active or not task.waiting

    def expected_schedule(self) -> tuple[datetime | None, datetime | None, bool]:
        return self.model.next, self.model.last, self.model.paused

    def start_on_request(self, command: ExecuteTask | RetryExecution) -> None:
        is_possible = not self.model.is_busy() and not self.model.deleted
        assert self.send(command) == is_possible
        if is_possible:
            self.model.create(command.execution_id)
            self.model.admit(command.execution_id)

    def change(self, **fields: Any) -> bool:
        return self.send(ChangeTask(task_id=TASK_ID, changes=TaskChanges.model_validate(fields)))

    def send(self, command: Command[Any]) -> bool:
        """Send a command; return whether it was accepted. A refused one records nothing."""
        before = len(self.desk.store.entries)
        try:
            self.runner.run(self.desk.put(command))
        except Refusal as refusal:
            code = refusal.code
        else:
            return True
        assert len(self.desk.store.entries) == before
        assert self.model.deleted or code != Code.TASK_NOT_FOUND
        return False

    def new_id(self) -> UUID:
        self.number += 1
        return execution_id(str(self.number))

    def some_execution(self, some: int) -> UUID | None:
        ids = [*self.model.statuses]
        return ids[some % len(ids)] if ids else None

    def load(self) -> tuple[Task, list[Execution]]:
        """Return the task and its executions, loaded again if an event was stored since."""
        stored = len(self.desk.store.entries)
        if not self.loaded or self.loaded[0] != stored:
            self.loaded = stored, self.runner.run(self.desk.task()), self.runner.run(self.desk.executions())
        return self.loaded[1:]

    def teardown(self) -> None:
        self.runner.close()


Tasks.TestCase.settings = settings(stateful_step_count=40)
TestTasks = Tasks.TestCase
