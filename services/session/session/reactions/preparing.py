"""Lets new sessions have an agent before their first run."""

from contracts.session.session import SessionCreated
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from session.agent import AgentSpec
from session.dependencies import Dependencies
from session.reactions.session import discard_if_deleted

reactions = Reactions()


def may_prepare(recorded: Recorded[SessionCreated], dependencies: Dependencies) -> bool:
    """Return whether a new session may claim an agent of this replica; one that stops leaves it to others."""
    unsuitable = recorded.event.mode == "forked" or dependencies.places.stopping
    return not unsuitable and dependencies.agents.spares.may_prepare(recorded.owner)


@reactions.local("prepare_agent", when=may_prepare)
async def prepare_agent(recorded: Recorded[SessionCreated], reaction: Reaction[Dependencies]) -> None:
    """Let a session claim a prestarted agent of the replica that has created it, and run there."""
    dependencies, spares = reaction.dependencies, reaction.dependencies.agents.spares
    ceiling = dependencies.ceilings.of(await dependencies.accounts.role(recorded.owner, recorded.envelope))
    options, workspace = ceiling.reduced(recorded.event.sdk_options), dependencies.workspace(recorded.id)
    spec = AgentSpec(recorded.id, workspace, options, ceiling=ceiling, owner=recorded.owner)
    is_claimed = False
    try:
        if is_claimed := await spares.prepare(spec):
            await reaction.attract("run_agent")
    finally:
        if is_claimed or await dependencies.blocking.run(workspace.exists):  # if only in vain
            await discard_if_deleted(recorded.id, reaction)
