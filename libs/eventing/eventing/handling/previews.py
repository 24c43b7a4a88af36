"""Large JSON columns in lists: the database returns a bounded beginning of each, and clients receive a preview."""

from dataclasses import dataclass
from typing import Any

from contracts.preview import truncate_json
from contracts.wire import MAX_INLINE_BYTES, PREVIEW_CHARACTERS

from eventing.database import Row


@dataclass(frozen=True)
class PreviewedColumn:
    """A JSON column. The preview of a large value is the beginning of its JSON, or of its text field `text`."""

    name: str
    text: str | None = None

    @property
    def sql(self) -> str:
        """The columns to select: the first 16 Ki characters of the JSON, its size in bytes, the beginning of `text`."""
        text = f"{self.name}::text"
        bounded = f"left({text}, {MAX_INLINE_BYTES}) AS {self.name}, octet_length({text}) AS {self._size}"
        return (
            f"{bounded}, left({self.name} ->> '{self.text}', {PREVIEW_CHARACTERS}) AS {self._text}"
            if self.text
            else bounded
        )

    def shown(self, row: Row) -> Row:
        """Return a row with the value, or its preview, in place of the selected columns."""
        json, beginning = row[self.name], row.get(self._text)
        value: Any = None if json is None else truncate_json(json, row[self._size], self.text or "preview", beginning)
        return {name: each for name, each in row.items() if name not in (self._size, self._text)} | {self.name: value}

    @property
    def _size(self) -> str:
        return f"{self.name}_size"

    @property
    def _text(self) -> str:
        return f"{self.name}_text"
