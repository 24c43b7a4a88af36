"""The configuration of what observes the system, as far as it can be checked without running it."""

import shutil
import subprocess

import pytest
import yaml

from tests.architecture.house import ROOT
from tests.deploy.docker import SERVICES, docker

FOLDER = ROOT / "deploy" / "monitoring"


def test_prometheus_scrapes_every_service() -> None:
    [job] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert {*job["dns_sd_configs"][0]["names"]} == {*SERVICES}


def test_the_collector_uses_what_it_defines() -> None:
    given = yaml.safe_load((FOLDER / "collector.yaml").read_text())
    for pipeline in given["service"]["pipelines"].values():
        assert all({*names} <= {*given[kind]} for kind, names in pipeline.items())


@pytest.mark.deploy
def test_promtool_accepts_the_configuration_of_prometheus() -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is missing: apt-get install prometheus")
    subprocess.run(["promtool", "check", "config", FOLDER / "prometheus.yml"], check=True)


@pytest.mark.deploy
def test_amtool_accepts_the_configuration_of_alertmanager() -> None:
    if not shutil.which("amtool"):
        pytest.skip("amtool is missing: apt-get install prometheus-alertmanager")
    subprocess.run(["amtool", "check-config", FOLDER / "alertmanager.yml"], check=True)


@pytest.mark.deploy
def test_docker_compose_accepts_the_profile_observe() -> None:
    assert {"prometheus", "alertmanager", "grafana", "collector", "jaeger"} <= {
        *docker("compose", "--profile=observe", "config", "--services").split()
    }
