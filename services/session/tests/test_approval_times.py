"""How long an approval waits: for a day, or for an hour if its run has to keep its agent."""

import asyncio

from runtime.clock import now
from runtime.testing import eventually

from services.session.tests.test_approvals import OTHER_CALL, Releasing, waiting_agent


def wait_of(worker: Releasing) -> float:
    """Return how many hours the newest approval waits."""
    return round((worker.service.sent[-1].expires_at - now()).total_seconds() / 3600, 1)


async def test_an_approval_for_which_no_agent_is_kept_waits_for_a_day() -> None:
    async with waiting_agent() as worker:
        assert wait_of(worker) == 24.0


async def test_the_last_of_several_calls_that_wait_waits_for_a_day() -> None:
    async with waiting_agent() as worker, asyncio.TaskGroup() as tasks:
        worker.requests.note_recorded([OTHER_CALL])
        request = tasks.create_task(worker.requests.request("toolu_2", "Bash", {}))
        await eventually(lambda: len(worker.service.sent) == 2)
        assert wait_of(worker) == 24.0
        request.cancel()


async def test_an_approval_beside_a_call_in_progress_waits_for_an_hour() -> None:
    async with waiting_agent(OTHER_CALL) as worker:
        assert wait_of(worker) == 1.0


async def test_a_question_of_a_server_waits_for_an_hour() -> None:
    async with waiting_agent() as worker, asyncio.TaskGroup() as tasks:
        question = tasks.create_task(worker.requests.elicit("files", "Which one?", {}))
        await eventually(lambda: len(worker.service.sent) == 2)
        assert wait_of(worker) == 1.0
        question.cancel()
