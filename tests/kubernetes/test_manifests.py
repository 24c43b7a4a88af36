"""The stored manifests are valid, work together, and fit the services: without a cluster, Helm or kustomize."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from contracts.catalogue import EVENTS
from onebox.installation.creating import create
from onebox.installation.kubernetes import main
from runtime.settings import variables_of

from tests.architecture.house import ROOT
from tests.deploy.docker import SERVICES
from tests.kubernetes.cluster import OF_OPENSSL, Cluster, Workload, settings_of
from tests.kubernetes.rendering import FOLDER, Manifest, manifests
from tests.kubernetes.rules import RULES, mistakes
from tests.kubernetes.schemas import VERSIONS, violations

METRICS = (ROOT / "docs/guides/metrics.md").read_text()


def deployed(everything: list[Manifest]) -> dict[str, Workload]:
    found = [one for one in Cluster(everything).workloads if one.manifest["kind"] == "Deployment"]
    return {one.manifest["metadata"]["name"]: one for one in found if "NATS_URL_FILE" in one.environment}


def test_manifests_follow_the_schemas_of_kubernetes(everything: list[Manifest]) -> None:
    assert [line for one in everything for version in VERSIONS for line in violations(one, version)] == []


def test_manifests_work_together(everything: list[Manifest]) -> None:
    assert mistakes(everything) == []


def test_every_service_is_deployed_and_migrated(everything: list[Manifest]) -> None:
    jobs = [one.container["image"] for one in Cluster(everything).workloads if one.container.get("args") == ["migrate"]]
    assert {*deployed(everything)} == {*SERVICES}
    assert {re.split("[/:]", image)[1] for image in jobs} == {service.replace("_", "-") for service in EVENTS}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_knows_its_variables(everything: list[Manifest], service: str) -> None:
    assert {*deployed(everything)[service].environment} - OF_OPENSSL <= variables_of(settings_of(service))


def test_only_the_owner_of_a_secret_has_it(everything: list[Manifest]) -> None:
    holders: dict[str, set[str]] = {}
    for one in Cluster(everything).workloads:
        for item in one.volumes.get("secrets", {}).get("secret", {}).get("items", []):
            holders.setdefault(item["key"], set()).add(one.container["name"])
    assert holders["model-api-key"] == {"session"}
    assert holders["ring.json"] == holders["bus-issuer-seed"] == {"identity"}
    assert holders["replay.json"] == {"gateway"}
    assert holders["migration-database-url"] == {"migrate"}
    assert holders["secrets.json"] == {"session", "task-scheduler", "mcp-registry", "webhook"}


def test_services_are_scaled_by_metrics_that_they_expose(everything: list[Manifest]) -> None:
    scaled = [
        metric for one in Cluster(everything).of_kind("HorizontalPodAutoscaler") for metric in one["spec"]["metrics"]
    ]
    for metric in (one[one["type"].lower()]["metric"] for one in scaled if one["type"] != "Resource"):
        [label] = metric["selector"]["matchLabels"]
        assert re.search(rf"^\| `{metric['name']}` \| gauge \| `{label}` ", METRICS, re.MULTILINE)


def test_prometheus_scrapes_every_service(everything: list[Manifest]) -> None:
    [monitor] = Cluster(everything).of_kind("ServiceMonitor")
    [names] = monitor["spec"]["selector"]["matchExpressions"]
    assert {*names["values"]} == {*SERVICES}
    assert {*monitor["spec"]["namespaceSelector"]["matchNames"]} == {
        one.namespace for one in deployed(everything).values()
    }


def test_prometheus_evaluates_every_rule(everything: list[Manifest]) -> None:
    [rendered] = Cluster(everything).of_kind("PrometheusRule")
    files = sorted((ROOT / "deploy/monitoring/rules").glob("*.yml"))
    assert rendered["spec"]["groups"] == [group for file in files for group in manifests(file.read_text())[0]["groups"]]


def test_grafana_has_every_dashboard() -> None:
    folder = ROOT / "deploy/monitoring/dashboards"
    [generated] = manifests((folder / "kustomization.yaml").read_text())[0]["configMapGenerator"]
    assert generated["files"] == sorted(file.name for file in folder.glob("*.json"))


def test_nodes_get_the_profile_of_the_repository(everything: list[Manifest]) -> None:
    [stored] = [
        one["data"]["profile.json"] for one in Cluster(everything).of_kind("ConfigMap") if "profile.json" in one["data"]
    ]
    assert json.loads(stored) == json.loads((ROOT / "deploy/seccomp/session.json").read_text())


def test_namespaces_enforce_pod_security() -> None:
    found = manifests((FOLDER / "namespaces/namespaces.yaml").read_text())
    levels = {one["metadata"]["name"]: one["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] for one in found}
    assert levels == {"agentapi": "restricted", "agentapi-agents": "baseline"}


def test_only_pods_with_sandboxes_are_where_pod_security_allows_them(everything: list[Manifest]) -> None:
    sandboxed = {one.namespace for one in Cluster(everything).workloads if one.has_sandboxes}
    assert sandboxed == {"agentapi-agents"}


def set_variable(container: dict[str, Any], name: str, value: str) -> None:
    [found] = [one for one in container["env"] if one["name"] == name]
    found["value"] = value


type Change = Callable[[dict[str, Any], dict[str, Any]], object]
"""A change of the deployment of session and of its container."""
MISTAKES: dict[str, tuple[str, Change]] = {
    "root": ("pods_are_confined", lambda pod, _: pod["securityContext"].update(runAsUser=0)),
    "privileged": ("pods_are_confined", lambda _, one: one["securityContext"].update(privileged=True)),
    "writable root": ("pods_are_confined", lambda _, one: one["securityContext"].update(readOnlyRootFilesystem=False)),
    "host network": ("pods_are_confined", lambda pod, _: pod.update(hostNetwork=True)),
    "no user namespace": ("sandboxes_are_apart", lambda pod, _: pod.pop("hostUsers")),
    "a token": ("pods_have_no_token", lambda pod, _: pod.update(automountServiceAccountToken=True)),
    "another account": ("pods_have_no_token", lambda pod, _: pod.update(serviceAccountName="gateway")),
    "another port": ("selectors_find_pods", lambda _, one: one["ports"][0].update(name="other")),
    "an unknown claim": (
        "volumes_exist",
        lambda pod, _: pod["volumes"][2]["persistentVolumeClaim"].update(claimName="x"),
    ),
    "an unmounted volume": ("volumes_exist", lambda _, one: one["volumeMounts"].pop()),
    "an unmounted secret": ("volumes_exist", lambda pod, _: pod["volumes"][0]["secret"]["items"].pop(0)),
    "a short grace": ("updates_lose_nothing", lambda pod, _: pod.update(terminationGracePeriodSeconds=600)),
    "a probe of the API": ("updates_lose_nothing", lambda _, one: one["readinessProbe"]["httpGet"].update(port="http")),
    "a floating image": ("images_are_pinned", lambda _, one: one.update(image="agentapi/session:latest")),
    "no memory limit": ("resources_are_limited", lambda _, one: one["resources"].update(limits={})),
    "more runs than memory": ("agents_have_their_memory", lambda _, one: set_variable(one, "RUNS_AT_ONCE", "5")),
    "one node": ("shared_volumes_can_be_shared", lambda pod, _: pod.update(affinity={})),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_of_a_service_is_found(everything: list[Manifest], name: str) -> None:
    changed = deepcopy(everything)
    rule, change = MISTAKES[name]
    pod = deployed(changed)["session"].pod
    change(pod, pod["containers"][0])
    assert rule in {line.partition(":")[0] for line in mistakes(changed)}


@pytest.mark.parametrize(
    ("kind", "rules"),
    [
        ("NetworkPolicy", {"everything_is_behind_policies"}),
        ("PodDisruptionBudget", {"updates_lose_nothing"}),
        ("ServiceAccount", {"pods_have_no_token"}),
        ("PriorityClass", {"resources_are_limited"}),
        ("Deployment", {"selectors_find_pods", "scaling_finds_its_target"}),
    ],
)
def test_what_is_missing_is_found(everything: list[Manifest], kind: str, rules: set[str]) -> None:
    left = [one for one in everything if one["kind"] != kind]
    assert {line.partition(":")[0] for line in mistakes(left)} == rules


def test_a_name_that_is_there_twice_is_found(everything: list[Manifest]) -> None:
    assert mistakes([*everything, everything[0]])[0].startswith("names_are_unique")


def test_every_rule_has_a_counterexample() -> None:
    shown = {rule for rule, _ in MISTAKES.values()} | {
        "everything_is_behind_policies",
        "scaling_finds_its_target",
        "names_are_unique",
    }
    assert {rule.__name__ for rule in RULES} == shown


def test_the_secrets_of_an_installation_are_those_that_pods_mount(
    everything: list[Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "secrets"
    create(folder)
    assert main([str(folder), "--stores"]) == 0
    printed = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): {*one["stringData"]}
        for one in json.loads(capsys.readouterr().out)["items"]
    }
    for one in Cluster(everything).workloads:
        if secret := one.volumes.get("secrets", {}).get("secret"):
            keys = printed[one.namespace, secret["secretName"]]
            assert {item["key"] for item in secret.get("items", [])} in (keys, set())
