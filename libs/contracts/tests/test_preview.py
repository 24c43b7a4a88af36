"""Truncation of large values in lists and streams."""

import json
from typing import Any

import pytest
from contracts.preview import preview, truncate_json, truncate_text, truncate_value
from contracts.wire import MAX_INLINE_BYTES, PREVIEW_CHARACTERS

EURO = "\N{EURO SIGN}"
"""Three bytes in UTF-8: sizes are in bytes, the lengths of previews in characters."""


def in_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("value", [None, 1, "x", {"a": [1, {"b": None}]}, "x" * (MAX_INLINE_BYTES - 2)])
def test_a_small_value_is_not_truncated(value: Any) -> None:
    assert truncate_value(value) == value


def test_a_large_value_is_replaced_by_its_size_and_beginning() -> None:
    value = {"content": EURO * MAX_INLINE_BYTES}
    size = 3 * MAX_INLINE_BYTES + len('{"content": ""}')
    assert truncate_value(value) == {
        "truncated": True,
        "size_bytes": size,
        "preview": in_json(value)[:PREVIEW_CHARACTERS],
    }


def test_a_value_one_byte_above_the_limit_is_truncated() -> None:
    assert truncate_value("x" * (MAX_INLINE_BYTES - 1))["size_bytes"] == MAX_INLINE_BYTES + 1


@pytest.mark.parametrize(
    "value", [None, {"a": 1}, "x" * (MAX_INLINE_BYTES - 2), "x" * MAX_INLINE_BYTES, EURO * MAX_INLINE_BYTES]
)
def test_stored_json_is_truncated_like_a_value(value: Any) -> None:
    text = in_json(value)
    assert truncate_json(text[:MAX_INLINE_BYTES], len(text.encode())) == truncate_value(value)


def test_a_small_text_is_not_truncated() -> None:
    holder = {"type": "text", "text": EURO * (MAX_INLINE_BYTES // 3)}
    assert truncate_text(holder, "text") == holder


def test_a_large_text_is_replaced_by_its_beginning_and_size() -> None:
    text = EURO * (MAX_INLINE_BYTES // 3 + 1)
    assert truncate_text({"type": "text", "text": text}, "text") == {"type": "text"} | preview(
        text, len(text) * 3, "text"
    )


def test_a_missing_text_is_not_truncated() -> None:
    assert truncate_text({"text": None}, "text") == {"text": None}
