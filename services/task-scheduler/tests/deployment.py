"""Replicas of the service in processes of their own, on one bus, one database and one clock."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import UUID

from contracts.messages import Actor, Command, Query
from contracts.task_scheduler.task import CreateTask, ListTasks, PauseTask
from contracts.task_scheduler.values import TaskDefinition
from eventing.testing import eventually
from eventing.testing.key_rings import ring_json
from runtime import clock
from runtime.bus import Bus, Client, Unavailable
from runtime.bus.envelope import Envelope

from .history import Executions, History
from .replica import SharedClock

OWNER = Actor(user_id=clock.new_id(), role="user")
PROGRAM = Path(__file__).with_name("replica.py")
REPLICAS = 3
MINUTE_SECONDS = 60.0
WAIT_SECONDS = 90.0
DEFINITION = TaskDefinition(
    name="every minute",
    prompt_template="Check {{scheduled_for}}",
    is_scheduled=True,
    schedule_cron="* * * * *",
    overlap_policy="allow",
    catch_up_window_seconds=86_400,
    max_retries=5,
)


class Replicas:
    """Processes of the service, which a test can kill. Use it as a context manager, which ends them."""

    def __init__(self, database_url: str, nats_url: str, clock_file: Path) -> None:
        path = os.pathsep.join(os.get_exec_path())
        servers = {"DATABASE_URL": database_url, "NATS_URL": nats_url}
        self._environment = servers | {"SECRETS_KEYS": ring_json("test"), "PATH": path}
        self._command = [sys.executable, str(PROGRAM), str(clock_file)]
        self.log = clock_file.with_name("replicas.log")
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Replicas":
        for _ in range(REPLICAS):
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            _kill(process)

    def replace_one(self, random: Random) -> None:
        """Kill one of the replicas with SIGKILL, and start another one."""
        _kill(self._running.pop(random.randrange(len(self._running))))
        self._start()

    def _start(self) -> None:
        with self.log.open("ab") as log:
            self._running.append(subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log))  # noqa: S603


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@dataclass
class Scheduler:
    """The service as a client of the bus sees it, with the clock and the history that all replicas share."""

    replicas: Replicas
    client: Client
    clock: SharedClock
    history: History
    tasks: list[UUID] = field(default_factory=list[UUID])

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        """Send a message until a replica answers; a command keeps its id."""
        envelope = Envelope.begin(actor=OWNER)

        async def answer() -> list[R] | None:
            with suppress(Unavailable):
                return [await Bus(self.client, timeout=2).ask(message, envelope)]
            return None

        [result] = await eventually(answer, within=WAIT_SECONDS)
        return result

    async def create_tasks(self, number: int) -> None:
        """Wait until a replica answers, and create tasks that a tick starts every minute."""
        await self.ask(ListTasks())
        for _ in range(number):
            command = CreateTask(task_id=clock.new_id(), definition=DEFINITION)
            self.tasks.append((await self.ask(command)).id)

    async def pass_minute(self, within: float = 3.0) -> None:
        """Set the clock forward by a minute, and wait some seconds at most until its ticks are processed."""
        self.clock.step(MINUTE_SECONDS)
        with suppress(TimeoutError):
            await eventually(self.has_processed_last_tick, within=within)

    async def has_processed_last_tick(self) -> bool:
        """Return whether each task has an execution of the last tick."""
        with suppress(Exception):  # the errors of a server that is killed are of many kinds
            return await self.history.tasks_of(self.clock.now().replace(second=0, microsecond=0)) == len(self.tasks)
        return False

    async def finish(self) -> Executions:
        """Pause the tasks when all ticks are processed, and return their executions when all have ended."""
        await eventually(self.has_processed_last_tick, within=WAIT_SECONDS)
        for task_id in self.tasks:
            await self.ask(PauseTask(task_id=task_id))
        return await eventually(self._executions_if_ended, within=WAIT_SECONDS)

    async def _executions_if_ended(self) -> Executions | None:
        self.clock.step(0.1)  # so that retries need not be waited for
        executions = await self.history.read()
        return executions if executions.all_ended else None
