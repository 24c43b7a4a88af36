"""The metrics: their names, labels and texts, by the rules of `promtool check metrics` and ours."""

import re
from difflib import unified_diff

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from tests.contracts.metrics import FILE, Entry, all_entries, document, entries

LABELS = frozenset(
    {
        *("check", "code", "direction", "kind", "method", "model", "outcome", "path", "pool", "projector", "quota"),
        *("reaction", "reason", "reply", "rule", "service", "state", "status", "stream", "subject", "tool", "version"),
        "waits_for",
    }
)
"""Each has few values: of an enumeration, or names in the code or the settings. None names a user or a session."""
RESERVED = ("_bucket", "_count", "_created", "_info", "_sum")
OTHER_UNITS = re.compile(r"_(ms|millis|milliseconds|minutes|hours|kb|mb|kib|mib|kilobytes|megabytes|percent)(_|$)")


def problems(entry: Entry) -> list[str]:
    """Say what is wrong with a metric."""
    name, counts = entry.name, entry.kind == "counter"
    wrong = {
        "is not in snake case": not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name),
        "is a counter without `_total`, or no counter with it": counts != name.endswith("_total"),
        "ends in a reserved suffix": name.endswith(RESERVED) and name != "build_info",
        "is not in seconds or bytes": OTHER_UNITS.search(name),
        "has the type in its name": re.search(r"_(counter|gauge|histogram)(_|$)", name),
        "has no text": not entry.text.strip(),
        "has a text that ends with a full stop": entry.text.endswith("."),
        "has a label that may have any number of values": set(entry.labels) - LABELS,
    }
    return [f"{name} {problem}" for problem, found in wrong.items() if found]


def test_the_guide_has_all_metrics() -> None:
    both = FILE.read_text().splitlines(), document(FILE.read_text()).splitlines()
    diff = "\n".join(unified_diff(*both, FILE.name, "the code", lineterm=""))
    assert not diff, f"Run `make golden` and review the diff; dashboards and alerts refer to these names.\n{diff}"


def test_names_labels_and_texts_follow_the_rules() -> None:
    assert [problem for entry in all_entries() for problem in problems(entry)] == []


def test_no_two_services_have_a_metric_of_the_same_name() -> None:
    names = [entry.name for entry in all_entries()]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("name", "labels", "text", "problem"),
    [
        ("age_ms", (), "Age", "is not in seconds or bytes"),
        ("jarsOpened", (), "Jars", "is not in snake case"),
        ("jars_total", (), "Jars", "is a counter without `_total`, or no counter with it"),
        ("jars_count", (), "Jars", "ends in a reserved suffix"),
        ("jars_gauge", (), "Jars", "has the type in its name"),
        ("jars", ("user_id",), "Jars", "has a label that may have any number of values"),
        ("jars", (), "", "has no text"),
    ],
)
def test_a_metric_against_the_rules_is_found(name: str, labels: tuple[str, ...], text: str, problem: str) -> None:
    registry = CollectorRegistry()
    Gauge(name, text, labels, registry=registry)
    assert [found for entry in entries(registry, "jar") for found in problems(entry)] == [f"{name} {problem}"]


def test_a_counter_has_its_suffix_in_the_table() -> None:
    registry = CollectorRegistry()
    Counter("jars", "Jars", registry=registry)
    assert [str(entry) for entry in entries(registry, "`jar`")] == [
        "| `jars_total` | counter |  | sum | Jars | `jar` |"
    ]
