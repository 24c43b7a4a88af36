"""The receiver in the guide verifies requests, and answers those that were not signed with 401."""

import asyncio
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from contracts.webhook.values import Attempt
from onebox.children import allowed_environment
from onebox.ports import ReservedPort
from runtime.http.addresses import AddressRules
from runtime.testing import eventually
from webhook.delivery.sending import Sender

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "webhooks.md"
SECRET, OTHER = "whsec_" + "A" * 43 + "=", "whsec_" + "B" * 43 + "="
BODY = '{"type":"session.created","resource_id":"one"}'

pytestmark = pytest.mark.usefixtures("servers")


class Example:
    """The receiver, as a program."""

    def __init__(self, port: int, output: asyncio.StreamReader) -> None:
        self.port, self.output = port, output

    async def send(self, secret: str = SECRET) -> Attempt:
        async with Sender.open(AddressRules.parse("127.0.0.1"), 5.0, 1) as sender:
            return await sender.send(f"http://127.0.0.1:{self.port}/", [secret], "msg_1", BODY)


@pytest_asyncio.fixture
async def example() -> AsyncGenerator[Example]:
    [program] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    with ReservedPort() as port:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            env=allowed_environment() | {"SECRET": SECRET, "PORT": str(port.number)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout
        receiver = Example(port.number, process.stdout)
        try:
            await eventually(lambda: _answers(receiver))
            yield receiver
        finally:
            process.kill()
            await process.wait()


async def _answers(receiver: Example) -> bool:
    return (await receiver.send(OTHER)).status_code == 401


async def test_the_receiver_of_the_guide_accepts_each_event_once(example: Example) -> None:
    assert [(await example.send()).status_code for _ in range(2)] == [204, 204]
    assert (await example.send(OTHER)).status_code == 401
    assert await example.output.readline() == b"session.created one\n"
