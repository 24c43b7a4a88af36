"""The events of deleted sessions and templates are erased."""

import pytest
from contracts.refusals import Code, Refusal
from contracts.session.run import RecordRunUsage
from contracts.session.session import CreateSession, DeleteSession, PauseSession
from contracts.session.template import CreateTemplate, DeleteTemplate
from contracts.session.values import SdkOptions, Usage
from eventing.database import Database
from eventing.store import Conflict
from eventing.testing.breaking import WORD, dump_events, erase_deleted
from runtime.clock import new_id

from services.session.tests.desk import Desk


async def erase(desk: Desk, owner: Database) -> None:
    """Erase what was deleted, and assert that the word was there before and is not any more."""
    assert WORD in await dump_events(owner)
    await erase_deleted(desk.database, owner)
    assert WORD not in await dump_events(owner)


async def test_events_of_a_deleted_session_are_erased(desk: Desk, owner: Database) -> None:
    id = await desk.create(WORD)
    await desk.send(DeleteSession(session_id=id))
    await erase(desk, owner)


async def test_commands_on_an_erased_session_are_refused(desk: Desk, owner: Database) -> None:
    id = await desk.create(WORD)
    run = await desk.submit(id)
    await desk.send(DeleteSession(session_id=id))
    await erase(desk, owner)
    for command in (DeleteSession(session_id=id), PauseSession(session_id=id)):
        with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
            await desk.send(command)
    with pytest.raises(Conflict):
        await desk.send(CreateSession(session_id=id, name="again", mode="interactive", sdk_options=SdkOptions()))
    usage = Usage(input_tokens=1)
    await desk.send(RecordRunUsage(session_id=id, run_id=run.id, usage=usage, attempt=1))
    assert await owner.fetchval("SELECT count(*) FROM events WHERE topic NOT LIKE '%;erased'") == 1


async def test_events_of_a_deleted_template_are_erased(desk: Desk, owner: Database) -> None:
    template = await desk.send(CreateTemplate.example().model_copy(update={"template_id": new_id(), "name": WORD}))
    await desk.send(DeleteTemplate(template_id=template.id))
    await erase(desk, owner)
    with pytest.raises(Refusal, match=Code.TEMPLATE_NOT_FOUND):
        await desk.send(DeleteTemplate(template_id=template.id))
