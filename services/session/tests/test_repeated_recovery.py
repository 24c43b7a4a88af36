"""What becomes of a run if the worker or agent that goes on with it is lost, too."""

from collections.abc import AsyncGenerator
from unittest.mock import AsyncMock

import pytest
from session.agent import AgentEvent, Ask
from session.agent.transcript import Transcripts
from session.reactions.approval import OUTCOMES
from session.storage import Storage

from services.session.tests.desk import Desk
from services.session.tests.test_recovery import finish, lose_in_call
from services.session.tests.worker import FINISHED, MESSAGE, Worker

SIZE = "SELECT workspace_bytes FROM session_storage WHERE session_id = $1"


@pytest.fixture
async def worker(desk: Desk) -> Worker:
    """The worker of a run whose first one was lost in the middle of a call, about which people are to be asked."""
    worker = Worker(desk, await desk.submit(await desk.create()))
    worker.transcripts = Transcripts(desk.database)  # pyright: ignore[reportAttributeAccessIssue]  instead of a mock
    await lose_in_call(worker, "ask")
    return worker


async def fail(_: Ask) -> AsyncGenerator[AgentEvent]:
    raise ConnectionError
    yield FINISHED


async def answer_and_fail(_: Ask) -> AsyncGenerator[AgentEvent]:
    yield MESSAGE
    raise ConnectionError


async def test_a_decision_is_in_the_prompt_until_an_agent_has_answered(worker: Worker) -> None:
    await worker.work(finish)
    await worker.decide()
    for turn in (fail, answer_and_fail):
        with pytest.raises(ConnectionError):
            await worker.work(turn)
    await worker.work(finish)
    assert [OUTCOMES in prompt for prompt in worker.prompts] == [True, True, False]


async def test_what_a_lost_agent_wrote_is_counted_while_people_are_asked(worker: Worker) -> None:
    session_id, database = worker.run.session_id, worker.desk.database
    await Storage(database).measure(session_id, AsyncMock(return_value=1))
    worker.workspace.size = lambda: 7
    await worker.work(finish)
    assert await database.fetchval(SIZE, session_id) == 7
