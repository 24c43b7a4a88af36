from collections.abc import Generator

import pytest
from onebox.testing.system import System

from tests.e2e.user import User, newcomer


@pytest.fixture(autouse=True)
def _servers(servers: None) -> None:  # pyright: ignore[reportUnusedFunction]
    """Every test here uses a whole system, or starts one."""


@pytest.fixture
def user(system: System) -> Generator[User]:
    """Someone new, on the system that tests share."""
    yield from newcomer(system)


@pytest.fixture
def spare_user(spare_system: System) -> Generator[User]:
    """Someone new, on a system to kill."""
    yield from newcomer(spare_system)
