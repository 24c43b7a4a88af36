"""The models that a request body names, in any spelling of the JSON."""

import json

import pytest
from session.agent.model_proxy.body import MAX_STEPS, InvalidBody, models

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
    b'{"model": "m", "a": [{}, "]"], "model": "n"}',
    b'{"model": "m", "a": "\\"}", "model": "n"}',
    b'{"model": "m", "a": "\\\\", "model": "n"}',
    b'{"mod\\u0065l": "m"}',
    b'{"a": {"model": "m"}}',
    b'\xef\xbb\xbf{"model": "m"}',
    '{"model": "m"}'.encode("utf-16"),
    '{"model": "m"}'.encode("utf-16-le"),
    b'{"model": "' + b"m" * 1000 + b'"}',
    b'{"model": "m\xff"}',
    b'{"model": "m", "a": ' + b"[]" * MAX_STEPS + b"}",
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_a_body_that_does_not_name_exactly_one_model_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBody):
        models(body)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"model": "m"}', ["m"]),
        (b' \n{"messages": [], "model" : "m"} \n', ["m"]),
        (b'{"model": "\\u006d"}', ["m"]),
        (b'{"messages": [{"content": [{"model": "n"}]}], "model": "m"}', ["m"]),
        (b'{"system": "\\"model\\": \\"n\\"", "model": "m", "a": ["model", "n"]}', ["m"]),
        (b'{"model": "m", "tools": [{"input_schema": {"properties": {"model": {"type": "string"}}}}]}', ["m"]),
        (b'{"model": "m", "tools": [{"model": "n"}], "fallback": {"model": "o"}}', ["m", "n", "o"]),
        (b'{"a": "' + b"x" * 200_000 + b'\\\\", "model": "m", "b": "' + b"\\n" * 100_000 + b'"}', ["m"]),
        (b'{"a":' + b" " * 200_000 + b'1, "model": "m"}', ["m"]),
    ],
)
def test_the_models_named_in_a_body_are_found(body: bytes, named: list[str]) -> None:
    assert models(body) == named
    assert json.loads(body)["model"] == named[0]


@pytest.mark.parametrize("part", [b"[]", b'""', b'"a":', b'"\\\\"'])
def test_parsing_stops_at_a_body_with_too_many_parts(part: bytes) -> None:
    with pytest.raises(InvalidBody, match="parts"):
        models(b'{"model": "m", "a": [' + part * (MAX_STEPS + 1))
