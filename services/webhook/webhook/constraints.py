"""What no webhook decides alone: how many of them a user has."""

from contracts.refusals import Code, Refusal
from contracts.webhook.values import MAX_WEBHOOKS
from contracts.webhook.webhook import WebhookCreated
from eventing.constraints import Constraints
from eventing.database import Connection
from eventing.recording import Recorded

LOCK_USER = "SELECT pg_advisory_xact_lock(hashtextextended('webhook: webhooks ' || $1::uuid, 0))"
NUMBER_OF_WEBHOOKS = "SELECT count(*) FROM webhooks WHERE user_id = $1"

constrains = Constraints()


@constrains
async def check_number(recorded: Recorded[WebhookCreated], db: Connection) -> None:
    """Check that the user may have one more webhook: each event of the user is stored and sent for each of them.

    Raises:
        Refusal: TOO_MANY_WEBHOOKS.
    """
    actor = recorded.envelope.actor
    if actor is None or actor.role == "admin":
        return
    await db.execute(LOCK_USER, recorded.owner)
    if await db.fetchval(NUMBER_OF_WEBHOOKS, recorded.owner) >= MAX_WEBHOOKS:
        raise Refusal(Code.TOO_MANY_WEBHOOKS, f"You have {MAX_WEBHOOKS} webhooks. Delete one first.")
