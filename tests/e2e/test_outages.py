"""A dependency that is down is said so at once, and forgotten as soon as it is back: no restart."""

from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.postgres import EmbeddedPostgres
from onebox.testing.system import System, until
from onebox.testing.unrooted import PostgresForTests
from simulator.testing import scripted

from tests.e2e.user import User, newcomer

pytestmark = pytest.mark.long

type Server = EmbeddedPostgres | EmbeddedNats

SERVERS = {"DATABASE_URL": PostgresForTests, "NATS_URL": EmbeddedNats}


@pytest.fixture(params=SERVERS)
def outside(request: pytest.FixtureRequest, open_folder: Path) -> Generator[tuple[str, Server]]:
    """A PostgreSQL or a NATS server that the test starts and stops, and the setting that names it."""
    folder = DataFolder(open_folder / "outside")
    server = SERVERS[request.param](folder)
    server.start()
    yield request.param, server
    server.stop()
    folder.close()


@pytest.fixture
def user_outside(outside: tuple[str, Server]) -> Generator[User]:
    setting, server = outside
    with System({setting: server.url, "ASK_TIMEOUT_SECONDS": "10"}) as system:
        system.start()
        yield from newcomer(system)


def test_an_outage_is_a_503_until_it_ends(outside: tuple[str, Server], user_outside: User) -> None:
    server, session_id = outside[1], user_outside.create()
    server.stop()
    answer = user_outside.http.get(f"/sessions/{session_id}")
    assert (answer.status_code, answer.json()["error_code"]) == (503, "UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0
    answer = user_outside.http.post("/sessions", json={"mode": "interactive"})
    assert (answer.status_code, answer.json()["error_code"]) == (503, "UNAVAILABLE")
    assert "retry-after" not in answer.headers  # it may have been made
    server.start()
    until(lambda: answers(user_outside, session_id))


def answers(user: User, session_id: str) -> bool:
    """Whether a query goes all the way again."""
    try:
        return user.ask(session_id, scripted({"text": "back"})).is_success
    except httpx.TransportError:
        return False
