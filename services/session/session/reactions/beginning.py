"""Decides whether an agent of a run may begin, and how it works."""

from functools import partial

from contracts.identity.values import Role
from contracts.refusals import Refusal
from contracts.session.run_view import RunSummary
from contracts.session.session_view import SessionView
from eventing.reactions import Reaction
from eventing.retrying import retry_transient

from session.agent import AgentSpec
from session.dependencies import Dependencies
from session.quotas.accounts import Standing, owner_disabled
from session.reactions.limits import Earlier, remaining_budget
from session.reactions.mcp import resolved_servers
from session.reactions.recording import Requested
from session.workspace import StorageFailed, convert_storage_errors


async def refusal_to_begin(
    run: RunSummary, recorded: Requested, standing: Standing, reaction: Reaction[Dependencies]
) -> StorageFailed | Refusal | None:
    """Return why no agent may begin: the owner is disabled or may store no more, or the workspace is full; or None."""
    dependencies, files = reaction.dependencies, reaction.dependencies.files(run.session_id)
    storage, writing = dependencies.storage, dependencies.writing
    if run.attempt > 1:  # an earlier agent has worked, maybe in another replica
        files.changed()
    try:
        if not standing.is_active:
            raise owner_disabled()
        await convert_storage_errors(writing.run(files.check_quota))
        if standing.changes is not None:
            measure = partial(writing.run, files.size)
            await retry_transient(partial(storage.store_size, run.session_id, measure, standing.changes))
        if standing.storage_bytes is not None:
            await retry_transient(lambda: storage.check(recorded.owner, recorded.envelope.actor))
    except (StorageFailed, Refusal) as failure:
        return failure
    return None


async def agent_spec(
    run: RunSummary,
    session: SessionView,
    recorded: Requested,
    role: Role,
    earlier: Earlier,
    reaction: Reaction[Dependencies],
) -> AgentSpec:
    """Return how the next agent of a run works. Raises as `Earlier.rest` and `remaining_budget` do.

    Its options are within the ceiling of the role that the session's owner has now, not when the options were set.
    """
    dependencies, ceiling = reaction.dependencies, reaction.dependencies.ceilings.of(role)
    options = await earlier.rest(run, ceiling.reduced(session.sdk_options), dependencies.transcripts.database)
    options = await dependencies.environments.revealed(run.session_id, options)
    return AgentSpec(
        run.session_id,
        dependencies.workspace(run.session_id),
        options,
        await resolved_servers(options.mcp_servers or [], session.depth, reaction),
        ceiling,
        run.id,
        run.attempt,
        remaining_budget(session, run, options),
        recorded.owner,
        earlier.worked_ms,
    )
