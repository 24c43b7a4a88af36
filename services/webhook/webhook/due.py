"""The due times of webhooks: at once, when the deliverer has found that one has to be disabled."""

from typing import get_args

from contracts.webhook.values import DisabledReason
from contracts.webhook.webhook import DisableWebhook
from eventing.due import DueKind


def _kind(reason: DisabledReason) -> DueKind:
    return DueKind(f"disable_{reason}", lambda due: DisableWebhook(webhook_id=due.id, reason=reason))


DISABLE: dict[DisabledReason, DueKind] = {
    reason: _kind(reason) for reason in get_args(DisabledReason.__value__) if reason != "requested"
}
DUE_KINDS = tuple(DISABLE.values())
