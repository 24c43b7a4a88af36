"""Runs the tasks of a service until it stops, and lets those finish that are in progress."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from runtime.logging import get_logger

log = get_logger()

type Task = Callable[[], Coroutine[Any, Any, None]]


async def work(
    always: list[Task],
    until_stopped: list[Task],
    stop: asyncio.Event,
    drain_seconds: float,
    stopping: Callable[[float], None],
) -> None:
    """Run all tasks until `stop` is set, wait some seconds for those that end by themselves, and cancel the others."""
    async with asyncio.TaskGroup() as tasks:
        endless = [tasks.create_task(task()) for task in always]
        drained = [tasks.create_task(task()) for task in until_stopped]
        await stop.wait()
        log.info("draining")
        stopping(drain_seconds)
        if drained:
            await asyncio.wait(drained, timeout=drain_seconds)
        await _end({*drained, *endless})


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    while tasks:  # repeated, because nats-py sometimes swallows a cancellation
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=1)
