from collections.abc import AsyncGenerator
from ipaddress import ip_network

import pytest
import pytest_asyncio
from mcp_connection import Connector
from mcp_connection.testing.executing import PATIENT
from runtime.http.addresses import AddressRules
from sandbox import Sandbox


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox(servers: None) -> Sandbox:
    sandbox, reason = await Sandbox.find()
    if reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    return sandbox


@pytest.fixture
async def connector(sandbox: Sandbox) -> AsyncGenerator[Connector]:
    """A connector whose operator allows the loopback addresses."""
    async with Connector(sandbox, AddressRules(networks=(ip_network("127.0.0.0/8"),)), PATIENT) as connector:
        yield connector
