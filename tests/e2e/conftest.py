from collections.abc import Generator

import pytest
from onebox.testing.system import System

from tests.e2e.user import User, admin_of, known_user, newcomer


@pytest.fixture(autouse=True)
def _servers(servers: None) -> None:  # pyright: ignore[reportUnusedFunction]
    """Every test here uses a whole system, or starts one."""


@pytest.fixture
def user(system: System) -> Generator[User]:
    """Someone new, on the system that tests share."""
    yield from newcomer(system)


@pytest.fixture(scope="module")
def shared_user(system: System) -> Generator[User]:
    """Someone whom tests of all modules share. Only what a test creates is its."""
    yield from known_user(system)


@pytest.fixture(scope="module")
def stranger(system: System) -> Generator[User]:
    """Someone else, whom tests of all modules share."""
    yield from known_user(system, "stranger")


@pytest.fixture(scope="module")
def admin(system: System) -> Generator[User]:
    """The administrator of the system that tests share."""
    yield from admin_of(system)


@pytest.fixture
def spare_user(spare_system: System) -> Generator[User]:
    """Someone new, on a system to kill."""
    yield from newcomer(spare_system)


@pytest.fixture
def mcp_admin(system: System) -> Generator[User]:
    """The administrator of the system that tests share, who leaves no MCP servers behind."""
    for admin in admin_of(system):
        yield admin
        own = admin.id()
        for server in admin.items("/mcp-servers", limit=100):
            if server["user_id"] == own:  # other tests use those of their users
                admin.http.delete(f"/mcp-servers/{server['id']}").raise_for_status()
