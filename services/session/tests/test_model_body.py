"""Parsing of request bodies, in any spelling of the JSON."""

import json
from typing import Any

import pytest
from onebox.testing.cases import every_case
from session.agent.model_proxy import body as body_module
from session.agent.model_proxy.body import InvalidBody, checked

HOSTILE = [
    b"",
    b"[]",
    b'"model"',
    b"{}",
    b'{"model": 1}',
    b'{"model": ["m"]}',
    b'{"model": null}',
    b'{"model": "m"',
    b'{"model": "m',
    b'{"model": "m"}{"model": "n"}',
    b'{"model": "m", "model": "n"}',
    b'{"model": "m", "mod\\u0065l": "n"}',
    b'{"model": "m", "MODEL": "n"}',
    b'{"model": "m", "Model"   :   "n"}',
    b'{"model": "m", "tools": [{}, "]"], "model": "n"}',
    b'{"model": "m", "system": "\\"}", "model": "n"}',
    b'{"model": "m", "system": "\\\\", "model": "n"}',
    b'{"mod\\u0065l": "m"}',
    b'{"metadata": {"model": "m"}}',
    b'\xef\xbb\xbf{"model": "m"}',
    '{"model": "m"}'.encode("utf-16"),
    '{"model": "m"}'.encode("utf-16-le"),
    b'{"model": "' + b"m" * 1000 + b'"}',
    b'{"model": "m\xff"}',
]


@every_case("body", HOSTILE)
def test_a_body_that_does_not_name_exactly_one_model_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBody):
        checked(body)


@every_case(
    "body, named",
    [
        (b'{"model": "m"}', ["m"]),
        (b' \n{"messages": [], "model" : "m"} \n', ["m"]),
        (b'{"model": "\\u006d"}', ["m"]),
        (b'{"messages": [{"content": [{"model": "n"}]}], "model": "m"}', ["m"]),
        (b'{"system": "\\"model\\": \\"n\\"", "model": "m", "stop_sequences": ["model", "n"]}', ["m"]),
        (b'{"model": "m", "tools": [{"input_schema": {"properties": {"model": {"type": "string"}}}}]}', ["m"]),
        (b'{"model": "m", "tools": [{"model": "n"}], "metadata": {"model": "o"}}', ["m", "n", "o"]),
        (b'{"system": "' + b"x" * 200_000 + b'\\\\", "model": "m", "messages": "' + b"\\n" * 100_000 + b'"}', ["m"]),
        (b'{"top_k":' + b" " * 200_000 + b'1, "model": "m"}', ["m"]),
    ],
)
def test_the_models_named_in_a_body_are_found(body: bytes, named: list[str]) -> None:
    assert checked(body).models == named
    assert json.loads(body)["model"] == named[0]


@every_case("part", [b"[]", b'""', b'"a":', b'"\\\\"'])
def test_parsing_stops_at_a_body_with_too_many_parts(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "MAX_STEPS", 1000)
    with pytest.raises(InvalidBody, match="parts"):
        checked(b'{"model": "m", "messages": [' + part * 1001)


def in_block(**block: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi."}, block]}]}


def in_tool(**tool: Any) -> dict[str, Any]:
    return {"tools": [{"name": "Read", "input_schema": {}}, {"name": "x", **tool}]}


URL: dict[str, Any] = {"type": "url", "url": "http://evil.example/"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
ADDED = {"type": "tool_definition", "definition": {"type": "mcp_toolset", "mcp_server_name": "x"}}
REFUSED: dict[str, dict[str, Any]] = {
    "mcp_servers": {"mcp_servers": [URL | {"name": "x"}]},
    "container": {"container": "container_1"},
    "speed": {"speed": "fast"},
    "service_tier": {"service_tier": "priority"},
    "web_fetch": in_tool(type="web_fetch_20250910"),
    "code_execution": in_tool(type="code_execution_20250825"),
    "advisor": in_tool(type="advisor_20260301"),
    "a tool of the future": in_tool(type="browser_20270101"),
    "mcp_toolset": in_tool(type="mcp_toolset"),
    "a tool added by a message": in_block(type="tool_addition", tool=ADDED),
    "a dated tool anywhere": in_block(type="text", more=[{"type": "web_fetch_20260209"}]),
    "an image by URL": in_block(type="image", source=URL),
    "a URL beside a type": in_block(type="image", source=URL | {"type": "base64"}),
    "a document by id": in_block(type="document", source={"type": "file", "file_id": "file_1"}),
    "a URL in a result of a tool": in_block(type="tool_result", content=[{"type": "image", "source": URL}]),
    "a URL in a document": in_block(type="document", source={"type": "content", "content": [{"source": URL}]}),
    "a file in a container": in_block(type="container_upload", file_id="file_1"),
    "deep": in_block(content=json.loads("[" * 80 + "]" * 80)),
}


@every_case("name", REFUSED)
def test_nothing_that_the_provider_executes_or_fetches_is_forwarded(name: str) -> None:
    with pytest.raises(InvalidBody):
        checked(json.dumps({"model": "m", **REFUSED[name]}).encode())


ESCAPED = [
    (b'"type": "web_fetch', b'"typ\\u0065": "web_fetch'),
    (b'"type": "web_fetch', b'"Type" : "web_fetch'),
    (b'"type": "web_fetch', b'"type": "custom", "type": "web_fetch'),
    (b"web_fetch_2", b"web\\u005ffetch_2"),
]


@every_case("plain, other", ESCAPED)
def test_no_other_spelling_hides_a_tool(plain: bytes, other: bytes) -> None:
    body = json.dumps({"model": "m", **REFUSED["web_fetch"]}).encode()
    assert plain in body
    with pytest.raises(InvalidBody, match="web_fetch_20250910"):
        checked(body.replace(plain, other))


def test_a_member_that_is_written_twice_is_refused() -> None:
    with pytest.raises(InvalidBody, match=r"more than once|without escapes"):
        checked(b'{"model": "m", "tools": [], "tools": []}')


FORWARDED: dict[str, dict[str, Any]] = {
    "tools": in_tool(type="custom") | {"tool_choice": {"type": "tool", "name": "x"}},
    "an image": in_block(**IMAGE),
    "a result of a tool": in_block(type="tool_result", content=[IMAGE, {"type": "text", "text": "x"}]),
    "arguments of a tool": in_block(type="tool_use", input={"source": URL, "type": "web_fetch_20250910", "file_id": 1}),
    "a schema": in_tool(input_schema={"properties": {"source": {"type": "file"}, "file_id": {"type": "url"}}}),
    "an output format": {"output_config": {"format": {"type": "json_schema", "schema": {"type": ["url"]}}}},
    "context": {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}},
    "results of a search": in_block(
        type="search_result", source="http://a.example", content=[], url="http://x.example"
    ),
}


@every_case("name", FORWARDED)
def test_what_stays_between_agent_and_model_is_forwarded(name: str) -> None:
    assert not checked(json.dumps({"model": "m", **FORWARDED[name]}).encode()).searches


def test_a_request_for_a_search_of_the_web_is_found() -> None:
    assert checked(json.dumps({"model": "m", **in_tool(type="web_search_20250305")}).encode()).searches
