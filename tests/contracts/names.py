"""The names that outlive a process, on the bus and in the database, as a file: a change of one is a reviewed diff.

A consumer or a projector under a new name begins anew, with a month of events. `python -m tests.contracts.names` writes
the file; what it says comes from the services themselves.
"""

import ast
import importlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from eventing import wire
from eventing.consumers import Consumers, durable
from eventing.service import Service
from eventing.streams import DEAD_LETTERS

from tests.architecture import house

FILE = Path(__file__).parent / "golden" / "names.json"

type AnyService = Service[Any, Any]
type Names = dict[str, Any]


def services() -> list[AnyService]:
    """Return all event-sourced services."""
    return [importlib.import_module(f"{member.package}.app").service for member in house.event_sourced(house.ROOT)]


def names_of(service: AnyService) -> Names:
    """Return what a service's names are derived from, and the names."""
    consumers, shared = Consumers(cast(Any, None), service.name), service.reactions.delivered("shared")
    works = bool(service.reactions.work_of(service.name))
    return {
        "schema": service.name,
        "streams": [wire.stream_of(service.name), *([wire.work_stream_of(service.name)] if works else [])],
        "durables": {
            durable(service.name, one.name): f"{consumers.stream(one.fact)} {consumers.subjects(one.fact)}"
            for one in shared
        },
        "leases": sorted(one.name for one in shared if one.unfinished),
        "broadcasts": {one.name: wire.subjects(one.fact) for one in service.reactions.delivered("broadcast")},
        "projectors": {one.name: one.stream for one in service.projectors},
        "dead_letters": sorted(wire.dead_subject(service.name, one.name) for one in (*shared, *service.projectors)),
    }


def buckets(sources: Sequence[tuple[ModuleType, str]]) -> list[str]:
    """Return the key-value buckets that modules create or open."""
    return sorted({name for module, text in sources for name in _buckets(module, ast.parse(text))})


def document(all_services: Sequence[AnyService]) -> str:
    """Return the names of these services, and those that they share, as they stand in the file."""
    shared = {"streams": [DEAD_LETTERS], "buckets": buckets([*_sources()])}
    whole = {"shared": shared, "services": {service.name: names_of(service) for service in all_services}}
    return json.dumps(whole, indent=2, sort_keys=True) + "\n"


def _sources() -> Iterator[tuple[ModuleType, str]]:
    for member in house.members(house.ROOT):
        for path in sorted(member.source.rglob("*.py")):
            if "key_value(" in (text := path.read_text()) or "KeyValueConfig(" in text:
                name = ".".join(path.relative_to(member.folder).with_suffix("").parts)
                yield importlib.import_module(name.removesuffix(".__init__")), text


def _buckets(module: ModuleType, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="key_value"), args=[ast.Name(id=name)]):
                bucket = getattr(module, name, None)
            case ast.keyword(arg="bucket", value=ast.Name(id=name)):
                bucket = getattr(module, name, None)
            case ast.keyword(arg="bucket", value=ast.Constant(value=bucket)):
                pass
            case _:
                continue
        if isinstance(bucket, str):  # else a parameter, whose values stand elsewhere
            yield bucket


if __name__ == "__main__":
    FILE.write_text(document(services()))
