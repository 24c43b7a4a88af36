"""The system of docker-compose.yml: it becomes ready, serves clients, has two of everything, and survives crashes."""

import os
import subprocess
import sys
from collections.abc import Generator
from http import HTTPStatus

import pytest
from onebox.testing.system import until

from tests.chaos.users import Workload
from tests.deploy.docker import SERVICES, inspected
from tests.deploy.installation import READY_SECONDS, Installation
from tests.deploy.lost_data import losses
from tests.e2e.user import User

pytestmark = pytest.mark.deploy
SERVERS = ("nats", "postgres")
USERS, MAX_PAUSE = 3, 3.0
AIM_SECONDS = 60


@pytest.fixture(scope="module")
def doubled(installation: Installation) -> Generator[Installation]:
    """Let two of every service run, and afterwards one again."""
    print(f"ready after {installation.seconds_to_ready:.0f} s; the aim is {AIM_SECONDS} s")  # noqa: T201
    installation.up(*(f"--scale={service}=2" for service in SERVICES))
    yield installation
    installation.up()


def test_the_demo_succeeds_with_two_of_every_service(doubled: Installation) -> None:
    assert {len(doubled.containers(service)) for service in SERVICES} == {len(doubled.gateways)} == {2}
    environment = {**os.environ, "BASE_URL": doubled.gateways[1]}  # noqa: TID251
    subprocess.run([sys.executable, "-m", "onebox.demo"], env=environment, check=True)


def test_agents_are_in_sandboxes(installation: Installation) -> None:
    assert {*installation.values("session", "agent_sandbox")} == {1}


def test_new_sessions_claim_prestarted_agents(installation: Installation) -> None:
    user = User(installation.gateways[0])
    with user.http:
        user.register()
        user.log_in()

        def claimed() -> bool:
            user.create()
            return sum(installation.values("session", 'agent_claims_total{outcome="claimed"}')) > 0

        until(claimed, READY_SECONDS)


def test_two_replicas_report_one_truth(doubled: Installation) -> None:
    runs = sum(doubled.values("session", "runs_total"))
    user = User(doubled.gateways[0])
    with user.http:
        user.register()
        user.log_in()
        for _ in range(4):
            user.ask(user.create(), "hello").raise_for_status()
    until(lambda: sum(doubled.values("session", "runs_total")) == runs + 4, READY_SECONDS)
    for service, metric in {"gateway": "sessions_total", "session": "approvals_pending"}.items():
        until(lambda service=service, metric=metric: len({*doubled.values(service, metric)}) == 1, READY_SECONDS)


def test_the_first_administrator_has_the_password_of_the_secret(installation: Installation) -> None:
    password = (installation.secrets / "admin-password").read_text().strip()
    login = {"email": "admin@localhost.localdomain", "password": password}
    with installation.client() as client:
        assert client.post("/auth/login", json=login).status_code == HTTPStatus.OK


def test_containers_have_neither_secrets_in_variables_nor_a_writable_root(installation: Installation) -> None:
    secrets = [file.read_text().strip() for file in installation.secrets.iterdir()]
    for service in SERVICES:
        container = inspected("container", installation.containers(service)[0])
        assert container["HostConfig"]["ReadonlyRootfs"]
        assert not [text for text in secrets if text and text in "\n".join(container["Config"]["Env"])]


def test_nothing_acknowledged_is_lost_when_each_container_is_killed(doubled: Installation) -> None:
    workload = Workload(doubled.gateways, USERS, seed=1, max_pause=MAX_PAUSE)
    with workload.busy():
        assert all(user.tasks for user in workload.users), "users could not prepare"
        for service in (*SERVICES, *SERVERS):
            for container in doubled.containers(service):
                doubled.kill(container)
    assert losses(workload, doubled.gateways[0]) == []
