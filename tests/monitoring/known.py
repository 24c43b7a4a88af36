"""What can be queried: the metrics of the services and of Prometheus, and what the rules record."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import REGISTRY

from tests.contracts.metrics import all_entries

TARGET = frozenset({"job", "instance", "service"})
"""The labels of each scraped target (`deploy/monitoring/prometheus.yml`)."""


@dataclass(frozen=True)
class Known:
    """A series: its labels, whether it only grows, and whether all replicas report the same, which has no sum."""

    labels: frozenset[str]
    counts: bool = False
    shared: bool = False


def metrics() -> dict[str, Known]:
    """Return the metrics that can be scraped, by the names of their series."""
    found = {"up": Known(TARGET), "ALERTS": Known(TARGET | {"alertname", "alertstate", "severity"})}
    for entry in all_entries():
        labels = TARGET | set(entry.labels)
        if entry.kind == "histogram":
            found |= dict.fromkeys((f"{entry.name}_sum", f"{entry.name}_count"), Known(labels, counts=True))
            found[f"{entry.name}_bucket"] = Known(labels | {"le"}, counts=True)
        else:
            shared = entry.combined != "sum"
            found[entry.name] = Known(labels, counts=entry.kind == "counter" and not shared, shared=shared)
    return found | dict(_of_the_process())


def _of_the_process() -> Iterator[tuple[str, Known]]:
    for family in REGISTRY.collect():
        for sample in family.samples:
            if family.name.startswith("process_"):
                yield sample.name, Known(TARGET | set(sample.labels), counts=family.type == "counter")
