"""The storage that clients of the whole service use."""

import asyncio
from uuid import UUID

from contracts.samples import USER
from contracts.session.quota import GetUsage
from contracts.session.workspace import UploadPart, WriteFile
from runtime.clock import new_id

from services.session.tests.deployment import ServiceClient


async def write(client: ServiceClient, session_id: UUID, path: str, size: int) -> None:
    upload = new_id()
    await client.ask(UploadPart(session_id=session_id, upload_id=upload, offset=0, data=b"x" * size))
    await client.ask(WriteFile(session_id=session_id, path=path, upload_id=upload, size=size))


async def test_concurrent_replacements_of_a_file_are_counted_as_one(client: ServiceClient) -> None:
    session_id = await client.create()
    for path in ("kept", "replaced"):
        await write(client, session_id, path, 5_000)
    await asyncio.gather(*(write(client, session_id, "replaced", 1) for _ in range(10)))
    usage = await client.ask(GetUsage(user_id=UUID(USER), role="user"))
    assert usage.storage_bytes
    assert usage.storage_bytes.used == 5_001
