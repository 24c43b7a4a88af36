from contracts.session.session import GetSession, PauseSession, ResumeSession
from eventing.database import Database
from eventing.migrating import migrate
from onebox.testing.databases import Databases
from session.app import service

from tests.bench.in_process import dispatcher
from tests.bench.samples import new_command, new_envelope


async def test_the_commands_that_benchmarks_handle_in_process_succeed(databases: Databases) -> None:
    async with databases.fresh() as url, Database.open(url, service.name) as database:
        await migrate(database, service.migrations)
        handling, create = dispatcher(service.store(database), database), new_command()
        id = create.session_id
        for command in (create, PauseSession(session_id=id), ResumeSession(session_id=id)):
            await handling.send(command, new_envelope())
        session = await handling.ask(GetSession(session_id=id), new_envelope())
    assert (session.id, session.status) == (id, "created")
