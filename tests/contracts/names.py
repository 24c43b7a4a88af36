"""The names that outlive a process, on the bus and in the database, as a file: a change of one is a reviewed diff.

A consumer or a projector under a new name starts from the beginning, with a month of events.
`python -m tests.contracts.names` writes the file from the definitions of the services.
"""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from contracts.wire import (
    DEAD_LETTERS,
    OPEN_STREAMS,
    RATE_LIMITS,
    REVOCATIONS,
    dead_letter_subject,
    durable,
    event_stream,
    offer_subject,
    work_stream,
)
from eventing.bus import wire
from eventing.bus.consumers import Consumers
from eventing.service import Service

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
        "streams": [event_stream(service.name), *([work_stream(service.name)] if works else [])],
        "durables": {
            durable(service.name, one.name): f"{consumers.stream(one.event)} {consumers.subjects(one.event)}"
            for one in shared
        },
        "leases": sorted(one.name for one in shared if one.unfinished),
        "offers": sorted(offer_subject(service.name, one.name, "*") for one in shared if one.prefers),
        "broadcasts": {one.name: wire.subjects(one.event) for one in service.reactions.delivered("broadcast")},
        "due_times": sorted(kind.name for kind in service.due),
        "projectors": {one.name: one.stream for one in service.projectors},
        "dead_letters": sorted(dead_letter_subject(service.name, one.name) for one in (*shared, *service.projectors)),
    }


def document(all_services: Sequence[AnyService]) -> str:
    """Return the names of these services, and those that they share, as they stand in the file."""
    shared = {"streams": [DEAD_LETTERS, RATE_LIMITS, OPEN_STREAMS], "buckets": [REVOCATIONS]}
    whole = {"shared": shared, "services": {service.name: names_of(service) for service in all_services}}
    return json.dumps(whole, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(services()))
