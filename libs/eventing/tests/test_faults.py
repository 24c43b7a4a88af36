"""Validation errors in logs."""

import pytest
from eventing.error_text import describe_error
from eventing.testing.messages import OpenJar
from pydantic import ValidationError


def test_a_validation_error_names_the_fields_but_not_their_values() -> None:
    with pytest.raises(ValidationError, match="plantedsecret") as raised:
        OpenJar.model_validate({"jar_id": "plantedsecret"})
    reported = describe_error(raised.value)
    assert "jar_id" in reported
    assert "plantedsecret" not in reported
