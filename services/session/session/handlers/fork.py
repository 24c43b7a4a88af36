"""What is done about forks."""

from contracts.session.forks import CompleteFork, FailFork, ForkSession
from eventing.handling import Handlers

from session.handlers.loading import Work, load_session

handles = Handlers()


@handles
async def fork_session(command: ForkSession, work: Work) -> None:
    """Open a session that knows what another one knew."""
    parent = await load_session(command.session_id, work)
    await work.save(parent.fork(command.fork_id, work.actor.user_id, command.name, command.from_message_id))


@handles
async def complete_fork(command: CompleteFork, work: Work) -> None:
    """Note that a fork has all it was to get."""
    session = await load_session(command.session_id, work)
    session.complete_fork(command.file_count, command.left_out)
    await work.save(session)


@handles
async def fail_fork(command: FailFork, work: Work) -> None:
    """Note that a fork will not get what it was to get."""
    session = await load_session(command.session_id, work)
    session.fail_fork(command.error_code, command.error_detail)
    await work.save(session)
