"""What is done about sessions."""

from contracts.refusals import Code, Refusal
from contracts.session.commands import CreateSession, DeleteSession, PauseSession, ResumeSession
from eventing.handling import Handlers

from session.aggregate import Session
from session.handlers.loading import Work, load_session

handles = Handlers()


@handles
async def create_session(command: CreateSession, work: Work) -> None:
    """Open a session for the actor."""
    if command.template_id:
        raise Refusal(Code.TEMPLATE_NOT_FOUND, f"There is no template {command.template_id}.")
    if command.sdk_options.permission_mode == "bypassPermissions" and work.actor.role != "admin":
        raise Refusal(Code.ADMINS_ONLY, "The permission mode bypassPermissions is for admins only.")
    session = Session(command.session_id)
    session.create(work.actor.user_id, command.name, command.mode, command.sdk_options)
    await work.save(session)


@handles
async def pause_session(command: PauseSession, work: Work) -> None:
    """Let no further run begin."""
    session = await load_session(command.session_id, work)
    session.pause()
    await work.save(session)


@handles
async def resume_session(command: ResumeSession, work: Work) -> None:
    """Let runs begin again."""
    session = await load_session(command.session_id, work)
    session.resume()
    await work.save(session)


@handles
async def delete_session(command: DeleteSession, work: Work) -> None:
    """End a session for good."""
    session = await load_session(command.session_id, work)
    session.delete()
    await work.save(session)
