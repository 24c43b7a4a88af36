"""Handlers of commands about sessions as a whole."""

from contracts.session.session import ChangeSession, CreateSession, DeleteSession, PauseSession, ResumeSession
from eventing.handling import Handlers

from session.aggregate import Session, SessionTemplate
from session.ceilings.options import check_options
from session.dependencies import Work
from session.handlers.run import change_and_start_next

handles = Handlers()


@handles
async def create_session(command: CreateSession, work: Work) -> None:
    """Create a session for the actor."""
    mode, options = command.mode or "interactive", command.sdk_options
    if command.template_id:
        template = await work.load_visible(SessionTemplate, command.template_id)
        mode, options = command.mode or template.default_mode, template.sdk_options.overridden_by(options)
    check_options(options, work.actor.role, work.dependencies.ceilings)
    session = Session(command.session_id)
    session.create(work.actor.user_id, command.name, mode, options, command.template_id, command.metadata)
    session.increase_depth(command.depth)
    await work.save(session)


@handles
async def change_session(command: ChangeSession, work: Work) -> None:
    """Change a session; the next run uses the new options."""
    async with work.change(Session, command.session_id) as session:
        if command.sdk_options:
            check_options(command.sdk_options, work.actor.role, work.dependencies.ceilings)
        session.change(command.name, command.sdk_options, command.metadata)


@handles
async def pause_session(command: PauseSession, work: Work) -> None:
    """Pause a session: no further run starts."""
    async with work.change(Session, command.session_id) as session:
        session.pause()


@handles
async def resume_session(command: ResumeSession, work: Work) -> None:
    """Resume a paused session, or reopen an archived one."""
    async with change_and_start_next(command.session_id, work) as session:
        session.resume()


@handles
async def delete_session(command: DeleteSession, work: Work) -> None:
    """Delete a session."""
    async with work.change(Session, command.session_id) as session:
        session.delete()
