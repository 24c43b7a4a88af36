"""Calls that a crash has interrupted, so that their outcome is unknown: an agent must not make them again by itself."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from contracts.session.settling import call_key


class Repeats:
    """The calls of unknown outcome that the agent of a turn might repeat, by what identical calls have in common."""

    def __init__(self, keys: Iterable[UUID] = ()) -> None:
        self._keys, self._calls = set(keys), dict[str, UUID]()

    def note(self, tool_use_id: str, key: UUID) -> None:
        """Note a call of the agent, by the model's id, before it begins."""
        if key in self._keys:
            self._calls[tool_use_id] = key

    def is_repetition(self, tool_use_id: str) -> bool:
        """Return whether a noted call repeats one of unknown outcome."""
        return self._calls.get(tool_use_id) in self._keys

    def forbids(self, tool_name: str, tool_input: dict[str, Any]) -> bool:
        """Return whether a call that may be forged, so that it was not noted, repeats one of unknown outcome."""
        return bool(self._keys) and call_key(tool_name, tool_input) in self._keys

    def permit(self, tool_use_id: str) -> None:
        """Note that a repetition is approved."""
        self._keys.discard(self._calls.pop(tool_use_id))
