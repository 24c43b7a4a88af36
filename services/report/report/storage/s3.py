"""Objects in a bucket of S3 or of a store with the same interface."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from report.storage.interface import ObjectMissing, StorageDenied

REQUEST_TIMEOUT, CONNECT_TIMEOUT = timedelta(seconds=30), timedelta(seconds=5)
RETRYING = timedelta(seconds=10)
"""How long a request is repeated; jobs are retried later by themselves."""

NO_BUCKET, REFUSED = re.compile(r"<Code>NoSuchBucket</Code>"), re.compile(r"status code: 40[13] ")


@dataclass(frozen=True)
class Bucket:
    """A bucket. `endpoint` is None for S3 itself; keys begin with `prefix`."""

    name: str
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    prefix: str = ""


class S3Storage:
    """A bucket of an S3-compatible store."""

    def __init__(self, bucket: Bucket) -> None:
        self._name = bucket.name
        names = ("endpoint", "region", "access_key_id", "secret_access_key", "prefix")
        chosen: dict[str, Any] = {name: value for name in names if (value := getattr(bucket, name))}
        self._store = S3Store(
            bucket.name,
            virtual_hosted_style_request=bucket.endpoint is None,
            client_options={
                "allow_http": (bucket.endpoint or "").startswith("http://"),
                "timeout": REQUEST_TIMEOUT,
                "connect_timeout": CONNECT_TIMEOUT,
            },
            retry_config={"max_retries": 3, "retry_timeout": RETRYING},
            **chosen,
        )

    async def check(self) -> None:
        """List the bucket, which is refused if it does not exist or the credentials are wrong."""
        await self.keys("check/")

    async def put(self, key: str, file: Path) -> None:
        """Store a copy of a local file, in several parts if it is large."""
        with self._errors():
            await obstore.put_async(self._store, key, file)

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """Return a part of an object."""
        try:
            with self._errors():
                return bytes(await obstore.get_range_async(self._store, key, start=offset, length=length))
        except FileNotFoundError as error:
            raise ObjectMissing(key) from error

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys in a folder."""
        with self._errors():
            listing: Any = obstore.list(self._store, prefix.removesuffix("/"))  # pyright: ignore[reportUnknownMemberType]
            found = await listing.collect_async()
        return [item["path"] for item in found]

    async def delete(self, key: str) -> None:
        """Delete an object."""
        with self._errors():
            await obstore.delete_async(self._store, key)

    @contextmanager
    def _errors(self) -> Generator[None]:
        """Convert errors. The library has no type for some of them, such as a bucket that must not be listed."""
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            if NO_BUCKET.search(str(error)):
                raise StorageDenied(f"the bucket {self._name} does not exist") from error
            if REFUSED.search(str(error)):
                raise StorageDenied(f"the bucket {self._name} refuses access with these credentials") from error
            raise
