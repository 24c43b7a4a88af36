"""The rules for definitions and secrets."""

from typing import Any

import pytest
from contracts.mcp_registry.values import ServerSecrets
from contracts.refusals import Code
from eventing.testing import refused
from mcp_registry.aggregate.definition import check_definition, check_secrets

from .samples import program, remote

VALID_PROGRAMS: list[dict[str, Any]] = [
    {"name": "Kubernetes — Köln"},
    {"args": ["-y", "@scope/server", ""], "network_hosts": ["*"], "workspace": "write"},
    {"network_hosts": ["api.example.com", "example.com:443", "*.example.com", "[::1]:80", "10.0.0.1"]},
    {"allowed_tools": []},
]
INVALID_PROGRAMS: list[tuple[str, Any]] = [
    ("name", ""),
    ("name", "x" * 65),
    ("name", "a\nb"),
    ("name", " a"),
    ("name", "a\u202eb"),
    ("name", "0197a1f0-0000-7000-8000-000000000013"),
    ("name", "\uff10197a1f0-0000-7000-8000-000000000013"),
    ("description", "x" * 2001),
    ("command", None),
    ("command", ""),
    ("command", "a\0b"),
    ("command", "x" * 4097),
    ("args", ["x"] * 101),
    ("args", ["é" * 2049]),
    ("args", ["a\0"]),
    ("url", "https://example.com"),
    ("network_hosts", ["*"] * 101),
    ("network_hosts", ["https://example.com"]),
    ("network_hosts", ["example.*"]),
    ("network_hosts", ["example.com:https"]),
    ("allowed_tools", ["x"] * 501),
    ("allowed_tools", [""]),
]
VALID_URLS = ["http://localhost:8080", "https://example.com/mcp?a=b&c=%20", "https://[::1]/@scope/mcp", "HTTPS://A.b"]
INVALID_REMOTES: list[tuple[str, Any]] = [
    ("url", None),
    ("url", ""),
    ("url", "ftp://example.com"),
    ("url", "https://example.com:65536/mcp"),
    ("url", "https://[2001:db8::1]:0"),
    ("url", "https://example.com:x?a"),
    ("url", "https://example.com:" + "9" * 2000),
    ("url", "//example.com"),
    ("url", "https://"),
    ("url", "https:///path"),
    ("url", "https://user:secret@example.com"),
    ("url", "https://example.com\\@evil.example"),
    ("url", "https://example.com/#fragment"),
    ("url", "https://example.com/a b"),
    ("url", "https://exämple.com"),
    ("url", "https://example.com/\n"),
    ("url", "https://example.com/" + "x" * 2048),
    ("command", "npx"),
    ("args", ["-y"]),
    ("network_hosts", ["*"]),
    ("workspace", "read"),
]
INVALID_ENV = [
    {"": "1"},
    {"1A": "1"},
    {"A=B": "1"},
    {"A": "a\0b"},
    {"A": "x" * (32 * 1024 + 1)},
    {f"A{n}": "1" for n in range(101)},
    {f"A{n}": "x" * 32 * 1024 for n in range(2)},
]
INVALID_HEADERS = [
    {"": "1"},
    {"A B": "1"},
    {"A:": "1"},
    {"X": "a\r\nY: b"},
    {"X": " a"},
    {"X": "€"},
    {"Host": "example.com"},
    {"content-LENGTH": "1"},
    {"Mcp-Session-Id": "1"},
    {"X-Key": "1", "x-key": "2"},
]


@pytest.mark.parametrize("fields", VALID_PROGRAMS)
def test_a_valid_program_is_accepted(fields: dict[str, Any]) -> None:
    check_definition(program(**fields))


@pytest.mark.parametrize(("field", "value"), INVALID_PROGRAMS)
def test_an_invalid_field_of_a_program_is_named(field: str, value: Any) -> None:
    detail = refused(Code.INVALID_SERVER, lambda: check_definition(program(**{field: value})))
    assert detail.startswith(f"{field}: ")


@pytest.mark.parametrize("url", VALID_URLS)
def test_a_valid_url_is_accepted(url: str) -> None:
    check_definition(remote(url=url))


@pytest.mark.parametrize("server_type", ["HTTP", "SSE"])
@pytest.mark.parametrize(("field", "value"), INVALID_REMOTES)
def test_an_invalid_field_of_a_remote_server_is_named(server_type: str, field: str, value: Any) -> None:
    definition = remote(server_type=server_type, **{field: value})
    assert refused(Code.INVALID_SERVER, lambda: check_definition(definition)).startswith(f"{field}: ")


def test_valid_secrets_are_accepted() -> None:
    check_secrets(program(), ServerSecrets(env={"TOKEN": "line\nline", "_a1": "", "KEEP": "${VAR}"}))
    check_secrets(remote(), ServerSecrets(headers={"Authorization": "Bearer a b", "X_Y~1": "", "X": "é"}))


@pytest.mark.parametrize("env", INVALID_ENV)
def test_invalid_variables_are_refused(env: dict[str, str]) -> None:
    refused(Code.INVALID_SERVER, lambda: check_secrets(program(), ServerSecrets(env=env)))


@pytest.mark.parametrize("headers", INVALID_HEADERS)
def test_invalid_headers_are_refused(headers: dict[str, str]) -> None:
    refused(Code.INVALID_SERVER, lambda: check_secrets(remote(), ServerSecrets(headers=headers)))


def test_a_program_has_no_headers() -> None:
    refused(Code.INVALID_SERVER, lambda: check_secrets(program(), ServerSecrets(headers={"X": "1"})))


def test_a_remote_server_has_no_variables() -> None:
    refused(Code.INVALID_SERVER, lambda: check_secrets(remote(), ServerSecrets(env={"A": "1"})))
