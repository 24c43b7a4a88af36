"""The containers of an earlier release are replaced by those of this one while users are busy."""

import os
from collections.abc import Generator, Mapping
from pathlib import Path
from threading import Thread

import pytest
from onebox.testing.system import until

from tests.chaos.users import Workload
from tests.deploy.docker import IMAGES, SERVICES, VERSION, docker, image_of, inspected
from tests.deploy.installation import Installation
from tests.deploy.lost_data import interrupted, lost

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(1200)]
USERS, MAX_PAUSE = 3, 3.0
SECONDS = 600
EARLIER = "earlier"
# The proxy of this test is the list of gateways of its users.
SWITCHED, CHANGED = "switched", "changed"


@pytest.fixture
def earlier_images() -> Generator[Mapping[str, str]]:
    """What `docker compose` starts the earlier release with: FROM_…, or the images under test as another version."""
    names = ("IMAGES", "VERSION", "COMPOSE_FILE")
    given = {name: os.environ.get(f"FROM_{name}", "") for name in names}  # noqa: TID251
    if given["VERSION"]:
        yield {name: value for name, value in given.items() if value}
        return
    renamed = {image_of(name): image_of(name, EARLIER) for name in IMAGES}
    for image, name in renamed.items():
        docker("tag", image, name)
    yield {"VERSION": EARLIER}
    docker("rmi", *renamed.values())


@pytest.fixture
def earlier(tmp_path: Path, earlier_images: Mapping[str, str]) -> Generator[Installation]:
    """The system of docker-compose.yml with the earlier images."""
    with Installation(tmp_path / "secrets", earlier_images) as running:
        running.up()
        yield running


def test_nothing_acknowledged_is_lost_in_an_upgrade(earlier: Installation, tmp_path: Path) -> None:
    old = {name for service in SERVICES for name in earlier.containers(service)}
    workload = Workload(earlier.gateways, USERS, seed=2, max_pause=MAX_PAUSE)
    with workload.busy():
        assert all(user.tasks for user in workload.users), "users could not prepare"
        upgrade(earlier, tmp_path)
    answers = dict(workload.answers)
    print(f"{sum(len(held.runs) for user in workload.users for held in user.sessions)} runs; answers: {answers}")  # noqa: T201
    new = [name for service in SERVICES for name in earlier.containers(service)]
    assert len(new) == len(SERVICES)
    assert not old & {*new}
    assert {inspected("container", name)["Config"]["Image"].rpartition(":")[2] for name in new} == {VERSION}
    assert [answer for answer in answers if is_failure(answer)] == []
    assert [found for user in workload.users for found in lost(user, earlier.gateways[0])] == []
    assert [run for user in workload.users for run in interrupted(user, earlier.gateways[0])] == []


def upgrade(system: Installation, folder: Path) -> None:
    """Upgrade as the runbook says, and take the old gateway from the users before it stops."""
    hook = f"touch {folder}/{CHANGED}; while [ ! -e {folder}/{SWITCHED} ]; do sleep 0.1; done"
    errors: list[BaseException] = []

    def run() -> None:
        try:
            system.upgrade(hook)
        except BaseException as error:  # noqa: BLE001  raised below, in the thread of the test
            errors.append(error)

    [old], thread = [*system.gateways], Thread(target=run)
    thread.start()
    until(lambda: (folder / CHANGED).exists() or not thread.is_alive(), SECONDS)
    system.find_gateways()
    if old in system.gateways and len(system.gateways) > 1:
        system.gateways.remove(old)
    (folder / SWITCHED).touch()
    thread.join()
    if errors:
        raise errors[0]


def is_failure(answer: str) -> bool:
    """Return whether no client could know from an answer that it may send the request again."""
    return " 5" in answer and not answer.endswith(" 503 retry")
