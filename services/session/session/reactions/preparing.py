"""Lets new sessions have an agent before their first run."""

from contracts.session.session import SessionCreated
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from session.agent import AgentSpec
from session.dependencies import Dependencies
from session.reactions.session import discard_if_deleted

reactions = Reactions()


@reactions.broadcast("prepare_agent")
async def prepare_agent(recorded: Recorded[SessionCreated], reaction: Reaction[Dependencies]) -> None:
    """Let a session claim a prestarted agent, and run in this replica. Of several that try to, one succeeds.

    A replica that stops leaves it to others.
    """
    dependencies, spares = reaction.dependencies, reaction.dependencies.agents.spares
    unsuitable = recorded.event.mode == "forked" or dependencies.places.stopping
    if unsuitable or not spares.may_prepare(recorded.owner):
        return
    ceiling = dependencies.ceilings.of(await dependencies.accounts.role(recorded.owner, recorded.envelope))
    options, workspace = ceiling.reduced(recorded.event.sdk_options), dependencies.workspace(recorded.id)
    spec = AgentSpec(recorded.id, workspace, options, ceiling=ceiling, owner=recorded.owner)
    try:
        if await spares.prepare(spec):
            await reaction.attract("run_agent")
    finally:
        await discard_if_deleted(recorded.id, reaction)
