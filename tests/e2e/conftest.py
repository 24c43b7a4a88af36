from collections.abc import Generator

import pytest
from onebox.testing.system import System

from tests.e2e.user import User, newcomer


@pytest.fixture
def user(system: System) -> Generator[User]:
    """Someone new, on the system that tests share."""
    yield from newcomer(system)


@pytest.fixture
def fresh_user(fresh_system: System) -> Generator[User]:
    """Someone new, on a system of the test's own."""
    yield from newcomer(fresh_system)
