"""Large values are shown by their size and their beginning, small ones whole."""

import json
from typing import Any

import pytest
from contracts.preview import preview, truncate_json, truncate_text, truncate_value
from contracts.wire import MAX_INLINE_BYTES, PREVIEW_CHARACTERS

EURO = "\N{EURO SIGN}"
"""Three bytes: sizes count bytes, previews characters."""


def in_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("value", [None, 1, "x", {"a": [1, {"b": None}]}, "x" * (MAX_INLINE_BYTES - 2)])
def test_a_small_value_is_shown_whole(value: Any) -> None:
    assert truncate_value(value) == value


def test_a_large_value_is_shown_by_its_size_and_beginning() -> None:
    value = {"content": EURO * MAX_INLINE_BYTES}
    size = 3 * MAX_INLINE_BYTES + len('{"content": ""}')
    assert truncate_value(value) == {
        "truncated": True,
        "size_bytes": size,
        "preview": in_json(value)[:PREVIEW_CHARACTERS],
    }


def test_one_byte_too_many_makes_a_value_large() -> None:
    assert truncate_value("x" * (MAX_INLINE_BYTES - 1))["size_bytes"] == MAX_INLINE_BYTES + 1


@pytest.mark.parametrize(
    "value", [None, {"a": 1}, "x" * (MAX_INLINE_BYTES - 2), "x" * MAX_INLINE_BYTES, EURO * MAX_INLINE_BYTES]
)
def test_a_stored_value_is_shown_as_any_other(value: Any) -> None:
    text = in_json(value)
    assert truncate_json(text[:MAX_INLINE_BYTES], len(text.encode())) == truncate_value(value)


def test_a_small_text_is_shown_whole() -> None:
    holder = {"type": "text", "text": EURO * (MAX_INLINE_BYTES // 3)}
    assert truncate_text(holder, "text") == holder


def test_a_large_text_is_shown_by_its_beginning_beside_its_size() -> None:
    text = EURO * (MAX_INLINE_BYTES // 3 + 1)
    assert truncate_text({"type": "text", "text": text}, "text") == {"type": "text"} | preview(
        text, len(text) * 3, "text"
    )


def test_a_text_that_is_not_there_stays_away() -> None:
    assert truncate_text({"text": None}, "text") == {"text": None}
