"""Files with MCP servers: those of other applications, our own, and hostile ones."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from contracts.mcp_registry.server import ServerExport
from contracts.samples import MCP_SERVER, USER
from gateway.problems import Problem
from gateway.server_files import child
from gateway.server_files import parser as parser_module
from gateway.server_files.formats import Entry, Style, read, written
from gateway.server_files.parser import FileParser
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.tests.cases import each

FILES = Path(__file__).parent / "server_files"
ME = UUID(USER)


@pytest.fixture
async def parser() -> AsyncGenerator[FileParser]:
    async with FileParser.open() as parser:
        yield parser


def servers(name: str) -> dict[str, dict[str, Any]]:
    """Return what a file defines, by the names of its servers."""
    entries = read(child.parse((FILES / name).read_text()))
    return {entry.name: entry.server.values(sent=True) for entry in entries if entry.server}


def entry(fields: Any, group: str = "mcpServers") -> Entry:
    """Return the only server of a file."""
    [found] = read({group: {"one": fields}})
    return found


def test_a_file_of_claude_desktop_is_read():
    found = servers("claude_desktop_config.json")
    assert found["filesystem"]["args"][2] == "/Users/ada/Desktop"
    assert found["brave-search"]["env"] == {"BRAVE_API_KEY": "BSA-1234", "MAX_RESULTS": "20", "DEBUG": "false"}
    assert (found["time"]["command"], found["time"]["is_enabled"]) == ("C:\\Tools\\uvx.exe", False)


def test_a_file_of_claude_code_is_read():
    found = servers("claude_code.mcp.json")
    assert {name: each["server_type"] for name, each in found.items()} == {
        "sentry": "HTTP",
        "asana": "SSE",
        "database": "STDIO",
    }
    assert found["sentry"]["headers"] == {"Authorization": "Bearer ${SENTRY_TOKEN}"}
    assert found["database"]["env"] == {"DB_URL": "${DB_URL:-postgres://localhost/app}"}


def test_a_file_of_cursor_is_read():
    found = servers("cursor.mcp.json")
    assert {name: each["server_type"] for name, each in found.items()} == {
        "docs": "HTTP",
        "events": "SSE",
        "tracker": "STDIO",
    }
    assert found["docs"]["headers"] == {"X-API-Key": "${env:DOCS_KEY}"}
    assert found["tracker"]["args"] == ["${workspaceFolder}/tools/tracker.py"]


def test_a_file_of_vs_code_with_comments_is_read():
    found = servers("vscode.mcp.json")
    assert found["github"]["url"] == "https://api.githubcopilot.com/mcp/"
    assert found["github"]["headers"] == {"Authorization": "Bearer ${input:github-token}"}
    assert found["playwright"]["args"] == ["-y", "@playwright/mcp@latest"]


def test_settings_of_vs_code_are_read():
    assert servers("vscode.settings.json")["time"]["command"] == "uvx"


def test_our_own_format_is_read_from_yaml():
    found = servers("native.yaml")
    first, second = found["Kubernetes MCP"], found["Staging"]
    assert first["args"] == ["--version", "1.10"]
    assert first["env"] == {"KUBECONFIG": "/path/to/kubeconfig", "DRY_RUN": "true", "COUNTRY": "NO", "EMPTY": ""}
    assert (second["network_hosts"], second["is_enabled"]) == (["*.example.com:6443"], False)


@each("kind", ["http", "streamable-http", "streamableHttp", "streamable_http"])
def test_names_of_the_transport_mean_http(kind: str):
    server = entry({"type": kind, "url": "https://example.com/sse"}).server
    assert server
    assert server.server_type == "HTTP"


@each("flag", [{"disabled": True}, {"enabled": False}])
def test_flags_of_other_applications_disable_a_server(flag: dict[str, Any]):
    server = entry({"command": "x", **flag}, "servers").server
    assert server
    assert not server.is_enabled


@each(
    ("fields", "error"),
    [
        ({"type": "ws", "url": "wss://example.com"}, "type: must be one of: stdio, http"),
        ({"type": ["stdio"], "command": "x"}, "type: must be one of"),
        ({"args": ["x"]}, "has neither `command` nor `url`"),
        (None, "has neither `command` nor `url`"),
        ("npx", "has neither `command` nor `url`"),
        ({"command": ["npx"]}, "command: Must be a string"),
        ({"command": "x", "args": "y"}, "args: Must be an array"),
        ({"command": "x", "args": [["y"]]}, "args.0: Must be a string"),
        ({"command": "x", "env": {"A": {}}}, "env.A: Must be a string"),
    ],
)
def test_an_error_in_a_server_is_explained(fields: Any, error: str):
    assert entry(fields).error.startswith(error)


def test_an_unknown_field_in_our_own_format_is_an_error():
    [found] = read({"mcp_servers": [{"name": "one", "server_type": "STDIO", "comand": "x"}]})
    assert (found.name, found.error) == ("one", "comand: Unknown field (did you mean `command`?)")


def test_a_server_without_a_name_is_counted():
    assert [found.name for found in read({"mcp_servers": [{}, 1]})] == ["server 1", "server 2"]


@each("content", [None, [], "x", {}, {"mcpServers": []}, {"mcp": 1}, {"mcp_servers": {}}])
def test_an_unknown_format_is_refused(content: Any):
    with pytest.raises(Problem, match="has none of the objects"):
        read(content)


def test_too_many_servers_are_refused():
    with pytest.raises(Problem, match="more than 200 servers"):
        read({"mcpServers": {str(number): None for number in range(201)}})


SLOW = b"/* " * 1_600_000
LAUGHS = "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))])


@each(
    ("data", "problem"),
    [
        (b"{", "not valid JSON"),
        (b'{"a": tru}', "in line 1"),
        (b"a: [", "not valid YAML"),
        (b"a: !!python/object/apply:os.system [id]", "not valid YAML"),
        (b"a: !!timestamp 2026-11-25", "values that are not text"),
        (b"true: x", "names that are not text"),
        (b"a: *b", "not valid YAML"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"a": "\\ud800"}', "Unicode"),
        (b"\xff\xfe", "not encoded in UTF-8"),
        (b"[" * 5_000_000, "nested"),
        (b"a: " + b"[" * 5_000, "not valid YAML|nested"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "nested more than 64"),
        (LAUGHS.encode(), "names and values"),
        (b"a: &a [*a]", "names and values"),
        (b"[" + b"1," * 60_000 + b"1]", "names and values"),
    ],
)
async def test_a_hostile_file_is_refused(parser: FileParser, data: bytes, problem: str):
    with pytest.raises(Problem, match=problem):
        await parser.parse(data, ME)


async def test_files_are_parsed_after_one_that_took_too_long(monkeypatch: pytest.MonkeyPatch):
    limits = replace(parser_module.LIMITS, cpu_seconds=0.2, wall_seconds=60)
    monkeypatch.setattr(parser_module, "LIMITS", limits)
    async with FileParser.open() as parser:
        with pytest.raises(Problem, match="it used too much CPU time"):
            await parser.parse(SLOW, ME)
        assert await parser.parse(b"a: {b: c}", ME) == {"a": {"b": "c"}}


async def test_a_byte_order_mark_is_ignored(parser: FileParser):
    assert await parser.parse(b'\xef\xbb\xbf{"a": 1.50}', ME) == {"a": "1.50"}


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
WORDS = st.sampled_from(["true", "no", "null", "~", "1.10", "0o17", "", "2026-11-25", "<<", "=", "*a", "&a", "${VAR}"])
VALUES = st.one_of(TEXT, WORDS)
NAMES = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name == name.strip()
)
SHARED = {
    "id": st.just(MCP_SERVER),
    "name": NAMES,
    "description": VALUES,
    "allowed_tools": st.none() | st.lists(VALUES),
    "is_global": st.booleans(),
    "is_enabled": st.booleans(),
}
PROGRAMS = st.fixed_dictionaries(
    SHARED
    | {
        "server_type": st.just("STDIO"),
        "command": VALUES,
        "args": st.lists(VALUES),
        "network_hosts": st.lists(VALUES),
        "workspace": st.sampled_from(["none", "read", "write"]),
        "env": st.dictionaries(VALUES, VALUES, max_size=3),
    }
)
REMOTES = st.fixed_dictionaries(
    SHARED
    | {
        "server_type": st.sampled_from(["HTTP", "SSE"]),
        "url": VALUES,
        "headers": st.dictionaries(VALUES, VALUES, max_size=3),
    }
)
EXPORTS = st.lists(
    st.one_of(PROGRAMS, REMOTES).map(ServerExport.model_validate), max_size=3, unique_by=lambda s: s.name
)
LOST = {"description", "allowed_tools", "is_global", "network_hosts", "workspace"}
"""Fields that other applications do not know."""


def dumped(exports: list[ServerExport]) -> list[dict[str, Any]]:
    return [export.model_dump(exclude={"id"}) for export in exports]


def imported(content: Any, file_format: str) -> list[dict[str, Any]]:
    """Return the servers of a file that an export wrote."""
    text = (
        json.dumps(content) if file_format == "json" else yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False)
    )
    found = [each.server for each in read(child.parse(text)) if each.server]
    return [server.values() for server in found]


@pytest.mark.parametrize("file_format", ["json", "yaml"])
@given(exports=EXPORTS)
def test_an_import_of_an_export_has_the_same_servers(exports: list[ServerExport], file_format: str):
    content = written(exports, "native", secrets=True)
    assert imported(content, file_format) == dumped(exports)


@pytest.mark.parametrize("style", ["mcpServers", "vscode"])
@given(exports=EXPORTS)
def test_other_styles_keep_what_they_know(exports: list[ServerExport], style: Style):
    kept = [{name: value for name, value in each.items() if name not in LOST} for each in dumped(exports)]
    found = imported(written(exports, style, secrets=True), "json")
    assert [{name: value for name, value in each.items() if name not in LOST} for each in found] == kept


def test_an_export_without_secrets_has_no_field_for_them():
    [program] = written([ServerExport.model_validate(EXPORTED)], "native", secrets=False)["mcp_servers"]
    assert not {"env", "headers", "url", "id"} & program.keys()


EXPORTED = {
    "id": MCP_SERVER,
    "name": "one",
    "server_type": "STDIO",
    "command": "x",
    "is_enabled": True,
    "env": {"A": "b"},
}


async def test_a_text_of_megabytes_is_parsed(parser: FileParser):
    text = "x" * (4 * 1024 * 1024)
    assert await parser.parse(f'{{"a": "{text}"}}'.encode(), ME) == {"a": text}
