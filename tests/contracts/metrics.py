"""All metrics, as the table of the guide has them: what is not in it does not exist.

`python -m tests.contracts.metrics` writes the table.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from contracts.catalogue import SERVICES
from prometheus_client import CollectorRegistry
from runtime.metrics import Measured, metrics_of

FILE = Path(__file__).parents[2] / "docs" / "guides" / "metrics.md"
BEGIN, END = "<!-- begin of the table -->\n", "<!-- end of the table -->\n"
OWNERS = {"runtime": "all", "eventing": "all but `gateway`"} | {name: f"`{name}`" for name in ("gateway", *SERVICES)}
SUFFIXES = {"counter": "_total"}
ALIKE = {"agent_sandbox": "min", "ready": "min", "report_pdf_available": "min"} | dict.fromkeys(
    ("build_info", "dead_letters", "projector_stopped", "relay_diverged"), "max"
)
"""How gauges that say something about the system are combined, although each replica sets its own."""


@dataclass(frozen=True)
class Entry:
    """A metric as it is exposed; `combined` is the function that combines the values of replicas."""

    name: str
    kind: str
    labels: tuple[str, ...]
    combined: str
    text: str
    services: str

    def __str__(self) -> str:
        labels = ", ".join(f"`{label}`" for label in self.labels)
        return f"| `{self.name}` | {self.kind} | {labels} | {self.combined} | {self.text} | {self.services} |"


def entries(registry: CollectorRegistry, services: str) -> Iterator[Entry]:
    """Yield the metrics of a service or library."""
    for collector in cast(dict[Any, Any], vars(registry)["_collector_to_names"]):
        [family] = collector.describe()
        name = family.name + SUFFIXES.get(family.type, "")
        combined = _combined(collector, family.type, name)
        yield Entry(name, family.type, _labels(collector), combined, family.documentation, services)


def _labels(collector: object) -> tuple[str, ...]:
    return collector.labels if isinstance(collector, Measured) else tuple(vars(collector)["_labelnames"])


def _combined(collector: object, kind: str, name: str) -> str:
    is_age = kind == "gauge" and name.endswith("_seconds")
    return ALIKE.get(name) or ("max" if isinstance(collector, Measured) or is_age else "sum")


def all_entries() -> list[Entry]:
    """Return the metrics of all services and libraries."""
    for service in OWNERS.keys() - {"runtime", "eventing"}:
        importlib.import_module(f"{service.replace('-', '_')}.app")
    by_owner = [entries(metrics_of(name), services) for name, services in OWNERS.items()]
    return [entry for some in by_owner for entry in sorted(some, key=lambda entry: entry.name)]


def document(text: str) -> str:
    """Return the text of the guide with the table of the metrics that there are."""
    head = "| metric | type | labels | replicas | what it says | services |\n|---|---|---|---|---|---|\n"
    table = head + "".join(f"{entry}\n" for entry in all_entries())
    return text.partition(BEGIN)[0] + BEGIN + table + END + text.partition(END)[2]


if __name__ == "__main__":
    FILE.write_text(document(FILE.read_text()))
