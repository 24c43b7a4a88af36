"""Handlers of commands about forks."""

from contracts.session.conversation import ListMessageIds
from contracts.session.fork import CompleteFork, FailFork, ForkSession
from eventing.handling import Handlers

from session.aggregate import Session
from session.ceilings.options import check_options
from session.dependencies import Work

handles = Handlers()


@handles
async def fork_session(command: ForkSession, work: Work) -> None:
    """Create a session as a copy of another one."""
    parent = await work.load_owned(Session, command.session_id)
    check_options(parent.sdk_options, work.actor.role, work.dependencies.ceilings)
    message_ids = await work.ask(ListMessageIds(session_id=command.session_id, until=command.from_message_id))
    await work.save(parent.fork(command.fork_id, work.actor.user_id, command.name, message_ids))


@handles
async def complete_fork(command: CompleteFork, work: Work) -> None:
    """Record that a fork is complete."""
    async with work.change(Session, command.session_id) as session:
        session.complete_fork(command.file_count, command.left_out, command.size_bytes)


@handles
async def fail_fork(command: FailFork, work: Work) -> None:
    """Record that a fork failed."""
    async with work.change(Session, command.session_id) as session:
        session.fail_fork(command.error_code, command.error_detail)
