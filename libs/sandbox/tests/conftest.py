import pytest
import pytest_asyncio
from sandbox import Sandbox


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox(servers: None) -> Sandbox:
    sandbox, reason = await Sandbox.find()
    if reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    return sandbox
