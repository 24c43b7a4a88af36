"""The settings of the webhook service."""

from typing import Annotated

from eventing.service import SecretServiceSettings
from pydantic import AfterValidator, Field, PositiveFloat
from runtime.http.addresses import AddressRules
from runtime.settings import AddressList

ADDRESSES = "WEBHOOK_ALLOWED_ADDRESSES"
MAX_PAUSES = 30
DAY = 24 * 3600.0
RETRY_SECONDS = "5,30,300,1800,7200,18000,36000,50400,72000,72000"
"""Three days altogether."""


def pauses(text: str) -> tuple[float, ...]:
    """Return the pauses in a list of seconds, separated by commas."""
    return tuple(float(part) for part in text.split(",") if part.strip())


def _pauses(text: str) -> str:
    try:
        valid = len(pauses(text)) <= MAX_PAUSES and all(0 < seconds <= 7 * DAY for seconds in pauses(text))
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"must be at most {MAX_PAUSES} numbers of seconds, separated by commas")
    return text


class Settings(SecretServiceSettings):
    """Settings, read from the environment.

    A receiver may be at a loopback, private or other special address only if that is in `webhook_allowed_addresses`. It
    has to answer within `webhook_timeout_seconds`. After the attempts to deliver an event fail, the next ones follow
    `webhook_retry_seconds` later, each up to a fifth earlier or later; after the last of them the delivery has failed.
    A webhook none of whose requests has succeeded for `webhook_disable_seconds` is disabled.
    """

    webhook_allowed_addresses: AddressList = ""
    webhook_timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    webhook_retry_seconds: Annotated[str, AfterValidator(_pauses)] = RETRY_SECONDS
    webhook_disable_seconds: PositiveFloat = 10 * DAY

    @property
    def address_rules(self) -> AddressRules:
        """The addresses that receivers may have."""
        return AddressRules.parse(self.webhook_allowed_addresses, setting=ADDRESSES)

    @property
    def retry_pauses(self) -> tuple[float, ...]:
        """The pauses before the second and each further attempt, in seconds."""
        return pauses(self.webhook_retry_seconds)
