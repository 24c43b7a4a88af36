"""Small JSON values are read whole, and only a bounded part of large ones."""

from typing import Any

import pytest
from contracts.preview import preview, truncate_value
from contracts.refusals import Code
from contracts.wire import MAX_INLINE_BYTES
from eventing.database import Database, Row
from eventing.handling import QueryContext
from eventing.handling.previews import PreviewedColumn
from eventing.handling.reading import Filters, Table
from runtime.bus.envelope import Envelope

VALUE, WORDS = PreviewedColumn("value"), PreviewedColumn("value", text="words")
BOXES = Table("boxes", Code.SESSION_NOT_FOUND, readable=None)
EURO = "\N{EURO SIGN}"


@pytest.fixture
def tables() -> str:
    return "CREATE TABLE boxes (id int, value jsonb)"


async def read(database: Database, value: Any, column: PreviewedColumn = VALUE) -> Row:
    await database.execute("INSERT INTO boxes VALUES (1, $1)", value)
    [row], _ = await BOXES.first(f"id, {column.sql}", 1, Filters(), QueryContext(database, Envelope.begin(), None))
    return row


@pytest.mark.parametrize("value", [{"a": EURO}, {"a": "x" * MAX_INLINE_BYTES}, {"a": EURO * MAX_INLINE_BYTES}])
async def test_a_stored_value_has_the_same_preview_as_in_a_stream(database: Database, value: Any):
    assert VALUE.shown(await read(database, value)) == {"id": 1, "value": truncate_value(value)}


async def test_a_null_value_stays_null(database: Database):
    assert VALUE.shown(await read(database, None)) == {"id": 1, "value": None}


async def test_only_the_beginning_of_a_large_value_is_read(database: Database):
    row = await read(database, {"a": "x" * 2**20})
    assert (len(row["value"]), row["value_size"]) == (MAX_INLINE_BYTES, 2**20 + len('{"a": ""}'))


async def test_a_preview_may_start_with_a_text_of_the_value(database: Database):
    words = EURO * MAX_INLINE_BYTES
    shown = WORDS.shown(await read(database, {"words": words, "first": 1}, WORDS))["value"]
    assert shown == preview(words, shown["size_bytes"], "words")


async def test_a_small_value_with_a_text_is_shown_whole(database: Database):
    assert WORDS.shown(await read(database, {"words": EURO}, WORDS)) == {"id": 1, "value": {"words": EURO}}
