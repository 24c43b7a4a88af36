import pytest
from eventing.error_text import describe_error
from eventing.testing.messages import OpenJar
from pydantic import ValidationError


def test_what_could_not_be_read_is_told_by_its_fields_and_not_by_what_it_holds() -> None:
    with pytest.raises(ValidationError, match="s3cret") as raised:
        OpenJar.model_validate({"jar_id": "s3cret"})
    told = describe_error(raised.value)
    assert "jar_id" in told
    assert "s3cret" not in told
