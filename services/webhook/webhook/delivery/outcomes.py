"""What follows from an attempt: when the next attempt is made, or how the delivery ends."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from contracts.webhook.values import TEST_EVENT, Attempt
from runtime import clock

from webhook.delivery.claims import Claimed, Ended

JITTER = 0.2
"""The part of a pause by which it may be shorter or longer, so that not all deliveries are made at the same time."""
HELD_SECONDS = 300.0
"""When a lane is looked at again whose webhook is disabled or deleted: such lanes are moved or removed together."""
UNKNOWN_SECONDS = 5.0
"""When a lane is looked at again whose owner may not be known at present."""
EXPIRED = "The payload is no longer stored."


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of attempts; `pauses` are those before the second attempt, the third and so on."""

    pauses: Sequence[float]

    def of(self, claimed: Claimed, attempt: Attempt) -> Ended:
        """Return the outcome of an attempt."""
        is_test, made = claimed.type == TEST_EVENT, claimed.attempt_count or 0
        if attempt.error is None:
            return Ended(claimed, 0.0, "delivered", attempt, counts=not is_test)
        if attempt.status_code == HTTPStatus.GONE and not is_test:
            return Ended(claimed, HELD_SECONDS, "failed", attempt, disable="gone")
        if is_test or made >= len(self.pauses):
            return Ended(claimed, 0.0, "failed", attempt, counts=not is_test)
        jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  no secret
        return Ended(claimed, self.pauses[made] * jitter, "pending", attempt)


def expired(claimed: Claimed) -> Ended:
    """Return the outcome of a delivery that cannot be made, because its payload was erased."""
    attempt = Attempt(at=clock.now(), status_code=None, latency_ms=0.0, error=EXPIRED, answer="")
    return Ended(claimed, 0.0, "failed", attempt, counts=False)


def postponed(claimed: Claimed, seconds: float) -> Ended:
    """Return the outcome of a claim that no request was made for."""
    return Ended(claimed, seconds)
