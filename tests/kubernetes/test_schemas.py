"""The schemas refuse what a cluster would refuse."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.rendering import Manifest
from tests.kubernetes.schemas import VERSIONS, violations

type Change = Callable[[dict[str, Any]], object]
"""A change of a specification."""
REFUSED: list[tuple[str, Change, str]] = [
    ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(intervall="15s"), "'intervall' was unexpected"),
    ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(interval="15 s"), "'15 s' does not match"),
    ("ServiceMonitor", lambda spec: spec.pop("selector"), "'selector' is a required property"),
    ("PrometheusRule", lambda spec: spec["groups"][0]["rules"][0].update({"for": 60}), "60 is not of type 'string'"),
    ("PrometheusRule", lambda spec: spec["groups"][0]["rules"][0].pop("expr"), "'expr' is a required property"),
    ("ExternalSecret", lambda spec: spec["secretStoreRef"].update(kind="Store"), "'Store' is not one of"),
    ("ExternalSecret", lambda spec: spec["dataFrom"][0].update(key="x"), "'key' was unexpected"),
    ("Deployment", lambda spec: spec.update(replica=2), "'replica' was unexpected"),
]


@pytest.mark.parametrize(("kind", "change", "found"), REFUSED)
def test_a_field_that_a_cluster_refuses_is_found(
    everything: list[Manifest], kind: str, change: Change, found: str
) -> None:
    changed = deepcopy(Cluster(everything).of_kind(kind)[0])
    change(changed["spec"])
    assert [line for line in violations(changed, VERSIONS[-1]) if found in line]


def test_a_kind_without_a_schema_is_found() -> None:
    other = {"apiVersion": "example.org/v1", "kind": "Jar", "metadata": {"name": "x"}}
    assert [*violations(other, VERSIONS[-1])] == ["Jar x: no schema of example.org/v1 is known"]
