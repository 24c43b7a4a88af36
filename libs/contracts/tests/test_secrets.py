"""Masking of secrets, and masks that clients send back."""

import pytest
from contracts.refusals import Code, Refusal
from contracts.secrets import MASK, masked, unmasked

FIELD = "sdk_options.env"


def test_masking_keeps_the_names_and_hides_the_values() -> None:
    assert masked({"TOKEN": "plantedsecret", "KEY": ""}) == {"TOKEN": MASK, "KEY": MASK}


def test_a_mask_is_replaced_by_the_stored_value() -> None:
    sent = {"TOKEN": MASK, "KEY": "new"}
    assert unmasked(sent, {"TOKEN": "plantedsecret", "KEY": "old"}, Code.VARIABLE_NOT_SET, FIELD) == {
        "TOKEN": "plantedsecret",
        "KEY": "new",
    }


def test_a_stored_value_that_is_not_sent_is_removed() -> None:
    assert unmasked({}, {"TOKEN": "plantedsecret"}, Code.VARIABLE_NOT_SET, FIELD) == {}


def test_a_mask_without_a_stored_value_is_refused() -> None:
    with pytest.raises(Refusal, match=r"sdk_options\.env: TOKEN has no stored value") as refused:
        unmasked({"TOKEN": MASK}, {"KEY": "old"}, Code.VARIABLE_NOT_SET, FIELD)
    assert refused.value.code is Code.VARIABLE_NOT_SET
