"""The pods of both overlays: they serve the demo with agents in sandboxes, and may be killed."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from onebox.installation.kubernetes import STORES

from tests.chaos.users import Workload
from tests.deploy.contained import PROFILE
from tests.deploy.docker import SERVICES, image_of
from tests.deploy.lost_data import losses
from tests.deploy.pods import Pods, podman
from tests.kubernetes.rendering import CHART, Manifest, helm, kustomize, manifests, program

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(not shutil.which("podman"), reason="pods are run by `podman kube play`, and podman is missing"),
]
USERS, MAX_PAUSE = 3, 3.0
REFUSED = HTTPStatus.MISDIRECTED_REQUEST
PROBE = "import asyncio, sandbox; print(asyncio.run(sandbox.Sandbox.find())[1])"


# What the example of `production` leaves to the operator: a model, and how to reach the gateway without the Ingress.
SIMULATED = {"MODEL_BASE_URL": "http://simulator:9000", "MODEL_API_KEY_FILE": ""}
FORWARDED = {"ALLOWED_HOSTS": "agents.example.org,127.0.0.1"}
PATIENT = {"ASK_TIMEOUT_SECONDS": "30", "RATE_LIMITS": "none"}
"""Settings of a gateway for tests on a busy machine."""
SHARED = {*STORES, "simulator"}


def rendered(overlay: str) -> list[Manifest]:
    """Return the manifests of an overlay, rendered by whichever program is installed: both are equal."""
    if program("kustomize"):
        return manifests(kustomize(f"overlays/{overlay}"))
    if program("helm"):
        return manifests(helm("--skip-tests", f"--values={CHART / f'values-{overlay}.yaml'}"))
    pytest.skip("manifests are rendered by kustomize or Helm, and neither is installed")


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Generator[Pods]:
    """The running pods of the overlay `development`."""
    with Pods(rendered("development"), tmp_path_factory.mktemp("pods"), settings={"gateway": PATIENT}) as running:
        running.start()
        yield running


@pytest.fixture
def production(tmp_path: Path) -> Generator[Pods]:
    """Two pods of each service of the overlay `production`; the stores are those of `development`."""
    stores = [one for one in rendered("development") if one["metadata"]["name"] in SHARED]
    settings = {"session": SIMULATED, "gateway": FORWARDED | PATIENT}
    with Pods([*rendered("production"), *stores], tmp_path, replicas=2, settings=settings) as running:
        running.start()
        yield running


def demonstrate(gateway: str) -> None:
    """Run the demo client."""
    environment = {**os.environ, "BASE_URL": gateway}  # noqa: TID251  the demo needs all of it
    subprocess.run([sys.executable, "-m", "onebox.demo"], env=environment, check=True)


def test_the_demo_succeeds_with_two_pods_of_each_service_of_production(production: Pods) -> None:
    counts = Counter(production.components.values())
    assert counts == dict.fromkeys(SERVICES, 2) | dict.fromkeys(SHARED, 1)
    for gateway in production.gateways:
        demonstrate(gateway)
    assert httpx.get(production.gateways[0], headers={"host": "other.example.org"}, timeout=60).status_code == REFUSED


def test_the_demo_succeeds_with_pods(pods: Pods) -> None:
    demonstrate(pods.gateways[0])


def test_agents_are_in_sandboxes_in_pods(pods: Pods) -> None:
    assert all("agent_sandbox 1.0" in metrics for metrics in pods.metrics("session"))


def test_nothing_acknowledged_is_lost_when_each_pod_is_killed(pods: Pods) -> None:
    assert {*SERVICES} < {*pods.components.values()}
    workload = Workload(pods.gateways, USERS, seed=3, max_pause=MAX_PAUSE)
    with workload.busy():
        assert all(user.tasks for user in workload.users), "users could not prepare"
        for pod in pods.components:
            pods.kill(pod)
    assert losses(workload, pods.gateways[0]) == []


def test_a_sandbox_starts_in_the_user_namespace_of_a_container() -> None:
    """As with `hostUsers: false`. Its volumes are not tried, because idmapped mounts need a later runtime."""
    mapped = [f"--{kind}map=0:100000:65536" for kind in ("uid", "gid")]
    options = [f"--security-opt={one}" for one in ("no-new-privileges", f"seccomp={PROFILE}", "unmask=ALL")]
    limits = ["--network=none", "--read-only", "--cap-drop=ALL", "--tmpfs=/tmp:mode=1777,exec", "--entrypoint=python"]
    found = podman("run", "--rm", *mapped, *options, *limits, image_of("session"), "-P", "-c", PROBE)
    assert found.splitlines()[-1] == "None"
