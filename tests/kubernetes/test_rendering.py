"""The chart is the source of the manifests in deploy/kubernetes, and both ways to install are equal."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.deploy.docker import SERVICES
from tests.kubernetes import rendering
from tests.kubernetes.rendering import CHART, Manifest, helm, kustomize, manifests
from tests.kubernetes.rules import mistakes
from tests.kubernetes.schemas import VERSIONS, violations

OVERLAYS = ("development", "production")
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
COMBINATIONS = {
    "without policies": ["networkPolicies.enabled=false"],
    "STDIO servers checked": ["services.mcp-registry.sandboxes=true"],
    "an AppArmor profile": [
        "sandboxes.appArmorProfile.type=Localhost",
        "sandboxes.appArmorProfile.localhostProfile=own",
    ],
    "a public authority": ["natsAuthority="],
    "reports in a bucket": ["services.report.storage=null", "services.report.settings.REPORT_S3_BUCKET=reports"],
    "own claims": ["services.session.storage.existingClaim=mine", "services.report.storage.existingClaim=mine"],
    "one node": [
        "services.session.storage.accessMode=ReadWriteOnce",
        "services.report.storage.accessMode=ReadWriteOnce",
    ],
    "no scaling": ["services.session.autoscaling=null", "services.session.replicas=3"],
    "a tag and credentials": ["image.tag=V0.3.0_rc.1", "image.pullSecrets={registry}"],
    "services stopped": ["migrations.servicesStopped=true"],
    "everything": [enabled for enabled, _ in rendering.COMPONENTS.values()]
    + ["ingress.enabled=true", "ingress.host=a.example"],
}
MISSING = {"without policies": "does not deny by default", "own claims": "PersistentVolumeClaim mine is missing"}
"""What is found because these combinations leave it to the operator."""
WRONG = {
    "an unknown value": "image.tags=1",
    "an unknown service": "services.gatway.replicas=3",
    "an unknown key of a service": "services.gateway.replica=3",
    "a number as a setting": "services.session.settings.RUNS_AT_ONCE=4",
    "a setting in lower case": "services.session.settings.runs=a",
    "a floating tag": "image.tag=latest",
    "no number of replicas": "services.gateway.autoscaling=null",
    "no memory limit": "services.gateway.resources.limits=null",
    "an access mode that is not known": "services.session.storage.accessMode=ReadWriteSome",
    "an ingress without a host": "ingress.enabled=true",
    "a quantity with a space": "services.session.tmp=1 Gi",
    "peers that are none": "networkPolicies.natsTo[0].cidr=10.0.0.0/8",
    "a port that is too high": "networkPolicies.natsPort=70000",
}


def comparable(value: Any) -> Any:
    """Return a value without what has no meaning: the order of environment variables."""
    if isinstance(value, dict):
        return {key: comparable(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, list):
        return value
    items: list[Any] = [comparable(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    is_environment = bool(items) and all(isinstance(one, dict) and {*one} == {"name", "value"} for one in items)
    return sorted(items, key=lambda one: one["name"]) if is_environment else items


def by_name(found: list[Manifest]) -> dict[tuple[str, str, str], Manifest]:
    """Return manifests by kind, namespace and name, without namespaces, which Helm does not create."""
    keyed = {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one for one in found}
    return {key: comparable(one) for key, one in keyed.items() if key[0] != "Namespace"}


def test_the_chart_has_every_service() -> None:
    assert {*VALUES["services"]} == {*SERVICES}


@pytest.mark.helm
def test_what_is_stored_is_what_the_chart_renders() -> None:
    assert rendering.stored() == rendering.rendered(), "run `make golden`"


@pytest.mark.helm
@pytest.mark.kustomize
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_both_ways_to_install_are_equal(overlay: str) -> None:
    values = CHART / f"values-{overlay}.yaml"
    charted = by_name(manifests(helm("--skip-tests", f"--values={values}")))
    assert charted == by_name(manifests(kustomize(f"overlays/{overlay}")))


@pytest.mark.kustomize
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_valid(overlay: str) -> None:
    found = manifests(kustomize(f"overlays/{overlay}"))
    assert mistakes(found) == []
    assert [line for one in found for version in VERSIONS for line in violations(one, version)] == []


@pytest.mark.helm
@pytest.mark.parametrize("name", COMBINATIONS)
def test_values_render_valid_manifests(name: str) -> None:
    found = manifests(helm("--skip-tests", *(f"--set={value}" for value in COMBINATIONS[name])))
    assert [line for line in mistakes(found) if not line.endswith(MISSING.get(name, "\n"))] == []
    assert [line for one in found for line in violations(one, VERSIONS[-1])] == []


@pytest.mark.helm
@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="values don't meet the specifications of the schema"):
        helm(f"--set={WRONG[name]}")


def test_the_values_follow_their_schema_without_helm() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    Draft7Validator.check_schema(schema)
    assert [error.message for error in Draft7Validator(schema).iter_errors(VALUES)] == []  # pyright: ignore[reportUnknownMemberType]
