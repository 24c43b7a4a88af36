"""Secrets of MCP servers are masked in what the servers send, without a change of its structure."""

from typing import Any

import pytest
from contracts.mcp_registry.values import ServerSecrets
from mcp.types import CallToolResult, TextContent
from runtime.secrets.redaction import redactor
from session.mcp.masking import masked, masked_json, secret_values, secret_words

REDACT = redactor(["plantedsecret-value", "12345678", '"},{"type":'])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("the plantedsecret-value", "the ***"),
        ({"plantedsecret-value": [True, None, 1.5]}, {"***": [True, None, 1.5]}),
        ({"pin": 12345678}, {"pin": "***"}),
        ([{"type": "a"}, {"type": "b"}], [{"type": "a"}, {"type": "b"}]),  # the third secret is part of its JSON
    ],
)
def test_secrets_are_masked_in_names_texts_and_numbers(value: Any, expected: Any) -> None:
    assert masked_json(value, REDACT) == expected


def test_a_result_is_masked() -> None:
    result = CallToolResult(content=[TextContent(type="text", text="plantedsecret-value")])
    assert masked(result, REDACT).content == [TextContent(type="text", text="***")]


def test_the_credentials_of_a_header_are_masked_without_their_scheme() -> None:
    secrets = ServerSecrets(headers={"Authorization": "Bearer long-enough"})
    assert secret_values(secrets) == ["Bearer long-enough", "long-enough"]


def test_headers_that_hold_no_secrets_and_short_values_are_not_masked() -> None:
    secrets = ServerSecrets(env={"DEBUG": "true"}, headers={"Content-Type": "application/json"})
    assert (secret_values(secrets), secret_words(secrets)) == ([], [])


def test_short_values_that_are_named_as_secrets_are_masked_as_words() -> None:
    env = {"PIN": "4711", "DB_PASSWORD": "hunter2", "SPINDLE": "4712", "AUTH": "none", "API_KEY": "abc"}
    secrets = ServerSecrets(env=env, headers={"Authorization": "Bearer tok3n"})
    assert secret_words(secrets) == ["4711", "hunter2", "tok3n"]


def test_a_short_secret_is_masked_in_a_result_but_not_in_other_words() -> None:
    redact = redactor([], secret_words(ServerSecrets(env={"PIN": "4711"})))
    assert masked_json({"pin": 4711, "text": "4711 of 47110"}, redact) == {"pin": "***", "text": "*** of 47110"}
