"""What is done about sessions."""

from contracts.session.session import ChangeSession, CreateSession, DeleteSession
from eventing.handling import Handlers

from session.aggregate import Session, SessionTemplate
from session.dependencies import Work
from session.handlers.options import check_options

handles = Handlers()


@handles
async def create_session(command: CreateSession, work: Work) -> None:
    """Open a session for the actor."""
    mode, options = command.mode or "interactive", command.sdk_options
    if command.template_id:
        template = await work.load_visible(SessionTemplate, command.template_id)
        mode, options = command.mode or template.default_mode, template.sdk_options.overridden_by(options)
    check_options(options, work)
    session = Session(command.session_id)
    session.create(work.actor.user_id, command.name, mode, options, command.template_id)
    await work.save(session)


@handles
async def change_session(command: ChangeSession, work: Work) -> None:
    """Change a session; the next run goes by it."""
    async with work.change(Session, command.session_id) as session:
        if command.sdk_options:
            check_options(command.sdk_options, work)
        session.change(command.name, command.sdk_options, command.metadata)


@handles
async def delete_session(command: DeleteSession, work: Work) -> None:
    """End a session for good."""
    async with work.change(Session, command.session_id) as session:
        session.delete()
