"""The settings of the service."""

import pytest
from pydantic import ValidationError
from webhook.settings import DAY, RETRY_SECONDS, Settings, pauses

REQUIRED = {"database_url": "postgresql://x", "nats_url": "nats://x", "ops_port": 0}


def test_attempts_are_made_for_three_days() -> None:
    assert 2.9 * DAY < sum(pauses(RETRY_SECONDS)) < 3.1 * DAY


@pytest.mark.parametrize("text", ["soon", "5,-1", "5,nan", "5,inf", ",".join(["1"] * 31), "0"])
def test_pauses_are_checked(text: str) -> None:
    with pytest.raises(ValidationError, match="numbers of seconds"):
        Settings.model_validate(REQUIRED | {"webhook_retry_seconds": text})


@pytest.mark.parametrize("name", ["webhook_timeout_seconds", "webhook_disable_seconds"])
def test_times_are_positive(name: str) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Settings.model_validate(REQUIRED | {name: 0})


def test_addresses_are_checked() -> None:
    with pytest.raises(ValidationError, match="neither a network"):
        Settings.model_validate(REQUIRED | {"webhook_allowed_addresses": "10.0.0.0/99"})
