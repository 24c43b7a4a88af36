"""The state of an aggregate as JSON, for the cache in memory and for snapshots."""

import hashlib
import inspect
import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypedDict, cast, get_origin, get_type_hints

from pydantic import TypeAdapter

from eventing.store import AnyAggregate

_NOT_STATE = frozenset({"id", "version", "modified_on", "pending"})
"""Attributes for the position in the history, which are no part of the state."""


class StateCodec[A: AnyAggregate]:
    """Serialises the attributes that an aggregate class annotates."""

    def __init__(self, kind: type[A]) -> None:
        hints = get_type_hints(kind, include_extras=True)
        self.kind = kind
        self.attributes = {
            name: hint for name, hint in hints.items() if name not in _NOT_STATE and get_origin(hint) is not ClassVar
        }
        schema: Any = cast(Any, TypedDict)(kind.__name__, self.attributes, total=False)
        self._adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(schema)
        self.fingerprint = self._fingerprint()

    def dump(self, aggregate: A, *, secrets: bool = True) -> bytes:
        """Return the state as JSON; if `secrets` is false, without the attributes that the class lists as secrets.

        Raises:
            TypeError: the aggregate has an attribute that its class does not annotate.
        """
        state = {name: value for name, value in vars(aggregate).items() if name not in _NOT_STATE}
        if unknown := state.keys() - self.attributes.keys():
            raise TypeError(f"annotate the attributes {sorted(unknown)} in the class {self.kind.__name__}")
        omitted = set[str]() if secrets else {*self.kind.secrets}
        return self._adapter.dump_json({name: value for name, value in state.items() if name not in omitted})

    def restore(self, aggregate: A, version: int, at: datetime, state: bytes) -> None:
        """Set the state of a new aggregate, which it had after its event `version`, recorded `at`.

        Raises:
            ValueError: the state does not match the class; the aggregate is unchanged.
        """
        vars(aggregate).update(self._adapter.validate_json(state), version=version, modified_on=at)

    def _fingerprint(self) -> str:
        """Return a digest of the state's schema, of the events, and of all code in the folder of the class.

        So a changed fold invalidates old snapshots without anybody having to remember it. Other changes there cost each
        aggregate one replay.
        """
        digest = hashlib.sha256(json.dumps(self._adapter.json_schema(), sort_keys=True).encode())
        digest.update(repr(sorted((event.subject, event.version) for event in self.kind.events.values())).encode())
        for source in sorted(Path(inspect.getfile(self.kind)).parent.rglob("*.py")):
            digest.update(source.read_bytes())
        return digest.hexdigest()


@cache
def codec_of(kind: type[AnyAggregate]) -> StateCodec[Any]:
    """Return the codec of an aggregate class."""
    return StateCodec(kind)
