"""The queue of deliveries, as far as owners of webhooks change it."""

from typing import Any, assert_never

from contracts.webhook.delivery import DeliveryEvent, RedeliveryRequested, RedeliverySinceRequested, WebhookTested
from contracts.webhook.values import TEST_EVENT
from contracts.wire import FIRST_PAYLOAD_VERSION
from eventing.database import Connection
from eventing.recording import Recorded

from webhook.payloads import RETENTION, payload_of_test

ADD_PAYLOAD = "INSERT INTO payloads (event_id, version, belongs_to, body, expires_at) VALUES ($1, $2, $1, $3, $4)"
# A test has a resource of its own, so that it waits for no event.
ADD_TEST = """
    INSERT INTO deliveries (id, webhook_id, event_id, version, resource_id, type, created_at)
    VALUES ($1, $2, $1, $3, $1, $4, $5)"""
ADD_LANE = "INSERT INTO lanes (webhook_id, resource_id, next_at) VALUES ($1, $2, $3)"
REPEAT = """
    WITH repeated AS (
        UPDATE deliveries SET status = 'pending', attempt_count = 0, ended_at = NULL
        WHERE webhook_id = $1 AND (id = $2 OR (created_at >= $3 AND type <> $4 AND status = ANY($5)))
        RETURNING resource_id)
    INSERT INTO lanes AS l (webhook_id, resource_id, next_at)
    SELECT DISTINCT $1::uuid, resource_id, $6::timestamptz FROM repeated ORDER BY resource_id
    ON CONFLICT (webhook_id, resource_id) DO UPDATE
    SET next_at = CASE WHEN l.claim IS NULL THEN excluded.next_at ELSE l.next_at END"""
ENDED, FAILED = ["delivered", "failed"], ["failed"]


async def project_delivery(event: DeliveryEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Add a delivery to the queue, or put some back into it."""
    id, at = recorded.id, recorded.at
    match event:
        case WebhookTested():
            test_id = event.delivery_id
            body = payload_of_test(id, recorded.owner, test_id, at)
            await db.execute(ADD_PAYLOAD, test_id, FIRST_PAYLOAD_VERSION, body, at + RETENTION)
            await db.execute(ADD_TEST, test_id, id, FIRST_PAYLOAD_VERSION, TEST_EVENT, at)
            await db.execute(ADD_LANE, id, test_id, at)
        case RedeliveryRequested():
            await db.execute(REPEAT, id, event.delivery_id, None, TEST_EVENT, ENDED, at)
        case RedeliverySinceRequested():
            statuses = FAILED if event.only_failed else ENDED
            await db.execute(REPEAT, id, None, event.since, TEST_EVENT, statuses, at)
        case _:
            assert_never(event)
