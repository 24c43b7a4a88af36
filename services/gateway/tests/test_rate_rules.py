"""The setting RATE_LIMITS, and any text as a setting of the gateway's limits."""

from collections.abc import Callable

import pytest
from gateway.clients.rates.rules import KINDS, PAYERS, Kind, Payer, Rules
from gateway.clients.rates.stream_limits import StreamLimits
from gateway.settings import Settings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.gateway.tests.cases import each


def found(text: str, payer: Payer, kind: Kind) -> tuple[str, list[tuple[int, int]]]:
    rule = Rules.parse(text).find(payer, kind)
    return rule.name, [(limit.amount, limit.get_expiry()) for limit in rule.limits]


def test_the_default_is_that_of_the_specification():
    assert found("", "user", "read") == ("default", [(60, 60), (1000, 3600)])


def test_limits_without_a_name_replace_the_default():
    assert found("5/second; 70 per 10 minutes", "user", "write") == ("default", [(5, 1), (70, 600)])


@each(
    ("payer", "kind", "name"),
    [
        ("admin", "read", "admin"),
        ("user", "stream", "stream"),
        ("admin", "stream", "stream"),
        ("viewer", "stream", "viewer.stream"),
        ("anonymous", "login", "default"),
    ],
)
def test_the_most_specific_rule_applies(payer: Payer, kind: Kind, name: str):
    text = "admin=600/minute, stream=10/minute, viewer.stream=2/minute"
    assert found(text, payer, kind)[0] == name


def test_none_is_unlimited():
    assert found("admin=none", "admin", "read") == ("admin", [])
    assert found("none", "user", "read") == ("default", [])


@each(
    "text",
    [
        *("many", "60", "60/fortnight", "=60/minute", "admin=", "0/minute", "-1/minute"),
        *("1/day", "2/2hours", "1/minute;2/60seconds"),
        *("root=1/minute", "admin.root=1/minute", "read.admin=1/minute"),
        *("1/minute,2/minute", "admin=1/minute,admin=none", "1/minute,default=none"),
    ],
)
def test_an_invalid_rule_is_refused_at_the_start(text: str):
    with pytest.raises(ValidationError) as refused:
        Settings(nats_url="nats://localhost", rate_limits=text)
    [error] = refused.value.errors()
    assert error["loc"] == ("rate_limits",)


PIECES = [*PAYERS, *KINDS, *"..,,===;/ ", "none", "default", "5", "0", "9" * 400, "minute", "hour", "5/minute", "٣"]


@pytest.mark.parametrize("parse", [Rules.parse, StreamLimits.parse])
@given(text=st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_setting_is_read_or_refused_with_an_example_that_is_read(parse: Callable[[str], object], text: str):
    try:
        parse(text)
    except ValueError as error:
        parse(str(error).partition("an example is ")[2])
