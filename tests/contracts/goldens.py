"""The shape of every message as a file, so that a change of the wire is a diff that someone reviews.

`python -m tests.contracts.goldens` writes them. An event's file keeps an example of every shape it was ever stored in:
today's code must read them all.
"""

import difflib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from contracts.messages import BusMessage, Command, Event, ProgressEvent, Query, result_type
from pydantic import TypeAdapter

from tests.contracts.catalog import messages

FOLDER = Path(__file__).parent / "golden" / "messages"
UNREADABLE = """{}: events stored as version {} cannot be read any more. Increase the `version`, and let its
`upcast` read the old one; or delete the file, if no such event was ever stored.
{}"""

type Shape = dict[str, Any]


@dataclass(frozen=True)
class Goldens:
    """The files of `kinds`, in `folder`: one a message, by its subject."""

    folder: Path
    kinds: Sequence[type[BusMessage]]

    def problems(self) -> list[str]:
        """Say what is wrong with the files, a paragraph each; nothing when all is well."""
        left = [f"{path.name} belongs to no message" for path in self._left()]
        return [*self._unreadable(), *self._different(), *left]

    def write(self) -> list[str]:
        """Write the files, and remove those of no message; return what was refused because stored events forbid it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if refused := [*self._unreadable()]:
            return refused
        for kind in self.kinds:
            self._path(kind).write_text(self._wanted(kind))
        for path in self._left():
            path.unlink()
        return []

    def _unreadable(self) -> Iterator[str]:
        for kind in self.kinds:
            for version, examples in self._examples(kind).items():
                errors = [_error_of_reading(kind, int(version), example) for example in examples]
                yield from (UNREADABLE.format(kind.subject, version, error) for error in errors if error)

    def _different(self) -> Iterator[str]:
        for kind in self.kinds:
            path, wanted = self._path(kind), self._wanted(kind)
            if not path.exists():
                yield f"{path.name} is missing"
            elif (found := path.read_text()) != wanted:
                both = found.splitlines(), wanted.splitlines()
                yield "\n".join(difflib.unified_diff(*both, path.name, "the code", lineterm=""))

    def _left(self) -> list[Path]:
        return sorted({*self.folder.glob("*.json")} - {self._path(kind) for kind in self.kinds})

    def _path(self, kind: type[BusMessage]) -> Path:
        return self.folder / f"{kind.subject}.json"

    def _wanted(self, kind: type[BusMessage]) -> str:
        return json.dumps(_shape(kind) | {"examples": self._examples(kind, with_todays=True)}, indent=2) + "\n"

    def _examples(self, kind: type[BusMessage], *, with_todays: bool = False) -> dict[str, list[Shape]]:
        path, stays = self._path(kind), issubclass(kind, Event)
        known = cast(Shape, json.loads(path.read_text())["examples"]) if stays and path.exists() else {}
        if not with_todays:
            return known
        today, version = kind.example().model_dump(mode="json"), str(kind.version)
        before = known.get(version, [])
        return known | {version: before if today in before else [*before, today]}


def _shape(kind: type[BusMessage]) -> Shape:
    shape: Shape = {"subject": kind.subject, "version": kind.version}
    if issubclass(kind, Event):
        shape["published"] = kind.published
        if issubclass(kind, ProgressEvent):
            shape["progress"] = True
    shape["message"] = _bare(kind.model_json_schema())
    if issubclass(kind, Command | Query):
        result = result_type(cast(type[Query[Any]], kind))
        shape["result"] = _bare(TypeAdapter(result).json_schema(mode="serialization"))
    return shape


def _bare(schema: Any) -> Any:
    """Leave out the words for people, which change without changing the wire."""
    match schema:
        case dict():
            items = cast(Shape, schema).items()
            return {
                key: value if key == "default" and not _is_schema(value) else _bare(value)
                for key, value in items
                if not (key in ("title", "description") and isinstance(value, str))
            }
        case list():
            return [_bare(item) for item in cast(list[Any], schema)]
        case _:
            return schema


def _is_schema(value: Any) -> bool:
    """Return whether a value under the key `default` is the schema of a field with this name: those have titles."""
    return isinstance(value, dict) and "title" in value


def _error_of_reading(kind: type[BusMessage], version: int, example: Shape) -> str | None:
    try:
        kind.model_validate(example if version == kind.version else cast(type[Event], kind).upcast(version, example))
    except ValueError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit("\n\n".join(Goldens(FOLDER, messages()).write()) or None)
