"""The containers of an earlier release are replaced by those of this one while users are busy."""

import os
import shutil
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from contracts.catalogue import EVENTS
from onebox.testing.system import until

from tests.chaos.users import Workload
from tests.deploy.docker import IMAGES, SERVICES, VERSION, docker, image_of, inspected
from tests.deploy.installation import BUS_RESTARTED, Installation
from tests.deploy.lost_data import interrupted, losses

pytestmark = pytest.mark.deploy
USERS, MAX_PAUSE = 3, 3.0
SECONDS = 2700
"""A guard, not the aim: the script itself gives up before, after 300 s for each service."""
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
    """The system of docker-compose.yml with the earlier images, and the secrets in FROM_SECRETS, which are copied."""
    if secrets := os.environ.get("FROM_SECRETS"):  # noqa: TID251
        shutil.copytree(secrets, tmp_path / "secrets")
    with Installation(tmp_path / "secrets", earlier_images) as running:
        running.up()
        yield running


def test_nothing_acknowledged_is_lost_in_an_upgrade(earlier: Installation, tmp_path: Path) -> None:
    old = {name for service in SERVICES for name in earlier.containers(service)}
    workload = Workload(earlier.gateways, USERS, seed=2, max_pause=MAX_PAUSE)
    with workload.busy():
        assert all(user.tasks for user in workload.users), "users could not prepare"
        printed = upgrade(earlier, tmp_path)
    assert losses(workload, earlier.gateways[0]) == []
    new = [name for service in SERVICES for name in earlier.containers(service)]
    assert len(new) == len(SERVICES)
    assert not old & {*new}
    assert versions(earlier) == {VERSION}
    failures = sum(n for answer, n in workload.answers.items() if is_failure(answer))
    assert failures <= (USERS if BUS_RESTARTED in printed else 0), "more requests failed than were in progress"
    assert [run for user in workload.users for run in interrupted(user, earlier.gateways[0])] == []


@pytest.mark.long
def test_an_upgrade_without_migrations_is_undone_without_a_loss(
    earlier: Installation, earlier_images: Mapping[str, str], tmp_path: Path
) -> None:
    if upgrade(earlier, tmp_path).count("no migrations to apply") != len(EVENTS):
        pytest.skip("the earlier release refuses a database with the migrations of this one")
    workload = Workload(earlier.gateways, USERS, seed=4, max_pause=MAX_PAUSE)
    with workload.busy():
        assert all(user.tasks for user in workload.users), "users could not prepare"
        upgrade(earlier, tmp_path / "back", earlier_images)
    assert versions(earlier) == {earlier_images["VERSION"]}
    assert [answer for answer in workload.answers if is_failure(answer)] == []
    assert losses(workload, earlier.gateways[0]) == []


def upgrade(system: Installation, folder: Path, images: Mapping[str, str] | None = None) -> str:
    """Upgrade as the runbook says, take the old gateway from the users before it stops, and return what is printed."""
    folder.mkdir(exist_ok=True)
    hook = f"touch {folder}/{CHANGED}; while [ ! -e {folder}/{SWITCHED} ]; do sleep 0.1; done"
    [old], pool = [*system.gateways], ThreadPoolExecutor()
    printed = pool.submit(system.upgrade, hook, images)
    until(lambda: (folder / CHANGED).exists() or printed.done(), SECONDS)
    system.find_gateways()
    if old in system.gateways and len(system.gateways) > 1:
        system.gateways.remove(old)
    (folder / SWITCHED).touch()
    return printed.result()


def versions(system: Installation) -> set[str]:
    """Return the versions of the images that run."""
    names = [name for service in SERVICES for name in system.containers(service)]
    return {inspected("container", name)["Config"]["Image"].rpartition(":")[2] for name in names}


def is_failure(answer: str) -> bool:
    """Return whether no client could know from an answer that it may send the request again.

    When the bus was restarted, the outcome of what was in progress is unknown.
    """
    return " 5" in answer and not answer.endswith(" 503 retry")
