"""Prompts whose children may take as long as a busy machine makes them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.children.pool import ChildPool, Limits
from task_scheduler.prompts import prompts as module
from task_scheduler.prompts.prompts import Prompts

CHILD = Path(module.__file__).with_name("child.py")


@asynccontextmanager
async def patient_prompts(cpu_seconds: float = Limits.cpu_seconds) -> AsyncGenerator[Prompts]:
    """Render prompts in children with the limits of the service, but wait a minute for each."""
    async with ChildPool.open(CHILD, Limits(cpu_seconds, wall_seconds=60)) as pool:
        yield Prompts(pool)
