"""The decisions of a Task about its triggers."""

from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal, not_found
from contracts.task_scheduler.trigger import (
    TriggerCreated,
    TriggerEvent,
    TriggerFired,
    TriggerRevoked,
    TriggerRotated,
    TriggerSecret,
    TriggerSecretsSet,
)
from contracts.task_scheduler.values import MAX_TRIGGERS

from task_scheduler.aggregate.state import State

OVERLAP = timedelta(hours=24)
"""How long the previous secret of a trigger remains valid."""
INTERVAL = timedelta(seconds=1)
"""A trigger may be fired once in this time on average."""
BURST = 60
"""A trigger may be fired this often at the same time, if it was not fired before."""


class Triggering(State):
    """Triggers, their secrets and their rate.

    The rate is limited by a token bucket, of which one value is enough: the time when it will be full again.
    """

    triggers: dict[UUID, datetime | None]
    """When the bucket of each trigger is full; None if it was never fired."""
    trigger_secrets: dict[UUID, TriggerSecret]

    def create_trigger(self, trigger_id: UUID, name: str, secret: str) -> None:
        """Create a trigger.

        Raises:
            Refusal: TOO_MANY_TRIGGERS.
        """
        if len(self.triggers) >= MAX_TRIGGERS:
            raise Refusal(Code.TOO_MANY_TRIGGERS, f"A task has at most {MAX_TRIGGERS} triggers. Revoke one first.")
        self.record(TriggerCreated(trigger_id=trigger_id, name=name))
        self._set_secrets(self.trigger_secrets | {trigger_id: TriggerSecret(secret=secret)})

    def rotate_trigger(self, trigger_id: UUID, secret: str, now: datetime) -> None:
        """Replace the secret of a trigger; the previous one stays valid for 24 hours, one before it does not.

        Raises:
            Refusal: TRIGGER_NOT_FOUND.
        """
        self._check_trigger(trigger_id)
        previous = self.trigger_secrets[trigger_id].secret
        rotated = TriggerSecret(secret=secret, previous=previous, previous_until=now + OVERLAP)
        self.record(TriggerRotated(trigger_id=trigger_id))
        self._set_secrets(self.trigger_secrets | {trigger_id: rotated})

    def revoke_trigger(self, trigger_id: UUID) -> None:
        """Revoke a trigger.

        Raises:
            Refusal: TRIGGER_NOT_FOUND.
        """
        self._check_trigger(trigger_id)
        self.record(TriggerRevoked(trigger_id=trigger_id))
        self._set_secrets({id: secret for id, secret in self.trigger_secrets.items() if id != trigger_id})

    def valid_secrets(self, trigger_id: UUID, now: datetime) -> tuple[str | None, str | None]:
        """Return the current and the previous secret of a trigger; None for one that is not valid."""
        stored = self.trigger_secrets.get(trigger_id)
        if stored is None:
            return None, None
        is_valid = stored.previous_until is not None and now < stored.previous_until
        return stored.secret, stored.previous if is_valid else None

    def fire_trigger(self, trigger_id: UUID, webhook_id: str, now: datetime) -> None:
        """Record that a verified request fired a trigger.

        Raises:
            Refusal: TASK_PAUSED, TRIGGER_RATE_LIMITED; TRIGGER_NOT_FOUND if it was revoked since the verification.
        """
        self._check_trigger(trigger_id)
        if self.paused:
            raise Refusal(Code.TASK_PAUSED, "The task is paused: its triggers start nothing until it is resumed.")
        wait = self._full_at(trigger_id, now) - now - (BURST - 1) * INTERVAL
        if wait > timedelta():
            seconds = -(-wait // timedelta(seconds=1))
            detail = f"A trigger can be fired {BURST} times per minute. Try again in {seconds} s."
            raise Refusal(Code.TRIGGER_RATE_LIMITED, detail)
        self.record(TriggerFired(trigger_id=trigger_id, webhook_id=webhook_id, at=now))

    def apply_trigger(self, event: TriggerEvent) -> None:
        """Fold one event of a trigger."""
        match event:
            case TriggerCreated():
                self.triggers[event.trigger_id] = None
            case TriggerRotated():
                pass
            case TriggerFired():
                self.triggers[event.trigger_id] = self._full_at(event.trigger_id, event.at) + INTERVAL
            case TriggerRevoked():
                del self.triggers[event.trigger_id]
            case TriggerSecretsSet():
                self.trigger_secrets = event.secrets
            case _:
                assert_never(event)

    def _full_at(self, trigger_id: UUID, now: datetime) -> datetime:
        full_at = self.triggers[trigger_id]
        # A bucket fills within BURST intervals. A later time was recorded before the clock was set back.
        return now if full_at is None or full_at - now > BURST * INTERVAL else max(full_at, now)

    def _check_trigger(self, trigger_id: UUID) -> None:
        if trigger_id not in self.triggers:
            raise not_found(Code.TRIGGER_NOT_FOUND, trigger_id, " in this task")

    def _set_secrets(self, secrets: dict[UUID, TriggerSecret]) -> None:
        self.record(TriggerSecretsSet(secrets=secrets))
