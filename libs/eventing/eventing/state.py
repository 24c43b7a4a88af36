"""The state of an aggregate as JSON, as it is kept in memory and in snapshots."""

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
"""What tells where the aggregate stands in its history."""


class StateCodec[A: AnyAggregate]:
    """Writes and reads the attributes that an aggregate class annotates."""

    def __init__(self, kind: type[A]) -> None:
        hints = get_type_hints(kind, include_extras=True)
        self.kind = kind
        self.attributes = {
            name: hint for name, hint in hints.items() if name not in _NOT_STATE and get_origin(hint) is not ClassVar
        }
        form: Any = cast(Any, TypedDict)(kind.__name__, self.attributes, total=False)
        self._adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(form)
        self.fingerprint = self._fingerprint()

    def dump(self, aggregate: A, *, secrets: bool = True) -> bytes:
        """Return the state as JSON, on request without the attributes in `secrets` of the class.

        Raises:
            TypeError: the aggregate has an attribute that its class does not annotate.
        """
        state = {name: value for name, value in vars(aggregate).items() if name not in _NOT_STATE}
        if unknown := state.keys() - self.attributes.keys():
            raise TypeError(f"annotate {sorted(unknown)} in the class {self.kind.__name__}")
        left_out = set[str]() if secrets else {*self.kind.secrets}
        return self._adapter.dump_json({name: value for name, value in state.items() if name not in left_out})

    def restore(self, aggregate: A, version: int, at: datetime, state: bytes) -> None:
        """Give a new aggregate this state, which it had after its event number `version`, recorded `at`.

        Raises:
            ValueError: the state is not one of this class; the aggregate is as it was.
        """
        vars(aggregate).update(self._adapter.validate_json(state), version=version, modified_on=at)

    def _fingerprint(self) -> str:
        """Return what changes with the form of the state, with the events, and with any code beside the class.

        Nobody has to remember that a change to a fold makes old snapshots wrong; a change that does not costs a replay.
        """
        digest = hashlib.sha256(json.dumps(self._adapter.json_schema(), sort_keys=True).encode())
        digest.update(repr(sorted((event.subject, event.version) for event in self.kind.events.values())).encode())
        for source in sorted(Path(inspect.getfile(self.kind)).parent.rglob("*.py")):
            digest.update(source.read_bytes())
        return digest.hexdigest()


@cache
def codec_of(kind: type[AnyAggregate]) -> StateCodec[Any]:
    """Return the codec of a class of aggregates."""
    return StateCodec(kind)
