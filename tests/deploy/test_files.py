"""What docker-compose.yml grants its containers."""

import re
from typing import Any

import pytest
import yaml
from contracts.catalogue import EVENTS
from runtime.settings import variables_of

from tests.architecture.house import ROOT
from tests.deploy.docker import IMAGES, SERVICES
from tests.deploy.installation import UPGRADE
from tests.kubernetes.cluster import OF_OPENSSL, settings_of
from tests.kubernetes.rules import GRACE_SECONDS, memory_of_agents

FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
CONTAINERS: dict[str, dict[str, Any]] = FILE["services"]
SANDBOXES = {"session", "mcp-registry"}
NO_NEW_PRIVILEGES = "no-new-privileges:true"
DELAYS = re.findall(r"DRAIN_DELAY_SECONDS=(\d+)", (ROOT / "deploy/images/Dockerfile").read_text())
WORK_SECONDS = 10
"""The default of `DRAIN_SECONDS`, and how long a gateway ends its requests."""
GUIDE = ROOT / "docs/guides/containers.md"


def secrets_of(name: str) -> set[str]:
    given: list[Any] = CONTAINERS[name].get("secrets", [])
    return {each if isinstance(each, str) else each["source"] for each in given}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_hardened(name: str) -> None:
    container = CONTAINERS[name]
    assert {"read_only", "pids_limit", "mem_limit"} <= {*container}
    assert container["cap_drop"] == ["ALL"]
    assert NO_NEW_PRIVILEGES in container["security_opt"]
    assert container["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert "container_name" not in container  # there may be two


@pytest.mark.parametrize("name", CONTAINERS)
def test_only_containers_with_sandboxes_have_more_than_that(name: str) -> None:
    assert (CONTAINERS[name]["security_opt"] != [NO_NEW_PRIVILEGES]) == (name in SANDBOXES)
    assert not {"cap_add", "privileged", "devices", "pid", "ipc", "userns_mode"} & {*CONTAINERS[name]}


def test_scripts_that_start_sandboxes_can_be_executed() -> None:
    options = {name: container["tmpfs"][0].split(",") for name, container in CONTAINERS.items() if "tmpfs" in container}
    assert {name for name, found in options.items() if "exec" in found} == SANDBOXES


def test_our_images_are_not_pulled_unless_that_is_wanted() -> None:
    ours = [container for container in CONTAINERS.values() if container["image"].startswith("${IMAGES")]
    assert len(ours) > len(IMAGES)
    assert {container.get("pull_policy") for container in ours} == {"${PULL_POLICY:-never}"}


def test_only_the_gateway_and_grafana_publish_a_port() -> None:
    published = {name: container["ports"] for name, container in CONTAINERS.items() if "ports" in container}
    assert {*published} == {"gateway", "grafana"}
    assert published["grafana"][0].startswith("127.0.0.1:")


def test_the_database_and_the_bus_cannot_be_reached_from_outside() -> None:
    for name, network in {"postgres": "database", "nats": "bus"}.items():
        assert CONTAINERS[name]["networks"] == [network]
        assert FILE["networks"][network]["internal"]
    assert "database" not in CONTAINERS["gateway"]["networks"]


def test_programs_reach_the_bus_only_with_a_file_of_its_own() -> None:
    added = yaml.safe_load((ROOT / "deploy" / "bus.yml").read_text())["services"]
    assert {*added} == {"nats"}
    assert added["nats"]["ports"] == ["${BUS_HOST:-127.0.0.1}:${BUS_PORT:-4222}:4222"]
    assert {*added["nats"]["networks"]} <= {*FILE["networks"]}


def test_no_password_is_written_in_the_file() -> None:
    variables = {name for container in CONTAINERS.values() for name in container.get("environment", {})}
    assert {name for name in variables if "PASSWORD" in name} == {"ADMIN_PASSWORD_FILE", "POSTGRES_PASSWORD_FILE"}


def test_each_secret_is_only_where_it_is_needed() -> None:
    holders = {secret: {name for name in CONTAINERS if secret in secrets_of(name)} for secret in FILE["secrets"]}
    migrations = {f"{service.replace('_', '-')}-migration" for service in EVENTS}
    assert holders["model-api-key"] == {"session"}
    assert holders["ring.json"] == {"identity", "backup"}
    assert holders["bus-issuer-seed"] == {"identity"}
    assert holders["migration-database-url"] == migrations | {"backup"}
    assert holders["secrets.json"] == {"session", "task-scheduler", "mcp-registry", "webhook", "backup"}
    assert all(holders[f"nats-url-{service}"] == {service} for service in SERVICES)


def test_every_secret_is_used() -> None:
    assert {*FILE["secrets"]} == {secret for name in CONTAINERS for secret in secrets_of(name)}


def test_every_service_has_an_image_that_is_built_here() -> None:
    built = {name for name, container in CONTAINERS.items() if "build" in container}
    assert built == {*IMAGES} == {"gateway", "simulator", "backup", *(service.replace("_", "-") for service in EVENTS)}
    assert all(CONTAINERS[name]["build"]["target"] == name for name in built)


def test_an_upgrade_replaces_every_service_and_gateways_last() -> None:
    named = re.findall('^services="(.+)"$', UPGRADE.read_text(), re.MULTILINE)[0].split()
    assert {*named} == {*SERVICES}
    assert named[-1] == "gateway"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_knows_its_variables(service: str) -> None:
    assert {*CONTAINERS[service]["environment"]} - OF_OPENSSL <= variables_of(settings_of(service))


def test_the_memory_of_agents_follows_the_documented_formula() -> None:
    variables = CONTAINERS["session"]["environment"]
    runs, warm = (int(_default(variables[name])) for name in ("RUNS_AT_ONCE", "WARM_AGENTS"))
    assert _mebibytes(CONTAINERS["session"]["mem_limit"]) == -(-memory_of_agents(runs, warm) // 1024) * 1024


def test_the_guide_says_what_the_limits_of_memory_add_up_to() -> None:
    running = [one for one in CONTAINERS.values() if one["restart"] != "no" and "profiles" not in one]
    gibibytes = sum(_mebibytes(one["mem_limit"]) for one in running) / 1024
    assert f"add up to {gibibytes:g} GiB" in GUIDE.read_text()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_killed_only_after_its_work_has_had_time(service: str) -> None:
    variables = CONTAINERS[service]["environment"]
    drain = int(_default(variables["DRAIN_SECONDS"])) if "DRAIN_SECONDS" in variables else WORK_SECONDS
    delay = int(DELAYS[0]) if service == "gateway" else 0
    grace = int(_default(CONTAINERS[service]["stop_grace_period"]).removesuffix("s"))
    assert grace >= delay + drain + GRACE_SECONDS


def _default(text: str) -> str:
    """Return the default of a variable that is interpolated, or the text itself."""
    return text.partition(":-")[2].removesuffix("}") or text


def _mebibytes(limit: str) -> float:
    text = _default(limit)
    return float(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]
