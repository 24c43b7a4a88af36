"""Validation errors in logs."""

import pytest
from eventing.error_text import describe_error
from eventing.testing.messages import OpenJar
from pydantic import ValidationError


def test_a_validation_error_names_the_fields_but_not_their_values() -> None:
    with pytest.raises(ValidationError, match="s3cret") as raised:
        OpenJar.model_validate({"jar_id": "s3cret"})
    reported = describe_error(raised.value)
    assert "jar_id" in reported
    assert "s3cret" not in reported
