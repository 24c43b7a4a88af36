"""The pods of the overlay `development`: they serve the demo with agents in sandboxes, and may be killed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator

import pytest

from tests.chaos.users import Workload
from tests.deploy.contained import PROFILE
from tests.deploy.docker import SERVICES, image_of
from tests.deploy.lost_data import losses
from tests.deploy.pods import Pods, podman
from tests.kubernetes.rendering import CHART, helm, kustomize, manifests, program

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not shutil.which("podman"), reason="pods are run by `podman kube play`, and podman is missing"),
]
USERS, MAX_PAUSE = 3, 3.0
PROBE = "import asyncio, sandbox; print(asyncio.run(sandbox.Sandbox.find())[1])"


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Generator[Pods]:
    """The running pods, rendered by whichever program is installed: both are equal."""
    if program("kustomize"):
        text = kustomize("overlays/development")
    elif program("helm"):
        text = helm("--skip-tests", f"--values={CHART / 'values-development.yaml'}")
    else:
        pytest.skip("manifests are rendered by kustomize or Helm, and neither is installed")
    with Pods(manifests(text), tmp_path_factory.mktemp("pods")) as running:
        running.start()
        yield running


def test_the_demo_succeeds_with_pods(pods: Pods) -> None:
    environment = {**os.environ, "BASE_URL": pods.gateways[0]}  # noqa: TID251  the demo needs all of it
    subprocess.run([sys.executable, "-m", "onebox.demo"], env=environment, check=True, timeout=120)


def test_agents_are_in_sandboxes_in_pods(pods: Pods) -> None:
    assert "agent_sandbox 1.0" in pods.metrics("session")


def test_nothing_acknowledged_is_lost_when_each_pod_is_killed(pods: Pods) -> None:
    assert {*SERVICES} < {*pods.names}
    workload = Workload(pods.gateways, USERS, seed=3, max_pause=MAX_PAUSE)
    with workload.busy():
        assert all(user.tasks for user in workload.users), "users could not prepare"
        for name in pods.names:
            pods.kill(name)
    assert losses(workload, pods.gateways[0]) == []


def test_a_sandbox_starts_in_the_user_namespace_of_a_container() -> None:
    """As with `hostUsers: false`. Its volumes are not tried, because idmapped mounts need a later runtime."""
    mapped = [f"--{kind}map=0:100000:65536" for kind in ("uid", "gid")]
    options = [f"--security-opt={one}" for one in ("no-new-privileges", f"seccomp={PROFILE}", "unmask=ALL")]
    limits = ["--network=none", "--read-only", "--cap-drop=ALL", "--tmpfs=/tmp:mode=1777,exec", "--entrypoint=python"]
    found = podman("run", "--rm", *mapped, *options, *limits, image_of("session"), "-P", "-c", PROBE)
    assert found.splitlines()[-1] == "None"
