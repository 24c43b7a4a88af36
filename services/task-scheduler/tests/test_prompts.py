"""Prompts are rendered in child processes, which may be killed, and which know nothing of the service."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncGenerator, Awaitable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.refusals import Code, Refusal
from contracts.samples import USER
from runtime.children.pool import ChildUnavailable
from runtime.clock import new_id
from runtime.testing import background, eventually
from task_scheduler.prompts.prompts import Prompts, Rendered

from .patient_prompts import patient_prompts

pytestmark = pytest.mark.usefixtures("servers")

EXPENSIVE = "{{ 9 ** (9 ** 9) }}"
"""Uses CPU time until it is stopped, even if it is only compiled."""
LONG = "{% for i in range(1000) %}{% for j in range(5000) %}{% endfor %}{% endfor %}done"
"""Takes long enough to be interrupted, but ends."""


@pytest_asyncio.fixture
async def prompts() -> AsyncGenerator[Prompts]:
    async with patient_prompts() as prompts:
        yield prompts


def children() -> list[int]:
    """Return the ids of this process's children that render prompts."""
    pids = Path("/proc/thread-self/children").read_text().split()
    return [int(pid) for pid in pids if "prompts/child.py" in status(int(pid), "cmdline")]


def status(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def ready_children() -> list[int]:
    """Return the children that can open no file or socket any more."""
    return [pid for pid in children() if re.search(r"Max open files +0 +0 ", status(pid, "limits"))]


def cpu_ticks(pid: int) -> int:
    return sum(map(int, status(pid, "stat").rpartition(")")[2].split()[11:13]))


async def _refused(rendering: Awaitable[object]) -> None:
    with pytest.raises(Refusal):
        await rendering


async def test_a_prompt_and_the_variables_that_it_uses_are_returned(prompts: Prompts) -> None:
    rendered = await prompts.render("Analyze logs from {{date}}", {"date": "2026-11-26", "time": "09:00"})
    assert rendered == Rendered("Analyze logs from 2026-11-26", ["date"])


async def test_a_check_returns_the_names_of_undeclared_variables(prompts: Prompts) -> None:
    assert await prompts.check("{{ b }}{{ a | default(1) }}") == ["a", "b"]


async def test_missing_variables_are_refused_by_name(prompts: Prompts) -> None:
    with pytest.raises(Refusal, match=r"prompt_template: missing variables: a, b$") as refused:
        await prompts.render("{{ b }}{{ a }}", {})
    assert refused.value.code is Code.VARIABLES_MISSING
    assert [error["loc"] for error in refused.value.data["errors"]] == [["body", "variables", name] for name in "ab"]


async def test_a_check_refuses_an_invalid_template(prompts: Prompts) -> None:
    with pytest.raises(Refusal, match=r"prompt_template: line 3: unexpected '}'$") as refused:
        await prompts.check("\n\n{{ }")
    assert refused.value.code is Code.TEMPLATE_INVALID


async def test_a_check_refuses_an_expensive_template() -> None:
    async with patient_prompts(cpu_seconds=0.2) as prompts:
        with pytest.raises(Refusal) as refused:
            await prompts.check(EXPENSIVE)
    assert refused.value.code is Code.TEMPLATE_TOO_EXPENSIVE


async def test_a_long_rendering_does_not_delay_others() -> None:
    async with patient_prompts(cpu_seconds=60) as prompts, background(_refused(prompts.check(EXPENSIVE))) as [long]:
        await asyncio.sleep(0)
        assert (await prompts.render("a", {})).text == "a"
        assert not long.done()


async def test_slow_templates_of_a_user_delay_others_by_one_of_them_only(prompts: Prompts) -> None:
    slow = [_refused(prompts.check(EXPENSIVE, user_id=UUID(USER))) for _ in range(10)]
    async with background(*slow) as renderings:
        await asyncio.sleep(0)
        assert (await prompts.render("a", {}, new_id())).text == "a"
        assert sum(rendering.done() for rendering in renderings) <= 4


async def test_killed_children_are_replaced(prompts: Prompts) -> None:
    await eventually(lambda: len(children()) == 2)
    killed = children()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert (await prompts.render("a", {})).text == "a"
    assert await eventually(lambda: len(children()) == 2 and not set(killed) & set(children()))


async def test_a_template_whose_child_is_killed_is_rendered_again() -> None:
    async with patient_prompts(cpu_seconds=60) as prompts, asyncio.TaskGroup() as tasks:
        await eventually(lambda: len(ready_children()) == 2)
        before = {pid: cpu_ticks(pid) for pid in children()}
        rendering = tasks.create_task(prompts.render(LONG, {}))
        [pid, *_] = await eventually(lambda: [pid for pid in before if cpu_ticks(pid) > before[pid] + 1])
        os.kill(pid, signal.SIGKILL)
        assert (await rendering).text == "done"
        await eventually(lambda: pid not in children())


async def test_no_child_stays_when_prompts_are_closed() -> None:
    async with Prompts.open() as prompts:
        await prompts.render("a", {})
    assert children() == []


async def test_a_child_has_no_secret_and_can_open_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@db")
    async with Prompts.open() as prompts:
        with suppress(ChildUnavailable):  # on a busy machine; the children start nevertheless
            await prompts.check("")
        ready = await eventually(ready_children)
        assert [status(pid, "environ") for pid in ready] == ["LANG=C.UTF-8\0"] * len(ready)
