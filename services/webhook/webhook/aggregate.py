"""Webhook: where events of a user, or of all users, are sent, its secrets, and whether it is active.

Deliveries are rows of a queue, not part of the aggregate: there are too many of them, and none decides anything.
"""

import re
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from contracts.event_types import EVENT_TYPES, MAX_PATTERNS, selection
from contracts.refusals import Code, Refusal
from contracts.webhook import WebhookEvent
from contracts.webhook.delivery import DeliveryEvent, RedeliveryRequested, RedeliverySinceRequested, WebhookTested
from contracts.webhook.values import DisabledReason, WebhookSecrets
from contracts.webhook.webhook import (
    LifecycleEvent,
    SecretRotated,
    WebhookChanges,
    WebhookCreated,
    WebhookDefinition,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEnabled,
    WebhookSecretsSet,
    WebhookUpdated,
)
from contracts.wire import FIRST_PAYLOAD_VERSION, PAYLOAD_VERSION
from eventing.aggregate import Aggregate

OVERLAP = timedelta(hours=24)
"""How long the previous secret signs requests, too."""
MAX_URL, MAX_DESCRIPTION = 2048, 2000
"""In characters."""
MAX_PORT, MAX_PORT_DIGITS = 65535, 5

# Without user and password, which would be stored in clear.
_URL = re.compile(r"(?ai:https?)://([^/?#@\\\x00-\x20\x7f-\U0010ffff]+)([/?][!\"$-~]*)?")


class Webhook(Aggregate[WebhookEvent]):
    """A webhook of a user."""

    missing = Code.WEBHOOK_NOT_FOUND
    secrets = {"keys": WebhookSecretsSet}

    user_id: UUID
    definition: WebhookDefinition
    keys: WebhookSecrets
    is_active: bool

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.keys, self.is_active = WebhookSecrets(), True

    @property
    def owner(self) -> UUID:
        """The user who created the webhook."""
        return self.user_id

    def create(self, user_id: UUID, definition: WebhookDefinition, secret: str) -> None:
        """Create the webhook.

        Raises:
            Refusal: INVALID_WEBHOOK, INVALID_EVENT_NAME.
        """
        _check(definition)
        self.record(WebhookCreated(user_id=user_id, definition=definition))
        self._set_secrets(WebhookSecrets(current=secret))

    def change(self, changes: WebhookChanges) -> None:
        """Change the fields that are set, and activate or disable the webhook. Records only what changes.

        Raises:
            Refusal: INVALID_WEBHOOK, INVALID_EVENT_NAME.
        """
        names = changes.model_fields_set & {"url", "types", "description"}
        sent = {name: value for name in names if (value := getattr(changes, name)) is not None}
        definition = self.definition.model_copy(update=sent)
        _check(definition)
        if definition != self.definition:
            self.record(WebhookUpdated(definition=definition))
        if changes.is_active is True and not self.is_active:
            self.record(WebhookEnabled())
        elif changes.is_active is False:
            self.disable("requested")

    def rotate(self, secret: str, now: datetime) -> None:
        """Replace the secret; the previous one signs requests for a day, too, one before it no longer."""
        self.record(SecretRotated())
        self._set_secrets(WebhookSecrets(current=secret, previous=self.keys.current, previous_until=now + OVERLAP))

    def disable(self, reason: DisabledReason) -> None:
        """Disable the webhook. Records nothing if it is disabled."""
        if self.is_active:
            self.record(WebhookDisabled(reason=reason))

    def delete(self) -> None:
        """Delete the webhook with its secrets."""
        self.record(WebhookDeleted(user_id=self.user_id))

    def test(self, delivery_id: UUID) -> None:
        """Request a test."""
        self.record(WebhookTested(delivery_id=delivery_id))

    def redeliver(self, delivery_id: UUID) -> None:
        """Request that a delivery is repeated.

        Raises:
            Refusal: WEBHOOK_DISABLED.
        """
        self._check_active()
        self.record(RedeliveryRequested(delivery_id=delivery_id))

    def redeliver_since(self, since: datetime, *, only_failed: bool) -> None:
        """Request that the deliveries of all events since a time are repeated, or those that failed.

        Raises:
            Refusal: WEBHOOK_DISABLED.
        """
        self._check_active()
        self.record(RedeliverySinceRequested(since=since, only_failed=only_failed))

    def _check_active(self) -> None:
        if not self.is_active:
            raise Refusal(Code.WEBHOOK_DISABLED, "The webhook is disabled. Activate it first.")

    def _set_secrets(self, secrets: WebhookSecrets) -> None:
        self.record(WebhookSecretsSet(**dict(secrets)))

    def apply_lifecycle(self, event: LifecycleEvent) -> None:
        """Fold one event of the webhook's life cycle."""
        match event:
            case WebhookCreated():
                self.user_id, self.definition = event.user_id, event.definition
            case WebhookUpdated():
                self.definition = event.definition
            case WebhookSecretsSet():
                self.keys = WebhookSecrets(
                    current=event.current, previous=event.previous, previous_until=event.previous_until
                )
            case SecretRotated():
                pass
            case WebhookEnabled():
                self.is_active = True
            case WebhookDisabled():
                self.is_active = False
            case WebhookDeleted():
                self.deleted, self.is_active = True, False
            case _:
                assert_never(event)

    def apply_delivery(self, event: DeliveryEvent) -> None:
        """Fold one event about deliveries, which the aggregate does not keep."""
        match event:
            case WebhookTested() | RedeliveryRequested() | RedeliverySinceRequested():
                pass
            case _:
                assert_never(event)


def _check(definition: WebhookDefinition) -> None:
    """Check a definition.

    Raises:
        Refusal: INVALID_WEBHOOK, with the field and what is wrong; INVALID_EVENT_NAME.
    """
    url = _URL.fullmatch(definition.url) if len(definition.url) <= MAX_URL else None
    if url is None or not _has_valid_port(url[1]):
        raise _invalid("url: must be http:// or https:// with a host, without a user, a password or a fragment")
    if len(definition.description) > MAX_DESCRIPTION or "\0" in definition.description:
        raise _invalid(f"description: must have at most {MAX_DESCRIPTION} characters, none of them NUL")
    if not FIRST_PAYLOAD_VERSION <= definition.payload_version <= PAYLOAD_VERSION:
        raise _invalid(f"payload_version: must be from {FIRST_PAYLOAD_VERSION} to {PAYLOAD_VERSION}")
    _check_types(definition.types)


def _check_types(types: list[str]) -> None:
    """Check the types of events: each pattern has to match an event of this release, so that no typing error is kept.

    Raises:
        Refusal: INVALID_WEBHOOK, INVALID_EVENT_NAME.
    """
    if not 0 < len(types) <= MAX_PATTERNS:
        raise _invalid(f"types: must have 1 to {MAX_PATTERNS} types of events")
    for pattern in types:
        try:
            selected = selection([pattern])
        except ValueError as reason:
            raise Refusal(Code.INVALID_EVENT_NAME, f"types: {reason}.") from None
        if not any(map(selected, EVENT_TYPES)):
            raise Refusal(Code.INVALID_EVENT_NAME, f"types: no event type matches {pattern}; see `/docs/events`.")


def _has_valid_port(authority: str) -> bool:
    """Return whether the port of a host is one, if it has one."""
    _, colon, port = authority.rpartition("]")[2].rpartition(":")
    return not colon or (port.isdecimal() and len(port) <= MAX_PORT_DIGITS and 0 < int(port) <= MAX_PORT)


def _invalid(problem: str) -> Refusal:
    return Refusal(Code.INVALID_WEBHOOK, f"{problem}.")
