from collections.abc import Generator

import pytest
from onebox.testing.system import System, until

from tests.e2e.user import User, admin_of, newcomer


@pytest.fixture(autouse=True)
def _servers(servers: None) -> None:  # pyright: ignore[reportUnusedFunction]
    """Every test here uses a whole system, or starts one."""


@pytest.fixture
def user(system: System) -> Generator[User]:
    """Someone new, on the system that tests share."""
    yield from newcomer(system)


@pytest.fixture
def admin(system: System) -> Generator[User]:
    """The administrator of the system that tests share."""
    yield from admin_of(system)


@pytest.fixture
def spare_user(spare_system: System) -> Generator[User]:
    """Someone new, on a system to kill."""
    yield from newcomer(spare_system)


@pytest.fixture(scope="session")
def mcp_system(servers: None) -> Generator[System]:
    """A system whose users may register MCP servers on this machine. Tests that kill its processes await its return."""
    with System({"MCP_ALLOWED_ADDRESSES": "127.0.0.0/8"}) as running:
        running.start()
        yield running


@pytest.fixture
def mcp_user(mcp_system: System) -> Generator[User]:
    """Someone new, who uses MCP servers."""
    until(mcp_system.ready)
    yield from newcomer(mcp_system)


@pytest.fixture
def mcp_admin(mcp_system: System) -> Generator[User]:
    """The administrator of the system with MCP servers, who leaves none behind."""
    for admin in admin_of(mcp_system):
        yield admin
        for server in admin.items("/mcp-servers"):
            admin.http.delete(f"/mcp-servers/{server['id']}").raise_for_status()
