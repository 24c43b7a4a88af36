"""The limits of a report's content, and notes about what they have cut."""

import json
from typing import Any

from pydantic import JsonValue

MAX_VALUE_BYTES = 64 * 1024
MAX_CONTENT_BYTES = 20 * 1024 * 1024
MAX_FULL_READS = 300
"""How many values that lists show only the beginning of are read in full."""


class Budget:
    """The space that is left in a report. Its values are cut at a limit each, and left out when all of it is used."""

    def __init__(self) -> None:
        self.notes = list[str]()
        self._bytes, self._reads = MAX_CONTENT_BYTES, MAX_FULL_READS

    def note(self, text: str) -> None:
        """Add a note for readers of the report, once."""
        if text not in self.notes:
            self.notes.append(text)

    def may_read(self) -> bool:
        """Return whether one more value may be read in full, and count it."""
        self._reads -= 1
        if self._reads < 0:
            self.note(f"Only {MAX_FULL_READS} long texts were read in full; of others the beginning is shown.")
        return self._reads >= 0

    def text(self, text: str, max_bytes: int = MAX_VALUE_BYTES) -> tuple[str, bool]:
        """Return a text or its beginning, and whether it was cut."""
        limit = max(0, min(max_bytes, self._bytes))
        cut = text.encode(errors="replace")[:limit].decode(errors="ignore") if len(text) * 4 > limit else text
        self._bytes -= len(cut.encode(errors="replace"))
        if self._bytes <= 0:
            self.note(f"The content of the session exceeds {MAX_CONTENT_BYTES // 2**20} MB: later texts are left out.")
        elif len(cut) < len(text):
            self.note(f"Texts of more than {MAX_VALUE_BYTES // 1024} KiB are cut.")
        return cut, len(cut) < len(text)

    def value(self, value: Any) -> tuple[JsonValue, bool]:
        """Return a JSON value, or the beginning of its JSON as a text, and whether it was cut."""
        text = json.dumps(value, ensure_ascii=False)
        cut, was_cut = self.text(text)
        return (cut, True) if was_cut else (value, False)
