import json
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventing.database import Database
from eventing.testing.harness import migrated, owned
from identity.app import service
from identity.credentials import passwords
from jwt.algorithms import OKPAlgorithm
from onebox.testing.databases import Databases

from services.identity.tests.desk import Desk


@pytest.fixture
def key_ring_file(tmp_path: Path) -> Path:
    """A key ring with one new key."""
    key = json.loads(OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate()))
    path = tmp_path / "ring.json"
    path.write_text(json.dumps({"keys": [key | {"kid": "one"}]}))
    return path


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with the lowest cost that Argon2id allows."""
    monkeypatch.setattr(passwords, "PasswordHasher", partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1))


@pytest_asyncio.fixture
async def migrated_url(databases: Databases) -> AsyncGenerator[str]:
    """Yield the URL of a migrated database for the role that owns the tables."""
    async with migrated(databases, service.name, service.migrations, as_owner=True) as database:
        yield database.url


@pytest_asyncio.fixture
async def owner(desk: Desk, databases: Databases) -> AsyncGenerator[Database]:
    """The database of the desk, for the role that owns the tables."""
    async with owned(databases, desk.database) as database:
        yield database


@pytest_asyncio.fixture
async def desk(databases: Databases, key_ring_file: Path, quick_passwords: None) -> AsyncGenerator[Desk]:
    async with migrated(databases, service.name, service.migrations) as database:
        yield Desk(database, key_ring_file)
